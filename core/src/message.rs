//! A message as it lies in its slot.

use crate::extras::Extras;

/// Where a message stands.
///
/// In a queue with groups what its group can offer is *offered*: it waits for no time any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageState {
    /// Without a group, sent without delay and never received: in the ready list, linked to its
    /// neighbours ([`NO_SLOT`] at the ends).
    Ready {
        /// The slot before it.
        prev: u32,
        /// The slot after it.
        next: u32,
    },
    /// Never received, or given back: due at its due time.
    Waiting {
        /// Its group offers it.
        offered: bool,
        /// When its due time was computed; milliseconds since 1970.
        since_ms: u64,
    },
    /// Received; its lease lapses at its due time.
    Leased {
        /// When it was received; milliseconds since 1970.
        leased_ms: u64,
        /// Who received it, as POPDUE was told; 0: nobody said.
        holder: u32,
        /// How long its due time was put off when it was computed last, at the receive or since;
        /// seconds, rounded up. No lease is longer than 12 hours.
        hidden_s: u16,
        /// Its lease has lapsed and its group offers it.
        offered: bool,
    },
    /// In the dead list. Its due time is when it came there.
    Dead {
        /// Its number in the list.
        number: u64,
    },
}

/// The end of a list of slots.
pub(crate) const NO_SLOT: u32 = u32::MAX;
/// The group of a message that has none.
pub(crate) const NO_GROUP: u32 = u32::MAX;

/// Says in [`Message::lengths`] that extras follow the attributes.
const EXTRAS_BIT: u32 = 1 << 31;

/// One message. 80 bytes, so that a message of 100 bytes costs less than 200 in all (design §9);
/// fields are narrow for that reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its number in the queue, from 1 on.
    pub(crate) sequence: u64,
    /// When it was accepted; milliseconds since 1970.
    pub(crate) sent_ms: u64,
    /// When it can be received (again); milliseconds since 1970.
    pub(crate) due_ms: u64,
    /// When it was first received; 0: never.
    pub(crate) first_received_ms: u64,
    /// Where it stands.
    pub(crate) state: MessageState,
    /// Body, attributes and extras, in one allocation.
    pub(crate) payload: Box<[u8]>,
    /// How much of the payload is the body, and whether it ends in extras.
    lengths: u32,
    /// The current lease; 0: never leased, or given back.
    pub(crate) lease: u32,
    /// How often it was received.
    pub(crate) receive_count: u32,
    /// Its group's number in this process; [`NO_GROUP`]: it has none.
    pub(crate) group: u32,
}

const _: () = assert!(size_of::<Message>() <= 80);

/// [`MessageState::Leased`]'s `hidden_s`.
pub(crate) fn hidden_s(visibility_timeout_ms: u64) -> u16 {
    u16::try_from(visibility_timeout_ms.div_ceil(1_000)).unwrap_or(u16::MAX)
}

impl Message {
    /// A message that was never received and has no group. `body_length` is below 2^31.
    pub(crate) fn new(
        sequence: u64,
        sent_ms: u64,
        due_ms: u64,
        payload: Box<[u8]>,
        body_length: u32,
        has_extras: bool,
    ) -> Self {
        Self {
            sequence,
            sent_ms,
            due_ms,
            first_received_ms: 0,
            state: MessageState::Waiting { offered: false, since_ms: sent_ms },
            payload,
            lengths: body_length & !EXTRAS_BIT | if has_extras { EXTRAS_BIT } else { 0 },
            lease: 0,
            receive_count: 0,
            group: NO_GROUP,
        }
    }

    /// How much of the payload is the body.
    pub(crate) const fn body_length(&self) -> u32 {
        self.lengths & !EXTRAS_BIT
    }

    /// Whether the payload ends in extras.
    pub(crate) const fn has_extras(&self) -> bool {
        self.lengths & EXTRAS_BIT != 0
    }

    /// The body.
    pub(crate) fn body(&self) -> &[u8] {
        self.split().0
    }

    /// The attributes, opaque to the queue.
    pub(crate) fn attributes(&self) -> &[u8] {
        let rest = self.split().1;
        if self.has_extras() {
            Extras::split(rest).map_or(rest, |(before, _)| before)
        } else {
            rest
        }
    }

    /// What only moved messages and those of FIFO queues have.
    pub(crate) fn extras(&self) -> Extras<'_> {
        if !self.has_extras() {
            return Extras::default();
        }
        let extras = Extras::split(self.split().1).and_then(|(_, bytes)| Extras::decode(bytes));
        extras.unwrap_or_default()
    }

    /// Body and attributes, in bytes.
    pub(crate) fn content_length(&self) -> usize {
        self.body().len() + self.attributes().len()
    }

    /// Whether it was received and not given back since; its lease may have lapsed.
    pub(crate) const fn is_leased(&self) -> bool {
        matches!(self.state, MessageState::Leased { .. })
    }

    /// Whether a receipt with this lease is the current one.
    pub(crate) fn is_leased_by(&self, lease: u32) -> bool {
        self.is_leased() && lease != 0 && self.lease == lease
    }

    /// Whether its group offers it now.
    pub(crate) fn is_offered(&self) -> bool {
        match self.state {
            MessageState::Waiting { offered, .. } | MessageState::Leased { offered, .. } => offered,
            MessageState::Ready { .. } | MessageState::Dead { .. } => false,
        }
    }

    /// Notes whether its group offers it.
    pub(crate) fn set_offered(&mut self, is_offered: bool) {
        match &mut self.state {
            MessageState::Waiting { offered, .. } | MessageState::Leased { offered, .. } => {
                *offered = is_offered;
            }
            MessageState::Ready { .. } | MessageState::Dead { .. } => {}
        }
    }

    /// When its due time was computed, by the clock of that moment; milliseconds since 1970. Of a
    /// lease up to a second less.
    pub(crate) fn since_ms(&self) -> u64 {
        match self.state {
            MessageState::Ready { .. } | MessageState::Dead { .. } => self.due_ms,
            MessageState::Waiting { since_ms, .. } => since_ms,
            MessageState::Leased { hidden_s, .. } => {
                self.due_ms.saturating_sub(u64::from(hidden_s) * 1_000)
            }
        }
    }

    fn split(&self) -> (&[u8], &[u8]) {
        let body_length = usize::try_from(self.body_length()).unwrap_or(usize::MAX);
        self.payload.split_at_checked(body_length).unwrap_or((&self.payload, &[]))
    }
}
