//! Sending.

use crate::dead::Letter;
use crate::dedup::content_dedup_id;
use crate::error::Error;
use crate::extras::{Extras, MESSAGE_ID_LENGTH};
use crate::limits::{
    DEDUP_IDS_MAX_DEFAULT, DELAY_BEYOND_RETENTION_MS, DURATION_MS_MAX, ID_BYTES_MAX,
    PAYLOAD_BYTES_MAX, SEQUENCE_MAX, TIME_MS_MAX,
};
use crate::message::{Message, MessageState, NO_GROUP, NO_SLOT};
use crate::queue::Queue;

/// More than the extras of a message take.
const EXTRAS_ROOM_BYTES: u64 = 4_096;

/// What [`Queue::send`] needs.
#[derive(Debug, Clone, Copy)]
pub struct SendOptions<'a> {
    /// The body.
    pub body: &'a [u8],
    /// Attributes, opaque here; may be empty.
    pub attributes: &'a [u8],
    /// `None`: the queue's delay. A FIFO queue takes 0 for `None` and refuses more.
    pub delay_ms: Option<u64>,
    /// What is held against MaximumMessageSize; `None`: the body's length.
    pub size_bytes: Option<u64>,
    /// The group. A FIFO queue demands one; a standard one gives its groups fair turns.
    pub group: Option<&'a [u8]>,
    /// What duplicates are told by, in a FIFO queue only.
    pub dedup_id: Option<&'a [u8]>,
    /// SHA-256 of the body as lower-case hex, where the caller has it: it is the deduplication id
    /// of a queue with ContentBasedDeduplication, which has to compute it otherwise.
    pub body_sha256: Option<&'a [u8]>,
    /// How many deduplication ids may be remembered.
    pub dedup_ids_max: u64,
    /// What the message brings from the queue it was in before.
    pub moved: Moved<'a>,
}

impl Default for SendOptions<'_> {
    fn default() -> Self {
        Self {
            body: &[],
            attributes: &[],
            delay_ms: None,
            size_bytes: None,
            group: None,
            dedup_id: None,
            body_sha256: None,
            dedup_ids_max: DEDUP_IDS_MAX_DEFAULT,
            moved: Moved::default(),
        }
    }
}

/// What a message keeps when it is moved from another queue (sqs-contract §8).
#[derive(Debug, Clone, Copy, Default)]
pub struct Moved<'a> {
    /// Which letter of which source it is; it is taken once.
    pub from: Option<Letter>,
    /// Its id.
    pub id: Option<[u8; MESSAGE_ID_LENGTH]>,
    /// The queue it died in, as the mover names it.
    pub source: Option<&'a [u8]>,
    /// When it was accepted first; milliseconds since 1970. A FIFO queue counts from now.
    pub sent_ms: Option<u64>,
    /// When it was first received; milliseconds since 1970, 0: never.
    pub first_received_ms: u64,
    /// How often it was received.
    pub receive_count: u32,
}

/// Where a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its slot; `None`: it is a duplicate of the message with this sequence number, and went
    /// nowhere.
    pub slot: Option<u32>,
    /// Its sequence number.
    pub sequence: u64,
}

/// A deduplication id: the client's, or the body's hash.
enum DedupId<'a> {
    Given(&'a [u8]),
    Content([u8; 64]),
}

impl DedupId<'_> {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Given(id) => id,
            Self::Content(hash) => hash,
        }
    }
}

