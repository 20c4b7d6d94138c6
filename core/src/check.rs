//! Recounting: whether all indexes of a queue agree with its slots (`KARIN.DEBUG CHECK`).

use crate::message::{MessageState, NO_SLOT};
use crate::queue::{Queue, entry};

impl Queue {
    /// Recounts everything. Errors: what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.slab.check()?;
        self.timed.check()?;
        self.check_ready_list()?;
        let mut payload_bytes = 0;
        let mut timed_count = 0;
        for (slot, message) in self.slab.iter() {
            payload_bytes += u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
            if message.sequence == 0 || message.sequence > self.last_sequence {
                return Err(format!("slot {slot} has sequence number {}", message.sequence));
            }
            let leased = matches!(message.state, MessageState::Leased { .. });
            if leased && message.receive_count == 0 {
                return Err(format!("slot {slot} is leased and was never received"));
            }
            timed_count += usize::from(!matches!(message.state, MessageState::Ready { .. }));
        }
        for found in self.timed.iter() {
            let message = self.slab.get(found.slot);
            if message.map(|message| entry(found.slot, message)) != Some(found) {
                return Err(format!("the timed index disagrees with slot {}", found.slot));
            }
        }
        let ready_count = usize::try_from(self.ready.length).unwrap_or(usize::MAX);
        if payload_bytes != self.payload_bytes
            || timed_count != self.timed.len()
            || timed_count + ready_count != self.len()
        {
            return Err(format!(
                "{payload_bytes} bytes, {timed_count} timed, {ready_count} ready; \
                 noted {} bytes, {} timed, {} messages",
                self.payload_bytes,
                self.timed.len(),
                self.len()
            ));
        }
        if self.noted_due_ms != self.next_due_ms() {
            return Err(format!("noted {:?} as the earliest due time", self.noted_due_ms));
        }
        Ok(())
    }

    fn check_ready_list(&self) -> Result<(), String> {
        let (mut slot, mut before, mut last, mut length) = (self.ready.head, NO_SLOT, (0, 0), 0);
        while slot != NO_SLOT {
            let Some(message) = self.slab.get(slot) else {
                return Err(format!("the ready list names the free slot {slot}"));
            };
            let MessageState::Ready { prev, next } = message.state else {
                return Err(format!("slot {slot} is in the ready list and not ready"));
            };
            let key = (message.due_ms, message.sequence);
            if prev != before || key <= last || length > self.slab.len() {
                return Err(format!("the ready list is broken at slot {slot}"));
            }
            (before, slot, last) = (slot, next, key);
            length += 1;
        }
        if before != self.ready.tail || length != self.ready.length {
            return Err(format!("the ready list has {length}, noted {}", self.ready.length));
        }
        Ok(())
    }
}
