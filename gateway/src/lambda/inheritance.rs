//! Leases that died with the gateway that had them.

use tokio::sync::OnceCell;

use crate::lambda::backoff::Backoff;
use crate::lambda::poller::REDIS_DELAYS;
use crate::queues::{QueueError, QueueName, Queues};

/// The leases of one queue that die with the gateway, because the function does: `holder` marks
/// them, and whoever comes next under the same number gives them back, once, before it takes any.
#[derive(Debug)]
pub(super) struct Inheritance {
    pub(super) holder: u32,
    released: OnceCell<()>,
}

impl Inheritance {
    pub(super) fn new(holder: u32) -> Self {
        Self { holder, released: OnceCell::new() }
    }

    /// A second call waits for the first and does nothing more: by then there are leases of ours.
    pub(super) async fn release(
        &self,
        queues: &Queues,
        queue: &QueueName,
    ) -> Result<(), QueueError> {
        let all = async {
            let messages = match queues.release_holder(queue, self.holder).await {
                // Nothing is leased in it.
                Err(QueueError::NoQueue) => 0,
                released => released?,
            };
            if messages > 0 {
                tracing::info!(%queue, messages, "gave back what died with the last gateway");
            }
            Ok(())
        };
        self.released.get_or_try_init(|| all).await.map(|&()| ())
    }

    /// The same, again and again until Redis does it.
    pub(super) async fn release_patiently(&self, queues: &Queues, queue: &QueueName) {
        let mut delays = Backoff::new(REDIS_DELAYS.0, REDIS_DELAYS.1);
        while self.release(queues, queue).await.is_err() {
            delays.fail(None);
            tokio::time::sleep(delays.remaining()).await;
        }
    }
}
