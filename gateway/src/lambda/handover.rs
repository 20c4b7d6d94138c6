//! Mappings whose function deletes the messages itself: it gets the event, nobody waits for its
//! answer, and what it does not delete comes again when the queue's VisibilityTimeout has passed.
//!
//! The consumer may hand its messages to workers, who extend and delete them with their receipt
//! handles; so nothing here depends on how long the function runs.

use std::time::Duration;

use crate::config::Acknowledge;
use crate::lambda::batch::{Batch, EVENT_BYTES_MAX};
use crate::lambda::invoke::Kind;
use crate::lambda::poller::Poller;
use crate::queues::QueueError;

/// The largest event an asynchronous Invoke takes, bytes: 1 MB. Source: esm-contract §1.
const HANDOVER_EVENT_BYTES_MAX: usize = 1_000_000;

impl Poller {
    /// How the function is invoked.
    pub(super) fn kind(&self) -> Kind {
        match self.mapping.options.acknowledge {
            Acknowledge::Karin => Kind::Wait,
            Acknowledge::Function => Kind::Handover,
        }
    }

    /// An empty batch.
    pub(super) fn new_batch(&self) -> Batch {
        let bytes_max = match self.kind() {
            Kind::Wait => EVENT_BYTES_MAX,
            Kind::Handover => HANDOVER_EVENT_BYTES_MAX,
        };
        Batch::new(self.mapping.batch_size, bytes_max)
    }

    /// What a lease lasts beyond the batch's window: long enough for the function to end, with
    /// `margin`, or the queue's own VisibilityTimeout where the function deletes.
    pub(super) async fn lease_after_window(
        &self,
        margin: Duration,
    ) -> Result<Duration, QueueError> {
        match self.kind() {
            Kind::Wait => Ok(self.timeout() + margin),
            Kind::Handover => self.visibility.of(&self.queues, &self.mapping.queue).await,
        }
    }

    /// Under which number messages are leased that a successor may give back, because the function
    /// has died with us. Whoever got them handed over may live elsewhere.
    pub(super) fn holder(&self) -> Option<u32> {
        let inheritance = self.inheritance.as_ref().filter(|_| self.kind() == Kind::Wait);
        inheritance.map(|inheritance| inheritance.holder)
    }

    /// How much of a lease must be left when the function starts.
    pub(super) fn time_needed(&self) -> Duration {
        match self.kind() {
            Kind::Wait => self.timeout() + self.start_margin(),
            // Half of the time it has from the queue.
            Kind::Handover => self.visibility.known().unwrap_or_default() / 2,
        }
    }
}
