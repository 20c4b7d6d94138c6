//! What a mapping did since it was first served here, by CloudWatch's names.
//!
//! Source: esm-contract §6.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets invocations are counted in by how long they took.
pub const DURATION_BUCKETS: [Duration; 14] = [
    Duration::from_millis(1),
    Duration::from_millis(3),
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(3),
    Duration::from_mins(9),
    Duration::from_mins(15),
];

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

/// How many of something there are now.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicU64);

/// One of those a [`Gauge`] counts, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted<'a>(&'a Gauge);

impl Gauge {
    /// One more, for as long as what is returned lives.
    pub(super) fn count(&self) -> Counted<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self)
    }

    /// How many there are.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long things took.
#[derive(Debug, Default)]
pub(super) struct Durations {
    sum_us: Counter,
    buckets: [Counter; DURATION_BUCKETS.len() + 1],
}

impl Durations {
    /// One more that took so long.
    pub(super) fn add(&self, duration: Duration) {
        let bucket = DURATION_BUCKETS.partition_point(|bound| *bound < duration);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.one();
        }
        self.sum_us.add(usize::try_from(duration.as_micros()).unwrap_or(usize::MAX));
    }

    /// All together, in microseconds.
    pub(super) fn sum_us(&self) -> u64 {
        self.sum_us.get()
    }

    /// How many are in each bucket; the last one has no bound.
    pub(super) fn counts(&self) -> [u64; DURATION_BUCKETS.len() + 1] {
        self.buckets.each_ref().map(Counter::get)
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
    /// Duration: of invocations, those that failed included.
    pub(super) durations: Durations,
    /// Invocations that run now, those of a mapping that was stopped meanwhile included.
    pub(super) running: Gauge,
}
