//! The limits of SQS's API that are the gateway's business. The module knows none of them.
//! Units are in the names; all from sqs-contract §§4-6 and 10.

use std::ops::RangeInclusive;

/// Largest request body worth reading: 1 MiB of messages in the most wasteful encoding there is
/// (six bytes for one, `\u000a`), and as much as two of them for the rest.
pub const REQUEST_BYTES_MAX: usize = 8 * 1_048_576;
/// Parameters of a form, or values of a JSON body with the names of members among them: what a
/// request may hold besides its bytes, of which a value takes a few dozen. A batch of ten messages
/// with ten attributes each has fewer than 500; a few thousand let batches that are too large hear
/// why.
pub const VALUES_MAX: usize = 8_192;
/// Sum of the sizes of the messages of one batch (§6.1).
pub const BATCH_BYTES_MAX: usize = 1_048_576;
/// Entries of one batch (§10).
pub const BATCH_ENTRIES_MAX: usize = 10;
/// Length of a batch entry's Id (§10).
pub const ENTRY_ID_BYTES_MAX: usize = 80;
/// DelaySeconds of a message or queue (§4.8, §5.1).
pub const DELAY_SECONDS: RangeInclusive<i64> = 0..=900;
/// VisibilityTimeout anywhere (§4.9, §4.10, §5.1).
pub const VISIBILITY_TIMEOUT_SECONDS: RangeInclusive<i64> = 0..=43_200;
/// WaitTimeSeconds and ReceiveMessageWaitTimeSeconds (§4.9, §5.1).
pub const WAIT_TIME_SECONDS: RangeInclusive<i64> = 0..=20;
/// MaxNumberOfMessages (§4.9).
pub const MAX_NUMBER_OF_MESSAGES: RangeInclusive<i64> = 1..=10;
/// MessageRetentionPeriod (§5.1).
pub const MESSAGE_RETENTION_PERIOD_SECONDS: RangeInclusive<i64> = 60..=1_209_600;
/// MaximumMessageSize that CreateQueue takes (§5.1).
pub const MAXIMUM_MESSAGE_SIZE_BYTES: RangeInclusive<i64> = 1_024..=1_048_576;
/// KmsDataKeyReusePeriodSeconds (§5.1).
pub const KMS_DATA_KEY_REUSE_PERIOD_SECONDS: RangeInclusive<i64> = 60..=86_400;
/// KmsMasterKeyId; AWS's longest key ids and ARNs are far below.
pub const KMS_MASTER_KEY_ID_BYTES_MAX: usize = 2_048;
/// Label of AddPermission (§4.6).
pub const LABEL_BYTES_MAX: usize = 80;
/// MaxResults of ListQueues (§4.4).
pub const MAX_RESULTS: RangeInclusive<i64> = 1..=1_000;
/// Queues in one ListQueues answer without MaxResults (§4.4).
pub const LIST_QUEUES_MAX: usize = 1_000;
/// MaxNumberOfMessagesPerSecond of a move task (§4.11).
pub const MESSAGES_MOVED_PER_SECOND: RangeInclusive<i64> = 1..=500;
/// MaxResults of ListMessageMoveTasks (§4.11).
pub const MOVE_TASKS_LISTED: RangeInclusive<i64> = 1..=10;
/// User attributes of a message (§6.1).
pub const MESSAGE_ATTRIBUTES_MAX: usize = 10;
/// Length of an attribute's name (§6.2).
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 256;
/// Length of an attribute's data type (§6.2).
pub const DATA_TYPE_CHARACTERS_MAX: usize = 256;
/// Significant digits of a Number attribute (§6.2).
pub const NUMBER_DIGITS_MAX: usize = 38;
/// Powers of ten a Number attribute may have (§6.2).
pub const NUMBER_EXPONENT: RangeInclusive<i64> = -128..=126;
/// MessageGroupId, MessageDeduplicationId and ReceiveRequestAttemptId (§§4.8, 4.9).
pub const GROUP_ID_BYTES_MAX: usize = 128;
/// Characters of a tag's key and value (§4.7).
pub const TAG_KEY_CHARACTERS_MAX: usize = 128;
/// See [`TAG_KEY_CHARACTERS_MAX`].
pub const TAG_VALUE_CHARACTERS_MAX: usize = 256;
/// Bytes of messages one ReceiveMessage hands out, beyond which fewer come than were asked for.
/// Ten messages of the largest size SQS has always fit.
pub const RECEIVE_BYTES_MAX: u64 = 16 * 1_048_576;
