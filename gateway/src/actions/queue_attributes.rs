//! The attributes of a queue that clients set: which there are, what values they take, and what
//! else changes with them.

use std::ops::RangeInclusive;

use super::shown_attributes::{
    ALLOW, CONTENT_DEDUPLICATION, FIFO, KMS_KEY, KMS_REUSE, LIMIT, READ_ONLY, REDRIVE, SCOPE,
    SQS_SSE,
};
use crate::protocol::policy::{POLICY, Policy};
use crate::protocol::redrive::{GivenRedrivePolicy, RedriveAllowPolicy};
use crate::protocol::{SqsError, is_sqs_text, limits};
use crate::queues::{QueueInfo, RedrivePolicy};

/// The values of FifoThroughputLimit and DeduplicationScope.
const PER_QUEUE: &str = "perQueue";
const PER_GROUP: &str = "perMessageGroupId";
const SCOPE_QUEUE: &str = "queue";
const SCOPE_GROUP: &str = "messageGroup";

/// Whose attributes are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of a standard queue, new or not.
    Standard,
    /// Those of a FIFO queue that is made.
    NewFifo,
    /// Those of a FIFO queue there is.
    Fifo,
}

/// What values a settable attribute takes.
enum Rule {
    Integer(RangeInclusive<i64>),
    Boolean,
    OneOf([&'static str; 2]),
    Kind,
    Key,
    Policy,
    RedrivePolicy,
    RedriveAllowPolicy,
}

/// The settable attributes.
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
        "ReceiveMessageWaitTimeSeconds" => {
            ("ReceiveMessageWaitTimeSeconds", Rule::Integer(limits::WAIT_TIME_SECONDS))
        }
        "VisibilityTimeout" => {
            ("VisibilityTimeout", Rule::Integer(limits::VISIBILITY_TIMEOUT_SECONDS))
        }
        SQS_SSE => (SQS_SSE, Rule::Boolean),
        POLICY => (POLICY, Rule::Policy),
        REDRIVE => (REDRIVE, Rule::RedrivePolicy),
        ALLOW => (ALLOW, Rule::RedriveAllowPolicy),
        FIFO => (FIFO, Rule::Kind),
        CONTENT_DEDUPLICATION => (CONTENT_DEDUPLICATION, Rule::Boolean),
        SCOPE => (SCOPE, Rule::OneOf([SCOPE_QUEUE, SCOPE_GROUP])),
        LIMIT => (LIMIT, Rule::OneOf([PER_QUEUE, PER_GROUP])),
        _ => return None,
    })
}

/// Whether SQS knows an attribute of this name on some queue.
pub(super) fn is_known(name: &str) -> bool {
    rule(name).is_some() || READ_ONLY.contains(&name)
}

/// Whether the attributes of a new queue say that it is a FIFO queue.
pub(super) fn is_fifo(given: &[(String, String)]) -> bool {
    let kind = given.iter().rev().find(|(name, _)| name == FIFO);
    kind.is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
}

/// Attributes that can be set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// Each once, in the order they came, values as they are shown later; the empty text unsets.
    pub(super) given: Vec<(&'static str, String)>,
    /// The RedrivePolicy among them, whose target is still to be looked at.
    pub(super) redrive: Option<GivenRedrivePolicy>,
}

/// Checks attributes, those of one name by the last of them.
///
/// Source: sqs-contract §§4.2, 4.5, 5.1-5.3.
pub(super) fn check(given: &[(String, String)], whose: Whose) -> Result<Checked, SqsError> {
    let mut checked = Checked { given: Vec::new(), redrive: None };
    for (name, value) in given {
        let (name, rule) = rule(name).ok_or_else(|| SqsError::unknown_attribute(name))?;
        belongs(name, whose)?;
        let value = match rule {
            Rule::RedrivePolicy => {
                checked.redrive = parse_unless_empty(value, GivenRedrivePolicy::parse)?;
                let policy = checked.redrive.as_ref().map(|given| &given.policy);
                let [(_, text), ..] = RedrivePolicy::attributes(policy);
                text
            }
            Rule::Kind => fifo(value, whose)?,
            rule => rule.check(name, value)?,
        };
        match checked.given.iter_mut().find(|(other, _)| *other == name) {
            Some(entry) => entry.1 = value,
            None => checked.given.push((name, value)),
        }
    }
    if checked.value(KMS_KEY).is_some_and(|key| !key.is_empty())
        && checked.value(SQS_SSE) == Some("true")
    {
        return Err(SqsError::InvalidAttributeName(
            "You can use one type of server-side encryption (SSE) at one time. You can either \
             enable KMS SSE or SQS SSE."
                .to_owned(),
        ));
    }
    Ok(checked)
}

