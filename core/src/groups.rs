//! Groups of messages: the order of a FIFO queue, and fair turns in a standard one.
//!
//! A message with a group is either *timed* (delayed, in flight, given back for later) or *offered*
//! by its group. What became due is moved from one to the other when somebody asks for messages, in
//! bounded steps; a replica, which never looks at the clock, moves nothing.
//!
//! **FIFO**: a group offers its messages in the order of their sequence numbers up to, not
//! including, the first that is in flight or delayed. Groups with something to offer stand in a
//! rotation; one whose front changes goes to the back (sqs-contract §9.1).
//!
//! **Fair turns**: among groups that offer something the one with the fewest messages in flight has
//! its turn, of several the one with the oldest message (design §3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::message::{Message, MessageState, NO_GROUP};
use crate::queue::{Queue, entry};
use crate::timed::Timed;

/// (group 32 bits, due time 48, sequence 48): a group's messages in order. In a FIFO queue the due
/// time is left out.
type Member = (u64, u64);

/// What decides whose turn it is. FIFO: number of the turn, 0, sequence number of the front. Fair
/// turns: messages in flight, due time and sequence number of the oldest.
pub(crate) type Rank = [u64; 3];

#[derive(Debug, Clone)]
struct Group {
    name: Arc<[u8]>,
    /// All its messages, dead letters too; the group goes with the last.
    messages: u32,
    in_flight: u32,
    rank: Option<Rank>,
}

/// The groups of one queue.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    is_fifo: bool,
    numbers: BTreeMap<Arc<[u8]>, u32>,
    by_number: BTreeMap<u32, Group>,
    last_number: u32,
    last_turn: u64,
    /// FIFO: all messages but dead letters. Fair turns: those offered.
    members: BTreeSet<Member>,
    /// Groups that offer something, by whose turn it is.
    order: BTreeSet<(Rank, u32)>,
    pub(crate) timed: Timed,
}

impl Groups {
    pub(crate) fn new(is_fifo: bool) -> Self {
        Self {
            is_fifo,
            numbers: BTreeMap::new(),
            by_number: BTreeMap::new(),
            last_number: 0,
            last_turn: 0,
            members: BTreeSet::new(),
            order: BTreeSet::new(),
            timed: Timed::default(),
        }
    }

    /// Adds a message to a group. `None`: no number is left.
    fn enter(&mut self, name: &[u8]) -> Option<u32> {
        if let Some(&number) = self.numbers.get(name) {
            let group = self.by_number.get_mut(&number)?;
            group.messages = group.messages.checked_add(1)?;
            return Some(number);
        }
        if self.by_number.len() >= usize::try_from(NO_GROUP).unwrap_or(usize::MAX) {
            return None;
        }
        let mut number = self.last_number;
        while self.by_number.contains_key(&number) || number == NO_GROUP {
            number = number.wrapping_add(1);
        }
        self.last_number = number.wrapping_add(1);
        let name: Arc<[u8]> = name.into();
        self.numbers.insert(Arc::clone(&name), number);
        self.by_number.insert(number, Group { name, messages: 1, in_flight: 0, rank: None });
        Some(number)
    }

    /// Takes a message out of a group for good.
    fn leave(&mut self, number: u32) {
        let Some(group) = self.by_number.get_mut(&number) else { return };
        group.messages = group.messages.saturating_sub(1);
        if group.messages == 0 {
            self.numbers.remove(&group.name);
            self.by_number.remove(&number);
        }
    }

    /// A group's name.
    pub(crate) fn name(&self, number: u32) -> Option<&[u8]> {
        self.by_number.get(&number).map(|group| &*group.name)
    }

    /// Whether a group offers something.
    pub(crate) fn is_offering(&self) -> bool {
        !self.order.is_empty()
    }

    /// Groups that offer something.
    pub(crate) fn offering(&self) -> usize {
        self.order.len()
    }

    /// Messages that groups offer, in a FIFO queue also those behind one in flight.
    pub(crate) fn offered(&self) -> usize {
        if self.is_fifo { self.members.len() - self.timed.len() } else { self.members.len() }
    }

