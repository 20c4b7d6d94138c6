//! The index of messages that wait for a time: delayed ones, and leased ones until they lapse.
//!
//! Nothing is moved when a time comes: a due entry simply sorts before `now`. What is counted by
//! kind "up to now" is kept beside the set and brought up to date in bounded steps, because a
//! million messages may become due in one millisecond.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::limits::{SEQUENCE_MAX, TIME_MS_MAX};

const _: () = assert!(TIME_MS_MAX < 1 << 48 && SEQUENCE_MAX < 1 << 47);

/// Which messages an entry is counted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Delayed or given back.
    Waiting,
    /// Leased.
    Leased,
}

/// One message in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) due_ms: u64,
    pub(crate) sequence: u64,
    pub(crate) kind: Kind,
}

/// (due time 48 bits, sequence number 47, kind 1) in 12 bytes: sorts by due time, then sequence
/// number. Half the memory of a map from a pair to a slot.
pub(crate) type Key = [u32; 3];

impl Entry {
    pub(crate) fn key(self) -> Key {
        let leased = u64::from(self.kind == Kind::Leased);
        let high = self.due_ms >> 16;
        let middle = (self.due_ms & 0xffff) << 16 | self.sequence >> 31;
        let low = (self.sequence & 0x7fff_ffff) << 1 | leased;
        [high, middle, low].map(|part| u32::try_from(part).unwrap_or(u32::MAX))
    }

    pub(crate) fn from_key([high, middle, low]: Key) -> Self {
        Self {
            due_ms: u64::from(high) << 16 | u64::from(middle) >> 16,
            sequence: u64::from(middle & 0xffff) << 31 | u64::from(low) >> 1,
            kind: if low & 1 == 0 { Kind::Waiting } else { Kind::Leased },
        }
    }
}

/// Entries by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) waiting: u64,
    pub(crate) leased: u64,
}

impl Tally {
    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Waiting => &mut self.waiting,
            Kind::Leased => &mut self.leased,
        }
    }
}

/// The index.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timed {
    entries: BTreeSet<Key>,
    total: Tally,
    /// Entries up to and with the key `counted_until`.
    due: Tally,
    counted_until: Key,
}

impl Timed {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn insert(&mut self, entry: Entry) {
        if self.entries.insert(entry.key()) {
            *self.total.of(entry.kind) += 1;
            if entry.key() <= self.counted_until {
                *self.due.of(entry.kind) += 1;
            }
        }
    }

    pub(crate) fn remove(&mut self, entry: Entry) -> bool {
        let found = self.entries.remove(&entry.key());
        if found {
            *self.total.of(entry.kind) -= 1;
            if entry.key() <= self.counted_until {
                *self.due.of(entry.kind) -= 1;
            }
        }
        found
    }

    pub(crate) fn first(&self) -> Option<Entry> {
        self.entries.first().copied().map(Entry::from_key)
    }

    /// When the first lease lapses of those that [`Timed::count_due`] has not counted as lapsed.
    /// After `budget` entries without a lease it is the last one's time: too early, not too late.
    pub(crate) fn first_lapse_ms(&self, budget: usize) -> Option<u64> {
        let bounds = (Bound::Excluded(self.counted_until), Bound::Unbounded);
        let mut last_ms = None;
        for &key in self.entries.range(bounds).take(budget) {
            let entry = Entry::from_key(key);
            last_ms = Some(entry.due_ms);
            if entry.kind == Kind::Leased {
                return last_ms;
            }
        }
        last_ms
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry> {
        self.entries.iter().copied().map(Entry::from_key)
    }

    /// All entries by kind.
    pub(crate) const fn total(&self) -> Tally {
        self.total
    }

    /// Entries due at `now_ms` by kind. Walks at most `budget` entries that became due since the
    /// last call (or are not due any more, after the clock stepped back); the rest is counted by
    /// later calls.
    pub(crate) fn count_due(&mut self, now_ms: u64, budget: usize) -> Tally {
        let goal = end_of(now_ms.min(TIME_MS_MAX));
        let mut due = self.due;
        let mut walked = 0;
        if goal >= self.counted_until {
            let bounds = (Bound::Excluded(self.counted_until), Bound::Included(goal));
            for &key in self.entries.range(bounds).take(budget) {
                *due.of(Entry::from_key(key).kind) += 1;
                self.counted_until = key;
                walked += 1;
            }
        } else {
            let bounds = (Bound::Excluded(goal), Bound::Included(self.counted_until));
            let mut walk = self.entries.range(bounds).rev();
            for &key in walk.by_ref().take(budget) {
                *due.of(Entry::from_key(key).kind) -= 1;
                walked += 1;
            }
            self.counted_until = walk.next().copied().unwrap_or(goal);
        }
        if walked < budget {
            self.counted_until = goal;
        }
        self.due = due;
        due
    }

    /// Recounts. Errors: what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut total = Tally::default();
        let mut due = Tally::default();
        for entry in self.iter() {
            *total.of(entry.kind) += 1;
            if entry.key() <= self.counted_until {
                *due.of(entry.kind) += 1;
            }
        }
        if total != self.total || due != self.due {
            return Err(format!(
                "timed index: counted {total:?} and due {due:?}, noted {:?} and {:?}",
                self.total, self.due
            ));
        }
        Ok(())
    }
}

/// The last key a millisecond can have.
pub(crate) fn end_of(due_ms: u64) -> Key {
    Entry { due_ms, sequence: SEQUENCE_MAX, kind: Kind::Leased }.key()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(due_ms: u64, sequence: u64) -> Entry {
        let kind = if sequence.is_multiple_of(2) { Kind::Waiting } else { Kind::Leased };
        Entry { due_ms, sequence, kind }
    }

    proptest! {
        #[test]
        fn a_key_keeps_its_entry_and_sorts_by_due_time_then_sequence(
            a in (0..=TIME_MS_MAX, 0..=SEQUENCE_MAX), b in (0..=TIME_MS_MAX, 0..=SEQUENCE_MAX)
        ) {
            let (first, second) = (entry(a.0, a.1), entry(b.0, b.1));
            prop_assert_eq!(Entry::from_key(first.key()), first);
            prop_assert_eq!(first.key() < second.key(), a < b);
        }

        #[test]
        fn counting_in_steps_ends_at_the_exact_count(
            dues in proptest::collection::vec(0_u64..100, 0..200),
            times in proptest::collection::vec(0_u64..120, 1..20),
            budget in 1_usize..50,
        ) {
            let mut timed = Timed::default();
            for (sequence, &due_ms) in (1..).zip(&dues) {
                timed.insert(entry(due_ms, sequence));
            }
            for now_ms in times {
                timed.count_due(now_ms, budget);
                timed.check().unwrap();
                for _ in 0..=dues.len() {
                    timed.count_due(now_ms, budget);
                }
                let due = timed.count_due(now_ms, budget);
                let expected = dues.iter().filter(|&&due_ms| due_ms <= now_ms).count() as u64;
                prop_assert_eq!(due.waiting + due.leased, expected);
            }
        }
    }
}
