//! Looking at a queue: counts, times, identities, a message as replies show it.

use crate::attributes::{Attributes, Tags};
use crate::extras::MESSAGE_ID_LENGTH;
use crate::groups::Groups;
use crate::limits::WALK_BUDGET;
use crate::message::{Message, MessageState};
use crate::queue::Queue;
use crate::receipt::Receipt;

/// Messages by what a receiver sees of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not delayed and not in flight; in a FIFO queue also those behind one in flight
    /// (sqs-contract §7.1).
    pub ready: u64,
    /// Delayed.
    pub delayed: u64,
    /// Received, not yet visible again.
    pub in_flight: u64,
    /// In the dead list.
    pub dead: u64,
}

/// What a message is to a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not delayed and not in flight.
    Ready,
    /// Delayed.
    Delayed,
    /// Received, not yet visible again.
    InFlight,
    /// In the dead list.
    Dead,
}

/// A message as replies show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// Its slot.
    pub slot: u32,
    /// Its sequence number.
    pub sequence: u64,
    /// The body.
    pub body: &'a [u8],
    /// The attributes, opaque here.
    pub attributes: &'a [u8],
    /// The group; empty: none.
    pub group: &'a [u8],
    /// What duplicates are told by; empty: nothing.
    pub dedup_id: &'a [u8],
    /// The queue it died in; empty: none.
    pub source: &'a [u8],
    /// How often it was received.
    pub receive_count: u32,
    /// When it was accepted; milliseconds since 1970.
    pub sent_ms: u64,
    /// When it was first received; milliseconds since 1970, 0: never.
    pub first_received_ms: u64,
    /// When it can be received (again), or came into the dead list; milliseconds since 1970.
    pub due_ms: u64,
    /// The current lease.
    pub lease: u32,
    /// The number in the dead list; 0: it is not there.
    pub dead_number: u64,
}

/// A page of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peeked {
    /// Slots and states.
    pub messages: Vec<(u32, State)>,
    /// The sequence number to go on after; `None`: done.
    pub after: Option<u64>,
}

impl Queue {
    /// The queue's identity, drawn when it was made.
    pub fn uid(&self) -> u64 {
        self.uid
    }

    /// The attributes.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The tags.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// When it was made; milliseconds since 1970.
    pub fn created_ms(&self) -> u64 {
        self.created_ms
    }

    /// When its attributes were last changed; milliseconds since 1970.
    pub fn modified_ms(&self) -> u64 {
        self.modified_ms
    }

    /// The last sequence number given; 0: none.
    pub fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// The number of the last hint.
    pub fn hint(&self) -> u64 {
        self.hint
    }

    /// Messages in all states.
    pub fn len(&self) -> usize {
        usize::try_from(self.slab.len()).unwrap_or(usize::MAX)
    }

    /// When a message last came, went or changed its state by a command or a sweep; milliseconds
    /// since 1970. `None`: not since it was loaded here. Neither saved nor replicated: it serves
    /// those who look now and then.
    pub fn touched_ms(&self) -> Option<u64> {
        self.touched_ms
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slab.len() == 0
    }

    /// How many deduplication ids are remembered; some may be too old to count.
    pub fn dedup_ids(&self) -> usize {
        self.dedup.len()
    }

    /// How many receive attempts are remembered; some may be too old to count.
    pub fn attempts(&self) -> usize {
        self.attempts.len()
    }

    /// How many things there are to free: messages, deduplication ids, attempts.
    pub fn free_effort(&self) -> usize {
        self.len() + self.dedup.len() + self.attempts.len()
    }

    /// Bodies, attributes and extras, in bytes.
    pub fn bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// What the queue takes in memory, in bytes, estimated without a walk over
    /// the messages.
    pub fn memory_bytes(&self) -> usize {
        /// A B-tree entry of 16 bytes in half-full nodes.
        const ENTRY_BYTES: usize = 30;
        let payload_bytes = usize::try_from(self.payload_bytes).unwrap_or(usize::MAX);
        let texts_bytes = self.attributes.memory_bytes() + self.tags.memory_bytes();
        let entries = self.timed.len() + self.dead.len() + self.held.len() + self.watermarks.len();
        let index_bytes = self.slab.memory_bytes()
            + self.sequence.memory_bytes()
            + self.groups.as_deref().map_or(0, Groups::memory_bytes)
            + entries * ENTRY_BYTES;
        let ids_bytes = self.dedup.memory_bytes() + self.attempts.memory_bytes();
        (size_of::<Self>() + texts_bytes + index_bytes + ids_bytes).saturating_add(payload_bytes)
    }