    /// The group whose turn it is, and its rank.
    pub(crate) fn turn(&self) -> Option<(Rank, u32)> {
        self.order.first().copied()
    }

    /// The groups by whose turn it is.
    pub(crate) fn turns(&self) -> impl Iterator<Item = u32> {
        self.order.iter().map(|&(_, number)| number)
    }

    /// The sequence numbers of a group's messages, in order.
    pub(crate) fn sequences(&self, number: u32) -> impl Iterator<Item = u64> {
        let group = u64::from(number) << 32;
        let end = (group | u64::from(u32::MAX), u64::MAX);
        self.members.range((group, 0)..=end).map(|&(_, low)| low & ((1 << 48) - 1))
    }

    /// What they take in memory, in bytes, estimated.
    pub(crate) fn memory_bytes(&self) -> usize {
        const TIMED_ENTRY_BYTES: usize = 25;
        const MEMBER_BYTES: usize = 30;
        const GROUP_BYTES: usize = 300;
        size_of::<Self>()
            + self.by_number.len() * GROUP_BYTES
            + self.members.len() * MEMBER_BYTES
            + self.timed.len() * TIMED_ENTRY_BYTES
    }

    fn link(&mut self, message: &Message) {
        let is_offered = message.is_offered();
        if is_offered || self.is_fifo {
            self.members.insert(self.member(message));
        }
        if !is_offered {
            self.timed.insert(entry(message));
            self.count_in_flight(message, 1);
        }
    }

    fn unlink(&mut self, message: &Message) {
        let is_offered = message.is_offered();
        if is_offered || self.is_fifo {
            self.members.remove(&self.member(message));
        }
        if !is_offered {
            self.timed.remove(entry(message));
            self.count_in_flight(message, -1);
        }
    }

    fn member(&self, message: &Message) -> Member {
        let due_ms = if self.is_fifo { 0 } else { message.due_ms };
        (u64::from(message.group) << 32 | due_ms >> 16, due_ms << 48 | message.sequence)
    }

    fn count_in_flight(&mut self, message: &Message, by: i32) {
        if message.is_leased() {
            self.count_picked(message.group, by);
        }
    }

    /// Counts a message that was picked and is not yet leased (`by` 1), or is now (-1).
    pub(crate) fn count_picked(&mut self, number: u32, by: i32) {
        if let Some(group) = self.by_number.get_mut(&number) {
            group.in_flight = group.in_flight.saturating_add_signed(by);
        }
    }

    /// Puts a group where it now belongs in the order of turns. `front`: its first message, if it
    /// offers it.
    fn place(&mut self, number: u32, front: Option<(u64, u64)>) {
        let Some(group) = self.by_number.get_mut(&number) else { return };
        let rank = front.map(|(due_ms, sequence)| match group.rank {
            Some(rank @ [_, _, present]) if self.is_fifo && present == sequence => rank,
            _ if self.is_fifo => {
                self.last_turn = self.last_turn.saturating_add(1);
                [self.last_turn, 0, sequence]
            }
            _ => [u64::from(group.in_flight), due_ms, sequence],
        });
        if rank == group.rank {
            return;
        }
        if let Some(before) = std::mem::replace(&mut group.rank, rank) {
            self.order.remove(&(before, number));
        }
        if let Some(rank) = rank {
            self.order.insert((rank, number));
        }
    }
}

impl Queue {
    /// Adds a message to a group, of which it then has the number. `None`: there is no room.
    pub(crate) fn enter_group(&mut self, name: &[u8]) -> Option<u32> {
        let is_fifo = self.attributes.fifo;
        self.groups.get_or_insert_with(|| Box::new(Groups::new(is_fifo))).enter(name)
    }

    /// Takes a message out of its group for good; it stands nowhere any more.
    pub(crate) fn leave_group(&mut self, number: u32) {
        self.place_group(number);
        if let Some(groups) = self.groups.as_deref_mut() {
            groups.leave(number);
        }
    }

    /// The group of a message; empty: it has none.
    pub(crate) fn group_name(&self, message: &Message) -> &[u8] {
        let groups = self.groups.as_deref().filter(|_| message.group != NO_GROUP);
        groups.and_then(|groups| groups.name(message.group)).unwrap_or_default()
    }

