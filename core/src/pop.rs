//! Handing out.

use crate::limits::{IN_FLIGHT_MAX_DEFAULT, TIME_MS_MAX, WALK_BUDGET};
use crate::message::{self, Message, MessageState, NO_GROUP};
use crate::queue::Queue;

/// How many messages that became due a receive lets their groups offer, unless it asks for more:
/// less than a millisecond's worth, since each has its place among others.
const OFFER_BUDGET: usize = 250;

/// What [`Queue::pop_due`] needs.
#[derive(Debug, Clone, Copy)]
pub struct PopOptions<'a> {
    /// At most this many messages.
    pub count: usize,
    /// `None`: the queue's visibility timeout.
    pub visibility_timeout_ms: Option<u64>,
    /// Stop before bodies and attributes pass this; one message always comes.
    pub max_bytes: Option<u64>,
    /// From a FIFO queue: of at most this many groups.
    pub groups: Option<usize>,
    /// Who receives; 0: nobody says.
    pub holder: u32,
    /// The receive attempt's id.
    pub attempt: Option<&'a [u8]>,
    /// How many messages may be in flight.
    pub in_flight_max: u64,
}

impl Default for PopOptions<'_> {
    fn default() -> Self {
        Self {
            count: 1,
            visibility_timeout_ms: None,
            max_bytes: None,
            groups: None,
            holder: 0,
            attempt: None,
            in_flight_max: IN_FLIGHT_MAX_DEFAULT,
        }
    }
}

/// What [`Queue::pop_due`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Popped {
    /// Slots of the messages handed out, in order.
    pub leased: Vec<u32>,
    /// (slot, sequence) of expired messages that were dropped on the way.
    pub dropped: Vec<(u32, u64)>,
    /// Slots of messages that went to the dead list on the way.
    pub died: Vec<u32>,
    /// Whether the answer is that of an earlier receive with the same attempt id.
    pub repeated: bool,
    /// Whether messages are held back because as many as may be are in flight.
    pub is_limited: bool,
}

impl Popped {
    /// Whether any message is in another state than before.
    fn has_changed(&self) -> bool {
        !(self.leased.is_empty() && self.dropped.is_empty() && self.died.is_empty())
    }
}

/// What is picked before anything is leased: a visibility timeout of 0 must not hand out a message
/// twice in one call.
struct Picking<'a> {
    options: &'a PopOptions<'a>,
    now_ms: u64,
    count: usize,
    bytes: u64,
    walked: usize,
    popped: Popped,
}

/// What becomes of a message whose turn it is.
enum Fate {
    Lease,
    Drop,
    Die,
    /// It has no room any more, nor has any after it.
    Stop,
}

impl Picking<'_> {
    fn is_done(&self) -> bool {
        self.popped.leased.len() >= self.count || self.walked >= WALK_BUDGET
    }

    /// Decides, and notes it.
    fn pick(&mut self, queue: &Queue, slot: u32, message: &Message) -> Fate {
        if queue.is_expired(message, self.now_ms) {
            self.walked += 1;
            self.popped.dropped.push((slot, message.sequence));
            return Fate::Drop;
        }
        if queue.is_exhausted(message) {
            self.walked += 1;
            self.popped.died.push(slot);
            return Fate::Die;
        }
        let length = u64::try_from(message.content_length()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
        let is_first = self.popped.leased.is_empty();
        if !is_first && self.options.max_bytes.is_some_and(|max| self.bytes > max) {
            return Fate::Stop;
        }
        self.popped.leased.push(slot);
        Fate::Lease
    }
}

impl Queue {
    /// Hands out what is due: drops expired messages on the way, lets exhausted ones die, counts
    /// the receive, draws a lease. Looks at no more than [`WALK_BUDGET`] messages that it does not
    /// hand out; a caller that gets fewer than it asked for may ask again.
    ///
    /// Order: a standard queue's is (due time, sequence number), with fair turns among groups; a
    /// FIFO queue's is its groups' ([`crate::groups`]).
    pub fn pop_due(
        &mut self,
        now_ms: u64,
        options: &PopOptions<'_>,
        draw_lease: &mut dyn FnMut() -> u32,
    ) -> Popped {
        if let Some(id) = options.attempt
            && let Some(leased) = self.repeat_attempt(now_ms, id, options)
        {
            self.touch(now_ms);
            self.note_earliest();
            return Popped { leased, repeated: true, ..Popped::default() };
        }
        if self.groups.is_some() {
            self.offer_for_pop(now_ms, options.count);
        }
        let in_flight = self.in_flight_for(now_ms, options);
        let free = options.in_flight_max.saturating_sub(in_flight);
        let count = options.count.min(usize::try_from(free).unwrap_or(usize::MAX));
        let popped = Popped::default();
        let mut picking = Picking { options, now_ms, count, bytes: 0, walked: 0, popped };
        if self.attributes.fifo {
            self.pick_in_order(&mut picking);
        } else {
            self.pick_by_turns(&mut picking, in_flight);
        }
        let mut popped = picking.popped;
        for &slot in &popped.leased {
            self.lease(slot, now_ms, options, draw_lease);
        }
        popped.is_limited = free == 0 && self.next_wait_ms(now_ms) == Some(0);
        self.is_held_back |= popped.is_limited;
        if let Some(id) = options.attempt.filter(|_| !popped.leased.is_empty()) {
            self.note_attempt(now_ms, id, &popped.leased);
        }
        self.touch_if(popped.has_changed(), now_ms);
        self.note_earliest();
        popped
    }

