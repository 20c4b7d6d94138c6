//! What is known of one invocation.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lambda::batch::Held;
use crate::lambda::mapping::function_name;

/// What is kept of an event and of an answer, bytes.
pub(super) const PAYLOAD_BYTES_MAX: usize = 64 * 1_024;
/// Messages of an invocation that are named.
pub(super) const MESSAGES_NAMED_MAX: usize = 10;
/// Characters of a reason that are kept.
pub(super) const REASON_CHARACTERS_MAX: usize = 500;
/// What a record takes besides its texts and payloads, bytes; an estimate.
const RECORD_BYTES: usize = 400;

/// What tells an invocation from all others, also those of other gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RunId {
    /// Drawn at each start of a gateway.
    pub(super) gateway: u64,
    /// Counts from there.
    pub(super) number: u64,
}

/// An invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    /// Who asked for it.
    pub(crate) kind: RunKind,
    /// Where it belongs.
    #[serde(with = "shared")]
    pub(crate) source: Arc<Source>,
    /// When it began, epoch milliseconds.
    pub(crate) at_ms: u64,
    /// How long it took until there was an answer, microseconds.
    pub(crate) duration_us: u64,
    pub(crate) outcome: Outcome,
    /// Why it ended so, or what looks wrong; may be empty.
    pub(crate) reason: String,
    /// The messages in its event.
    pub(crate) messages: u64,
    /// How many of them failed.
    pub(crate) failed: u64,
    /// Some of them, those that failed first.
    pub(crate) named: Vec<NamedMessage>,
    /// The request's id where the function ran; empty if it is not known.
    pub(crate) request_id: String,
    /// The trace header it was invoked with; may be empty.
    pub(crate) trace: String,
    /// The invocation that this one repeats.
    pub(crate) repeats: Option<RunId>,
    pub(crate) event: Payload,
    pub(crate) answer: Payload,
    /// The end of the function's log.
    pub(crate) log: Payload,
}

/// Where an invocation belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// The mapping's UUID; empty for a call through Lambda's API.
    pub(crate) mapping: String,
    /// The queue's name; may be empty.
    pub(crate) queue: String,
    /// The function's name or ARN, as Invoke gets it.
    pub(crate) function: String,
}

/// Who asked for an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunKind {
    /// A mapping, for messages of its queue.
    Queue,
    /// Somebody on the admin page.
    Again,
    /// A client of Lambda's API.
    Call,
}

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It has not ended.
    Running,
    /// The function succeeded with everything.
    Ok,
    /// The function has the event; nobody waits for what it does with it.
    HandedOver,
    /// The function failed.
    FunctionError,
    /// The function ran, and by its answer messages failed.
    Reported,
    /// Too many ran already; it did not.
    Throttled,
    /// It was refused for another reason; it did not run.
    Refused,
    /// It is not known whether it ran.
    Lost,
}

/// A message of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NamedMessage {
    /// The MessageId.
    pub(crate) id: Box<str>,
    /// Its sequence number in the queue.
    pub(crate) sequence: u64,
    pub(crate) failed: bool,
}

/// An event, an answer or a log: how long it was, and what is kept of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload {
    /// How long it was, bytes.
    pub(crate) length: u64,
    /// How much of it is kept, bytes; `None`: it is not.
    pub(crate) kept: Option<u64>,
    /// What is kept, where it is at hand.
    #[serde(skip)]
    pub(crate) content: Bytes,
}

impl RunId {
    /// Begins each id of this gateway; ids of another one begin otherwise.
    pub(super) fn drawn() -> u64 {
        // Without randomness nothing of karin starts.
        getrandom::u64().unwrap_or_default()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", self.gateway, self.number)
    }
}

impl FromStr for RunId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (gateway, number) = text.split_once('-').ok_or(())?;
        let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if gateway.len() != 16 || number.len() > 16 || !is_hex(gateway) || !is_hex(number) {
            return Err(());
        }
        let read = |digits| u64::from_str_radix(digits, 16).map_err(|_| ());
        Ok(Self { gateway: read(gateway)?, number: read(number)? })
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| serde::de::Error::custom("no invocation's id"))
    }
}

impl Outcome {
    /// Whether something went wrong that somebody may want to look into. A throttle is no failure:
    /// it comes right by itself.
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::FunctionError | Self::Reported | Self::Refused | Self::Lost)
    }
}

impl Source {
    /// The function's bare name.
    pub(crate) fn function_name(&self) -> &str {
        function_name(&self.function)
    }
}

impl Run {
    /// Whether it is kept longer than others: it failed, or somebody asked for it by hand.
    pub(super) fn is_kept(&self) -> bool {
        self.outcome.is_failure() || self.kind == RunKind::Again
    }

    /// What it takes, bytes.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.reason.len() + self.request_id.len() + self.trace.len();
        let named: usize = self.named.iter().map(|named| named.id.len() + 24).sum();
        let payloads = [&self.event, &self.answer, &self.log].map(|payload| payload.content.len());
        RECORD_BYTES + texts + named + payloads.iter().sum::<usize>()
    }

    /// The list it belongs to: that of its mapping, or of its function.
    pub(super) fn list(&self) -> &str {
        if self.source.mapping.is_empty() { &self.source.function } else { &self.source.mapping }
    }

    /// When it ended, epoch milliseconds.
    pub(super) fn ended_ms(&self) -> u64 {
        self.at_ms.saturating_add(self.duration_us / 1_000)
    }
}

