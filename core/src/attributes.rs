//! A queue's attributes and tags, and the text form of durations.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::error::Error;
use crate::limits::{
    DURATION_MS_MAX, MAX_RECEIVE_COUNT_MAX, MAXIMUM_MESSAGE_SIZE_BYTES_DEFAULT,
    MAXIMUM_MESSAGE_SIZE_BYTES_MAX, MESSAGE_RETENTION_PERIOD_MS_DEFAULT, TAGS_MAX, TEXT_BYTES_MAX,
    VISIBILITY_TIMEOUT_MS_DEFAULT, VISIBILITY_TIMEOUT_MS_MAX,
};

/// The attributes a queue can have, with SQS's names (sqs-contract §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttributeName {
    /// How long a delivery hides a message; seconds.
    VisibilityTimeout,
    /// How long a new message waits; seconds.
    DelaySeconds,
    /// How long a message is kept from its sending on; seconds.
    MessageRetentionPeriod,
    /// How long a receive waits by default; seconds. The module only reports it.
    ReceiveMessageWaitTimeSeconds,
    /// The largest message; bytes.
    MaximumMessageSize,
    /// Text the gateway keeps here: the access policy.
    Policy,
    /// Text the gateway keeps here: which queues may use this one as their dead-letter queue.
    RedriveAllowPolicy,
    /// Text the gateway keeps here.
    KmsMasterKeyId,
    /// Text the gateway keeps here.
    KmsDataKeyReusePeriodSeconds,
    /// Text the gateway keeps here.
    SqsManagedSseEnabled,
    /// Text the gateway keeps here: the redrive policy as it was given. What counts is the two
    /// attributes after it.
    RedrivePolicy,
    /// Where dead letters go, for the mover to read; without it no message dies.
    DeadLetterTargetArn,
    /// How often a message is received before it dies; 0 or empty: it does not.
    MaxReceiveCount,
    /// Whether the queue keeps order. Set when it is made, never changed.
    FifoQueue,
    /// Whether the body's SHA-256 stands for a missing deduplication id (FIFO).
    ContentBasedDeduplication,
    /// What duplicates are told within: `queue` or `messageGroup` (FIFO).
    DeduplicationScope,
    /// Text the gateway keeps here (FIFO): `perQueue` or `perMessageGroupId`.
    FifoThroughputLimit,
}

/// What duplicates are told within.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeduplicationScope {
    /// The queue.
    #[default]
    Queue,
    /// Each group.
    MessageGroup,
}

impl AttributeName {
    /// All of them, in the order replies use.
    pub const ALL: [Self; 17] = [
        Self::VisibilityTimeout,
        Self::DelaySeconds,
        Self::MessageRetentionPeriod,
        Self::ReceiveMessageWaitTimeSeconds,
        Self::MaximumMessageSize,
        Self::Policy,
        Self::RedriveAllowPolicy,
        Self::KmsMasterKeyId,
        Self::KmsDataKeyReusePeriodSeconds,
        Self::SqsManagedSseEnabled,
        Self::RedrivePolicy,
        Self::DeadLetterTargetArn,
        Self::MaxReceiveCount,
        Self::FifoQueue,
        Self::ContentBasedDeduplication,
        Self::DeduplicationScope,
        Self::FifoThroughputLimit,
    ];

    /// The attribute of that name, in any case of letters.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str().as_bytes().eq_ignore_ascii_case(name))
    }

    /// SQS's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VisibilityTimeout => "VisibilityTimeout",
            Self::DelaySeconds => "DelaySeconds",
            Self::MessageRetentionPeriod => "MessageRetentionPeriod",
            Self::ReceiveMessageWaitTimeSeconds => "ReceiveMessageWaitTimeSeconds",
            Self::MaximumMessageSize => "MaximumMessageSize",
            Self::Policy => "Policy",
            Self::RedriveAllowPolicy => "RedriveAllowPolicy",
            Self::KmsMasterKeyId => "KmsMasterKeyId",
            Self::KmsDataKeyReusePeriodSeconds => "KmsDataKeyReusePeriodSeconds",
            Self::SqsManagedSseEnabled => "SqsManagedSseEnabled",
            Self::RedrivePolicy => "RedrivePolicy",
            Self::DeadLetterTargetArn => "deadLetterTargetArn",
            Self::MaxReceiveCount => "maxReceiveCount",
            Self::FifoQueue => "FifoQueue",
            Self::ContentBasedDeduplication => "ContentBasedDeduplication",
            Self::DeduplicationScope => "DeduplicationScope",
            Self::FifoThroughputLimit => "FifoThroughputLimit",
        }
    }
}

