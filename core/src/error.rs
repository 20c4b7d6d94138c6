//! Why a queue refuses; one enum without user-facing text, which the module maps to RESP.

/// Everything a queue can refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message is larger than MaximumMessageSize.
    #[error("{size_bytes} bytes are more than MaximumMessageSize {maximum_message_size_bytes}")]
    TooLarge {
        /// What was held against the limit.
        size_bytes: u64,
        /// The queue's limit.
        maximum_message_size_bytes: u64,
    },
    /// The message would expire before it is due.
    #[error("the delay is longer than MessageRetentionPeriod")]
    DelayBeyondRetention,
    /// A delay of a single message, which a FIFO queue does not have (sqs-contract §4.8).
    #[error("a FIFO queue has no delay per message")]
    DelayOnFifo,
    /// A message of a FIFO queue needs a group (sqs-contract §4.8).
    #[error("a message of a FIFO queue needs a group")]
    GroupRequired,
    /// A message of a FIFO queue needs a deduplication id, or the queue
    /// ContentBasedDeduplication (sqs-contract §4.8).
    #[error("a message of a FIFO queue needs a deduplication id")]
    DeduplicationRequired,
    /// A deduplication id on a standard queue (sqs-contract §4.8).
    #[error("a standard queue has no deduplication")]
    DeduplicationOnStandard,
    /// As many deduplication ids as may be are remembered.
    #[error("too many deduplication ids within five minutes")]
    Throttled,
    /// A letter of that source with that number or a later one is here already.
    #[error("the letter is here already, the watermark of its source is {watermark}")]
    Moved {
        /// The number of the last letter taken from the source.
        watermark: u64,
    },
    /// A group, deduplication or attempt id of no byte or too many, or a source that is too long.
    #[error("an id must have 1 to 128 bytes")]
    InvalidId,
    /// No slot, sequence number or group number is left.
    #[error("the queue is full")]
    Full,
    /// No attribute of that name.
    #[error("unknown attribute")]
    UnknownAttribute,
    /// A value the attribute cannot have.
    #[error("invalid value for {0}")]
    InvalidValue(&'static str),
    /// Too many tags, or a tag too long.
    #[error("too many tags, or one too long")]
    Tags,
    /// Bytes that are no snapshot of ours: what is wrong with them.
    #[error("corrupt snapshot: {0}")]
    Corrupt(&'static str),
}
