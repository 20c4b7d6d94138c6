//! Making, changing, listing and deleting queues.

use super::{QueueError, QueueInfo, QueueName, Queues, reply};

/// Queues of one LIST at most (docs/commands.md).
const LIST_PAGE_MAX: usize = 1_000;

impl Queues {
    /// Makes a queue. Errors: [`QueueError::Exists`], [`QueueError::Attribute`].
    pub async fn create(
        &self,
        queue: &QueueName,
        attributes: &[(String, String)],
        tags: &[(String, String)],
    ) -> Result<(), QueueError> {
        let mut command = self.command("KARIN.CREATE", queue);
        for (name, value) in attributes {
            command.arg(name).arg(value);
        }
        for (name, value) in tags {
            command.arg("TAG").arg(name).arg(value);
        }
        self.0.client.call(&command).await?;
        self.0.table.with(|lines, now| lines.missing(queue, now));
        Ok(())
    }

    /// Attributes, tags and counts.
    pub async fn info(&self, queue: &QueueName) -> Result<QueueInfo, QueueError> {
        let command = self.command("KARIN.INFO", queue);
        reply::info(self.0.client.call_idempotent(&command).await?)
    }

    /// Whether Redis can do the work now: asked with a command a minimal user has anyway.
    pub async fn are_reachable(&self) -> Result<(), QueueError> {
        let mut command = redis::cmd("KARIN.LIST");
        command.arg("COUNT").arg(1);
        self.0.client.call_idempotent(&command).await.map(|_page| ())
    }

    /// Names of queues under our key prefix that start with `prefix`, sorted by key, after
    /// `after`. Returns the page and whether more may follow.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<(Vec<QueueName>, bool), QueueError> {
        let naming = &self.0.naming;
        let mut names = Vec::new();
        let mut after = after.map(|name| format!("{}}}", naming.key_start(name)).into_bytes());
        while names.len() < count {
            let mut command = redis::cmd("KARIN.LIST");
            command.arg("PREFIX").arg(naming.key_start(prefix));
            command.arg("COUNT").arg((count - names.len()).min(LIST_PAGE_MAX));
            if let Some(after) = &after {
                command.arg("AFTER").arg(after);
            }
            let page = reply::page(self.0.client.call_idempotent(&command).await?)?;
            let keys = page.rows.into_iter().filter_map(|row| String::from_utf8(row.key).ok());
            names.extend(keys.filter_map(|key| naming.queue_of_key(&key)));
            match page.after {
                Some(next) => after = Some(next),
                None => return Ok((names, false)),
            }
        }
        Ok((names, true))
    }

    /// Drops all messages.
    pub async fn purge(&self, queue: &QueueName) -> Result<(), QueueError> {
        let command = self.command("KARIN.PURGE", queue);
        self.0.client.call_idempotent(&command).await.map(|_| ())
    }

    /// Deletes the queue with everything in it.
    pub async fn delete(&self, queue: &QueueName) -> Result<(), QueueError> {
        let command = self.command("UNLINK", queue);
        let deleted = reply::number(&self.0.client.call(&command).await?)?;
        self.0.table.with(|lines, now| lines.deleted(queue, now));
        if deleted == 0 { Err(QueueError::NoQueue) } else { Ok(()) }
    }
}
