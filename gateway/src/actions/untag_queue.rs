//! UntagQueue.
//!
//! Source: sqs-contract §4.7;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_UntagQueue.html>.

use super::Sqs;
use crate::protocol::SqsError;
use crate::protocol::request::UntagQueue;

pub(super) async fn handle(_sqs: &Sqs, _input: UntagQueue) -> Result<(), SqsError> {
    Err(SqsError::InternalFailure("not there yet".to_owned()))
}
