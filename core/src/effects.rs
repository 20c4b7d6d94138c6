//! What a replica and the append-only file are told: effects with absolute values.
//!
//! All are total and idempotent: an unknown slot is passed over, an equal one changes nothing, of
//! two messages in one slot the newer stays. Bad bytes are refused whole, before anything changes.
//! Whoever is told effects hands nothing out, so nobody is held back by what is in flight.

use crate::attempt::Attempts;
use crate::dead::Letter;
use crate::error::Error;
use crate::queue::{Purged, Queue};
use crate::records::{Reader, SLOT_LENGTH, STATE_LENGTH, decode_message};

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
        if header.attributes.fifo != self.attributes.fifo {
            return Err(Error::Corrupt("a queue does not change its kind"));
        }
        self.last_sequence = self.last_sequence.max(header.last_sequence);
        self.last_dead_number = self.last_dead_number.max(header.last_dead_number);
        self.hint = self.hint.max(header.hint);
        self.copies.set(self.copies().max(header.copies()));
        for (source_uid, number) in header.watermarks() {
            self.apply_watermark(Letter { source_uid, number });
        }
        self.replace_attributes(header.attributes);
        self.tags = header.tags;
        self.created_ms = header.created_ms;
        self.modified_ms = header.modified_ms;
        self.note_earliest();
        Ok(None)
    }

    /// `XPUT`: messages with all their state, each (meta, payload). Errors: [`Error::Corrupt`].
    pub fn apply_puts(&mut self, messages: &[(&[u8], &[u8])]) -> Result<(), Error> {
        let decoded: Result<Vec<_>, Error> =
            messages.iter().map(|(meta, payload)| decode_message(meta, payload)).collect();
        let decoded = decoded?;
        if self.attributes.fifo && decoded.iter().any(|(_, _, group)| group.is_empty()) {
            return Err(Error::Corrupt("a message of a FIFO queue without a group"));
        }
        self.is_held_back = false;
        for ((slot, message, group), (meta, payload)) in decoded.into_iter().zip(messages) {
            let present = self.slab.get(slot).map_or(0, |present| present.sequence);
            if present > message.sequence
                || (present == message.sequence && self.is_record(slot, meta, payload))
            {
                continue;
            }
            let (sequence, sent_ms) = (message.sequence, message.sent_ms);
            if let Some(elsewhere) = self.sequence.get(sequence) {
                self.take(elsewhere);
            }
            self.take(slot);
            let hash = message.extras().dedup_id.map(|id| self.dedup_hash(group, id));
            self.put_decoded(slot, message, group)?;
            // What is not new was accepted before, and is remembered or forgotten already.
            if let Some(hash) =
                hash.filter(|_| self.attributes.fifo && sequence > self.last_sequence)
            {
                self.dedup.accept(hash, sequence, sent_ms);
            }
            self.last_sequence = self.last_sequence.max(sequence);
            self.note_earliest();
        }
        Ok(())
    }

    /// Whether the message in a slot has this record.
    fn is_record(&self, slot: u32, meta: &[u8], payload: &[u8]) -> bool {
        self.encode_meta(slot).is_some_and(|present| present.as_slice() == meta)
            && self.payload(slot) == Some(payload)
    }

    /// `XLEASE`: new states of messages. Errors: [`Error::Corrupt`].
    pub fn apply_states(&mut self, states: &[u8]) -> Result<(), Error> {
        let records = each::<STATE_LENGTH, _>(states, Reader::state)?;
        self.is_held_back = false;
        for record in &records {
            let present = self.slab.get(record.slot);
            if present.is_some_and(|message| message.sequence == record.sequence) {
                self.detach(record.slot);
                if let Some(message) = self.slab.get_mut(record.slot) {
                    record.apply(message);
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
        self.is_held_back = false;
        for (slot, sequence) in deleted {
            if self.slab.get(slot).is_some_and(|message| message.sequence == sequence) {
                self.take(slot);
            }
        }
        self.note_earliest();
        Ok(())
    }

    /// `XPURGE`: all messages up to and with a sequence number are dropped, their deduplication ids
    /// and all attempts forgotten. What was in the queue, if that is all of them.
    pub fn apply_purge(&mut self, up_to_sequence: u64) -> Option<Purged> {
        if up_to_sequence >= self.last_sequence {
            return Some(self.purge());
        }
        let up_to = |&(sequence, _): &(u64, u32)| sequence <= up_to_sequence;
        let dropped: Vec<u32> =
            self.sequence.from(0).take_while(up_to).map(|(_, slot)| slot).collect();
        for slot in dropped {
            self.take(slot);
        }
        self.dedup.forget_up_to(up_to_sequence);
        self.attempts = Attempts::default();
        self.note_earliest();
        None
    }
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
