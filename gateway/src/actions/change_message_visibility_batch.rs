//! ChangeMessageVisibilityBatch.
//!
//! Source: sqs-contract §10;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html>.

use super::Sqs;
use crate::protocol::SqsError;
use crate::protocol::request::ChangeMessageVisibilityBatch;
use crate::protocol::response::{BatchResult, DoneEntry};

pub(super) async fn handle(
    _sqs: &Sqs,
    _input: ChangeMessageVisibilityBatch,
) -> Result<BatchResult<DoneEntry>, SqsError> {
    Err(SqsError::InternalFailure("not there yet".to_owned()))
}
