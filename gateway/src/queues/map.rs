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

    /// Removes a field. Returns whether it was there.
    pub async fn remove_from_map(&self, field: &str) -> Result<bool, QueueError> {
        let mut command = redis::cmd("HDEL");
        command.arg(self.0.naming.own(MAP)).arg(field);
        Ok(reply::number(&self.0.client.call_idempotent(&command).await?)? > 0)
    }
}
