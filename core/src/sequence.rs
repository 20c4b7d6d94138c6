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

impl Block {
    fn new() -> Self {
        Self { slots: Box::new([NO_SLOT; BLOCK_LENGTH]), used: 0 }
    }

    fn get(&self, sequence: u64) -> Option<u32> {
        self.slots.get(offset(sequence)).copied().filter(|&slot| slot != NO_SLOT)
    }

    fn set(&mut self, sequence: u64, slot: u32) {
        if let Some(place) = self.slots.get_mut(offset(sequence)) {
            self.used += u32::from(*place == NO_SLOT);
            *place = slot;
        }
    }

    fn clear(&mut self, sequence: u64) {
        if let Some(place) = self.slots.get_mut(offset(sequence)) {
            self.used -= u32::from(*place != NO_SLOT);
            *place = NO_SLOT;
        }
    }
}

/// Slots by sequence number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sequence {
    blocks: BTreeMap<u64, Block>,
    /// The block with the highest numbers so far, which sends append to; it stays when it is empty.
    last: Option<(u64, Block)>,
}

impl Sequence {
    /// The slot of a message.
    pub(crate) fn get(&self, sequence: u64) -> Option<u32> {
        let number = sequence / BLOCK;
        match &self.last {
            Some((last, block)) if *last == number => block.get(sequence),
            _ => self.blocks.get(&number)?.get(sequence),
        }
    }

    /// Notes a message; replaces one of the same number.
    pub(crate) fn insert(&mut self, sequence: u64, slot: u32) {
        let number = sequence / BLOCK;
        match &mut self.last {
            Some((last, block)) if *last == number => return block.set(sequence, slot),
            Some((last, _)) if *last > number => {
                let block = self.blocks.entry(number).or_insert_with(Block::new);
                return block.set(sequence, slot);
            }
            _ => {}
        }
        let mut block = Block::new();
        block.set(sequence, slot);
        if let Some((before, full)) = self.last.replace((number, block))
            && full.used > 0
        {
            self.blocks.insert(before, full);
        }
    }

    /// Forgets a message.
    pub(crate) fn remove(&mut self, sequence: u64) {
        let number = sequence / BLOCK;
        if let Some((last, block)) = &mut self.last
            && *last == number
        {
            return block.clear(sequence);
        }
        let Some(block) = self.blocks.get_mut(&number) else { return };
        block.clear(sequence);
        if block.used == 0 {
            self.blocks.remove(&number);
        }
    }

    /// (sequence, slot) from a sequence number on, ascending.
    pub(crate) fn from(&self, sequence: u64) -> impl Iterator<Item = (u64, u32)> {
        let last = self.last.iter().map(|(number, block)| (number, block));
        let blocks = self.blocks.range(sequence / BLOCK..).chain(last);
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
        (self.blocks.len() + usize::from(self.last.is_some())) * BLOCK_BYTES
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
                prop_assert!(sequence.blocks.is_empty());
            }
        }
    }
}
