//! Receive attempt ids: a receive that is repeated with the id of one whose answer was lost gets
//! the same messages with the same receipts (sqs-contract §9).

use std::collections::{BTreeMap, BTreeSet};

use crate::dedup::hash;
use crate::error::Error;
use crate::lease::latest_due_ms;
use crate::limits::{ATTEMPT_MESSAGES_MAX, ATTEMPTS_MAX, BATCH_MAX, REMEMBERED_MS, TIME_MS_MAX};
use crate::message::MessageState;
use crate::pop::PopOptions;
use crate::queue::Queue;
use crate::snapshot::Reader;

/// One message an attempt was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Received {
    sequence: u64,
    lease: u32,
    due_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Attempt {
    at_ms: u64,
    received: Box<[Received]>,
}

/// The attempts a queue remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts {
    by_hash: BTreeMap<u128, Attempt>,
    order: BTreeSet<(u64, u128)>,
    /// The messages of all attempts.
    messages: usize,
}

impl Attempts {
    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// When the oldest attempt was made; milliseconds since 1970.
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        self.order.first().map(|&(at_ms, _)| at_ms)
    }

    /// Forgets attempts made at `until_ms` or before.
    pub(crate) fn forget(&mut self, until_ms: u64) {
        while self.oldest_ms().is_some_and(|at_ms| at_ms <= until_ms) {
            self.forget_oldest();
        }
    }

    /// The same as [`crate::dedup::Dedup::forgettable_until_ms`].
    pub(crate) fn forgettable_until_ms(&self, until_ms: u64, budget: usize) -> Option<u64> {
        let made = self.order.iter().map(|&(at_ms, _)| at_ms);
        made.take(budget).take_while(|&at_ms| at_ms <= until_ms).last()
    }

    /// What they take in memory, in bytes, estimated.
    pub(crate) fn memory_bytes(&self) -> usize {
        /// The entries of both maps in half-full B-tree nodes, and an allocation.
        const ATTEMPT_BYTES: usize = 136;
        self.len() * ATTEMPT_BYTES + self.messages * size_of::<Received>()
    }

    /// Remembers one, and forgets the oldest where there are too many. Those too old are left to
    /// the sweep: after a step of the clock a load in another order would forget others.
    fn insert(&mut self, hash: u128, attempt: Attempt) {
        if let Some(before) = self.remove(hash) {
            self.order.remove(&(before.at_ms, hash));
        }
        let messages_left = ATTEMPT_MESSAGES_MAX.saturating_sub(attempt.received.len());
        while self.len() >= ATTEMPTS_MAX || self.messages > messages_left {
            self.forget_oldest();
        }
        self.messages += attempt.received.len();
        self.order.insert((attempt.at_ms, hash));
        self.by_hash.insert(hash, attempt);
    }

    /// After the clock was set back by `back_ms`: an attempt made in what is the future now was
    /// made that much earlier, and its messages are due that much earlier. At most `budget`; what
    /// it changed, encoded.
    pub(crate) fn correct(&mut self, now_ms: u64, back_ms: u64, budget: usize) -> Vec<Vec<u8>> {
        let ahead = self.order.range((now_ms.saturating_add(1), 0)..).take(budget);
        let ahead: Vec<_> = ahead.copied().collect();
        let mut changed = Vec::new();
        for (at_ms, hash) in ahead {
            let Some(attempt) = self.by_hash.get_mut(&hash) else { continue };
            attempt.at_ms = at_ms.saturating_sub(back_ms).min(now_ms);
            for received in &mut attempt.received {
                let by_ms = back_ms.max(at_ms.saturating_sub(now_ms));
                received.due_ms = received.due_ms.saturating_sub(by_ms);
            }
            changed.push(encode(hash, attempt));
            self.order.remove(&(at_ms, hash));
            self.order.insert((attempt.at_ms, hash));
        }
        changed
    }

    fn forget_oldest(&mut self) {
        if let Some((_, hash)) = self.order.pop_first() {
            self.remove(hash);
        }
    }

    fn remove(&mut self, hash: u128) -> Option<Attempt> {
        let removed = self.by_hash.remove(&hash)?;
        self.messages -= removed.received.len();
        Some(removed)
    }

    /// Errors: what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let in_order =
            |(hash, attempt): (&u128, &Attempt)| self.order.contains(&(attempt.at_ms, *hash));
        let messages: usize = self.by_hash.values().map(|attempt| attempt.received.len()).sum();
        if self.order.len() == self.len()
            && self.messages == messages
            && self.by_hash.iter().all(in_order)
        {
            return Ok(());
        }
        Err("the receive attempts disagree with their order".to_owned())
    }
}