/// The values of a queue's attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// How long a delivery hides a message.
    pub visibility_timeout_ms: u64,
    /// How long a new message waits.
    pub delay_ms: u64,
    /// How long a message is kept from its sending on.
    pub message_retention_period_ms: u64,
    /// How long a receive waits by default.
    pub receive_message_wait_time_ms: u64,
    /// The largest message.
    pub maximum_message_size_bytes: u64,
    /// How often a message is received before it dies.
    pub max_receive_count: Option<u32>,
    /// Whether the queue keeps order; never changes.
    pub fifo: bool,
    /// Whether the body's SHA-256 stands for a missing deduplication id.
    pub content_based_deduplication: bool,
    /// What duplicates are told within.
    pub deduplication_scope: DeduplicationScope,
    texts: BTreeMap<AttributeName, Box<[u8]>>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            visibility_timeout_ms: VISIBILITY_TIMEOUT_MS_DEFAULT,
            delay_ms: 0,
            message_retention_period_ms: MESSAGE_RETENTION_PERIOD_MS_DEFAULT,
            receive_message_wait_time_ms: 0,
            maximum_message_size_bytes: MAXIMUM_MESSAGE_SIZE_BYTES_DEFAULT,
            max_receive_count: None,
            fifo: false,
            content_based_deduplication: false,
            deduplication_scope: DeduplicationScope::Queue,
            texts: BTreeMap::new(),
        }
    }
}

impl Attributes {
    /// Sets one attribute from its text: seconds (decimals allowed), bytes, or any text (the empty
    /// text unsets it). Errors: [`Error::InvalidValue`], and nothing is changed.
    pub fn set(&mut self, name: AttributeName, value: &[u8]) -> Result<(), Error> {
        let invalid = Error::InvalidValue(name.as_str());
        let seconds = |allowed_ms: RangeInclusive<u64>| {
            parse_seconds_ms(value).filter(|ms| allowed_ms.contains(ms)).ok_or(invalid)
        };
        let flag = || parse_flag(value).filter(|&on| self.fifo || !on).ok_or(invalid);
        match name {
            AttributeName::VisibilityTimeout => {
                self.visibility_timeout_ms = seconds(0..=VISIBILITY_TIMEOUT_MS_MAX)?;
            }
            AttributeName::DelaySeconds => self.delay_ms = seconds(0..=DURATION_MS_MAX)?,
            AttributeName::MessageRetentionPeriod => {
                self.message_retention_period_ms = seconds(1..=DURATION_MS_MAX)?;
            }
            AttributeName::ReceiveMessageWaitTimeSeconds => {
                self.receive_message_wait_time_ms = seconds(0..=DURATION_MS_MAX)?;
            }
            AttributeName::MaximumMessageSize => {
                self.maximum_message_size_bytes = parse_decimal(value)
                    .filter(|n| (1..=MAXIMUM_MESSAGE_SIZE_BYTES_MAX).contains(n))
                    .ok_or(invalid)?;
            }
            AttributeName::MaxReceiveCount => {
                let count = parse_max_receive_count(value).ok_or(invalid)?;
                self.max_receive_count = (count > 0).then_some(count);
            }
            AttributeName::FifoQueue if parse_flag(value) == Some(self.fifo) => {}
            AttributeName::FifoQueue => return Err(invalid),
            AttributeName::ContentBasedDeduplication => {
                self.content_based_deduplication = flag()?;
            }
            AttributeName::DeduplicationScope => {
                self.deduplication_scope = match value {
                    b"queue" if self.fifo => DeduplicationScope::Queue,
                    b"messageGroup" if self.fifo => DeduplicationScope::MessageGroup,
                    _ => return Err(invalid),
                };
            }
            AttributeName::FifoThroughputLimit if !self.fifo => return Err(invalid),
            _ => self.set_text(name, value)?,
        }
        Ok(())
    }

