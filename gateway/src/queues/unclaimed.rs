//! Messages that were taken and have not reached who asked for them.

use super::{Popped, QueueName, Queues};

/// What a POPDUE brought. Whoever drops it instead of claiming it gives the messages back without
/// counting the receive: a client that hung up during its poll must not hide messages from the
/// others for a whole VisibilityTimeout.
#[derive(Debug)]
pub(super) struct Unclaimed {
    queues: Queues,
    queue: QueueName,
    popped: Popped,
}

impl Unclaimed {
    pub(super) fn new(queues: Queues, queue: QueueName, popped: Popped) -> Self {
        Self { queues, queue, popped }
    }

    /// Takes them over.
    pub(super) fn claim(mut self) -> Popped {
        std::mem::take(&mut self.popped)
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let messages = std::mem::take(&mut self.popped.messages);
        if messages.is_empty() {
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
