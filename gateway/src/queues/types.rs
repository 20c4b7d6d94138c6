//! What the gateway says to a queue and hears from it: plain types, no Redis and no SQS wire words.

use bytes::Bytes;

/// What no queue of a client can be called.
const MOVE_TASKS: &str = "#move-tasks";

/// What ends the name of a FIFO queue and of no other.
pub const FIFO_SUFFIX: &str = ".fifo";

/// The name of a queue as SQS knows it (`orders`), already checked: 1..=80 of `A-Za-z0-9_-`,
/// with `.fifo` at its end allowed (sqs-contract §4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName(std::sync::Arc<str>);

impl QueueName {
    /// Checks a name; `None` when SQS would not have a queue of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let base = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
        let valid = (1..=80).contains(&name.len())
            && !base.is_empty()
            && base.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        valid.then(|| Self(name.into()))
    }

    /// The queue an ARN names, by its last part, whatever stands before it.
    pub fn of_arn(arn: &str) -> Option<Self> {
        Self::parse(arn.rsplit(':').next()?)
    }

    /// The queue in which gateways tell each other of move tasks (ARCHITECTURE, "Dead letters and
    /// move tasks"). No client can name it.
    pub(super) fn of_move_tasks() -> Self {
        Self(MOVE_TASKS.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the name of a FIFO queue, which no other queue can have (sqs-contract §4.2).
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(FIFO_SUFFIX)
    }
}

impl std::fmt::Display for QueueName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message on its way into a queue.
#[derive(Debug, Clone)]
pub struct OutgoingMessage {
    /// The body's bytes, verbatim.
    pub body: Bytes,
    /// `None`: the queue's DelaySeconds.
    pub delay_seconds: Option<u32>,
    /// Attributes as [`super::attributes::encode`] packs them; empty if there are none.
    pub attributes: Bytes,
    /// The size as SQS counts it, in bytes (sqs-contract §6.1).
    pub size_bytes: usize,
    /// MessageGroupId.
    pub group: Option<String>,
    /// MessageDeduplicationId.
    pub deduplication_id: Option<String>,
    /// For a FIFO queue, the body's SHA-256 in hex, which stands for a missing deduplication id
    /// where the queue has ContentBasedDeduplication.
    pub body_sha256: Option<String>,
}

/// A message that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The MessageId.
    pub id: String,
    /// The sequence number.
    pub sequence: u64,
}

/// How to take messages.
#[derive(Debug, Clone)]
pub struct PopOptions {
    /// At most this many, 1..=1000.
    pub count: u32,
    /// `None`: the queue's VisibilityTimeout.
    pub visibility_timeout_seconds: Option<u32>,
    /// Stop before bodies and attributes pass this many bytes (at least one message comes).
    pub max_bytes: Option<u64>,
    /// Of a FIFO queue, messages of at most this many groups; `None`: of any number.
    pub groups: Option<u32>,
    /// Whose lease it is: set for local functions, so that a successor can release it.
    pub holder: Option<u32>,
    /// ReceiveRequestAttemptId.
    pub attempt: Option<String>,
}

/// What a POPDUE answered.
#[derive(Debug, Clone, Default)]
pub struct Popped {
    /// The messages, each leased to us now.
    pub messages: Vec<ReceivedMessage>,
    /// How many another POPDUE would get at once.
    pub more: u64,
    /// Messages in the dead list.
    pub dead: u64,
    /// Whether messages are due and held back because too many are in flight.
    pub limited: bool,
    /// Milliseconds until the next message is due; `None`: nothing is waiting.
    pub next_ms: Option<u64>,
    /// The queue's hint number.
    pub hint: u64,
    /// The queue's ReceiveMessageWaitTimeSeconds, in milliseconds.
    pub wait_ms: u64,
}

/// A message that was handed out.
#[derive(Debug, Clone, Default)]
pub struct ReceivedMessage {
    /// The MessageId.
    pub id: String,
    /// The module's receipt, which is also SQS's ReceiptHandle.
    pub receipt: String,
    /// The body's bytes, verbatim; not necessarily UTF-8 (redis-cli can send anything).
    pub body: Bytes,
    /// Attributes as packed by [`super::attributes::encode`].
    pub attributes: Bytes,
    /// ApproximateReceiveCount, this delivery included.
    pub receive_count: u64,
    /// SentTimestamp, epoch milliseconds.
    pub sent_ms: u64,
    /// ApproximateFirstReceiveTimestamp, epoch milliseconds.
    pub first_received_ms: u64,
    /// When the lease ends, epoch milliseconds on Redis's clock.
    pub due_ms: u64,
    /// The sequence number.
    pub sequence: u64,
    /// MessageGroupId; empty if there is none.
    pub group: String,
    /// MessageDeduplicationId; empty if there is none.
    pub deduplication_id: String,
    /// The ARN of the queue it died in; empty if it did not.
    pub source_arn: String,
}

/// What a message is to a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// Receivable now.
    Ready,
    /// Not yet due.
    Delayed,
    /// Received and not yet visible again.
    InFlight,
    /// In the dead list.
    Dead,
}

impl MessageState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Delayed, Self::InFlight, Self::Dead];

    /// The module's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::InFlight => "inflight",
            Self::Dead => "dead",
        }
    }

    /// The state of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A message somebody looked at.
#[derive(Debug, Clone)]
pub struct SeenMessage {
    /// The message, without a receipt; its body may be cut.
    pub message: ReceivedMessage,
    /// What it is now.
    pub state: MessageState,
    /// How long the whole body is.
    pub body_bytes: u64,
}

/// What became of a message that was to be deleted by its sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropOutcome {
    /// It is gone.
    Done,
    /// It was not there.
    Gone,
    /// Somebody has received it; it stays.
    InFlight,
}

