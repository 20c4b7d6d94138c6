//! ListDeadLetterSourceQueues.
//!
//! Source: sqs-contract §4.4;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html>.

use super::Sqs;
use crate::protocol::SqsError;
use crate::protocol::request::ListDeadLetterSourceQueues;
use crate::protocol::response::SourceQueueUrls;

pub(super) async fn handle(
    _sqs: &Sqs,
    _base_url: &str,
    _input: ListDeadLetterSourceQueues,
) -> Result<SourceQueueUrls, SqsError> {
    Err(SqsError::InternalFailure("not there yet".to_owned()))
}
