//! SetQueueAttributes.
//!
//! Source: sqs-contract §4.5;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>.

use super::queue_attributes::{self, Whose};
use super::{Sqs, failure, redrive_target};
use crate::protocol::SqsError;
use crate::protocol::request::SetQueueAttributes;

pub(super) async fn handle(sqs: &Sqs, input: SetQueueAttributes) -> Result<(), SqsError> {
    if input.attributes.is_empty() {
        return Err(SqsError::MissingParameter("Attribute.Name".into()));
    }
    let queue = input.queue?;
    let info = sqs.queues.info(&queue).await.map_err(failure::of_request)?;
    let whose = if info.is_fifo { Whose::Fifo } else { Whose::Standard };
    let attributes = queue_attributes::check(&input.attributes, whose)?;
    let stored = attributes.stored(Some(&info))?;
    if let Some(policy) = &attributes.redrive {
        redrive_target::check(sqs, policy, &queue, info.is_fifo).await?;
    }
    sqs.queues.set(&queue, &stored).await.map_err(failure::of_request)
}
