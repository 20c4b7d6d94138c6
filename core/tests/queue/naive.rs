//! The obvious implementation of a queue: a `Vec`, scans, and for FIFO a list of the groups that
//! offer something. What the real one must do.

use karin_core::limits::{REMEMBERED_MS, VISIBILITY_TIMEOUT_MS_MAX};
use karin_core::{Demand, Extension, Letter, Outcome};

mod receive;

/// How many ids that are too old one acceptance forgets.
const FORGET_AT_A_TIME: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Waiting,
    Leased { leased_ms: u64, holder: u32 },
    Dead { number: u64 },
}

#[derive(Debug, Clone)]
pub(crate) struct NaiveMessage {
    pub(crate) sequence: u64,
    pub(crate) sent_ms: u64,
    pub(crate) due_ms: u64,
    /// When the due time was computed; of a lease in whole seconds before it.
    pub(crate) since_ms: u64,
    pub(crate) group: Option<&'static str>,
    pub(crate) place: Place,
    /// It waits for no time any more, even if the clock steps back: it was sent for at once, or its
    /// group offers it since somebody asked.
    pub(crate) offered: bool,
    /// The same on the replica, which is not asked.
    pub(crate) offered_there: bool,
    pub(crate) lease: u32,
    pub(crate) receive_count: u32,
    pub(crate) receives_before: u32,
    pub(crate) first_received_ms: u64,
    pub(crate) body: Vec<u8>,
    pub(crate) attributes: &'static [u8],
    pub(crate) dedup_id: Vec<u8>,
    pub(crate) id: Option<[u8; 36]>,
    pub(crate) source: &'static [u8],
}

impl NaiveMessage {
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.place, Place::Dead { .. })
    }

    pub(crate) fn is_ready(&self, now_ms: u64) -> bool {
        !self.is_dead() && (self.offered || self.due_ms <= now_ms)
    }

    pub(crate) fn is_in_flight(&self, now_ms: u64) -> bool {
        matches!(self.place, Place::Leased { .. }) && !self.is_ready(now_ms)
    }

    /// What a record tells of `offered`.
    fn is_told_offered(&self) -> bool {
        let is_new = self.place == Place::Waiting && self.receive_count == 0;
        self.offered && is_new && self.since_ms == self.due_ms
    }
}

/// What a receive must answer, in sequence numbers.
#[derive(Debug, Default)]
pub(crate) struct NaivePopped {
    pub(crate) leased: Vec<u64>,
    pub(crate) dropped: Vec<u64>,
    pub(crate) died: Vec<u64>,
    pub(crate) repeated: bool,
    pub(crate) is_limited: bool,
    /// The earliest due time as waiters knew it before.
    pub(crate) earliest_ms: Option<u64>,
}

#[derive(Debug, Clone)]
struct Accepted {
    key: (String, Vec<u8>),
    sequence: u64,
    at_ms: u64,
}

#[derive(Debug, Clone)]
struct Attempt {
    id: Vec<u8>,
    at_ms: u64,
    received: Vec<(u64, u32, u64)>,
}

#[derive(Debug, Default)]
pub(crate) struct Naive {
    pub(crate) fifo: bool,
    /// In the order of their sequence numbers.
    pub(crate) messages: Vec<NaiveMessage>,
    pub(crate) last_sequence: u64,
    pub(crate) last_dead: u64,
    pub(crate) retention_ms: u64,
    pub(crate) delay_ms: u64,
    pub(crate) max_receive_count: Option<u32>,
    pub(crate) per_group: bool,
    pub(crate) watermarks: Vec<Letter>,
    /// FIFO: groups that offer something and the first message of each.
    rotation: Vec<(&'static str, u64)>,
    /// In which order the first of the rotation are is not known.
    unsure: usize,
    accepted: Vec<Accepted>,
    attempts: Vec<Attempt>,
    held_back: HeldBack,
}

/// Who was refused messages because too many are in flight.
#[derive(Debug, Default)]
struct HeldBack {
    /// Somebody was.
    here: bool,
    /// The same on the replica, from when it was asked.
    there: bool,
    /// There is room for them again.
    room: bool,
}

impl Naive {
    pub(crate) fn new(fifo: bool, retention_ms: u64) -> Self {
        Self { fifo, retention_ms, ..Self::default() }
    }

    pub(crate) fn find(&mut self, sequence: u64) -> Option<&mut NaiveMessage> {
        self.messages.iter_mut().find(|m| m.sequence == sequence)
    }

