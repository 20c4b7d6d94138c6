//! SetQueueAttributes.
//!
//! Source: sqs-contract §4.5;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>.

use super::Sqs;
use crate::protocol::SqsError;
use crate::protocol::request::SetQueueAttributes;

pub(super) async fn handle(_sqs: &Sqs, _input: SetQueueAttributes) -> Result<(), SqsError> {
    Err(SqsError::InternalFailure("not there yet".to_owned()))
}
