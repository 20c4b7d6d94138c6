//! Deduplication: which ids a FIFO queue has accepted within five minutes (sqs-contract §9).
//!
//! An id is remembered as a hash of scope and id, in the order of acceptance. Nothing here reads a
//! clock: what is forgotten depends on the acceptances alone, so that a replica, which is told the
//! messages, remembers what its master does.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::attributes::DeduplicationScope;
use crate::error::Error;
use crate::limits::{REMEMBERED_MS, SEQUENCE_MAX, TIME_MS_MAX};
use crate::queue::Queue;
use crate::snapshot::Reader;

/// Length of one remembered id in [`Queue::encode_dedup`], bytes.
const ENTRY_LENGTH: usize = 32;
/// How many ids that are too old one acceptance forgets.
const FORGET_AT_A_TIME: usize = 16;

/// SHA-256 of the body as lower-case hex: what stands for a deduplication id where the queue has
/// ContentBasedDeduplication (sqs-contract §6.4).
pub fn content_dedup_id(body: &[u8]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (byte, place) in Sha256::digest(body).iter().zip(text.chunks_exact_mut(2)) {
        let digits = [byte >> 4, byte & 15].map(|nibble| DIGITS.get(usize::from(nibble)));
        place.copy_from_slice(&digits.map(|digit| digit.copied().unwrap_or(b'0')));
    }
    text
}

/// What an id is remembered as: half of a SHA-256, so that nobody can make two that collide.
pub(crate) fn hash(scope: &[u8], id: &[u8]) -> u128 {
    let mut sha = Sha256::new();
    sha.update(u64::try_from(scope.len()).unwrap_or(u64::MAX).to_le_bytes());
    sha.update(scope);
    sha.update(id);
    let digest = sha.finalize();
    u128::from_le_bytes(digest.first_chunk().copied().unwrap_or_default())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Accepted {
    hash: u128,
    at_ms: u64,
}

/// The ids a queue remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dedup {
    sequences: BTreeMap<u128, u64>,
    accepted: BTreeMap<u64, Accepted>,
}

impl Dedup {
    pub(crate) fn len(&self) -> usize {
        self.accepted.len()
    }

    /// The sequence number of the message that was accepted with this id within five minutes.
    pub(crate) fn find(&self, hash: u128, now_ms: u64) -> Option<u64> {
        let sequence = *self.sequences.get(&hash)?;
        let accepted = self.accepted.get(&sequence)?;
        (accepted.at_ms.saturating_add(REMEMBERED_MS) > now_ms).then_some(sequence)
    }

    /// Remembers an id, and forgets some that are too old by then.
    pub(crate) fn accept(&mut self, hash: u128, sequence: u64, at_ms: u64) {
        self.forget(at_ms.saturating_sub(REMEMBERED_MS), FORGET_AT_A_TIME);
        self.insert(sequence, Accepted { hash, at_ms });
    }

    /// Forgets ids accepted at `until_ms` or before, at most `budget`.
    pub(crate) fn forget(&mut self, until_ms: u64, budget: usize) {
        for _ in 0..budget {
            let first = self.accepted.first_key_value();
            let Some((&sequence, accepted)) = first else { return };
            if accepted.at_ms > until_ms {
                return;
            }
            self.remove(sequence);
        }
    }

    /// Until when a sweep that is to forget about `budget` ids accepted at `until_ms` or before
    /// forgets: whoever is told that time forgets the same. `None`: there is nothing to forget.
    pub(crate) fn forgettable_until_ms(&self, until_ms: u64, budget: usize) -> Option<u64> {
        let accepted = self.accepted.values().map(|accepted| accepted.at_ms);
        accepted.take(budget).take_while(|&at_ms| at_ms <= until_ms).max()
    }

    /// Forgets the ids of messages up to a sequence number.
    pub(crate) fn forget_up_to(&mut self, sequence: u64) {
        while let Some((&first, _)) = self.accepted.first_key_value()
            && first <= sequence
        {
            self.remove(first);
        }
    }

    /// Whether an id is there that is too old to count.
    pub(crate) fn has_old(&self, now_ms: u64) -> bool {
        self.oldest_ms().is_some_and(|at_ms| at_ms.saturating_add(REMEMBERED_MS) <= now_ms)
    }

