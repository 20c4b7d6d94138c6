//! What a mapping did since it was first served here, by CloudWatch's names.
//!
//! Source: esm-contract §6.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::history::real;

use crate::metrics::Histogram;

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

/// The upper bounds of the buckets for batches, in messages.
const BATCH_SIZE_BOUNDS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 1_000, 5_000, 10_000];
/// The upper bounds of the buckets for events, in bytes.
const BATCH_BYTES_BOUNDS: [u64; 8] =
    [1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 6_291_456];
/// The upper bounds of the buckets for how often a message was received when it is invoked with.
const RECEIVE_COUNT_BOUNDS: [u64; 8] = [1, 2, 3, 5, 10, 20, 100, 1_000];
/// The upper bounds of the buckets for the time from sending to deletion, in microseconds.
const LIFETIME_BOUNDS_US: [u64; 14] = [
    5_000,
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    15_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
    43_200_000_000,
    1_209_600_000_000,
];

/// Why messages count as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureReason {
    /// The function failed with all of them.
    FunctionError,
    /// The function reported them, or its report could not be read.
    Reported,
    /// Too many invocations ran.
    Throttled,
    /// The platform's trouble.
    Transient,
    /// The function cannot be invoked before somebody does something.
    Refused,
    /// Lambda will never take this event.
    EventRefused,
    /// It is not known whether the function ran.
    Unknown,
    /// They came through the function too often.
    Loop,
}

impl FailureReason {
    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::FunctionError,
        Self::Reported,
        Self::Throttled,
        Self::Transient,
        Self::Refused,
        Self::EventRefused,
        Self::Unknown,
        Self::Loop,
    ];

    /// Its name in the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FunctionError => "function_error",
            Self::Reported => "reported",
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::Refused => "refused",
            Self::EventRefused => "event_refused",
            Self::Unknown => "unknown",
            Self::Loop => "loop",
        }
    }
}

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

/// How long a share of invocations took at most, in milliseconds, as exactly as buckets tell: they
/// are taken to be spread evenly (on the logarithm's scale) within each. Of the last bucket, which
/// has no bound, its beginning.
pub(crate) fn percentile_ms(
    buckets: &[u64; DURATION_BUCKETS.len() + 1],
    share: f64,
) -> Option<f64> {
    let total: u64 = buckets.iter().fold(0, |sum, count| sum.saturating_add(*count));
    if total == 0 {
        return None;
    }
    let wanted = real(total) * share;
    let mut counted = 0.0;
    let mut lower_ms = 0.0;
    for (number, count) in buckets.iter().enumerate() {
        let Some(bound) = DURATION_BUCKETS.get(number) else { break };
        let upper_ms = bound.as_secs_f64() * 1_000.0;
        let count = real(*count);
        if count > 0.0 && counted + count >= wanted {
            let within = ((wanted - counted) / count).clamp(0.0, 1.0);
            let ratio: f64 = if lower_ms > 0.0 { upper_ms / lower_ms } else { 1.0 };
            let from_ms = if lower_ms > 0.0 { lower_ms } else { upper_ms };
            return Some(from_ms * ratio.powf(within));
        }
        counted += count;
        lower_ms = upper_ms;
    }
    Some(lower_ms)
}

/// The counters of one mapping. The first five count messages, the others what their names say.
#[derive(Debug)]
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
    /// `failed_invoke` by its reasons, in the order of [`FailureReason::ALL`].
    failed_for: [Counter; FailureReason::ALL.len()],
    /// Messages of each invocation that was tried.
    pub(super) batch_sizes: Histogram<{ BATCH_SIZE_BOUNDS.len() }>,
    /// Bytes of each event that was tried.
    pub(super) batch_bytes: Histogram<{ BATCH_BYTES_BOUNDS.len() }>,
    /// How often each message was received, whenever it is handed to the function.
    pub(super) receive_counts: Histogram<{ RECEIVE_COUNT_BOUNDS.len() }>,
    /// From SentTimestamp to the deletion after a success, in microseconds.
    pub(super) lifetimes: Histogram<{ LIFETIME_BOUNDS_US.len() }>,
    /// How long nothing was taken because too many invocations ran, in microseconds.
    pub(super) throttle_wait_us: Counter,
    /// Invocations that run now, those of a mapping that was stopped meanwhile included.
    pub(super) running: Gauge,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            polled: Counter::default(),
            filtered_out: Counter::default(),
            invoked: Counter::default(),
            failed_invoke: Counter::default(),
            deleted: Counter::default(),
            empty_polls: Counter::default(),
            invocations: Counter::default(),
            errors: Counter::default(),
            throttles: Counter::default(),
            durations: Durations::default(),
            failed_for: Default::default(),
            batch_sizes: Histogram::new(&BATCH_SIZE_BOUNDS),
            batch_bytes: Histogram::new(&BATCH_BYTES_BOUNDS),
            receive_counts: Histogram::new(&RECEIVE_COUNT_BOUNDS),
            lifetimes: Histogram::new(&LIFETIME_BOUNDS_US),
            throttle_wait_us: Counter::default(),
            running: Gauge::default(),
        }
    }
}

impl Counters {
    /// So many messages were tried and failed.
    pub(super) fn failed(&self, reason: FailureReason, messages: usize) {
        self.failed_invoke.add(messages);
        let reasons = FailureReason::ALL.iter().zip(&self.failed_for);
        reasons.filter(|(other, _)| **other == reason).for_each(|(_, count)| count.add(messages));
    }

    /// How many messages failed for each reason.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FailureReason::ALL.iter().map(|r| r.name()).zip(self.failed_for.iter().map(Counter::get))
    }

    /// How long nothing was taken because too many invocations ran.
    pub(super) fn waited_for_throttle(&self, waited: Duration) {
        self.throttle_wait_us.add(usize::try_from(waited.as_micros()).unwrap_or(usize::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_once_and_by_their_reason() {
        let counters = Counters::default();
        counters.failed(FailureReason::Reported, 2);
        counters.failed(FailureReason::Loop, 1);
        assert_eq!(counters.failed_invoke.get(), 3);
        let some: Vec<_> = counters.failures().filter(|(_, count)| *count > 0).collect();
        assert_eq!(some, [("reported", 2), ("loop", 1)]);
    }
}