    /// Messages by state. Walks at most [`WALK_BUDGET`] messages that became due since the last
    /// call, so it lags after more became due at once.
    pub fn counts(&mut self, now_ms: u64) -> Counts {
        let mut counts = Counts { ready: u64::from(self.ready.length), ..Counts::default() };
        let groups = self.groups.as_deref_mut();
        let offered = groups.as_deref().map_or(0, Groups::offered);
        counts.ready += u64::try_from(offered).unwrap_or(u64::MAX);
        for timed in [Some(&mut self.timed), groups.map(|groups| &mut groups.timed)] {
            let Some(timed) = timed else { continue };
            let due = timed.count_due(now_ms, WALK_BUDGET);
            let total = timed.total();
            counts.ready += due.waiting + due.leased;
            counts.delayed += total.waiting - due.waiting;
            counts.in_flight += total.leased - due.leased;
        }
        counts.dead = self.dead();
        counts
    }

    /// How many messages another POPDUE would get now, at least: in a FIFO queue one of each group
    /// that offers something. May lag as [`Queue::counts`] does.
    pub fn more(&mut self, now_ms: u64) -> u64 {
        match self.groups.as_deref().filter(|_| self.attributes.fifo) {
            Some(groups) => u64::try_from(groups.offering()).unwrap_or(u64::MAX),
            None => self.counts(now_ms).ready,
        }
    }

    /// When the next message can be received; milliseconds since 1970, maybe in the past. `None`:
    /// nothing is waiting.
    pub fn next_due_ms(&self) -> Option<u64> {
        let ready = self.slab.get(self.ready.head).map(|message| message.due_ms);
        let timed = self.timed.first().map(|entry| entry.due_ms);
        let plain = match (ready, timed) {
            (Some(ready), Some(timed)) => Some(ready.min(timed)),
            (ready, timed) => ready.or(timed),
        };
        let Some(groups) = self.groups.as_deref() else { return plain };
        let turn = groups.turn().and_then(|(_, group)| groups.sequences(group).next());
        let turn = turn.and_then(|turn| self.slab.get(self.sequence.get(turn)?));
        let turn = turn.map(|message| message.due_ms);
        let grouped = groups.timed.first().map(|entry| entry.due_ms);
        [plain, turn, grouped].into_iter().flatten().min()
    }

    /// The same for comparing: 0 while a group offers something, since whose turn it is says
    /// nothing of who came first.
    pub(crate) fn earliest_ms(&self) -> Option<u64> {
        let Some(groups) = self.groups.as_deref() else { return self.next_due_ms() };
        if groups.is_offering() { Some(0) } else { self.next_due_ms() }
    }

    /// How long until the next message can be received, in milliseconds; 0: now. `None`: nothing
    /// is waiting.
    pub fn next_wait_ms(&self, now_ms: u64) -> Option<u64> {
        let groups = self.groups.as_deref();
        if self.ready.length > 0 || groups.is_some_and(Groups::is_offering) {
            return Some(0);
        }
        let grouped = groups.and_then(|groups| groups.timed.first());
        let first = self.timed.first().into_iter().chain(grouped).map(|entry| entry.due_ms).min();
        first.map(|due_ms| due_ms.saturating_sub(now_ms))
    }

    /// When the next lease lapses, so that fewer messages are in flight, at the earliest;
    /// milliseconds since 1970, maybe in the past. `None`: nothing is in flight. Counts as
    /// [`Queue::counts`] did last.
    pub fn next_lapse_ms(&self) -> Option<u64> {
        let groups = self.groups.as_deref().map(|groups| &groups.timed);
        let lapses = [Some(&self.timed), groups].into_iter().flatten();
        lapses.filter_map(|timed| timed.first_lapse_ms(WALK_BUDGET)).min()
    }

