//! A queue: what it consists of, and where a message stands in it.
//!
//! A message without a group stands in one of two places. Those sent without a delay and never
//! received are in the *ready list*, linked through their slots, which is sorted because it is only
//! appended to. All others are in the *timed index*, sorted by due time. Handing out takes from
//! whichever place has the earlier (due time, sequence number), so nothing has to be moved when a
//! time comes, and a replica, which never looks at the clock, holds the same state as its master.
//! Messages with a group stand in [`crate::groups`], dead letters in [`crate::dead`].

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::attempt::Attempts;
use crate::attributes::{Attributes, Tags};
use crate::dedup::Dedup;
use crate::groups::Groups;
use crate::limits::TIME_MS_MAX;
use crate::message::{Message, MessageState, NO_GROUP, NO_SLOT};
use crate::sequence::Sequence;
use crate::slab::Slab;
use crate::timed::{Entry, Key, Kind, Timed};

/// News for waiters: the queue's earliest due time became earlier, or there is room in flight again
/// for what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// The new earliest due time; milliseconds since 1970, maybe in the past.
    pub due_ms: u64,
    /// The hint's number.
    pub number: u64,
}

/// The first and the last of the ready list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadyList {
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) length: u32,
}

impl ReadyList {
    const EMPTY: Self = Self { head: NO_SLOT, tail: NO_SLOT, length: 0 };
}

/// One queue.
#[derive(Debug, Clone)]
pub struct Queue {
    pub(crate) uid: u64,
    pub(crate) attributes: Attributes,
    pub(crate) tags: Tags,
    pub(crate) created_ms: u64,
    pub(crate) modified_ms: u64,
    pub(crate) last_sequence: u64,
    pub(crate) hint: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) slab: Slab,
    pub(crate) sequence: Sequence,
    pub(crate) ready: ReadyList,
    pub(crate) timed: Timed,
    pub(crate) groups: Option<Box<Groups>>,
    pub(crate) dedup: Dedup,
    pub(crate) attempts: Attempts,
    /// (number, slot) of dead letters.
    pub(crate) dead: BTreeSet<(u64, u32)>,
    pub(crate) last_dead_number: u64,
    pub(crate) watermarks: BTreeMap<u64, u64>,
    /// A `Cell`, since a server that copies a value lends it for reading only.
    pub(crate) copies: Cell<u64>,
    /// (holder, when and what) of messages in flight whose receiver said who it is.
    pub(crate) held: BTreeSet<(u32, Key)>,
    /// Where the next sweep for moved messages goes on.
    pub(crate) swept: u64,
    /// The earliest due time as waiters know it.
    pub(crate) noted_due_ms: Option<u64>,
    /// Whether a hint is waiting for [`Queue::take_hint`].
    pub(crate) hint_pending: bool,
    /// Whether somebody was refused messages because too many are in flight: room is news then.
    pub(crate) is_held_back: bool,
    /// When a message last came, went or changed its state, as [`Queue::touched_ms`] says.
    pub(crate) touched_ms: Option<u64>,
}

/// What was in a queue. Dropping it takes as long as there were messages, which the caller may
/// want to do on another thread.
#[derive(Debug)]
#[must_use]
pub struct Purged(Box<Queue>);

impl Purged {
    /// How many messages there were.
    pub fn count(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    /// How many things there are to free; see [`Queue::free_effort`].
    pub fn free_effort(&self) -> usize {
        self.0.free_effort()
    }
}

impl Queue {
    /// An empty queue. `uid` is random, drawn by the caller.
    pub fn new(uid: u64, now_ms: u64, attributes: Attributes, tags: Tags) -> Self {
        Self {
            uid,
            attributes,
            tags,
            created_ms: now_ms.min(TIME_MS_MAX),
            modified_ms: now_ms.min(TIME_MS_MAX),
            last_sequence: 0,
            hint: 0,
            payload_bytes: 0,
            slab: Slab::new(),
            sequence: Sequence::default(),
            ready: ReadyList::EMPTY,
            timed: Timed::default(),
            groups: None,
            dedup: Dedup::default(),
            attempts: Attempts::default(),
            dead: BTreeSet::new(),
            last_dead_number: 0,
            watermarks: BTreeMap::new(),
            copies: Cell::new(0),
            held: BTreeSet::new(),
            swept: 0,
            noted_due_ms: None,
            hint_pending: false,
            is_held_back: false,
            touched_ms: None,
        }
    }

