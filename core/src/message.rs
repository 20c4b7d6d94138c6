//! A message as it lies in its slot.

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageState {
    /// Sent without delay and never received: in the ready list, linked to its neighbours
    /// ([`NO_SLOT`] at the ends).
    Ready {
        /// The slot before it.
        prev: u32,
        /// The slot after it.
        next: u32,
    },
    /// Never received, or given back: in the timed index, due at its due time.
    Waiting,
    /// Received: in the timed index; its lease lapses at its due time.
    Leased {
        /// When it was received; milliseconds since 1970.
        leased_ms: u64,
        /// Who received it, as POPDUE was told; 0: nobody said.
        holder: u32,
    },
}

/// The end of a list of slots.
pub(crate) const NO_SLOT: u32 = u32::MAX;

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
    /// Body, then attributes, in one allocation.
    pub(crate) payload: Box<[u8]>,
    /// How much of the payload is the body.
    pub(crate) body_length: u32,
    /// The current lease; 0: never leased, or given back.
    pub(crate) lease: u32,
    /// How often it was received.
    pub(crate) receive_count: u32,
}

const _: () = assert!(size_of::<Message>() <= 80);

impl Message {
    /// The body.
    pub(crate) fn body(&self) -> &[u8] {
        self.split().0
    }

    /// The attributes, opaque to the queue.
    pub(crate) fn attributes(&self) -> &[u8] {
        self.split().1
    }

    /// Whether a receipt with this lease is the current one.
    pub(crate) fn is_leased_by(&self, lease: u32) -> bool {
        matches!(self.state, MessageState::Leased { .. }) && lease != 0 && self.lease == lease
    }

    fn split(&self) -> (&[u8], &[u8]) {
        let body_length = usize::try_from(self.body_length).unwrap_or(usize::MAX);
        self.payload.split_at_checked(body_length).unwrap_or((&self.payload, &[]))
    }
}
