//! Looking at messages without touching them.

use std::sync::Arc;

use redis::Value;

use super::{
    ConnectError, Inner, QueueError, QueueName, Queues, QueuesOptions, ReceivedMessage, reply,
};
use crate::shutdown::Shutdown;

/// Messages that were looked at.
#[derive(Debug, Clone, Default)]
pub struct Peeked {
    /// The messages, none of them leased: they have no receipt, and `receive_count` is that of the
    /// receives that were.
    pub messages: Vec<ReceivedMessage>,
    /// The sequence number to go on from; `None`: these were the last.
    pub after: Option<u64>,
}

impl Queues {
    /// Connects to look only: nothing is done in the background, neither listening nor bringing
    /// dead letters. Errors: [`ConnectError`], also if Redis is away.
    pub async fn connect_to_look(
        options: QueuesOptions,
        shutdown: Shutdown,
    ) -> Result<Self, ConnectError> {
        let inner = Inner::new(options, shutdown)?;
        inner.client.connect_first().await?;
        Ok(Self(Arc::new(inner)))
    }

    /// Looks at messages of every state in the order of their sequence numbers: at most `count`,
    /// 1..=1000, that come after `after`.
    pub async fn peek(
        &self,
        queue: &QueueName,
        after: u64,
        count: u32,
    ) -> Result<Peeked, QueueError> {
        let mut command = self.command("KARIN.PEEK", queue);
        command.arg("AFTER").arg(after).arg("COUNT").arg(count);
        let answer: Result<Value, _> = self.0.client.call_idempotent(&command).await;
        self.heard(queue, answer).and_then(reply::looked_at)
    }
}
