//! The queue, its replica and the naive model, side by side.

use karin_core::dedup::content_dedup_id;
use karin_core::snapshot::{Meta, encode_slot};
use karin_core::{
    AttributeName, Attributes, Corrected, Dropped, Error, Extension, Letter, Moved, Outcome,
    PopOptions, Queue, Receipt, SendOptions, State, Tags,
};

use crate::common::{T0, counts, digest, reloaded, rewritten};
use crate::model::{Kind, Pop, Send, Transition};
use crate::naive::{Naive, NaiveMessage, Place};

const GROUPS: [&str; 4] = ["a", "b", "c", "d"];
const SOURCE: &[u8] = b"source";

pub(crate) struct World {
    kind: Kind,
    queue: Queue,
    replica: Queue,
    naive: Naive,
    now_ms: u64,
    receipts: Vec<Receipt>,
    leases: u32,
}

impl World {
    pub(crate) fn new(kind: Kind) -> Self {
        let mut attributes = Attributes::default();
        attributes.message_retention_period_ms = 60_000;
        attributes.fifo = kind == Kind::Fifo;
        attributes.max_receive_count = Some(2);
        let naive = Naive::new(attributes.fifo, attributes.message_retention_period_ms);
        let queue = Queue::new(42, T0, attributes, Tags::default());
        let replica = Queue::decode_header(&queue.encode_header()).unwrap();
        Self { kind, queue, replica, naive, now_ms: T0, receipts: Vec::new(), leases: 0 }
    }

    pub(crate) fn apply(&mut self, transition: &Transition) {
        let before = self.naive.earliest_ms();
        let mut hints = true;
        match *transition {
            Transition::Send(ref sends) => self.send_all(sends),
            Transition::Pop(ref pop) => return self.pop(pop),
            Transition::Acknowledge { pick, demand } => self.acknowledge(pick, demand),
            Transition::Extend { pick, visibility_timeout_ms, demand, unchanged } => {
                self.extend(
                    pick,
                    unchanged,
                    Extension { visibility_timeout_ms, demand, unless_changed_due_ms: None },
                );
            }
            Transition::Release { pick, delay_ms } => self.release(pick, delay_ms),
            Transition::ReleaseHolder { holder, max } => self.release_holder(holder, max),
            Transition::Drop { pick, force } => self.drop_chosen(pick, force),
            Transition::Lease { ref picks, visibility_timeout_ms, max_bytes, in_flight_max } => {
                let options = PopOptions {
                    visibility_timeout_ms: Some(visibility_timeout_ms),
                    max_bytes,
                    in_flight_max,
                    ..PopOptions::default()
                };
                self.lease_chosen(picks, visibility_timeout_ms, &options);
            }
            Transition::Purge => self.purge(),
            Transition::Set { name, value } => self.set(name, value),
            Transition::Revive { count, keep_count } => self.revive(count, keep_count),
            Transition::AcknowledgeLetters { up_to } => self.acknowledge_letters(up_to),
            Transition::Sweep { budget } => self.sweep(budget),
            Transition::Advance { ms } => self.now_ms += ms,
            Transition::StepBack { ms, correct } => self.step_back(ms, correct),
            Transition::Reload { entries } => {
                self.queue = match entries {
                    0 => rewritten(&self.queue),
                    _ => reloaded(&self.queue, entries),
                };
                self.naive.reload();
                hints = false;
            }
            Transition::Promote => {
                std::mem::swap(&mut self.queue, &mut self.replica);
                self.naive.promote();
                hints = false;
            }
        }
        self.check_hint(before, hints);
    }

    /// A hint comes when, and only when, the earliest due time became earlier or there is room for
    /// who was held back.
    fn check_hint(&mut self, before: Option<u64>, hints: bool) {
        let due_ms = self.queue.take_hint().map(|hint| hint.due_ms);
        let after = self.naive.earliest_ms();
        let room = self.naive.take_room();
        let news = after.filter(|&after| room || before.is_none_or(|before| after < before));
        if hints {
            assert_eq!(due_ms, news);
        }
    }

    /// Sends messages, of which the replica is told in one effect.
    fn send_all(&mut self, sends: &[Send]) {
        let slots: Vec<u32> = sends.iter().filter_map(|send| self.send(send)).collect();
        let metas: Vec<_> =
            slots.iter().map(|&slot| self.queue.encode_meta(slot).unwrap()).collect();
        let payloads = slots.iter().map(|&slot| self.queue.payload(slot).unwrap());
        let puts: Vec<_> = metas.iter().map(Meta::as_slice).zip(payloads).collect();
        self.naive.tell_replica();
        self.replica.apply_puts(&puts).unwrap();
        self.replica.apply_puts(&puts).unwrap();
    }

