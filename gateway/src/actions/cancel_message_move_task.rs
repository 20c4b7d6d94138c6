//! CancelMessageMoveTask.
//!
//! Source: sqs-contract §4.11;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CancelMessageMoveTask.html>.

use super::Sqs;
use crate::protocol::SqsError;
use crate::protocol::request::CancelMessageMoveTask;
use crate::protocol::response::CancelledTask;

pub(super) async fn handle(
    _sqs: &Sqs,
    _input: CancelMessageMoveTask,
) -> Result<CancelledTask, SqsError> {
    Err(SqsError::InternalFailure("not there yet".to_owned()))
}
