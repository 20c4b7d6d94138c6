//! What a mapping did over time, and the series made of it.

use crate::history::log::{Reader, Record, write_number};
use crate::history::{Grid, Span};
use crate::lambda::{CounterValues, DURATION_BUCKETS, percentile_ms};

/// The buckets of durations, the last of which has no bound.
const BUCKETS: usize = DURATION_BUCKETS.len() + 1;

/// What a mapping did since the record before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct MappingRecord {
    at_s: u64,
    invocations: u64,
    errors: u64,
    throttles: u64,
    /// How many invocations took how long.
    buckets: [u64; BUCKETS],
}

impl MappingRecord {
    /// What was done between two looks at the counters; `None`: nothing that is shown.
    pub(crate) fn between(
        before: &CounterValues,
        after: &CounterValues,
        now_ms: u64,
    ) -> Option<Self> {
        let mut buckets = after.duration_buckets;
        for (bucket, before) in buckets.iter_mut().zip(before.duration_buckets) {
            *bucket = bucket.saturating_sub(before);
        }
        let record = Self {
            at_s: now_ms / 1_000,
            invocations: after.invocations.saturating_sub(before.invocations),
            errors: after.errors.saturating_sub(before.errors),
            throttles: after.throttles.saturating_sub(before.throttles),
            buckets,
        };
        (record != Self { at_s: record.at_s, ..Self::default() }).then_some(record)
    }
}

const HAS_ERRORS: u8 = 1;
const HAS_THROTTLES: u8 = 1 << 1;

impl Record for MappingRecord {
    fn at_s(&self) -> u64 {
        self.at_s
    }

    fn join(self, later: Self) -> Self {
        let mut buckets = self.buckets;
        for (bucket, more) in buckets.iter_mut().zip(later.buckets) {
            *bucket = bucket.saturating_add(more);
        }
        Self {
            at_s: later.at_s,
            invocations: self.invocations.saturating_add(later.invocations),
            errors: self.errors.saturating_add(later.errors),
            throttles: self.throttles.saturating_add(later.throttles),
            buckets,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let flags = if self.errors > 0 { HAS_ERRORS } else { 0 }
            | if self.throttles > 0 { HAS_THROTTLES } else { 0 };
        out.push(flags);
        write_number(self.invocations, out);
        for count in [self.errors, self.throttles].into_iter().filter(|count| *count > 0) {
            write_number(count, out);
        }
        let used = |(number, count): (usize, &u64)| u64::from(*count > 0) << number;
        write_number(self.buckets.iter().enumerate().map(used).sum(), out);
        for count in self.buckets.into_iter().filter(|count| *count > 0) {
            write_number(count, out);
        }
    }

    fn read(at_s: u64, reader: &mut Reader<'_>) -> Option<Self> {
        let flags = reader.byte()?;
        let invocations = reader.number()?;
        let errors = reader.number_if(flags & HAS_ERRORS != 0)?;
        let throttles = reader.number_if(flags & HAS_THROTTLES != 0)?;
        let used = reader.number()?;
        let mut buckets = [0; BUCKETS];
        for (number, bucket) in buckets.iter_mut().enumerate() {
            *bucket = reader.number_if(used >> number & 1 == 1)?;
        }
        Some(Self { at_s, invocations, errors, throttles, buckets })
    }
}

/// A mapping in one step of a span.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct MappingStep {
    /// Invocations.
    pub(crate) invocations: u64,
    /// Those that ended with an error of the function.
    pub(crate) errors: u64,
    /// Those that were refused because too many ran.
    pub(crate) throttles: u64,
    /// How long half of the invocations took at most, in milliseconds; `None`: there was none.
    pub(crate) p50_ms: Option<f64>,
    /// The same of 99 of 100.
    pub(crate) p99_ms: Option<f64>,
}

/// A mapping over a span. Where nobody says that it did anything, it did nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MappingSeries {
    /// When the steps are.
    pub(crate) grid: Grid,
    /// The steps.
    pub(crate) steps: Vec<MappingStep>,
    /// All together.
    pub(crate) total: MappingStep,
}

impl MappingSeries {
    /// The series of a mapping's records.
    pub(crate) fn new(records: &[MappingRecord], now_ms: u64, span: Span) -> Self {
        let grid = Grid { span, now_s: now_ms / 1_000 };
        let mut sums = vec![MappingRecord::default(); span.steps()];
        let mut total = MappingRecord::default();
        for record in records.iter().filter(|record| record.at_s <= grid.now_s) {
            if let Some(sum) = grid.step_of(record.at_s).and_then(|step| sums.get_mut(step)) {
                *sum = sum.join(*record);
                total = total.join(*record);
            }
        }
        Self { grid, steps: sums.iter().map(step).collect(), total: step(&total) }
    }
}

fn step(sum: &MappingRecord) -> MappingStep {
    MappingStep {
        invocations: sum.invocations,
        errors: sum.errors,
        throttles: sum.throttles,
        p50_ms: percentile_ms(&sum.buckets, 0.5),
        p99_ms: percentile_ms(&sum.buckets, 0.99),
    }
}
