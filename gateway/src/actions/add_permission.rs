//! AddPermission.
//!
//! Source: sqs-contract §4.6;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html>.

use super::{Sqs, permissions};
use crate::protocol::SqsError;
use crate::protocol::policy::Policy;
use crate::protocol::request::AddPermission;

pub(super) async fn handle(sqs: &Sqs, input: AddPermission) -> Result<(), SqsError> {
    if input.actions.is_empty() {
        return Err(SqsError::MissingParameter("Actions".into()));
    }
    let queue = input.queue?;
    let (actions, principals) =
        match check(sqs, &input.label, &input.actions, &input.aws_account_ids) {
            Ok(checked) => checked,
            Err(error) => return Err(sqs.refusal(&queue, error).await),
        };
    let arn = sqs.identity.queue_arn(&queue);
    permissions::change(sqs, &queue, |policy| {
        let mut policy = policy.unwrap_or_else(|| Policy::begin(&arn));
        if policy.has_statement(&input.label) {
            return Err(permissions::invalid_label(&input.label, "Already exists."));
        }
        policy.add_statement(&input.label, principals.clone(), actions.clone(), &arn)?;
        Ok(policy)
    })
    .await
}

/// The actions and the principals as a policy names them.
fn check(
    sqs: &Sqs,
    label: &str,
    actions: &[String],
    accounts: &[String],
) -> Result<(Vec<String>, Vec<String>), SqsError> {
    permissions::check_label(label)?;
    let actions = permissions::actions(actions)?;
    let principals = permissions::principals(accounts, sqs.identity.partition())?;
    Ok((actions, principals))
}