    /// When the oldest message that is not in the dead list was sent; milliseconds since 1970.
    /// Looks no further than `budget` messages.
    pub fn oldest_sent_ms(&self, budget: usize) -> Option<u64> {
        let first = self.sequence.from(0).take(budget);
        let mut messages = first.filter_map(|(_, slot)| self.slab.get(slot));
        let alive = messages.find(|m| !matches!(m.state, MessageState::Dead { .. }))?;
        Some(alive.sent_ms)
    }

    /// What a message is to a receiver.
    pub(crate) fn state(message: &Message, now_ms: u64) -> State {
        match message.state {
            MessageState::Dead { .. } => State::Dead,
            MessageState::Ready { .. } => State::Ready,
            _ if message.is_offered() || message.due_ms <= now_ms => State::Ready,
            MessageState::Leased { .. } => State::InFlight,
            MessageState::Waiting { .. } => State::Delayed,
        }
    }

    /// Looks at messages without touching them: those after a sequence number, in that order, only
    /// of one state if one is asked for. Passes over no more than [`WALK_BUDGET`].
    pub fn peek(&self, now_ms: u64, wanted: Option<State>, after: u64, count: usize) -> Peeked {
        let mut peeked = Peeked::default();
        let mut last = after;
        let walk = self.sequence.from(after.saturating_add(1));
        for (walked, (sequence, slot)) in walk.enumerate() {
            if peeked.messages.len() == count || walked == WALK_BUDGET {
                peeked.after = Some(last);
                break;
            }
            last = sequence;
            let message = self.slab.get(slot).filter(|m| !self.is_expired(m, now_ms));
            let state = message.map(|message| Self::state(message, now_ms));
            if let Some(state) = state.filter(|&state| wanted.is_none_or(|w| w == state)) {
                peeked.messages.push((slot, state));
            }
        }
        peeked
    }

    /// The receipt of a slot's current lease.
    pub fn receipt(&self, slot: u32) -> Option<Receipt> {
        let message = self.slab.get(slot)?;
        Some(Receipt { uid: self.uid, slot, sequence: message.sequence, lease: message.lease })
    }

    /// The message in a slot.
    pub fn view(&self, slot: u32) -> Option<MessageView<'_>> {
        let message = self.slab.get(slot)?;
        let extras = message.extras();
        Some(MessageView {
            slot,
            sequence: message.sequence,
            body: message.body(),
            attributes: message.attributes(),
            group: self.group_name(message),
            dedup_id: extras.dedup_id.unwrap_or_default(),
            source: extras.source.unwrap_or_default(),
            receive_count: message.receive_count,
            sent_ms: message.sent_ms,
            first_received_ms: message.first_received_ms,
            due_ms: message.due_ms,
            lease: message.lease,
            dead_number: match message.state {
                MessageState::Dead { number } => number,
                _ => 0,
            },
        })
    }

    /// A message's id: UUID-shaped text, made of the queue's uid and the sequence number by a
    /// mixing that is reversible but for the six bits that say "version 4". A moved message has the
    /// one it came with.
    pub fn message_id(&self, sequence: u64) -> [u8; MESSAGE_ID_LENGTH] {
        let present = self.sequence.get(sequence).and_then(|slot| self.slab.get(slot));
        let foreign = present.filter(|m| m.has_extras()).and_then(|m| m.extras().id);
        foreign.unwrap_or_else(|| self.own_id(sequence))
    }

    fn own_id(&self, sequence: u64) -> [u8; MESSAGE_ID_LENGTH] {
        let high = mix(sequence.wrapping_add(self.uid.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let low = mix(high ^ self.uid);
        let high = high & !0xf000 | 0x4000;
        let low = low & !(3 << 62) | 2 << 62;
        uuid_text(u128::from(high) << 64 | u128::from(low))
    }
}

/// A sequence number as SQS shows it: 20 digits, growing with the number (sqs-contract §9).
pub fn sequence_text(sequence: u64) -> String {
    format!("1{sequence:019}")
}

/// A bijection of 64 bits that leaves no visible pattern (the finalizer of SplitMix64).
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

fn uuid_text(bits: u128) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    /// Where the digits of each byte stand between the dashes.
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    let mut text = [b'-'; 36];
    for (place, byte) in PLACES.into_iter().zip(bits.to_be_bytes()) {
        if let Some([high, low]) = text.get_mut(place..place + 2) {
            *high = digit(byte >> 4);
            *low = digit(byte & 15);
        }
    }
    text
}
