//! What queues and mappings did over the last hour, day and week: samples of each minute in which
//! something happened, kept small, and the series that charts are drawn of. Without I/O.
//!
//! A queue or mapping has a [`log`] of records that only grows at its end, and is made smaller now
//! and then. A queue's record is its *state* at a time, with the number of messages that were ever
//! sent to it, so that two gateways that both write one do no harm, and leaving records out loses
//! no message. A mapping's record says what its gateway did since the record before; only who
//! invokes writes it.

pub(crate) mod log;
pub(crate) mod mapping;
pub(crate) mod queue;
mod recorder;
#[cfg(test)]
#[allow(clippy::float_cmp, clippy::cast_precision_loss, reason = "exact here")]
mod tests;

pub(crate) use mapping::{MappingRecord, MappingSeries, MappingStep};
pub(crate) use queue::{QueueRecord, QueueSeries, QueueState, QueueStep};
pub(crate) use recorder::Recorder;

/// How much of the past is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Span {
    /// The last hour, by the minute.
    #[default]
    Hour,
    /// The last day, by the quarter of an hour.
    Day,
    /// The last week, two hours at a time.
    Week,
}

impl Span {
    /// All of them, the shortest first.
    pub(crate) const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// How it is called in URLs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// The one of that name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.name() == name)
    }

    /// Length of one step, in seconds.
    pub(crate) fn step_s(self) -> u64 {
        match self {
            Self::Hour => 60,
            Self::Day => 900,
            Self::Week => 7_200,
        }
    }

    /// How many steps there are.
    pub(crate) fn steps(self) -> usize {
        match self {
            Self::Hour => 60,
            Self::Day => 96,
            Self::Week => 84,
        }
    }

    /// All steps together, in seconds.
    pub(crate) fn length_s(self) -> u64 {
        self.step_s() * self.steps() as u64
    }
}

/// A count as what charts are drawn of.
#[allow(clippy::cast_precision_loss, reason = "no picture is that fine")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// The steps of a span, the last of which goes on now. They begin at multiples of their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Which span.
    pub(crate) span: Span,
    /// Now, epoch seconds.
    pub(crate) now_s: u64,
}

impl Grid {
    /// When the first step began, epoch seconds.
    pub(crate) fn start_s(self) -> u64 {
        let step_s = self.span.step_s();
        (self.now_s / step_s * step_s + step_s).saturating_sub(self.span.length_s())
    }

    /// When a step began, epoch seconds.
    pub(crate) fn step_start_s(self, step: usize) -> u64 {
        self.start_s().saturating_add(self.span.step_s() * step as u64)
    }

    /// When a step ended, or now; epoch seconds.
    pub(crate) fn step_end_s(self, step: usize) -> u64 {
        self.step_start_s(step + 1).min(self.now_s.saturating_add(1))
    }

    /// The step a time falls into.
    pub(crate) fn step_of(self, at_s: u64) -> Option<usize> {
        let since_s = at_s.checked_sub(self.start_s())?;
        let step = usize::try_from(since_s / self.span.step_s()).ok()?;
        (step < self.span.steps()).then_some(step)
    }

    /// The steps that have something of `[from_s, to_s)` in them.
    fn steps_of(self, from_s: u64, to_s: u64) -> std::ops::Range<usize> {
        if to_s <= from_s || to_s <= self.start_s() {
            return 0..0;
        }
        let first = self.step_of(from_s.max(self.start_s())).unwrap_or(self.span.steps());
        let last = self.step_of(to_s - 1).unwrap_or(self.span.steps() - 1);
        first..last + 1
    }
}