    /// Sends a message; its slot unless it was refused or a duplicate.
    fn send(&mut self, send: &Send) -> Option<u32> {
        let group = match self.kind {
            Kind::Plain => None,
            Kind::Fair => (send.group > 0).then(|| GROUPS[send.group]),
            Kind::Fifo => Some(GROUPS[send.group]),
        };
        let body = vec![b'x'; send.length];
        let is_fifo = self.kind == Kind::Fifo;
        let explicit = send.dedup_id.filter(|_| is_fifo).map(|id| [id]);
        let moved = send.moved.map_or(Moved::default(), |mover| {
            let letter = Letter { source_uid: mover.source_uid, number: mover.number };
            Moved {
                from: (mover.number > 0).then_some(letter),
                id: mover.has_names.then_some([b'a'; 36]),
                source: mover.has_names.then_some(SOURCE),
                sent_ms: Some(self.now_ms - mover.age_ms),
                first_received_ms: T0 - 9,
                receive_count: mover.receive_count,
            }
        });
        let options = SendOptions {
            body: &body,
            attributes: if send.length.is_multiple_of(2) { b"" } else { b"at" },
            delay_ms: (!is_fifo).then_some(send.delay_ms),
            group: group.map(str::as_bytes),
            dedup_id: explicit.as_ref().map(|id| &id[..]),
            dedup_ids_max: send.dedup_ids_max,
            moved,
            ..SendOptions::default()
        };
        let expected = self.expect_sent(&options, group);
        let answer = self.queue.send(self.now_ms, &options);
        assert_eq!(answer.map(|sent| (sent.sequence, sent.slot.is_some())), expected);
        let slot = answer.ok().and_then(|sent| sent.slot)?;
        if let Some(letter) = moved.from {
            self.replica.apply_watermark(letter);
        }
        Some(slot)
    }

    /// What a send must answer: sequence number, and whether it is no duplicate.
    fn expect_sent(
        &mut self,
        options: &SendOptions<'_>,
        group: Option<&'static str>,
    ) -> Result<(u64, bool), Error> {
        let (now_ms, moved, naive) = (self.now_ms, &options.moved, &mut self.naive);
        if let Some(letter) = moved.from
            && naive.watermark(letter.source_uid) >= letter.number
        {
            return Err(Error::Moved { watermark: naive.watermark(letter.source_uid) });
        }
        let content = content_dedup_id(options.body);
        let by_content = self.queue.attributes().content_based_deduplication;
        let dedup_id = match options.dedup_id {
            _ if !naive.fifo => &[][..],
            Some(id) => id,
            None if by_content => &content,
            None => return Err(Error::DeduplicationRequired),
        };
        let scope = group.filter(|_| naive.per_group).unwrap_or_default().to_owned();
        let key = naive.fifo.then(|| (scope, dedup_id.to_vec()));
        if let Some(key) = &key {
            if let Some(sequence) = naive.find_duplicate(key, now_ms)
                && moved.from.is_none()
            {
                return Ok((sequence, false));
            }
            if naive.is_full_of_ids(now_ms, options.dedup_ids_max) {
                return Err(Error::Throttled);
            }
        }
        let sequence = naive.last_sequence + 1;
        let delay_ms = options.delay_ms.unwrap_or(naive.delay_ms);
        let receive_count = moved.receive_count;
        naive.push(NaiveMessage {
            sequence,
            sent_ms: moved.sent_ms.filter(|_| !naive.fifo).unwrap_or(now_ms),
            due_ms: now_ms + delay_ms,
            since_ms: now_ms,
            group,
            place: Place::Waiting,
            offered: delay_ms == 0,
            offered_there: false,
            lease: 0,
            receive_count,
            receives_before: receive_count,
            first_received_ms: if receive_count == 0 { 0 } else { moved.first_received_ms },
            body: options.body.to_vec(),
            attributes: if options.attributes.is_empty() { b"" } else { b"at" },
            dedup_id: dedup_id.to_vec(),
            id: moved.id,
            source: if moved.source.is_some() { SOURCE } else { b"" },
        });
        if let Some(key) = key {
            naive.accept(key, now_ms);
        }
        naive.watermarks.extend(moved.from);
        Ok((sequence, true))
    }

    fn tell_states(&mut self, slots: &[u32]) {
        let mut states = Vec::new();
        for &slot in slots {
            self.queue.encode_state(slot, &mut states);
            self.naive.tell(self.queue.view(slot).unwrap().sequence);
        }
        self.naive.tell_replica();
        self.replica.apply_states(&states).unwrap();
        self.replica.apply_states(&states).unwrap();
    }

