//! RedrivePolicy and RedriveAllowPolicy, as clients write them.
//!
//! Source: sqs-contract §5.3.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::error::SqsError;
use crate::arn::{ArnError, QueueArn};
use crate::queues::RedrivePolicy;

const REDRIVE_POLICY: &str = "RedrivePolicy";
const TARGET: &str = "deadLetterTargetArn";
const COUNT: &str = "maxReceiveCount";
/// maxReceiveCount.
const MAX_RECEIVE_COUNT: RangeInclusive<u32> = 1..=1_000;

const REDRIVE_ALLOW_POLICY: &str = "RedriveAllowPolicy";
const PERMISSION: &str = "redrivePermission";
const SOURCES: &str = "sourceQueueArns";
/// Source queues that a RedriveAllowPolicy names at most.
const SOURCES_MAX: usize = 10;
/// Length of a RedriveAllowPolicy: more than ten ARNs need.
const ALLOW_BYTES_MAX: usize = 8_192;

/// A RedrivePolicy whose form is right.
#[derive(Debug, PartialEq, Eq)]
pub struct GivenRedrivePolicy {
    /// As it was sent, for the errors that come later.
    pub text: String,
    /// As it is kept.
    pub policy: RedrivePolicy,
    /// Where dead letters are to go.
    pub target: QueueArn,
}

impl GivenRedrivePolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`SqsError::InvalidParameterValue`].
    pub fn parse(text: &str) -> Result<Self, SqsError> {
        let invalid = |reason: &str| refused_redrive_policy(text, reason);
        let Ok(Value::Object(map)) = serde_json::from_str(text) else {
            let text = format!(
                "Invalid value for the parameter {REDRIVE_POLICY}. Reason: Redrive policy is not \
                 a valid JSON map."
            );
            return Err(SqsError::InvalidParameterValue(text));
        };
        let mandatory = |name: &str| {
            map.get(name).filter(|value| !value.is_null()).ok_or_else(|| {
                let reason = "Redrive policy does not contain mandatory attribute";
                invalid(&format!("{reason}: {name}."))
            })
        };
        let count = mandatory(COUNT)?;
        let target = mandatory(TARGET)?;
        if map.keys().any(|key| key != COUNT && key != TARGET) {
            let reason = format!("Only following attributes are supported: [{COUNT}, {TARGET}].");
            return Err(invalid(&reason));
        }
        let max_receive_count = max_receive_count(count).ok_or_else(|| {
            let (low, high) = (MAX_RECEIVE_COUNT.start(), MAX_RECEIVE_COUNT.end());
            let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
            invalid(&format!(
                "Invalid value for {COUNT}: {shown}, valid values are from {low} to {high} both \
                 inclusive."
            ))
        })?;
        let arn = target.as_str().unwrap_or_default();
        let target = QueueArn::parse(arn).map_err(|error| match error {
            ArnError::Malformed => invalid("Dead-letter target ARN should be fully qualified ARN."),
            ArnError::NotSqs => {
                invalid("Only SQS queues are valid resources for deadLetterTargetArn.")
            }
        })?;
        let policy = RedrivePolicy { dead_letter_target_arn: arn.to_owned(), max_receive_count };
        Ok(Self { text: text.to_owned(), policy, target })
    }

    /// The error that says why this policy cannot be.
    pub fn refused(&self, reason: &str) -> SqsError {
        refused_redrive_policy(&self.text, reason)
    }
}

fn refused_redrive_policy(text: &str, reason: &str) -> SqsError {
    SqsError::invalid_value(text, REDRIVE_POLICY, reason)
}

/// A number, or a text that is one.
fn max_receive_count(value: &Value) -> Option<u32> {
    let count = match value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    count.filter(|count| MAX_RECEIVE_COUNT.contains(count))
}

/// Which queues may use a queue as their dead-letter queue.
#[derive(Debug, PartialEq, Eq)]
pub enum RedriveAllowPolicy {
    /// All.
    AllowAll,
    /// None.
    DenyAll,
    /// These.
    ByQueue(Vec<QueueArn>),
}