impl Payload {
    /// One of which nothing is kept.
    pub(super) fn unseen(content: &Bytes) -> Self {
        Self { length: length(content), ..Self::default() }
    }

    /// One of which the beginning is kept. `is_alone`: nothing else stands in its memory, so that
    /// it may be kept as it is.
    pub(super) fn kept(content: &Bytes, is_alone: bool) -> Self {
        let beginning = content.get(..PAYLOAD_BYTES_MAX).unwrap_or(content);
        let kept = if is_alone && beginning.len() == content.len() {
            content.clone()
        } else {
            Bytes::copy_from_slice(beginning)
        };
        Self { length: length(content), kept: Some(length(&kept)), content: kept }
    }

    /// Whether all of it is kept.
    pub(crate) fn is_whole(&self) -> bool {
        self.kept == Some(self.length)
    }

    /// Whether only its beginning is kept.
    pub(crate) fn is_cut(&self) -> bool {
        self.kept.is_some_and(|kept| kept < self.length)
    }
}

fn length(content: &Bytes) -> u64 {
    u64::try_from(content.len()).unwrap_or(u64::MAX)
}

/// Some of these messages, those first that failed (`is_done` says of which that is not so), and
/// how many failed.
pub(super) fn name(messages: &[Held], is_done: impl Fn(usize) -> bool) -> (Vec<NamedMessage>, u64) {
    let mut named = Vec::with_capacity(messages.len().min(MESSAGES_NAMED_MAX));
    let mut failed_messages = 0;
    for wants_failed in [true, false] {
        for (index, message) in messages.iter().enumerate() {
            let failed = !is_done(index);
            if failed != wants_failed {
                continue;
            }
            failed_messages += u64::from(failed);
            if named.len() < MESSAGES_NAMED_MAX {
                let (id, sequence) = (message.id.as_str().into(), message.sequence);
                named.push(NamedMessage { id, sequence, failed });
            }
        }
    }
    (named, failed_messages)
}

/// For what many records share.
mod shared {
    use super::{Arc, Deserialize, Deserializer, Serialize, Serializer, Source};

    pub(super) fn serialize<S: Serializer>(
        source: &Arc<Source>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (**source).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Source>, D::Error> {
        Source::deserialize(deserializer).map(Arc::new)
    }
}

/// A success of this mapping.
#[cfg(test)]
pub(super) fn sample(number: u64, mapping: &str) -> Run {
    let source = Source { mapping: mapping.into(), queue: "q".into(), function: "f".into() };
    Run {
        id: RunId { gateway: 0, number },
        kind: RunKind::Queue,
        source: Arc::new(source),
        at_ms: 1_700_000_000_000 + number,
        duration_us: 1_500,
        outcome: Outcome::Ok,
        reason: String::new(),
        messages: 1,
        failed: 0,
        named: Vec::new(),
        request_id: String::new(),
        trace: String::new(),
        repeats: None,
        event: Payload::default(),
        answer: Payload::default(),
        log: Payload::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::queues::ReceivedMessage;

    #[test]
    fn an_id_is_read_as_it_is_written_and_nothing_else_is_one() {
        let id = RunId { gateway: 0xab, number: 255 };
        assert_eq!(id.to_string(), "00000000000000ab-ff");
        assert_eq!("00000000000000ab-ff".parse(), Ok(id));
        for bad in ["", "-", "ab-1", "00000000000000ab-", "00000000000000ab-+1", "00000000000000ab"]
        {
            assert_eq!(bad.parse::<RunId>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn what_failed_is_named_first_and_only_ten_are_named() {
        let held = |sequence: u64| {
            let id = sequence.to_string();
            Held::new(
                &ReceivedMessage { id, sequence, ..ReceivedMessage::default() },
                Instant::now(),
            )
        };
        let messages: Vec<Held> = (0..30).map(held).collect();
        let (named, failed) = name(&messages, |index| index % 10 != 7);
        assert_eq!((named.len(), failed), (10, 3));
        let sequences: Vec<u64> = named.iter().map(|named| named.sequence).collect();
        assert_eq!(sequences, [7, 17, 27, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(named.iter().filter(|named| named.failed).count(), 3);
    }

    #[test]
    fn a_long_payload_is_cut_and_says_so() {
        let long = Bytes::from(vec![b'x'; PAYLOAD_BYTES_MAX + 1]);
        let cut = Payload::kept(&long, true);
        assert_eq!(cut.content.len(), PAYLOAD_BYTES_MAX);
        assert!(cut.is_cut() && !cut.is_whole());
        let whole = Payload::kept(&long.slice(..PAYLOAD_BYTES_MAX), false);
        assert!(whole.is_whole() && !whole.is_cut());
        let unseen = Payload::unseen(&long);
        assert!(!unseen.is_cut() && !unseen.is_whole() && unseen.content.is_empty());
        assert_eq!(unseen.length, 65_537);
    }
}