impl Queue {
    /// Appends a message, unless it is a duplicate. Errors: nothing is changed then.
    pub fn send(&mut self, now_ms: u64, options: &SendOptions) -> Result<Sent, Error> {
        let body_length = self.check_lengths(options)?;
        let delay_ms = self.delay_of(options)?;
        self.check_moved(&options.moved)?;
        let dedup_id = self.dedup_id_of(options)?;
        let group = self.group_of(options)?;
        let dedup_id = dedup_id.as_ref().map(DedupId::as_slice);
        let hash = dedup_id.map(|id| self.dedup_hash(group.unwrap_or_default(), id));
        if let Some(hash) = hash {
            // A letter is told by its number: it may have died, lived and died again with one id.
            let duplicate = self.dedup.find(hash, now_ms).filter(|_| options.moved.from.is_none());
            if let Some(sequence) = duplicate {
                return Ok(Sent { slot: None, sequence });
            }
            self.check_room_for_dedup(now_ms, options.dedup_ids_max)?;
        }
        let Moved { id, source, receive_count, .. } = options.moved;
        let receives_before = (receive_count > 0).then_some(receive_count);
        let extras = Extras { id, source, dedup_id, receives_before };
        let slot = self.append(now_ms, options, body_length, delay_ms, group, &extras)?;
        if let Some(hash) = hash {
            self.dedup.accept(hash, self.last_sequence, now_ms.min(TIME_MS_MAX));
        }
        if let Some(letter) = options.moved.from {
            self.apply_watermark(letter);
        }
        self.touch(now_ms);
        self.note_earliest();
        Ok(Sent { slot: Some(slot), sequence: self.last_sequence })
    }

    fn append(
        &mut self,
        now_ms: u64,
        options: &SendOptions,
        body_length: u32,
        delay_ms: u64,
        group: Option<&[u8]>,
        extras: &Extras<'_>,
    ) -> Result<u32, Error> {
        if self.last_sequence >= SEQUENCE_MAX {
            return Err(Error::Full);
        }
        let slot = self.slab.reserve().ok_or(Error::Full)?;
        let sequence = self.last_sequence + 1;
        let payload = payload(options, extras).into_boxed_slice();
        let now_ms = now_ms.min(TIME_MS_MAX);
        let moved = &options.moved;
        let sent_ms = moved.sent_ms.filter(|_| !self.attributes.fifo).unwrap_or(now_ms).min(now_ms);
        let due_ms = now_ms.saturating_add(delay_ms).min(TIME_MS_MAX);
        let mut message =
            Message::new(sequence, sent_ms, due_ms, payload, body_length, !extras.is_empty());
        message.receive_count = moved.receive_count;
        if message.receive_count > 0 {
            message.first_received_ms = moved.first_received_ms.min(TIME_MS_MAX);
        }
        message.state = match delay_ms {
            0 if message.receive_count == 0 => MessageState::Ready { prev: NO_SLOT, next: NO_SLOT },
            _ => MessageState::Waiting { offered: delay_ms == 0, since_ms: now_ms },
        };
        if let Some(group) = group {
            message.group = self.enter_group(group).ok_or(Error::Full)?;
        }
        if let Err(refused) = self.put(slot, message) {
            if refused.group != NO_GROUP {
                self.leave_group(refused.group);
            }
            return Err(Error::Full);
        }
        self.last_sequence = sequence;
        Ok(slot)
    }

    /// Whether a message of that size may be sent. Errors: [`Error::TooLarge`].
    pub fn check_size(&self, size_bytes: u64) -> Result<(), Error> {
        let maximum_message_size_bytes = self.attributes.maximum_message_size_bytes;
        if size_bytes > maximum_message_size_bytes {
            return Err(Error::TooLarge { size_bytes, maximum_message_size_bytes });
        }
        Ok(())
    }

    /// Whether a message is small enough for this queue, and for any. The body's length. Errors:
    /// [`Error::TooLarge`].
    fn check_lengths(&self, options: &SendOptions) -> Result<u32, Error> {
        let payload_length = options.body.len().saturating_add(options.attributes.len());
        let size_bytes = u64::try_from(payload_length).unwrap_or(u64::MAX);
        let maximum_message_size_bytes = self.attributes.maximum_message_size_bytes;
        let too_large = Error::TooLarge { size_bytes, maximum_message_size_bytes };
        if size_bytes > u64::from(PAYLOAD_BYTES_MAX) - EXTRAS_ROOM_BYTES {
            return Err(too_large);
        }
        let body_length = u32::try_from(options.body.len()).map_err(|_| too_large)?;
        self.check_size(options.size_bytes.unwrap_or(u64::from(body_length)))?;
        Ok(body_length)
    }