impl RedriveAllowPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`SqsError::InvalidParameterValue`].
    pub fn parse(text: &str) -> Result<Self, SqsError> {
        let malformed = || {
            SqsError::InvalidParameterValue(format!(
                "Invalid value for the parameter {REDRIVE_ALLOW_POLICY}. Reason: Amazon SQS can't \
                 create the redrive allow policy, as it’s in an unsupported format."
            ))
        };
        let invalid = |reason: &str| {
            let reason = format!("Amazon SQS can't create the redrive allow policy. {reason}");
            SqsError::invalid_value(text, REDRIVE_ALLOW_POLICY, &reason)
        };
        if text.len() > ALLOW_BYTES_MAX {
            return Err(malformed());
        }
        let Ok(Value::Object(map)) = serde_json::from_str(text) else {
            return Err(malformed());
        };
        if map.keys().any(|key| key != PERMISSION && key != SOURCES) {
            return Err(malformed());
        }
        let sources = sources(&map).ok_or_else(malformed)?;
        match map.get(PERMISSION).and_then(Value::as_str) {
            Some("allowAll") if sources.is_empty() => Ok(Self::AllowAll),
            Some("denyAll") if sources.is_empty() => Ok(Self::DenyAll),
            Some("allowAll" | "denyAll") => Err(invalid(
                "To specify one or more source queue ARNs, you must set redrivePermission to \
                 byQueue.",
            )),
            Some("byQueue") if sources.is_empty() => Err(invalid(
                "When you specify the byQueue permission type, you must also specify one or more \
                 sourceQueueArns values.",
            )),
            Some("byQueue") if sources.len() > SOURCES_MAX => Err(invalid(&format!(
                "The maximum number of source queue ARNs you can specify is {SOURCES_MAX}."
            ))),
            Some("byQueue") => Ok(Self::ByQueue(sources)),
            _ => Err(malformed()),
        }
    }
}

