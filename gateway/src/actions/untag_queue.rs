//! UntagQueue.
//!
//! Source: sqs-contract §4.7;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_UntagQueue.html>.

use super::{Sqs, failure};
use crate::protocol::SqsError;
use crate::protocol::request::UntagQueue;

pub(super) async fn handle(sqs: &Sqs, input: UntagQueue) -> Result<(), SqsError> {
    if input.tag_keys.is_empty() {
        return Err(SqsError::MissingParameter("TagKeys".into()));
    }
    sqs.queues.untag(&input.queue?, &input.tag_keys).await.map_err(failure::of_request)
}
