//! What AddPermission and RemovePermission have in common, and the rules for permissions.
//!
//! Source: sqs-contract §4.6.

use super::{Sqs, failure};
use crate::protocol::SqsError;
use crate::protocol::limits::LABEL_BYTES_MAX;
use crate::protocol::policy::{ACTIONS_MAX, POLICY, Policy, check_quota};
use crate::queues::{QueueError, QueueName};

/// A policy that others change all the time is tried this often.
const ATTEMPTS_MAX: usize = 10;

/// What can be granted.
const GRANTABLE: [&str; 9] = [
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];
/// What only the queue's owner may do.
const OWNERS: [&str; 12] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "CreateQueue",
    "DeleteQueue",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "ListQueues",
    "RemovePermission",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

/// Changes the queue's policy. What another gateway writes meanwhile is not lost: then it is read
/// and changed once more.
pub(super) async fn change(
    sqs: &Sqs,
    queue: &QueueName,
    change: impl Fn(Option<Policy>) -> Result<Policy, SqsError>,
) -> Result<(), SqsError> {
    for _ in 0..ATTEMPTS_MAX {
        let info = sqs.queues.info(queue).await.map_err(failure::of_request)?;
        let text = info.attribute(POLICY).unwrap_or_default();
        let policy = if text.is_empty() { None } else { Some(Policy::parse(text)?) };
        let policy = change(policy)?;
        let changed = if policy.is_empty() { String::new() } else { policy.to_string() };
        match sqs.queues.set_if(queue, &[(POLICY, text)], &[(POLICY, changed)]).await {
            Err(QueueError::Changed) => {}
            result => return result.map_err(failure::of_request),
        }
    }
    Err(failure::of_request(QueueError::Changed))
}

/// The actions as a policy names them.
pub(super) fn actions(names: &[String]) -> Result<Vec<String>, SqsError> {
    check_quota("Actions", names.len(), ACTIONS_MAX)?;
    let checked = names.iter().map(|name| {
        let invalid = |reason| SqsError::invalid_value(format!("SQS:{name}"), "ActionName", reason);
        if GRANTABLE.contains(&name.as_str()) {
            Ok(format!("SQS:{name}"))
        } else if OWNERS.contains(&name.as_str()) {
            Err(invalid("Only the queue owner is allowed to invoke this action."))
        } else {
            Err(invalid("Please refer to the appropriate WSDL for a list of valid actions. "))
        }
    });
    checked.collect()
}

/// The accounts as a policy names them.
pub(super) fn principals(accounts: &[String], partition: &str) -> Result<Vec<String>, SqsError> {
    let is_account =
        |account: &String| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    if accounts.is_empty() || !accounts.iter().all(is_account) {
        let value = format!("[{}]", accounts.join(", "));
        return Err(SqsError::invalid_value(value, "PrincipalId", "Unable to verify."));
    }
    let root = |account: &String| format!("arn:{partition}:iam::{account}:root");
    Ok(accounts.iter().map(root).collect())
}

/// The name of a new statement.
pub(super) fn check_label(label: &str) -> Result<(), SqsError> {
    let in_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(in_label) {
        return Ok(());
    }
    let reason =
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
    Err(invalid_label(label, reason))
}

pub(super) fn invalid_label(label: &str, reason: &str) -> SqsError {
    SqsError::invalid_value(label, "Label", reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;
    use crate::protocol::request::Action;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn text_of<T: std::fmt::Debug>(result: Result<T, SqsError>) -> String {
        let error = result.expect_err("refused");
        format!("{} {}", error.code().query, error.message(Protocol::Json))
    }

    #[test]
    fn every_action_is_known_and_most_are_the_owners() {
        let batches = |action: &&Action| !action.name().ends_with("Batch");
        for action in Action::ALL.iter().filter(batches) {
            let name = action.name();
            assert!(GRANTABLE.contains(&name) != OWNERS.contains(&name), "{name}");
        }
        let granted = actions(&texts(&["*", "SendMessage"]));
        assert_eq!(granted, Ok(texts(&["SQS:*", "SQS:SendMessage"])));
        assert_eq!(
            text_of(actions(&texts(&["SendMessage", "RemovePermission"]))),
            "InvalidParameterValue Value SQS:RemovePermission for parameter ActionName is \
             invalid. Reason: Only the queue owner is allowed to invoke this action."
        );
        for unknown in ["Foo", "sendmessage", "SQS:SendMessage", "SendMessageBatch", ""] {
            assert_eq!(
                text_of(actions(&texts(&[unknown]))),
                format!(
                    "InvalidParameterValue Value SQS:{unknown} for parameter ActionName is \
                     invalid. Reason: Please refer to the appropriate WSDL for a list of valid \
                     actions. "
                )
            );
        }
        assert_eq!(
            text_of(actions(&texts(&["Foo"; 8]))),
            "OverLimit 8 Actions were found, maximum allowed is 7."
        );
    }

    #[test]
    fn principals_are_accounts() {
        assert_eq!(
            principals(&texts(&["123456789012"]), "aws-cn"),
            Ok(texts(&["arn:aws-cn:iam::123456789012:root"]))
        );
        for (accounts, shown) in [
            (texts(&[]), "[]"),
            (texts(&["123456789012", "1"]), "[123456789012, 1]"),
            (texts(&["12345678901x"]), "[12345678901x]"),
        ] {
            assert_eq!(
                text_of(principals(&accounts, "aws")),
                format!(
                    "InvalidParameterValue Value {shown} for parameter PrincipalId is invalid. \
                     Reason: Unable to verify."
                )
            );
        }
    }

    #[test]
    fn labels_are_short_and_plain() {
        assert_eq!(check_label(&"aZ0_-".repeat(16)), Ok(()));
        for label in ["", "a b", "ü", &"x".repeat(81)] {
            assert!(check_label(label).is_err(), "{label}");
        }
    }
}
