//! What a replica and the append-only file are told: effects with absolute values.
//!
//! All are total and idempotent: an unknown slot is passed over, an equal one changes nothing, of
//! two messages in one slot the newer stays. Bad bytes are refused whole, before anything changes.

use crate::error::Error;
use crate::message::Message;
use crate::queue::{Purged, Queue};
use crate::snapshot::{Reader, SLOT_LENGTH, STATE_LENGTH, StateRecord, decode_message};

impl Queue {
    /// `XQUEUE` on an existing queue: takes over attributes, tags and times; another uid replaces
    /// the queue by an empty one, and what was in it is returned. Errors: [`Error::Corrupt`].
    pub fn apply_header(&mut self, bytes: &[u8]) -> Result<Option<Purged>, Error> {
        let header = Self::decode_header(bytes)?;
        if header.uid != self.uid {
            let purged = self.purge();
            *self = header;
            return Ok(Some(purged));
        }
        self.last_sequence = self.last_sequence.max(header.last_sequence);
        self.hint = self.hint.max(header.hint);
        self.attributes = header.attributes;
        self.tags = header.tags;
        self.created_ms = header.created_ms;
        self.modified_ms = header.modified_ms;
        Ok(None)
    }

    /// `XPUT`: messages with all their state, each (meta, payload). Errors: [`Error::Corrupt`].
    pub fn apply_puts(&mut self, messages: &[(&[u8], &[u8])]) -> Result<(), Error> {
        let decoded: Result<Vec<_>, Error> =
            messages.iter().map(|(meta, payload)| decode_message(meta, payload)).collect();
        for (slot, message) in decoded? {
            self.last_sequence = self.last_sequence.max(message.sequence);
            if self.slab.get(slot).is_some_and(|present| present.sequence > message.sequence) {
                continue;
            }
            self.take(slot);
            self.put(slot, message).map_err(|_| Error::Corrupt("slot out of range"))?;
            self.note_earliest();
        }
        Ok(())
    }

    /// `XLEASE`: new states of messages. Errors: [`Error::Corrupt`].
    pub fn apply_states(&mut self, states: &[u8]) -> Result<(), Error> {
        let records = each::<STATE_LENGTH, _>(states, Reader::state)?;
        for record in &records {
            let present = self.slab.get(record.slot);
            if present.is_some_and(|message| message.sequence == record.sequence) {
                self.detach(record.slot);
                if let Some(message) = self.slab.get_mut(record.slot) {
                    apply_state(message, record);
                }
                self.attach(record.slot);
            }
        }
        self.note_earliest();
        Ok(())
    }

    /// `XDEL`: deleted messages. Errors: [`Error::Corrupt`].
    pub fn apply_delete(&mut self, slots: &[u8]) -> Result<(), Error> {
        let deleted = each::<SLOT_LENGTH, _>(slots, |reader| Ok((reader.u32()?, reader.u64()?)))?;
        for (slot, sequence) in deleted {
            if self.slab.get(slot).is_some_and(|message| message.sequence == sequence) {
                self.take(slot);
            }
        }
        self.note_earliest();
        Ok(())
    }

    /// `XPURGE`: all messages up to and with a sequence number are dropped, or returned if there
    /// are no others.
    pub fn apply_purge(&mut self, up_to_sequence: u64) -> Option<Purged> {
        if up_to_sequence >= self.last_sequence {
            return Some(self.purge());
        }
        let dropped: Vec<u32> = self
            .slab
            .iter()
            .filter(|(_, message)| message.sequence <= up_to_sequence)
            .map(|(slot, _)| slot)
            .collect();
        for slot in dropped {
            self.take(slot);
        }
        self.note_earliest();
        None
    }
}

fn apply_state(message: &mut Message, record: &StateRecord) {
    message.due_ms = record.due_ms;
    message.first_received_ms = record.first_received_ms;
    message.lease = record.lease;
    message.receive_count = record.receive_count;
    message.state = record.state;
}

/// Reads entries of `N` bytes to the end.
fn each<'a, const N: usize, T>(
    bytes: &'a [u8],
    read: impl Fn(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let (entries, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(Error::Corrupt("cut entry"));
    }
    entries.iter().map(|entry| read(&mut Reader(entry))).collect()
}
