//! Whether a queue may let its dead letters go where its RedrivePolicy says.

use super::shown_attributes::ALLOW;
use super::{Sqs, failure};
use crate::protocol::SqsError;
use crate::protocol::redrive::{GivenRedrivePolicy, RedriveAllowPolicy};
use crate::queues::{QueueError, QueueInfo, QueueName};

/// Checks the target of a policy for the queue `source`.
///
/// Source: sqs-contract §5.3.
pub(super) async fn check(
    sqs: &Sqs,
    policy: &GivenRedrivePolicy,
    source: &QueueName,
    source_is_fifo: bool,
) -> Result<(), SqsError> {
    if !sqs.identity.owns(&policy.target) {
        return Err(policy.refused("Dead-letter target owner should be same as the source."));
    }
    let target = match sqs.queues.info(&policy.target.queue).await {
        Ok(info) => info,
        Err(QueueError::NoQueue) => {
            return Err(policy.refused("Dead letter target does not exist."));
        }
        Err(error) => return Err(failure::of_request(error)),
    };
    if target.is_fifo != source_is_fifo {
        let reason = "Dead-letter queue must be same type of queue as the source..";
        return Err(policy.refused(reason));
    }
    if !allows(sqs, &target, source) {
        let reason = "The redrive allow policy of the dead-letter queue does not allow this \
                      source queue.";
        return Err(policy.refused(reason));
    }
    Ok(())
}

/// Whether the target's RedriveAllowPolicy allows the source. One that is none, which redis-cli
/// can set, forbids nothing.
fn allows(sqs: &Sqs, target: &QueueInfo, source: &QueueName) -> bool {
    let policy = target.attribute(ALLOW).map(RedriveAllowPolicy::parse);
    match policy {
        Some(Ok(RedriveAllowPolicy::DenyAll)) => false,
        Some(Ok(RedriveAllowPolicy::ByQueue(sources))) => {
            sources.iter().any(|arn| arn.queue == *source && sqs.identity.owns(arn))
        }
        Some(Ok(RedriveAllowPolicy::AllowAll) | Err(_)) | None => true,
    }
}
