//! A queue as bytes: for RDB files, append-only files and replication.
//!
//! All numbers are little-endian. Three kinds of bytes:
//! - the *header*: version (1), uid, created, modified, last sequence, hint (8 each), attributes
//!   (count 4, then id 1, length 4, text), tags (count 4, then length 4, name, length 4, value);
//! - a *record*, one message: its meta, then its payload; a *chunk* is records end to end. Meta:
//!   place 1, slot 4, sequence 8, due 8, sent 8, body length 4, payload length 4, and the history
//!   where the place says that there is one. A new message's meta has no more than 44 bytes, which
//!   Redis keeps in one allocation;
//! - a *state*, what deliveries change of a message: place, slot, sequence, due and history.
//!
//! Places: 0 ready, 1 waiting and never received, 2 waiting after having been received, 3 leased.
//! Only 2 and 3 have a *history*: first received 8, leased 8, lease 4, receive count 4, holder 4;
//! in a state it stands always, for 0 and 1 as zeros.
//!
//! Lists, indexes and counters are rebuilt, never loaded. Everything read is treated as hostile.

use crate::attributes::{AttributeName, Attributes, Tags};
use crate::error::Error;
use crate::limits::{SEQUENCE_MAX, SLOTS_MAX, TIME_MS_MAX};
use crate::message::{Message, MessageState, NO_SLOT};
use crate::queue::Queue;

/// The version of this layout; also the RDB encoding version.
pub const ENCODING_VERSION: u8 = 1;
/// Length of a message's history, bytes.
const HISTORY_LENGTH: usize = 28;
/// Length of a state, bytes.
pub const STATE_LENGTH: usize = 21 + HISTORY_LENGTH;
/// Length of a new message's record without its payload, bytes.
const META_LENGTH_MIN: usize = 37;
/// Length of any message's record without its payload, bytes.
const META_LENGTH_MAX: usize = META_LENGTH_MIN + HISTORY_LENGTH;
/// Longest string that Redis keeps in one allocation with its object, bytes.
const REDIS_EMBEDDED_STRING_MAX: usize = 44;
const _: () = assert!(META_LENGTH_MIN <= REDIS_EMBEDDED_STRING_MAX);
/// Length of one entry of [`encode_slot`], bytes.
pub const SLOT_LENGTH: usize = 12;

/// A state as it was read: checked, not yet applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StateRecord {
    pub(crate) slot: u32,
    pub(crate) sequence: u64,
    pub(crate) due_ms: u64,
    pub(crate) first_received_ms: u64,
    pub(crate) lease: u32,
    pub(crate) receive_count: u32,
    pub(crate) state: MessageState,
}

/// A record without its payload.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    bytes: [u8; META_LENGTH_MAX],
    length: usize,
}

impl Meta {
    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

impl Queue {
    /// The header.
    pub fn encode_header(&self) -> Vec<u8> {
        self.header_with_hint(self.hint)
    }

    fn header_with_hint(&self, hint: u64) -> Vec<u8> {
        let mut out = vec![ENCODING_VERSION];
        for number in [self.uid, self.created_ms, self.modified_ms, self.last_sequence, hint] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let attributes: Vec<_> = (1_u8..)
            .zip(AttributeName::ALL)
            .filter_map(|(id, name)| Some((id, self.attributes.get(name)?)))
            .collect();
        put_length(&mut out, attributes.len());
        for (id, value) in attributes {
            out.push(id);
            put_text(&mut out, &value);
        }
        put_length(&mut out, self.tags.len());
        for (name, value) in self.tags.iter() {
            put_text(&mut out, name);
            put_text(&mut out, value);
        }
        out
    }

    /// Reads a header as an empty queue. Errors: [`Error::Corrupt`].
    pub fn decode_header(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        if reader.byte()? != ENCODING_VERSION {
            return Err(Error::Corrupt("unknown header version"));
        }
        let uid = reader.u64()?;
        let (created_ms, modified_ms) = (reader.time_ms()?, reader.time_ms()?);
        let (last_sequence, hint) = (reader.u64()?, reader.u64()?);
        if last_sequence > SEQUENCE_MAX {
            return Err(Error::Corrupt("sequence number out of range"));
        }
        let mut attributes = Attributes::default();
        for _ in 0..reader.u32()? {
            let id = usize::from(reader.byte()?);
            let name = id.checked_sub(1).and_then(|index| AttributeName::ALL.get(index));
            let name = *name.ok_or(Error::Corrupt("unknown attribute"))?;
            let set = attributes.set(name, reader.text()?);
            set.map_err(|_| Error::Corrupt("attribute out of range"))?;
        }
        let mut tags = Tags::default();
        for _ in 0..reader.u32()? {
            let (name, value) = (reader.text()?, reader.text()?);
            tags.insert(name, value).map_err(|_| Error::Corrupt("too many tags"))?;
        }
        reader.finish()?;
        let queue = Self::new(uid, created_ms, attributes, tags);
        Ok(Self { modified_ms, last_sequence, hint, ..queue })
    }

