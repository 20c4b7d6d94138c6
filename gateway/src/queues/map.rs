//! The hash in which the trigger keeps its mappings.

use super::{QueueError, Queues, reply};

/// What the hash's key ends in.
const MAP: &str = "map";

impl Queues {
    /// All fields with their texts.
    pub async fn read_map(&self) -> Result<Vec<(String, String)>, QueueError> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.0.naming.own(MAP));
        reply::texts(self.0.client.call_idempotent(&command).await?)
    }

    /// Writes a field.
    pub async fn write_map(&self, field: &str, text: &str) -> Result<(), QueueError> {
        let mut command = redis::cmd("HSET");
        command.arg(self.0.naming.own(MAP)).arg(field).arg(text);
        self.0.client.call_idempotent(&command).await.map(|_| ())
    }

    /// A field's text.
    pub async fn read_from_map(&self, field: &str) -> Result<Option<String>, QueueError> {
        let mut command = redis::cmd("HGET");
        command.arg(self.0.naming.own(MAP)).arg(field);
        reply::text_or_none(self.0.client.call_idempotent(&command).await?)
    }

    /// Writes a field that is not there. Returns whether it was not; if the connection broke
    /// meanwhile, what is there may be this very text.
    pub async fn add_to_map(&self, field: &str, text: &str) -> Result<bool, QueueError> {
        let mut command = redis::cmd("HSETNX");
        command.arg(self.0.naming.own(MAP)).arg(field).arg(text);
        Ok(reply::number(&self.0.client.call_idempotent(&command).await?)? > 0)
    }

    /// Writes a field that is there. Returns whether it was; if not, it is not there afterwards.
    pub async fn replace_in_map(&self, field: &str, text: &str) -> Result<bool, QueueError> {
        let key = self.0.naming.own(MAP);
        let write = |name| {
            let mut command = redis::cmd(name);
            command.arg(&key).arg(field).arg(text);
            command
        };
        let commands = vec![write("HSETNX"), write("HSET")];
        let answers = self.0.client.transaction(None, commands).await?;
        let was_missing = answers.first().map(reply::number).transpose()? != Some(0);
        if was_missing {
            self.remove_from_map(field).await?;
        }
        Ok(!was_missing)
    }

    /// Removes a field. Returns whether it was there.
    pub async fn remove_from_map(&self, field: &str) -> Result<bool, QueueError> {
        let mut command = redis::cmd("HDEL");
        command.arg(self.0.naming.own(MAP)).arg(field);
        Ok(reply::number(&self.0.client.call_idempotent(&command).await?)? > 0)
    }
}
