//! One message as bytes: for RDB files, append-only files and replication. All numbers are
//! little-endian.
//!
//! - A *record* is a message's meta, then its payload. Meta: place and flags 1, slot 4, sequence 8,
//!   due 8, sent 8, body length 4, payload length 4; the history where the place has one; the
//!   group's length 1 and name where the flag says so. A new message's meta without a group has no
//!   more than 44 bytes, which Redis keeps in one allocation;
//! - a *state* is what deliveries change of a message: place, slot, sequence, due and history.
//!
//! Places: 0 ready, its due time computed when it was due; 1 waiting, its due time computed when it
//! was sent; 2 waiting after having been received, or its due time computed at another time; 3
//! leased; 4 dead. 2, 3 and 4 have a *history*: first received 8, leased (of a waiting one: when
//! its due time was computed; of a dead one: its number) 8, lease 4, receive count 4, holder 4,
//! hidden for so many seconds 2; in a state it stands always, for 0 and 1 as zeros.
//! Flags: 16 the message has a group, 32 its payload ends in extras.

use crate::error::Error;
use crate::extras::Extras;
use crate::limits::{ID_BYTES_MAX, PAYLOAD_BYTES_MAX, SEQUENCE_MAX, SLOTS_MAX, TIME_MS_MAX};
use crate::message::{Message, MessageState, NO_SLOT};
use crate::queue::Queue;

/// Length of a message's history, bytes.
const HISTORY_LENGTH: usize = 30;
/// Length of a state, bytes.
pub const STATE_LENGTH: usize = 21 + HISTORY_LENGTH;
/// Length of a new message's record without its payload, bytes.
const META_LENGTH_MIN: usize = 37;
/// Length of any message's record without its payload and its group, bytes.
const META_LENGTH_SHORT: usize = META_LENGTH_MIN + HISTORY_LENGTH;
/// Longest string that Redis keeps in one allocation with its object, bytes.
const REDIS_EMBEDDED_STRING_MAX: usize = 44;
const _: () = assert!(META_LENGTH_MIN <= REDIS_EMBEDDED_STRING_MAX);
/// Length of one entry of [`encode_slot`], bytes.
pub const SLOT_LENGTH: usize = 12;

const PLACE_MASK: u8 = 15;
/// Stands for the time a message was sent, until its state meets the message.
const SINCE_SENT: u64 = u64::MAX;
const GROUP_FLAG: u8 = 16;
const EXTRAS_FLAG: u8 = 32;

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

impl StateRecord {
    /// Makes a message's state this one; it must be detached.
    pub(crate) fn apply(&self, message: &mut Message) {
        message.due_ms = self.due_ms;
        message.first_received_ms = self.first_received_ms;
        message.lease = self.lease;
        message.receive_count = self.receive_count;
        message.state = self.state;
        if let MessageState::Waiting { since_ms: since_ms @ SINCE_SENT, .. } = &mut message.state {
            *since_ms = message.sent_ms;
        }
    }
}

/// A record without its payload.
#[derive(Debug, Clone)]
pub struct Meta(MetaBytes);

/// A group's name makes a meta long; the usual one needs no memory of its own.
#[derive(Debug, Clone)]
enum MetaBytes {
    Short { bytes: [u8; META_LENGTH_SHORT], length: usize },
    Long(Vec<u8>),
}

impl Meta {
    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            MetaBytes::Short { bytes, length } => bytes.get(..*length).unwrap_or(bytes),
            MetaBytes::Long(bytes) => bytes,
        }
    }
}

