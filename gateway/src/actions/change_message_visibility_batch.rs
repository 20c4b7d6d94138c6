//! ChangeMessageVisibilityBatch.
//!
//! Source: sqs-contract §10;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html>.

use super::number::within;
use super::{Sqs, batch, failure, receipt_handle};
use crate::protocol::request::{ChangeMessageVisibilityBatch, ChangeMessageVisibilityBatchEntry};
use crate::protocol::response::{BatchResult, DoneEntry, FailedEntry};
use crate::protocol::{SqsError, limits};
use crate::queues::Demand;

/// An entry that can be tried.
struct Change {
    id: String,
    receipt_handle: String,
    seconds: u32,
}

pub(super) async fn handle(
    sqs: &Sqs,
    input: ChangeMessageVisibilityBatch,
) -> Result<BatchResult<DoneEntry>, SqsError> {
    let queue = input.queue?;
    let ids = input.entries.iter().map(|entry| entry.id.as_str());
    if let Err(error) = batch::check(ids, "ChangeMessageVisibilityBatchRequestEntry") {
        return Err(sqs.refusal(&queue, error).await);
    }
    let mut changes = Vec::with_capacity(input.entries.len());
    let mut result = BatchResult { successful: Vec::new(), failed: Vec::new() };
    for entry in input.entries {
        match check(entry) {
            Ok(change) => changes.push(change),
            Err(failed) => result.failed.push(failed),
        }
    }
    if changes.is_empty() {
        sqs.queues.info(&queue).await.map_err(failure::of_request)?;
        return Ok(result);
    }
    let receipts: Vec<(&str, u32)> =
        changes.iter().map(|change| (change.receipt_handle.as_str(), change.seconds)).collect();
    let outcomes = sqs.queues.extend(&queue, &receipts, Demand::Any).await;
    let outcomes = outcomes.map_err(failure::of_request)?;
    for (Change { id, receipt_handle, seconds }, outcome) in changes.into_iter().zip(outcomes) {
        match receipt_handle::judge_change(outcome, receipt_handle, seconds.into()) {
            Ok(()) => result.successful.push(DoneEntry { id }),
            Err(error) => result.failed.push(FailedEntry { id, error }),
        }
    }
    Ok(result)
}

/// Errors: why the entry fails whatever the queue holds.
fn check(entry: ChangeMessageVisibilityBatchEntry) -> Result<Change, FailedEntry> {
    let ChangeMessageVisibilityBatchEntry { id, receipt_handle, visibility_timeout } = entry;
    let seconds =
        visibility_timeout.map(|value| within(value, &limits::VISIBILITY_TIMEOUT_SECONDS));
    let error = match seconds {
        _ if receipt_handle.is_empty() => SqsError::MissingParameter("ReceiptHandle".into()),
        None => SqsError::MissingParameter("VisibilityTimeout".into()),
        Some(None) => SqsError::InvalidParameterValue(
            "VisibilityTimeout must be an integer between 0 and 43200.".to_owned(),
        ),
        Some(Some(seconds)) if receipt_handle::is_well_formed(&receipt_handle) => {
            return Ok(Change { id, receipt_handle, seconds });
        }
        Some(Some(_)) => SqsError::ReceiptHandleIsInvalid(receipt_handle),
    };
    Err(FailedEntry { id, error })
}
