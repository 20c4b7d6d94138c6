//! What has to be done although nobody asks: dropping what expired, forgetting old ids, and setting
//! times right that a wrong clock made. The module calls it now and then, in bounded steps.

use crate::limits::{REMEMBERED_MS, TIME_MS_MAX};
use crate::message::MessageState;
use crate::queue::Queue;

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// (slot, sequence) of expired messages that were dropped.
    pub dropped: Vec<(u32, u64)>,
    /// Ids accepted at this time or before were forgotten; milliseconds since 1970.
    pub forgot_until_ms: Option<u64>,
    /// The walk through a queue with moved messages is not at its end.
    pub goes_on: bool,
}

/// Where [`Queue::correct_times`] got to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corrected {
    /// Slots of messages whose times are others now.
    pub slots: Vec<u32>,
    /// Deduplication ids whose times are others now, for `XDEDUP`; empty: none.
    pub ids: Vec<u8>,
    /// The same of attempts, each for `XATTEMPT`.
    pub attempts: Vec<Vec<u8>>,
    /// The sequence number to go on from; `None`: done.
    pub next: Option<u64>,
}

impl Queue {
    /// Drops expired messages, whatever their state (sqs-contract §7.1), and forgets old ids. Looks
    /// at no more than about `budget` of each.
    ///
    /// Messages are sent in the order of their numbers, so the expired ones come first; only moved
    /// ones, which bring an older time, may stand behind others. A queue that has any is walked
    /// through from sweep to sweep.
    pub fn sweep(&mut self, now_ms: u64, budget: usize) -> Swept {
        let mut swept = Swept::default();
        let expired = |queue: &Self, slot: u32| {
            queue.slab.get(slot).is_some_and(|message| queue.is_expired(message, now_ms))
        };
        let first: Vec<_> = self
            .sequence
            .from(0)
            .take_while(|&(_, slot)| expired(self, slot))
            .take(budget)
            .collect();
        swept.dropped.extend(first.into_iter().map(|(sequence, slot)| (slot, sequence)));
        if !self.watermarks.is_empty() {
            let from = self.swept;
            let walked: Vec<_> = self.sequence.from(from).take(budget).collect();
            self.swept = match walked.last() {
                Some(&(last, _)) if walked.len() >= budget => last + 1,
                _ => 0,
            };
            swept.goes_on = self.swept != 0;
            let moved = walked.into_iter().filter(|&(_, slot)| expired(self, slot));
            swept.dropped.extend(moved.map(|(sequence, slot)| (slot, sequence)));
        }
        swept.dropped.retain(|&(slot, _)| self.take(slot).is_some());
        let until_ms = now_ms.saturating_sub(REMEMBERED_MS);
        let ids = self.dedup.forgettable_until_ms(until_ms, budget);
        let attempts = self.attempts.forgettable_until_ms(until_ms, budget);
        swept.forgot_until_ms = ids.into_iter().chain(attempts).min();
        if let Some(until_ms) = swept.forgot_until_ms {
            self.apply_forget(until_ms);
        }
        self.touch_if(!swept.dropped.is_empty(), now_ms);
        self.note_earliest();
        swept
    }

    /// When a sweep will find something; milliseconds since 1970, maybe in the past. `None`: never,
    /// unless something changes.
    pub fn sweep_due_ms(&self) -> Option<u64> {
        let retention_ms = self.attributes.message_retention_period_ms;
        let first = self.sequence.from(0).next().and_then(|(_, slot)| self.slab.get(slot));
        let expiry = first.map(|message| message.sent_ms.saturating_add(retention_ms));
        let remembered = self.dedup.oldest_ms().into_iter().chain(self.attempts.oldest_ms()).min();
        let forgetting = remembered.map(|at_ms| at_ms.saturating_add(REMEMBERED_MS));
        expiry.into_iter().chain(forgetting).min()
    }

    /// `XFORGET`: forgets ids accepted at a time or before.
    pub fn apply_forget(&mut self, until_ms: u64) {
        self.dedup.forget(until_ms, usize::MAX);
        self.attempts.forget(until_ms);
    }

    /// After the wall clock was set back by `back_ms`: what was made due while it was ahead, by a
    /// send, receive, extension, release or revival, would be due that much too late, or come after
    /// what is sent until then. Makes such messages, from the sequence number `from` on, due
    /// as if the clock had been right; and deduplication ids and attempts be forgotten so. Looks at
    /// no more than `budget` of each. What is right already stays.
    pub fn correct_times(
        &mut self,
        now_ms: u64,
        back_ms: u64,
        from: u64,
        budget: usize,
    ) -> Corrected {
        let now_ms = now_ms.min(TIME_MS_MAX);
        let walked: Vec<_> = self.sequence.from(from).take(budget).collect();
        let next = walked.last().filter(|_| walked.len() >= budget).map(|&(last, _)| last + 1);
        let slots = walked.into_iter().map(|(_, slot)| slot);
        let slots = slots.filter(|&slot| self.correct_message(slot, now_ms, back_ms)).collect();
        let (ids, next_id) = self.dedup.correct(now_ms, back_ms, from, budget);
        let attempts = self.attempts.correct(now_ms, back_ms, budget);
        let has_more = !attempts.is_empty() && attempts.len() >= budget;
        let next_attempt = has_more.then_some(u64::MAX);
        let next = next.into_iter().chain(next_id).chain(next_attempt).min();
        self.note_earliest();
        Corrected { slots, ids, attempts, next }
    }

    /// Whether a message's times were wrong; they are not any more.
    fn correct_message(&mut self, slot: u32, now_ms: u64, back_ms: u64) -> bool {
        let Some(message) = self.slab.get(slot) else { return false };
        let since_ms = message.since_ms();
        let is_wrong = match message.state {
            MessageState::Dead { .. } => false,
            MessageState::Leased { leased_ms, .. } => since_ms.max(leased_ms) > now_ms,
            MessageState::Ready { .. } | MessageState::Waiting { .. } => since_ms > now_ms,
        };
        if !is_wrong {
            return false;
        }
        let is_leased = message.is_leased();
        // More than the step if an earlier one was missed: nothing is computed in the future.
        let by_ms = if since_ms > now_ms { back_ms.max(since_ms - now_ms) } else { 0 };
        let right_ms = |at_ms: u64| at_ms.saturating_sub(back_ms).min(now_ms);
        self.detach(slot);
        if let Some(message) = self.slab.get_mut(slot) {
            message.due_ms = message.due_ms.saturating_sub(by_ms);
            match &mut message.state {
                // The ready list is sorted: it goes where times are looked for.
                state @ MessageState::Ready { .. } => {
                    *state = MessageState::Waiting { offered: false, since_ms: right_ms(since_ms) };
                }
                MessageState::Waiting { since_ms, .. } => *since_ms = right_ms(*since_ms),
                MessageState::Leased { leased_ms, .. } if *leased_ms > now_ms => {
                    *leased_ms = right_ms(*leased_ms);
                }
                MessageState::Leased { .. } | MessageState::Dead { .. } => {}
            }
        }
        self.attach(slot);
        if is_leased && by_ms > 0 {
            self.note_room();
        }
        true
    }
}
