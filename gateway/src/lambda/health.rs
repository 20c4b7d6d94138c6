//! How a mapping fares: why it waits or is paused, for how long, and what its last invocation gave.
//!
//! Source: esm-contract §7.4, §11 traps 20 and 25.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::lambda::backoff::Backoff;
use crate::lambda::invoke::Target;
use crate::lambda::mapping::Mapping;
use crate::lambda::outcome::{Fault, Refusal};
use crate::lambda::poller::REDIS_DELAYS;
use crate::queues::QueueError;

/// Delays after faults, shortest and longest (jittered, doubling).
const THROTTLE_DELAYS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
const TRANSIENT_DELAYS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));
/// Before AWS is asked whether a function can be invoked again.
const PROBE_DELAYS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(5));
/// The same where asking costs nothing: on this machine, and at an endpoint of one's own.
const NEAR_PROBE_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// A Retry-After above this counts as this.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(15);

/// What AWS calls LastProcessingResult where nothing was invoked yet.
const NOTHING_PROCESSED: &str = "No records processed";

/// What a mapping is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MappingState {
    /// It takes messages as they come.
    Running,
    /// It waits a moment before it takes more: too many invocations, the platform's trouble, or
    /// Redis is away.
    Waiting {
        /// Why.
        reason: String,
        /// How much longer.
        remaining: Duration,
    },
    /// Somebody must do something: no message leaves the queue.
    Paused {
        /// What was answered.
        reason: String,
        /// Since when.
        since: SystemTime,
        /// In how long the function is looked at again; zero: the next message is tried.
        next_probe: Duration,
    },
}

/// How a mapping fares: how long to wait before the next batch, and why.
#[derive(Debug)]
pub(super) struct Health {
    faults: Mutex<Faults>,
    /// Told at each refusal.
    pub(super) refused: Notify,
    /// Told when nothing is to be waited for any longer.
    pub(super) hurried: Notify,
}

#[derive(Debug)]
struct Faults {
    redis: Backoff,
    throttled: Backoff,
    transient: Backoff,
    /// Invocations of which nothing was heard again.
    lost: Backoff,
    operator: Backoff,
    /// Why the last one was, of whatever kind.
    reason: String,
    pause: Option<Pause>,
    /// Lambda's LastProcessingResult.
    last_result: String,
}

#[derive(Debug)]
struct Pause {
    reason: String,
    since: SystemTime,
    /// It was looked at since it was last refused, and nothing speaks against another invocation.
    is_over: bool,
}

impl Faults {
    fn all(&self) -> [&Backoff; 5] {
        [&self.redis, &self.throttled, &self.transient, &self.lost, &self.operator]
    }

    fn remaining(&self) -> Duration {
        self.all().map(Backoff::remaining).into_iter().max().unwrap_or_default()
    }
}

impl Health {
    /// A mapping whose function is at `target` and that has not begun.
    pub(super) fn new(target: &Target) -> Self {
        let backoff = |(min, max)| Backoff::new(min, max);
        let faults = Faults {
            redis: backoff(REDIS_DELAYS),
            throttled: backoff(THROTTLE_DELAYS),
            transient: backoff(TRANSIENT_DELAYS),
            lost: backoff(TRANSIENT_DELAYS),
            operator: backoff(if target.is_near() { NEAR_PROBE_DELAYS } else { PROBE_DELAYS }),
            reason: String::new(),
            pause: None,
            last_result: NOTHING_PROCESSED.to_owned(),
        };
        Self { faults: Mutex::new(faults), refused: Notify::new(), hurried: Notify::new() }
    }

    /// What the mapping is doing, for people.
    pub(super) fn state(&self) -> MappingState {
        let faults = self.faults();
        let remaining = faults.remaining();
        match &faults.pause {
            Some(Pause { reason, since, .. }) => MappingState::Paused {
                reason: reason.clone(),
                since: *since,
                next_probe: remaining,
            },
            None if remaining.is_zero() => MappingState::Running,
            None => MappingState::Waiting { reason: faults.reason.clone(), remaining },
        }
    }

    /// What the last invocation gave, as Lambda's LastProcessingResult tells it.
    pub(super) fn last_result(&self) -> String {
        self.faults().last_result.clone()
    }

    /// How long nothing is to be taken.
    pub(super) fn remaining(&self) -> Duration {
        self.faults().remaining()
    }

    /// How long nothing is to be taken because too many invocations ran.
    pub(super) fn remaining_throttle(&self) -> Duration {
        self.faults().throttled.remaining()
    }

