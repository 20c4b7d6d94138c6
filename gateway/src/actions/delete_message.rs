//! DeleteMessage.
//!
//! Source: sqs-contract §4.10;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html>.

use super::{Sqs, failure, named};
use crate::protocol::SqsError;
use crate::protocol::request::DeleteMessage;
use crate::queues::{Demand, ReceiptOutcome};

pub(super) async fn handle(sqs: &Sqs, input: DeleteMessage) -> Result<(), SqsError> {
    let queue = named(input.queue)?;
    let handle = input.receipt_handle;
    let outcomes = sqs.queues.acknowledge(&queue, &[&handle], Demand::Any).await;
    match outcomes.map_err(failure::of_request)?.first() {
        Some(outcome) => judge(*outcome, handle),
        None => Err(SqsError::InternalFailure("no answer for the receipt".to_owned())),
    }
}

/// What deleting by this handle came to. A message that is gone already is deleted.
pub(super) fn judge(outcome: ReceiptOutcome, handle: String) -> Result<(), SqsError> {
    match outcome {
        ReceiptOutcome::Done | ReceiptOutcome::Gone => Ok(()),
        ReceiptOutcome::Stale | ReceiptOutcome::Changed => {
            let reason = "The receipt handle has expired.";
            Err(SqsError::invalid_value(handle, "ReceiptHandle", reason))
        }
        ReceiptOutcome::Foreign => Err(SqsError::ReceiptHandleOfAnotherQueue(handle)),
        ReceiptOutcome::Malformed => Err(SqsError::ReceiptHandleIsInvalid(handle)),
    }
}
