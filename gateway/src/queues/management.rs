//! Making, changing, listing and deleting queues.

use std::time::Duration;

use redis::Cmd;

use super::reply::{self, Outlook, Row};
use super::{QueueCounts, QueueError, QueueInfo, QueueName, Queues};

/// Queues of one LIST at most (docs/commands.md).
const LIST_PAGE_MAX: usize = 1_000;
/// The marker of a queue that was deleted a moment ago.
const GONE: &str = "gone";
/// The marker of a queue that was purged a moment ago.
const PURGED: &str = "purged";

impl Queues {
    /// Makes a queue, and lets dead letters that have waited for it come.
    /// Errors: [`QueueError::Exists`], [`QueueError::Attribute`].
    pub async fn create(
        &self,
        queue: &QueueName,
        attributes: &[(&str, String)],
        tags: &[(String, String)],
    ) -> Result<(), QueueError> {
        let mut command = self.command("KARIN.CREATE", queue);
        pairs(&mut command, attributes);
        for (name, value) in tags {
            command.arg("TAG").arg(name).arg(value);
        }
        self.0.client.call(&command).await?;
        self.0.table.with(|lines, now| lines.missing(queue, now));
        if let Err(error) = self.resume_dead_letters(queue).await {
            // The queue is there; that is what was asked for.
            tracing::warn!(%queue, "queues whose dead letters go here were not found: {error}");
        }
        Ok(())
    }

    /// Changes attributes, all or none; the empty text unsets one.
    /// Errors: [`QueueError::Attribute`].
    pub async fn set(
        &self,
        queue: &QueueName,
        attributes: &[(&str, String)],
    ) -> Result<(), QueueError> {
        let mut command = self.command("KARIN.SET", queue);
        pairs(&mut command, attributes);
        self.0.client.call_idempotent(&command).await.map(|_| ())
    }

    /// The same if those of `expected` have these values now (the empty text: are unset).
    /// Errors: [`QueueError::Changed`] if not; `Unavailable` leaves open whether they were set.
    pub async fn set_if(
        &self,
        queue: &QueueName,
        expected: &[(&str, &str)],
        attributes: &[(&str, String)],
    ) -> Result<(), QueueError> {
        let mut command = self.command("KARIN.SET", queue);
        for (name, value) in expected {
            command.arg("IF").arg(name).arg(value);
        }
        pairs(&mut command, attributes);
        self.0.client.call(&command).await.map(|_| ())
    }

    /// Adds or replaces tags, all or none. Errors: [`QueueError::Attribute`] if they become too
    /// many.
    pub async fn tag(
        &self,
        queue: &QueueName,
        tags: &[(String, String)],
    ) -> Result<(), QueueError> {
        let mut command = self.command("KARIN.TAG", queue);
        for (name, value) in tags {
            command.arg(name).arg(value);
        }
        self.0.client.call_idempotent(&command).await.map(|_| ())
    }

    /// Removes tags, those that are there.
    pub async fn untag(&self, queue: &QueueName, names: &[String]) -> Result<(), QueueError> {
        let mut command = self.command("KARIN.UNTAG", queue);
        command.arg(names);
        self.0.client.call_idempotent(&command).await.map(|_| ())
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

    /// Names of queues under our key prefix that start with `prefix`, sorted by key, `count` after
    /// `after`. Returns the page and whether more follow.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<(Vec<QueueName>, bool), QueueError> {
        self.page(prefix, None, after, count).await
    }

