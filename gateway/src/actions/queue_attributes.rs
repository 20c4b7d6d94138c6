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
        self.store_encryption(current, &mut stored);
        Ok(stored)
    }

    /// A key switches the encryption of SQS off, which stays off without the key; and that
    /// switches off the key (sqs-contract §5.2).
    fn store_encryption(
        &self,
        current: Option<&QueueInfo>,
        stored: &mut Vec<(&'static str, String)>,
    ) {
        let mut put = |name: &'static str, value: &str| {
            stored.retain(|(other, _)| *other != name);
            stored.push((name, value.to_owned()));
        };
        let key = self.value(KMS_KEY);
        let by_sqs = self.value(SQS_SSE) == Some("true");
        let was_keyed = current.is_some_and(|info| info.attribute(KMS_KEY).is_some());
        let stays_keyed = !by_sqs && key.map_or(was_keyed, |key| !key.is_empty());
        if by_sqs {
            put(KMS_KEY, "");
        } else if key.is_some() && (was_keyed || stays_keyed) {
            put(SQS_SSE, "false");
        }
        if was_keyed && !stays_keyed {
            put(KMS_REUSE, "");
        }
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
    use crate::actions::shown_attributes::shown;
    use crate::protocol::Protocol;

    fn given(attributes: &[(&str, &str)]) -> Vec<(String, String)> {
        attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    fn text_of(error: &SqsError) -> String {
        format!("{}: {}", error.code().json, error.message(Protocol::Json))
    }

    #[track_caller]
    fn refused(whose: Whose, attributes: &[(&str, &str)], expected: &str) {
        let error = check(&given(attributes), whose).expect_err("refused");
        assert_eq!(text_of(&error), expected, "{attributes:?}");
    }

    /// What becomes of a queue with some attributes when others are set.
    #[track_caller]
    fn set(current: &[(&str, &str)], attributes: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut info = QueueInfo { attributes: given(current), ..QueueInfo::default() };
        info.is_fifo = info.attribute(FIFO).is_some();
        let whose = if info.is_fifo { Whose::Fifo } else { Whose::Standard };
        let checked = check(&given(attributes), whose).expect("valid");
        for (name, value) in checked.stored(Some(&info)).expect("valid") {
            info.attributes.retain(|(other, _)| other != name);
            info.attributes.push((name.to_owned(), value));
        }
        info.attributes.retain(|(_, value)| !value.is_empty());
        let encryption = [KMS_KEY, KMS_REUSE, SQS_SSE];
        let shown = shown(&info, String::new()).into_iter();
        let shown = shown.filter(|(name, _)| encryption.contains(name));
        shown.map(|(name, value)| (name.to_owned(), value)).collect()
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
                let checked = check(&given(&[(name, &value)]), Whose::Standard);
                assert_eq!(checked.map(|checked| checked.given), Ok(vec![(name, value)]));
            }
            for bad in [low - 1, high + 1] {
                refused(Whose::Standard, &[(name, &bad.to_string())], &expected);
            }
            for bad in ["", "x", "1.5", " 1", "99999999999999999999"] {
                refused(Whose::Standard, &[(name, bad)], &expected);
            }
        }
    }

    #[test]
    fn names_that_cannot_be_set_are_unknown() {
        for name in ["Foobar", "QueueArn", "CreatedTimestamp", "visibilitytimeout", "All", ""] {
            let expected = format!("InvalidAttributeName: Unknown Attribute {name}.");
            refused(Whose::Fifo, &[(name, "1")], &expected);
        }
    }

    #[test]
    fn a_standard_queue_has_no_attribute_of_a_fifo_queue() {
        for (name, value) in [(FIFO, "true"), (FIFO, "false"), (CONTENT_DEDUPLICATION, "false")] {
            let expected = format!("InvalidAttributeName: Unknown Attribute {name}.");
            refused(Whose::Standard, &[(name, value)], &expected);
        }
        for (name, value) in [(SCOPE, SCOPE_QUEUE), (LIMIT, PER_QUEUE)] {
            let expected = format!(
                "InvalidAttributeName: You can specify the {name} only when FifoQueue is set to \
                 true."
            );
            refused(Whose::Standard, &[(name, value)], &expected);
        }
    }

    #[test]
    fn a_fifo_queue_stays_one() {
        for whose in [Whose::NewFifo, Whose::Fifo] {
            let checked = check(&given(&[(FIFO, "True")]), whose).expect("valid");
            assert_eq!(checked.given, [(FIFO, "true".to_owned())]);
            let invalid = "InvalidAttributeValue: Invalid value for the parameter FifoQueue.";
            refused(whose, &[(FIFO, "yes")], invalid);
        }
        refused(
            Whose::Fifo,
            &[(FIFO, "False")],
            "InvalidAttributeValue: Invalid value for the parameter FifoQueue. Reason: Modifying \
             queue type is not supported.",
        );
        assert!(is_fifo(&given(&[(FIFO, "TRUE")])));
        assert!(!is_fifo(&given(&[(FIFO, "true"), (FIFO, "false")])));
    }

    #[test]
    fn throughput_per_group_needs_a_scope_per_group_from_before_or_now() {
        let text = "InvalidParameterValueException: The perMessageGroupId value is allowed only \
                    when the value for DeduplicationScope is messageGroup";
        let stored = |current: &[(&str, &str)], attributes: &[(&str, &str)]| {
            let info = QueueInfo { attributes: given(current), ..QueueInfo::default() };
            let checked = check(&given(attributes), Whose::Fifo).expect("valid");
            checked.stored(Some(&info)).map(|_| ()).map_err(|error| text_of(&error))
        };
        let (wide, narrow) = ((SCOPE, SCOPE_QUEUE), (SCOPE, SCOPE_GROUP));
        let (fast, slow) = ((LIMIT, PER_GROUP), (LIMIT, PER_QUEUE));
        assert_eq!(stored(&[wide], &[fast]), Err(text.to_owned()));
        assert_eq!(stored(&[narrow], &[fast, wide]), Err(text.to_owned()));
        assert_eq!(stored(&[narrow, fast], &[wide]), Err(text.to_owned()));
        assert_eq!(stored(&[narrow], &[fast]), Ok(()));
        assert_eq!(stored(&[wide], &[fast, narrow]), Ok(()));
        assert_eq!(stored(&[narrow, fast], &[wide, slow]), Ok(()));
        assert_eq!(stored(&[wide], &[narrow]), Ok(()));
        for (name, value) in [(SCOPE, "Queue"), (LIMIT, ""), (LIMIT, "perqueue")] {
            let invalid = format!("InvalidAttributeValue: Invalid value for the parameter {name}.");
            refused(Whose::NewFifo, &[(name, value)], &invalid);
        }
    }

    #[test]
    fn values_are_kept_as_they_are_shown_and_the_last_of_a_name_counts() {
        let attributes =
            [(SQS_SSE, "False"), ("VisibilityTimeout", "007"), ("VisibilityTimeout", "8")];
        let checked = check(&given(&attributes), Whose::Standard).expect("valid");
        let expected = [(SQS_SSE, "false".to_owned()), ("VisibilityTimeout", "8".to_owned())];
        assert_eq!(checked.given, expected);
        for (name, value) in
            [(SQS_SSE, "yes"), (POLICY, "[]"), (POLICY, "{"), (POLICY, "{} {}"), (KMS_KEY, "\0")]
        {
            let invalid = format!("InvalidAttributeValue: Invalid value for the parameter {name}.");
            refused(Whose::Standard, &[(name, value)], &invalid);
        }
    }

    #[test]
    fn a_redrive_policy_is_kept_in_its_canonical_form_with_what_counts() {
        let arn = "arn:aws:sqs:us-east-1:000000000000:dead";
        let sent = format!(r#"{{ "maxReceiveCount": "5", "deadLetterTargetArn": "{arn}" }}"#);
        let checked = check(&given(&[(REDRIVE, &sent)]), Whose::Standard).expect("valid");
        let kept = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":5}}"#);
        assert_eq!(checked.given, [(REDRIVE, kept.clone())]);
        let stored = checked.stored(None).expect("valid");
        let expected =
            [(REDRIVE, kept), ("deadLetterTargetArn", arn.into()), ("maxReceiveCount", "5".into())];
        assert_eq!(stored, expected);
        let removed = check(&given(&[(REDRIVE, &sent), (REDRIVE, "")]), Whose::Standard);
        let removed = removed.expect("valid");
        assert_eq!(removed.redrive, None);
        assert!(removed.stored(None).expect("valid").iter().all(|(_, value)| value.is_empty()));
    }

    // contract: 5.1-kms-reuse
    #[test]
    fn a_key_excludes_the_encryption_of_sqs() {
        refused(
            Whose::Standard,
            &[(SQS_SSE, "true"), (KMS_KEY, "alias/x")],
            "InvalidAttributeName: You can use one type of server-side encryption (SSE) at one \
             time. You can either enable KMS SSE or SQS SSE.",
        );
        let key = (KMS_KEY, "alias/x");
        let with_key = given(&[key, (SQS_SSE, "false"), (KMS_REUSE, "300")]);
        assert_eq!(set(&[], &[key]), with_key);
        assert_eq!(set(&[(SQS_SSE, "true")], &[key]), with_key);
        let keyed = [key, (SQS_SSE, "false"), (KMS_REUSE, "60")];
        let off = given(&[(SQS_SSE, "false")]);
        assert_eq!(set(&keyed, &[(KMS_KEY, "")]), off);
        assert_eq!(set(&keyed, &[(KMS_KEY, ""), (KMS_REUSE, "300")]), off);
        assert_eq!(set(&[key], &[(KMS_KEY, "")]), off);
        let on = given(&[(SQS_SSE, "true")]);
        assert_eq!(set(&keyed, &[(SQS_SSE, "true")]), on);
        assert_eq!(set(&keyed, &[(SQS_SSE, "true"), (KMS_KEY, "")]), on);
        assert_eq!(set(&[], &[(KMS_KEY, "")]), on);
        // Without a key the period is kept and not shown.
        assert_eq!(set(&[], &[(KMS_REUSE, "60")]), on);
    }
}