    fn get(&mut self, sequence: u64) -> &mut NaiveMessage {
        self.find(sequence).unwrap()
    }

    pub(crate) fn remove(&mut self, sequence: u64) {
        let at = self.messages.iter().position(|m| m.sequence == sequence).unwrap();
        let NaiveMessage { group, place, .. } = self.messages.remove(at);
        self.place(group);
        if matches!(place, Place::Leased { .. }) {
            self.note_room();
        }
    }

    fn is_expired(&self, message: &NaiveMessage, now_ms: u64) -> bool {
        message.sent_ms + self.retention_ms <= now_ms
    }

    fn front(&self, group: &'static str) -> Option<&NaiveMessage> {
        self.messages.iter().find(|m| m.group == Some(group) && !m.is_dead())
    }

    /// A group whose front changed goes to the back of the rotation.
    fn place(&mut self, group: Option<&'static str>) {
        let Some(group) = group.filter(|_| self.fifo) else { return };
        let front = self.front(group).filter(|m| m.offered).map(|m| (group, m.sequence));
        let present = self.rotation.iter().position(|&(name, _)| name == group);
        if front.is_some() && present.map(|at| self.rotation[at]) == front {
            return;
        }
        if let Some(at) = present {
            self.rotation.remove(at);
            self.unsure -= usize::from(at < self.unsure);
        }
        self.rotation.extend(front);
    }

    /// After a load or a promotion: which groups offer something is known, their order is not.
    pub(crate) fn forget_rotation(&mut self) {
        self.rotation.clear();
        let groups: Vec<_> = self.messages.iter().map(|m| m.group).collect();
        for group in groups {
            self.place(group);
        }
        self.unsure = self.rotation.len();
    }

    fn note_room(&mut self) {
        self.held_back.room |= std::mem::take(&mut self.held_back.here);
    }

    /// Whether there is room for those who were held back; asked once.
    pub(crate) fn take_room(&mut self) -> bool {
        std::mem::take(&mut self.held_back.room)
    }

    /// The replica is told something.
    pub(crate) fn tell_replica(&mut self) {
        self.held_back.there = false;
    }

    /// The replica is told all of a message.
    pub(crate) fn tell(&mut self, sequence: u64) {
        let message = self.get(sequence);
        message.offered_there = message.is_told_offered();
    }

    pub(crate) fn reload(&mut self) {
        for message in &mut self.messages {
            message.offered = message.is_told_offered();
        }
        self.held_back.here = false;
        self.forget_rotation();
    }

    pub(crate) fn promote(&mut self) {
        for message in &mut self.messages {
            std::mem::swap(&mut message.offered, &mut message.offered_there);
        }
        let HeldBack { here, there, .. } = &mut self.held_back;
        std::mem::swap(here, there);
        self.forget_rotation();
    }

    /// The earliest due time as waiters are told it; 0: something is offered by a group.
    pub(crate) fn earliest_ms(&self) -> Option<u64> {
        let alive = || self.messages.iter().filter(|m| !m.is_dead());
        if alive().any(|m| m.group.is_some() && m.offered && self.is_turn(m)) {
            return Some(0);
        }
        alive().filter(|m| m.group.is_none() || !m.offered).map(|m| m.due_ms).min()
    }

    fn is_turn(&self, message: &NaiveMessage) -> bool {
        !self.fifo || self.rotation.contains(&(message.group.unwrap(), message.sequence))
    }

    pub(crate) fn next_wait_ms(&self, now_ms: u64) -> Option<u64> {
        let at_once = self.messages.iter().any(|m| m.group.is_none() && m.offered);
        let earliest_ms = if at_once { Some(0) } else { self.earliest_ms() };
        earliest_ms.map(|due_ms| due_ms.saturating_sub(now_ms))
    }

    // Sending.

    pub(crate) fn find_duplicate(&self, key: &(String, Vec<u8>), now_ms: u64) -> Option<u64> {
        let accepted = self.accepted.iter().find(|a| a.key == *key)?;
        (accepted.at_ms + REMEMBERED_MS > now_ms).then_some(accepted.sequence)
    }

    pub(crate) fn is_full_of_ids(&self, now_ms: u64, max: u64) -> bool {
        let is_old = |a: &Accepted| a.at_ms + REMEMBERED_MS <= now_ms;
        self.accepted.len() as u64 >= max && !self.accepted.first().is_some_and(is_old)
    }

