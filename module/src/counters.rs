//! What the module has counted since it was loaded, for `INFO karin`.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts `more`.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Counts that many things in memory.
    pub(crate) fn add_count(&self, more: usize) {
        self.add(u64::try_from(more).unwrap_or(u64::MAX));
    }

    /// What was counted.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Messages sent.
pub(crate) static SENT: Counter = Counter::new();
/// Messages handed out, each time.
pub(crate) static RECEIVED: Counter = Counter::new();
/// Messages acknowledged.
pub(crate) static DELETED: Counter = Counter::new();
/// Messages given back.
pub(crate) static RELEASED: Counter = Counter::new();
/// Messages put into a dead list.
pub(crate) static DEAD_LETTERED: Counter = Counter::new();
/// Messages dropped because their retention was over.
pub(crate) static EXPIRED: Counter = Counter::new();
/// Sends that were duplicates.
pub(crate) static DUPLICATES: Counter = Counter::new();
/// Messages purged.
pub(crate) static PURGED: Counter = Counter::new();
/// Hints published.
pub(crate) static HINTS: Counter = Counter::new();
/// Times the wall clock was found set to another time.
pub(crate) static CLOCK_STEPS: Counter = Counter::new();
/// Bugs caught.
pub(crate) static PANICS: Counter = Counter::new();
