//! What is kept of the queues' and mappings' past: written after each sweep, of queues in which
//! something changed; read for charts. What the bytes mean is [`crate::history`]'s.
//!
//! A queue's history lies in its slot and goes with it. All gateways write, which does no harm
//! (ARCHITECTURE, "What was").

use std::{
    collections::HashMap,
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use redis::Cmd;

use super::{QueueError, QueueName, Queues, client::Client, naming::Naming, reply};
use crate::history::{
    MappingRecord, QueueRecord, QueueSeries, QueueState, Span,
    log::{BYTES_MAX, KEPT_S, READ_BYTES_MAX, Record, compact, decode, encode},
    queue::WATCHED_S,
};

/// What a queue's key is followed by.
pub(super) const HISTORY: &str = "hist";
/// Queues written of in one sweep at most; the busiest. The others come with the next.
const WRITTEN_MAX: usize = 1_000;
/// Sweeps that far apart leave a time of which nothing is known, in milliseconds.
const GAP_MS: u64 = 150_000;
/// How often a history is told to stay, in milliseconds.
const KEEP_EVERY_MS: u64 = 3_600_000;
/// Queues of one LIST at most (docs/commands.md).
const LIST_PAGE_MAX: usize = 1_000;

/// The time of the server, as far as it is known: the local clock and by how much the server's was
/// before it at the last sweep.
#[derive(Debug, Default)]
pub(super) struct ServerClock(AtomicI64);

impl ServerClock {
    fn local_ms() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// Notes what the server's clock says.
    pub(super) fn set(&self, now_ms: u64) {
        self.0.store(now_ms.cast_signed().saturating_sub(Self::local_ms()), Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        let now_ms = Self::local_ms().saturating_add(self.0.load(Ordering::Relaxed));
        u64::try_from(now_ms).unwrap_or(0)
    }
}

/// Finds out in which queues something changed from one sweep to the next.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    /// What the last sweep listed.
    seen: HashMap<QueueName, Seen>,
    /// When it was, by the server's clock.
    last_ms: Option<u64>,
    /// What this sweep found.
    listed: HashMap<QueueName, Seen>,
    changed: Vec<(QueueName, QueueState)>,
}

/// What is known of a queue.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// How it was.
    state: QueueState,
    /// When its history was last told to stay, epoch milliseconds.
    kept_ms: u64,
}

impl Sampler {
    /// Notes a queue of the sweep.
    pub(super) fn note(&mut self, queue: QueueName, state: QueueState) {
        match self.seen.get(&queue).filter(|seen| seen.state == state) {
            Some(seen) => drop(self.listed.insert(queue, *seen)),
            None => self.changed.push((queue, state)),
        }
    }

    /// How a changed queue was, and since when its history need not be told to stay.
    fn before(&self, queue: &QueueName, now_ms: u64) -> (QueueState, Option<u64>) {
        let seen = self.seen.get(queue);
        let kept_ms = seen.map(|seen| seen.kept_ms);
        let recently = kept_ms.filter(|kept_ms| now_ms.abs_diff(*kept_ms) < KEEP_EVERY_MS);
        (seen.map(|seen| seen.state).unwrap_or_default(), recently)
    }

    /// Writes down what changed since the sweep before.
    pub(super) async fn write(&mut self, client: &Client, naming: &Naming, now_ms: u64) {
        let is_gap = self.last_ms.is_none_or(|last_ms| now_ms.abs_diff(last_ms) > GAP_MS);
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_by_cached_key(|(queue, state)| {
            std::cmp::Reverse(activity(&self.before(queue, now_ms).0, state))
        });
        changed.truncate(WRITTEN_MAX);
        let kept: Vec<_> = changed.iter().map(|(queue, _)| self.before(queue, now_ms).1).collect();
        let writes = changed.iter().zip(&kept).map(|((queue, state), kept_ms)| async move {
            let record = QueueRecord::of(state, now_ms, is_gap);
            let key = naming.marker(queue, HISTORY);
            let log = Log { client, key: &key, now_ms };
            let is_ours = |record: &QueueRecord| record.is_of(state.uid);
            log.append(&encode(&record), kept_ms.is_none(), is_ours).await
        });
        let written = join_all(writes).await;
        for (((queue, state), kept_ms), result) in changed.into_iter().zip(kept).zip(written) {
            let kept_ms = kept_ms.unwrap_or(now_ms);
            match result {
                Ok(()) => drop(self.listed.insert(queue, Seen { state, kept_ms })),
                // The next sweep finds it changed still.
                Err(error) => tracing::debug!(%queue, "no history was written: {error}"),
            }
        }
        self.seen = std::mem::take(&mut self.listed);
        self.last_ms = Some(now_ms);
    }

