//! ListMessageMoveTasks.
//!
//! Source: sqs-contract §4.11;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html>.

use super::Sqs;
use crate::protocol::SqsError;
use crate::protocol::request::ListMessageMoveTasks;
use crate::protocol::response::MoveTasks;

pub(super) async fn handle(
    _sqs: &Sqs,
    _input: ListMessageMoveTasks,
) -> Result<MoveTasks, SqsError> {
    Err(SqsError::InternalFailure("not there yet".to_owned()))
}