    /// Takes all messages out, dead letters too, and forgets deduplication and attempt ids
    /// (sqs-contract §9); attributes and all numbers stay.
    pub fn purge(&mut self) -> Purged {
        let attributes = std::mem::take(&mut self.attributes);
        let fresh = Self {
            modified_ms: self.modified_ms,
            last_sequence: self.last_sequence,
            hint: self.hint,
            last_dead_number: self.last_dead_number,
            copies: self.copies.clone(),
            watermarks: std::mem::take(&mut self.watermarks),
            ..Self::new(self.uid, self.created_ms, attributes, std::mem::take(&mut self.tags))
        };
        Purged(Box::new(std::mem::replace(self, fresh)))
    }

    /// A copy with an identity of its own, so that receipts of one do not fit the other. `uid` is
    /// made of [`Queue::copies`], which is one more after that.
    #[must_use]
    pub fn duplicate(&self, uid: u64) -> Self {
        self.copies.set(self.copies.get().saturating_add(1));
        Self { uid, ..self.clone() }
    }

    /// How many copies of it were made.
    pub fn copies(&self) -> u64 {
        self.copies.get()
    }

    /// Changes the attributes. Another DelaySeconds counts in a FIFO queue for the messages that
    /// are there, too (sqs-contract §7.1), which walks over all of them.
    pub fn set_attributes(&mut self, now_ms: u64, attributes: Attributes) {
        self.replace_attributes(attributes);
        self.modified_ms = now_ms.min(TIME_MS_MAX);
        self.note_earliest();
    }

    pub(crate) fn replace_attributes(&mut self, attributes: Attributes) {
        let retimed = attributes.fifo && attributes.delay_ms != self.attributes.delay_ms;
        self.attributes = attributes;
        if retimed {
            self.delay_anew();
        }
    }

    /// Makes the queue's delay hold for all messages that were never received.
    fn delay_anew(&mut self) {
        let delay_ms = self.attributes.delay_ms;
        let all: Vec<u32> = self.sequence.from(0).map(|(_, slot)| slot).collect();
        for slot in all {
            let is_new = |m: &Message| {
                m.receive_count == 0 && matches!(m.state, MessageState::Waiting { .. })
            };
            if self.slab.get(slot).is_some_and(is_new) {
                self.detach(slot);
                if let Some(message) = self.slab.get_mut(slot) {
                    // Less than the time it was sent where a clock was ahead then.
                    let since_ms = message.since_ms().min(message.sent_ms);
                    message.due_ms = since_ms.saturating_add(delay_ms).min(TIME_MS_MAX);
                    message.state = MessageState::Waiting { offered: delay_ms == 0, since_ms };
                }
                self.attach(slot);
            }
        }
    }

    /// Changes the tags.
    pub fn set_tags(&mut self, tags: Tags) {
        self.tags = tags;
    }

    /// Takes the hint that is due since the last call, if there is news.
    pub fn take_hint(&mut self) -> Option<Hint> {
        std::mem::take(&mut self.hint_pending).then_some(())?;
        self.noted_due_ms.map(|due_ms| Hint { due_ms, number: self.hint })
    }

    /// Makes a hint although nothing changed: after a load, restore, rename or copy, which waiters
    /// cannot have seen. `None` if the queue is empty.
    pub fn touch_hint(&mut self) -> Option<Hint> {
        self.noted_due_ms = None;
        self.note_earliest();
        self.take_hint()
    }

    /// Notes that a message came, went or changed its state at a time.
    pub fn touch(&mut self, now_ms: u64) {
        self.touched_ms = Some(now_ms);
    }

    /// The same if there was anything.
    pub(crate) fn touch_if(&mut self, anything: bool, now_ms: u64) {
        if anything {
            self.touch(now_ms);
        }
    }

