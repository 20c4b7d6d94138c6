//! Looking at a queue: counts, times, identities, a message as replies show it.

use crate::attributes::{Attributes, Tags};
use crate::limits::WALK_BUDGET;
use crate::queue::{Counts, MessageView, Queue};
use crate::receipt::Receipt;

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

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slab.len() == 0
    }

    /// Bodies and attributes, in bytes.
    pub fn bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// What the queue takes in memory, in bytes, estimated without a walk over
    /// the messages.
    pub fn memory_bytes(&self) -> usize {
        /// A B-tree entry of 16 bytes in half-full nodes.
        const TIMED_ENTRY_BYTES: usize = 30;
        let payload_bytes = usize::try_from(self.payload_bytes).unwrap_or(usize::MAX);
        let texts_bytes = self.attributes.memory_bytes() + self.tags.memory_bytes();
        let index_bytes = self.slab.memory_bytes() + self.timed.len() * TIMED_ENTRY_BYTES;
        (size_of::<Self>() + texts_bytes + index_bytes).saturating_add(payload_bytes)
    }

    /// Messages by state. Walks at most [`WALK_BUDGET`] messages that became due since the last
    /// call, so it lags after more became due at once.
    pub fn counts(&mut self, now_ms: u64) -> Counts {
        let due = self.timed.count_due(now_ms, WALK_BUDGET);
        let total = self.timed.total();
        Counts {
            ready: u64::from(self.ready.length) + due.waiting + due.leased,
            delayed: total.waiting - due.waiting,
            in_flight: total.leased - due.leased,
        }
    }

    /// When the next message can be received; milliseconds since 1970, maybe in the past. `None`:
    /// nothing is waiting.
    pub fn next_due_ms(&self) -> Option<u64> {
        let ready = self.slab.get(self.ready.head).map(|message| message.due_ms);
        let timed = self.timed.first().map(|entry| entry.due_ms);
        match (ready, timed) {
            (Some(ready), Some(timed)) => Some(ready.min(timed)),
            (one, other) => one.or(other),
        }
    }

    /// How long until the next message can be received, in milliseconds; 0: now. `None`: nothing
    /// is waiting.
    pub fn next_wait_ms(&self, now_ms: u64) -> Option<u64> {
        if self.ready.length > 0 {
            return Some(0);
        }
        self.timed.first().map(|entry| entry.due_ms.saturating_sub(now_ms))
    }

    /// When the message at the head of the queue was sent; milliseconds since 1970.
    pub fn oldest_sent_ms(&self) -> Option<u64> {
        let ready = self.slab.get(self.ready.head);
        let timed = self.timed.first().and_then(|entry| self.slab.get(entry.slot));
        ready.into_iter().chain(timed).map(|message| message.sent_ms).min()
    }

    /// The receipt of a slot's current lease.
    pub fn receipt(&self, slot: u32) -> Option<Receipt> {
        let message = self.slab.get(slot)?;
        Some(Receipt { uid: self.uid, slot, sequence: message.sequence, lease: message.lease })
    }

    /// The message in a slot.
    pub fn view(&self, slot: u32) -> Option<MessageView<'_>> {
        let message = self.slab.get(slot)?;
        Some(MessageView {
            slot,
            sequence: message.sequence,
            body: message.body(),
            attributes: message.attributes(),
            receive_count: message.receive_count,
            sent_ms: message.sent_ms,
            first_received_ms: message.first_received_ms,
            due_ms: message.due_ms,
            lease: message.lease,
        })
    }

    /// A message's id: UUID-shaped text, made of the queue's uid and the sequence number by a
    /// mixing that is reversible but for the six bits that say "version 4".
    pub fn message_id(&self, sequence: u64) -> [u8; 36] {
        let high = mix(sequence.wrapping_add(self.uid.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let low = mix(high ^ self.uid);
        let high = high & !0xf000 | 0x4000;
        let low = low & !(3 << 62) | 2 << 62;
        uuid_text(u128::from(high) << 64 | u128::from(low))
    }
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