    /// Forgets a sweep that did not come to its end.
    pub(super) fn reset(&mut self) {
        self.listed.clear();
        self.changed.clear();
    }
}

/// How much happened.
fn activity(before: &QueueState, now: &QueueState) -> u64 {
    let sent = now.sequence.saturating_sub(before.sequence);
    sent.saturating_add(now.depth().abs_diff(before.depth()))
}

/// Where a log is, and when.
struct Log<'a> {
    client: &'a Client,
    key: &'a str,
    now_ms: u64,
}

impl Log<'_> {
    /// Appends a record, tells the log to stay if it `is_to_stay`, and makes it shorter if it
    /// became too long.
    async fn append<R: Record>(
        &self,
        record: &[u8],
        is_to_stay: bool,
        is_ours: impl Fn(&R) -> bool,
    ) -> Result<(), QueueError> {
        let Self { client, key, now_ms } = self;
        let mut append = redis::cmd("APPEND");
        append.arg(key).arg(record);
        let mut expire = redis::cmd("EXPIRE");
        expire.arg(key).arg(KEPT_S);
        let length = if is_to_stay {
            let (length, stays) = tokio::join!(client.call(&append), client.call(&expire));
            stays.and(length)
        } else {
            client.call(&append).await
        };
        if reply::number(&length?)? <= BYTES_MAX {
            return Ok(());
        }
        let mut records = decode::<R>(&read(client, key).await?);
        records.retain(is_ours);
        let mut shorter = redis::cmd("SET");
        shorter.arg(key).arg(compact(&records, now_ms / 1_000)).arg("EX").arg(KEPT_S);
        client.call(&shorter).await.map(|_| ())
    }
}

fn reading(key: &str) -> Cmd {
    let mut command = redis::cmd("GETRANGE");
    command.arg(key).arg(0).arg(READ_BYTES_MAX - 1);
    command
}