/// `None`: not a list of ARNs.
fn sources(map: &Map<String, Value>) -> Option<Vec<QueueArn>> {
    let parse = |value: &Value| QueueArn::parse(value.as_str()?).ok();
    match map.get(SOURCES) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(arns)) => arns.iter().map(parse).collect(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::Protocol;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

    #[track_caller]
    fn text_of<T: std::fmt::Debug>(result: Result<T, SqsError>) -> String {
        let error = result.expect_err("refused");
        assert_eq!(error.code().query, "InvalidParameterValue");
        error.message(Protocol::Json).into_owned()
    }

    #[test]
    fn the_count_is_a_number_or_the_text_of_one() {
        for count in [json!(5), json!("5")] {
            let text = json!({ COUNT: count, TARGET: ARN }).to_string();
            let given = GivenRedrivePolicy::parse(&text).expect("valid");
            assert_eq!(given.policy.max_receive_count, 5);
            assert_eq!(given.policy.dead_letter_target_arn, ARN);
            assert_eq!(given.target.queue.as_str(), "dead");
        }
    }

    #[test]
    fn what_is_no_redrive_policy_is_refused_with_the_reason() {
        for text in ["x", "[]", "5", "{", "\"{}\""] {
            assert_eq!(
                text_of(GivenRedrivePolicy::parse(text)),
                "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a \
                 valid JSON map."
            );
        }
        let range = |count: &str| {
            format!(
                "Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both \
                 inclusive."
            )
        };
        let mandatory = "Redrive policy does not contain mandatory attribute:";
        let unqualified = "Dead-letter target ARN should be fully qualified ARN.";
        for (policy, reason) in [
            (json!({}), format!("{mandatory} maxReceiveCount.")),
            (json!({ TARGET: ARN, COUNT: null }), format!("{mandatory} maxReceiveCount.")),
            (json!({ COUNT: 0 }), format!("{mandatory} deadLetterTargetArn.")),
            (
                json!({ COUNT: 0, TARGET: ARN, "x": 1 }),
                "Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn]."
                    .to_owned(),
            ),
            (json!({ COUNT: 0, TARGET: ARN }), range("0")),
            (json!({ COUNT: 1001, TARGET: ARN }), range("1001")),
            (json!({ COUNT: "1001", TARGET: ARN }), range("1001")),
            (json!({ COUNT: -1, TARGET: ARN }), range("-1")),
            (json!({ COUNT: 1.5, TARGET: ARN }), range("1.5")),
            (json!({ COUNT: "x", TARGET: ARN }), range("x")),
            (json!({ COUNT: [], TARGET: ARN }), range("[]")),
            (json!({ COUNT: 1, TARGET: "dead" }), unqualified.to_owned()),
            (json!({ COUNT: 1, TARGET: 5 }), unqualified.to_owned()),
            (
                json!({ COUNT: 1, TARGET: "arn:aws:sns:us-east-1:000000000000:dead" }),
                "Only SQS queues are valid resources for deadLetterTargetArn.".to_owned(),
            ),
        ] {
            let policy = policy.to_string();
            assert_eq!(
                text_of(GivenRedrivePolicy::parse(&policy)),
                format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}")
            );
        }
    }

    #[test]
    fn a_redrive_allow_policy_names_all_none_or_some() {
        let parse = |policy: Value| RedriveAllowPolicy::parse(&policy.to_string());
        assert_eq!(parse(json!({ PERMISSION: "allowAll" })), Ok(RedriveAllowPolicy::AllowAll));
        let deny = json!({ PERMISSION: "denyAll", SOURCES: [] });
        assert_eq!(parse(deny), Ok(RedriveAllowPolicy::DenyAll));
        let sources = vec![QueueArn::parse(ARN).expect("an ARN"); 10];
        let some = parse(json!({ PERMISSION: "byQueue", SOURCES: ([ARN; 10]) }));
        assert_eq!(some, Ok(RedriveAllowPolicy::ByQueue(sources)));
    }

    #[test]
    fn what_is_no_redrive_allow_policy_is_refused_with_the_reason() {
        let cannot = "Amazon SQS can't create the redrive allow policy";
        for (policy, reason) in [
            (
                json!({ PERMISSION: "byQueue" }),
                "When you specify the byQueue permission type, you must also specify one or more \
                 sourceQueueArns values.",
            ),
            (
                json!({ PERMISSION: "denyAll", SOURCES: [ARN] }),
                "To specify one or more source queue ARNs, you must set redrivePermission to \
                 byQueue.",
            ),
            (
                json!({ PERMISSION: "byQueue", SOURCES: ([ARN; 11]) }),
                "The maximum number of source queue ARNs you can specify is 10.",
            ),
        ] {
            let policy = policy.to_string();
            let expected = format!(
                "Value {policy} for parameter RedriveAllowPolicy is invalid. Reason: {cannot}. \
                 {reason}"
            );
            // Long values are cut.
            let got = text_of(RedriveAllowPolicy::parse(&policy));
            assert_eq!(got, expected);
        }
        for policy in [
            json!("x"),
            json!([]),
            json!({}),
            json!({ PERMISSION: "some" }),
            json!({ PERMISSION: 1 }),
            json!({ PERMISSION: "allowAll", "x": 1 }),
            json!({ PERMISSION: "byQueue", SOURCES: ARN }),
            json!({ PERMISSION: "byQueue", SOURCES: ["q"] }),
            json!({ PERMISSION: "byQueue", SOURCES: [1] }),
            json!({ PERMISSION: "x".repeat(9_000) }),
        ] {
            assert_eq!(
                text_of(RedriveAllowPolicy::parse(&policy.to_string())),
                format!(
                    "Invalid value for the parameter RedriveAllowPolicy. Reason: {cannot}, as \
                     it’s in an unsupported format."
                ),
                "{policy}"
            );
        }
    }
}
