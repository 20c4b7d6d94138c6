//! Recounting: whether all indexes of a queue agree with its slots (`KARIN.DEBUG CHECK`).

use crate::message::{MessageState, NO_GROUP, NO_SLOT};
use crate::queue::{Queue, entry, held};

impl Queue {
    /// Recounts everything. Errors: what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.slab.check()?;
        self.timed.check()?;
        self.check_ready_list()?;
        self.check_groups()?;
        self.dedup.check()?;
        self.attempts.check()?;
        let mut payload_bytes = 0;
        let (mut timed_count, mut dead_count, mut held_count, mut grouped_count) = (0, 0, 0, 0);
        for (slot, message) in self.slab.iter() {
            payload_bytes += u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
            if message.sequence == 0 || message.sequence > self.last_sequence {
                return Err(format!("slot {slot} has sequence number {}", message.sequence));
            }
            if self.sequence.get(message.sequence) != Some(slot) {
                return Err(format!("slot {slot} is not where its sequence number says"));
            }
            match message.state {
                MessageState::Dead { number } => {
                    dead_count += usize::from(self.dead.contains(&(number, slot)));
                    continue;
                }
                MessageState::Leased { .. } if message.receive_count == 0 => {
                    return Err(format!("slot {slot} is leased and was never received"));
                }
                _ => {}
            }
            held_count += usize::from(held(message).is_some_and(|held| self.held.contains(&held)));
            let is_grouped = message.group != NO_GROUP;
            let is_ready = matches!(message.state, MessageState::Ready { .. });
            if is_grouped && is_ready {
                return Err(format!("slot {slot} has a group and is in the ready list"));
            }
            grouped_count += usize::from(is_grouped);
            timed_count += usize::from(!is_grouped && !is_ready);
        }
        for found in self.timed.iter() {
            let slot = self.sequence.get(found.sequence);
            if slot.and_then(|slot| self.slab.get(slot)).map(entry) != Some(found) {
                return Err(format!("the timed index has {found:?}, which is not so"));
            }
        }
        let ready_count = usize::try_from(self.ready.length).unwrap_or(usize::MAX);
        if payload_bytes != self.payload_bytes
            || timed_count != self.timed.len()
            || timed_count + ready_count + grouped_count + dead_count != self.len()
            || self.sequence.count() != self.len()
        {
            return Err(format!(
                "{payload_bytes} bytes, {timed_count} timed, {ready_count} ready, \
                 {grouped_count} in groups, {dead_count} dead; \
                 noted {} bytes, {} timed, {} messages",
                self.payload_bytes,
                self.timed.len(),
                self.len()
            ));
        }
        if dead_count != self.dead.len() || held_count != self.held.len() {
            return Err(format!(
                "{dead_count} dead and {held_count} held, noted {} and {}",
                self.dead.len(),
                self.held.len()
            ));
        }
        if self.noted_due_ms != self.earliest_ms() {
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
