//! What a receive hands out, by the naive model.

use karin_core::limits::REMEMBERED_MS;
use karin_core::{PopOptions, Popped};

use super::{Attempt, Naive, NaiveMessage, NaivePopped, Place};

impl Naive {
    /// What a receive does. Where the order of groups is not known the answer tells it.
    pub(crate) fn pop(
        &mut self,
        now_ms: u64,
        visibility_timeout_ms: u64,
        options: &PopOptions,
        answer: &Popped,
        answered: &dyn Fn(u32) -> (u64, u32),
    ) -> NaivePopped {
        let earliest_ms = self.earliest_ms();
        if let Some(leased) = self.repeat(now_ms, visibility_timeout_ms, options) {
            return NaivePopped { leased, repeated: true, earliest_ms, ..NaivePopped::default() };
        }
        self.offer(now_ms);
        // What groups offer now was due before: no news.
        let earliest_ms = self.earliest_ms();
        let in_flight = self.messages.iter().filter(|m| m.is_in_flight(now_ms)).count() as u64;
        let free = options.in_flight_max.saturating_sub(in_flight);
        let count = options.count.min(usize::try_from(free).unwrap());
        let mut popped = if self.fifo {
            self.learn_rotation(answer, answered);
            let mut popped = self.pick_in_order(now_ms, count, options);
            if self.unsure > 0 {
                let dropped_at = |sequence: &u64| {
                    answer.dropped.iter().position(|(_, dropped)| dropped == sequence)
                };
                let died_at = |sequence: &u64| {
                    answer.died.iter().position(|&slot| answered(slot).0 == *sequence)
                };
                popped.dropped.sort_by_key(dropped_at);
                popped.died.sort_by_key(died_at);
            }
            popped
        } else {
            self.pick_by_turns(now_ms, count, options)
        };
        for &sequence in &popped.dropped {
            self.remove(sequence);
        }
        for &sequence in &popped.died {
            self.bury(sequence, now_ms);
        }
        for (&sequence, &slot) in popped.leased.iter().zip(&answer.leased) {
            self.lease(sequence, now_ms, visibility_timeout_ms, options.holder, answered(slot).1);
        }
        popped.earliest_ms = earliest_ms;
        popped.is_limited = free == 0 && self.next_wait_ms(now_ms) == Some(0);
        self.held_back.here |= popped.is_limited;
        if let Some(id) = options.attempt.filter(|_| !popped.leased.is_empty()) {
            self.note_attempt(id, now_ms, &popped.leased);
        }
        popped
    }

    /// Groups offer what became due since somebody asked.
    fn offer(&mut self, now_ms: u64) {
        let due = |m: &&NaiveMessage| m.group.is_some() && !m.offered && m.is_ready(now_ms);
        let mut offered: Vec<_> =
            self.messages.iter().filter(due).map(|m| (m.due_ms, m.sequence)).collect();
        offered.sort_unstable();
        for (_, sequence) in offered {
            let message = self.get(sequence);
            message.offered = true;
            let group = message.group;
            self.place(group);
        }
    }

    /// Sorts the groups whose order is not known as the answer has them.
    fn learn_rotation(&mut self, answer: &Popped, answered: &dyn Fn(u32) -> (u64, u32)) {
        let leased: Vec<u64> = answer.leased.iter().map(|&slot| answered(slot).0).collect();
        let rank = |&(group, _): &(&'static str, u64)| {
            let of_group =
                |s: &u64| self.messages.iter().any(|m| m.sequence == *s && m.group == Some(group));
            let touched = answer.dropped.iter().any(|(_, s)| of_group(s))
                || answer.died.iter().any(|&slot| of_group(&answered(slot).0));
            let gone = |s: &u64| {
                answer.dropped.iter().any(|(_, dropped)| dropped == s)
                    || answer.died.iter().any(|&slot| answered(slot).0 == *s)
            };
            let mut alive = self.messages.iter().filter(|m| m.group == Some(group) && !m.is_dead());
            let next = alive.find(|m| !gone(&m.sequence));
            match leased.iter().position(of_group) {
                Some(at) => 1 + at,
                // All it offered was dropped or died, or what follows had no room.
                None if touched && !next.is_some_and(|m| m.offered) => 0,
                None if touched => 10_000,
                None => 10_001,
            }
        };
        let mut unsure = self.rotation[..self.unsure].to_vec();
        unsure.sort_by_key(rank);
        self.rotation.splice(..self.unsure, unsure);
    }

    fn pick_in_order(&self, now_ms: u64, count: usize, options: &PopOptions) -> NaivePopped {
        let (mut popped, mut bytes, mut taken_from) = (NaivePopped::default(), 0, 0);
        for &(group, _) in &self.rotation {
            if taken_from == options.groups.unwrap_or(usize::MAX) {
                break;
            }
            let before = popped.leased.len();
            let of_group = self.messages.iter().filter(|m| m.group == Some(group) && !m.is_dead());
            for message in of_group.take_while(|m| m.offered) {
                if popped.leased.len() >= count
                    || !self.pick(message, now_ms, options, &mut popped, &mut bytes)
                {
                    return popped;
                }
            }
            taken_from += usize::from(popped.leased.len() > before);
        }
        popped
    }

