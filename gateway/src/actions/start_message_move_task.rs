//! StartMessageMoveTask.
//!
//! Source: sqs-contract §4.11;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>.

use super::Sqs;
use crate::protocol::SqsError;
use crate::protocol::request::StartMessageMoveTask;
use crate::protocol::response::StartedTask;

pub(super) async fn handle(
    _sqs: &Sqs,
    _input: StartMessageMoveTask,
) -> Result<StartedTask, SqsError> {
    Err(SqsError::InternalFailure("not there yet".to_owned()))
}
