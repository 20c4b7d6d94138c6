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
    /// No slot or sequence number is left.
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
