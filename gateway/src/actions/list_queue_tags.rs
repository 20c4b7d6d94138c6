//! ListQueueTags.
//!
//! Source: sqs-contract §4.7;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueueTags.html>.

use super::{Sqs, failure};
use crate::protocol::SqsError;
use crate::protocol::request::NamedQueue;
use crate::protocol::response::QueueTags;

pub(super) async fn handle(sqs: &Sqs, queue: NamedQueue) -> Result<QueueTags, SqsError> {
    let info = sqs.queues.info(&queue?).await.map_err(failure::of_request)?;
    Ok(QueueTags { tags: info.tags })
}
