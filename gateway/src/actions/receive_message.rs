//! ReceiveMessage.
//!
//! Source: sqs-contract §§4.9, 6.5-6.7 and 7;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>.

use std::time::Duration;

use super::number::within;
use super::{Sqs, failure, identifier, queue_attributes};
use crate::protocol::request::ReceiveMessage;
use crate::protocol::response::{ReceivedMessages, Selection};
use crate::protocol::{SqsError, limits};
use crate::queues::{PopOptions, QueueName};

/// The names of system attributes a receiver may ask for; those that do not apply are skipped.
const SYSTEM_ATTRIBUTES: [&str; 10] = [
    "All",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

/// What a short poll of a standard queue hears when too many messages are in flight; a long poll
/// and a FIFO queue give nothing (sqs-contract §7.1).
const TOO_MANY_IN_FLIGHT: &str = "Too many messages have been received without being deleted.\n\
    Please delete your received messages or let them timeout before receiving more.";

pub(super) async fn handle(sqs: &Sqs, input: ReceiveMessage) -> Result<ReceivedMessages, SqsError> {
    let queue = input.queue.clone()?;
    let (options, wait) = match check(&queue, &input) {
        Ok(checked) => checked,
        Err(error) => return Err(sqs.refusal(&queue, error).await),
    };
    let popped = sqs.queues.receive(&queue, options, wait).await.map_err(failure::of_request)?;
    let wait = wait.unwrap_or(Duration::from_millis(popped.wait_ms));
    if popped.limited && popped.messages.is_empty() && wait.is_zero() && !queue.is_fifo() {
        return Err(SqsError::OverLimit(TOO_MANY_IN_FLIGHT.to_owned()));
    }
    Ok(ReceivedMessages {
        messages: popped.messages,
        selection: Selection {
            system_attribute_names: input.system_attribute_names,
            message_attribute_names: input.message_attribute_names,
        },
    })
}

fn check(
    queue: &QueueName,
    input: &ReceiveMessage,
) -> Result<(PopOptions, Option<Duration>), SqsError> {
    let count = input.max_number_of_messages.unwrap_or(1);
    let count = within(count, &limits::MAX_NUMBER_OF_MESSAGES).ok_or_else(|| {
        let reason = "Must be between 1 and 10, if provided.";
        SqsError::invalid_value(count, "MaxNumberOfMessages", reason)
    })?;
    let wait = input.wait_time_seconds.map(|value| {
        within(value, &limits::WAIT_TIME_SECONDS).ok_or_else(|| {
            let reason = "Must be >= 0 and <= 20, if provided.";
            SqsError::invalid_value(value, "WaitTimeSeconds", reason)
        })
    });
    let wait = wait.transpose()?.map(|seconds| Duration::from_secs(seconds.into()));
    let visibility_timeout_seconds = input.visibility_timeout.map(|value| {
        within(value, &limits::VISIBILITY_TIMEOUT_SECONDS).ok_or_else(|| {
            let reason = "Must be >= 0 and <= 43200, if provided.";
            SqsError::invalid_value(value, "VisibilityTimeout", reason)
        })
    });
    let visibility_timeout_seconds = visibility_timeout_seconds.transpose()?;
    for name in &input.system_attribute_names {
        // The deprecated member's type is that of queue attributes, so their names pass as well.
        if !SYSTEM_ATTRIBUTES.contains(&name.as_str()) && !queue_attributes::is_known(name) {
            return Err(SqsError::unknown_attribute(name));
        }
    }
    // A standard queue has nothing to repeat in order, so the id is none of its business.
    let attempt = input.attempt_id.clone().filter(|_| queue.is_fifo());
    if let Some(id) = &attempt {
        identifier::check("ReceiveRequestAttemptId", id)?;
    }
    let max_bytes = Some(limits::RECEIVE_BYTES_MAX);
    let options = PopOptions {
        count,
        visibility_timeout_seconds,
        max_bytes,
        groups: None,
        holder: None,
        attempt,
    };
    Ok((options, wait))
}