    /// The slots of all messages in the order in which loading is fastest: as they are due.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        let mut next = self.ready.head;
        let ready = std::iter::from_fn(move || {
            let slot = next;
            let MessageState::Ready { next: after, .. } = self.slab.get(slot)?.state else {
                return None;
            };
            next = after;
            Some(slot)
        });
        ready.chain(self.timed.iter().map(|entry| entry.slot))
    }

    /// Appends the record of one message.
    pub fn encode_record(&self, slot: u32, out: &mut Vec<u8>) {
        if let Some(meta) = self.encode_meta(slot) {
            out.extend_from_slice(meta.as_slice());
            out.extend_from_slice(self.payload(slot).unwrap_or_default());
        }
    }

    /// A message's record without its payload.
    pub fn encode_meta(&self, slot: u32) -> Option<Meta> {
        let message = self.slab.get(slot)?;
        let payload_length = u32::try_from(message.payload.len()).unwrap_or(u32::MAX);
        let mut bytes = [0; META_LENGTH_MAX];
        let mut writer = Writer(&mut bytes);
        writer.position(slot, message);
        writer.put(message.sent_ms.to_le_bytes());
        writer.put(message.body_length.to_le_bytes());
        writer.put(payload_length.to_le_bytes());
        if Place::of(message).has_history() {
            writer.history(message);
        }
        let length = META_LENGTH_MAX - writer.0.len();
        Some(Meta { bytes, length })
    }

    /// A message's body and attributes.
    pub fn payload(&self, slot: u32) -> Option<&[u8]> {
        self.slab.get(slot).map(|message| &*message.payload)
    }

    /// Appends the state of one message.
    pub fn encode_state(&self, slot: u32, out: &mut Vec<u8>) {
        let Some(message) = self.slab.get(slot) else { return };
        let mut state = [0; STATE_LENGTH];
        let mut writer = Writer(&mut state);
        writer.position(slot, message);
        writer.history(message);
        out.extend_from_slice(&state);
    }

    /// Adds the messages of a chunk to a queue that is being loaded. Errors: [`Error::Corrupt`];
    /// the queue is then to be dropped.
    pub fn load_messages(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let mut rest = chunk;
        while !rest.is_empty() {
            let mut reader = Reader(rest);
            let record = reader.record()?;
            let payload = reader.bytes(record.payload_length)?;
            let (slot, message) = record.message(payload)?;
            if message.sequence > self.last_sequence {
                return Err(Error::Corrupt("sequence number above the last"));
            }
            self.put(slot, message).map_err(|_| Error::Corrupt("two messages in one slot"))?;
            rest = reader.0;
        }
        Ok(())
    }

    /// Ends loading. That no two messages have one sequence number is not looked at: the effects of
    /// other servers may have put such two, every index tells them apart by their slots, and a
    /// server whose file is refused for them does not start.
    pub fn finish_load(&mut self) {
        self.note_earliest();
    }

    /// The queue's logical content, part by part, for comparing servers: the same for equal
    /// queues, however their lists and free slots came about. Hint numbers are left out.
    pub fn digest_items(&self, each: &mut dyn FnMut(&[u8])) {
        each(&self.header_with_hint(0));
        let mut slots: Vec<(u64, u32)> =
            self.slab.iter().map(|(slot, message)| (message.sequence, slot)).collect();
        slots.sort_unstable();
        for (_, slot) in slots {
            let mut record = Vec::new();
            self.encode_record(slot, &mut record);
            // Ready and waiting are one to the outside.
            if let Some(place) = record.first_mut() {
                *place = (*place).max(1);
            }
            each(&record);
        }
    }
}

/// Appends an entry of `XDEL`: which message of which slot.
pub fn encode_slot(out: &mut Vec<u8>, slot: u32, sequence: u64) {
    out.extend_from_slice(&slot.to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
}

/// Reads one message. Errors: [`Error::Corrupt`].
pub(crate) fn decode_message(meta: &[u8], payload: &[u8]) -> Result<(u32, Message), Error> {
    let mut reader = Reader(meta);
    let record = reader.record()?;
    reader.finish()?;
    if record.payload_length != payload.len() {
        return Err(Error::Corrupt("lengths disagree"));
    }
    record.message(payload)
}

/// Where a message stands, and whether deliveries have left something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Place {
    Ready = 0,
    New = 1,
    GivenBack = 2,
    Leased = 3,
}

impl Place {
    fn of(message: &Message) -> Self {
        match message.state {
            MessageState::Ready { .. } => Self::Ready,
            MessageState::Leased { .. } => Self::Leased,
            MessageState::Waiting if message.receive_count == 0 => Self::New,
            MessageState::Waiting => Self::GivenBack,
        }
    }

    fn has_history(self) -> bool {
        matches!(self, Self::GivenBack | Self::Leased)
    }
}

/// A record as it was read: checked, without its payload.
struct Record {
    state: StateRecord,
    sent_ms: u64,
    body_length: u32,
    payload_length: usize,
}

