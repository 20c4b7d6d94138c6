//! Messages somebody chose by their sequence numbers, which no receiver does: a person who looks at
//! a queue. Nobody who has received a message is got in the way of, unless that is said.

use crate::message::{Message, NO_GROUP};
use crate::pop::PopOptions;
use crate::queue::Queue;
use crate::view::State;

/// What became of a message that was to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It is gone; it was in this slot.
    Done(u32),
    /// There is none of that number, or not any more.
    Gone,
    /// Somebody has received it; it stays.
    InFlight,
}

impl Queue {
    /// Deletes a message, be it ready, delayed or a dead letter; one in flight only with `force`.
    /// Who has received it then finds it gone.
    pub fn drop_chosen(&mut self, now_ms: u64, sequence: u64, force: bool) -> Dropped {
        let Some(slot) = self.sequence.get(sequence) else { return Dropped::Gone };
        if !force && self.is_in_flight(slot, now_ms) {
            return Dropped::InFlight;
        }
        self.take(slot);
        self.note_earliest();
        Dropped::Done(slot)
    }

    /// Leases messages by their sequence numbers, in that order, whoever's turn it is: those that
    /// are not in flight, not in the dead list and not expired, as many as may be in flight. The
    /// first one always fits into `max_bytes`; the count, groups and attempt of the options mean
    /// nothing here. Exhausted messages are leased, too: they die at the next receive. Returns the
    /// slots.
    pub fn lease_chosen(
        &mut self,
        now_ms: u64,
        sequences: &[u64],
        options: &PopOptions<'_>,
        draw_lease: &mut dyn FnMut() -> u32,
    ) -> Vec<u32> {
        let free = options.in_flight_max.saturating_sub(self.counts(now_ms).in_flight);
        let free = usize::try_from(free).unwrap_or(usize::MAX);
        let (mut chosen, mut bytes) = (Vec::new(), 0_u64);
        for &sequence in sequences {
            let Some(slot) = self.sequence.get(sequence) else { continue };
            if chosen.contains(&slot) || !self.is_free(slot, now_ms) {
                continue;
            }
            let length = self.slab.get(slot).map_or(0, Message::content_length);
            bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            let has_room = options.max_bytes.is_none_or(|max| chosen.is_empty() || bytes <= max);
            if chosen.len() >= free || !has_room {
                break;
            }
            chosen.push(slot);
        }
        for &slot in &chosen {
            self.pick_chosen(slot);
            self.lease(slot, now_ms, options, draw_lease);
        }
        self.note_earliest();
        chosen
    }

    /// Takes a message from where it stands, as a receive does before it leases.
    fn pick_chosen(&mut self, slot: u32) {
        let group = self.slab.get(slot).map_or(NO_GROUP, |message| message.group);
        if self.attributes.fifo {
            return;
        }
        self.detach(slot);
        if group != NO_GROUP {
            self.count_picked(group);
        }
    }

    fn is_in_flight(&self, slot: u32, now_ms: u64) -> bool {
        let message = self.slab.get(slot);
        message.is_some_and(|message| Self::state(message, now_ms) == State::InFlight)
    }

    /// Whether nobody has received it, and somebody could.
    fn is_free(&self, slot: u32, now_ms: u64) -> bool {
        self.slab.get(slot).is_some_and(|message| {
            let state = Self::state(message, now_ms);
            matches!(state, State::Ready | State::Delayed) && !self.is_expired(message, now_ms)
        })
    }
}
