//! What a receipt can do: acknowledge, extend, release.

use std::ops::Bound;

use crate::limits::{TIME_MS_MAX, VISIBILITY_TIMEOUT_MS_MAX};
use crate::message::{Message, MessageState};
use crate::queue::Queue;
use crate::receipt::Receipt;
use crate::timed::{Entry, end_of};

/// Which receipts of a message may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// In a standard queue any of its receipts, lapsed or superseded ones too; in a FIFO queue only
    /// that of a lease that runs (sqs-contract §4.10).
    Any,
    /// Only the current lease's. In a standard queue it may have lapsed as long as nobody received
    /// the message since.
    Current,
}

/// What became of one receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// The message is gone.
    Gone,
    /// The lease was superseded or given back, or has lapsed in a FIFO queue.
    Stale,
    /// The message would be in flight for more than 12 hours (sqs-contract §4.10).
    TooLong,
    /// The due time is not the one the caller knew.
    Changed,
    /// The receipt is another queue's.
    Foreign,
}

/// How [`Queue::extend`] changes a visibility.
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// From now on; 0: due now.
    pub visibility_timeout_ms: u64,
    /// Which receipts may.
    pub demand: Demand,
    /// Only if the due time is still this one; milliseconds since 1970.
    pub unless_changed_due_ms: Option<u64>,
}

impl Queue {
    /// Deletes the message. [`Outcome::Gone`] if it is deleted already.
    pub fn acknowledge(&mut self, now_ms: u64, receipt: &Receipt, demand: Demand) -> Outcome {
        match self.find(now_ms, receipt, demand) {
            Ok(slot) => {
                self.take(slot);
                self.touch(now_ms);
                self.note_earliest();
                Outcome::Done
            }
            Err(outcome) => outcome,
        }
    }

    /// Makes the message due at another time, counted from now.
    pub fn extend(&mut self, now_ms: u64, receipt: &Receipt, extension: &Extension) -> Outcome {
        let slot = match self.find(now_ms, receipt, extension.demand) {
            Ok(slot) => slot,
            Err(outcome) => return outcome,
        };
        let Some(message) = self.slab.get(slot) else { return Outcome::Gone };
        if extension.unless_changed_due_ms.is_some_and(|known| message.due_ms != known) {
            return Outcome::Changed;
        }
        let until_ms = now_ms.saturating_add(extension.visibility_timeout_ms);
        if until_ms > latest_due_ms(message, now_ms) {
            return Outcome::TooLong;
        }
        self.set_due(slot, now_ms, extension.visibility_timeout_ms);
        self.touch(now_ms);
        self.note_earliest();
        Outcome::Done
    }

    /// Gives the message back without counting the receive. Only its current lease can.
    pub fn release(&mut self, now_ms: u64, receipt: &Receipt, delay_ms: u64) -> Outcome {
        match self.find_leased(receipt) {
            Ok(slot) => {
                self.give_back(slot, now_ms, delay_ms);
                self.touch(now_ms);
                self.note_earliest();
                Outcome::Done
            }
            Err(outcome) => outcome,
        }
    }

    /// Gives back what `holder` has in flight, at most `max` messages. A lease that ended, by
    /// itself or because the holder ended it, stays counted. Returns the slots.
    pub fn release_holder(&mut self, now_ms: u64, holder: u32, max: usize) -> Vec<u32> {
        // Nobody is noted as holder 0.
        let lapsed = Bound::Excluded((holder, end_of(now_ms.min(TIME_MS_MAX))));
        let held = self.held.range((lapsed, Bound::Included((holder, end_of(TIME_MS_MAX)))));
        let slots = held.filter_map(|&(_, key)| self.sequence.get(Entry::from_key(key).sequence));
        let slots: Vec<u32> = slots.take(max).collect();
        for &slot in &slots {
            self.give_back(slot, now_ms, 0);
        }
        self.touch_if(!slots.is_empty(), now_ms);
        self.note_earliest();
        slots
    }

    fn give_back(&mut self, slot: u32, now_ms: u64, delay_ms: u64) {
        self.detach(slot);
        if let Some(message) = self.slab.get_mut(slot) {
            let now_ms = now_ms.min(TIME_MS_MAX);
            message.due_ms = now_ms.saturating_add(delay_ms).min(TIME_MS_MAX);
            message.receive_count = message.receive_count.saturating_sub(1);
            if message.receive_count == 0 {
                message.first_received_ms = 0;
            }
            message.lease = 0;
            message.state = MessageState::Waiting { offered: delay_ms == 0, since_ms: now_ms };
        }
        self.attach(slot);
        self.note_room();
    }

    /// The slot a receipt may act on. Errors: why it may not.
    fn find(&self, now_ms: u64, receipt: &Receipt, demand: Demand) -> Result<u32, Outcome> {
        let is_fifo = self.attributes.fifo;
        if demand == Demand::Any && !is_fifo {
            return self.find_message(receipt).map(|_| receipt.slot);
        }
        let slot = self.find_leased(receipt)?;
        let runs = |message: &Message| message.due_ms > now_ms && !message.is_offered();
        if is_fifo && !self.slab.get(slot).is_some_and(runs) {
            return Err(Outcome::Stale);
        }
        Ok(slot)
    }

    /// The slot of a message whose current lease a receipt is. Errors: why it is not.
    fn find_leased(&self, receipt: &Receipt) -> Result<u32, Outcome> {
        match self.find_message(receipt)? {
            message if message.is_leased_by(receipt.lease) => Ok(receipt.slot),
            _ => Err(Outcome::Stale),
        }
    }

    /// The message of a receipt; a dead letter is out of its reach. Errors: why there is none.
    fn find_message(&self, receipt: &Receipt) -> Result<&Message, Outcome> {
        if receipt.uid != self.uid {
            return Err(Outcome::Foreign);
        }
        let message = self.slab.get(receipt.slot).filter(|m| m.sequence == receipt.sequence);
        let alive = message.filter(|m| !matches!(m.state, MessageState::Dead { .. }));
        alive.ok_or(Outcome::Gone)
    }
}

/// Until when a message may stay in flight: 12 hours from its receive, or from now if nobody has
/// it.
pub(crate) fn latest_due_ms(message: &Message, now_ms: u64) -> u64 {
    let from_ms = match message.state {
        MessageState::Leased { leased_ms, .. } if message.due_ms > now_ms => leased_ms,
        _ => now_ms,
    };
    from_ms.saturating_add(VISIBILITY_TIMEOUT_MS_MAX)
}
