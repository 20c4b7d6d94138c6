//! Looking at queues and messages without touching them.

use std::sync::Arc;

use redis::Value;

use super::{
    ConnectError, Inner, MessageState, QueueError, QueueName, Queues, QueuesOptions,
    ReceivedMessage, SeenMessage, reply,
};
use crate::shutdown::Shutdown;

/// Queues of one LIST; the most there may be (docs/commands.md).
const PAGE: usize = 1_000;

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
/// A queue at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// Its name.
    pub queue: QueueName,
    /// Receivable now.
    pub ready: u64,
    /// Delayed, never received.
    pub delayed: u64,
    /// Received and not yet visible again.
    pub in_flight: u64,
    /// Messages in its dead list.
    pub dead: u64,
    /// In how many milliseconds the next message can be received.
    pub next_due_ms: Option<u64>,
    /// A number that grows with what is due sooner than before.
    pub hint: u64,
}

/// A Redis server, as far as it lets us ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its version.
    pub version: Option<String>,
    /// The version of karin's module, as MODULE LIST has it: 100 is 0.1.0.
    pub module: Option<u64>,
    /// What it does when memory runs out.
    pub eviction: Option<String>,
    /// Whether what it has outlives it.
    pub is_append_only: Option<bool>,
    /// Whether it is a replica.
    pub is_replica: Option<bool>,
}

impl ServerFacts {
    /// From the text of INFO.
    fn parse(info: &str) -> Self {
        let field = |name: &str| {
            let mut lines = info.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let module = info.lines().find_map(|line| line.strip_prefix("module:name=karin,ver="));
        let module = module.and_then(|rest| rest.split(',').next()?.parse().ok());
        Self {
            version: field("redis_version").map(str::to_owned),
            module,
            eviction: field("maxmemory_policy").map(str::to_owned),
            is_append_only: field("aof_enabled").map(|value| value == "1"),
            is_replica: field("role").map(|value| value == "slave"),
        }
    }
}

impl Queues {
    /// All queues, sorted by name.
    pub async fn glance(&self) -> Result<Vec<Glance>, QueueError> {
        let naming = &self.0.naming;
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let mut command = redis::cmd("KARIN.LIST");
            command.arg("PREFIX").arg(naming.key_start("")).arg("COUNT").arg(PAGE);
            if let Some(after) = &after {
                command.arg("AFTER").arg(after);
            }
            let page = reply::page(self.0.client.call_idempotent(&command).await?)?;
            all.extend(page.rows.into_iter().filter_map(|row| {
                let queue = naming.queue_of_key(std::str::from_utf8(&row.key).ok()?)?;
                Some(Glance {
                    queue,
                    ready: row.ready,
                    delayed: row.delayed,
                    in_flight: row.in_flight,
                    dead: row.dead,
                    next_due_ms: row.outlook.next_ms,
                    hint: row.outlook.hint,
                })
            }));
            after = page.after;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// What the server says of itself; nothing where the user may not ask.
    pub async fn server_facts(&self) -> ServerFacts {
        let mut command = redis::cmd("INFO");
        command.arg("everything");
        match self.0.client.call_idempotent(&command).await {
            Ok(Value::BulkString(info)) => ServerFacts::parse(&String::from_utf8_lossy(&info)),
            Ok(Value::VerbatimString { text, .. }) => ServerFacts::parse(&text),
            _ => ServerFacts::default(),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_what_it_is() {
        let facts = ServerFacts::parse(
            "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n\
             aof_enabled:1\r\nmodule:name=karin,ver=100,api=1,filters=0\r\n",
        );
        let expected = ServerFacts {
            version: Some("7.0.15".to_owned()),
            module: Some(100),
            eviction: Some("noeviction".to_owned()),
            is_append_only: Some(true),
            is_replica: Some(false),
        };
        assert_eq!(facts, expected);
        assert_eq!(ServerFacts::parse(""), ServerFacts::default());
    }
}
