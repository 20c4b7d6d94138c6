//! AddPermission.
//!
//! Source: sqs-contract §4.6;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html>.

use super::Sqs;
use crate::protocol::SqsError;
use crate::protocol::request::AddPermission;

pub(super) async fn handle(_sqs: &Sqs, _input: AddPermission) -> Result<(), SqsError> {
    Err(SqsError::InternalFailure("not there yet".to_owned()))
}