    pub(crate) fn accept(&mut self, key: (String, Vec<u8>), now_ms: u64) {
        let sequence = self.last_sequence;
        self.forget_ids(now_ms.saturating_sub(REMEMBERED_MS), FORGET_AT_A_TIME);
        self.accepted.retain(|a| a.key != key);
        self.accepted.push(Accepted { key, sequence, at_ms: now_ms });
    }

    fn forget_ids(&mut self, until_ms: u64, most: usize) {
        let old = self.accepted.iter().take_while(|a| a.at_ms <= until_ms).count();
        self.accepted.drain(..old.min(most));
    }

    /// The sweep forgot what was accepted until then.
    pub(crate) fn forget(&mut self, until_ms: u64) {
        self.forget_ids(until_ms, usize::MAX);
        self.attempts.retain(|a| a.at_ms > until_ms);
    }

    /// Whether a sweep finds ids to forget.
    pub(crate) fn has_old_ids(&self, now_ms: u64) -> bool {
        let is_old = |at_ms: u64| at_ms + REMEMBERED_MS <= now_ms;
        self.accepted.first().is_some_and(|a| is_old(a.at_ms))
            || self.attempts.iter().any(|a| is_old(a.at_ms))
    }

    pub(crate) fn push(&mut self, mut message: NaiveMessage) {
        let plain = self.messages.iter().filter(|m| m.group.is_none() && m.offered);
        // What would break the order of due times waits for its time.
        let in_order = plain.into_iter().all(|m| m.due_ms <= message.due_ms);
        if message.group.is_none() {
            message.offered &= message.receive_count == 0 && in_order;
        }
        let (group, sequence) = (message.group, message.sequence);
        self.last_sequence = sequence;
        self.messages.push(message);
        self.tell(sequence);
        self.place(group);
    }

    pub(crate) fn purge(&mut self) {
        self.messages.clear();
        self.rotation.clear();
        self.accepted.clear();
        self.attempts.clear();
        self.unsure = 0;
        (self.held_back.here, self.held_back.there) = (false, false);
    }

    /// Another delay counts in a FIFO queue for what was never received.
    pub(crate) fn set_delay(&mut self, delay_ms: u64) {
        let changed = self.delay_ms != delay_ms;
        self.delay_ms = delay_ms;
        for at in 0..self.messages.len() {
            let message = &mut self.messages[at];
            let is_new = message.place == Place::Waiting && message.receive_count == 0;
            if self.fifo && changed && is_new {
                message.since_ms = message.since_ms.min(message.sent_ms);
                message.due_ms = message.since_ms + delay_ms;
                message.offered = delay_ms == 0;
                message.offered_there = message.offered;
                let group = message.group;
                self.place(group);
            }
        }
    }

    // What a receipt can do.

    pub(crate) fn may(&self, now_ms: u64, receipt: (u64, u32), demand: Demand) -> Outcome {
        let (sequence, lease) = receipt;
        let alive = |m: &&NaiveMessage| m.sequence == sequence && !m.is_dead();
        let Some(message) = self.messages.iter().find(alive) else { return Outcome::Gone };
        let is_current = matches!(message.place, Place::Leased { .. }) && message.lease == lease;
        match demand {
            _ if self.fifo && !(is_current && message.is_in_flight(now_ms)) => Outcome::Stale,
            Demand::Current if !is_current => Outcome::Stale,
            _ => Outcome::Done,
        }
    }

    pub(crate) fn extend(
        &mut self,
        now_ms: u64,
        receipt: (u64, u32),
        extension: &Extension,
    ) -> Outcome {
        let outcome = self.may(now_ms, receipt, extension.demand);
        if outcome != Outcome::Done {
            return outcome;
        }
        let message = self.get(receipt.0);
        if extension.unless_changed_due_ms.is_some_and(|known| known != message.due_ms) {
            return Outcome::Changed;
        }
        let from_ms = match message.place {
            Place::Leased { leased_ms, .. } if message.due_ms > now_ms => leased_ms,
            _ => now_ms,
        };
        if now_ms + extension.visibility_timeout_ms > from_ms + VISIBILITY_TIMEOUT_MS_MAX {
            return Outcome::TooLong;
        }
        self.set_due(receipt.0, now_ms, extension.visibility_timeout_ms);
        Outcome::Done
    }

