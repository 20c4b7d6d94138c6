//! A standard queue: sending and handing out.
//!
//! Messages stand in two places. Those sent without a delay and never received are in the *ready
//! list*, linked through their slots, which is sorted because it is only appended to. All others
//! are in the *timed index*, sorted by due time. Handing out takes from whichever place has the
//! earlier (due time, sequence number), so nothing has to be moved when a time comes, and a
//! replica, which never looks at the clock, holds the same state as its master.

use crate::attributes::{Attributes, Tags};
use crate::error::Error;
use crate::limits::{
    DELAY_BEYOND_RETENTION_MS, DURATION_MS_MAX, SEQUENCE_MAX, TIME_MS_MAX, WALK_BUDGET,
};
use crate::message::{Message, MessageState, NO_SLOT};
use crate::slab::Slab;
use crate::timed::{Entry, Kind, Timed};

/// What [`Queue::send`] needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct SendOptions<'a> {
    /// The body.
    pub body: &'a [u8],
    /// Attributes, opaque here; may be empty.
    pub attributes: &'a [u8],
    /// `None`: the queue's delay.
    pub delay_ms: Option<u64>,
    /// What is held against MaximumMessageSize; `None`: the body's length.
    pub size_bytes: Option<u64>,
}

/// Where a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its slot.
    pub slot: u32,
    /// Its sequence number.
    pub sequence: u64,
}

/// What [`Queue::pop_due`] needs.
#[derive(Debug, Clone, Copy)]
pub struct PopOptions {
    /// At most this many messages.
    pub count: usize,
    /// `None`: the queue's visibility timeout.
    pub visibility_timeout_ms: Option<u64>,
    /// Stop before the payloads pass this; one message always comes.
    pub max_bytes: Option<u64>,
    /// Who receives; 0: nobody says.
    pub holder: u32,
}

/// What [`Queue::pop_due`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Popped {
    /// Slots of the messages handed out, in order.
    pub leased: Vec<u32>,
    /// (slot, sequence) of expired messages that were dropped on the way.
    pub dropped: Vec<(u32, u64)>,
}

/// Messages by what a receiver sees of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Can be received now.
    pub ready: u64,
    /// Delayed.
    pub delayed: u64,
    /// Received, not yet visible again.
    pub in_flight: u64,
}

/// News for waiters: the queue's earliest due time became earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// The new earliest due time; milliseconds since 1970, maybe in the past.
    pub due_ms: u64,
    /// The hint's number.
    pub number: u64,
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
    /// How often it was received.
    pub receive_count: u32,
    /// When it was accepted; milliseconds since 1970.
    pub sent_ms: u64,
    /// When it was first received; milliseconds since 1970, 0: never.
    pub first_received_ms: u64,
    /// When it can be received (again); milliseconds since 1970.
    pub due_ms: u64,
    /// The current lease.
    pub lease: u32,
}

/// What was in a queue. Dropping it takes as long as there were messages, which the caller may
/// want to do on another thread.
#[derive(Debug)]
#[must_use]
pub struct Purged {
    slab: Slab,
    #[expect(dead_code, reason = "it only holds what is to be dropped")]
    timed: Timed,
}

impl Purged {
    /// How many messages there were.
    pub fn count(&self) -> u64 {
        u64::from(self.slab.len())
    }
}

