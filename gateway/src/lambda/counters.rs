//! What a mapping did since it was first served here, by CloudWatch's names.
//!
//! Source: esm-contract §6.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(super) fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many there were.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one mapping. The first five count messages, the others what their names say.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// PolledEventCount: messages read from the queue, those given back included.
    pub(super) polled: Counter,
    /// FilteredOutEventCount: messages that no filter accepted.
    pub(super) filtered_out: Counter,
    /// InvokedEventCount: messages handed to the function, again with each retry.
    pub(super) invoked: Counter,
    /// FailedInvokeEventCount: messages tried that failed, reported ones included.
    pub(super) failed_invoke: Counter,
    /// DeletedEventCount: messages deleted after a success.
    pub(super) deleted: Counter,
    /// Polls that brought no message.
    pub(super) empty_polls: Counter,
    /// Invocations: the function ran. A throttle is neither here nor in `errors`.
    pub(super) invocations: Counter,
    /// Errors: invocations that ended with a function error.
    pub(super) errors: Counter,
    /// Throttles: invocations that were refused because too many ran.
    pub(super) throttles: Counter,
}
