//! SendMessageBatch.
//!
//! Source: sqs-contract §10; <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
//! APIReference/API_SendMessageBatch.html>.

use super::{Sqs, batch, failure, message};
use crate::protocol::request::{SendMessageBatch, SendMessageBatchEntry};
use crate::protocol::response::{BatchResult, FailedEntry, SentEntry};
use crate::protocol::{SqsError, limits};
use crate::queues::{OutgoingMessage, QueueError, QueueName, Sent};

pub(super) async fn handle(
    sqs: &Sqs,
    input: SendMessageBatch,
) -> Result<BatchResult<SentEntry>, SqsError> {
    let queue = input.queue?;
    let entries = input.entries;
    if let Err(error) = check(&queue, &entries) {
        return Err(sqs.refusal(&queue, error).await);
    }
    let by_content = entries.iter().any(|e| message::lacks_deduplication_id(&queue, &e.message));
    let total_bytes = entries.iter().map(|e| message::size_bytes(&e.message)).sum::<usize>();
    if total_bytes > limits::BATCH_BYTES_MAX {
        ask(sqs, &queue, by_content).await?;
        return Err(SqsError::BatchRequestTooLong(total_bytes as u64));
    }
    let mut outgoing = Vec::new();
    let mut accepted = Vec::new();
    let mut failed = Vec::new();
    for SendMessageBatchEntry { id, message } in entries {
        match message::prepare(&queue, message, input.trace_header.clone()) {
            Ok((message, answer)) => {
                outgoing.push(message);
                accepted.push((id, answer));
            }
            Err(error) => failed.push(FailedEntry { id, error }),
        }
    }
    let mut successful = Vec::with_capacity(accepted.len());
    for ((id, answer), result) in
        accepted.into_iter().zip(send(sqs, &queue, outgoing, by_content).await?)
    {
        match result {
            Ok(sent) => successful.push(SentEntry { id, message: answer.sent(sent) }),
            Err(error) => failed.push(FailedEntry { id, error: failure::of_entry(error) }),
        }
    }
    Ok(BatchResult { successful, failed })
}

/// The checks for which the whole request is refused, but for those the queue's attributes decide.
fn check(queue: &QueueName, entries: &[SendMessageBatchEntry]) -> Result<(), SqsError> {
    batch::check(entries.iter().map(|entry| entry.id.as_str()), "SendMessageBatchRequestEntry")?;
    if entries.iter().any(|entry| message::lacks_group(queue, &entry.message)) {
        // Not MissingParameter, as SendMessage says (sqs-contract §10).
        let text = "The request must contain the parameter MessageGroupId.";
        return Err(SqsError::InvalidParameterValue(text.to_owned()));
    }
    Ok(())
}

/// Sends, in one command. `by_content`: an entry has no deduplication id; if the queue does not
/// deduplicate by content, the whole request is refused for it, and nothing is sent.
async fn send(
    sqs: &Sqs,
    queue: &QueueName,
    outgoing: Vec<OutgoingMessage>,
    by_content: bool,
) -> Result<Vec<Result<Sent, QueueError>>, SqsError> {
    let has_id = |message: &OutgoingMessage| message.deduplication_id.is_some();
    if outgoing.is_empty() || by_content && outgoing.iter().any(has_id) {
        // The queue would send those with an id. To ask first costs a round trip, where clients
        // give ids to some messages and not to others.
        ask(sqs, queue, by_content).await?;
    }
    if outgoing.is_empty() {
        return Ok(Vec::new());
    }
    let results = sqs.queues.send_batch(queue, outgoing).await.map_err(failure::of_request)?;
    let without_id = |result: &Result<_, _>| matches!(result, Err(QueueError::NoDeduplicationId));
    if results.iter().any(without_id) && results.iter().all(Result::is_err) {
        return Err(failure::of_request(QueueError::NoDeduplicationId));
    }
    Ok(results)
}

/// Asks whether the queue is there and, if `by_content`, deduplicates by content. Errors: it is
/// not, or does not.
async fn ask(sqs: &Sqs, queue: &QueueName, by_content: bool) -> Result<(), SqsError> {
    let info = sqs.queues.info(queue).await.map_err(failure::of_request)?;
    let mut attributes = info.attributes.iter();
    let does = attributes.any(|(name, on)| name == "ContentBasedDeduplication" && on == "true");
    if by_content && !does {
        return Err(failure::of_request(QueueError::NoDeduplicationId));
    }
    Ok(())
}
