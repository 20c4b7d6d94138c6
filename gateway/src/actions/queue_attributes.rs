//! The attributes of a queue: which there are, what values they take, how they are shown.

use std::ops::RangeInclusive;

use crate::protocol::{SqsError, is_json_object, is_sqs_text, limits};
use crate::queues::QueueInfo;

/// What values a settable attribute takes.
enum Rule {
    Integer(RangeInclusive<i64>),
    Boolean,
    Policy,
    Key,
}

/// A queue is created with these once it can be FIFO and have a dead-letter queue.
const UNSUPPORTED: [&str; 6] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoQueue",
    "FifoThroughputLimit",
    "RedriveAllowPolicy",
    "RedrivePolicy",
];

const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

const KMS_KEY: &str = "KmsMasterKeyId";
const KMS_REUSE: &str = "KmsDataKeyReusePeriodSeconds";
const KMS_REUSE_DEFAULT: &str = "300";
const SQS_SSE: &str = "SqsManagedSseEnabled";

/// The settable attributes of a standard queue.
///
/// Source: sqs-contract §5.1.
fn rule(name: &str) -> Option<(&'static str, Rule)> {
    Some(match name {
        "DelaySeconds" => ("DelaySeconds", Rule::Integer(limits::DELAY_SECONDS)),
        KMS_REUSE => (KMS_REUSE, Rule::Integer(limits::KMS_DATA_KEY_REUSE_PERIOD_SECONDS)),
        KMS_KEY => (KMS_KEY, Rule::Key),
        "MaximumMessageSize" => {
            ("MaximumMessageSize", Rule::Integer(limits::MAXIMUM_MESSAGE_SIZE_BYTES))
        }
        "MessageRetentionPeriod" => {
            ("MessageRetentionPeriod", Rule::Integer(limits::MESSAGE_RETENTION_PERIOD_SECONDS))
        }
        "Policy" => ("Policy", Rule::Policy),
        "ReceiveMessageWaitTimeSeconds" => {
            ("ReceiveMessageWaitTimeSeconds", Rule::Integer(limits::WAIT_TIME_SECONDS))
        }
        SQS_SSE => (SQS_SSE, Rule::Boolean),
        "VisibilityTimeout" => {
            ("VisibilityTimeout", Rule::Integer(limits::VISIBILITY_TIMEOUT_SECONDS))
        }
        _ => return None,
    })
}

/// Whether SQS knows an attribute of this name on some queue.
pub(super) fn is_known(name: &str) -> bool {
    rule(name).is_some() || UNSUPPORTED.contains(&name) || READ_ONLY.contains(&name)
}

