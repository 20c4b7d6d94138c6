//! ListQueueTags.
//!
//! Source: sqs-contract §4.7;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueueTags.html>.

use super::Sqs;
use crate::protocol::SqsError;
use crate::protocol::request::NamedQueue;
use crate::protocol::response::QueueTags;

pub(super) async fn handle(_sqs: &Sqs, _input: NamedQueue) -> Result<QueueTags, SqsError> {
    Err(SqsError::InternalFailure("not there yet".to_owned()))
}
