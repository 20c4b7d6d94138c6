//! Messages whose retention is over, at the front of a queue.

use crate::queue::Queue;

impl Queue {
    /// Whether [`Queue::pop_due`] would hand out something at `now_ms` without dropping anything
    /// first.
    pub fn offers(&self, now_ms: u64) -> bool {
        let first = self.first_due(now_ms).and_then(|slot| self.slab.get(slot));
        first.is_some_and(|message| !self.is_expired(message, now_ms))
    }

    /// Drops expired messages that stand in front of the first one that can be received, `max` at
    /// most. Returns their (slot, sequence).
    pub fn drop_expired(&mut self, now_ms: u64, max: usize) -> Vec<(u32, u64)> {
        let mut dropped = Vec::new();
        while dropped.len() < max {
            let Some(slot) = self.first_due(now_ms) else { break };
            let Some(message) = self.slab.get(slot) else { break };
            if !self.is_expired(message, now_ms) {
                break;
            }
            dropped.push((slot, message.sequence));
            self.take(slot);
        }
        if !dropped.is_empty() {
            self.note_earliest();
        }
        dropped
    }
}
