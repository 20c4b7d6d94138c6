//! Who lives, as one gateway sees it: a state machine that reads no clock.
//!
//! A gateway that listens says hello, hears who else does, and is *settled*: from then on it
//! serves the mappings it is the heaviest for. Alone it says nothing more. In company each says a
//! beat every two seconds. One that misses a beat is looked for (a killed one's subscription is
//! gone), and one that is silent for long is taken for dead, but only while we hear ourselves:
//! when Redis stalls, all are silent. One that finds that it has slept has been taken for dead by
//! the others; it gives up everything and settles again.
//!
//! None of this is needed for safety, which leases give.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::event::{Event, Leaving};
use super::message::{Card, GatewayId, Message, Says, Skill, Skills, key};
use super::peers::{Learned, Peers};

/// Between two beats.
const BEAT: Duration = Duration::from_secs(2);
/// How late our own beat may be before we count as having slept: the others wait for longer.
const SLEEP: Duration = Duration::from_secs(1);
/// When our own words take so long to come back, nobody's silence means anything.
const STALL: Duration = Duration::from_secs(3);
/// How long answers to a hello are awaited.
const ANSWERS: Duration = Duration::from_secs(1);
/// How long we may be unable to listen before we act as if we were alone: one who was never
/// settled, and one who knows others.
const DEAF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// Between two lists: many may ask at once.
const LISTS: Duration = Duration::from_millis(100);
/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Order {
    /// To tell all.
    Tell(Message),
    /// To find out who of them still listens.
    LookFor(Vec<GatewayId>),
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Membership {
    id: GatewayId,
    card: Card,
    /// The number of what was said last.
    number: u64,
    stage: Stage,
    subscribed: bool,
    deaf: Option<(Instant, String)>,
    peers: Peers,
    /// When the next beat is due; `None` without company.
    beat_at: Option<Instant>,
    list_at: Option<Instant>,
    listed_at: Option<Instant>,
    /// When we last heard ourselves.
    echoed_at: Option<Instant>,
    has_namesake: bool,
    orders: Vec<Order>,
    events: Vec<Event>,
    is_changed: bool,
}

#[derive(Debug)]
enum Stage {
    /// Nothing is known of others, and they cannot be asked.
    Unknown,
    /// They were asked.
    Settling(Settling),
    /// We know who lives.
    Settled,
    /// They cannot be heard or told; we act as if there were none.
    Alone,
    /// We are going.
    Leaving,
}

#[derive(Debug)]
struct Settling {
    /// The hello's number.
    number: u64,
    since: Instant,
    /// How many heard it, with us.
    listeners: Option<u64>,
    /// We have heard it ourselves; what came before may be old.
    is_echoed: bool,
    answered: BTreeSet<GatewayId>,
}

impl Membership {
    pub(super) fn new(id: GatewayId, holder: Option<u32>) -> Self {
        Self {
            id,
            card: Card { holder, ..Card::default() },
            number: 0,
            stage: Stage::Unknown,
            subscribed: false,
            deaf: None,
            peers: Peers::default(),
            beat_at: None,
            list_at: None,
            listed_at: None,
            echoed_at: None,
            has_namesake: false,
            orders: Vec::new(),
            events: Vec::new(),
            is_changed: false,
        }
    }

    /// Whether this gateway serves the mapping.
    pub(super) fn owns(&self, uuid: &str) -> bool {
        let mapping = key(uuid);
        let ours = self.card.skills.at(mapping);
        match self.stage {
            Stage::Alone => ours > Skill::None,
            Stage::Settled => {
                let rank = (ours, self.id.weight(mapping));
                ours > Skill::None && self.peers.ranks(mapping).all(|other| other < rank)
            }
            Stage::Unknown | Stage::Settling(_) | Stage::Leaving => false,
        }
    }

    /// Whether it is known who lives, or that nobody can be known.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Settled | Stage::Alone)
    }

    /// The number to take leases under, once it is known to be ours alone.
    pub(super) fn holder(&self) -> Option<u32> {
        self.card.holder.filter(|_| self.is_settled() && !self.has_namesake)
    }

    /// Whether we have slept and not yet noticed.
    pub(super) fn is_asleep(&self, now: Instant) -> bool {
        self.beat_at.is_some_and(|at| now >= at + SLEEP)
    }

    /// What this gateway can serve.
    pub(super) fn announce(&mut self, skills: Skills, now: Instant) {
        if skills != self.card.skills {
            self.card.skills = skills;
            self.card.version += 1;
            if !self.peers.is_empty() || matches!(self.stage, Stage::Settling(_)) {
                self.list_soon(now);
            }
        }
    }

    /// What is kept of the mappings in Redis was changed by us.
    pub(super) fn map_changed(&mut self) {
        if !matches!(self.stage, Stage::Alone | Stage::Leaving) {
            self.tell(Says::Map);
        }
    }

    /// A mapping's function is to be looked at now.
    pub(super) fn again(&mut self, uuid: &str) {
        if !matches!(self.stage, Stage::Alone | Stage::Leaving) {
            self.tell(Says::Again(uuid.to_owned()));
        }
    }

    /// From now on others are heard.
    pub(super) fn subscribed(&mut self, now: Instant) {
        (self.subscribed, self.deaf) = (true, None);
        match self.stage {
            Stage::Leaving => {}
            // Who was there is there, unless it proves otherwise.
            Stage::Settled => self.ask_around(now),
            _ => self.settle(now),
        }
    }

    /// Others are not heard: Redis is away.
    pub(super) fn away(&mut self) {
        (self.subscribed, self.deaf) = (false, None);
        self.unsettle();
    }

    /// Others are not heard although Redis is there.
    pub(super) fn deaf(&mut self, why: String, now: Instant) {
        self.subscribed = false;
        self.deaf.get_or_insert((now, why));
        self.unsettle();
    }

    /// Others cannot be told.
    pub(super) fn muted(&mut self, why: String) {
        if !matches!(self.stage, Stage::Leaving) {
            self.stay_alone(why);
        }
    }

    /// What was told under this number reached so many.
    pub(super) fn told(&mut self, told: u64, listeners: u64) {
        if let Stage::Settling(settling) = &mut self.stage
            && settling.number == told
        {
            settling.listeners = Some(listeners);
            self.settled_if_all_answered();
        }
    }

    /// Somebody said something.
    pub(super) fn heard(&mut self, message: Message, now: Instant) {
        self.wake(now);
        if matches!(self.stage, Stage::Alone | Stage::Leaving) {
            return;
        }
        let Message { from, number, says } = message;
        if from == self.id {
            return self.echo(number, now);
        }
        if matches!(says, Says::Hello(_)) {
            self.list_soon(now);
        }
        if matches!(self.stage, Stage::Settling(Settling { is_echoed: false, .. })) {
            // This was said before we asked, perhaps long ago.
            return;
        }
        self.peers.hear(from, now);
        match says {
            Says::Hello(card) | Says::List(card) => self.learn(from, card, now),
            Says::Beat(version) => {
                if self.peers.version(from) != Some(version) {
                    self.tell(Says::Ask(from));
                }
            }
            Says::Ask(whose) if whose == self.id => self.list_soon(now),
            Says::Bye => self.lose(from, Leaving::Bye),
            Says::Ask(_) | Says::Map | Says::Look | Says::Again(_) => {}
        }
    }

    /// Whether this says that another gateway changed what is kept of the mappings in Redis.
    pub(super) fn is_map_of_another(&self, message: &Message) -> bool {
        message.says == Says::Map && message.from != self.id
    }

    /// These do not listen any more.
    pub(super) fn absent(&mut self, ids: &[GatewayId]) {
        for id in ids {
            // It may have been heard meanwhile.
            if self.subscribed && self.peers.is_missed(*id) {
                self.lose(*id, Leaving::Closed);
            }
        }
    }

    /// This gateway is going. Returns what is to be told.
    pub(super) fn leave(&mut self) -> Message {
        self.tell(Says::Bye);
        self.stage = Stage::Leaving;
        self.peers.clear();
        (self.beat_at, self.list_at) = (None, None);
        self.orders.clear();
        Message { from: self.id, number: self.number, says: Says::Bye }
    }

    /// Time has passed.
    pub(super) fn advance(&mut self, now: Instant) {
        self.wake(now);
        if let Some(at) = self.deaf_until()
            && at <= now
        {
            self.stay_alone(self.deaf.clone().map(|(_, why)| why).unwrap_or_default());
        }
        if let Stage::Settling(settling) = &self.stage
            && now >= settling.since + ANSWERS
        {
            // An answer that has not come by now will not: but without an echo nobody was asked.
            if settling.is_echoed { self.settled() } else { self.settle(now) }
        }
        self.look_at_the_silent(now);
        if self.beat_at.is_some_and(|at| at <= now) {
            self.beat_at = Some(now + BEAT);
            self.tell(Says::Beat(self.card.version));
        }
        if self.list_at.is_some_and(|at| at <= now) {
            (self.list_at, self.listed_at) = (None, Some(now));
            self.tell(Says::List(self.card.clone()));
        }
    }

    /// When [`Self::advance`] wants to be called.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        let settling = match &self.stage {
            Stage::Settling(settling) => Some(settling.since + ANSWERS),
            _ => None,
        };
        let peers = self.peers.next_timer().filter(|_| self.can_judge());
        [self.deaf_until(), settling, self.beat_at, self.list_at, peers].into_iter().flatten().min()
    }

    /// What is to be done now.
    pub(super) fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// What has happened since the last call.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether [`Self::owns`] may answer otherwise than at the last call of this.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// What this gateway is called.
    pub(super) fn id(&self) -> GatewayId {
        self.id
    }

    /// How many others live.
    pub(super) fn others(&self) -> usize {
        self.peers.len()
    }

    /// Notices that we have slept.
    fn wake(&mut self, now: Instant) {
        if !self.is_asleep(now) {
            return;
        }
        self.events.push(Event::Slept);
        if self.subscribed {
            self.settle(now);
        } else {
            self.forget();
            self.stage = Stage::Unknown;
        }
    }

    fn settle(&mut self, now: Instant) {
        self.forget();
        self.tell(Says::Hello(self.card.clone()));
        self.stage = Stage::Settling(Settling {
            number: self.number,
            since: now,
            listeners: None,
            is_echoed: false,
            answered: BTreeSet::new(),
        });
    }

    fn forget(&mut self) {
        self.peers.clear();
        (self.beat_at, self.list_at) = (None, None);
        self.is_changed = true;
    }

    fn unsettle(&mut self) {
        if matches!(self.stage, Stage::Settling(_)) {
            self.forget();
            self.stage = Stage::Unknown;
        }
    }

    fn settled_if_all_answered(&mut self) {
        if let Stage::Settling(Settling {
            listeners: Some(listeners),
            is_echoed: true,
            answered,
            ..
        }) = &self.stage
            && u64::try_from(answered.len()).unwrap_or(u64::MAX) >= listeners.saturating_sub(1)
        {
            self.settled();
        }
    }

    fn settled(&mut self) {
        self.stage = Stage::Settled;
        self.is_changed = true;
    }

    fn stay_alone(&mut self, why: String) {
        if !matches!(self.stage, Stage::Alone) {
            self.forget();
            self.stage = Stage::Alone;
            self.events.push(Event::Alone(why));
        }
    }

    /// Says hello, and begins to count the others' silence anew.
    fn ask_around(&mut self, now: Instant) {
        self.peers.hear_all(now);
        self.echoed_at = Some(now);
        self.tell(Says::Hello(self.card.clone()));
    }

    fn echo(&mut self, number: u64, now: Instant) {
        let before = self.echoed_at.replace(now);
        match &mut self.stage {
            Stage::Settling(settling) if number >= settling.number => {
                settling.is_echoed = true;
                self.settled_if_all_answered();
            }
            Stage::Settled if !self.peers.is_empty() => {
                if before.is_some_and(|before| now >= before + STALL) {
                    self.ask_around(now);
                } else {
                    self.bury_the_silent(now);
                }
            }
            _ => {}
        }
    }

    fn bury_the_silent(&mut self, now: Instant) {
        let silent = self.peers.silent(now);
        for id in &silent {
            self.lose(*id, Leaving::Silent);
        }
        if !silent.is_empty() {
            // Should we have been wrong, it answers; without company nothing more would be said.
            self.tell(Says::Hello(self.card.clone()));
        }
    }

    /// Has those looked for that missed a beat, and ourselves heard to judge those silent for long.
    fn look_at_the_silent(&mut self, now: Instant) {
        if !self.can_judge() {
            return;
        }
        let worry = self.peers.worry(now);
        if !worry.missed.is_empty() {
            self.orders.push(Order::LookFor(worry.missed));
        }
        if worry.probe {
            self.beat_at = Some(now);
        }
    }

    fn can_judge(&self) -> bool {
        self.subscribed && matches!(self.stage, Stage::Settled)
    }

    fn learn(&mut self, from: GatewayId, card: Card, now: Instant) {
        if card.holder.is_some() && card.holder == self.card.holder {
            self.meet_namesake(from);
        }
        let learned = self.peers.learn(from, card, now);
        self.is_changed |= learned != Learned::Nothing;
        if learned == Learned::New {
            self.events.push(Event::Joined(from));
        }
        if self.beat_at.is_none() {
            (self.beat_at, self.echoed_at) = (Some(now + BEAT), Some(now));
        }
        if let Stage::Settling(settling) = &mut self.stage {
            settling.answered.insert(from);
            self.settled_if_all_answered();
        }
    }

    /// The one who comes later gives way: it has taken no leases yet.
    fn meet_namesake(&mut self, from: GatewayId) {
        if !self.has_namesake && matches!(self.stage, Stage::Settling(_)) {
            self.has_namesake = true;
            self.events.push(Event::Namesake(from));
        }
    }

    fn lose(&mut self, id: GatewayId, how: Leaving) {
        if self.peers.remove(id) {
            self.is_changed = true;
            self.events.push(Event::Left(id, how));
            if self.peers.is_empty() {
                self.beat_at = None;
            }
        }
    }

    fn list_soon(&mut self, now: Instant) {
        let earliest = self.listed_at.map_or(now, |at| now.max(at + LISTS));
        self.list_at.get_or_insert(earliest);
    }

    fn deaf_until(&self) -> Option<Instant> {
        let patience = match self.stage {
            Stage::Unknown | Stage::Settling(_) => DEAF.0,
            Stage::Settled => DEAF.1,
            Stage::Alone | Stage::Leaving => return None,
        };
        self.deaf.as_ref().map(|(since, _)| *since + patience)
    }

    fn tell(&mut self, says: Says) {
        self.number += 1;
        let message = Message { from: self.id, number: self.number, says };
        self.orders.push(Order::Tell(message));
    }
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
