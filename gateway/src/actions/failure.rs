//! What SQS says when the queues refuse.

use crate::protocol::SqsError;
use crate::queues::QueueError;

/// The error of a whole request.
pub(super) fn of_request(error: QueueError) -> SqsError {
    match error {
        QueueError::NoQueue => SqsError::QueueDoesNotExist,
        QueueError::Attribute(text) => SqsError::InvalidAttributeValue(text),
        QueueError::TooLarge { maximum_message_size } => message_too_large(maximum_message_size),
        // 503 rather than RequestThrottled (403) also when Redis is full: every client repeats a
        // 503, while only SDKs that know SQS repeat a 403, and others read it as a lack of
        // permission (sqs-contract §12).
        QueueError::Full(cause) | QueueError::Unavailable(cause) => {
            SqsError::ServiceUnavailable(cause)
        }
        QueueError::NoGroup => SqsError::MissingParameter("MessageGroupId".into()),
        QueueError::NoDeduplicationId => SqsError::InvalidParameterValue(
            "The queue should either have ContentBasedDeduplication enabled or \
             MessageDeduplicationId provided explicitly"
                .to_owned(),
        ),
        QueueError::Throttled(_) => SqsError::RequestThrottled(
            "The request was denied due to request throttling.".to_owned(),
        ),
        // Both are checked by the queue's name before: somebody made, past us, a queue whose name
        // belies its type.
        QueueError::NotFifo => wrong_type("MessageDeduplicationId"),
        QueueError::FifoDelay => wrong_type("DelaySeconds"),
        QueueError::Changed => SqsError::ServiceUnavailable(error.to_string()),
        // The business of movers of dead letters.
        error @ QueueError::Moved { .. } => SqsError::InternalFailure(error.to_string()),
        QueueError::Exists => SqsError::InternalFailure("the queue exists".to_owned()),
        QueueError::Unexpected(cause) => SqsError::InternalFailure(cause),
    }
}

/// A parameter that only the other type of queue has (sqs-contract §4.8).
fn wrong_type(parameter: &str) -> SqsError {
    SqsError::InvalidParameterValue(format!(
        "The request include parameter {parameter} which is not valid for this queue type"
    ))
}

/// The error of one entry of a batch, where a text differs (sqs-contract §10).
pub(super) fn of_entry(error: QueueError) -> SqsError {
    match error {
        QueueError::TooLarge { maximum_message_size } => SqsError::InvalidParameterValue(format!(
            "One or more parameters cannot be validated. Reason: Message must be shorter than \
                 {maximum_message_size} bytes."
        )),
        other => of_request(other),
    }
}

/// A single message larger than its queue takes (sqs-contract §4.8).
pub(super) fn message_too_large(maximum_message_size: impl std::fmt::Display) -> SqsError {
    SqsError::InvalidParameterValue(format!(
        "One or more parameters are invalid. Reason: Message must be shorter than \
         {maximum_message_size} bytes."
    ))
}
