//! The queues: every `KARIN.*` call, and waiting for messages.
//!
//! Nothing outside this folder knows Redis. Nothing is cached but due times (ARCHITECTURE,
//! "Waiting"): attributes are the module's business at each command.

pub mod attributes;
mod types;

pub use types::*;

use std::time::Duration;

/// The queues of one Redis. Cheap to clone; all clones share one connection and one table of
/// waiters.
#[derive(Debug, Clone)]
pub struct Queues {}

impl Queues {
    /// Makes a queue. Errors: [`QueueError::Exists`], [`QueueError::Attribute`].
    pub async fn create(
        &self,
        _queue: &QueueName,
        _attributes: &[(String, String)],
        _tags: &[(String, String)],
    ) -> Result<(), QueueError> {
        todo!()
    }

    /// Attributes, tags and counts.
    pub async fn info(&self, _queue: &QueueName) -> Result<QueueInfo, QueueError> {
        todo!()
    }

    /// Names of queues under our key prefix that start with `prefix`, sorted, after `after`.
    /// Returns the page and whether more follow.
    pub async fn list(
        &self,
        _prefix: &str,
        _after: Option<&str>,
        _count: usize,
    ) -> Result<(Vec<QueueName>, bool), QueueError> {
        todo!()
    }

    /// Sends one message; wakes who waits for it.
    pub async fn send(
        &self,
        _queue: &QueueName,
        _message: OutgoingMessage,
    ) -> Result<Sent, QueueError> {
        todo!()
    }

    /// Sends several in one command; the results stand in the order of the messages.
    pub async fn send_batch(
        &self,
        _queue: &QueueName,
        _messages: Vec<OutgoingMessage>,
    ) -> Result<Vec<Result<Sent, QueueError>>, QueueError> {
        todo!()
    }

    /// Takes what is due now and does not wait.
    pub async fn pop_due(
        &self,
        _queue: &QueueName,
        _options: PopOptions,
    ) -> Result<Popped, QueueError> {
        todo!()
    }

    /// Takes what is due; if nothing is, waits up to `wait` (`None`: the queue's
    /// ReceiveMessageWaitTimeSeconds) for something. Dropping the future gives back, uncounted,
    /// what was taken meanwhile.
    pub async fn receive(
        &self,
        _queue: &QueueName,
        _options: PopOptions,
        _wait: Option<Duration>,
    ) -> Result<Popped, QueueError> {
        todo!()
    }

    /// Returns when a message of the queue may be due (or at once, if one is), for pollers that
    /// take their permit before they pop. Never returns for a queue that stays empty. May return
    /// too often, never too late. Dropping the future costs nothing.
    pub async fn due(&self, _queue: &QueueName) {
        todo!()
    }

    /// Deletes messages.
    pub async fn acknowledge(
        &self,
        _queue: &QueueName,
        _receipts: &[&str],
        _demand: Demand,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        todo!()
    }

    /// Makes messages due `seconds` from now (0: now), each (receipt, seconds).
    pub async fn extend(
        &self,
        _queue: &QueueName,
        _receipts: &[(&str, u32)],
        _demand: Demand,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        todo!()
    }

    /// Gives messages back without counting their receive.
    pub async fn release(
        &self,
        _queue: &QueueName,
        _receipts: &[&str],
        _delay_seconds: u32,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        todo!()
    }

    /// Gives back all that `holder` has in flight in the queue. Returns how many.
    pub async fn release_holder(
        &self,
        _queue: &QueueName,
        _holder: u32,
    ) -> Result<u64, QueueError> {
        todo!()
    }

    /// Drops all messages.
    pub async fn purge(&self, _queue: &QueueName) -> Result<(), QueueError> {
        todo!()
    }

    /// Deletes the queue with everything in it.
    pub async fn delete(&self, _queue: &QueueName) -> Result<(), QueueError> {
        todo!()
    }
}
