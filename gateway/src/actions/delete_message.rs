//! DeleteMessage.
//!
//! Source: sqs-contract §4.10;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html>.

use super::{Sqs, failure, receipt_handle};
use crate::protocol::SqsError;
use crate::protocol::request::DeleteMessage;
use crate::queues::Demand;

pub(super) async fn handle(sqs: &Sqs, input: DeleteMessage) -> Result<(), SqsError> {
    let queue = input.queue?;
    let handle = input.receipt_handle;
    if !receipt_handle::is_well_formed(&handle) {
        return Err(sqs.refusal(&queue, SqsError::ReceiptHandleIsInvalid(handle)).await);
    }
    let outcomes = sqs.queues.acknowledge(&queue, &[&handle], Demand::Any).await;
    match outcomes.map_err(failure::of_request)?.first() {
        Some(outcome) => receipt_handle::judge_deletion(*outcome, handle),
        None => Err(SqsError::InternalFailure("no answer for the receipt".to_owned())),
    }
}
