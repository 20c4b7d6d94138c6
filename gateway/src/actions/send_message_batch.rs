//! SendMessageBatch.
//!
//! Source: sqs-contract §10; <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
//! APIReference/API_SendMessageBatch.html>.

use super::{Sqs, batch, failure, message, named};
use crate::protocol::request::{SendMessageBatch, SendMessageBatchEntry};
use crate::protocol::response::{BatchResult, FailedEntry, SentEntry};
use crate::protocol::{SqsError, limits};

pub(super) async fn handle(
    sqs: &Sqs,
    input: SendMessageBatch,
) -> Result<BatchResult<SentEntry>, SqsError> {
    let queue = named(input.queue)?;
    if let Err(error) = check(&input.entries) {
        return Err(sqs.refusal(&queue, error).await);
    }
    let mut outgoing = Vec::new();
    let mut accepted = Vec::new();
    let mut failed = Vec::new();
    for SendMessageBatchEntry { id, message } in input.entries {
        match message::prepare(message, None) {
            Ok((message, digests)) => {
                outgoing.push(message);
                accepted.push((id, digests));
            }
            Err(error) => failed.push(FailedEntry { id, error }),
        }
    }
    if outgoing.is_empty() {
        sqs.queues.info(&queue).await.map_err(failure::of_request)?;
        return Ok(BatchResult { successful: Vec::new(), failed });
    }
    let results = sqs.queues.send_batch(&queue, outgoing).await.map_err(failure::of_request)?;
    let mut successful = Vec::with_capacity(accepted.len());
    for ((id, digests), result) in accepted.into_iter().zip(results) {
        match result {
            Ok(sent) => successful.push(SentEntry { id, message: digests.sent(sent.id) }),
            Err(error) => failed.push(FailedEntry { id, error: failure::of_entry(error) }),
        }
    }
    Ok(BatchResult { successful, failed })
}

/// The checks for which the whole request is refused.
fn check(entries: &[SendMessageBatchEntry]) -> Result<(), SqsError> {
    batch::check(entries.iter().map(|entry| entry.id.as_str()), "SendMessageBatchRequestEntry")?;
    let total: usize = entries.iter().map(|entry| message::size_bytes(&entry.message)).sum();
    if total > limits::BATCH_BYTES_MAX {
        return Err(SqsError::BatchRequestTooLong(total as u64));
    }
    Ok(())
}
