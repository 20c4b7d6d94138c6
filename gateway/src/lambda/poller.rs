//! One mapping at work: take a permit, take messages, run the function, judge, delete or leave.
//!
//! Source: esm-contract §§2-4 and 7.4; design §4, "Lambda side".

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::identity::Identity;
use crate::lambda::backoff::Backoff;
use crate::lambda::counters::Counters;
use crate::lambda::fleet::Licence;
use crate::lambda::gather::Gatherer;
use crate::lambda::health::Health;
use crate::lambda::inheritance::Inheritance;
use crate::lambda::invoke::Target;
use crate::lambda::limits::{Limits, Permits};
use crate::lambda::mapping::Mapping;
use crate::lambda::outcome::{Fault, Refusal};
use crate::lambda::queue_maker::QueueMaker;
use crate::lambda::records::{Records, Source};
use crate::lambda::visibility::VisibilityTimeout;
use crate::queues::{QueueError, Queues};
use crate::shutdown::Shutdown;

/// Delays after Redis failed, shortest and longest (jittered, doubling).
pub(super) const REDIS_DELAYS: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_secs(2));

/// When to look again after it was found that we have slept.
const LICENCE_PAUSE: Duration = Duration::from_millis(50);

/// Everything one mapping needs.
#[derive(Debug)]
pub(super) struct Poller {
    pub(super) queues: Queues,
    pub(super) identity: Identity,
    pub(super) mapping: Mapping,
    pub(super) target: Target,
    /// How long a function may run that is not on this machine.
    pub(super) remote_timeout: Duration,
    /// How many invocations may run at a time.
    pub(super) limits: Limits,
    /// How often a chain of messages may run the function; 0: without end.
    pub(super) max_hops: u32,
    /// Where the function dies with us: what a predecessor left.
    pub(super) inheritance: Option<Arc<Inheritance>>,
    pub(super) licence: Licence,
    pub(super) health: Arc<Health>,
    /// The queue's, for messages that failed.
    pub(super) visibility: VisibilityTimeout,
    /// What it did so far.
    pub(super) counters: Arc<Counters>,
    pub(super) maker: QueueMaker,
    /// Of its invocations.
    pub(super) records: Records,
    /// What they say about where they belong.
    pub(super) source: Arc<Source>,
}

impl Poller {
    /// Serves the mapping until told to stop; returns when the last running invocation is done.
    pub(super) async fn run(self, stop: Shutdown) {
        let this = Arc::new(self);
        tokio::select! {
            () = this.prepare() => {}
            () = stop.requested() => return,
        }
        let mut gatherer = Gatherer::new(Arc::clone(&this));
        let mut running = JoinSet::new();
        // Ends with this.
        let mut keeper = JoinSet::new();
        keeper.spawn(Arc::clone(&this).keep_queue());
        while let Some((permits, batch)) = gatherer.next(&stop).await {
            if stop.is_requested() {
                // Gathered, not invoked.
                this.release(batch.messages()).await;
                break;
            }
            let (done, probed) = oneshot::channel::<()>();
            // One at a time, until one is taken again.
            gatherer.probe = this.health.is_probing().then_some(probed);
            let invocation = Arc::clone(&this);
            running.spawn(async move {
                let counted = invocation.counters.running.count();
                invocation.invoke(batch).await;
                drop(counted);
                drop((permits, done));
            });
            while running.try_join_next().is_some() {}
        }
        gatherer.give_back().await;
        while running.join_next().await.is_some() {}
    }

    /// How long the function may run; a local one can say otherwise at any time.
    pub(super) fn timeout(&self) -> Duration {
        match &self.target {
            Target::Local(function) => function.timeout(),
            Target::Aws { .. } => self.remote_timeout,
        }
    }

    /// Returns when a batch may run, and, with `wait`, something is there for it.
    pub(super) async fn ready(&self, probe: Option<oneshot::Receiver<()>>, wait: bool) -> Permits {
        if let Some(probe) = probe {
            let _ended = probe.await;
        }
        let mapping_permit = self.limits.mapping_permit().await;
        loop {
            // Another invocation may be refused while this waits for a message.
            let refused = self.health.refused.notified();
            tokio::pin!(refused);
            refused.as_mut().enable();
            if self.limits.is_switched_off() {
                let reason = "its reserved concurrency is 0".to_owned();
                let refusal = Refusal { fault: Fault::Operator, reason, retry_after: None };
                self.health.refused(&self.mapping, &refusal);
                drop(self.limits.function_permit().await);
                continue;
            }
            let remaining = self.health.remaining();
            if !remaining.is_zero() {
                let (since, throttle) = (Instant::now(), self.health.remaining_throttle());
                tokio::select! {
                    () = tokio::time::sleep(remaining) => {}
                    () = self.health.hurried.notified() => {}
                }
                self.counters.waited_for_throttle(throttle.min(since.elapsed()));
                continue;
            }
            if self.health.wants_probe() {
                let refusal = self.target.probe().await;
                self.health.probed(&self.mapping, refusal.as_ref());
                continue;
            }
            let function_permit = async {
                if wait {
                    self.queues.due(&self.mapping.queue).await;
                }
                // Once `due` has returned it is our turn to pop. If others have the function for
                // a while, whoever else waits for the queue has its turn a moment later.
                self.limits.function_permit().await
            };
            tokio::select! {
                () = &mut refused => {}
                function_permit = function_permit => {
                    if !wait || self.licence.holds() {
                        return Permits::new(mapping_permit, function_permit);
                    }
                    drop(function_permit);
                    // The fleet is about to notice, and tells us to stop.
                    tokio::time::sleep(LICENCE_PAUSE).await;
                }
            }
        }
    }

    /// Sees to it that the queue exists, and gives back what a predecessor leased for a local
    /// function: it died with it.
    async fn prepare(&self) {
        loop {
            let result = match self.maker.ensure(&self.mapping).await {
                Ok(()) => self.release_inherited().await,
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

    /// Makes the queue again when it is lost with a Redis that keeps nothing and was restarted. One
    /// that somebody deletes stays away.
    async fn keep_queue(self: Arc<Self>) {
        loop {
            self.queues.reconnected().await;
            let mut delays = Backoff::new(REDIS_DELAYS.0, REDIS_DELAYS.1);
            while self.maker.ensure(&self.mapping).await.is_err() {
                delays.fail(None);
                tokio::time::sleep(delays.remaining()).await;
            }
        }
    }

    async fn release_inherited(&self) -> Result<(), QueueError> {
        match &self.inheritance {
            Some(inheritance) => inheritance.release(&self.queues, &self.mapping.queue).await,
            None => Ok(()),
        }
    }
}