    fn tell_deleted(&mut self, deleted: &[(u32, u64)]) {
        let mut slots = Vec::new();
        for &(slot, sequence) in deleted {
            encode_slot(&mut slots, slot, sequence);
        }
        self.naive.tell_replica();
        self.replica.apply_delete(&slots).unwrap();
        self.replica.apply_delete(&slots).unwrap();
    }

    fn sequences(&self, slots: &[u32]) -> Vec<u64> {
        slots.iter().map(|&slot| self.queue.view(slot).unwrap().sequence).collect()
    }

    fn pop(&mut self, pop: &Pop) {
        let attempt = pop.attempt.map(|id| [id]);
        let options = PopOptions {
            count: pop.count,
            visibility_timeout_ms: pop.visibility_timeout_ms,
            max_bytes: pop.max_bytes,
            groups: pop.groups,
            holder: pop.holder,
            attempt: attempt.as_ref().map(|id| &id[..]),
            in_flight_max: pop.in_flight_max,
        };
        let default_ms = self.queue.attributes().visibility_timeout_ms;
        let timeout_ms = pop.visibility_timeout_ms.unwrap_or(default_ms);
        let (queue, leases) = (&mut self.queue, &mut self.leases);
        let popped = queue.pop_due(self.now_ms, &options, &mut || {
            *leases += 1;
            *leases
        });
        let queue = &self.queue;
        let answered = |slot| {
            let view = queue.view(slot).unwrap();
            (view.sequence, view.lease)
        };
        let expected = self.naive.pop(self.now_ms, timeout_ms, &options, &popped, &answered);
        assert_eq!(self.sequences(&popped.leased), expected.leased);
        let dropped: Vec<u64> = popped.dropped.iter().map(|&(_, sequence)| sequence).collect();
        assert_eq!(dropped, expected.dropped);
        assert_eq!(self.sequences(&popped.died), expected.died);
        assert_eq!((popped.repeated, popped.is_limited), (expected.repeated, expected.is_limited));
        self.receipts.extend(popped.leased.iter().map(|&slot| self.queue.receipt(slot).unwrap()));
        self.tell_deleted(&popped.dropped);
        self.tell_states(&popped.died);
        self.tell_states(&popped.leased);
        if let Some(id) = options.attempt.filter(|_| !popped.leased.is_empty()) {
            let attempt = self.queue.encode_attempt(id).unwrap();
            self.replica.apply_attempt(&attempt).unwrap();
            self.replica.apply_attempt(&attempt).unwrap();
        }
        self.check_hint(expected.earliest_ms, true);
    }

    fn picked(&self, pick: usize) -> Option<Receipt> {
        self.receipts.get(pick % self.receipts.len().max(1)).copied()
    }

    fn acknowledge(&mut self, pick: usize, demand: karin_core::Demand) {
        let Some(receipt) = self.picked(pick) else { return };
        let expected = self.naive.may(self.now_ms, (receipt.sequence, receipt.lease), demand);
        assert_eq!(self.queue.acknowledge(self.now_ms, &receipt, demand), expected);
        if expected == Outcome::Done {
            self.naive.remove(receipt.sequence);
            self.tell_deleted(&[(receipt.slot, receipt.sequence)]);
        }
    }

    fn extend(&mut self, pick: usize, unchanged: Option<bool>, mut extension: Extension) {
        let Some(receipt) = self.picked(pick) else { return };
        let due_ms = self.naive.find(receipt.sequence).map_or(0, |m| m.due_ms);
        extension.unless_changed_due_ms = unchanged.map(|same| due_ms + u64::from(!same));
        let expected =
            self.naive.extend(self.now_ms, (receipt.sequence, receipt.lease), &extension);
        assert_eq!(self.queue.extend(self.now_ms, &receipt, &extension), expected);
        if expected == Outcome::Done {
            self.tell_states(&[receipt.slot]);
        }
    }

    fn release(&mut self, pick: usize, delay_ms: u64) {
        let Some(receipt) = self.picked(pick) else { return };
        let expected = self.naive.may_release((receipt.sequence, receipt.lease));
        assert_eq!(self.queue.release(self.now_ms, &receipt, delay_ms), expected);
        if expected == Outcome::Done {
            self.naive.give_back(receipt.sequence, self.now_ms, delay_ms);
            self.tell_states(&[receipt.slot]);
        }
    }

