//! DeleteQueue.
//!
//! Source: sqs-contract §4.3;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>.

use super::{Sqs, failure};
use crate::protocol::SqsError;
use crate::protocol::request::NamedQueue;

pub(super) async fn handle(sqs: &Sqs, queue: NamedQueue) -> Result<(), SqsError> {
    let deleted = sqs.queues.delete(&queue?, sqs.queue_cooldown).await;
    deleted.map_err(failure::of_request)
}