    /// When the oldest id was accepted; milliseconds since 1970.
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        self.accepted.first_key_value().map(|(_, accepted)| accepted.at_ms)
    }

    /// What it takes in memory, in bytes, estimated.
    pub(crate) fn memory_bytes(&self) -> usize {
        /// The entries of both maps in half-full B-tree nodes.
        const ENTRY_BYTES: usize = 128;
        self.len() * ENTRY_BYTES
    }

    /// After the clock was set back by `back_ms`: what was accepted in what is the future now was
    /// accepted that much earlier. Looks at the ids of at most `budget` messages from a sequence
    /// number on; what it changed, encoded, and where to go on.
    pub(crate) fn correct(
        &mut self,
        now_ms: u64,
        back_ms: u64,
        from: u64,
        budget: usize,
    ) -> (Vec<u8>, Option<u64>) {
        let (mut chunk, mut next, mut walked) = (Vec::new(), None, 0);
        for (&sequence, accepted) in self.accepted.range_mut(from..).take(budget) {
            if accepted.at_ms > now_ms {
                accepted.at_ms = accepted.at_ms.saturating_sub(back_ms).min(now_ms);
                encode(&mut chunk, sequence, accepted);
            }
            walked += 1;
            next = Some(sequence.saturating_add(1));
        }
        (chunk, next.filter(|_| walked >= budget))
    }

    fn insert(&mut self, sequence: u64, accepted: Accepted) {
        self.remove(sequence);
        if let Some(before) = self.sequences.insert(accepted.hash, sequence) {
            self.accepted.remove(&before);
        }
        self.accepted.insert(sequence, accepted);
    }

    fn remove(&mut self, sequence: u64) {
        if let Some(accepted) = self.accepted.remove(&sequence)
            && self.sequences.get(&accepted.hash) == Some(&sequence)
        {
            self.sequences.remove(&accepted.hash);
        }
    }

    /// Errors: what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let agrees = |(sequence, accepted): (&u64, &Accepted)| {
            self.sequences.get(&accepted.hash) == Some(sequence)
        };
        if self.sequences.len() == self.accepted.len() && self.accepted.iter().all(agrees) {
            return Ok(());
        }
        Err("the deduplication ids disagree with their order".to_owned())
    }
}

impl Queue {
    /// What an id of a group is remembered as.
    pub(crate) fn dedup_hash(&self, group: &[u8], dedup_id: &[u8]) -> u128 {
        match self.attributes.deduplication_scope {
            DeduplicationScope::Queue => hash(b"", dedup_id),
            DeduplicationScope::MessageGroup => hash(group, dedup_id),
        }
    }

    /// The remembered deduplication ids in chunks of at most `entries`, for RDB and AOF.
    pub fn encode_dedup(&self, entries: usize, each: &mut dyn FnMut(&[u8])) {
        let mut chunk = Vec::new();
        for (&sequence, accepted) in &self.dedup.accepted {
            encode(&mut chunk, sequence, accepted);
            if chunk.len() >= entries.saturating_mul(ENTRY_LENGTH) {
                each(&chunk);
                chunk.clear();
            }
        }
        if !chunk.is_empty() {
            each(&chunk);
        }
    }

    /// `XDEDUP`: remembers ids. Errors: [`Error::Corrupt`], and nothing is changed.
    pub fn apply_dedup(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let (entries, rest) = chunk.as_chunks::<ENTRY_LENGTH>();
        if !rest.is_empty() {
            return Err(Error::Corrupt("cut deduplication id"));
        }
        let decoded: Result<Vec<_>, Error> = entries.iter().map(|entry| decode(entry)).collect();
        for (sequence, accepted) in decoded? {
            self.dedup.insert(sequence, accepted);
        }
        Ok(())
    }
}

fn encode(chunk: &mut Vec<u8>, sequence: u64, accepted: &Accepted) {
    chunk.extend_from_slice(&accepted.hash.to_le_bytes());
    chunk.extend_from_slice(&sequence.to_le_bytes());
    chunk.extend_from_slice(&accepted.at_ms.to_le_bytes());
}

fn decode(entry: &[u8]) -> Result<(u64, Accepted), Error> {
    let mut reader = Reader(entry);
    let hash = reader.u128()?;
    let (sequence, at_ms) = (reader.u64()?, reader.u64()?);
    if sequence == 0 || sequence > SEQUENCE_MAX || at_ms > TIME_MS_MAX {
        return Err(Error::Corrupt("deduplication id out of range"));
    }
    Ok((sequence, Accepted { hash, at_ms }))
}
