//! One mapping at work: take a permit, take messages, run the function, judge, delete or leave.
//!
//! Source: esm-contract §§2-4 and 7.4; design §4, "Lambda side".

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::identity::Identity;
use crate::lambda::backoff::Backoff;
use crate::lambda::batch::{Batch, Fit, Held};
use crate::lambda::event::{EventSource, record};
use crate::lambda::invoke::{ANSWER_MARGIN, Target};
use crate::lambda::mapping::Mapping;
use crate::lambda::outcome::{Answer, Fault, Refusal, Verdict, judge};
use crate::queues::{
    Demand, PopOptions, Popped, QueueError, QueueName, Queues, ReceiptOutcome, ReceivedMessage,
};
use crate::shutdown::Shutdown;

/// What a lease has beyond the window and the function's timeout, counted from the start of the
/// pop: Lambda's cold start and the way there and back.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// What must be left of it beyond the timeout when a function starts: killing it takes a moment.
const START_MARGIN: Duration = Duration::from_secs(2);
/// The most receipts one command takes.
const RECEIPTS_MAX: usize = 1_000;
/// Delays after faults, shortest and longest (jittered, doubling).
const THROTTLE_DELAYS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
const TRANSIENT_DELAYS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));
const OPERATOR_DELAYS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(5));
const REDIS_DELAYS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Everything one mapping needs.
#[derive(Debug)]
pub(super) struct Poller {
    pub(super) queues: Queues,
    pub(super) identity: Identity,
    pub(super) mapping: Mapping,
    pub(super) target: Target,
    /// How long the function may run.
    pub(super) timeout: Duration,
    /// Invocations at a time.
    pub(super) concurrency: u32,
    /// Where the function dies with us: what a predecessor left.
    pub(super) inheritance: Option<Arc<Inheritance>>,
    pub(super) health: Health,
}

