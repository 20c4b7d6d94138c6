//! A queue as bytes: for RDB files, append-only files and replication. All numbers are
//! little-endian.
//!
//! - The *header*: version 1, uid, created, modified, last sequence, hint, last dead number, copies
//!   (8 each); attributes (count 4, then id 1, length 4, text), tags (count 4, then length 4, name,
//!   length 4, value), watermarks (count 4, then uid 8, number 8).
//! - A *chunk*: records of messages ([`crate::records`]) end to end, in the order of their sequence
//!   numbers.
//!
//! Lists, indexes and counters are rebuilt, never loaded. Everything read is treated as hostile.

use std::cell::Cell;

use crate::attributes::{AttributeName, Attributes, Tags};
use crate::dead::Letter;
use crate::error::Error;
use crate::limits::SEQUENCE_MAX;
use crate::message::{Message, MessageState, NO_GROUP};
use crate::queue::Queue;
pub(crate) use crate::records::Reader;
pub use crate::records::{Meta, SLOT_LENGTH, STATE_LENGTH, encode_slot, encode_slots};

/// The version of this layout; also the RDB encoding version.
pub const ENCODING_VERSION: u8 = 1;

impl Queue {
    /// The header.
    pub fn encode_header(&self) -> Vec<u8> {
        self.header_with_hint(self.hint)
    }

    fn header_with_hint(&self, hint: u64) -> Vec<u8> {
        let mut out = vec![ENCODING_VERSION];
        let times_ms = [self.created_ms, self.modified_ms];
        let numbers = [self.last_sequence, hint, self.last_dead_number, self.copies()];
        for number in [self.uid].iter().chain(&times_ms).chain(&numbers) {
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
        put_length(&mut out, self.watermarks.len());
        for (uid, number) in self.watermarks() {
            out.extend_from_slice(&uid.to_le_bytes());
            out.extend_from_slice(&number.to_le_bytes());
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
        let (last_dead_number, copies) = (reader.u64()?, Cell::new(reader.u64()?));
        if last_sequence > SEQUENCE_MAX || last_dead_number > SEQUENCE_MAX {
            return Err(Error::Corrupt("sequence number out of range"));
        }
        let mut attributes = Attributes::default();
        for _ in 0..reader.u32()? {
            let id = usize::from(reader.byte()?);
            let name = id.checked_sub(1).and_then(|index| AttributeName::ALL.get(index));
            let name = *name.ok_or(Error::Corrupt("unknown attribute"))?;
            let value = reader.text()?;
            if name == AttributeName::FifoQueue && value == b"true" {
                attributes.fifo = true;
            }
            let set = attributes.set(name, value);
            set.map_err(|_| Error::Corrupt("attribute out of range"))?;
        }
        let mut tags = Tags::default();
        for _ in 0..reader.u32()? {
            let (name, value) = (reader.text()?, reader.text()?);
            tags.insert(name, value).map_err(|_| Error::Corrupt("too many tags"))?;
        }
        let mut queue = Self::new(uid, created_ms, attributes, tags);
        for _ in 0..reader.u32()? {
            let letter = Letter { source_uid: reader.u64()?, number: reader.u64()? };
            queue.apply_watermark(letter);
        }
        reader.finish()?;
        Ok(Self { modified_ms, last_sequence, hint, last_dead_number, copies, ..queue })
    }

    /// The slots of all messages in the order of their sequence numbers, in which loading them is
    /// fastest.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.sequence.from(0).map(|(_, slot)| slot)
    }

    /// Adds the messages of a chunk to a queue that is being loaded. Errors: [`Error::Corrupt`];
    /// the queue is then to be dropped.
    pub fn load_messages(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let mut rest = chunk;
        while !rest.is_empty() {
            let mut reader = Reader(rest);
            let record = reader.record()?;
            let payload = reader.bytes(record.payload_length)?;
            let (slot, message, group) = record.message(payload)?;
            if message.sequence > self.last_sequence {
                return Err(Error::Corrupt("sequence number above the last"));
            }
            if self.sequence.get(message.sequence).is_some() {
                return Err(Error::Corrupt("two messages of one sequence number"));
            }
            if let MessageState::Dead { number } = message.state
                && number > self.last_dead_number
            {
                return Err(Error::Corrupt("dead number above the last"));
            }
            self.put_decoded(slot, message, group)?;
            rest = reader.0;
        }
        Ok(())
    }

    /// Ends loading.
    pub fn finish_load(&mut self) {
        self.note_earliest();
    }

    /// Puts a message that was read into its slot and group. Errors: [`Error::Corrupt`] if the slot
    /// is taken.
    pub(crate) fn put_decoded(
        &mut self,
        slot: u32,
        mut message: Message,
        group: &[u8],
    ) -> Result<(), Error> {
        if self.attributes.fifo && group.is_empty() {
            return Err(Error::Corrupt("a message of a FIFO queue without a group"));
        }
        if !group.is_empty() {
            message.group = self.enter_group(group).ok_or(Error::Corrupt("too many groups"))?;
        }
        self.put(slot, message).map_err(|refused| {
            if refused.group != NO_GROUP {
                self.leave_group(refused.group);
            }
            Error::Corrupt("slot taken or out of range")
        })
    }

    /// The queue's logical content, part by part, for comparing servers: the same for equal
    /// queues, however their lists and free slots came about. Hint numbers are left out.
    pub fn digest_items(&self, each: &mut dyn FnMut(&[u8])) {
        each(&self.header_with_hint(0));
        for slot in self.slots() {
            let mut record = Vec::new();
            self.encode_for_digest(slot, &mut record);
            each(&record);
        }
        self.encode_dedup(usize::MAX, each);
        self.encode_attempts(each);
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
