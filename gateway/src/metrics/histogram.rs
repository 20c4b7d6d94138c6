//! How numbers are distributed, counted without a lock: for what happens with each request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets for answers, in microseconds.
pub(crate) const LATENCY_BOUNDS_US: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    10_000_000, 20_000_000,
];

/// Counts how many numbers lie between bounds.
#[derive(Debug)]
pub(crate) struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    buckets: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

/// What a histogram has counted at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// For each upper bound how many numbers lie between it and the one before.
    pub(crate) buckets: Vec<(u64, u64)>,
    /// How many lie above the last bound.
    pub(crate) beyond: u64,
    /// All numbers together.
    pub(crate) sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// An empty one with these bounds, which grow.
    pub(crate) const fn new(bounds: &'static [u64; N]) -> Self {
        let (beyond, sum) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { bounds, buckets: [const { AtomicU64::new(0) }; N], beyond, sum }
    }

    /// One more number.
    pub(crate) fn add(&self, number: u64) {
        let place = self.bounds.partition_point(|bound| *bound < number);
        let bucket = self.buckets.get(place).unwrap_or(&self.beyond);
        bucket.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(number, Ordering::Relaxed);
    }

    /// One more that took so long, in microseconds.
    pub(crate) fn add_us(&self, duration: Duration) {
        self.add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was counted so far.
    pub(crate) fn read(&self) -> Distribution {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        Distribution {
            buckets: self.bounds.iter().copied().zip(counts).collect(),
            beyond: self.beyond.load(Ordering::Relaxed),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Distribution {
    /// How many numbers there are.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum::<u64>() + self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_counts_in_the_first_bucket_that_has_room_for_it() {
        let histogram = Histogram::new(&[1, 10]);
        for number in [0, 1, 2, 10, 11, 1_000] {
            histogram.add(number);
        }
        histogram.add_us(Duration::from_nanos(1_999));
        let read = histogram.read();
        assert_eq!(read.buckets, [(1, 3), (10, 2)]);
        assert_eq!((read.beyond, read.sum, read.count()), (2, 1_025, 7));
    }
}