/// The first and the last of the ready list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadyList {
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) length: u32,
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
    pub(crate) ready: ReadyList,
    pub(crate) timed: Timed,
    /// The earliest due time as waiters know it.
    pub(crate) noted_due_ms: Option<u64>,
    /// Whether a hint is waiting for [`Queue::take_hint`].
    pub(crate) hint_pending: bool,
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
            ready: ReadyList { head: NO_SLOT, tail: NO_SLOT, length: 0 },
            timed: Timed::default(),
            noted_due_ms: None,
            hint_pending: false,
        }
    }

    /// Whether a message of that size may be sent. Errors: [`Error::TooLarge`].
    pub fn check_size(&self, size_bytes: u64) -> Result<(), Error> {
        let maximum_message_size_bytes = self.attributes.maximum_message_size_bytes;
        if size_bytes > maximum_message_size_bytes {
            return Err(Error::TooLarge { size_bytes, maximum_message_size_bytes });
        }
        Ok(())
    }

    /// Whether a message is small enough for this queue, and for any: a payload's length has 32
    /// bits. The body's length. Errors: [`Error::TooLarge`].
    fn check_lengths(&self, options: &SendOptions) -> Result<u32, Error> {
        let payload_length = options.body.len().saturating_add(options.attributes.len());
        let size_bytes = u64::try_from(payload_length).unwrap_or(u64::MAX);
        let maximum_message_size_bytes = self.attributes.maximum_message_size_bytes;
        let too_large = Error::TooLarge { size_bytes, maximum_message_size_bytes };
        u32::try_from(payload_length).map_err(|_| too_large)?;
        let body_length = u32::try_from(options.body.len()).map_err(|_| too_large)?;
        self.check_size(options.size_bytes.unwrap_or(u64::from(body_length)))?;
        Ok(body_length)
    }

    /// Whether a delay leaves the message time to be received. Only delays that SQS does not have
    /// are refused: there a delay beyond the retention is accepted, and the message is lost.
    /// Errors: [`Error::DelayBeyondRetention`].
    pub fn check_delay(&self, delay_ms: u64) -> Result<(), Error> {
        let retention_ms = self.attributes.message_retention_period_ms;
        if delay_ms > retention_ms.max(DELAY_BEYOND_RETENTION_MS) {
            return Err(Error::DelayBeyondRetention);
        }
        Ok(())
    }

    /// Appends a message. Errors: [`Error::TooLarge`], [`Error::DelayBeyondRetention`],
    /// [`Error::Full`]; nothing is changed then.
    pub fn send(&mut self, now_ms: u64, options: &SendOptions) -> Result<Sent, Error> {
        let body_length = self.check_lengths(options)?;
        let delay_ms = options.delay_ms.unwrap_or(self.attributes.delay_ms).min(DURATION_MS_MAX);
        self.check_delay(delay_ms)?;
        if self.last_sequence >= SEQUENCE_MAX {
            return Err(Error::Full);
        }
        let slot = self.slab.reserve().ok_or(Error::Full)?;
        let sequence = self.last_sequence + 1;
        let mut payload = Vec::with_capacity(options.body.len() + options.attributes.len());
        payload.extend_from_slice(options.body);
        payload.extend_from_slice(options.attributes);
        let sent_ms = now_ms.min(TIME_MS_MAX);
        let message = Message {
            sequence,
            sent_ms,
            due_ms: sent_ms.saturating_add(delay_ms).min(TIME_MS_MAX),
            first_received_ms: 0,
            state: match delay_ms {
                0 => MessageState::Ready { prev: NO_SLOT, next: NO_SLOT },
                _ => MessageState::Waiting,
            },
            payload: payload.into_boxed_slice(),
            body_length,
            lease: 0,
            receive_count: 0,
        };
        self.put(slot, message).map_err(|_| Error::Full)?;
        self.last_sequence = sequence;
        self.note_earliest();
        Ok(Sent { slot, sequence })
    }

    /// Hands out what is due, the earliest (due time, sequence number) first: drops expired
    /// messages on the way, counts the receive, draws a lease. Looks at no more than
    /// [`WALK_BUDGET`] expired messages; a caller that gets fewer than it asked for may ask again.
    pub fn pop_due(
        &mut self,
        now_ms: u64,
        options: &PopOptions,
        draw_lease: &mut dyn FnMut() -> u32,
    ) -> Popped {
        let mut popped = Popped::default();
        let mut bytes = 0_u64;
        // All are taken out before any is leased, so that a visibility timeout of 0 cannot hand
        // out a message twice in one call.
        while popped.leased.len() < options.count && popped.dropped.len() < WALK_BUDGET {
            let Some(slot) = self.first_due(now_ms) else { break };
            let Some(message) = self.slab.get(slot) else { break };
            if self.is_expired(message, now_ms) {
                popped.dropped.push((slot, message.sequence));
                self.take(slot);
                continue;
            }
            bytes = bytes.saturating_add(u64::try_from(message.payload.len()).unwrap_or(u64::MAX));
            if !popped.leased.is_empty() && options.max_bytes.is_some_and(|max| bytes > max) {
                break;
            }
            self.detach(slot);
            popped.leased.push(slot);
        }
        for &slot in &popped.leased {
            self.lease(slot, now_ms, options, draw_lease);
        }
        self.note_earliest();
        popped
    }

    /// Takes out all messages; attributes and sequence stay.
    pub fn purge(&mut self) -> Purged {
        let purged = Purged {
            slab: std::mem::replace(&mut self.slab, Slab::new()),
            timed: std::mem::take(&mut self.timed),
        };
        self.ready = ReadyList { head: NO_SLOT, tail: NO_SLOT, length: 0 };
        self.payload_bytes = 0;
        self.note_earliest();
        purged
    }

    /// A copy with an identity of its own, so that receipts of one do not fit the other.
    #[must_use]
    pub fn duplicate(&self, uid: u64) -> Self {
        Self { uid, ..self.clone() }
    }

    /// Changes the attributes.
    pub fn set_attributes(&mut self, now_ms: u64, attributes: Attributes) {
        self.attributes = attributes;
        self.modified_ms = now_ms.min(TIME_MS_MAX);
    }

    /// Takes the hint that is due since the last call, if the earliest due time became earlier.
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

    /// The first message that can be received at `now_ms`. What is in the ready list was asked for
    /// at once and is due whatever the clock says, even when it stepped back.
    pub(crate) fn first_due(&self, now_ms: u64) -> Option<u32> {
        let ready = self.slab.get(self.ready.head).map(|m| (m.due_ms, m.sequence));
        let timed = self.timed.first().filter(|entry| entry.due_ms <= now_ms);
        match (ready, timed) {
            (Some(ready), Some(timed)) if (timed.due_ms, timed.sequence) < ready => {
                Some(timed.slot)
            }
            (Some(_), _) => Some(self.ready.head),
            (None, timed) => timed.map(|entry| entry.slot),
        }
    }

    pub(crate) fn is_expired(&self, message: &Message, now_ms: u64) -> bool {
        message.sent_ms.saturating_add(self.attributes.message_retention_period_ms) <= now_ms
    }

    fn lease(
        &mut self,
        slot: u32,
        now_ms: u64,
        options: &PopOptions,
        draw_lease: &mut dyn FnMut() -> u32,
    ) {
        let now_ms = now_ms.min(TIME_MS_MAX);
        let visibility_timeout_ms =
            options.visibility_timeout_ms.unwrap_or(self.attributes.visibility_timeout_ms);
        let Some(message) = self.slab.get_mut(slot) else { return };
        message.due_ms = now_ms.saturating_add(visibility_timeout_ms).min(TIME_MS_MAX);
        message.receive_count = message.receive_count.saturating_add(1);
        if message.first_received_ms == 0 {
            message.first_received_ms = now_ms.max(1);
        }
        let drawn = draw_lease();
        let next = if drawn == message.lease { drawn.wrapping_add(1) } else { drawn };
        message.lease = next.max(1);
        message.state = MessageState::Leased { leased_ms: now_ms, holder: options.holder };
        self.attach(slot);
    }

    /// Puts a message into a free slot and its place. Gives it back if the slot is taken.
    pub(crate) fn put(&mut self, slot: u32, message: Message) -> Result<(), Message> {
        let payload_bytes = u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
        self.slab.insert(slot, message)?;
        self.payload_bytes = self.payload_bytes.saturating_add(payload_bytes);
        self.attach(slot);
        Ok(())
    }

    /// Takes a message out for good.
    pub(crate) fn take(&mut self, slot: u32) -> Option<Message> {
        self.detach(slot);
        let message = self.slab.remove(slot)?;
        let payload_bytes = u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
        self.payload_bytes = self.payload_bytes.saturating_sub(payload_bytes);
        Some(message)
    }

    /// Puts the message of a slot into the ready list or the timed index, as its state says. One
    /// that would break the order of the ready list waits in the timed index instead.
    pub(crate) fn attach(&mut self, slot: u32) {
        let tail = self.ready.tail;
        let last = self.slab.get(tail).map_or((0, 0), |m| (m.due_ms, m.sequence));
        let Some(message) = self.slab.get_mut(slot) else { return };
        let key = (message.due_ms, message.sequence);
        if let MessageState::Ready { .. } = message.state {
            if key > last {
                message.state = MessageState::Ready { prev: tail, next: NO_SLOT };
                self.link(tail, slot);
                return;
            }
            message.state = MessageState::Waiting;
        }
        let entry = entry(slot, message);
        self.timed.insert(entry);
    }

    /// Takes the message of a slot out of the ready list or the timed index.
    pub(crate) fn detach(&mut self, slot: u32) {
        let Some(message) = self.slab.get(slot) else { return };
        match message.state {
            MessageState::Ready { prev, next } => self.unlink(prev, next),
            MessageState::Waiting | MessageState::Leased { .. } => {
                let entry = entry(slot, message);
                self.timed.remove(entry);
            }
        }
    }

    /// Notes the earliest due time, and that waiters should hear of it if it became earlier.
    pub(crate) fn note_earliest(&mut self) {
        let earliest = self.next_due_ms();
        let earlier = match (earliest, self.noted_due_ms) {
            (Some(now), Some(before)) => now < before,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if earlier {
            self.hint = self.hint.saturating_add(1);
            self.hint_pending = true;
        }
        self.noted_due_ms = earliest;
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

/// The timed index's entry for a message.
pub(crate) fn entry(slot: u32, message: &Message) -> Entry {
    let kind = match message.state {
        MessageState::Leased { .. } => Kind::Leased,
        MessageState::Ready { .. } | MessageState::Waiting => Kind::Waiting,
    };
    Entry { due_ms: message.due_ms, sequence: message.sequence, slot, kind }
}