impl Queue {
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
        Some(self.meta(slot, message, Place::of(message)))
    }

    /// Appends the record of one message as it would be if nothing were offered, which servers that
    /// hold the same may see differently.
    pub(crate) fn encode_for_digest(&self, slot: u32, out: &mut Vec<u8>) {
        if let Some(message) = self.slab.get(slot) {
            let meta = self.meta(slot, message, Place::of_unoffered(message));
            out.extend_from_slice(meta.as_slice());
            out.extend_from_slice(&message.payload);
        }
    }

    fn meta(&self, slot: u32, message: &Message, place: Place) -> Meta {
        let payload_length = u32::try_from(message.payload.len()).unwrap_or(u32::MAX);
        let mut bytes = [0; META_LENGTH_SHORT];
        let mut writer = Writer(&mut bytes);
        let group = self.group_name(message);
        let group_flag = if group.is_empty() { 0 } else { GROUP_FLAG };
        let extras_flag = if message.has_extras() { EXTRAS_FLAG } else { 0 };
        writer.position(slot, message, place as u8 | group_flag | extras_flag);
        writer.put(message.sent_ms.to_le_bytes());
        writer.put(message.body_length().to_le_bytes());
        writer.put(payload_length.to_le_bytes());
        if place.has_history() {
            writer.history(message, place);
        }
        let length = META_LENGTH_SHORT - writer.0.len();
        if group.is_empty() {
            return Meta(MetaBytes::Short { bytes, length });
        }
        let length_byte = u8::try_from(group.len()).unwrap_or(u8::MAX);
        let before = bytes.get(..length).unwrap_or_default();
        Meta(MetaBytes::Long([before, &[length_byte], group].concat()))
    }

    /// A message's body, attributes and extras.
    pub fn payload(&self, slot: u32) -> Option<&[u8]> {
        self.slab.get(slot).map(|message| &*message.payload)
    }

    /// Appends the state of one message.
    pub fn encode_state(&self, slot: u32, out: &mut Vec<u8>) {
        let Some(message) = self.slab.get(slot) else { return };
        let mut state = [0; STATE_LENGTH];
        let mut writer = Writer(&mut state);
        let place = Place::of(message);
        writer.position(slot, message, place as u8);
        writer.history(message, place);
        out.extend_from_slice(&state);
    }
}

/// Appends an entry of `XDEL`: which message of which slot.
pub fn encode_slot(out: &mut Vec<u8>, slot: u32, sequence: u64) {
    out.extend_from_slice(&slot.to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
}

/// The same for several.
pub fn encode_slots(deleted: &[(u32, u64)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(deleted.len().saturating_mul(SLOT_LENGTH));
    for &(slot, sequence) in deleted {
        encode_slot(&mut out, slot, sequence);
    }
    out
}

/// Reads one message: slot, message, group. Errors: [`Error::Corrupt`].
pub(crate) fn decode_message<'a>(
    meta: &'a [u8],
    payload: &[u8],
) -> Result<(u32, Message, &'a [u8]), Error> {
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
    Dead = 4,
}

impl Place {
    fn of(message: &Message) -> Self {
        match message.state {
            MessageState::Leased { .. } => Self::Leased,
            MessageState::Dead { .. } => Self::Dead,
            MessageState::Ready { .. } => Self::Ready,
            MessageState::Waiting { .. } if message.receive_count > 0 => Self::GivenBack,
            MessageState::Waiting { offered: true, since_ms } if since_ms == message.due_ms => {
                Self::Ready
            }
            MessageState::Waiting { since_ms, .. } if since_ms == message.sent_ms => Self::New,
            MessageState::Waiting { .. } => Self::GivenBack,
        }
    }

    fn of_unoffered(message: &Message) -> Self {
        match Self::of(message) {
            Self::Ready if message.since_ms() == message.sent_ms => Self::New,
            Self::Ready => Self::GivenBack,
            place => place,
        }
    }

    fn has_history(self) -> bool {
        matches!(self, Self::GivenBack | Self::Leased | Self::Dead)
    }
}

/// A record as it was read: checked, without its payload.
pub(crate) struct Record<'a> {
    state: StateRecord,
    sent_ms: u64,
    body_length: u32,
    has_extras: bool,
    group: &'a [u8],
    pub(crate) payload_length: usize,
}

impl<'a> Record<'a> {
    /// Slot, message and group. Errors: [`Error::Corrupt`].
    pub(crate) fn message(self, payload: &[u8]) -> Result<(u32, Message, &'a [u8]), Error> {
        let Self { state, sent_ms, body_length, has_extras, group, payload_length } = self;
        let body = usize::try_from(body_length).unwrap_or(usize::MAX);
        let after_body = payload.get(body..).filter(|_| payload.len() == payload_length);
        let after_body = after_body.ok_or(Error::Corrupt("lengths disagree"))?;
        if payload.len() > usize::try_from(PAYLOAD_BYTES_MAX).unwrap_or(usize::MAX) {
            return Err(Error::Corrupt("payload too long"));
        }
        if has_extras {
            let extras = Extras::split(after_body).and_then(|(_, bytes)| Extras::decode(bytes));
            extras.ok_or(Error::Corrupt("extras are none"))?;
        }
        let mut message = Message::new(
            state.sequence,
            sent_ms,
            state.due_ms,
            payload.into(),
            body_length,
            has_extras,
        );
        state.apply(&mut message);
        Ok((state.slot, message, group))
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

    fn position(&mut self, slot: u32, message: &Message, place_and_flags: u8) {
        self.put([place_and_flags]);
        self.put(slot.to_le_bytes());
        self.put(message.sequence.to_le_bytes());
        self.put(message.due_ms.to_le_bytes());
    }

    fn history(&mut self, message: &Message, place: Place) {
        let (leased_ms, holder, hidden_s) = match message.state {
            MessageState::Leased { leased_ms, holder, hidden_s, .. } => {
                (leased_ms, holder, hidden_s)
            }
            MessageState::Dead { number } => (number, 0, 0),
            _ if place == Place::GivenBack => (message.since_ms(), 0, 0),
            MessageState::Ready { .. } | MessageState::Waiting { .. } => (0, 0, 0),
        };
        self.put(message.first_received_ms.to_le_bytes());
        self.put(leased_ms.to_le_bytes());
        for number in [message.lease, message.receive_count, holder] {
            self.put(number.to_le_bytes());
        }
        self.put(hidden_s.to_le_bytes());
    }
}

/// A cursor over hostile bytes.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// One state.
    pub(crate) fn state(&mut self) -> Result<StateRecord, Error> {
        let (place, flags) = self.place()?;
        let (slot, sequence, due_ms) = self.position()?;
        let history = self.history()?;
        if flags != 0 {
            return Err(Error::Corrupt("a state with flags"));
        }
        history.state(place, slot, sequence, due_ms)
    }

