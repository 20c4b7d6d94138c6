//! The attributes of a queue as clients see them.

use crate::protocol::policy::POLICY;
use crate::protocol::same_json;
use crate::queues::QueueInfo;

pub(super) const ALLOW: &str = "RedriveAllowPolicy";
pub(super) const CONTENT_DEDUPLICATION: &str = "ContentBasedDeduplication";
pub(super) const FIFO: &str = "FifoQueue";
pub(super) const KMS_KEY: &str = "KmsMasterKeyId";
pub(super) const KMS_REUSE: &str = "KmsDataKeyReusePeriodSeconds";
const KMS_REUSE_DEFAULT: &str = "300";
pub(super) const LIMIT: &str = "FifoThroughputLimit";
const LIMIT_DEFAULT: &str = "perQueue";
pub(super) const REDRIVE: &str = "RedrivePolicy";
pub(super) const SCOPE: &str = "DeduplicationScope";
pub(super) const SQS_SSE: &str = "SqsManagedSseEnabled";

/// What clients cannot set.
pub(super) const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// What the module keeps just as it is shown.
const AS_STORED: [&str; 12] = [
    "VisibilityTimeout",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "DelaySeconds",
    "ReceiveMessageWaitTimeSeconds",
    KMS_KEY,
    POLICY,
    REDRIVE,
    ALLOW,
    FIFO,
    CONTENT_DEDUPLICATION,
    SCOPE,
];

/// Every attribute of a queue that is set. What some are by default, the module does not know; it
/// is filled in here.
///
/// Source: sqs-contract §§5.1 and 5.2.
pub(super) fn shown(info: &QueueInfo, queue_arn: String) -> Vec<(&'static str, String)> {
    let stored = |name| info.attribute(name).map(str::to_owned);
    let mut shown = Vec::with_capacity(24);
    shown.extend(AS_STORED.iter().filter_map(|name| Some((*name, stored(name)?))));
    let has_key = info.attribute(KMS_KEY).is_some();
    shown.push((SQS_SSE, stored(SQS_SSE).unwrap_or_else(|| (!has_key).to_string())));
    if has_key {
        let reuse = stored(KMS_REUSE).unwrap_or_else(|| KMS_REUSE_DEFAULT.to_owned());
        shown.push((KMS_REUSE, reuse));
    }
    if info.is_fifo {
        shown.push((LIMIT, stored(LIMIT).unwrap_or_else(|| LIMIT_DEFAULT.to_owned())));
    }
    shown.push(("ApproximateNumberOfMessages", info.ready.to_string()));
    shown.push(("ApproximateNumberOfMessagesNotVisible", info.in_flight.to_string()));
    shown.push(("ApproximateNumberOfMessagesDelayed", info.delayed.to_string()));
    shown.push(("CreatedTimestamp", (info.created_ms / 1_000).to_string()));
    shown.push(("LastModifiedTimestamp", (info.modified_ms / 1_000).to_string()));
    shown.push(("QueueArn", queue_arn));
    shown
}

/// The first of `given` in which the queue differs. Policies are compared by what they say.
///
/// Source: sqs-contract §4.2.
pub(super) fn first_difference(
    given: &[(&'static str, String)],
    info: &QueueInfo,
) -> Option<&'static str> {
    let current = shown(info, String::new());
    let differs = |(name, value): &&(&'static str, String)| {
        let current = current.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        let current = match (current, *name) {
            (None, KMS_REUSE) => KMS_REUSE_DEFAULT,
            (current, _) => current.map_or("", String::as_str),
        };
        match *name {
            POLICY | REDRIVE | ALLOW => !same_json(current, value),
            _ => current != value,
        }
    };
    given.iter().find(differs).map(|(name, _)| *name)
}
