//! Filling a batch: take what is due, until it is full, its window is over, or it is time to stop.
//!
//! Source: esm-contract §2; design §4, "Lambda side".

use std::time::{Duration, Instant};

use crate::lambda::batch::{Batch, Fit, Held};
use crate::lambda::event::{EventSource, record};
use crate::lambda::invoke::{ANSWER_MARGIN, Kind, Target};
use crate::lambda::poller::Poller;
use crate::queues::{PopOptions, Popped, QueueError};
use crate::shutdown::Shutdown;

/// What a lease has beyond the window and the function's timeout, counted from the start of the
/// pop: Lambda's cold start and the way there and back.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// What must be left of it beyond the timeout when a function starts: killing it takes a moment.
const START_MARGIN: Duration = Duration::from_secs(2);

/// From when to when messages are leased: when they were asked for, and when that ends at the
/// earliest.
#[derive(Debug, Clone, Copy)]
struct Leased {
    since: Instant,
    until: Instant,
}

impl Poller {
    /// Takes what is due, until the batch is full, its window is over, or it is time to stop.
    pub(super) async fn gather(&self, stop: &Shutdown) -> Result<Batch, QueueError> {
        let mapping = &self.mapping;
        let source = self.source();
        let mut batch = self.new_batch();
        // Counted as the leases are, so that a slow pop does not push it beyond them.
        let window_ends = Instant::now() + mapping.window;
        loop {
            let popped = match self.pop(&batch, window_ends).await {
                Ok((popped, leased)) => {
                    self.health.redis_answered();
                    let more = popped.more;
                    self.add(&mut batch, popped, leased, &source).await;
                    more
                }
                Err(error) if batch.is_empty() => return Err(error),
                // What was gathered is leased and can run.
                Err(_) => return Ok(batch),
            };
            if batch.is_empty() || batch.is_full() || stop.is_requested() {
                return Ok(batch);
            }
            // Messages that come slowly must not use up the leases of the first ones.
            if popped > 0 && Instant::now() < self.start_by(&batch) {
                continue;
            }
            if Instant::now() >= window_ends {
                return Ok(batch);
            }
            tokio::select! {
                () = self.queues.due(&mapping.queue) => {}
                () = tokio::time::sleep_until(window_ends.into()) => return Ok(batch),
                () = stop.requested() => return Ok(batch),
            }
        }
    }

    async fn pop(
        &self,
        batch: &Batch,
        window_ends: Instant,
    ) -> Result<(Popped, Leased), QueueError> {
        let now = Instant::now();
        let window = window_ends.saturating_duration_since(now);
        let lease = window + self.lease_after_window(LEASE_MARGIN).await?;
        // Whole seconds, rounded up.
        let seconds = lease.as_secs() + u64::from(lease.subsec_nanos() > 0);
        let options = PopOptions {
            count: batch.wanted(),
            visibility_timeout_seconds: Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
            max_bytes: Some(batch.wanted_bytes()),
            holder: self.holder(),
            attempt: None,
        };
        let popped = self.queues.pop_due(&self.mapping.queue, options).await?;
        match popped.messages.len() {
            0 => self.counters.empty_polls.one(),
            polled => self.counters.polled.add(polled),
        }
        Ok((popped, Leased { since: now, until: now + Duration::from_secs(seconds) }))
    }

    /// Adds messages; gives back those for which there is no room.
    async fn add(&self, batch: &mut Batch, popped: Popped, leased: Leased, source: &EventSource) {
        let mut overflow = Vec::new();
        for message in &popped.messages {
            let held = Held::new(message, leased.since);
            let fit = match record(message, source) {
                Some(json) => batch.push(held.clone(), json, leased.until),
                None => Fit::Never,
            };
            match fit {
                Fit::Taken => {}
                Fit::Full => overflow.push(held),
                // Left to its lease, as if the function had failed with it: its receives count.
                Fit::Never => tracing::warn!(
                    queue = %self.mapping.queue, message = message.id,
                    bytes = message.body.len(),
                    "a message is larger than any event can be; it stays in the queue"
                ),
            }
        }
        self.release(&overflow).await;
    }

    /// When the function must have started, so that it ends before its messages' leases do.
    pub(super) fn start_by(&self, batch: &Batch) -> Instant {
        let lease_ends = batch.first_lease_ends().unwrap_or_else(Instant::now);
        if self.kind() == Kind::Handover {
            return self.hand_over_by(lease_ends);
        }
        let margin = match self.target {
            Target::Local(_) => START_MARGIN,
            // Lambda's cold start comes on top of the function's timeout.
            Target::Aws { .. } => ANSWER_MARGIN,
        };
        lease_ends.checked_sub(self.timeout + margin).unwrap_or_else(Instant::now)
    }

    fn source(&self) -> EventSource {
        let arn = self.mapping.source_arn.clone();
        EventSource::new(arn.unwrap_or_else(|| self.identity.queue_arn(&self.mapping.queue)))
    }
}
