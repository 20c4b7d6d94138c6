//! What there is to count: queues, Redis, and what this gateway does with them.

use super::{QueueError, QueueName, QueueTraffic, Queues, ServerInfo, redrive, reply::Row};
use crate::metrics::Distribution;

/// The counts of queues, sorted by their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    /// The queues.
    pub(crate) queues: Vec<QueueStatistics>,
    /// Whether there are more than were asked for.
    pub(crate) has_more: bool,
}

/// The counts of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueStatistics {
    /// Its name.
    pub(crate) name: QueueName,
    /// Receivable now.
    pub(crate) ready: u64,
    /// Delayed, never received.
    pub(crate) delayed: u64,
    /// Received and not yet visible again.
    pub(crate) in_flight: u64,
    /// Messages in its dead list.
    pub(crate) dead: u64,
    /// When its oldest message was sent, epoch milliseconds.
    pub(crate) oldest_sent_ms: Option<u64>,
    /// What this gateway did there.
    pub(crate) traffic: QueueTraffic,
}

/// Redis's memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RedisMemory {
    /// What it uses.
    pub(crate) used: u64,
    /// What it may use; 0: as much as there is.
    pub(crate) maximum: u64,
}

impl Queues {
    /// The counts of at most `maximum` queues: a command for each thousand.
    pub(crate) async fn statistics(&self, maximum: usize) -> Result<Statistics, QueueError> {
        let (rows, has_more) = self.rows("", None, None, maximum).await?;
        let counted = |(name, row): (QueueName, Row)| QueueStatistics {
            traffic: self.0.traffic.of(&name),
            name,
            ready: row.ready,
            delayed: row.delayed,
            in_flight: row.in_flight,
            dead: row.dead,
            oldest_sent_ms: row.state.as_ref().and_then(|state| state.oldest_sent_ms),
        };
        let queues: Vec<_> = rows.into_iter().map(counted).collect();
        if !has_more {
            self.0.traffic.keep(&queues.iter().map(|queue| &queue.name).collect());
        }
        Ok(Statistics { queues, has_more })
    }

    /// Redis's memory. Errors: also if we may not ask.
    pub(crate) async fn redis_memory(&self) -> Result<RedisMemory, QueueError> {
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        let info = ServerInfo::of(&self.0.client.call_idempotent(&command).await?)?;
        let number = |field| info.number(field).unwrap_or(0);
        Ok(RedisMemory { used: number("used_memory"), maximum: number("maxmemory") })
    }

    /// How long Redis took for each of our commands, in microseconds.
    pub(crate) fn command_times(&self) -> Vec<(&'static str, Distribution)> {
        self.0.command_times.read()
    }

    /// Whether there is a connection to Redis.
    pub(crate) fn are_connected(&self) -> bool {
        self.0.client.is_up()
    }

    /// How often Redis was connected to.
    pub(crate) fn connections(&self) -> u64 {
        self.0.client.connections()
    }

    /// Queues whose dead letters go elsewhere, each with its dead-letter queue; at most `maximum`,
    /// each of which costs a command.
    pub(crate) async fn dead_letter_targets(
        &self,
        maximum: usize,
    ) -> Result<Vec<(QueueName, QueueName)>, QueueError> {
        let (sources, _more) = self.rows("", Some(""), None, maximum).await?;
        let mut pairs = Vec::new();
        for (source, _row) in sources {
            let info = match self.info(&source).await {
                Err(QueueError::NoQueue) => continue,
                info => info?,
            };
            let target = info.attribute(redrive::TARGET).and_then(QueueName::of_arn);
            pairs.extend(target.map(|target| (source, target)));
        }
        Ok(pairs)
    }

    /// How many receives wait for a message now.
    pub(crate) fn long_polls(&self) -> usize {
        self.0.long_polls.count()
    }
}
