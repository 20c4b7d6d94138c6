//! Leases that died with the gateway that had them.

use tokio::sync::OnceCell;

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
            let messages = queues.release_holder(queue, self.holder).await?;
            if messages > 0 {
                tracing::info!(%queue, messages, "gave back what died with the last gateway");
            }
            Ok(())
        };
        self.released.get_or_try_init(|| all).await.map(|&()| ())
    }
}
