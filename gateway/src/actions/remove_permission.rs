//! RemovePermission.
//!
//! Source: sqs-contract §4.6;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_RemovePermission.html>.

use super::{Sqs, permissions};
use crate::protocol::SqsError;
use crate::protocol::request::RemovePermission;

pub(super) async fn handle(sqs: &Sqs, input: RemovePermission) -> Result<(), SqsError> {
    let queue = input.queue?;
    permissions::change(sqs, &queue, |policy| {
        let unknown = || permissions::invalid_label(&input.label, "can't find label.");
        let mut policy = policy.ok_or_else(unknown)?;
        if policy.remove_statement(&input.label) { Ok(policy) } else { Err(unknown()) }
    })
    .await
}
