//! Looking at queues and messages without touching them.

use std::sync::Arc;

use redis::Value;

use super::{
    ConnectError, Inner, MessageState, QueueError, QueueName, Queues, QueuesOptions,
    ReceivedMessage, SeenMessage, reply,
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

/// Messages of a queue as a page shows them.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The messages.
    pub messages: Vec<SeenMessage>,
    /// The sequence number to go on from; `None`: these were the last.
    pub after: Option<u64>,
}

/// How often one look goes on that passed over as many messages of other states as one may.
const LOOKS_MAX: usize = 10;

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

    /// Looks at messages of one state (`None`: of all), in the order of their sequence numbers:
    /// at most `count`, 1..=1000, that come after `after`; of each body and its attributes no more
    /// than `bytes`. Fewer may come although more follow: it passes over 10,000 at most.
    pub async fn look(
        &self,
        queue: &QueueName,
        state: Option<MessageState>,
        after: u64,
        count: usize,
        bytes: u32,
    ) -> Result<Seen, QueueError> {
        let mut seen = Seen { messages: Vec::new(), after: Some(after) };
        for _ in 0..LOOKS_MAX {
            let Some(after) = seen.after.filter(|_| seen.messages.len() < count) else { break };
            let mut command = self.command("KARIN.PEEK", queue);
            command.arg("AFTER").arg(after).arg("COUNT").arg(count - seen.messages.len());
            command.arg("BYTES").arg(bytes);
            if let Some(state) = state {
                command.arg("STATE").arg(state.word());
            }
            let answer: Result<Value, _> = self.0.client.call_idempotent(&command).await;
            let page = self.heard(queue, answer).and_then(reply::seen)?;
            seen.messages.extend(page.messages);
            seen.after = page.after;
        }
        Ok(seen)
    }

    /// The message of a sequence number, whole.
    pub async fn look_at(
        &self,
        queue: &QueueName,
        sequence: u64,
    ) -> Result<Option<SeenMessage>, QueueError> {
        let mut command = self.command("KARIN.PEEK", queue);
        command.arg("AFTER").arg(sequence.saturating_sub(1)).arg("COUNT").arg(1);
        let answer: Result<Value, _> = self.0.client.call_idempotent(&command).await;
        let page = self.heard(queue, answer).and_then(reply::seen)?;
        Ok(page.messages.into_iter().find(|seen| seen.message.sequence == sequence))
    }
}
