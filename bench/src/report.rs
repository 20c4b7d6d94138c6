//! Pairs, medians and the table.

use std::fmt;

use redis::RedisError;

/// The table's head.
pub(crate) const HEAD: &str = "\
| what | reference | karin | ratio (min … max) | reference against itself | goal |
|---|---|---|---|---|---|";

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// The reference's figure.
    pub(crate) reference: String,
    /// Our figure.
    pub(crate) candidate: String,
    /// The ratio, or what stands for it.
    pub(crate) ratio: String,
    /// How far the reference is from itself from run to run.
    pub(crate) noise: String,
    /// What we want.
    pub(crate) goal: String,
    /// Whether we have it; nothing of a row that is there to be known.
    pub(crate) met: Option<bool>,
}

/// What a ratio of candidate to reference shall be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Of rates.
    AtLeast(f64),
    /// Of costs.
    AtMost(f64),
    /// Whatever it is.
    Information,
}

impl Goal {
    fn text(self) -> String {
        match self {
            Self::AtLeast(ratio) => format!("≥ {ratio} ×"),
            Self::AtMost(ratio) => format!("≤ {ratio} ×"),
            Self::Information => String::new(),
        }
    }

    fn met(self, ratio: f64) -> Option<bool> {
        match self {
            Self::AtLeast(goal) => Some(ratio >= goal),
            Self::AtMost(goal) => Some(ratio <= goal),
            Self::Information => None,
        }
    }
}

impl Row {
    /// A row of which this server has nothing to measure, and what it said.
    pub(crate) fn unsupported(what: &str, error: &RedisError) -> Self {
        Self {
            what: what.to_owned(),
            reference: String::new(),
            candidate: format!("not supported ({})", error.code().unwrap_or("ERR")),
            ratio: String::new(),
            noise: String::new(),
            goal: String::new(),
            met: None,
        }
    }

    /// One line of JSON; `group` is the name the row is chosen by.
    pub(crate) fn json(&self, group: &str) -> String {
        serde_json::json!({
            "group": group,
            "what": self.what,
            "reference": self.reference,
            "karin": self.candidate,
            "ratio": self.ratio,
            "noise": self.noise,
            "goal": self.goal,
            "met": self.met,
        })
        .to_string()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, reference, candidate, ratio, noise, goal, met } = self;
        let verdict = match met {
            Some(true) => " ✓",
            Some(false) => " **missed**",
            None => "",
        };
        write!(f, "| {what} | {reference} | {candidate} | {ratio} | {noise} | {goal}{verdict} |")
    }
}

/// Rates or costs of a reference and a candidate, measured in turn.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    reference: Vec<f64>,
    candidate: Vec<f64>,
}

impl Pairs {
    pub(crate) fn push(&mut self, reference: f64, candidate: f64) {
        self.reference.push(reference);
        self.candidate.push(candidate);
    }

    /// The row: medians, the median of the pairs' ratios with its spread, and the ratios of the
    /// reference's consecutive runs.
    pub(crate) fn row(&self, what: &str, unit: &str, goal: Goal) -> Row {
        let ratios: Vec<f64> =
            self.candidate.iter().zip(&self.reference).map(|(c, r)| c / r).collect();
        let noise: Vec<f64> = self.reference.windows(2).map(|two| two[1] / two[0]).collect();
        Row {
            what: what.to_owned(),
            reference: format!("{} {unit}", figure(median(&self.reference))),
            candidate: format!("{} {unit}", figure(median(&self.candidate))),
            ratio: spread(&ratios),
            noise: spread(&noise),
            goal: goal.text(),
            met: goal.met(median(&ratios)),
        }
    }
}

/// The row of what is due at a time: how late it comes, which must not be negative (design §9).
pub(crate) fn lateness(what: String, late_ms: &[f64]) -> Row {
    let early = late_ms.iter().filter(|&&late| late < 0.0).count();
    Row {
        what,
        reference: "due time".to_owned(),
        candidate: latencies(late_ms),
        ratio: format!("{early} early"),
        noise: String::new(),
        goal: "never early, p99 ≤ 3 ms".to_owned(),
        met: Some(early == 0 && quantile(late_ms, 0.99) <= 3.0),
    }
}

fn spread(values: &[f64]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    format!("{:.2} × ({low:.2} … {high:.2})", median(values))
}

/// The middle value; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which the share `q` of all values lies (nearest rank); 0 of none.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
}

/// `p50 0.31, p99 0.92, max 1.40 ms`.
pub(crate) fn latencies(milliseconds: &[f64]) -> String {
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|q| quantile(milliseconds, q));
    format!("p50 {p50:.2}, p99 {p99:.2}, max {max:.2} ms")
}

/// The same of what takes microseconds: `p50 31, p99 92, max 140 µs`.
pub(crate) fn latencies_us(milliseconds: &[f64]) -> String {
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|q| quantile(milliseconds, q) * 1_000.0);
    format!("p50 {p50:.0}, p99 {p99:.0}, max {max:.0} µs")
}

fn figure(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{:.1} k", value / 1_000.0)
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, Pairs, quantile};

    #[test]
    fn a_row_says_whether_the_median_of_its_ratios_meets_the_goal() {
        let mut pairs = Pairs::default();
        for (reference, candidate) in [(100.0, 90.0), (100.0, 120.0), (200.0, 240.0)] {
            pairs.push(reference, candidate);
        }
        let row = pairs.row("sends", "/s", Goal::AtLeast(1.0));
        assert_eq!(row.met, Some(true));
        let line =
            "| sends | 100 /s | 120 /s | 1.20 × (0.90 … 1.20) | 1.00 × (1.00 … 2.00) | ≥ 1 × ✓ |";
        assert_eq!(row.to_string(), line);
        assert_eq!(pairs.row("costs", "µs", Goal::AtMost(1.1)).met, Some(false));
        assert_eq!(pairs.row("costs", "µs", Goal::Information).met, None);
    }

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        for (q, value) in [(0.0, "1"), (0.5, "50"), (0.99, "99"), (1.0, "100")] {
            assert_eq!(quantile(&values, q).to_string(), value);
        }
        assert_eq!(quantile(&[], 0.5).to_string(), "0");
    }
}
