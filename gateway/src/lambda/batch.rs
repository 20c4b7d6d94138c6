//! A batch being gathered: which records fit into one event, counted to the byte.

use std::time::Instant;

use bytes::Bytes;

use crate::message_view;
use crate::queues::ReceivedMessage;

/// The largest event a synchronous Invoke takes, bytes. Source: esm-contract §1.
pub(super) const EVENT_BYTES_MAX: usize = 6_291_456;
/// What POPDUE can hand out at once.
const POP_COUNT_MAX: u32 = 1_000;
/// What a record adds to its body and attributes at least, bytes: names of members, ids, times.
/// Only an estimate for POPDUE's MAXBYTES; what counts is the record as written.
const RECORD_OVERHEAD_BYTES: usize = 600;

const OPENING: &[u8] = br#"{"Records":["#;
const CLOSING: &[u8] = b"]}";

/// Messages gathered for one event.
#[derive(Debug)]
pub(super) struct Batch {
    messages: Vec<Held>,
    records: Vec<Vec<u8>>,
    bytes: usize,
    bytes_max: usize,
    count_max: usize,
    first_lease_ends: Option<Instant>,
}

/// What is kept of a message while its function runs.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// The MessageId.
    pub(super) id: String,
    /// The receipt of our lease.
    pub(super) receipt: String,
    /// Its sequence number in the queue.
    pub(super) sequence: u64,
    /// ApproximateReceiveCount, this receive included.
    pub(super) receive_count: u64,
    /// SentTimestamp, epoch milliseconds.
    pub(super) sent_ms: u64,
    /// When the lease ends, epoch milliseconds on Redis's clock; another number there means that
    /// somebody changed the message's visibility.
    pub(super) due_ms: u64,
    /// MessageGroupId; empty if there is none.
    pub(super) group: String,
    /// When it was asked for: the earliest that its visibility timeout can count from.
    pub(super) received_at: Instant,
    /// AWSTraceHeader.
    pub(super) trace_header: Option<String>,
}

impl Held {
    /// What is kept of `message`, which was asked for at `received_at`.
    pub(super) fn new(message: &ReceivedMessage, received_at: Instant) -> Self {
        Self {
            id: message.id.clone(),
            receipt: message.receipt.clone(),
            sequence: message.sequence,
            receive_count: message.receive_count,
            sent_ms: message.sent_ms,
            due_ms: message.due_ms,
            group: message.group.clone(),
            received_at,
            trace_header: message_view::trace_header(message),
        }
    }
}

/// How a record found its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is in.
    Taken,
    /// It is for a later event; this one is complete.
    Full,
    /// It is larger than an event can be, alone.
    Never,
}

impl Batch {
    /// An empty batch of at most `batch_size` messages, for an event of at most `bytes_max` bytes.
    pub(super) fn new(batch_size: u32, bytes_max: usize) -> Self {
        Self {
            messages: Vec::new(),
            records: Vec::new(),
            bytes: OPENING.len() + CLOSING.len(),
            bytes_max,
            count_max: usize::try_from(batch_size.max(1)).unwrap_or(usize::MAX),
            first_lease_ends: None,
        }
    }

    /// How a record of so many bytes would find its place.
    pub(super) fn fit(&self, record_bytes: usize) -> Fit {
        let comma = usize::from(!self.records.is_empty());
        if OPENING.len() + record_bytes + CLOSING.len() > self.bytes_max {
            Fit::Never
        } else if self.is_full() || self.bytes + comma + record_bytes > self.bytes_max {
            Fit::Full
        } else {
            Fit::Taken
        }
    }