/// Checks the attributes of a new queue. Returns each once, in the order they came, values as
/// they are shown later; an empty value of a text unsets it.
///
/// Source: sqs-contract §§4.2, 5.1 and 5.2.
pub(super) fn check(given: &[(String, String)]) -> Result<Vec<(&'static str, String)>, SqsError> {
    let mut checked: Vec<(&'static str, String)> = Vec::new();
    for (name, value) in given {
        if UNSUPPORTED.contains(&name.as_str()) {
            return Err(SqsError::InvalidAttributeValue(format!(
                "Invalid value for the parameter {name}. Reason: this version of karin has \
                 standard queues without redrive only."
            )));
        }
        let (name, rule) = rule(name).ok_or_else(|| SqsError::unknown_attribute(name))?;
        let value = rule.check(value).ok_or_else(|| SqsError::invalid_attribute(name))?;
        match checked.iter_mut().find(|(other, _)| *other == name) {
            Some(entry) => entry.1 = value,
            None => checked.push((name, value)),
        }
    }
    let has = |wanted: &str, value: &str| checked.iter().any(|(n, v)| *n == wanted && v == value);
    let has_key = checked.iter().any(|(name, value)| *name == KMS_KEY && !value.is_empty());
    if has_key && has(SQS_SSE, "true") {
        return Err(SqsError::InvalidAttributeName(
            "You can use one type of server-side encryption (SSE) at one time. You can either \
             enable KMS SSE or SQS SSE."
                .to_owned(),
        ));
    }
    Ok(checked)
}

impl Rule {
    /// The value as it is shown; `None` if it is none.
    fn check(&self, value: &str) -> Option<String> {
        match self {
            Self::Integer(range) => {
                let number = value.parse().ok().filter(|number| range.contains(number));
                number.map(|number: i64| number.to_string())
            }
            Self::Boolean => {
                let value = value.to_ascii_lowercase();
                matches!(value.as_str(), "true" | "false").then_some(value)
            }
            Self::Policy => {
                let valid = value.is_empty()
                    || (value.len() <= limits::POLICY_BYTES_MAX
                        && is_json_object(value)
                        && is_sqs_text(value));
                valid.then(|| value.to_owned())
            }
            Self::Key => {
                let valid =
                    value.len() <= limits::KMS_MASTER_KEY_ID_BYTES_MAX && is_sqs_text(value);
                valid.then(|| value.to_owned())
            }
        }
    }
}

/// Every attribute of a queue that is set, in the order of the contract's table. What a text
/// attribute is by default, the module does not know; it is filled in here.
///
/// Source: sqs-contract §§5.1 and 5.2.
pub(super) fn shown(info: &QueueInfo, queue_arn: String) -> Vec<(&'static str, String)> {
    let stored = |wanted: &str| {
        let found = info.attributes.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    let mut shown = Vec::with_capacity(16);
    for name in [
        "VisibilityTimeout",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "DelaySeconds",
        "ReceiveMessageWaitTimeSeconds",
    ] {
        shown.extend(stored(name).map(|value| (name, value)));
    }
    let key = stored(KMS_KEY);
    let sse = stored(SQS_SSE).unwrap_or_else(|| key.is_none().to_string());
    shown.push((SQS_SSE, sse));
    shown.push(("ApproximateNumberOfMessages", info.ready.to_string()));
    shown.push(("ApproximateNumberOfMessagesNotVisible", info.in_flight.to_string()));
    shown.push(("ApproximateNumberOfMessagesDelayed", info.delayed.to_string()));
    shown.push(("CreatedTimestamp", (info.created_ms / 1_000).to_string()));
    shown.push(("LastModifiedTimestamp", (info.modified_ms / 1_000).to_string()));
    shown.push(("QueueArn", queue_arn));
    if let Some(key) = key {
        let reuse = stored(KMS_REUSE).unwrap_or_else(|| KMS_REUSE_DEFAULT.to_owned());
        shown.extend([(KMS_KEY, key), (KMS_REUSE, reuse)]);
    }
    shown.extend(stored("Policy").map(|value| ("Policy", value)));
    shown
}

/// The first of `given` in which the queue differs.
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
        current != value
    };
    given.iter().find(differs).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(attributes: &[(&str, &str)]) -> Vec<(String, String)> {
        attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[track_caller]
    fn refused(name: &str, value: &str, expected: &str) {
        let error = check(&given(&[(name, value)])).expect_err("refused");
        let text = error.message(crate::protocol::Protocol::Json).into_owned();
        assert_eq!(format!("{}: {text}", error.code().json), expected);
    }

    fn fresh() -> QueueInfo {
        QueueInfo {
            attributes: given(&[
                ("VisibilityTimeout", "30"),
                ("DelaySeconds", "0"),
                ("MessageRetentionPeriod", "345600"),
                ("ReceiveMessageWaitTimeSeconds", "0"),
                ("MaximumMessageSize", "1048576"),
            ]),
            ready: 3,
            created_ms: 1_760_000_000_999,
            modified_ms: 1_760_000_001_000,
            ..QueueInfo::default()
        }
    }

    #[test]
    fn values_have_the_ranges_of_the_contract() {
        for (name, low, high) in [
            ("VisibilityTimeout", 0, 43_200),
            ("MaximumMessageSize", 1_024, 1_048_576),
            ("MessageRetentionPeriod", 60, 1_209_600),
            ("DelaySeconds", 0, 900),
            ("ReceiveMessageWaitTimeSeconds", 0, 20),
            ("KmsDataKeyReusePeriodSeconds", 60, 86_400),
        ] {
            let expected =
                format!("InvalidAttributeValue: Invalid value for the parameter {name}.");
            for good in [low, high] {
                let value = good.to_string();
                let checked = check(&given(&[(name, &value)]));
                assert_eq!(checked, Ok(vec![(name, value)]));
            }
            for bad in [low - 1, high + 1] {
                refused(name, &bad.to_string(), &expected);
            }
            for bad in ["", "x", "1.5", " 1", "99999999999999999999"] {
                refused(name, bad, &expected);
            }
        }
    }

    #[test]
    fn names_that_cannot_be_set_are_unknown() {
        for name in ["Foobar", "QueueArn", "CreatedTimestamp", "visibilitytimeout", "All", ""] {
            refused(name, "1", &format!("InvalidAttributeName: Unknown Attribute {name}."));
        }
    }

    #[test]
    fn fifo_and_redrive_are_refused_by_name_for_now() {
        for name in UNSUPPORTED {
            refused(
                name,
                "true",
                &format!(
                    "InvalidAttributeValue: Invalid value for the parameter {name}. Reason: this \
                     version of karin has standard queues without redrive only."
                ),
            );
        }
    }

    #[test]
    fn values_are_kept_as_they_are_shown_and_the_last_of_a_name_counts() {
        let checked = check(&given(&[
            ("SqsManagedSseEnabled", "False"),
            ("VisibilityTimeout", "007"),
            ("VisibilityTimeout", "8"),
        ]));
        assert_eq!(
            checked,
            Ok(vec![(SQS_SSE, "false".to_owned()), ("VisibilityTimeout", "8".to_owned())])
        );
        refused(
            SQS_SSE,
            "yes",
            "InvalidAttributeValue: Invalid value for the parameter SqsManagedSseEnabled.",
        );
        refused("Policy", "[]", "InvalidAttributeValue: Invalid value for the parameter Policy.");
        refused("Policy", "{", "InvalidAttributeValue: Invalid value for the parameter Policy.");
    }

    #[test]
    fn a_key_excludes_the_encryption_of_sqs() {
        let both = given(&[(KMS_KEY, "alias/x"), (SQS_SSE, "true")]);
        assert!(matches!(check(&both), Err(SqsError::InvalidAttributeName(_))));
        let mut info = fresh();
        info.attributes.push((KMS_KEY.to_owned(), "alias/x".to_owned()));
        let shown = shown(&info, String::new());
        for expected in [(SQS_SSE, "false"), (KMS_KEY, "alias/x"), (KMS_REUSE, "300")] {
            assert!(shown.iter().any(|(n, v)| (*n, v.as_str()) == expected), "{expected:?}");
        }
    }

    #[test]
    fn a_fresh_queue_shows_twelve_attributes() {
        let shown = shown(&fresh(), "arn:aws:sqs:us-east-1:000000000000:q".to_owned());
        assert_eq!(shown.len(), 12, "{shown:?}");
        for expected in [
            (SQS_SSE, "true"),
            ("ApproximateNumberOfMessages", "3"),
            ("CreatedTimestamp", "1760000000"),
            ("LastModifiedTimestamp", "1760000001"),
            ("QueueArn", "arn:aws:sqs:us-east-1:000000000000:q"),
        ] {
            assert!(shown.iter().any(|(n, v)| (*n, v.as_str()) == expected), "{expected:?}");
        }
    }

    #[test]
    fn a_repeated_create_compares_only_what_it_gives() {
        let difference = |attributes: &[(&str, &str)]| {
            let checked = check(&given(attributes)).expect("valid");
            first_difference(&checked, &fresh())
        };
        assert_eq!(difference(&[]), None);
        assert_eq!(difference(&[("DelaySeconds", "0"), ("Policy", "")]), None);
        assert_eq!(difference(&[("SqsManagedSseEnabled", "true"), (KMS_REUSE, "300")]), None);
        assert_eq!(
            difference(&[("VisibilityTimeout", "30"), ("DelaySeconds", "1"), (SQS_SSE, "false")]),
            Some("DelaySeconds")
        );
    }
}