    fn release_holder(&mut self, holder: u32, max: usize) {
        let expected = self.naive.held_by(self.now_ms, holder, max);
        let slots = self.queue.release_holder(self.now_ms, holder, max);
        assert_eq!(self.sequences(&slots), expected);
        for sequence in expected {
            self.naive.give_back(sequence, self.now_ms, 0);
        }
        self.tell_states(&slots);
    }

    /// Mostly a message that is there.
    fn chosen(&self, pick: usize) -> u64 {
        let all = &self.naive.messages;
        match all.get(pick / 4 % all.len().max(1)) {
            Some(message) if !pick.is_multiple_of(4) => message.sequence,
            _ => (pick / 4) as u64 % (self.naive.last_sequence + 2),
        }
    }

    fn drop_chosen(&mut self, pick: usize, force: bool) {
        let sequence = self.chosen(pick);
        let now_ms = self.now_ms;
        let message = self.naive.find(sequence).map(|message| message.is_in_flight(now_ms));
        let dropped = self.queue.drop_chosen(now_ms, sequence, force);
        if let Dropped::Done(slot) = dropped {
            assert!(message.is_some_and(|is_in_flight| force || !is_in_flight));
            self.naive.remove(sequence);
            self.tell_deleted(&[(slot, sequence)]);
        } else {
            let expected = message.map_or(Dropped::Gone, |_| Dropped::InFlight);
            assert_eq!(dropped, expected);
            assert!(!force || message.is_none());
        }
    }

    fn lease_chosen(&mut self, picks: &[usize], timeout_ms: u64, options: &PopOptions<'_>) {
        let sequences: Vec<u64> = picks.iter().map(|&pick| self.chosen(pick)).collect();
        let expected = self.naive.choose(self.now_ms, &sequences, options);
        let (queue, leases) = (&mut self.queue, &mut self.leases);
        let slots = queue.lease_chosen(self.now_ms, &sequences, options, &mut || {
            *leases += 1;
            *leases
        });
        assert_eq!(self.sequences(&slots), expected);
        for &slot in &slots {
            let view = self.queue.view(slot).unwrap();
            self.naive.lease(view.sequence, self.now_ms, timeout_ms, 0, view.lease);
        }
        self.receipts.extend(slots.iter().map(|&slot| self.queue.receipt(slot).unwrap()));
        self.tell_states(&slots);
    }

    fn purge(&mut self) {
        assert_eq!(self.queue.purge().count(), self.naive.messages.len() as u64);
        self.naive.purge();
        self.replica.apply_purge(self.queue.last_sequence());
    }

    fn set(&mut self, name: AttributeName, value: &str) {
        let mut attributes = self.queue.attributes().clone();
        if attributes.set(name, value.as_bytes()).is_err() {
            assert!(!self.naive.fifo);
            return;
        }
        let has_target = attributes.get(AttributeName::DeadLetterTargetArn).is_some();
        self.naive.max_receive_count = attributes.max_receive_count.filter(|_| has_target);
        self.naive.retention_ms = attributes.message_retention_period_ms;
        self.naive.per_group =
            attributes.get(AttributeName::DeduplicationScope).as_deref() == Some(b"messageGroup");
        self.naive.set_delay(attributes.delay_ms);
        self.queue.set_attributes(self.now_ms, attributes);
        self.replica.apply_header(&self.queue.encode_header()).unwrap();
    }

    fn revive(&mut self, count: usize, keep_count: bool) {
        let expected = self.naive.revive(self.now_ms, count, keep_count);
        let slots = self.queue.revive(self.now_ms, count, keep_count);
        assert_eq!(self.sequences(&slots), expected);
        self.tell_states(&slots);
    }

    fn acknowledge_letters(&mut self, up_to: u64) {
        let letters = self.naive.letters().into_iter().filter(|&(number, _)| number <= up_to);
        let expected: Vec<u64> = letters.map(|(_, sequence)| sequence).collect();
        let moved = self.queue.acknowledge_letters(up_to);
        assert_eq!(moved.iter().map(|&(_, sequence)| sequence).collect::<Vec<_>>(), expected);
        for sequence in expected {
            self.naive.remove(sequence);
        }
        self.tell_deleted(&moved);
    }