    fn set_text(&mut self, name: AttributeName, value: &[u8]) -> Result<(), Error> {
        if value.len() > TEXT_BYTES_MAX {
            return Err(Error::InvalidValue(name.as_str()));
        }
        if value.is_empty() {
            self.texts.remove(&name);
        } else {
            self.texts.insert(name, value.into());
        }
        Ok(())
    }

    /// The text of one attribute; `None` for an unset one of the text kind, and for those of FIFO
    /// queues where it is none. Durations are in seconds, with decimals only where needed.
    pub fn get(&self, name: AttributeName) -> Option<Vec<u8>> {
        Some(match name {
            AttributeName::VisibilityTimeout => seconds_text(self.visibility_timeout_ms),
            AttributeName::DelaySeconds => seconds_text(self.delay_ms),
            AttributeName::MessageRetentionPeriod => seconds_text(self.message_retention_period_ms),
            AttributeName::ReceiveMessageWaitTimeSeconds => {
                seconds_text(self.receive_message_wait_time_ms)
            }
            AttributeName::MaximumMessageSize => {
                self.maximum_message_size_bytes.to_string().into_bytes()
            }
            AttributeName::MaxReceiveCount => self.max_receive_count?.to_string().into_bytes(),
            AttributeName::FifoQueue => self.fifo.then(|| b"true".to_vec())?,
            AttributeName::ContentBasedDeduplication => {
                let on = self.fifo.then_some(self.content_based_deduplication)?;
                on.to_string().into_bytes()
            }
            AttributeName::DeduplicationScope => {
                match self.fifo.then_some(self.deduplication_scope)? {
                    DeduplicationScope::Queue => b"queue".to_vec(),
                    DeduplicationScope::MessageGroup => b"messageGroup".to_vec(),
                }
            }
            _ => self.texts.get(&name)?.to_vec(),
        })
    }

    /// The value of an attribute of the text kind; `None` if it is unset or of another kind.
    pub fn text(&self, name: AttributeName) -> Option<&[u8]> {
        self.texts.get(&name).map(AsRef::as_ref)
    }

    /// Whether dead letters have somewhere to go.
    pub(crate) fn has_target(&self) -> bool {
        self.texts.contains_key(&AttributeName::DeadLetterTargetArn)
    }

    /// What the texts take in memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.texts.values().map(|text| text.len()).sum()
    }
}

/// A queue's tags, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(BTreeMap<Box<[u8]>, Box<[u8]>>);

impl Tags {
    /// Adds or replaces one. Errors: [`Error::Tags`] above 50 tags or 64 KiB of text.
    pub fn insert(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        let new = !self.0.contains_key(name);
        if (new && self.0.len() >= TAGS_MAX) || name.len() + value.len() > TEXT_BYTES_MAX {
            return Err(Error::Tags);
        }
        self.0.insert(name.into(), value.into());
        Ok(())
    }

    /// Removes one; `false`: there was none of that name.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.0.remove(name).is_some()
    }

    /// What they take in memory, in bytes, but for the map itself.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// All (name, value) pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads seconds with optional decimals (`2.5`) as milliseconds; finer digits are cut off.