    /// Ends all waits: somebody has put right what they are for, perhaps.
    pub(super) fn look_again(&self) {
        let mut faults = self.faults();
        let Faults { redis, throttled, transient, lost, operator, .. } = &mut *faults;
        [redis, throttled, transient, lost, operator].into_iter().for_each(Backoff::hurry);
        self.hurried.notify_one();
    }

    /// Whether the next invocation is to find out if the function can be invoked again.
    pub(super) fn is_probing(&self) -> bool {
        let faults = self.faults();
        faults.transient.is_failing() || faults.operator.is_failing()
    }

    /// Whether the function is to be looked at before messages are taken for it.
    pub(super) fn wants_probe(&self) -> bool {
        self.faults().pause.as_ref().is_some_and(|pause| !pause.is_over)
    }

    /// The function was looked at. If nothing is seen that keeps it from being invoked, the next
    /// message decides.
    pub(super) fn probed(&self, mapping: &Mapping, refusal: Option<&Refusal>) {
        let mut faults = self.faults();
        match refusal {
            Some(refusal) if refusal.fault == Fault::Operator => faults.pause(mapping, refusal),
            // Nothing was learnt.
            Some(refusal) => faults.operator.fail(patience(refusal)),
            None => {
                if let Some(pause) = &mut faults.pause {
                    pause.is_over = true;
                }
            }
        }
    }

    pub(super) fn redis_failed(&self, mapping: &Mapping, error: &QueueError) {
        let mut faults = self.faults();
        // Once is enough: it is tried again every two seconds.
        if !faults.redis.is_failing() {
            let queue = &mapping.queue;
            tracing::warn!(%queue, %error, "no messages are to be had for a mapping");
        }
        faults.redis.fail(None);
        faults.reason = error.to_string();
    }

    pub(super) fn redis_answered(&self) {
        self.faults().redis.succeed();
    }

    /// The function ran: whatever it did, it can be invoked. `problem` is what it did wrong.
    pub(super) fn answered(&self, mapping: &Mapping, problem: Option<&str>) {
        let mut faults = self.faults();
        let was_paused = faults.pause.take().is_some();
        if was_paused || faults.transient.is_failing() {
            let (queue, function) = (&mapping.queue, mapping.function_name());
            tracing::info!(%queue, function, was_paused, "the function can be invoked again");
        }
        faults.throttled.succeed();
        faults.transient.succeed();
        faults.lost.succeed();
        faults.operator.succeed();
        faults.last_result = problem.map_or_else(|| "OK".to_owned(), problem_text);
    }

    /// An event was refused because of what is in it. That tells nothing about the function.
    pub(super) fn event_refused(&self, reason: &str) {
        self.faults().last_result = problem_text(reason);
    }

    /// It is not known whether the function ran. Others may run meanwhile, after a while: each that
    /// is lost costs its messages a receive and a whole lease.
    pub(super) fn lost(&self, reason: &str) {
        let mut faults = self.faults();
        faults.last_result = problem_text(reason);
        if faults.lost.remaining().is_zero() {
            faults.lost.fail(None);
            reason.clone_into(&mut faults.reason);
            self.refused.notify_waiters();
        }
    }

