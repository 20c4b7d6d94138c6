//! GetQueueAttributes.
//!
//! Source: sqs-contract §§4.5 and 5.1; <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
//! APIReference/API_GetQueueAttributes.html>.

use super::{Sqs, failure, queue_attributes, shown_attributes};
use crate::protocol::SqsError;
use crate::protocol::request::GetQueueAttributes;
use crate::protocol::response::QueueAttributes;

pub(super) async fn handle(
    sqs: &Sqs,
    input: GetQueueAttributes,
) -> Result<QueueAttributes, SqsError> {
    let queue = input.queue?;
    let info = sqs.queues.info(&queue).await.map_err(failure::of_request)?;
    let wanted = input.attribute_names;
    let is_known = |name: &str| name == "All" || queue_attributes::is_known(name);
    if let Some(unknown) = wanted.iter().find(|name| !is_known(name)) {
        return Err(SqsError::unknown_attribute(unknown));
    }
    let mut attributes = shown_attributes::shown(&info, sqs.identity.queue_arn(&queue));
    attributes.retain(|(name, _)| wanted.iter().any(|wanted| wanted == "All" || wanted == name));
    Ok(QueueAttributes { attributes })
}
