//! Messages that were taken and have not reached who asked for them.

use super::{Popped, QueueName, Queues};

/// What a POPDUE brought. Whoever drops it instead of claiming it gives the messages back without
/// counting the receive: a client that hung up during its poll must not hide messages from the
/// others for a whole VisibilityTimeout.
///
/// What was taken with an attempt id is not given back: it waits for whoever repeats the attempt,
/// which may be happening now. A return that came in after the repetition would take the messages
/// from under the hands of who got them, since both have the same receipts.
#[derive(Debug)]
pub(super) struct Unclaimed {
    queues: Queues,
    queue: QueueName,
    popped: Popped,
    repeatable: bool,
}

impl Unclaimed {
    /// `repeatable`: taken with an attempt id.
    pub(super) fn new(queues: Queues, queue: QueueName, popped: Popped, repeatable: bool) -> Self {
        Self { queues, queue, popped, repeatable }
    }

    /// Takes them over.
    pub(super) fn claim(mut self) -> Popped {
        std::mem::take(&mut self.popped)
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let messages = std::mem::take(&mut self.popped.messages);
        if messages.is_empty() || self.repeatable {
            return;
        }
        // Without a runtime karin is on its way out, and the leases lapse by themselves.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (queues, queue) = (self.queues.clone(), self.queue.clone());
        runtime.spawn(async move {
            let receipts: Vec<&str> = messages.iter().map(|m| m.receipt.as_str()).collect();
            match queues.release(&queue, &receipts, 0).await {
                Ok(_) => tracing::debug!(%queue, count = receipts.len(), "nobody took them"),
                Err(error) => tracing::warn!(%queue, "messages wait for their lease: {error}"),
            }
        });
    }
}