    /// One record up to its payload.
    pub(crate) fn record(&mut self) -> Result<Record<'a>, Error> {
        let (place, flags) = self.place()?;
        let (slot, sequence, due_ms) = self.position()?;
        let sent_ms = self.time_ms()?;
        let body_length = self.u32()?;
        let payload_length =
            usize::try_from(self.u32()?).map_err(|_| Error::Corrupt("payload too long"))?;
        let history = if place.has_history() { self.history()? } else { History::default() };
        let state = history.state(place, slot, sequence, due_ms)?;
        let has_extras = flags & EXTRAS_FLAG != 0;
        let group = if flags & GROUP_FLAG == 0 { &[] } else { self.group()? };
        Ok(Record { state, sent_ms, body_length, has_extras, group, payload_length })
    }

    fn group(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::from(self.byte()?);
        if !(1..=ID_BYTES_MAX).contains(&length) {
            return Err(Error::Corrupt("a group's name is empty or too long"));
        }
        self.bytes(length)
    }

    fn place(&mut self) -> Result<(Place, u8), Error> {
        let byte = self.byte()?;
        let flags = byte & !PLACE_MASK;
        let place = match byte & PLACE_MASK {
            0 => Place::Ready,
            1 => Place::New,
            2 => Place::GivenBack,
            3 => Place::Leased,
            4 => Place::Dead,
            _ => return Err(Error::Corrupt("unknown place")),
        };
        if flags & !(GROUP_FLAG | EXTRAS_FLAG) != 0 {
            return Err(Error::Corrupt("unknown flag"));
        }
        Ok((place, flags))
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
            leased_ms: self.u64()?,
            lease: self.u32()?,
            receive_count: self.u32()?,
            holder: self.u32()?,
            hidden_s: self.array().map(u16::from_le_bytes)?,
        })
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Error> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn time_ms(&mut self) -> Result<u64, Error> {
        let time_ms = self.u64()?;
        (time_ms <= TIME_MS_MAX).then_some(time_ms).ok_or(Error::Corrupt("time out of range"))
    }

    pub(crate) fn text(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::try_from(self.u32()?).map_err(|_| Error::Corrupt("text too long"))?;
        self.bytes(length)
    }

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Corrupt("bytes left over")) }
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Error> {
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
    hidden_s: u16,
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
        let Self { first_received_ms, leased_ms, lease, receive_count, holder, hidden_s } = self;
        let was_received = receive_count != 0;
        let state = match place {
            Place::Ready if self == Self::default() => {
                MessageState::Ready { prev: NO_SLOT, next: NO_SLOT }
            }
            Place::New if self == Self::default() => {
                MessageState::Waiting { offered: false, since_ms: SINCE_SENT }
            }
            Place::GivenBack
                if lease == 0
                    && leased_ms <= TIME_MS_MAX
                    && (was_received || first_received_ms == 0) =>
            {
                MessageState::Waiting { offered: false, since_ms: leased_ms }
            }
            Place::Leased if lease != 0 && was_received && leased_ms <= TIME_MS_MAX => {
                MessageState::Leased { leased_ms, holder, hidden_s, offered: false }
            }
            Place::Dead if (1..=SEQUENCE_MAX).contains(&leased_ms) => {
                MessageState::Dead { number: leased_ms }
            }
            _ => return Err(Error::Corrupt("impossible state")),
        };
        Ok(StateRecord { slot, sequence, due_ms, first_received_ms, lease, receive_count, state })
    }
}