    /// The same with how many messages each has.
    pub async fn counts(
        &self,
        prefix: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<(Vec<QueueCounts>, bool), QueueError> {
        let (rows, more) = self.rows(prefix, None, after, count).await?;
        let counts = rows.into_iter().map(|(queue, row)| {
            let Row { ready, delayed, in_flight, dead, outlook, state, key: _ } = row;
            let Outlook { hint, next_ms } = outlook;
            let oldest_sent_ms = state.and_then(|state| state.oldest_sent_ms);
            let sequence = state.map_or(0, |state| state.sequence);
            QueueCounts {
                queue,
                ready,
                delayed,
                in_flight,
                dead,
                next_ms,
                hint,
                oldest_sent_ms,
                sequence,
            }
        });
        Ok((counts.collect(), more))
    }

    /// The counts of all queues, sorted by key; a command for each thousand.
    pub async fn all_counts(&self) -> Result<Vec<QueueCounts>, QueueError> {
        let mut all: Vec<QueueCounts> = Vec::new();
        loop {
            let after = all.last().map(|counts| counts.queue.to_string());
            let (page, more) = self.counts("", after.as_deref(), LIST_PAGE_MAX - 1).await?;
            let is_over = page.is_empty() || !more;
            all.extend(page);
            if is_over {
                return Ok(all);
            }
        }
    }

    /// The queues of [`Self::list`] whose dead letters go to `target`, if one is given.
    pub(super) async fn page(
        &self,
        prefix: &str,
        target: Option<&QueueName>,
        after: Option<&str>,
        count: usize,
    ) -> Result<(Vec<QueueName>, bool), QueueError> {
        let target = target.map(|target| format!(":{target}"));
        let (rows, more) = self.rows(prefix, target.as_deref(), after, count).await?;
        Ok((rows.into_iter().map(|(queue, _row)| queue).collect(), more))
    }

    /// The same with what LIST says of each; `target` is what the ARN of their dead-letter queue
    /// ends in.
    pub(super) async fn rows(
        &self,
        prefix: &str,
        target: Option<&str>,
        after: Option<&str>,
        count: usize,
    ) -> Result<(Vec<(QueueName, Row)>, bool), QueueError> {
        let naming = &self.0.naming;
        let mut rows = Vec::new();
        let mut after = after.map(|name| format!("{}}}", naming.key_start(name)).into_bytes());
        // One more tells whether more follow.
        while rows.len() <= count {
            let mut command = redis::cmd("KARIN.LIST");
            command.arg("PREFIX").arg(naming.key_start(prefix));
            command.arg("COUNT").arg((count + 1 - rows.len()).min(LIST_PAGE_MAX));
            if let Some(target) = target {
                command.arg("TARGET").arg(target);
            }
            if let Some(after) = &after {
                command.arg("AFTER").arg(after);
            }
            let page = reply::page(self.0.client.call_idempotent(&command).await?)?;
            rows.extend(page.rows.into_iter().filter_map(|row| {
                let queue = naming.queue_of_key(std::str::from_utf8(&row.key).ok()?)?;
                Some((queue, row))
            }));
            match page.after {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let more = rows.len() > count;
        rows.truncate(count);
        Ok((rows, more))
    }

    /// Drops all messages, and remembers for so long that it did, for
    /// [`Self::was_purged_recently`].
    pub async fn purge(&self, queue: &QueueName, remember_for: Duration) -> Result<(), QueueError> {
        let command = self.command("KARIN.PURGE", queue);
        let purge = self.0.client.call_idempotent(&command);
        // The commands leave one after the other. Should we die in between, or the marker be
        // refused, the worst is a second purge.
        let (purged, ()) = tokio::join!(purge, self.remember(queue, PURGED, remember_for));
        if purged.is_err() {
            self.forget(queue, PURGED, remember_for).await;
        }
        purged.map(|_| ())
    }

    /// Whether [`Self::purge`] remembers a purge, of whichever gateway.
    pub async fn was_purged_recently(&self, queue: &QueueName) -> Result<bool, QueueError> {
        self.remembers(queue, PURGED).await
    }

    /// Deletes the queue with everything in it, and remembers for so long that it did, for
    /// [`Self::was_deleted_recently`].
    pub async fn delete(
        &self,
        queue: &QueueName,
        remember_for: Duration,
    ) -> Result<(), QueueError> {
        // UNLINK takes a key of any type; only a queue is ours to delete.
        self.heard(queue, self.info(queue).await)?;
        let command = self.command("UNLINK", queue);
        let deleted = reply::number(&self.0.client.call(&command).await?)?;
        self.0.table.with(|lines, now| lines.deleted(queue, now));
        self.0.traffic.forget(queue);
        if deleted == 0 {
            return Err(QueueError::NoQueue);
        }
        // Only now: a queue that was not there can be created at once. Should we die before it,
        // the worst is that this one can, too.
        tokio::join!(
            self.remember(queue, GONE, remember_for),
            self.forget(queue, PURGED, remember_for),
            self.forget_history(queue)
        );
        Ok(())
    }

    /// Whether [`Self::delete`] remembers a deletion, of whichever gateway.
    pub async fn was_deleted_recently(&self, queue: &QueueName) -> Result<bool, QueueError> {
        self.remembers(queue, GONE).await
    }

    async fn remember(&self, queue: &QueueName, what: &str, remember_for: Duration) {
        let Ok(milliseconds @ 1..) = u64::try_from(remember_for.as_millis()) else {
            return;
        };
        let mut command = redis::cmd("SET");
        command.arg(self.0.naming.marker(queue, what)).arg(1).arg("PX").arg(milliseconds);
        if let Err(error) = self.0.client.call_idempotent(&command).await {
            tracing::warn!(%queue, what, "not remembered: {error}");
        }
    }

    async fn forget(&self, queue: &QueueName, what: &str, remember_for: Duration) {
        if remember_for.is_zero() {
            return;
        }
        let mut command = redis::cmd("UNLINK");
        command.arg(self.0.naming.marker(queue, what));
        if let Err(error) = self.0.client.call_idempotent(&command).await {
            tracing::debug!(%queue, what, "not forgotten before its time: {error}");
        }
    }

    async fn remembers(&self, queue: &QueueName, what: &str) -> Result<bool, QueueError> {
        let mut command = redis::cmd("EXISTS");
        command.arg(self.0.naming.marker(queue, what));
        Ok(reply::number(&self.0.client.call_idempotent(&command).await?)? > 0)
    }
}

fn pairs(command: &mut Cmd, attributes: &[(&str, String)]) {
    for (name, value) in attributes {
        command.arg(name).arg(value);
    }
}
