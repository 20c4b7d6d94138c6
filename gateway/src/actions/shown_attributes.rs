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

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> QueueInfo {
        let attributes = [
            ("VisibilityTimeout", "30"),
            ("DelaySeconds", "0"),
            ("MessageRetentionPeriod", "345600"),
            ("ReceiveMessageWaitTimeSeconds", "0"),
            ("MaximumMessageSize", "1048576"),
        ];
        QueueInfo {
            attributes: attributes.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            ready: 3,
            created_ms: 1_760_000_000_999,
            modified_ms: 1_760_000_001_000,
            ..QueueInfo::default()
        }
    }

    fn with(attributes: &[(&str, &str)]) -> QueueInfo {
        let mut info = fresh();
        info.attributes.extend(attributes.iter().map(|(n, v)| ((*n).into(), (*v).into())));
        info
    }

    #[test]
    fn a_fresh_standard_queue_shows_twelve_attributes_and_a_fifo_queue_sixteen() {
        let arn = "arn:aws:sqs:us-east-1:000000000000:q";
        let shown = |info: &QueueInfo| super::shown(info, arn.to_owned());
        let standard = shown(&fresh());
        assert_eq!(standard.len(), 12, "{standard:?}");
        for expected in [
            (SQS_SSE, "true"),
            ("ApproximateNumberOfMessages", "3"),
            ("CreatedTimestamp", "1760000000"),
            ("LastModifiedTimestamp", "1760000001"),
            ("QueueArn", arn),
        ] {
            assert!(standard.iter().any(|(n, v)| (*n, v.as_str()) == expected), "{expected:?}");
        }
        let mut info = with(&[(FIFO, "true"), (CONTENT_DEDUPLICATION, "false"), (SCOPE, "queue")]);
        info.is_fifo = true;
        let fifo = shown(&info);
        assert_eq!(fifo.len(), 16, "{fifo:?}");
        assert!(fifo.contains(&(LIMIT, LIMIT_DEFAULT.to_owned())));
    }

    #[test]
    fn what_is_not_set_is_not_shown_and_no_attribute_stands_twice() {
        let names = |info: &QueueInfo| -> Vec<&str> {
            shown(info, String::new()).iter().map(|(name, _)| *name).collect()
        };
        let keyed = names(&with(&[(KMS_KEY, "k"), (POLICY, "{}"), (REDRIVE, "{}"), (ALLOW, "{}")]));
        assert_eq!(keyed.len(), 17, "{keyed:?}");
        let mut once = keyed.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), keyed.len(), "{keyed:?}");
        assert!(!names(&with(&[(KMS_REUSE, "60"), (POLICY, "")])).contains(&KMS_REUSE));
    }

    #[test]
    fn a_repeated_create_compares_only_what_it_gives() {
        let info = with(&[(POLICY, r#"{"Version":"1","Statement":[]}"#)]);
        let difference = |attributes: &[(&'static str, &str)]| {
            let given: Vec<_> = attributes.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
            first_difference(&given, &info)
        };
        assert_eq!(difference(&[]), None);
        assert_eq!(difference(&[("DelaySeconds", "0"), (ALLOW, "")]), None);
        assert_eq!(difference(&[(SQS_SSE, "true"), (KMS_REUSE, "300")]), None);
        let first = difference(&[("VisibilityTimeout", "30"), ("DelaySeconds", "1"), (LIMIT, "")]);
        assert_eq!(first, Some("DelaySeconds"));
        assert_eq!(difference(&[(POLICY, r#"{ "Statement": [], "Version": "1" }"#)]), None);
        assert_eq!(difference(&[(POLICY, r#"{"Version":"1"}"#)]), Some(POLICY));
        assert_eq!(difference(&[(POLICY, "")]), Some(POLICY));
        assert_eq!(difference(&[(REDRIVE, "{}")]), Some(REDRIVE));
    }
}
