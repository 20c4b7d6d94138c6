//! How a mapping fares: why it waits, and for how long.
//!
//! Source: esm-contract §7.4.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::lambda::backoff::Backoff;
use crate::lambda::mapping::Mapping;
use crate::lambda::outcome::{Fault, Refusal};
use crate::lambda::poller::REDIS_DELAYS;
use crate::queues::QueueError;

/// Delays after faults, shortest and longest (jittered, doubling).
const THROTTLE_DELAYS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
const TRANSIENT_DELAYS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));
const OPERATOR_DELAYS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(5));

/// How a mapping fares: how long to wait before the next batch, and why.
#[derive(Debug)]
pub(super) struct Health {
    faults: Mutex<Faults>,
    /// Told at each refusal.
    pub(super) refused: Notify,
}

#[derive(Debug)]
struct Faults {
    redis: Backoff,
    throttled: Backoff,
    transient: Backoff,
    operator: Backoff,
}

impl Faults {
    fn all(&self) -> [&Backoff; 4] {
        [&self.redis, &self.throttled, &self.transient, &self.operator]
    }
}

impl Health {
    pub(super) fn new() -> Self {
        let backoff = |(min, max)| Backoff::new(min, max);
        let faults = Faults {
            redis: backoff(REDIS_DELAYS),
            throttled: backoff(THROTTLE_DELAYS),
            transient: backoff(TRANSIENT_DELAYS),
            operator: backoff(OPERATOR_DELAYS),
        };
        Self { faults: Mutex::new(faults), refused: Notify::new() }
    }

    pub(super) fn remaining(&self) -> Duration {
        self.faults().all().map(Backoff::remaining).into_iter().max().unwrap_or_default()
    }

    pub(super) fn is_failing(&self) -> bool {
        self.faults().all().into_iter().any(Backoff::is_failing)
    }

    /// Why nothing is invoked now, in one line for people.
    pub(super) fn problem(&self) -> Option<String> {
        let faults = self.faults();
        let problem = if faults.redis.is_failing() {
            "no messages are to be had from Redis"
        } else if faults.operator.is_failing() {
            "the mapping is paused: the function cannot be invoked"
        } else if faults.transient.is_failing() || faults.throttled.is_failing() {
            "an invocation was refused"
        } else {
            return None;
        };
        Some(problem.to_owned())
    }

    pub(super) fn redis_failed(&self, mapping: &Mapping, error: &QueueError) {
        let mut faults = self.faults();
        // Once is enough: it is tried again every two seconds.
        if !faults.redis.is_failing() {
            let queue = &mapping.queue;
            tracing::warn!(%queue, %error, "no messages are to be had for a mapping");
        }
        faults.redis.fail(None);
    }

    pub(super) fn redis_answered(&self) {
        self.faults().redis.succeed();
    }

    /// The function ran: whatever it did, it can be invoked.
    pub(super) fn answered(&self, mapping: &Mapping) {
        let mut faults = self.faults();
        if faults.operator.is_failing() || faults.transient.is_failing() {
            let (queue, function) = (&mapping.queue, mapping.function_name());
            tracing::info!(%queue, function, "the function can be invoked again");
        }
        faults.throttled.succeed();
        faults.transient.succeed();
        faults.operator.succeed();
    }

    pub(super) fn refused(&self, mapping: &Mapping, refusal: &Refusal) {
        let mut faults = self.faults();
        let backoff = match refusal.fault {
            Fault::Throttled => &mut faults.throttled,
            Fault::Transient => &mut faults.transient,
            Fault::Operator | Fault::Payload => &mut faults.operator,
        };
        // Several running at once may be refused for one and the same reason.
        if !backoff.remaining().is_zero() {
            return;
        }
        backoff.fail(refusal.retry_after);
        let (failures, wait) = (backoff.failures(), backoff.remaining());
        self.refused.notify_waiters();
        let (queue, function, reason) = (&mapping.queue, mapping.function_name(), &refusal.reason);
        match refusal.fault {
            Fault::Operator | Fault::Payload => tracing::warn!(
                %queue, function, reason, ?wait,
                "the mapping is paused: the function cannot be invoked; its messages stay"
            ),
            Fault::Throttled | Fault::Transient => tracing::warn!(
                %queue, function, reason, failures, ?wait, "an invocation was refused"
            ),
        }
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
