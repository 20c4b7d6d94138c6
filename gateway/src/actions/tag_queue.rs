//! TagQueue.
//!
//! Source: sqs-contract §4.7;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_TagQueue.html>.

use super::{Sqs, failure, tags};
use crate::protocol::SqsError;
use crate::protocol::request::TagQueue;
use crate::queues::QueueError;

pub(super) async fn handle(sqs: &Sqs, input: TagQueue) -> Result<(), SqsError> {
    if input.tags.is_empty() {
        return Err(SqsError::MissingParameter("Tags".into()));
    }
    let queue = input.queue?;
    if let Err(error) = tags::check(queue.as_str(), &input.tags) {
        return Err(sqs.refusal(&queue, error).await);
    }
    match sqs.queues.tag(&queue, &input.tags).await {
        // Each is fine by itself, so with those that are there they are too many.
        Err(QueueError::Attribute(_)) => Err(tags::too_many(queue.as_str())),
        result => result.map_err(failure::of_request),
    }
}