    /// Messages in flight, which may lag as [`Queue::counts`] does. Where nothing depends on it, in
    /// a queue without groups far from its limit, leases that lapsed count, too.
    fn in_flight_for(&mut self, now_ms: u64, options: &PopOptions<'_>) -> u64 {
        let leased = self.timed.total().leased;
        let count = u64::try_from(options.count).unwrap_or(u64::MAX);
        if self.groups.is_none() && leased.saturating_add(count) <= options.in_flight_max {
            return leased;
        }
        self.counts(now_ms).in_flight
    }

    /// Picks from a FIFO queue: of the group whose turn it is as many as there are, then of the
    /// next.
    fn pick_in_order(&mut self, picking: &mut Picking<'_>) {
        let Some(groups) = self.groups.as_deref() else { return };
        let most = picking.options.groups.unwrap_or(usize::MAX);
        let mut taken_from = 0;
        'groups: for group in groups.turns() {
            let before = picking.popped.leased.len();
            for sequence in groups.sequences(group) {
                if picking.is_done() {
                    break 'groups;
                }
                let Some(slot) = self.sequence.get(sequence) else { break };
                let Some(message) = self.slab.get(slot).filter(|m| m.is_offered()) else { break };
                if let Fate::Stop = picking.pick(self, slot, message) {
                    break 'groups;
                }
            }
            taken_from += usize::from(picking.popped.leased.len() > before);
            if taken_from >= most {
                break;
            }
        }
        for &(slot, _) in &picking.popped.dropped {
            self.take(slot);
        }
        for &slot in &picking.popped.died {
            self.bury(slot, picking.now_ms);
        }
    }

    /// Picks from a standard queue: the earliest (due time, sequence number), with messages that
    /// have groups by fair turns. Those without count as one more group.
    fn pick_by_turns(&mut self, picking: &mut Picking<'_>, in_flight: u64) {
        let grouped = self.groups.as_deref().map_or(0, |groups| groups.timed.total().leased);
        let mut plain_in_flight = in_flight.saturating_sub(grouped);
        while !picking.is_done() {
            let Some(slot) = self.next_by_turns(picking.now_ms, plain_in_flight) else { break };
            let Some(message) = self.slab.get(slot) else { break };
            let group = message.group;
            match picking.pick(self, slot, message) {
                Fate::Drop => drop(self.take(slot)),
                Fate::Die => self.bury(slot, picking.now_ms),
                Fate::Stop => break,
                Fate::Lease if group == NO_GROUP => {
                    self.detach(slot);
                    plain_in_flight = plain_in_flight.saturating_add(1);
                }
                Fate::Lease => {
                    self.detach(slot);
                    self.count_picked(group);
                }
            }
        }
    }

    /// The slot of the message of a standard queue whose turn it is. `plain_in_flight`: messages in
    /// flight that have no group.
    fn next_by_turns(&self, now_ms: u64, plain_in_flight: u64) -> Option<u32> {
        let plain = self.first_due(now_ms);
        let turn = self.groups.as_deref().and_then(|groups| {
            let (rank, group) = groups.turn()?;
            Some((rank, groups.sequences(group).next()?))
        });
        match (plain, turn) {
            (Some((due_ms, first, slot)), Some((rank, _)))
                if [plain_in_flight, due_ms, first] < rank =>
            {
                Some(slot)
            }
            (_, Some((_, first))) => self.sequence.get(first),
            (plain, None) => plain.map(|(_, _, slot)| slot),
        }
    }

    /// Lets groups offer what became due; that it is due is no news.
    fn offer_for_pop(&mut self, now_ms: u64, count: usize) {
        self.offer_due(now_ms, count.clamp(OFFER_BUDGET, WALK_BUDGET));
        self.noted_due_ms = self.earliest_ms();
    }

    /// The slot of the first message that [`Queue::pop_due`] would look at, of those that groups
    /// offer already.
    fn first(&self, now_ms: u64) -> Option<u32> {
        if !self.attributes.fifo {
            return self.next_by_turns(now_ms, 0);
        }
        let groups = self.groups.as_deref()?;
        self.sequence.get(groups.sequences(groups.turn()?.1).next()?)
    }

    /// Whether [`Queue::pop_due`] would hand out something, were nothing in flight, without
    /// dropping anything or letting anything die first.
    pub fn offers(&mut self, now_ms: u64) -> bool {
        self.offer_for_pop(now_ms, 1);
        let first = self.first(now_ms).and_then(|slot| self.slab.get(slot));
        first.is_some_and(|m| !self.is_expired(m, now_ms) && !self.is_exhausted(m))
    }

    /// Drops expired messages and lets exhausted ones die that stand in front of the first one that
    /// can be handed out, `max` at most.
    pub fn clear_front(&mut self, now_ms: u64, max: usize) -> Popped {
        let mut cleared = Popped::default();
        self.offer_for_pop(now_ms, 1);
        while cleared.dropped.len() + cleared.died.len() < max
            && let Some(slot) = self.first(now_ms)
            && let Some(message) = self.slab.get(slot)
        {
            if self.is_expired(message, now_ms) {
                cleared.dropped.push((slot, message.sequence));
                self.take(slot);
            } else if self.is_exhausted(message) {
                self.bury(slot, now_ms);
                cleared.died.push(slot);
            } else {
                break;
            }
        }
        self.touch_if(cleared.has_changed(), now_ms);
        self.note_earliest();
        cleared
    }

    /// Counts a message of a group that was picked and is not yet leased.
    pub(crate) fn count_picked(&mut self, group: u32) {
        if let Some(groups) = self.groups.as_deref_mut() {
            groups.count_picked(group, 1);
        }
        self.place_group(group);
    }

    /// Due time, sequence number and slot of the first message without a group that can be received
    /// at `now_ms`. What is in the ready list was asked for at once and is due whatever the clock
    /// says, even when it stepped back.
    fn first_due(&self, now_ms: u64) -> Option<(u64, u64, u32)> {
        let head = self.ready.head;
        let ready = self.slab.get(head).map(|m| (m.due_ms, m.sequence, head));
        let timed = self.timed.first().filter(|entry| entry.due_ms <= now_ms);
        match (ready, timed) {
            (Some(ready), Some(timed)) if ready < (timed.due_ms, timed.sequence, head) => {
                Some(ready)
            }
            (_, Some(timed)) => {
                Some((timed.due_ms, timed.sequence, self.sequence.get(timed.sequence)?))
            }
            (ready, None) => ready,
        }
    }

    pub(crate) fn is_expired(&self, message: &Message, now_ms: u64) -> bool {
        message.sent_ms.saturating_add(self.attributes.message_retention_period_ms) <= now_ms
    }

    /// How long a receive with these options hides its messages.
    pub(crate) fn visibility_timeout_ms(&self, options: &PopOptions<'_>) -> u64 {
        options.visibility_timeout_ms.unwrap_or(self.attributes.visibility_timeout_ms)
    }

    /// Makes a message due at another time, counted from now; 0: at once.
    pub(crate) fn set_due(&mut self, slot: u32, now_ms: u64, after_ms: u64) {
        self.detach(slot);
        let due_ms = now_ms.min(TIME_MS_MAX).saturating_add(after_ms).min(TIME_MS_MAX);
        let mut lapses_sooner = false;
        if let Some(message) = self.slab.get_mut(slot) {
            lapses_sooner = message.is_leased() && due_ms < message.due_ms;
            message.due_ms = due_ms;
            let is_offered = after_ms == 0;
            match &mut message.state {
                MessageState::Leased { hidden_s, offered, .. } => {
                    *hidden_s = message::hidden_s(after_ms);
                    *offered = is_offered;
                }
                // One that was given back is nobody's: an old receipt can only delay it.
                state @ (MessageState::Ready { .. } | MessageState::Waiting { .. }) => {
                    let since_ms = now_ms.min(TIME_MS_MAX);
                    *state = MessageState::Waiting { offered: is_offered, since_ms };
                }
                MessageState::Dead { .. } => {}
            }
        }
        self.attach(slot);
        if lapses_sooner {
            self.note_room();
        }
    }

    /// Leases a message that was picked. One of a standard queue stands nowhere then.
    pub(crate) fn lease(
        &mut self,
        slot: u32,
        now_ms: u64,
        options: &PopOptions<'_>,
        draw_lease: &mut dyn FnMut() -> u32,
    ) {
        let now_ms = now_ms.min(TIME_MS_MAX);
        let visibility_timeout_ms = self.visibility_timeout_ms(options);
        if self.attributes.fifo {
            self.detach(slot);
        }
        let Some(message) = self.slab.get_mut(slot) else { return };
        message.due_ms = now_ms.saturating_add(visibility_timeout_ms).min(TIME_MS_MAX);
        message.receive_count = message.receive_count.saturating_add(1);
        if message.first_received_ms == 0 {
            message.first_received_ms = now_ms.max(1);
        }
        let drawn = draw_lease().max(1);
        let is_drawn_again = drawn == message.lease;
        message.lease = if is_drawn_again { drawn.wrapping_add(1).max(1) } else { drawn };
        message.state = MessageState::Leased {
            leased_ms: now_ms,
            holder: options.holder,
            hidden_s: message::hidden_s(visibility_timeout_ms),
            offered: visibility_timeout_ms == 0,
        };
        let group = message.group;
        if !self.attributes.fifo
            && let Some(groups) = self.groups.as_deref_mut()
        {
            // Where the group stands now is seen to when the message is attached.
            groups.count_picked(group, -1);
        }
        self.attach(slot);
    }
}
