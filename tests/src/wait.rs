//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Long enough for a start or a reaction on a slow, busy machine; nobody waits it out.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// Returns once `condition` holds; panics with `what` when it does not within `deadline`.
#[track_caller]
pub fn until(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    until_some(deadline, what, || condition().then_some(()));
}

/// Returns the first value `attempt` gives; panics with `what` when there is none within
/// `deadline`.
#[track_caller]
pub fn until_some<T>(deadline: Duration, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}