async fn read(client: &Client, key: &str) -> Result<Vec<u8>, QueueError> {
    match client.call_idempotent(&reading(key)).await {
        Ok(value) => reply::bytes(value),
        // WRONGTYPE: somebody keeps something else there.
        Err(QueueError::NoQueue) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// A queue as it is now.
#[derive(Debug, Clone)]
pub(crate) struct QueueNow {
    /// Its name.
    pub(crate) name: QueueName,
    /// Its state.
    pub(crate) state: QueueState,
    /// When this was, epoch milliseconds.
    pub(crate) now_ms: u64,
}

impl Queues {
    /// Tells the server's time after each sweep, epoch milliseconds.
    pub(crate) fn swept(&self) -> tokio::sync::watch::Receiver<u64> {
        self.0.swept.subscribe()
    }

    /// The server's time, epoch milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }

    /// A queue over a span; two commands. Errors: [`QueueError::NoQueue`]; of a module that is too
    /// old to say what is needed, `Unexpected`.
    pub(crate) async fn queue_series(
        &self,
        queue: &QueueName,
        span: Span,
    ) -> Result<QueueSeries, QueueError> {
        let mut command = redis::cmd("KARIN.LIST");
        command.arg("PREFIX").arg(self.0.naming.key(queue)).arg("COUNT").arg(1);
        let page = reply::page(self.0.client.call_idempotent(&command).await?)?;
        let is_too_old = page.rows.iter().any(|row| row.state.is_none());
        let now = self.states(page).into_iter().find(|now| now.name == *queue);
        let too_old = || QueueError::Unexpected("the module is too old for charts".into());
        let now = now.ok_or_else(|| if is_too_old { too_old() } else { QueueError::NoQueue })?;
        self.series_of(&now, span).await
    }

    /// A queue over a span, of which is known how it is now; one command.
    pub(crate) async fn series_of(
        &self,
        now: &QueueNow,
        span: Span,
    ) -> Result<QueueSeries, QueueError> {
        let key = self.0.naming.marker(&now.name, HISTORY);
        let records = decode(&read(&self.0.client, &key).await?);
        Ok(QueueSeries::new(&records, &now.state, now.now_ms, span))
    }

    /// How queues are now: `count` of them at most, and whether there are more. One command for
    /// each thousand.
    pub(crate) async fn all_now(&self, count: usize) -> Result<(Vec<QueueNow>, bool), QueueError> {
        let mut all = Vec::new();
        let mut after = None;
        while all.len() < count {
            let mut command = redis::cmd("KARIN.LIST");
            command.arg("PREFIX").arg(self.0.naming.key_start("")).arg("COUNT").arg(LIST_PAGE_MAX);
            if let Some(after) = &after {
                command.arg("AFTER").arg(after);
            }
            let mut page = reply::page(self.0.client.call_idempotent(&command).await?)?;
            after = page.after.take();
            all.extend(self.states(page));
            if after.is_none() {
                break;
            }
        }
        let has_more = after.is_some() || all.len() > count;
        all.truncate(count);
        Ok((all, has_more))
    }

    fn states(&self, page: reply::Page) -> Vec<QueueNow> {
        let now_ms = page.now_ms.unwrap_or_else(|| self.now_ms());
        let rows = page.rows.into_iter().filter_map(|row| {
            let key = String::from_utf8(row.key).ok()?;
            let name = self.0.naming.queue_of_key(&key)?;
            Some(QueueNow { name, state: row.state?, now_ms })
        });
        rows.collect()
    }

    /// What is kept of a mapping's past.
    pub(crate) async fn mapping_history(
        &self,
        uuid: &str,
    ) -> Result<Vec<MappingRecord>, QueueError> {
        Ok(decode(&read(&self.0.client, &self.mapping_key(uuid)).await?))
    }

    /// Appends to it.
    pub(crate) async fn append_mapping_history(
        &self,
        uuid: &str,
        record: &[u8],
        now_ms: u64,
    ) -> Result<(), QueueError> {
        let key = self.mapping_key(uuid);
        let log = Log { client: &self.0.client, key: &key, now_ms };
        log.append(record, true, |_: &MappingRecord| true).await
    }

    fn mapping_key(&self, uuid: &str) -> String {
        self.0.naming.own(&format!("{HISTORY}:{uuid}"))
    }

    /// Forgets a queue's past, with the queue.
    pub(super) async fn forget_history(&self, queue: &QueueName) {
        let mut command = redis::cmd("UNLINK");
        command.arg(self.0.naming.marker(queue, HISTORY));
        if let Err(error) = self.0.client.call_idempotent(&command).await {
            tracing::debug!(%queue, "the history was not forgotten before its time: {error}");
        }
    }
}

/// How far back the sweep looks for changes, in seconds.
pub(super) const TOUCHED_SECONDS: u64 = WATCHED_S;

/// Whether a LIST was refused because the module is too old to know what it was asked for.
pub(super) fn is_too_old(error: &QueueError) -> bool {
    matches!(error, QueueError::Unexpected(text) if text.contains("syntax"))
}

#[cfg(test)]
mod tests {
    use redis::{ServerError, Value};

    use super::*;

    #[test]
    fn a_module_that_does_not_know_what_it_is_asked_for_is_told_by_its_answer() {
        let answer = |line: &str| {
            let bytes = &mut bytes::BytesMut::from(format!("-{line}\r\n").as_str());
            match super::super::resp::take(bytes) {
                Ok(Some(Value::ServerError(error))) => reply::error(&error as &ServerError),
                other => panic!("{other:?}"),
            }
        };
        assert!(is_too_old(&answer("ERR syntax error")));
        for other in ["ERR unknown command 'KARIN.LIST'", "NOPERM no", "LOADING yes"] {
            assert!(!is_too_old(&answer(other)), "{other}");
        }
    }
}
