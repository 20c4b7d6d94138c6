//! PurgeQueue.
//!
//! Source: sqs-contract §4.3;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html>.

use super::{Sqs, failure};
use crate::protocol::SqsError;
use crate::protocol::request::NamedQueue;

pub(super) async fn handle(sqs: &Sqs, queue: NamedQueue) -> Result<(), SqsError> {
    let queue = queue?;
    let cooldown = sqs.queue_cooldown;
    if !cooldown.is_zero()
        && sqs.queues.was_purged_recently(&queue).await.map_err(failure::of_request)?
    {
        let error = SqsError::PurgeQueueInProgress {
            queue: queue.to_string(),
            cooldown_seconds: cooldown.as_secs(),
        };
        return Err(sqs.refusal(&queue, error).await);
    }
    sqs.queues.purge(&queue, cooldown).await.map_err(failure::of_request)
}
