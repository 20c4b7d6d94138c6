//! Dead letters: messages that were received too often wait in a numbered list of their own until a
//! mover has brought them to their target, which may be a queue of another server (design §3).
//!
//! Numbers only grow. The target remembers for each source the last number it took, so that a
//! letter that is moved twice arrives once.

use crate::limits::{BATCH_MAX, SEQUENCE_MAX, TIME_MS_MAX};
use crate::message::{Message, MessageState};
use crate::queue::Queue;

/// A dead letter on its way: which number of which source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    /// The uid of the queue it died in.
    pub source_uid: u64,
    /// Its number there, from 1 on.
    pub number: u64,
}

impl Queue {
    /// Letters in the dead list.
    pub fn dead(&self) -> u64 {
        u64::try_from(self.dead.len()).unwrap_or(u64::MAX)
    }

    /// The number of the last message that died here; 0: none did.
    pub fn last_dead_number(&self) -> u64 {
        self.last_dead_number
    }

    /// The numbers and slots of letters after a number, in order, at most `count`.
    pub fn letters(&self, after: u64, count: usize) -> Vec<(u64, u32)> {
        let from = (after.saturating_add(1), 0);
        self.dead.range(from..).take(count).copied().collect()
    }

    /// Drops the letters up to and with a number, at most [`BATCH_MAX`], as moved. Their slots and
    /// sequence numbers.
    pub fn acknowledge_letters(&mut self, up_to: u64) -> Vec<(u32, u64)> {
        let moved: Vec<u32> =
            self.dead.range(..=(up_to, u32::MAX)).take(BATCH_MAX).map(|&(_, slot)| slot).collect();
        let taken = moved.into_iter().filter_map(|slot| Some((slot, self.take(slot)?.sequence)));
        taken.collect()
    }

    /// Gives the oldest letters another life in this queue, as never received here unless their
    /// receive count is kept. Their slots.
    pub fn revive(&mut self, now_ms: u64, count: usize, keep_count: bool) -> Vec<u32> {
        let slots: Vec<u32> =
            self.dead.iter().take(count.min(BATCH_MAX)).map(|&(_, slot)| slot).collect();
        for &slot in &slots {
            self.detach(slot);
            if let Some(message) = self.slab.get_mut(slot) {
                let now_ms = now_ms.min(TIME_MS_MAX);
                message.state = MessageState::Waiting { offered: true, since_ms: now_ms };
                message.due_ms = now_ms;
                message.lease = 0;
                if !keep_count {
                    message.receive_count = message.extras().receives_before.unwrap_or(0);
                }
                if message.receive_count == 0 {
                    message.first_received_ms = 0;
                }
            }
            self.attach(slot);
        }
        self.touch_if(!slots.is_empty(), now_ms);
        self.note_earliest();
        slots
    }

    /// The last letter this queue took from each source, by the source's uid.
    pub fn watermarks(&self) -> impl Iterator<Item = (u64, u64)> {
        self.watermarks.iter().map(|(&uid, &number)| (uid, number))
    }

    /// `XMARK`: notes that a letter of a source, and all before it, were taken.
    pub fn apply_watermark(&mut self, letter: Letter) {
        let watermark = self.watermarks.entry(letter.source_uid).or_default();
        *watermark = letter.number.max(*watermark);
    }

    /// Whether a message may be received no more and has somewhere to go. What it was received in
    /// the queue it died in before does not count here.
    pub(crate) fn is_exhausted(&self, message: &Message) -> bool {
        let allowed = self.attributes.max_receive_count.filter(|_| self.attributes.has_target());
        let Some(allowed) = allowed else { return false };
        let before = message.extras().receives_before.unwrap_or(0);
        let here = message.receive_count.checked_sub(before).unwrap_or(message.receive_count);
        here >= allowed
    }

    /// Puts a message into the dead list.
    pub(crate) fn bury(&mut self, slot: u32, now_ms: u64) {
        let number = self.last_dead_number.saturating_add(1).min(SEQUENCE_MAX);
        self.detach(slot);
        if let Some(message) = self.slab.get_mut(slot) {
            message.state = MessageState::Dead { number };
            message.due_ms = now_ms.min(TIME_MS_MAX);
        }
        self.attach(slot);
    }

    /// Notes a message as the letter of its number.
    pub(crate) fn attach_dead(&mut self, slot: u32, number: u64) {
        self.dead.insert((number, slot));
        self.last_dead_number = self.last_dead_number.max(number);
    }
}