    pub(crate) fn may_release(&self, receipt: (u64, u32)) -> Outcome {
        let alive = |m: &&NaiveMessage| m.sequence == receipt.0 && !m.is_dead();
        match self.messages.iter().find(alive) {
            None => Outcome::Gone,
            Some(m) if matches!(m.place, Place::Leased { .. }) && m.lease == receipt.1 => {
                Outcome::Done
            }
            Some(_) => Outcome::Stale,
        }
    }

    pub(crate) fn give_back(&mut self, sequence: u64, now_ms: u64, delay_ms: u64) {
        let message = self.get(sequence);
        message.place = Place::Waiting;
        message.due_ms = now_ms + delay_ms;
        message.since_ms = now_ms;
        message.receive_count -= 1;
        message.lease = 0;
        if message.receive_count == 0 {
            message.first_received_ms = 0;
        }
        message.offered = message.group.is_some() && delay_ms == 0;
        let group = message.group;
        self.place(group);
        self.note_room();
    }

    pub(crate) fn held_by(&self, now_ms: u64, holder: u32, max: usize) -> Vec<u64> {
        let held = |m: &&NaiveMessage| {
            let its = matches!(m.place, Place::Leased { holder: h, .. } if h == holder);
            holder != 0 && its && m.due_ms > now_ms
        };
        let held = self.messages.iter().filter(held);
        let mut held: Vec<_> = held.map(|m| (m.due_ms, m.sequence)).collect();
        held.sort_unstable();
        held.into_iter().take(max).map(|(_, sequence)| sequence).collect()
    }

    // Dead letters.

    /// (number, sequence) of all letters.
    pub(crate) fn letters(&self) -> Vec<(u64, u64)> {
        let number = |m: &NaiveMessage| match m.place {
            Place::Dead { number } => Some((number, m.sequence)),
            _ => None,
        };
        let mut letters: Vec<_> = self.messages.iter().filter_map(number).collect();
        letters.sort_unstable();
        letters
    }

    pub(crate) fn revive(&mut self, now_ms: u64, count: usize, keep_count: bool) -> Vec<u64> {
        let revived: Vec<u64> = self.letters().into_iter().take(count).map(|(_, s)| s).collect();
        for &sequence in &revived {
            let message = self.get(sequence);
            message.place = Place::Waiting;
            message.due_ms = now_ms;
            message.since_ms = now_ms;
            message.lease = 0;
            if !keep_count {
                message.receive_count = message.receives_before;
            }
            if message.receive_count == 0 {
                message.first_received_ms = 0;
            }
            message.offered = message.group.is_some();
            let group = message.group;
            self.place(group);
        }
        revived
    }

    pub(crate) fn watermark(&self, source_uid: u64) -> u64 {
        let of_source = self.watermarks.iter().filter(|w| w.source_uid == source_uid);
        of_source.map(|w| w.number).max().unwrap_or(0)
    }

    // The sweep and the clock.

    pub(crate) fn expired(&self, now_ms: u64) -> Vec<u64> {
        let expired = self.messages.iter().filter(|m| self.is_expired(m, now_ms));
        expired.map(|m| m.sequence).collect()
    }

    /// What was computed while the clock was ahead is as if it had been right. What is not right
    /// even then, since an earlier step was missed, is as if it had been computed now.
    pub(crate) fn correct_times(&mut self, now_ms: u64, back_ms: u64) -> Vec<u64> {
        let right_ms =
            |at_ms: u64| if at_ms > now_ms { (at_ms - back_ms).min(now_ms) } else { at_ms };
        let (mut corrected, mut lapses_sooner) = (Vec::new(), false);
        for message in self.messages.iter_mut().filter(|m| !m.is_dead()) {
            let late_ms = message.since_ms - right_ms(message.since_ms);
            message.due_ms -= late_ms;
            message.since_ms -= late_ms;
            message.offered &= late_ms == 0 || message.group.is_some();
            let mut is_corrected = late_ms > 0;
            if let Place::Leased { leased_ms, .. } = &mut message.place {
                lapses_sooner |= late_ms > 0;
                is_corrected |= *leased_ms > now_ms;
                *leased_ms = right_ms(*leased_ms);
            }
            corrected.extend(is_corrected.then_some(message.sequence));
        }
        for accepted in &mut self.accepted {
            accepted.at_ms = right_ms(accepted.at_ms);
        }
        for attempt in &mut self.attempts {
            let late_ms = attempt.at_ms - right_ms(attempt.at_ms);
            attempt.at_ms -= late_ms;
            attempt.received.iter_mut().for_each(|received| received.2 -= late_ms);
        }
        if lapses_sooner {
            self.note_room();
        }
        corrected
    }
}
