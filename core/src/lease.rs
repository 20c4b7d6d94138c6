//! What a receipt can do: acknowledge, extend, release.

use crate::limits::TIME_MS_MAX;
use crate::message::{Message, MessageState};
use crate::queue::Queue;
use crate::receipt::Receipt;
use crate::timed::Kind;

/// Which receipts of a message may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Any of its receipts, lapsed or superseded ones too, as SQS has it on standard queues
    /// (sqs-contract §4.10).
    Any,
    /// Only the current lease's. It may have lapsed as long as nobody received the message since.
    Current,
}

/// What became of one receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// The message is gone.
    Gone,
    /// The lease was superseded or given back.
    Stale,
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
    pub fn acknowledge(&mut self, receipt: &Receipt, demand: Demand) -> Outcome {
        match self.find(receipt, demand) {
            Ok(slot) => {
                self.take(slot);
                self.note_earliest();
                Outcome::Done
            }
            Err(outcome) => outcome,
        }
    }

    /// Makes the message due at another time, counted from now.
    pub fn extend(&mut self, now_ms: u64, receipt: &Receipt, extension: &Extension) -> Outcome {
        let slot = match self.find(receipt, extension.demand) {
            Ok(slot) => slot,
            Err(outcome) => return outcome,
        };
        let due_now_ms = self.slab.get(slot).map(|message| message.due_ms);
        if extension.unless_changed_due_ms.is_some_and(|known| due_now_ms != Some(known)) {
            return Outcome::Changed;
        }
        let now_ms = now_ms.min(TIME_MS_MAX);
        self.detach(slot);
        if let Some(message) = self.slab.get_mut(slot) {
            message.due_ms =
                now_ms.saturating_add(extension.visibility_timeout_ms).min(TIME_MS_MAX);
            // One that was given back is nobody's: an old receipt can only delay it.
            if let MessageState::Ready { .. } = message.state {
                message.state = MessageState::Waiting;
            }
        }
        self.attach(slot);
        self.note_earliest();
        Outcome::Done
    }

    /// Gives the message back without counting the receive. Only its current lease can.
    pub fn release(&mut self, now_ms: u64, receipt: &Receipt, delay_ms: u64) -> Outcome {
        match self.find(receipt, Demand::Current) {
            Ok(slot) => {
                self.give_back(slot, now_ms, delay_ms);
                self.note_earliest();
                Outcome::Done
            }
            Err(outcome) => outcome,
        }
    }

    /// Gives back what `holder` has in flight, at most `max` messages. Walks all that is in flight.
    /// Returns their slots.
    pub fn release_holder(&mut self, now_ms: u64, holder: u32, max: usize) -> Vec<u32> {
        let held = |message: &Message| match message.state {
            MessageState::Leased { holder: of, .. } => of == holder && holder != 0,
            MessageState::Ready { .. } | MessageState::Waiting => false,
        };
        // The entry says what is leased, which saves looking at a slot for all others: at those
        // that the calls before have given back, too.
        let leased = self.timed.iter().filter(|entry| entry.kind == Kind::Leased);
        let slots: Vec<u32> = leased
            .map(|entry| entry.slot)
            .filter(|&slot| self.slab.get(slot).is_some_and(held))
            .take(max)
            .collect();
        for &slot in &slots {
            self.give_back(slot, now_ms, 0);
        }
        self.note_earliest();
        slots
    }

    fn give_back(&mut self, slot: u32, now_ms: u64, delay_ms: u64) {
        self.detach(slot);
        if let Some(message) = self.slab.get_mut(slot) {
            message.due_ms = now_ms.saturating_add(delay_ms).min(TIME_MS_MAX);
            message.receive_count = message.receive_count.saturating_sub(1);
            if message.receive_count == 0 {
                message.first_received_ms = 0;
            }
            message.lease = 0;
            message.state = MessageState::Waiting;
        }
        self.attach(slot);
    }

    /// The slot a receipt may act on. Errors: why it may not.
    fn find(&self, receipt: &Receipt, demand: Demand) -> Result<u32, Outcome> {
        if receipt.uid != self.uid {
            return Err(Outcome::Foreign);
        }
        let message = self.slab.get(receipt.slot).filter(|m| m.sequence == receipt.sequence);
        match message {
            None => Err(Outcome::Gone),
            Some(message) if demand == Demand::Current && !message.is_leased_by(receipt.lease) => {
                Err(Outcome::Stale)
            }
            Some(_) => Ok(receipt.slot),
        }
    }
}
