//! CreateQueue.
//!
//! Source: sqs-contract §4.2;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>.

use super::queue_attributes::{self, Checked, Whose};
use super::shown_attributes::first_difference;
use super::{Sqs, failure, redrive_target, tags};
use crate::protocol::SqsError;
use crate::protocol::request::CreateQueue;
use crate::protocol::response::QueueUrl;
use crate::queues::{QueueError, QueueInfo, QueueName};

/// A queue that is made by somebody else between two looks is looked at again, but not for ever.
const ATTEMPTS_MAX: usize = 3;

pub(super) async fn handle(
    sqs: &Sqs,
    base_url: &str,
    input: CreateQueue,
) -> Result<QueueUrl, SqsError> {
    let whose =
        if queue_attributes::is_fifo(&input.attributes) { Whose::NewFifo } else { Whose::Standard };
    let queue = name(&input.queue_name, whose)?;
    let attributes = queue_attributes::check(&input.attributes, whose)?;
    tags::check(queue.as_str(), &input.tags)?;
    for _ in 0..ATTEMPTS_MAX {
        if let Some(info) = look(sqs, &queue).await? {
            return match first_difference(&attributes.given, &info) {
                None => Ok(QueueUrl { queue_url: sqs.identity.queue_url(base_url, &queue) }),
                Some(name) => Err(SqsError::QueueNameExists(name.to_owned())),
            };
        }
        match create(sqs, &queue, whose, &attributes, &input.tags).await? {
            Created::Now => {
                return Ok(QueueUrl { queue_url: sqs.identity.queue_url(base_url, &queue) });
            }
            Created::BySomebodyElse => {}
        }
    }
    Err(SqsError::ServiceUnavailable("the queue is created and deleted all the time".to_owned()))
}

/// Checks the name, in which only that of a FIFO queue has a dot.
///
/// Source: sqs-contract §4.2.
fn name(name: &str, whose: Whose) -> Result<QueueName, SqsError> {
    let (is_fifo, text) = match whose {
        Whose::Standard => (
            false,
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ),
        Whose::NewFifo | Whose::Fifo => (
            true,
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
             underscores, must end with .fifo suffix and be 1 to 80 in length.",
        ),
    };
    QueueName::parse(name)
        .filter(|name| name.is_fifo() == is_fifo)
        .ok_or_else(|| SqsError::InvalidParameterValue(text.to_owned()))
}

/// The queue there is; `None` if there is none and it may be made.
async fn look(sqs: &Sqs, queue: &QueueName) -> Result<Option<QueueInfo>, SqsError> {
    let recently = async {
        if sqs.queue_cooldown.is_zero() {
            return Ok(false);
        }
        sqs.queues.was_deleted_recently(queue).await
    };
    let (info, recently) = tokio::join!(sqs.queues.info(queue), recently);
    match info {
        Ok(info) => Ok(Some(info)),
        Err(QueueError::NoQueue) if recently.map_err(failure::of_request)? => {
            Err(SqsError::QueueDeletedRecently { cooldown_seconds: sqs.queue_cooldown.as_secs() })
        }
        Err(QueueError::NoQueue) => Ok(None),
        Err(error) => Err(failure::of_request(error)),
    }
}

enum Created {
    Now,
    BySomebodyElse,
}

async fn create(
    sqs: &Sqs,
    queue: &QueueName,
    whose: Whose,
    attributes: &Checked,
    tags: &[(String, String)],
) -> Result<Created, SqsError> {
    let stored = attributes.stored(None)?;
    if let Some(policy) = &attributes.redrive {
        redrive_target::check(sqs, policy, queue, whose != Whose::Standard).await?;
    }
    match sqs.queues.create(queue, &stored, tags).await {
        Ok(()) => Ok(Created::Now),
        Err(QueueError::Exists) => Ok(Created::BySomebodyElse),
        Err(error) => Err(failure::of_request(error)),
    }
}