/// Whether a queue has an attribute of this name (sqs-contract §§4.2 and 4.5).
fn belongs(name: &str, whose: Whose) -> Result<(), SqsError> {
    if whose != Whose::Standard {
        return Ok(());
    }
    match name {
        FIFO | CONTENT_DEDUPLICATION => Err(SqsError::unknown_attribute(name)),
        SCOPE | LIMIT => Err(SqsError::InvalidAttributeName(format!(
            "You can specify the {name} only when FifoQueue is set to true."
        ))),
        _ => Ok(()),
    }
}

/// FifoQueue for a queue that is one (sqs-contract §4.5).
fn fifo(value: &str, whose: Whose) -> Result<String, SqsError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok("true".to_owned()),
        "false" if whose == Whose::Fifo => Err(SqsError::InvalidAttributeValue(format!(
            "Invalid value for the parameter {FIFO}. Reason: Modifying queue type is not supported."
        ))),
        _ => Err(SqsError::invalid_attribute(FIFO)),
    }
}

fn parse_unless_empty<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, SqsError>,
) -> Result<Option<T>, SqsError> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

impl Rule {
    /// The value as it is shown.
    fn check(&self, name: &str, value: &str) -> Result<String, SqsError> {
        let shown = match self {
            Self::Integer(range) => {
                let number = value.parse().ok().filter(|number| range.contains(number));
                number.map(|number: i64| number.to_string())
            }
            Self::Boolean => {
                let value = value.to_ascii_lowercase();
                matches!(value.as_str(), "true" | "false").then_some(value)
            }
            Self::OneOf(values) => values.contains(&value).then(|| value.to_owned()),
            Self::Key => (value.len() <= limits::KMS_MASTER_KEY_ID_BYTES_MAX && is_sqs_text(value))
                .then(|| value.to_owned()),
            Self::Policy => {
                parse_unless_empty(value, Policy::parse)?;
                is_sqs_text(value).then(|| value.to_owned())
            }
            Self::RedriveAllowPolicy => {
                parse_unless_empty(value, RedriveAllowPolicy::parse)?;
                is_sqs_text(value).then(|| value.to_owned())
            }
            // They need more than their value.
            Self::RedrivePolicy | Self::Kind => None,
        };
        shown.ok_or_else(|| SqsError::invalid_attribute(name))
    }
}

impl Checked {
    fn value(&self, name: &str) -> Option<&str> {
        let found = self.given.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// What is stored: what was given, and what changes with it. `current` is what the queue has;
    /// `None` for a new one.
    ///
    /// Source: sqs-contract §§5.2 and 5.3.
    pub(super) fn stored(
        &self,
        current: Option<&QueueInfo>,
    ) -> Result<Vec<(&'static str, String)>, SqsError> {
        self.check_throughput_limit(current)?;
        let mut stored = self.given.clone();
        if self.value(REDRIVE).is_some() {
            stored.retain(|(name, _)| *name != REDRIVE);
            let policy = self.redrive.as_ref().map(|given| &given.policy);
            stored.extend(RedrivePolicy::attributes(policy));
        }
        let had_key = current.is_some_and(|info| info.attribute(KMS_KEY).is_some());
        let has_key = self.value(KMS_KEY).map_or(had_key, |key| !key.is_empty());
        if self.value(SQS_SSE) == Some("true") {
            stored.retain(|(name, _)| *name != KMS_KEY);
            stored.push((KMS_KEY, String::new()));
        } else if self.value(KMS_KEY).is_some() && (has_key || had_key) {
            // A key switches the encryption of SQS off, and that stays off without the key.
            stored.retain(|(name, _)| *name != SQS_SSE);
            stored.push((SQS_SSE, "false".to_owned()));
        }
        if had_key && (!has_key || self.value(SQS_SSE) == Some("true")) {
            stored.retain(|(name, _)| *name != KMS_REUSE);
            stored.push((KMS_REUSE, String::new()));
        }
        Ok(stored)
    }

    /// Limits per group need a scope per group, whichever of the two is set now
    /// (sqs-contract §5.3).
    fn check_throughput_limit(&self, current: Option<&QueueInfo>) -> Result<(), SqsError> {
        let effective =
            |name: &str| self.value(name).or_else(|| current.and_then(|info| info.attribute(name)));
        let touched = self.value(LIMIT).is_some() || self.value(SCOPE).is_some();
        if touched && effective(LIMIT) == Some(PER_GROUP) && effective(SCOPE) != Some(SCOPE_GROUP) {
            return Err(SqsError::InvalidParameterValue(format!(
                "The {PER_GROUP} value is allowed only when the value for {SCOPE} is {SCOPE_GROUP}"
            )));
        }
        Ok(())
    }
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
