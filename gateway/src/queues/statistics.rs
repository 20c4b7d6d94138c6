//! What there is to count: queues, Redis, and what this gateway does with them.

use redis::Value;

use super::{QueueError, QueueName, QueueTraffic, Queues, redrive, reply};
use crate::metrics::Distribution;

/// Queues of one LIST at most (docs/commands.md).
const LIST_PAGE_MAX: usize = 1_000;

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
        let mut statistics = Statistics::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let (rows, next) = self.listed(None, after.as_deref()).await?;
            statistics.queues.extend(rows.into_iter().filter_map(|row| self.statistics_of(row)));
            after = next;
            statistics.has_more = statistics.queues.len() > maximum;
            if after.is_none() || statistics.has_more {
                break;
            }
        }
        statistics.queues.truncate(maximum);
        if !statistics.has_more {
            self.0.traffic.keep(&statistics.queues.iter().map(|queue| &queue.name).collect());
        }
        Ok(statistics)
    }

    /// A page of queues, those whose dead letters go to an ARN that ends so if one is given.
    async fn listed(
        &self,
        target: Option<&str>,
        after: Option<&[u8]>,
    ) -> Result<(Vec<reply::Counts>, Option<Vec<u8>>), QueueError> {
        let mut command = redis::cmd("KARIN.LIST");
        command.arg("PREFIX").arg(self.0.naming.key_start(""));
        command.arg("COUNT").arg(LIST_PAGE_MAX);
        if let Some(target) = target {
            command.arg("TARGET").arg(target);
        }
        if let Some(after) = after {
            command.arg("AFTER").arg(after);
        }
        reply::counts(self.0.client.call_idempotent(&command).await?)
    }

    fn statistics_of(&self, row: reply::Counts) -> Option<QueueStatistics> {
        let name = self.0.naming.queue_of_key(std::str::from_utf8(&row.key).ok()?)?;
        Some(QueueStatistics {
            traffic: self.0.traffic.of(&name),
            name,
            ready: row.ready,
            delayed: row.delayed,
            in_flight: row.in_flight,
            dead: row.dead,
            oldest_sent_ms: row.oldest_sent_ms,
        })
    }

    /// Redis's memory. Errors: also if we may not ask.
    pub(crate) async fn redis_memory(&self) -> Result<RedisMemory, QueueError> {
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        let answer = self.0.client.call_idempotent(&command).await?;
        match &answer {
            Value::BulkString(text) => Ok(memory(&String::from_utf8_lossy(text))),
            Value::VerbatimString { text, .. } => Ok(memory(text)),
            _ => Err(QueueError::Unexpected("no text in answer to INFO".to_owned())),
        }
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
        let (mut sources, mut after) = (Vec::new(), None);
        loop {
            let (rows, next) = self.listed(Some(""), after.as_deref()).await?;
            sources.extend(rows.into_iter().filter_map(|row| self.statistics_of(row)));
            after = next;
            if after.is_none() || sources.len() >= maximum {
                break;
            }
        }
        let mut pairs = Vec::new();
        for QueueStatistics { name: source, .. } in sources.into_iter().take(maximum) {
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

fn memory(info: &str) -> RedisMemory {
    let number = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    RedisMemory { used: number("used_memory"), maximum: number("maxmemory") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_says_how_much_memory_it_uses_and_may_use() {
        let info = "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n\
                    maxmemory_human:0B\r\nmaxmemory:2097152\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(memory(info), RedisMemory { used: 1_048_576, maximum: 2_097_152 });
        assert_eq!(memory("nonsense"), RedisMemory::default());
    }
}
