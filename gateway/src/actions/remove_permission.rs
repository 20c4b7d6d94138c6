//! RemovePermission.
//!
//! Source: sqs-contract §4.6;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_RemovePermission.html>.

use super::Sqs;
use crate::protocol::SqsError;
use crate::protocol::request::RemovePermission;

pub(super) async fn handle(_sqs: &Sqs, _input: RemovePermission) -> Result<(), SqsError> {
    Err(SqsError::InternalFailure("not there yet".to_owned()))
}