    fn sweep(&mut self, budget: usize) {
        let expired = self.naive.expired(self.now_ms);
        let first = self.naive.messages.iter().take(budget);
        let first: Vec<u64> =
            first.map(|m| m.sequence).take_while(|sequence| expired.contains(sequence)).collect();
        let has_old_ids = self.naive.has_old_ids(self.now_ms);
        let swept = self.queue.sweep(self.now_ms, budget);
        let dropped: Vec<u64> = swept.dropped.iter().map(|&(_, sequence)| sequence).collect();
        assert!(dropped.starts_with(&first), "{first:?} are the oldest of {dropped:?}");
        assert!(dropped.iter().all(|sequence| expired.contains(sequence)));
        assert_eq!(swept.forgot_until_ms.is_some(), has_old_ids);
        for sequence in dropped {
            self.naive.remove(sequence);
        }
        self.tell_deleted(&swept.dropped);
        if let Some(until_ms) = swept.forgot_until_ms {
            assert!(until_ms + 300_000 <= self.now_ms);
            self.naive.forget(until_ms);
            self.replica.apply_forget(until_ms);
        }
    }

    fn step_back(&mut self, ms: u64, correct: bool) {
        self.now_ms -= ms;
        if correct {
            let expected = self.naive.correct_times(self.now_ms, ms);
            let corrected = self.queue.correct_times(self.now_ms, ms, 0, usize::MAX);
            assert_eq!((self.sequences(&corrected.slots), corrected.next), (expected, None));
            self.tell_states(&corrected.slots);
            for _ in 0..2 {
                self.replica.apply_dedup(&corrected.ids).unwrap();
                for attempt in &corrected.attempts {
                    self.replica.apply_attempt(attempt).unwrap();
                }
            }
            let again = self.queue.correct_times(self.now_ms, ms, 0, usize::MAX);
            assert_eq!(again, Corrected::default(), "all is right");
        }
    }

    pub(crate) fn check(&mut self) {
        self.queue.check().unwrap();
        self.replica.check().unwrap();
        assert_eq!(digest(&self.queue), digest(&self.replica));
        let (naive, now_ms) = (&self.naive, self.now_ms);
        let count = |is: &dyn Fn(&NaiveMessage) -> bool| {
            naive.messages.iter().filter(|m| is(m)).count() as u64
        };
        let dead = count(&NaiveMessage::is_dead);
        let ready = count(&|m| m.is_ready(now_ms));
        let in_flight = count(&|m| m.is_in_flight(now_ms));
        let delayed = count(&|_| true) - dead - ready - in_flight;
        assert_eq!(self.queue.counts(now_ms), counts(ready, delayed, in_flight, dead));
        assert_eq!(self.queue.next_wait_ms(now_ms), naive.next_wait_ms(now_ms));
        let letters = self.queue.letters(0, usize::MAX);
        let letters =
            letters.into_iter().map(|(number, slot)| (number, self.sequences(&[slot])[0]));
        assert_eq!(letters.collect::<Vec<_>>(), naive.letters());
        assert_eq!(self.queue.last_dead_number(), naive.last_dead);
        let watermarks: Vec<_> = self.queue.watermarks().collect();
        assert!(watermarks.iter().all(|&(uid, number)| naive.watermark(uid) == number));
        assert_eq!(
            self.queue.oldest_sent_ms(1_000),
            naive.messages.iter().find(|m| !m.is_dead()).map(|m| m.sent_ms)
        );
        self.check_messages();
    }

    fn check_messages(&self) {
        let slots: Vec<u32> = self.queue.slots().collect();
        let expected: Vec<u64> = self.naive.messages.iter().map(|m| m.sequence).collect();
        assert_eq!(self.sequences(&slots), expected);
        let states = self.queue.peek(self.now_ms, None, 0, usize::MAX).messages;
        for (slot, message) in slots.into_iter().zip(&self.naive.messages) {
            let view = self.queue.view(slot).unwrap();
            assert_eq!(view.sent_ms, message.sent_ms);
            assert_eq!(view.due_ms, message.due_ms);
            assert_eq!((view.lease, view.receive_count), (message.lease, message.receive_count));
            assert_eq!(view.first_received_ms, message.first_received_ms);
            assert_eq!(view.group, message.group.unwrap_or_default().as_bytes());
            assert_eq!((view.body, view.attributes), (&message.body[..], message.attributes));
            assert_eq!((view.dedup_id, view.source), (&message.dedup_id[..], message.source));
            if let Some(id) = message.id {
                assert_eq!(self.queue.message_id(view.sequence), id);
            }
            let state = match message.place {
                Place::Dead { .. } => State::Dead,
                _ if message.is_ready(self.now_ms) => State::Ready,
                Place::Leased { .. } => State::InFlight,
                Place::Waiting => State::Delayed,
            };
            if let Some(&(_, seen)) = states.iter().find(|&&(at, _)| at == slot) {
                assert_eq!(seen, state);
            }
        }
    }
}
