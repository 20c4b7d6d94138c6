//! The last invocations of each mapping, in memory and within bounds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::lambda::records::run::{Run, RunId};

/// Invocations of one mapping that are remembered: so many that are kept, and so many others.
pub(super) const RUNS_MAX: usize = 50;
/// Bytes of all that failed or were asked for by hand.
pub(super) const KEPT_BYTES_MAX: usize = 4 << 20;
/// Bytes of all others.
pub(super) const PASSING_BYTES_MAX: usize = 4 << 20;
/// Bytes that go to Redis at once, without what records say besides payloads.
const SAVED_BYTES_MAX: usize = 512 << 10;

/// Everything that is remembered.
#[derive(Debug)]
pub(super) struct Memory {
    /// Those that failed or were asked for by hand.
    kept: Shelf,
    passing: Shelf,
}

/// Lists that share a bound.
#[derive(Debug)]
struct Shelf {
    lists: HashMap<Box<str>, List>,
    bytes: usize,
    bytes_max: usize,
    /// Counts what was added.
    added: u64,
}

/// The invocations of one mapping, or calls of one function, in the order in which they ended.
#[derive(Debug, Default)]
struct List {
    /// Each with the number it was added as.
    runs: VecDeque<(u64, Arc<Run>)>,
    bytes: usize,
    /// What was added up to here is in Redis.
    saved: u64,
}

/// What is to be written to Redis.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    pub(super) runs: Vec<Arc<Run>>,
    /// Their payloads' bytes.
    pub(super) bytes: usize,
    /// To be given to [`Memory::saved`] once they are there.
    pub(super) upto: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self { kept: Shelf::new(KEPT_BYTES_MAX), passing: Shelf::new(PASSING_BYTES_MAX) }
    }
}

impl Memory {
    /// Adds an invocation; one that is kept takes the place of an earlier one of its id.
    pub(super) fn add(&mut self, run: Arc<Run>) {
        if run.is_kept() {
            self.kept.remove(&run);
            self.kept.add(run);
        } else {
            self.passing.add(run);
        }
    }

    /// All invocations, in no order.
    pub(super) fn all(&self) -> Vec<Arc<Run>> {
        [&self.kept, &self.passing].into_iter().flat_map(Shelf::all).cloned().collect()
    }

    /// The invocation with this id.
    pub(super) fn find(&self, id: RunId) -> Option<Arc<Run>> {
        let mut all = [&self.kept, &self.passing].into_iter().flat_map(Shelf::all);
        all.find(|run| run.id == id).cloned()
    }

    /// Those that are kept and not in Redis, the newest first, as many as may be written at once;
    /// older ones are left out.
    pub(super) fn unsaved(&self) -> Unsaved {
        let lists = self.kept.lists.values();
        let mut runs: Vec<&(u64, Arc<Run>)> = lists
            .flat_map(|list| list.runs.iter().filter(|(added, _)| *added > list.saved))
            .collect();
        runs.sort_unstable_by_key(|(added, _)| std::cmp::Reverse(*added));
        let mut unsaved = Unsaved { upto: self.kept.added, ..Unsaved::default() };
        for (_, run) in runs {
            if unsaved.bytes + run.bytes() > SAVED_BYTES_MAX {
                break;
            }
            unsaved.bytes += run.bytes();
            unsaved.runs.push(Arc::clone(run));
        }
        unsaved
    }

    /// What was added up to there is in Redis.
    pub(super) fn saved(&mut self, upto: u64) {
        for list in self.kept.lists.values_mut() {
            list.saved = upto;
        }
    }
}

impl Shelf {
    fn new(bytes_max: usize) -> Self {
        Self { lists: HashMap::new(), bytes: 0, bytes_max, added: 0 }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.lists.values().flat_map(|list| list.runs.iter().map(|(_, run)| run))
    }

    fn add(&mut self, run: Arc<Run>) {
        self.added += 1;
        let (added, bytes, newest) = (self.added, run.bytes(), Arc::clone(&run));
        // No new name for a list that is there.
        let list = match self.lists.get_mut(run.list()) {
            Some(list) => list,
            None => self.lists.entry(run.list().into()).or_default(),
        };
        list.runs.push_back((added, run));
        list.bytes += bytes;
        self.bytes += bytes;
        if list.runs.len() > RUNS_MAX {
            self.drop_oldest(newest.list());
        }
        while self.bytes > self.bytes_max {
            let Some(name) = self.largest(newest.list()) else { return };
            self.drop_oldest(&name);
        }
    }

    /// Who has to give something up for one more in this list: the list itself if it has more than
    /// its share, else the one that has most.
    fn largest(&self, own: &str) -> Option<Box<str>> {
        let share = self.bytes_max / self.lists.len().max(1);
        if self.lists.get(own).is_some_and(|list| list.bytes > share) {
            return Some(own.into());
        }
        let largest = self.lists.iter().max_by_key(|(_, list)| list.bytes);
        largest.map(|(name, _)| name.clone())
    }