    /// Adds a message with its record as JSON; its lease ends at `lease_ends`. What does not
    /// [`Batch::fit`] is not added.
    pub(super) fn push(&mut self, message: Held, record: Vec<u8>, lease_ends: Instant) -> Fit {
        let fit = self.fit(record.len());
        if fit != Fit::Taken {
            return fit;
        }
        self.bytes += usize::from(!self.records.is_empty()) + record.len();
        self.messages.push(message);
        self.records.push(record);
        let earlier = self.first_lease_ends.map_or(lease_ends, |first| first.min(lease_ends));
        self.first_lease_ends = Some(earlier);
        Fit::Taken
    }

    /// Takes out the messages that are not to run, with their records.
    pub(super) fn take(&mut self, is_taken: impl Fn(&Held) -> bool) -> Vec<Held> {
        if !self.messages.iter().any(&is_taken) {
            return Vec::new();
        }
        let records = std::mem::take(&mut self.records);
        let pairs = std::mem::take(&mut self.messages).into_iter().zip(records);
        let (taken, left): (Vec<_>, Vec<_>) = pairs.partition(|(message, _)| is_taken(message));
        (self.messages, self.records) = left.into_iter().unzip();
        let commas = self.records.len().saturating_sub(1);
        let records: usize = self.records.iter().map(Vec::len).sum();
        self.bytes = OPENING.len() + records + commas + CLOSING.len();
        taken.into_iter().map(|(message, _)| message).collect()
    }

    /// Takes nothing more.
    pub(super) fn close(&mut self) {
        self.count_max = self.records.len();
    }

    /// The messages gathered so far.
    pub(super) fn messages(&self) -> &[Held] {
        &self.messages
    }