    pub(super) fn refused(&self, mapping: &Mapping, refusal: &Refusal) {
        let mut faults = self.faults();
        faults.last_result = problem_text(&refusal.reason);
        let backoff = match refusal.fault {
            Fault::Throttled => &mut faults.throttled,
            Fault::Transient => &mut faults.transient,
            Fault::Operator | Fault::Payload => &mut faults.operator,
        };
        // Several running at once may be refused for one and the same reason.
        if !backoff.remaining().is_zero() {
            return;
        }
        self.refused.notify_waiters();
        if refusal.fault == Fault::Operator {
            faults.pause(mapping, refusal);
            return;
        }
        backoff.fail(patience(refusal));
        let (failures, wait) = (backoff.failures(), backoff.remaining());
        let (queue, function, reason) = (&mapping.queue, mapping.function_name(), &refusal.reason);
        tracing::warn!(%queue, function, reason, failures, ?wait, "an invocation was refused");
        reason.clone_into(&mut faults.reason);
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults {
    /// Pauses, or stays paused for longer.
    fn pause(&mut self, mapping: &Mapping, refusal: &Refusal) {
        self.operator.fail(patience(refusal));
        let (queue, function, reason) = (&mapping.queue, mapping.function_name(), &refusal.reason);
        // Said again only if it is another reason: this may go on for days.
        let is_known = self.pause.as_ref().is_some_and(|pause| pause.reason == *reason);
        if !is_known {
            tracing::warn!(
                %queue, function, reason, wait = ?self.operator.remaining(),
                "the mapping is paused: the function cannot be invoked; its messages stay"
            );
        }
        let since = self.pause.as_ref().map_or_else(SystemTime::now, |pause| pause.since);
        self.pause = Some(Pause { reason: reason.clone(), since, is_over: false });
    }
}

/// How long the refuser asks to be left alone.
fn patience(refusal: &Refusal) -> Option<Duration> {
    refusal.retry_after.map(|wait| wait.min(RETRY_AFTER_MAX))
}

fn problem_text(reason: impl AsRef<str>) -> String {
    format!("PROBLEM: Function call failed: {}", reason.as_ref())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lambda::aws::Aws;
    use crate::lambda::document::MappingDocument;
    use crate::lambda::mapping::Origin;

    fn mapping() -> Mapping {
        let document = MappingDocument {
            event_source_arn: Some("arn:aws:sqs:us-east-1:000000000000:q".into()),
            function_arn: Some("f".into()),
            ..MappingDocument::default()
        };
        Mapping::read(&document, Origin::Created).unwrap()
    }

    fn health() -> Health {
        let aws = Arc::new(Aws::at("http://127.0.0.1:1"));
        Health::new(&Target::Aws { aws, function: "f".into() })
    }

    fn refusal(fault: Fault, reason: &str) -> Refusal {
        Refusal { fault, reason: reason.into(), retry_after: None }
    }

    #[test]
    fn what_somebody_must_put_right_pauses_until_the_function_answers() {
        let (health, mapping) = (health(), mapping());
        assert_eq!(health.state(), MappingState::Running);
        assert_eq!(health.last_result(), "No records processed");
        health.refused(&mapping, &refusal(Fault::Operator, "gone"));
        let MappingState::Paused { reason, since, next_probe } = health.state() else {
            panic!("{:?}", health.state());
        };
        assert_eq!(reason, "gone");
        assert!(!next_probe.is_zero() && health.wants_probe() && health.is_probing());
        assert_eq!(health.last_result(), "PROBLEM: Function call failed: gone");

        health.probed(&mapping, Some(&refusal(Fault::Operator, "forbidden")));
        let still = health.state();
        assert!(
            matches!(&still, MappingState::Paused { reason, since: s, .. }
                if reason == "forbidden" && *s == since),
            "{still:?}"
        );
        health.probed(&mapping, Some(&refusal(Fault::Throttled, "busy")));
        assert!(
            matches!(health.state(), MappingState::Paused { reason, .. } if reason == "forbidden")
        );
        assert!(health.wants_probe());

        health.probed(&mapping, None);
        assert!(!health.wants_probe(), "the next message decides");
        assert!(matches!(health.state(), MappingState::Paused { .. }));
        health.answered(&mapping, None);
        assert_eq!(health.state(), MappingState::Running);
        assert_eq!(health.last_result(), "OK");
        assert!(!health.is_probing());
    }

    #[tokio::test]
    async fn who_has_put_it_right_need_not_wait_for_the_next_look() {
        let (health, mapping) = (health(), mapping());
        health.refused(&mapping, &refusal(Fault::Operator, "gone"));
        assert!(!health.remaining().is_zero());
        health.look_again();
        assert!(health.remaining().is_zero() && health.wants_probe() && health.is_probing());
        // Who sleeps is woken, also one who begins to sleep just then.
        tokio::time::timeout(Duration::from_secs(5), health.hurried.notified()).await.unwrap();
        health.probed(&mapping, Some(&refusal(Fault::Operator, "gone")));
        assert!(!health.remaining().is_zero(), "it is paused as before");
    }

    #[test]
    fn a_throttle_is_waited_out_and_says_why() {
        let (health, mapping) = (health(), mapping());
        let asked = Some(Duration::from_secs(u64::MAX));
        health.refused(
            &mapping,
            &Refusal { retry_after: asked, ..refusal(Fault::Throttled, "busy") },
        );
        let state = health.state();
        let MappingState::Waiting { reason, remaining } = state else { panic!("{state:?}") };
        assert_eq!(reason, "busy");
        assert!(remaining > RETRY_AFTER_MAX / 2 && remaining <= RETRY_AFTER_MAX, "{remaining:?}");
        assert!(!health.is_probing(), "a throttled function can be invoked");
    }

    #[test]
    fn a_function_that_fails_is_no_fault_of_its_mapping() {
        let (health, mapping) = (health(), mapping());
        health.answered(&mapping, Some("the function failed"));
        assert_eq!(health.state(), MappingState::Running);
        assert_eq!(health.last_result(), "PROBLEM: Function call failed: the function failed");
        health.event_refused("413");
        assert_eq!(health.state(), MappingState::Running);
        health.lost("reset");
        assert!(!health.is_probing());
        assert!(
            matches!(health.state(), MappingState::Waiting { reason, .. } if reason == "reset")
        );
    }
}
