//! Growing delays between attempts that fail.

use std::time::{Duration, Instant};

/// Doubles a delay with each failure, up to a bound, and spreads it a little.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    resume_at: Option<Instant>,
}

impl Backoff {
    /// No failure yet.
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, failures: 0, resume_at: None }
    }

    /// Notes a failure; the next attempt is due after a delay that is at least `at_least`.
    pub(super) fn fail(&mut self, at_least: Option<Duration>) {
        let delay = self.min.saturating_mul(1 << self.failures.min(20)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        let delay = spread(delay).max(at_least.unwrap_or_default());
        self.resume_at = Some(Instant::now() + delay);
    }

    /// Notes a success: the next attempt is due at once, the next failure counts as the first.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.resume_at = None;
    }

    /// The next attempt is due now; should it fail, it counts as one more.
    pub(super) fn hurry(&mut self) {
        self.resume_at = None;
    }

    /// How long until the next attempt is due.
    pub(super) fn remaining(&self) -> Duration {
        self.resume_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether the last attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

/// Between 80 % and 100 % of a delay, so that many who failed together do not return together.
pub(super) fn spread(delay: Duration) -> Duration {
    let mut byte = [0];
    let _no_secret = getrandom::fill(&mut byte);
    delay.mul_f32(1.0 - f32::from(byte[0]) / 255.0 / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_their_bound_and_end_with_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(100), Duration::from_secs(350));
        assert_eq!(backoff.remaining(), Duration::ZERO);
        for expected in [100, 200, 350, 350] {
            backoff.fail(None);
            let remaining = backoff.remaining().as_secs_f32();
            #[allow(clippy::cast_precision_loss, reason = "a small number")]
            let most = expected as f32;
            assert!((most * 0.79..=most).contains(&remaining), "{remaining} of {expected}");
        }
        backoff.fail(Some(Duration::from_secs(1_000)));
        assert!(backoff.remaining() > Duration::from_secs(990));
        backoff.succeed();
        assert_eq!(backoff.remaining(), Duration::ZERO);
        assert!(!backoff.is_failing());
    }
}
