//! CreateQueue.
//!
//! Source: sqs-contract §4.2;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>.

use super::{Sqs, failure, queue_attributes, tags};
use crate::protocol::SqsError;
use crate::protocol::request::CreateQueue;
use crate::protocol::response::QueueUrl;
use crate::queues::{QueueError, QueueName};

/// A queue that exists at CREATE and is gone at INFO was deleted in between; it is created anew,
/// but not for ever.
const ATTEMPTS_MAX: usize = 3;

pub(super) async fn handle(
    sqs: &Sqs,
    base_url: &str,
    input: CreateQueue,
) -> Result<QueueUrl, SqsError> {
    let attributes = queue_attributes::check(&input.attributes)?;
    let queue = QueueName::parse(&input.queue_name).filter(is_standard).ok_or_else(|| {
        let text = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in \
                    length";
        SqsError::InvalidParameterValue(text.to_owned())
    })?;
    tags::check(queue.as_str(), &input.tags)?;
    let stored: Vec<(String, String)> =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    for _ in 0..ATTEMPTS_MAX {
        match sqs.queues.create(&queue, &stored, &input.tags).await {
            Ok(()) => return Ok(QueueUrl { queue_url: sqs.identity.queue_url(base_url, &queue) }),
            Err(QueueError::Exists) => {}
            Err(error) => return Err(failure::of_request(error)),
        }
        let info = match sqs.queues.info(&queue).await {
            Ok(info) => info,
            Err(QueueError::NoQueue) => continue,
            Err(error) => return Err(failure::of_request(error)),
        };
        return match queue_attributes::first_difference(&attributes, &info) {
            None => Ok(QueueUrl { queue_url: sqs.identity.queue_url(base_url, &queue) }),
            Some(name) => Err(SqsError::QueueNameExists(name.to_owned())),
        };
    }
    Err(SqsError::ServiceUnavailable("the queue is created and deleted all the time".to_owned()))
}

/// Only a FIFO queue's name has a dot.
fn is_standard(queue: &QueueName) -> bool {
    !queue.as_str().contains('.')
}
