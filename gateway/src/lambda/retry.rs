//! When messages come again with which the function failed. Pure.
//!
//! On AWS they come when the queue's VisibilityTimeout has passed since they were received. Ours
//! are leased for longer than that or for less, so the lease's end is moved to where AWS would have
//! it, or to where the mapping's backoff wants it. Source: esm-contract §3, §11 traps 7 and 8.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::config::Retry;
use crate::lambda::batch::Held;

/// The longest a message can be in flight since it was received, less a moment for the way.
/// Source: sqs-contract §4.10 (12 hours).
const IN_FLIGHT_MAX: Duration = Duration::from_secs(43_200 - 5);

/// Messages of one lease that come again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Returning<'a> {
    /// When their lease ends as it is, epoch milliseconds on Redis's clock: those of whom that is
    /// no longer true had their visibility changed by the function, and are left alone.
    pub(super) due_ms: u64,
    /// Their receipts, and when they are to be visible.
    pub(super) messages: Vec<(&'a str, Instant)>,
}

/// What decides when messages come again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// The mapping's way.
    pub(super) retry: Retry,
    /// The queue's VisibilityTimeout.
    pub(super) visibility_timeout: Duration,
    /// Whether groups keep their order.
    pub(super) is_fifo: bool,
    /// When the function was found to have failed.
    pub(super) now: Instant,
}

/// When each of `failed` comes again, those of one lease together; `jitter` shortens a backoff's
/// delay.
pub(super) fn returning<'a>(
    failed: &[&'a Held],
    rule: Rule,
    mut jitter: impl FnMut(Duration) -> Duration,
) -> Vec<Returning<'a>> {
    let mut leases: Vec<Returning<'a>> = Vec::new();
    let mut places: HashMap<u64, usize> = HashMap::new();
    let mut groups: HashMap<&str, Instant> = HashMap::new();
    for held in failed {
        let mut due = due(held, rule, &mut jitter);
        if rule.is_fifo {
            // Never before an earlier message of its group.
            let latest = groups.entry(&held.group).or_insert(due);
            *latest = due.max(*latest);
            due = *latest;
        }
        let place = *places.entry(held.due_ms).or_insert(leases.len());
        if place == leases.len() {
            leases.push(Returning { due_ms: held.due_ms, messages: Vec::new() });
        }
        if let Some(lease) = leases.get_mut(place) {
            lease.messages.push((&held.receipt, due));
        }
    }
    leases
}

fn due(held: &Held, rule: Rule, jitter: impl FnOnce(Duration) -> Duration) -> Instant {
    let due = match rule.retry {
        Retry::VisibilityTimeout => held.received_at + rule.visibility_timeout,
        Retry::Backoff { min, max } => {
            let doublings = held.receive_count.saturating_sub(1).min(31);
            let delay = min.saturating_mul(1 << doublings).min(max);
            rule.now + jitter(delay)
        }
    };
    due.clamp(rule.now, rule.now.max(held.received_at + IN_FLIGHT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queues::ReceivedMessage;

    const SECOND: Duration = Duration::from_secs(1);

    fn held(receipt: &str, receive_count: u64, due_ms: u64, received_at: Instant) -> Held {
        let message = ReceivedMessage {
            receipt: receipt.into(),
            receive_count,
            due_ms,
            group: "g".into(),
            ..ReceivedMessage::default()
        };
        Held::new(&message, received_at)
    }

    fn rule(retry: Retry, now: Instant) -> Rule {
        Rule { retry, visibility_timeout: 30 * SECOND, is_fifo: false, now }
    }

    fn backoff(min: u64, max: u64) -> Retry {
        Retry::Backoff { min: Duration::from_secs(min), max: Duration::from_secs(max) }
    }

    #[test]
    fn as_on_aws_they_come_when_the_visibility_timeout_since_their_receive_has_passed() {
        let received = Instant::now();
        let now = received + 12 * SECOND;
        let messages = [held("a", 1, 7, received), held("b", 5, 7, received + 2 * SECOND)];
        let failed: Vec<&Held> = messages.iter().collect();
        let returning = returning(&failed, rule(Retry::VisibilityTimeout, now), |d| d);
        let expected = vec![("a", now + 18 * SECOND), ("b", now + 20 * SECOND)];
        assert_eq!(returning, [Returning { due_ms: 7, messages: expected }]);
    }

    #[test]
    fn they_come_at_once_if_the_visibility_timeout_has_passed_by_now() {
        let received = Instant::now();
        let now = received + 31 * SECOND;
        let message = held("a", 1, 7, received);
        let returning = returning(&[&message], rule(Retry::VisibilityTimeout, now), |d| d);
        assert_eq!(returning[0].messages, [("a", now)]);
    }

    #[test]
    fn a_backoff_doubles_with_each_receive_up_to_its_bound_and_is_spread() {
        let now = Instant::now();
        for (receive_count, seconds) in
            [(0, 2), (1, 2), (2, 4), (3, 8), (4, 10), (60, 10), (u64::MAX, 10)]
        {
            let message = held("a", receive_count, 7, now);
            let returning = returning(&[&message], rule(backoff(2, 10), now), |d| d / 2);
            let expected = now + Duration::from_secs(seconds) / 2;
            assert_eq!(returning[0].messages, [("a", expected)], "{receive_count}");
        }
    }

    #[test]
    fn nothing_stays_in_flight_for_longer_than_a_message_can() {
        let received = Instant::now();
        let now = received + 600 * SECOND;
        let message = held("a", 9, 7, received);
        let returning = returning(&[&message], rule(backoff(43_200, 43_200), now), |d| d);
        assert_eq!(returning[0].messages, [("a", received + IN_FLIGHT_MAX)]);
    }

    #[test]
    fn what_was_popped_together_returns_in_one_command() {
        let now = Instant::now();
        let messages: Vec<Held> = (0..6).map(|n| held(&n.to_string(), 1, n % 2, now)).collect();
        let failed: Vec<&Held> = messages.iter().collect();
        let returning = returning(&failed, rule(backoff(1, 1), now), |d| d);
        let receipts =
            |place: usize| returning[place].messages.iter().map(|(r, _)| *r).collect::<String>();
        assert_eq!(returning.len(), 2);
        assert_eq!((receipts(0), receipts(1)), ("024".into(), "135".into()));
    }

    #[test]
    fn in_a_fifo_queue_no_message_comes_before_an_earlier_one_of_its_group() {
        let now = Instant::now();
        let mut other = held("other", 1, 7, now);
        other.group = "h".into();
        let messages = [held("a", 3, 7, now), held("b", 1, 7, now), other, held("c", 4, 8, now)];
        let failed: Vec<&Held> = messages.iter().collect();
        let fifo = Rule { is_fifo: true, ..rule(backoff(1, 100), now) };
        let returning = returning(&failed, fifo, |d| d);
        let expected =
            vec![("a", now + 4 * SECOND), ("b", now + 4 * SECOND), ("other", now + SECOND)];
        assert_eq!(returning[0].messages, expected);
        assert_eq!(returning[1].messages, [("c", now + 8 * SECOND)]);
    }
}