/// `None`: not such a number, or above [`DURATION_MS_MAX`].
pub fn parse_seconds_ms(text: &[u8]) -> Option<u64> {
    let dot = text.iter().position(|&b| b == b'.');
    let (whole, decimals) = match dot {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, &b""[..]),
    };
    if (whole.is_empty() && decimals.is_empty()) || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = if whole.is_empty() { 0 } else { parse_decimal(whole)? };
    let mut milliseconds = 0;
    for place in 0..3 {
        let digit = decimals.get(place).map_or(0, |digit| u64::from(digit - b'0'));
        milliseconds = milliseconds * 10 + digit;
    }
    let total_ms = seconds.checked_mul(1_000)?.checked_add(milliseconds)?;
    (total_ms <= DURATION_MS_MAX).then_some(total_ms)
}

/// The same with an optional sign, for offsets.
pub fn parse_signed_seconds_ms(text: &[u8]) -> Option<i64> {
    match text.split_first() {
        Some((b'-', rest)) => i64::try_from(parse_seconds_ms(rest)?).ok().map(|ms| -ms),
        Some((b'+', rest)) => i64::try_from(parse_seconds_ms(rest)?).ok(),
        _ => i64::try_from(parse_seconds_ms(text)?).ok(),
    }
}

/// Reads a plain decimal number: digits only, no sign, no spaces.
pub fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn parse_flag(text: &[u8]) -> Option<bool> {
    match text {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// A count; 0 for the empty text.
fn parse_max_receive_count(text: &[u8]) -> Option<u32> {
    let count = if text.is_empty() { 0 } else { parse_decimal(text)? };
    u32::try_from(count).ok().filter(|&count| count <= MAX_RECEIVE_COUNT_MAX)
}

fn seconds_text(duration_ms: u64) -> Vec<u8> {
    let (seconds, milliseconds) = (duration_ms / 1_000, duration_ms % 1_000);
    if milliseconds == 0 {
        return seconds.to_string().into_bytes();
    }
    format!("{seconds}.{milliseconds:03}").trim_end_matches('0').as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_with_decimals_and_refused_otherwise() {
        for (text, ms) in [
            ("0", 0),
            ("30", 30_000),
            ("2.5", 2_500),
            (".25", 250),
            ("1.", 1_000),
            ("0.0019", 1),
            ("315360000", DURATION_MS_MAX),
        ] {
            assert_eq!(parse_seconds_ms(text.as_bytes()), Some(ms), "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "+1",
            "1e3",
            " 1",
            "1 ",
            "1.5.2",
            "1.x",
            "inf",
            "nan",
            "315360000.001",
            "99999999999999999999",
        ] {
            assert_eq!(parse_seconds_ms(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_signed_seconds_ms(b"-3600.5"), Some(-3_600_500));
        assert_eq!(parse_signed_seconds_ms(b"--1"), None);
    }

    #[test]
    fn attributes_are_given_back_as_they_were_set() {
        let mut attributes = Attributes::default();
        for (name, value) in [
            (AttributeName::VisibilityTimeout, "0.5"),
            (AttributeName::DelaySeconds, "900"),
            (AttributeName::MaximumMessageSize, "1024"),
            (AttributeName::Policy, "{}"),
        ] {
            attributes.set(name, value.as_bytes()).unwrap();
            assert_eq!(attributes.get(name).unwrap(), value.as_bytes());
        }
        attributes.set(AttributeName::Policy, b"").unwrap();
        assert_eq!(attributes.get(AttributeName::Policy), None);
        assert_eq!(
            attributes.set(AttributeName::MessageRetentionPeriod, b"0"),
            Err(Error::InvalidValue("MessageRetentionPeriod"))
        );
        assert_eq!(AttributeName::parse(b"delayseconds"), Some(AttributeName::DelaySeconds));
        assert_eq!(AttributeName::parse(b"Delay"), None);
    }

    #[test]
    fn a_queue_has_at_most_fifty_tags() {
        let mut tags = Tags::default();
        for n in 0..TAGS_MAX {
            tags.insert(n.to_string().as_bytes(), b"").unwrap();
        }
        assert_eq!(tags.insert(b"one more", b""), Err(Error::Tags));
        tags.insert(b"0", b"replaced").unwrap();
        assert_eq!(tags.len(), TAGS_MAX);
    }
}