    fn drop_oldest(&mut self, name: &str) {
        let Some(list) = self.lists.get_mut(name) else { return };
        if let Some((_, run)) = list.runs.pop_front() {
            list.bytes -= run.bytes();
            self.bytes -= run.bytes();
        }
        if list.runs.is_empty() {
            self.lists.remove(name);
        }
    }

    /// Takes out the one with the same id, if there is one.
    fn remove(&mut self, run: &Run) {
        let Some(list) = self.lists.get_mut(run.list()) else { return };
        let Some(place) = list.runs.iter().position(|(_, known)| known.id == run.id) else {
            return;
        };
        if let Some((_, run)) = list.runs.remove(place) {
            list.bytes -= run.bytes();
            self.bytes -= run.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::lambda::records::run::{Outcome, Payload, sample};

    fn run(number: u64, mapping: &str, outcome: Outcome, bytes: usize) -> Arc<Run> {
        let event = Payload::kept(&Bytes::from(vec![b'x'; bytes]), true);
        Arc::new(Run { outcome, event, ..sample(number, mapping) })
    }

    fn numbers(memory: &Memory, mapping: &str) -> Vec<u64> {
        let all = memory.all().into_iter().filter(|run| run.list() == mapping);
        let mut numbers: Vec<u64> = all.map(|run| run.id.number).collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn the_last_fifty_failures_and_the_last_fifty_others_of_each_mapping_stay() {
        let mut memory = Memory::default();
        for number in 0..200 {
            let outcome = if number % 2 == 0 { Outcome::Ok } else { Outcome::FunctionError };
            memory.add(run(number, "a", outcome, 0));
        }
        memory.add(run(200, "b", Outcome::Ok, 0));
        assert_eq!(numbers(&memory, "a"), (100..200).collect::<Vec<_>>());
        assert_eq!(numbers(&memory, "b"), [200]);
        for number in 201..300 {
            memory.add(run(number, "a", Outcome::Ok, 0));
        }
        let failures = memory.kept.all().count();
        assert_eq!(failures, 50, "successes displace no failure");
    }

    #[test]
    fn who_has_most_gives_up_its_oldest_when_there_is_no_room() {
        let mut memory = Memory::default();
        memory.add(run(0, "small", Outcome::Lost, 1_000));
        for number in 1..=10 {
            for mapping in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
                memory.add(run(number, mapping, Outcome::Lost, 60_000));
                assert!(memory.kept.bytes <= KEPT_BYTES_MAX);
            }
        }
        assert_eq!(numbers(&memory, "small"), [0]);
        let counts: Vec<usize> =
            ('a'..='j').map(|name| numbers(&memory, &name.to_string()).len()).collect();
        assert!(counts.iter().all(|count| (5..=8).contains(count)), "{counts:?}");
        assert_eq!(*numbers(&memory, "a").last().unwrap(), 10, "the newest stay");
        let counted: usize = memory.kept.all().map(|run| run.bytes()).sum();
        assert_eq!(counted, memory.kept.bytes, "the accounting is exact");
        let of_lists: usize = memory.kept.lists.values().map(|list| list.bytes).sum();
        assert_eq!(of_lists, counted);
    }

    #[test]
    fn what_was_saved_is_not_saved_again_and_what_is_new_is() {
        let mut memory = Memory::default();
        memory.add(run(1, "a", Outcome::Lost, 10));
        memory.add(run(2, "a", Outcome::Ok, 10));
        let unsaved = memory.unsaved();
        assert_eq!(unsaved.runs.iter().map(|run| run.id.number).collect::<Vec<_>>(), [1]);
        memory.add(run(3, "b", Outcome::Lost, 10));
        memory.saved(unsaved.upto);
        let unsaved = memory.unsaved();
        assert_eq!(unsaved.runs.iter().map(|run| run.id.number).collect::<Vec<_>>(), [3]);
        memory.saved(unsaved.upto);
        assert!(memory.unsaved().runs.is_empty());
        for number in 4..24 {
            memory.add(run(number, "a", Outcome::Lost, 60_000));
        }
        let unsaved = memory.unsaved();
        assert!(unsaved.bytes <= SAVED_BYTES_MAX, "{}", unsaved.bytes);
        assert_eq!(unsaved.runs.first().unwrap().id.number, 23, "the newest first");
    }

    #[test]
    fn one_that_ends_takes_the_place_of_what_was_known_while_it_ran() {
        let mut memory = Memory::default();
        let running = Run { kind: super::super::run::RunKind::Again, ..sample(7, "a") };
        memory.add(Arc::new(Run { outcome: Outcome::Running, ..running.clone() }));
        memory.add(Arc::new(Run { outcome: Outcome::Ok, ..running.clone() }));
        assert_eq!(memory.all().len(), 1);
        assert_eq!(memory.find(running.id).unwrap().outcome, Outcome::Ok);
        assert_eq!(memory.find(RunId { gateway: 0, number: 8 }), None);
    }
}
