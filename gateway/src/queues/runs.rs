//! The hashes in which the records of invocations are kept.

use std::time::Duration;

use bytes::Bytes;

use super::{QueueError, Queues, reply};

/// What the key of the records ends in.
const RUNS: &str = "runs";
/// What the key of their payloads ends in.
const PAYLOADS: &str = "runs:payloads";
/// The bytes after which a command is sent and another one begun, so that nobody waits long for
/// his turn on the connection.
const COMMAND_BYTES: usize = 64 << 10;
/// Records that one command removes.
const REMOVED_MAX: usize = 1_000;

/// A record on its way to Redis.
#[derive(Debug, Clone)]
pub struct KeptRun {
    /// Its id.
    pub id: String,
    /// What it says, JSON.
    pub summary: String,
    /// What is kept of its payloads; empty: nothing is written.
    pub payloads: Bytes,
}

impl Queues {
    /// All records: id and what it says.
    pub async fn read_runs(&self) -> Result<Vec<(String, String)>, QueueError> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.0.naming.own(RUNS));
        reply::texts(self.0.client.call_idempotent(&command).await?)
    }

    /// What the record with this id says.
    pub async fn read_run(&self, id: &str) -> Result<Option<String>, QueueError> {
        let mut command = redis::cmd("HGET");
        command.arg(self.0.naming.own(RUNS)).arg(id);
        reply::text_or_none(self.0.client.call_idempotent(&command).await?)
    }

    /// The payloads of the record with this id; empty if there are none.
    pub async fn read_run_payloads(&self, id: &str) -> Result<Vec<u8>, QueueError> {
        let mut command = redis::cmd("HGET");
        command.arg(self.0.naming.own(PAYLOADS)).arg(id);
        reply::bytes(self.0.client.call_idempotent(&command).await?)
    }

    /// Writes records, which all live as long as this from now on.
    pub async fn write_runs(&self, runs: &[KeptRun], age_max: Duration) -> Result<(), QueueError> {
        let payloads = runs.iter().filter(|run| !run.payloads.is_empty());
        let payloads = payloads.map(|run| (&*run.id, &*run.payloads));
        self.write_fields(PAYLOADS, payloads, age_max).await?;
        // Last, so that one that is seen is complete.
        let summaries = runs.iter().map(|run| (&*run.id, run.summary.as_bytes()));
        self.write_fields(RUNS, summaries, age_max).await
    }

    /// Removes records.
    pub async fn remove_runs(&self, ids: &[String]) -> Result<(), QueueError> {
        for ids in ids.chunks(REMOVED_MAX) {
            for key in [RUNS, PAYLOADS] {
                let mut command = redis::cmd("HDEL");
                command.arg(self.0.naming.own(key)).arg(ids);
                self.0.client.call_idempotent(&command).await?;
            }
        }
        Ok(())
    }

    async fn write_fields<'a>(
        &self,
        key: &str,
        fields: impl Iterator<Item = (&'a str, &'a [u8])>,
        age_max: Duration,
    ) -> Result<(), QueueError> {
        let key = self.0.naming.own(key);
        let new = || redis::cmd("HSET").arg(&key).clone();
        let (mut command, mut bytes, mut is_empty) = (new(), 0, true);
        for (id, value) in fields {
            command.arg(id).arg(value);
            (bytes, is_empty) = (bytes + id.len() + value.len(), false);
            if bytes >= COMMAND_BYTES {
                self.0.client.call_idempotent(&command).await?;
                (command, bytes, is_empty) = (new(), 0, true);
            }
        }
        if !is_empty {
            self.0.client.call_idempotent(&command).await?;
        }
        let mut expire = redis::cmd("EXPIRE");
        expire.arg(&key).arg(age_max.as_secs());
        self.0.client.call_idempotent(&expire).await.map(|_| ())
    }
}
