//! DeleteMessageBatch.
//!
//! Source: sqs-contract §10; <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
//! APIReference/API_DeleteMessageBatch.html>.

use super::{Sqs, batch, failure, receipt_handle};
use crate::protocol::SqsError;
use crate::protocol::request::{DeleteMessageBatch, DeleteMessageBatchEntry};
use crate::protocol::response::{BatchResult, DoneEntry, FailedEntry};
use crate::queues::Demand;

pub(super) async fn handle(
    sqs: &Sqs,
    input: DeleteMessageBatch,
) -> Result<BatchResult<DoneEntry>, SqsError> {
    let queue = input.queue?;
    let ids = input.entries.iter().map(|entry| entry.id.as_str());
    if let Err(error) = batch::check(ids, "DeleteMessageBatchRequestEntry") {
        return Err(sqs.refusal(&queue, error).await);
    }
    let (entries, refused): (Vec<_>, Vec<_>) = input
        .entries
        .into_iter()
        .partition(|entry| receipt_handle::is_well_formed(&entry.receipt_handle));
    let refused = refused.into_iter().map(|entry| FailedEntry {
        id: entry.id,
        error: if entry.receipt_handle.is_empty() {
            SqsError::MissingParameter("ReceiptHandle".into())
        } else {
            SqsError::ReceiptHandleIsInvalid(entry.receipt_handle)
        },
    });
    let mut result = BatchResult { successful: Vec::new(), failed: refused.collect() };
    if entries.is_empty() {
        sqs.queues.info(&queue).await.map_err(failure::of_request)?;
        return Ok(result);
    }
    let handles: Vec<&str> = entries.iter().map(|entry| entry.receipt_handle.as_str()).collect();
    let outcomes = sqs.queues.acknowledge(&queue, &handles, Demand::Any).await;
    let outcomes = outcomes.map_err(failure::of_request)?;
    for (DeleteMessageBatchEntry { id, receipt_handle }, outcome) in
        entries.into_iter().zip(outcomes)
    {
        match receipt_handle::judge_deletion(outcome, receipt_handle) {
            Ok(()) => result.successful.push(DoneEntry { id }),
            Err(error) => result.failed.push(FailedEntry { id, error }),
        }
    }
    Ok(result)
}