    /// Notes the earliest due time, and that waiters should hear of it if it became earlier.
    pub(crate) fn note_earliest(&mut self) {
        let earliest = self.earliest_ms();
        let earlier = match (earliest, self.noted_due_ms) {
            (Some(now), Some(before)) => now < before,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if earlier {
            self.make_hint();
        }
        self.noted_due_ms = earliest;
    }

    fn make_hint(&mut self) {
        self.hint = self.hint.saturating_add(1);
        self.hint_pending = true;
    }

    /// Notes that fewer messages are in flight, or will be sooner, and that those who were held
    /// back should hear of it. Once: whoever is held back again says so.
    pub(crate) fn note_room(&mut self) {
        if std::mem::take(&mut self.is_held_back) {
            self.make_hint();
        }
    }

    /// Puts a message into a free slot and its place. Gives it back if the slot is taken.
    pub(crate) fn put(&mut self, slot: u32, message: Message) -> Result<(), Message> {
        let payload_bytes = u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
        let sequence = message.sequence;
        self.slab.insert(slot, message)?;
        self.payload_bytes = self.payload_bytes.saturating_add(payload_bytes);
        self.sequence.insert(sequence, slot);
        self.attach(slot);
        Ok(())
    }

    /// Takes a message out for good.
    pub(crate) fn take(&mut self, slot: u32) -> Option<Message> {
        self.detach(slot);
        let message = self.slab.remove(slot)?;
        let payload_bytes = u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
        self.payload_bytes = self.payload_bytes.saturating_sub(payload_bytes);
        self.sequence.remove(message.sequence);
        if message.group != NO_GROUP {
            self.leave_group(message.group);
        }
        if message.is_leased() {
            self.note_room();
        }
        Some(message)
    }

    /// Puts the message of a slot where its state says. One that would break the order of the ready
    /// list waits in the timed index instead.
    pub(crate) fn attach(&mut self, slot: u32) {
        let tail = self.ready.tail;
        let last = self.slab.get(tail).map_or((0, 0), |m| (m.due_ms, m.sequence));
        let Some(message) = self.slab.get_mut(slot) else { return };
        if let MessageState::Dead { number } = message.state {
            let group = message.group;
            self.attach_dead(slot, number);
            return self.place_group(group);
        }
        if let Some(held) = held(message) {
            self.held.insert(held);
        }
        if message.group != NO_GROUP {
            return self.attach_grouped(slot);
        }
        message.set_offered(false);
        if let MessageState::Ready { .. } = message.state {
            if (message.due_ms, message.sequence) > last {
                message.state = MessageState::Ready { prev: tail, next: NO_SLOT };
                return self.link(tail, slot);
            }
            message.state = MessageState::Waiting { offered: false, since_ms: message.due_ms };
        }
        self.timed.insert(entry(message));
    }

    /// Takes the message of a slot from where it stands. [`Queue::attach`] or, for one with a
    /// group, [`Queue::leave_group`] must follow.
    pub(crate) fn detach(&mut self, slot: u32) {
        let Some(message) = self.slab.get(slot) else { return };
        if let Some(held) = held(message) {
            self.held.remove(&held);
        }
        match message.state {
            MessageState::Dead { number } => {
                self.dead.remove(&(number, slot));
            }
            _ if message.group != NO_GROUP => self.detach_grouped(slot),
            MessageState::Ready { prev, next } => self.unlink(prev, next),
            MessageState::Waiting { .. } | MessageState::Leased { .. } => {
                self.timed.remove(entry(message));
            }
        }
    }

    fn link(&mut self, tail: u32, slot: u32) {
        match self.slab.get_mut(tail).map(|m| &mut m.state) {
            Some(MessageState::Ready { next, .. }) => *next = slot,
            _ => self.ready.head = slot,
        }
        self.ready.tail = slot;
        self.ready.length += 1;
    }

    fn unlink(&mut self, before: u32, after: u32) {
        match self.slab.get_mut(before).map(|m| &mut m.state) {
            Some(MessageState::Ready { next, .. }) => *next = after,
            _ => self.ready.head = after,
        }
        match self.slab.get_mut(after).map(|m| &mut m.state) {
            Some(MessageState::Ready { prev, .. }) => *prev = before,
            _ => self.ready.tail = before,
        }
        self.ready.length -= 1;
    }
}

/// A message's entry among those whose receiver said who it is.
pub(crate) fn held(message: &Message) -> Option<(u32, Key)> {
    match message.state {
        MessageState::Leased { holder, .. } if holder != 0 => Some((holder, entry(message).key())),
        _ => None,
    }
}

/// The timed index's entry for a message.
pub(crate) fn entry(message: &Message) -> Entry {
    let kind = match message.state {
        MessageState::Leased { .. } => Kind::Leased,
        _ => Kind::Waiting,
    };
    Entry { due_ms: message.due_ms, sequence: message.sequence, kind }
}