impl Queue {
    /// Answers a repeated attempt: the slots it was answered with, their visibility reset. `None`:
    /// it is none, or one of its messages was deleted, changed or became visible since.
    pub(crate) fn repeat_attempt(
        &mut self,
        now_ms: u64,
        id: &[u8],
        options: &PopOptions,
    ) -> Option<Vec<u32>> {
        let hash = hash(b"", id);
        let attempt = self.attempts.by_hash.get(&hash)?;
        let at_ms = attempt.at_ms;
        if at_ms.saturating_add(REMEMBERED_MS) <= now_ms {
            return None;
        }
        let held = attempt.received.iter().map(|received| self.still_held(now_ms, received));
        let slots = held.collect::<Option<Vec<u32>>>()?;
        let visibility_timeout_ms = self.visibility_timeout_ms(options);
        for &slot in &slots {
            let latest_ms = self.slab.get(slot).map_or(0, |m| latest_due_ms(m, now_ms));
            let left_ms = latest_ms.saturating_sub(now_ms);
            self.set_due(slot, now_ms, visibility_timeout_ms.min(left_ms));
        }
        self.remember(hash, at_ms, &slots);
        Some(slots)
    }

    /// Remembers what an attempt was answered with.
    pub(crate) fn note_attempt(&mut self, now_ms: u64, id: &[u8], slots: &[u32]) {
        self.remember(hash(b"", id), now_ms.min(TIME_MS_MAX), slots);
    }

    fn remember(&mut self, hash: u128, at_ms: u64, slots: &[u32]) {
        let messages = slots.iter().filter_map(|&slot| self.slab.get(slot));
        let received = messages
            .map(|m| Received { sequence: m.sequence, lease: m.lease, due_ms: m.due_ms })
            .collect();
        self.attempts.insert(hash, Attempt { at_ms, received });
    }

    /// The slot of a message that nobody touched since it was received.
    fn still_held(&self, now_ms: u64, received: &Received) -> Option<u32> {
        let slot = self.sequence.get(received.sequence)?;
        let message = self.slab.get(slot)?;
        let leased = matches!(message.state, MessageState::Leased { offered: false, .. });
        let untouched = message.lease == received.lease && message.due_ms == received.due_ms;
        let runs = message.due_ms > now_ms && !self.is_expired(message, now_ms);
        (leased && untouched && runs).then_some(slot)
    }

    /// The attempt with this id, for `XATTEMPT`.
    pub fn encode_attempt(&self, id: &[u8]) -> Option<Vec<u8>> {
        let hash = hash(b"", id);
        Some(encode(hash, self.attempts.by_hash.get(&hash)?))
    }

    /// All remembered attempts, the newest first, one at a time, for RDB and AOF. Whoever reads one
    /// forgets those that are too old by then, which in the other order could be one that is here
    /// because the clock was set back.
    pub fn encode_attempts(&self, each: &mut dyn FnMut(&[u8])) {
        for (_, hash) in self.attempts.order.iter().rev() {
            if let Some(attempt) = self.attempts.by_hash.get(hash) {
                each(&encode(*hash, attempt));
            }
        }
    }

    /// `XATTEMPT`: remembers an attempt. Errors: [`Error::Corrupt`], and nothing is changed.
    pub fn apply_attempt(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut reader = Reader(bytes);
        let (hash, at_ms) = (reader.u128()?, reader.time_ms()?);
        let mut received = Vec::new();
        while !reader.0.is_empty() {
            let (sequence, lease) = (reader.u64()?, reader.u32()?);
            received.push(Received { sequence, lease, due_ms: reader.time_ms()? });
        }
        if received.len() > BATCH_MAX {
            return Err(Error::Corrupt("an attempt with too many messages"));
        }
        self.attempts.insert(hash, Attempt { at_ms, received: received.into_boxed_slice() });
        Ok(())
    }
}

fn encode(hash: u128, attempt: &Attempt) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&hash.to_le_bytes());
    out.extend_from_slice(&attempt.at_ms.to_le_bytes());
    for received in &attempt.received {
        out.extend_from_slice(&received.sequence.to_le_bytes());
        out.extend_from_slice(&received.lease.to_le_bytes());
        out.extend_from_slice(&received.due_ms.to_le_bytes());
    }
    out
}