    fn pick_by_turns(&self, now_ms: u64, count: usize, options: &PopOptions) -> NaivePopped {
        let (mut popped, mut bytes) = (NaivePopped::default(), 0);
        while popped.leased.len() < count {
            let done: Vec<u64> = [&popped.leased, &popped.dropped, &popped.died]
                .into_iter()
                .flatten()
                .copied()
                .collect();
            let in_flight = |group| {
                let of_group = self.messages.iter().filter(|m| m.group == group);
                let counts = |m: &NaiveMessage| {
                    m.is_in_flight(now_ms) || popped.leased.contains(&m.sequence)
                };
                of_group.filter(|m| counts(m)).count()
            };
            let candidates = self.messages.iter();
            let candidates =
                candidates.filter(|m| m.is_ready(now_ms) && !done.contains(&m.sequence));
            let Some(message) =
                candidates.min_by_key(|m| (in_flight(m.group), m.due_ms, m.sequence))
            else {
                break;
            };
            if !self.pick(message, now_ms, options, &mut popped, &mut bytes) {
                break;
            }
        }
        popped
    }

    /// Decides about one message; `false`: it has no room.
    fn pick(
        &self,
        message: &NaiveMessage,
        now_ms: u64,
        options: &PopOptions,
        popped: &mut NaivePopped,
        bytes: &mut u64,
    ) -> bool {
        if self.is_expired(message, now_ms) {
            popped.dropped.push(message.sequence);
            return true;
        }
        let before = message.receives_before;
        let here = message.receive_count - if message.receive_count < before { 0 } else { before };
        if self.max_receive_count.is_some_and(|max| here >= max) {
            popped.died.push(message.sequence);
            return true;
        }
        *bytes += (message.body.len() + message.attributes.len()) as u64;
        if !popped.leased.is_empty() && options.max_bytes.is_some_and(|max| *bytes > max) {
            return false;
        }
        popped.leased.push(message.sequence);
        true
    }

    fn bury(&mut self, sequence: u64, now_ms: u64) {
        self.last_dead += 1;
        let number = self.last_dead;
        let message = self.get(sequence);
        message.place = Place::Dead { number };
        message.due_ms = now_ms;
        message.offered = false;
        let group = message.group;
        self.place(group);
    }

    /// Which of the messages a person chose are leased.
    pub(crate) fn choose(
        &self,
        now_ms: u64,
        sequences: &[u64],
        options: &PopOptions<'_>,
    ) -> Vec<u64> {
        let in_flight = self.messages.iter().filter(|m| m.is_in_flight(now_ms)).count() as u64;
        let free = options.in_flight_max.saturating_sub(in_flight) as usize;
        let (mut chosen, mut bytes) = (Vec::new(), 0);
        for sequence in sequences {
            let Some(message) = self.messages.iter().find(|m| m.sequence == *sequence) else {
                continue;
            };
            let is_free = !message.is_dead()
                && !message.is_in_flight(now_ms)
                && !self.is_expired(message, now_ms);
            if !is_free || chosen.contains(sequence) {
                continue;
            }
            bytes += (message.body.len() + message.attributes.len()) as u64;
            let fits = chosen.is_empty() || options.max_bytes.is_none_or(|max| bytes <= max);
            if !fits || chosen.len() == free {
                break;
            }
            chosen.push(*sequence);
        }
        chosen
    }

    pub(crate) fn lease(
        &mut self,
        sequence: u64,
        now_ms: u64,
        timeout_ms: u64,
        holder: u32,
        lease: u32,
    ) {
        let message = self.get(sequence);
        message.due_ms = now_ms + timeout_ms;
        message.since_ms = message.due_ms - timeout_ms.next_multiple_of(1_000);
        message.receive_count += 1;
        if message.first_received_ms == 0 {
            message.first_received_ms = now_ms;
        }
        message.lease = lease;
        message.place = Place::Leased { leased_ms: now_ms, holder };
        message.offered = message.group.is_some() && timeout_ms == 0;
        let group = message.group;
        self.place(group);
    }

    fn note_attempt(&mut self, id: &[u8], at_ms: u64, sequences: &[u64]) {
        let received = sequences.iter().map(|&sequence| {
            let message = self.get(sequence);
            (sequence, message.lease, message.due_ms)
        });
        let received = received.collect();
        self.attempts.retain(|a| a.id != id);
        self.attempts.push(Attempt { id: id.to_vec(), at_ms, received });
    }

    fn repeat(&mut self, now_ms: u64, timeout_ms: u64, options: &PopOptions) -> Option<Vec<u64>> {
        let id = options.attempt?;
        let attempt = self.attempts.iter().find(|a| a.id == id)?.clone();
        let untouched = |&(sequence, lease, due_ms): &(u64, u32, u64)| {
            let message = self.messages.iter().find(|m| m.sequence == sequence);
            message.is_some_and(|m| {
                m.is_in_flight(now_ms)
                    && (m.lease, m.due_ms) == (lease, due_ms)
                    && !self.is_expired(m, now_ms)
            })
        };
        if attempt.at_ms + REMEMBERED_MS <= now_ms || !attempt.received.iter().all(untouched) {
            return None;
        }
        let sequences: Vec<u64> = attempt.received.iter().map(|received| received.0).collect();
        for &sequence in &sequences {
            self.set_due(sequence, now_ms, timeout_ms);
        }
        self.note_attempt(id, attempt.at_ms, &sequences);
        Some(sequences)
    }

    pub(super) fn set_due(&mut self, sequence: u64, now_ms: u64, after_ms: u64) {
        let message = self.get(sequence);
        let sooner =
            matches!(message.place, Place::Leased { .. }) && now_ms + after_ms < message.due_ms;
        message.due_ms = now_ms + after_ms;
        message.since_ms = match message.place {
            Place::Leased { .. } => message.due_ms - after_ms.next_multiple_of(1_000),
            _ => now_ms,
        };
        message.offered = message.group.is_some() && after_ms == 0;
        let group = message.group;
        self.place(group);
        if sooner {
            self.note_room();
        }
    }
}