    /// Puts the message of a slot among its group's, as its state says.
    pub(crate) fn attach_grouped(&mut self, slot: u32) {
        let Some(message) = self.slab.get_mut(slot) else { return };
        if let MessageState::Ready { .. } = message.state {
            message.state = MessageState::Waiting { offered: true, since_ms: message.due_ms };
        }
        let number = message.group;
        if let Some(groups) = self.groups.as_deref_mut() {
            groups.link(message);
        }
        self.place_group(number);
    }

    /// Takes the message of a slot out of its group's. Where the group stands in the order of turns
    /// is left to [`Queue::attach_grouped`] or [`Queue::place_group`], one of which must follow.
    pub(crate) fn detach_grouped(&mut self, slot: u32) {
        if let (Some(message), Some(groups)) = (self.slab.get(slot), self.groups.as_deref_mut()) {
            groups.unlink(message);
        }
    }

    /// Puts a group where it now belongs in the order of turns.
    pub(crate) fn place_group(&mut self, number: u32) {
        let Some(groups) = self.groups.as_deref_mut() else { return };
        let front = groups.sequences(number).next();
        let message = front.and_then(|front| self.slab.get(self.sequence.get(front)?));
        let front = message.filter(|m| m.is_offered()).map(|m| (m.due_ms, m.sequence));
        groups.place(number, front);
    }

    /// Lets groups offer what became due, at most `budget` messages.
    pub(crate) fn offer_due(&mut self, now_ms: u64, budget: usize) {
        for _ in 0..budget {
            let first = self.groups.as_deref().and_then(|groups| groups.timed.first());
            let Some(found) = first.filter(|found| found.due_ms <= now_ms) else { return };
            let Some(slot) = self.sequence.get(found.sequence) else { return };
            self.detach_grouped(slot);
            if let Some(message) = self.slab.get_mut(slot) {
                message.set_offered(true);
            }
            self.attach_grouped(slot);
        }
    }

    /// Recounts groups. Errors: what is wrong.
    pub(crate) fn check_groups(&self) -> Result<(), String> {
        let Some(groups) = self.groups.as_deref() else { return Ok(()) };
        groups.timed.check()?;
        let mut again = Groups::new(groups.is_fifo);
        let mut counted: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for (_, message) in self.slab.iter().filter(|(_, m)| m.group != NO_GROUP) {
            let (messages, in_flight) = counted.entry(message.group).or_default();
            *messages += 1;
            let leased = matches!(message.state, MessageState::Leased { offered: false, .. });
            *in_flight += u32::from(leased);
            if !matches!(message.state, MessageState::Dead { .. }) {
                again.link(message);
            }
        }
        let noted = groups.by_number.iter();
        let noted = noted.map(|(&number, group)| (number, (group.messages, group.in_flight)));
        if !noted.eq(counted) || groups.numbers.len() != groups.by_number.len() {
            return Err("the groups disagree with the messages".to_owned());
        }
        if again.members != groups.members || !again.timed.iter().eq(groups.timed.iter()) {
            return Err("a group's messages disagree with the slots".to_owned());
        }
        let ranked = groups.by_number.values().filter(|group| group.rank.is_some()).count();
        if ranked != groups.order.len() {
            return Err(format!("{ranked} groups offer something, {} noted", groups.order.len()));
        }
        for (&number, group) in &groups.by_number {
            let front = groups.sequences(number).next().and_then(|n| self.sequence.get(n));
            let front = front.and_then(|slot| self.slab.get(slot)).filter(|m| m.is_offered());
            let agrees = match (front, group.rank) {
                (None, None) => true,
                (Some(front), Some(rank)) => {
                    let in_flight = u64::from(group.in_flight);
                    let fair = [in_flight, front.due_ms, front.sequence];
                    let expected = if groups.is_fifo { [rank[0], 0, front.sequence] } else { fair };
                    groups.order.contains(&(rank, number)) && rank == expected
                }
                _ => false,
            };
            if !agrees {
                return Err(format!("group {number} is out of turn"));
            }
        }
        Ok(())
    }
}
