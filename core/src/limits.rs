//! Every limit and default of a queue. Units are in the names.

/// Default VisibilityTimeout, 30 s (sqs-contract §5.1).
pub const VISIBILITY_TIMEOUT_MS_DEFAULT: u64 = 30_000;
/// The longest a message stays in flight after one receive, however often it is extended: 12 h
/// (sqs-contract §7.1).
pub const VISIBILITY_TIMEOUT_MS_MAX: u64 = 43_200_000;
/// Default MessageRetentionPeriod, 4 days (sqs-contract §5.1).
pub const MESSAGE_RETENTION_PERIOD_MS_DEFAULT: u64 = 345_600_000;
/// Default MaximumMessageSize, 1 MiB (sqs-contract §5.1).
pub const MAXIMUM_MESSAGE_SIZE_BYTES_DEFAULT: u64 = 1_048_576;
/// Largest MaximumMessageSize: what one Redis string may hold (`proto-max-bulk-len`).
pub const MAXIMUM_MESSAGE_SIZE_BYTES_MAX: u64 = 536_870_912;
/// Largest payload of a message, attributes and all.
pub const PAYLOAD_BYTES_MAX: u32 = (1 << 31) - 1;
/// The longest duration any command takes: 10 years (design §3).
pub const DURATION_MS_MAX: u64 = 315_360_000_000;
/// Delays up to this are never held against the retention: SQS's longest (sqs-contract §4.8).
pub const DELAY_BEYOND_RETENTION_MS: u64 = 900_000;
/// Messages one POPDUE hands out at most, and entries one batch command takes (design §3).
pub const BATCH_MAX: usize = 1_000;
/// How many entries a walk looks at before it says "more" (design §3).
pub const WALK_BUDGET: usize = 1_000;
/// Messages in flight in one queue by default (sqs-contract §7.1).
pub const IN_FLIGHT_MAX_DEFAULT: u64 = 120_000;
/// How long a deduplication id and a receive attempt id are remembered: 5 minutes
/// (sqs-contract §9).
pub const REMEMBERED_MS: u64 = 300_000;
/// Deduplication ids one queue remembers by default (design §3).
pub const DEDUP_IDS_MAX_DEFAULT: u64 = 1_000_000;
/// Receive attempts one queue remembers; the oldest is forgotten for one more.
pub const ATTEMPTS_MAX: usize = 10_000;
/// Messages those attempts were answered with, in all: SQS's ten each (sqs-contract §4.9), so that
/// larger receives do not make them many times as large.
pub const ATTEMPT_MESSAGES_MAX: usize = 10 * ATTEMPTS_MAX;
/// Longest group, deduplication or attempt id, in bytes (sqs-contract §4.8).
pub const ID_BYTES_MAX: usize = 128;
/// Longest name of the queue a dead letter came from, in bytes.
pub const SOURCE_BYTES_MAX: usize = 1_024;
/// Times stay below 2^48 ms (the year 10889), so that a timed entry packs into 12 bytes.
pub const TIME_MS_MAX: u64 = (1 << 48) - 1;
/// Sequence numbers stay below 2^47 for the same reason: 4,000 years at 1,000 messages/s.
pub const SEQUENCE_MAX: u64 = (1 << 47) - 1;
/// Slots of one queue: messages it can hold at once.
pub const SLOTS_MAX: u32 = 1 << 30;
/// Longest attribute or tag text, in bytes: SQS's policies are at most 8,192, some room on top.
pub const TEXT_BYTES_MAX: usize = 65_536;
/// Tags of one queue (sqs-contract §4.7).
pub const TAGS_MAX: usize = 50;
/// Largest maxReceiveCount. SQS has 1,000, which the gateway holds.
pub const MAX_RECEIVE_COUNT_MAX: u32 = 1_000_000;

const _: () = assert!(BATCH_MAX <= ATTEMPT_MESSAGES_MAX);
const _: () = assert!(DURATION_MS_MAX < TIME_MS_MAX);
const _: () = assert!(MAXIMUM_MESSAGE_SIZE_BYTES_DEFAULT <= MAXIMUM_MESSAGE_SIZE_BYTES_MAX);
const _: () = assert!(MAXIMUM_MESSAGE_SIZE_BYTES_MAX < PAYLOAD_BYTES_MAX as u64);