    /// Whether nothing was gathered.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether nothing more is taken.
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= self.count_max || self.rest_bytes() < 2 * RECORD_OVERHEAD_BYTES
    }

    /// How many messages to ask for next, 1..=1000.
    pub(super) fn wanted(&self) -> u32 {
        let count = self.count_max.saturating_sub(self.records.len());
        let room = self.rest_bytes() / (2 * RECORD_OVERHEAD_BYTES);
        u32::try_from(count.min(room)).unwrap_or(u32::MAX).clamp(1, POP_COUNT_MAX)
    }

    /// How many bytes of bodies and attributes to ask for next, with [`Batch::wanted`] messages.
    pub(super) fn wanted_bytes(&self) -> u64 {
        let overhead = usize::try_from(self.wanted()).unwrap_or(0) * RECORD_OVERHEAD_BYTES;
        u64::try_from(self.rest_bytes().saturating_sub(overhead)).unwrap_or(u64::MAX)
    }

    fn rest_bytes(&self) -> usize {
        self.bytes_max.saturating_sub(self.bytes)
    }

    /// When the earliest lease of the batch ends; `None` while it is empty.
    pub(super) fn first_lease_ends(&self) -> Option<Instant> {
        self.first_lease_ends
    }

    /// The event, and the messages in it.
    pub(super) fn finish(self) -> (Bytes, Vec<Held>) {
        let mut event = Vec::with_capacity(self.bytes);
        event.extend_from_slice(OPENING);
        for (index, record) in self.records.iter().enumerate() {
            if index > 0 {
                event.push(b',');
            }
            event.extend_from_slice(record);
        }
        event.extend_from_slice(CLOSING);
        debug_assert_eq!(event.len(), self.bytes, "the accounting is exact");
        (event.into(), self.messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn message(id: usize) -> Held {
        let message = ReceivedMessage { id: id.to_string(), ..ReceivedMessage::default() };
        Held::new(&message, Instant::now())
    }

    fn record(bytes: usize) -> Vec<u8> {
        let mut record = vec![b'x'; bytes];
        record[0] = b'"';
        record[bytes - 1] = b'"';
        record
    }

    #[test]
    fn an_event_is_filled_to_the_last_byte_and_not_beyond() {
        let empty = OPENING.len() + CLOSING.len();
        let now = Instant::now();
        let mut batch = Batch::new(10_000, EVENT_BYTES_MAX);
        assert_eq!(batch.push(message(1), record(1_000_000), now), Fit::Taken);
        let rest = EVENT_BYTES_MAX - empty - 1_000_000 - 1;
        assert_eq!(batch.push(message(2), record(rest), now), Fit::Taken);
        assert_eq!(batch.push(message(3), record(2), now), Fit::Full);
        let (event, held) = batch.finish();
        assert_eq!(event.len(), EVENT_BYTES_MAX);
        assert_eq!(held.len(), 2);

        let mut batch = Batch::new(10_000, EVENT_BYTES_MAX);
        assert_eq!(batch.push(message(1), record(1_000_000), now), Fit::Taken);
        assert_eq!(batch.push(message(2), record(rest + 1), now), Fit::Full);
        assert!(!batch.is_full(), "a smaller one has room");
        batch.close();
        assert!(batch.is_full());
        assert_eq!(batch.push(message(2), record(2), now), Fit::Full);
    }

    #[test]
    fn a_record_that_no_event_can_hold_is_told_apart() {
        let mut batch = Batch::new(10, EVENT_BYTES_MAX);
        let largest = EVENT_BYTES_MAX - OPENING.len() - CLOSING.len();
        let now = Instant::now();
        assert_eq!(batch.push(message(1), record(largest + 1), now), Fit::Never);
        assert_eq!(batch.push(message(1), record(largest), now), Fit::Taken);
        assert_eq!(batch.finish().0.len(), EVENT_BYTES_MAX);
    }

    #[test]
    fn a_batch_holds_its_batch_size_and_knows_its_earliest_lease() {
        let mut batch = Batch::new(2, EVENT_BYTES_MAX);
        let now = Instant::now();
        assert!(batch.is_empty());
        assert_eq!(batch.wanted(), 2);
        let later = now + Duration::from_secs(5);
        assert_eq!(batch.push(message(1), b"{}".to_vec(), later), Fit::Taken);
        assert_eq!(batch.wanted(), 1);
        assert_eq!(batch.push(message(2), b"{}".to_vec(), now), Fit::Taken);
        assert!(batch.is_full());
        assert_eq!(batch.push(message(3), b"{}".to_vec(), now), Fit::Full);
        assert_eq!(batch.first_lease_ends(), Some(now));
        let (event, held) = batch.finish();
        assert_eq!(&event[..], br#"{"Records":[{},{}]}"#);
        assert_eq!(held.iter().map(|h| h.id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn a_message_that_is_taken_out_takes_its_record_along() {
        let now = Instant::now();
        let mut batch = Batch::new(10, EVENT_BYTES_MAX);
        for id in 1..=4 {
            assert_eq!(batch.push(message(id), record(2 + id), now), Fit::Taken);
        }
        assert!(batch.take(|_| false).is_empty());
        let taken = batch.take(|message| matches!(&*message.id, "1" | "3"));
        assert_eq!(taken.iter().map(|held| held.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(batch.push(message(5), record(2), now), Fit::Taken);
        let (event, held) = batch.finish();
        let expected = [OPENING, &record(4), b",", &record(6), b",", &record(2), CLOSING].concat();
        assert_eq!(&event[..], expected);
        assert_eq!(held.iter().map(|held| held.id.as_str()).collect::<Vec<_>>(), ["2", "4", "5"]);
        let mut batch = Batch::new(10, EVENT_BYTES_MAX);
        assert_eq!(batch.push(message(1), record(2), now), Fit::Taken);
        assert_eq!(batch.take(|_| true).len(), 1);
        assert!(batch.is_empty());
    }

    #[test]
    fn a_large_batch_is_asked_for_in_pops_of_a_thousand_with_room_for_what_records_add() {
        let batch = Batch::new(10_000, EVENT_BYTES_MAX);
        assert_eq!(batch.wanted(), 1_000);
        let room = EVENT_BYTES_MAX - 1_000 * RECORD_OVERHEAD_BYTES;
        assert!(batch.wanted_bytes() <= room as u64);
    }
}