    /// How long a message waits. Errors: [`Error::DelayOnFifo`], [`Error::DelayBeyondRetention`].
    fn delay_of(&self, options: &SendOptions) -> Result<u64, Error> {
        let given_ms = options.delay_ms.filter(|&delay_ms| !self.attributes.fifo || delay_ms > 0);
        if self.attributes.fifo && given_ms.is_some() {
            return Err(Error::DelayOnFifo);
        }
        let delay_ms = given_ms.unwrap_or(self.attributes.delay_ms).min(DURATION_MS_MAX);
        self.check_delay(delay_ms)?;
        Ok(delay_ms)
    }

    /// Whether a delay leaves the message time to be received. Only delays that SQS does not have
    /// are refused: there a delay beyond the retention is accepted, and the message is lost.
    /// Errors: [`Error::DelayBeyondRetention`].
    pub fn check_delay(&self, delay_ms: u64) -> Result<(), Error> {
        let retention_ms = self.attributes.message_retention_period_ms;
        if delay_ms > retention_ms.max(DELAY_BEYOND_RETENTION_MS) {
            return Err(Error::DelayBeyondRetention);
        }
        Ok(())
    }

    /// Errors: [`Error::GroupRequired`], [`Error::InvalidId`].
    fn group_of<'a>(&self, options: &SendOptions<'a>) -> Result<Option<&'a [u8]>, Error> {
        match options.group {
            None if self.attributes.fifo => Err(Error::GroupRequired),
            Some(group) if !(1..=ID_BYTES_MAX).contains(&group.len()) => Err(Error::InvalidId),
            group => Ok(group),
        }
    }

    /// Errors: [`Error::DeduplicationRequired`], [`Error::DeduplicationOnStandard`],
    /// [`Error::InvalidId`].
    fn dedup_id_of<'a>(&self, options: &SendOptions<'a>) -> Result<Option<DedupId<'a>>, Error> {
        match options.dedup_id {
            Some(_) if !self.attributes.fifo => Err(Error::DeduplicationOnStandard),
            Some(id) if !(1..=ID_BYTES_MAX).contains(&id.len()) => Err(Error::InvalidId),
            Some(id) => Ok(Some(DedupId::Given(id))),
            None if !self.attributes.fifo => Ok(None),
            None if !self.attributes.content_based_deduplication => {
                Err(Error::DeduplicationRequired)
            }
            None => Ok(Some(match options.body_sha256 {
                Some(id) if id.len() == 64 => DedupId::Given(id),
                _ => DedupId::Content(content_dedup_id(options.body)),
            })),
        }
    }

    /// Errors: [`Error::Moved`], [`Error::InvalidId`].
    fn check_moved(&self, moved: &Moved<'_>) -> Result<(), Error> {
        let extras = Extras { id: moved.id, source: moved.source, ..Extras::default() };
        if !extras.is_valid() {
            return Err(Error::InvalidId);
        }
        let Some(letter) = moved.from else { return Ok(()) };
        match self.watermarks.get(&letter.source_uid) {
            Some(&watermark) if watermark >= letter.number => Err(Error::Moved { watermark }),
            _ => Ok(()),
        }
    }

    /// Errors: [`Error::Throttled`]: an id is never forgotten before its time.
    fn check_room_for_dedup(&self, now_ms: u64, dedup_ids_max: u64) -> Result<(), Error> {
        let remembered = u64::try_from(self.dedup.len()).unwrap_or(u64::MAX);
        if remembered >= dedup_ids_max && !self.dedup.has_old(now_ms) {
            return Err(Error::Throttled);
        }
        Ok(())
    }
}

fn payload(options: &SendOptions, extras: &Extras<'_>) -> Vec<u8> {
    let mut payload = Vec::with_capacity(options.body.len() + options.attributes.len());
    payload.extend_from_slice(options.body);
    payload.extend_from_slice(options.attributes);
    extras.encode(&mut payload);
    payload
}
