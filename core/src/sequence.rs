//! Which slot holds the message of a sequence number: 4 bytes a message, in order.
//!
//! Blocks of 64 sequence numbers, present while one of their messages is. It is what pages through
//! a queue (PEEK), finds the oldest message (retention) and lets other indexes do without slots.

use std::collections::BTreeMap;

use crate::message::NO_SLOT;

const BLOCK: u64 = 64;
const BLOCK_LENGTH: usize = 64;

#[derive(Debug, Clone)]
struct Block {
    slots: Box<[u32; BLOCK_LENGTH]>,
    used: u32,
}

/// Slots by sequence number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sequence {
    blocks: BTreeMap<u64, Block>,
}

impl Sequence {
    /// The slot of a message.
    pub(crate) fn get(&self, sequence: u64) -> Option<u32> {
        let slot = *self.blocks.get(&(sequence / BLOCK))?.slots.get(offset(sequence))?;
        (slot != NO_SLOT).then_some(slot)
    }

    /// Notes a message; replaces one of the same number.
    pub(crate) fn insert(&mut self, sequence: u64, slot: u32) {
        let block = self
            .blocks
            .entry(sequence / BLOCK)
            .or_insert_with(|| Block { slots: Box::new([NO_SLOT; BLOCK_LENGTH]), used: 0 });
        if let Some(place) = block.slots.get_mut(offset(sequence)) {
            block.used += u32::from(*place == NO_SLOT);
            *place = slot;
        }
    }

    /// Forgets a message.
    pub(crate) fn remove(&mut self, sequence: u64) {
        let Some(block) = self.blocks.get_mut(&(sequence / BLOCK)) else { return };
        if let Some(place) = block.slots.get_mut(offset(sequence)) {
            block.used -= u32::from(*place != NO_SLOT);
            *place = NO_SLOT;
        }
        if block.used == 0 {
            self.blocks.remove(&(sequence / BLOCK));
        }
    }

    /// (sequence, slot) from a sequence number on, ascending.
    pub(crate) fn from(&self, sequence: u64) -> impl Iterator<Item = (u64, u32)> {
        let blocks = self.blocks.range(sequence / BLOCK..);
        let all = blocks.flat_map(|(&number, block)| (number * BLOCK..).zip(*block.slots));
        all.filter(move |&(number, slot)| slot != NO_SLOT && number >= sequence)
    }

    /// Messages noted.
    pub(crate) fn count(&self) -> usize {
        self.from(0).count()
    }

    /// What it takes in memory, in bytes, estimated.
    pub(crate) fn memory_bytes(&self) -> usize {
        /// A block and its entry in half-full B-tree nodes.
        const BLOCK_BYTES: usize = 4 * BLOCK_LENGTH + 54;
        self.blocks.len() * BLOCK_BYTES
    }
}

fn offset(sequence: u64) -> usize {
    usize::try_from(sequence % BLOCK).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_does_what_a_map_does(
            steps in proptest::collection::vec((any::<bool>(), 1_u64..400, 0_u32..9), 0..200),
            after in 0_u64..400,
        ) {
            let (mut map, mut sequence) = (BTreeMap::new(), Sequence::default());
            for (insert, number, slot) in steps {
                if insert {
                    map.insert(number, slot);
                    sequence.insert(number, slot);
                } else {
                    map.remove(&number);
                    sequence.remove(number);
                }
                prop_assert_eq!(sequence.get(number), map.get(&number).copied());
            }
            let expected: Vec<_> = map.range(after..).map(|(&n, &slot)| (n, slot)).collect();
            prop_assert_eq!(sequence.from(after).collect::<Vec<_>>(), expected);
            if map.is_empty() {
                prop_assert_eq!(sequence.memory_bytes(), 0);
            }
        }
    }
}
