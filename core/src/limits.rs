//! Every limit and default of a queue. Units are in the names.

/// Default VisibilityTimeout, 30 s (sqs-contract §5.1).
pub const VISIBILITY_TIMEOUT_MS_DEFAULT: u64 = 30_000;
/// Default MessageRetentionPeriod, 4 days (sqs-contract §5.1).
pub const MESSAGE_RETENTION_PERIOD_MS_DEFAULT: u64 = 345_600_000;
/// Default MaximumMessageSize, 1 MiB (sqs-contract §5.1).
pub const MAXIMUM_MESSAGE_SIZE_BYTES_DEFAULT: u64 = 1_048_576;
/// Largest MaximumMessageSize: what one Redis string may hold (`proto-max-bulk-len`).
pub const MAXIMUM_MESSAGE_SIZE_BYTES_MAX: u64 = 536_870_912;
/// The longest duration any command takes: 10 years (design §3).
pub const DURATION_MS_MAX: u64 = 315_360_000_000;
/// Delays up to this are never held against the retention: SQS's longest (sqs-contract §4.8).
pub const DELAY_BEYOND_RETENTION_MS: u64 = 900_000;
/// Messages one POPDUE hands out at most, and entries one batch command takes (design §3).
pub const BATCH_MAX: usize = 1_000;
/// How many entries a walk looks at before it says "more" (design §3).
pub const WALK_BUDGET: usize = 1_000;
/// Times stay below 2^48 ms (the year 10889), so that a timed entry packs into 16 bytes.
pub const TIME_MS_MAX: u64 = (1 << 48) - 1;
/// Sequence numbers stay below 2^48 for the same reason: 9,000 years at 1,000 messages/s.
pub const SEQUENCE_MAX: u64 = (1 << 48) - 1;
/// Slots of one queue: messages it can hold at once.
pub const SLOTS_MAX: u32 = 1 << 30;
/// Longest attribute or tag text, in bytes: SQS's policies are at most 8,192, some room on top.
pub const TEXT_BYTES_MAX: usize = 65_536;
/// Tags of one queue (sqs-contract §4.7).
pub const TAGS_MAX: usize = 50;

const _: () = assert!(DURATION_MS_MAX < TIME_MS_MAX);
const _: () = assert!(MAXIMUM_MESSAGE_SIZE_BYTES_DEFAULT <= MAXIMUM_MESSAGE_SIZE_BYTES_MAX);
