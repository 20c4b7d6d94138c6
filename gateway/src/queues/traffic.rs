//! What this gateway did with each queue and with Redis, for the metrics.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use redis::{Arg, Cmd};

use super::{Popped, QueueName, ReceiptOutcome};
use crate::metrics::{Distribution, Histogram, LATENCY_BOUNDS_US};

/// Queues that are counted at most; of more nothing is counted.
const QUEUES_MAX: usize = 10_000;

/// What stands first in our commands; what is not here counts as the last.
const COMMANDS: [&str; 17] = [
    "KARIN.SEND",
    "KARIN.POPDUE",
    "KARIN.ACK",
    "KARIN.SENDM",
    "KARIN.EXTEND",
    "KARIN.RELEASE",
    "KARIN.INFO",
    "KARIN.LIST",
    "KARIN.CREATE",
    "KARIN.SET",
    "KARIN.PURGE",
    "KARIN.PEEK",
    "KARIN.DEAD",
    "KARIN.DEADACK",
    "KARIN.REDRIVE",
    "PUBLISH",
    "other",
];

/// What happened to the messages of one queue here, by CloudWatch's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QueueTraffic {
    /// NumberOfMessagesSent.
    pub(crate) sent: u64,
    /// NumberOfMessagesReceived.
    pub(crate) received: u64,
    /// NumberOfMessagesDeleted.
    pub(crate) deleted: u64,
    /// NumberOfEmptyReceives.
    pub(crate) empty_receives: u64,
}

#[derive(Debug, Default)]
struct Counted {
    sent: AtomicU64,
    received: AtomicU64,
    deleted: AtomicU64,
    empty_receives: AtomicU64,
}

/// The traffic of all queues. Who counts reads a lock nobody holds for long: it is written only
/// when a queue is new or gone.
#[derive(Debug, Default)]
pub(super) struct Traffic(RwLock<HashMap<QueueName, Counted>>);

impl Traffic {
    pub(super) fn sent(&self, queue: &QueueName, messages: usize) {
        self.count(queue, |counted| add(&counted.sent, messages));
    }

    /// What a receive of a client, or a poll of a mapping, brought in the end.
    pub(super) fn popped(&self, queue: &QueueName, popped: &Popped) {
        self.count(queue, |counted| match popped.messages.len() {
            0 => add(&counted.empty_receives, 1),
            messages => add(&counted.received, messages),
        });
    }

    pub(super) fn deleted(&self, queue: &QueueName, outcomes: &[ReceiptOutcome]) {
        let done = outcomes.iter().filter(|outcome| **outcome == ReceiptOutcome::Done).count();
        self.count(queue, |counted| add(&counted.deleted, done));
    }

    /// Forgets a queue that is gone.
    pub(super) fn forget(&self, queue: &QueueName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(queue);
    }

    /// Forgets all but these.
    pub(super) fn keep(&self, queues: &HashSet<&QueueName>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|queue, _| queues.contains(queue));
    }

    pub(super) fn of(&self, queue: &QueueName) -> QueueTraffic {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let get = |of: &AtomicU64| of.load(Ordering::Relaxed);
        all.get(queue).map_or_else(QueueTraffic::default, |counted| QueueTraffic {
            sent: get(&counted.sent),
            received: get(&counted.received),
            deleted: get(&counted.deleted),
            empty_receives: get(&counted.empty_receives),
        })
    }

    fn count(&self, queue: &QueueName, count: impl Fn(&Counted)) {
        if let Some(counted) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(queue) {
            return count(counted);
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() < QUEUES_MAX {
            count(all.entry(queue.clone()).or_default());
        }
    }
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// How long Redis took for our commands, from handing one over to having its answer.
#[derive(Debug)]
pub(super) struct CommandTimes([Histogram<{ LATENCY_BOUNDS_US.len() }>; COMMANDS.len()]);

impl Default for CommandTimes {
    fn default() -> Self {
        Self([const { Histogram::new(&LATENCY_BOUNDS_US) }; COMMANDS.len()])
    }
}

impl CommandTimes {
    /// Where this command is counted.
    pub(super) fn place(command: &Cmd) -> usize {
        let others = COMMANDS.len() - 1;
        match command.args_iter().next() {
            Some(Arg::Simple(name)) => {
                COMMANDS.iter().position(|known| known.as_bytes() == name).unwrap_or(others)
            }
            _ => others,
        }
    }

    /// One at this place was answered.
    pub(super) fn answered(&self, place: usize, took: Duration) {
        if let Some(times) = self.0.get(place) {
            times.add_us(took);
        }
    }

    /// All commands that were used, and how long they took, in microseconds.
    pub(super) fn read(&self) -> Vec<(&'static str, Distribution)> {
        let all = COMMANDS.into_iter().zip(self.0.iter().map(Histogram::read));
        all.filter(|(_, times)| times.count() > 0).collect()
    }
}

/// How many are doing something now.
#[derive(Debug, Default)]
pub(super) struct Present(AtomicUsize);

/// One of them, until dropped.
#[derive(Debug)]
pub(super) struct OneMore<'a>(&'a Present);

impl Present {
    pub(super) fn enter(&self) -> OneMore<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneMore(self)
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for OneMore<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_counted_by_its_name() {
        let times = CommandTimes::default();
        for name in ["KARIN.ACK", "PUBLISH", "HGET"] {
            times.answered(CommandTimes::place(&redis::cmd(name)), Duration::from_millis(1));
        }
        let read: Vec<_> = times.read().into_iter().map(|(name, d)| (name, d.sum)).collect();
        assert_eq!(read, [("KARIN.ACK", 1_000), ("PUBLISH", 1_000), ("other", 1_000)]);
    }

    #[test]
    fn traffic_is_counted_by_queue_and_within_bounds() {
        let (traffic, queue) = (Traffic::default(), QueueName::parse("q").unwrap());
        traffic.sent(&queue, 3);
        traffic.sent(&queue, 1);
        traffic.popped(&queue, &Popped::default());
        traffic.deleted(&queue, &[ReceiptOutcome::Done, ReceiptOutcome::Gone]);
        let expected = QueueTraffic { sent: 4, received: 0, deleted: 1, empty_receives: 1 };
        assert_eq!(traffic.of(&queue), expected);
        let others: Vec<_> =
            (0..QUEUES_MAX).map(|n| QueueName::parse(&format!("q-{n}")).unwrap()).collect();
        for other in &others {
            traffic.sent(other, 1);
        }
        assert_eq!(traffic.of(&others[QUEUES_MAX - 1]), QueueTraffic::default(), "too many");
        traffic.keep(&HashSet::from([&others[0]]));
        assert_eq!(traffic.of(&others[0]).sent, 1);
        assert_eq!(traffic.of(&queue), QueueTraffic::default());
        traffic.forget(&others[0]);
        assert_eq!(traffic.of(&others[0]).sent, 0);
    }

    #[test]
    fn who_leaves_is_not_counted_any_more() {
        let present = Present::default();
        let (first, second) = (present.enter(), present.enter());
        assert_eq!(present.count(), 2);
        drop(first);
        assert_eq!(present.count(), 1);
        drop(second);
        assert_eq!(present.count(), 0);
    }
}