impl Poller {
    /// Serves the mapping until told to stop; returns when the last running invocation is done.
    pub(super) async fn run(self, stop: Shutdown) {
        let this = Arc::new(self);
        tokio::select! {
            () = this.prepare() => {}
            () = stop.requested() => return,
        }
        let permits = Arc::new(Semaphore::new(usize::try_from(this.concurrency).unwrap_or(1)));
        let mut running = JoinSet::new();
        while let Some((permit, batch)) = this.next_batch(&permits, &mut running, &stop).await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    this.health.redis_failed(&this.mapping, &error);
                    continue;
                }
            };
            if batch.is_empty() {
                continue;
            }
            if stop.is_requested() {
                // Gathered, not invoked.
                this.release(batch.messages()).await;
                break;
            }
            let probing = this.health.is_failing();
            let (done, probed) = oneshot::channel::<()>();
            let invocation = Arc::clone(&this);
            running.spawn(async move {
                invocation.invoke(batch).await;
                drop((permit, done));
            });
            if probing {
                // One at a time, until one is taken again.
                tokio::select! {
                    _ = probed => {}
                    () = stop.requested() => break,
                }
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Sees to it that the queue exists, and gives back what a predecessor leased for a local
    /// function: it died with it.
    async fn prepare(&self) {
        let queue = &self.mapping.queue;
        loop {
            let result = match self.queues.create(queue, &[], &[]).await {
                Err(QueueError::Exists) | Ok(()) => self.release_inherited().await,
                Err(error) => Err(error),
            };
            let Err(error) = result else {
                self.health.redis_answered();
                return;
            };
            self.health.redis_failed(&self.mapping, &error);
            tokio::time::sleep(self.health.remaining()).await;
        }
    }

    async fn release_inherited(&self) -> Result<(), QueueError> {
        match &self.inheritance {
            Some(inheritance) => inheritance.release(&self.queues, &self.mapping.queue).await,
            None => Ok(()),
        }
    }

    /// The next batch with its permit; `None` when it is time to stop.
    async fn next_batch(
        &self,
        permits: &Arc<Semaphore>,
        running: &mut JoinSet<()>,
        stop: &Shutdown,
    ) -> Option<(OwnedSemaphorePermit, Result<Batch, QueueError>)> {
        let ready = async {
            let permit = Arc::clone(permits).acquire_owned().await.ok()?;
            loop {
                // Another invocation may be refused while this waits for a message.
                let refused = self.health.refused.notified();
                tokio::pin!(refused);
                refused.as_mut().enable();
                let remaining = self.health.remaining();
                if !remaining.is_zero() {
                    tokio::time::sleep(remaining).await;
                    continue;
                }
                // Once `due` has returned it is our turn to pop, so nothing may come between.
                tokio::select! {
                    () = &mut refused => {}
                    () = self.queues.due(&self.mapping.queue) => return Some(permit),
                }
            }
        };
        tokio::pin!(ready);
        let permit = loop {
            tokio::select! {
                biased;
                () = stop.requested() => return None,
                permit = &mut ready => break permit?,
                Some(_) = running.join_next() => {}
            }
        };
        Some((permit, self.gather(stop).await))
    }

    /// Takes what is due, until the batch is full, its window is over, or it is time to stop.
    async fn gather(&self, stop: &Shutdown) -> Result<Batch, QueueError> {
        let mapping = &self.mapping;
        let source = self.source();
        let mut batch = Batch::new(mapping.batch_size);
        // Counted as the leases are, so that a slow pop does not push it beyond them.
        let window_ends = Instant::now() + mapping.window;
        loop {
            let popped = match self.pop(&batch, window_ends).await {
                Ok((popped, lease_ends)) => {
                    self.health.redis_answered();
                    let more = popped.more;
                    self.add(&mut batch, popped, lease_ends, &source).await;
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
    ) -> Result<(Popped, Instant), QueueError> {
        let now = Instant::now();
        let window = window_ends.saturating_duration_since(now);
        let lease = window + self.timeout + LEASE_MARGIN;
        // Whole seconds, rounded up.
        let seconds = lease.as_secs() + u64::from(lease.subsec_nanos() > 0);
        let options = PopOptions {
            count: batch.wanted(),
            visibility_timeout_seconds: Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
            max_bytes: Some(batch.wanted_bytes()),
            holder: self.inheritance.as_ref().map(|inheritance| inheritance.holder),
            attempt: None,
        };
        let popped = self.queues.pop_due(&self.mapping.queue, options).await?;
        Ok((popped, now + Duration::from_secs(seconds)))
    }

    /// Adds messages; gives back those for which there is no room.
    async fn add(
        &self,
        batch: &mut Batch,
        popped: Popped,
        lease_ends: Instant,
        source: &EventSource,
    ) {
        let mut overflow = Vec::new();
        for message in &popped.messages {
            let fit = match record(message, source) {
                Some(json) => batch.push(message, json, lease_ends),
                None => Fit::Never,
            };
            match fit {
                Fit::Taken => {}
                Fit::Full => overflow.push(held(message)),
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
    fn start_by(&self, batch: &Batch) -> Instant {
        let lease_ends = batch.first_lease_ends().unwrap_or_else(Instant::now);
        let margin = match self.target {
            Target::Local(_) => START_MARGIN,
            // Lambda's cold start comes on top of the function's timeout.
            Target::Aws { .. } => ANSWER_MARGIN,
        };
        lease_ends.checked_sub(self.timeout + margin).unwrap_or_else(Instant::now)
    }

    /// Runs the function with the batch and does what its answer says.
    async fn invoke(&self, batch: Batch) {
        let lease_ends = batch.first_lease_ends().unwrap_or_else(Instant::now);
        let start_by = self.start_by(&batch);
        let (event, messages) = batch.finish();
        let answer = if Instant::now() < start_by {
            self.target.invoke(event, self.timeout, start_by).await
        } else {
            // Redis was slow. Somebody else may soon get the messages, even while this one runs.
            too_late()
        };
        let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
        let (queue, function) = (&self.mapping.queue, self.mapping.function_name());
        match judge(answer, self.mapping.reporting, &ids) {
            Verdict::Settled { delete, remark } => {
                if let Some(remark) = remark {
                    let deleted = delete.iter().filter(|&&d| d).count();
                    let left = messages.len() - deleted;
                    tracing::warn!(%queue, function, deleted, left, "{remark}");
                }
                self.health.answered(&self.mapping);
                let done = messages.iter().zip(delete).filter(|(_, delete)| *delete);
                let receipts: Vec<&str> = done.map(|(m, _)| m.receipt.as_str()).collect();
                self.acknowledge(&receipts, lease_ends).await;
            }
            Verdict::GiveBack(refusal) => {
                // Noted first: what is given back is due at once.
                self.health.refused(&self.mapping, &refusal);
                self.release(&messages).await;
            }
            Verdict::Keep { reason } => {
                let messages = messages.len();
                tracing::warn!(
                    %queue, function, messages, reason,
                    "it is not known whether the function ran; its messages stay leased"
                );
            }
        }
    }

    /// Deletes, and tries again while the lease lasts if Redis is away.
    async fn acknowledge(&self, receipts: &[&str], lease_ends: Instant) {
        let queue = &self.mapping.queue;
        for chunk in receipts.chunks(RECEIPTS_MAX) {
            let mut delays = Backoff::new(REDIS_DELAYS.0, REDIS_DELAYS.1);
            let outcomes = loop {
                match self.queues.acknowledge(queue, chunk, Demand::Current).await {
                    Ok(outcomes) => break outcomes,
                    Err(QueueError::NoQueue) => return,
                    Err(error) if Instant::now() >= lease_ends => {
                        tracing::warn!(%queue, %error, "messages that are done will come again");
                        return;
                    }
                    Err(_) => {
                        delays.fail(None);
                        tokio::time::sleep(delays.remaining()).await;
                    }
                }
            };
            // Gone is fine: the function may have deleted its message itself.
            let late = outcomes.iter().filter(|o| **o == ReceiptOutcome::Stale).count();
            if late > 0 {
                tracing::warn!(%queue, late, "messages were done after somebody else got them");
            }
        }
    }

    /// Gives back without counting the receive. If it fails, the leases end by themselves.
    async fn release(&self, messages: &[Held]) {
        for chunk in messages.chunks(RECEIPTS_MAX) {
            let receipts: Vec<&str> = chunk.iter().map(|m| m.receipt.as_str()).collect();
            let released = self.queues.release(&self.mapping.queue, &receipts, 0).await;
            if let Err(error) = released {
                let queue = &self.mapping.queue;
                tracing::warn!(%queue, %error, "messages are not given back before their lease");
            }
        }
    }

    fn source(&self) -> EventSource {
        let arn = self.mapping.source_arn.clone();
        EventSource::new(arn.unwrap_or_else(|| self.identity.queue_arn(&self.mapping.queue)))
    }
}

fn too_late() -> Answer {
    let reason = "its messages came too slowly: their leases would end before it does".into();
    Answer::Refused(Refusal { fault: Fault::Transient, reason, retry_after: None })
}

fn held(message: &ReceivedMessage) -> Held {
    Held { id: message.id.clone(), receipt: message.receipt.clone() }
}

/// The leases of one queue that die with the gateway, because the function does: `holder` marks
/// them, and whoever comes next under the same number gives them back, once, before it takes any.
#[derive(Debug)]
pub(super) struct Inheritance {
    holder: u32,
    released: OnceCell<()>,
}

impl Inheritance {
    pub(super) fn new(holder: u32) -> Self {
        Self { holder, released: OnceCell::new() }
    }

    /// A second call waits for the first and does nothing more: by then there are leases of ours.
    async fn release(&self, queues: &Queues, queue: &QueueName) -> Result<(), QueueError> {
        let all = async {
            let messages = queues.release_holder(queue, self.holder).await?;
            if messages > 0 {
                tracing::info!(%queue, messages, "gave back what died with the last gateway");
            }
            Ok(())
        };
        self.released.get_or_try_init(|| all).await.map(|&()| ())
    }
}

/// How a mapping fares: how long to wait before the next batch, and why.
#[derive(Debug)]
pub(super) struct Health {
    faults: Mutex<Faults>,
    /// Told at each refusal.
    refused: Notify,
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

    fn remaining(&self) -> Duration {
        self.faults().all().map(Backoff::remaining).into_iter().max().unwrap_or_default()
    }

    fn is_failing(&self) -> bool {
        self.faults().all().into_iter().any(Backoff::is_failing)
    }

    fn redis_failed(&self, mapping: &Mapping, error: &QueueError) {
        let mut faults = self.faults();
        // Once is enough: it is tried again every two seconds.
        if !faults.redis.is_failing() {
            let queue = &mapping.queue;
            tracing::warn!(%queue, %error, "no messages are to be had for a mapping");
        }
        faults.redis.fail(None);
    }

    fn redis_answered(&self) {
        self.faults().redis.succeed();
    }

    /// The function ran: whatever it did, it can be invoked.
    fn answered(&self, mapping: &Mapping) {
        let mut faults = self.faults();
        if faults.operator.is_failing() || faults.transient.is_failing() {
            let (queue, function) = (&mapping.queue, mapping.function_name());
            tracing::info!(%queue, function, "the function can be invoked again");
        }
        faults.throttled.succeed();
        faults.transient.succeed();
        faults.operator.succeed();
    }

    fn refused(&self, mapping: &Mapping, refusal: &Refusal) {
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
