//! One mapping at work: take a permit, take messages, run the function, judge, delete or leave.
//!
//! Source: esm-contract §§2-4 and 7.4; design §4, "Lambda side".

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::identity::Identity;
use crate::lambda::batch::Batch;
use crate::lambda::fleet::Licence;
use crate::lambda::health::Health;
use crate::lambda::inheritance::Inheritance;
use crate::lambda::invoke::Target;
use crate::lambda::mapping::Mapping;
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
    /// How long the function may run.
    pub(super) timeout: Duration,
    /// Invocations at a time.
    pub(super) concurrency: u32,
    /// Where the function dies with us: what a predecessor left.
    pub(super) inheritance: Option<Arc<Inheritance>>,
    pub(super) licence: Licence,
    pub(super) health: Arc<Health>,
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
                    () = self.queues.due(&self.mapping.queue) => {
                        if self.licence.holds() {
                            return Some(permit);
                        }
                        // The fleet is about to notice, and tells us to stop.
                        tokio::time::sleep(LICENCE_PAUSE).await;
                    }
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
}