/// A message as KARIN.DEAD and KARIN.PEEK show it, all bytes verbatim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StoredMessage {
    /// The MessageId.
    pub(super) id: String,
    /// The body.
    pub(super) body: Bytes,
    /// Attributes as packed by [`super::attributes::encode`].
    pub(super) attributes: Bytes,
    /// How often it was received.
    pub(super) receive_count: u64,
    /// When it was sent, epoch milliseconds.
    pub(super) sent_ms: u64,
    /// When it was first received, epoch milliseconds; 0: never.
    pub(super) first_received_ms: u64,
    /// The sequence number.
    pub(super) sequence: u64,
    /// Its group; empty if there is none.
    pub(super) group: Vec<u8>,
    /// The ARN of the queue it died in before; empty if it did not.
    pub(super) source_arn: String,
    /// Its number in the dead list, else 0.
    pub(super) dead_number: u64,
}

/// Which leases a receipt may act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Any receipt of the message, as SQS has it on standard queues.
    Any,
    /// Only the current lease's; our own poller always says this.
    Current,
}

/// What became of one receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// Done.
    Done,
    /// The message does not exist any more.
    Gone,
    /// Superseded, where the current one was demanded.
    Stale,
    /// The message would be in flight for more than 12 hours.
    TooLong,
    /// The due time was changed by somebody (UNLESSCHANGED).
    Changed,
    /// A receipt of another queue.
    Foreign,
    /// Not a receipt at all.
    Malformed,
}

/// A queue's attributes and counts.
#[derive(Debug, Clone, Default)]
pub struct QueueInfo {
    /// The attributes by SQS name; durations in whole seconds where they are whole.
    pub attributes: Vec<(String, String)>,
    /// The tags.
    pub tags: Vec<(String, String)>,
    /// Receivable now.
    pub ready: u64,
    /// Delayed, never received.
    pub delayed: u64,
    /// Received and not yet visible again.
    pub in_flight: u64,
    /// The last sequence number given; 0: none.
    pub sequence: u64,
    /// When the message at the head of the queue was sent, epoch milliseconds.
    pub oldest_sent_ms: Option<u64>,
    /// CreatedTimestamp, epoch milliseconds.
    pub created_ms: u64,
    /// LastModifiedTimestamp, epoch milliseconds.
    pub modified_ms: u64,
    /// Whether it is a FIFO queue.
    pub is_fifo: bool,
    /// Messages in the dead list.
    pub dead: u64,
    /// Bodies and attributes, in bytes.
    pub bytes: u64,
    /// When the next message can be received, epoch milliseconds, maybe in the past; `None`:
    /// nothing is waiting.
    pub next_due_ms: Option<u64>,
    /// The queue's uid, 16 hex digits.
    pub uid: String,
    /// The number of the last letter taken, by the uid of the queue it came from.
    pub watermarks: Vec<(String, u64)>,
}

/// How many messages a queue has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueCounts {
    /// The queue.
    pub queue: QueueName,
    /// Receivable now.
    pub ready: u64,
    /// Delayed, never received.
    pub delayed: u64,
    /// Received and not yet visible again.
    pub in_flight: u64,
    /// Messages in the dead list: they wait for their dead-letter queue.
    pub dead: u64,
    /// Milliseconds until the next message is due; `None`: nothing is waiting.
    pub next_ms: Option<u64>,
    /// A number that grows with what is due sooner than before.
    pub hint: u64,
    /// When the oldest message was sent, epoch milliseconds; `None`: there is none, or the module
    /// is too old to say.
    pub oldest_sent_ms: Option<u64>,
    /// The last sequence number given; 0: none, or the module is too old to say.
    pub sequence: u64,
}

impl QueueInfo {
    /// The value of an attribute; `None` if it is unset.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Why a queue operation failed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// No such queue.
    #[error("the queue does not exist")]
    NoQueue,
    /// CREATE of one that exists.
    #[error("the queue exists")]
    Exists,
    /// An attribute the module refused, with its words.
    #[error("attribute refused: {0}")]
    Attribute(String),
    /// An attribute has another value than was demanded.
    #[error("an attribute was changed meanwhile")]
    Changed,
    /// A FIFO queue's message without a group.
    #[error("a message of a FIFO queue needs a group")]
    NoGroup,
    /// A FIFO queue's message without a deduplication id, and none can be computed.
    #[error("a message of a FIFO queue needs a deduplication id")]
    NoDeduplicationId,
    /// A deduplication id for a standard queue.
    #[error("a standard queue has no deduplication")]
    NotFifo,
    /// A delay of its own for a message of a FIFO queue.
    #[error("a message of a FIFO queue has no delay of its own")]
    FifoDelay,
    /// The letter was taken before, up to this number.
    #[error("letters up to {watermark} were taken before")]
    Moved {
        /// The last number taken from that source.
        watermark: u64,
    },
    /// As many deduplication ids as the module remembers were sent within five minutes.
    #[error("too many deduplication ids: {0}")]
    Throttled(String),
    /// Larger than the queue allows.
    #[error("the message is larger than {maximum_message_size} bytes")]
    TooLarge {
        /// The queue's MaximumMessageSize, bytes.
        maximum_message_size: u64,
    },
    /// Redis refuses or throttles for lack of room (OOM, KARINFULL).
    #[error("Redis refuses: {0}")]
    Full(String),
    /// Redis is away, loading, or answered too late. Of a send the outcome is unknown.
    #[error("Redis is unavailable: {0}")]
    Unavailable(String),
    /// Something we did not expect; a bug of ours or another version of the module.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
}