impl Record {
    fn message(self, payload: &[u8]) -> Result<(u32, Message), Error> {
        let Self { state, sent_ms, body_length, payload_length } = self;
        if usize::try_from(body_length).map_or(true, |body_length| body_length > payload_length) {
            return Err(Error::Corrupt("lengths disagree"));
        }
        let message = Message {
            sequence: state.sequence,
            sent_ms,
            due_ms: state.due_ms,
            first_received_ms: state.first_received_ms,
            state: state.state,
            payload: payload.into(),
            body_length,
            lease: state.lease,
            receive_count: state.receive_count,
        };
        Ok((state.slot, message))
    }
}

/// A cursor over bytes to be written; every send and delivery writes some, so without a `Vec`.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((place, rest)) = std::mem::take(&mut self.0).split_first_chunk_mut::<N>() {
            *place = bytes;
            self.0 = rest;
        }
    }

    fn position(&mut self, slot: u32, message: &Message) {
        self.put([Place::of(message) as u8]);
        self.put(slot.to_le_bytes());
        self.put(message.sequence.to_le_bytes());
        self.put(message.due_ms.to_le_bytes());
    }

    fn history(&mut self, message: &Message) {
        let (leased_ms, holder) = match message.state {
            MessageState::Ready { .. } | MessageState::Waiting => (0, 0),
            MessageState::Leased { leased_ms, holder } => (leased_ms, holder),
        };
        self.put(message.first_received_ms.to_le_bytes());
        self.put(leased_ms.to_le_bytes());
        for number in [message.lease, message.receive_count, holder] {
            self.put(number.to_le_bytes());
        }
    }
}

/// A cursor over hostile bytes.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// One state.
    pub(crate) fn state(&mut self) -> Result<StateRecord, Error> {
        let place = self.place()?;
        let (slot, sequence, due_ms) = self.position()?;
        let history = self.history()?;
        history.state(place, slot, sequence, due_ms)
    }

    /// One record up to its payload.
    fn record(&mut self) -> Result<Record, Error> {
        let place = self.place()?;
        let (slot, sequence, due_ms) = self.position()?;
        let sent_ms = self.time_ms()?;
        let body_length = self.u32()?;
        let payload_length =
            usize::try_from(self.u32()?).map_err(|_| Error::Corrupt("payload too long"))?;
        let history = if place.has_history() { self.history()? } else { History::default() };
        let state = history.state(place, slot, sequence, due_ms)?;
        Ok(Record { state, sent_ms, body_length, payload_length })
    }

    fn place(&mut self) -> Result<Place, Error> {
        match self.byte()? {
            0 => Ok(Place::Ready),
            1 => Ok(Place::New),
            2 => Ok(Place::GivenBack),
            3 => Ok(Place::Leased),
            _ => Err(Error::Corrupt("unknown place")),
        }
    }

    fn position(&mut self) -> Result<(u32, u64, u64), Error> {
        let (slot, sequence, due_ms) = (self.u32()?, self.u64()?, self.time_ms()?);
        if slot >= SLOTS_MAX || sequence == 0 || sequence > SEQUENCE_MAX {
            return Err(Error::Corrupt("slot or sequence number out of range"));
        }
        Ok((slot, sequence, due_ms))
    }

    fn history(&mut self) -> Result<History, Error> {
        Ok(History {
            first_received_ms: self.time_ms()?,
            leased_ms: self.time_ms()?,
            lease: self.u32()?,
            receive_count: self.u32()?,
            holder: self.u32()?,
        })
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    fn time_ms(&mut self) -> Result<u64, Error> {
        let time_ms = self.u64()?;
        (time_ms <= TIME_MS_MAX).then_some(time_ms).ok_or(Error::Corrupt("time out of range"))
    }

    fn text(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::try_from(self.u32()?).map_err(|_| Error::Corrupt("text too long"))?;
        self.bytes(length)
    }

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Corrupt("bytes left over")) }
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Error::Corrupt("cut"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Error::Corrupt("cut"))?;
        self.0 = rest;
        Ok(*array)
    }
}

/// What deliveries have left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct History {
    first_received_ms: u64,
    leased_ms: u64,
    lease: u32,
    receive_count: u32,
    holder: u32,
}

impl History {
    /// The whole state. Errors: [`Error::Corrupt`] if the place cannot have this history.
    fn state(
        self,
        place: Place,
        slot: u32,
        sequence: u64,
        due_ms: u64,
    ) -> Result<StateRecord, Error> {
        let Self { first_received_ms, leased_ms, lease, receive_count, holder } = self;
        let state = match place {
            Place::Ready if self == Self::default() => {
                MessageState::Ready { prev: NO_SLOT, next: NO_SLOT }
            }
            Place::New if self == Self::default() => MessageState::Waiting,
            Place::GivenBack if lease == 0 && receive_count != 0 => MessageState::Waiting,
            Place::Leased if lease != 0 && receive_count != 0 => {
                MessageState::Leased { leased_ms, holder }
            }
            _ => return Err(Error::Corrupt("impossible state")),
        };
        Ok(StateRecord { slot, sequence, due_ms, first_received_ms, lease, receive_count, state })
    }
}

/// Lengths are bounded by what a Redis string holds, far below 4 GiB.
fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_length(out, text.len());
    out.extend_from_slice(text);
}
