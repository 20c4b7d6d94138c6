//! The hash of a queue's tasks in Redis.

use redis::Cmd;

use super::record::{
    Batch, CLOSED, End, Entry, Record, TASKS_MAX, Tasks, batch_field, cancel_field, moved_field,
    task_field,
};
use crate::queues::carrier::Carrier;
use crate::queues::{QueueError, QueueName, reply};

/// What the hash's key ends in.
const TASKS: &str = "tasks";
/// What was done is forgotten after so long, in seconds: 30 days.
const KEPT_SECONDS: u64 = 2_592_000;
/// The notes of so many runs are kept, for those who wake up late.
const RUNS_KEPT: u64 = 100;
/// The queue of tasks keeps its messages as long as the module allows, in seconds.
const RETENTION_SECONDS: u64 = 315_360_000;

/// The tasks of one queue.
#[derive(Debug, Clone)]
pub(super) struct Store {
    carrier: Carrier,
    source: QueueName,
}

impl Store {
    pub(super) fn new(carrier: Carrier, source: QueueName) -> Self {
        Self { carrier, source }
    }

    fn command(&self, name: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(self.carrier.naming.marker(&self.source, TASKS));
        command
    }

    /// All there is.
    pub(super) async fn read(&self) -> Result<Tasks, QueueError> {
        let answer = self.carrier.call_idempotent(&self.command("HGETALL")).await?;
        reply::texts(answer).map(Tasks::read)
    }

    /// Makes a task the active one and tells the gateways. `false`: there is one already.
    pub(super) async fn begin(&self, tasks: &Tasks, record: &Record) -> Result<bool, QueueError> {
        let own = QueueName::of_move_tasks();
        let mut create = self.carrier.command("KARIN.CREATE", &own);
        create.arg("MessageRetentionPeriod").arg(RETENTION_SECONDS);
        match self.carrier.call(&create).await {
            Ok(_) | Err(QueueError::Exists) => {}
            Err(error) => return Err(error),
        }
        if tasks.active.is_some() {
            // Of a queue that was deleted, or it would not have come to this.
            let mut forget = self.command("HDEL");
            forget.arg("active");
            self.carrier.call(&forget).await?;
        }
        let mut activate = self.command("HSETNX");
        activate.arg("active").arg(&record.id);
        let mut keep = self.command("HSET");
        keep.arg(task_field(&record.id)).arg(json(record)?);
        let mut send = self.carrier.command("KARIN.SEND", &own);
        send.arg(json(&(self.source.as_str(), &record.id))?).arg("NOMKQUEUE");
        let mut commands = vec![activate, keep, self.command("PERSIST"), send];
        commands.extend(self.forget_old(tasks, &record.uid));
        let answers = self.carrier.transaction(commands).await?;
        let mut answers = answers.into_iter();
        let activated = answers.next().is_some_and(|answer| answer == redis::Value::Int(1));
        if let Some(Ok((_, hint))) = answers.nth(2).map(reply::sent) {
            self.carrier.table.with(|lines, now| lines.sent(&own, hint, 0, now));
        }
        if !activated {
            let mut forget = self.command("HDEL");
            forget.arg(task_field(&record.id));
            self.carrier.call(&forget).await?;
        }
        Ok(activated)
    }

    /// Tasks beyond the number kept, and those of a queue that had this name before.
    fn forget_old(&self, tasks: &Tasks, uid: &str) -> Option<Cmd> {
        let (ours, others): (Vec<_>, Vec<_>) = tasks.records.iter().partition(|r| r.uid == uid);
        let old = ours.into_iter().skip(TASKS_MAX - 1).chain(others);
        let mut forget = self.command("HDEL");
        let mut any = false;
        for Record { id, .. } in old {
            forget.arg(task_field(id)).arg(moved_field(id)).arg(cancel_field(id));
            any = true;
        }
        any.then_some(forget)
    }

    /// Asks for the end of a task.
    pub(super) async fn cancel(&self, id: &str) -> Result<(), QueueError> {
        let mut command = self.command("HSET");
        command.arg(cancel_field(id)).arg(1);
        self.carrier.call_idempotent(&command).await.map(|_| ())
    }

    /// Whether the task is still the active one, and its end is asked for.
    pub(super) async fn is_cancelled(&self, id: &str) -> Result<bool, QueueError> {
        let mut command = self.command("HGET");
        command.arg(cancel_field(id));
        let answer = self.carrier.call_idempotent(&command).await?;
        Ok(answer != redis::Value::Nil)
    }

    /// Notes how far a task is; for those who ask.
    pub(super) async fn note_moved(&self, id: &str, moved: u64) -> Result<(), QueueError> {
        let mut command = self.command("HSET");
        command.arg(moved_field(id)).arg(moved);
        self.carrier.call_idempotent(&command).await.map(|_| ())
    }

    /// Ends a task with its last run.
    pub(super) async fn end(
        &self,
        record: &Record,
        end: End,
        moved: u64,
        run: u64,
    ) -> Result<(), QueueError> {
        if self.read().await?.active.as_ref() != Some(&record.id) {
            return Ok(());
        }
        let ended = Record { end: Some((end, moved)), ..record.clone() };
        let mut keep = self.command("HSET");
        keep.arg(task_field(&record.id)).arg(json(&ended)?).arg("done").arg(run);
        let mut forget = self.command("HDEL");
        forget.arg("active").arg(cancel_field(&record.id)).arg(moved_field(&record.id));
        let mut expire = self.command("EXPIRE");
        expire.arg(KEPT_SECONDS);
        self.carrier.transaction(vec![keep, forget, expire]).await.map(|_| ())
    }

    /// Draws the number of a run.
    pub(super) async fn begin_run(&self) -> Result<u64, QueueError> {
        let mut command = self.command("HINCRBY");
        command.arg("runs").arg(1);
        reply::number(&self.carrier.call(&command).await?)
    }

    /// Keeps a batch. `false`: the run was closed by somebody, nothing may be done any more.
    pub(super) async fn keep_batch(
        &self,
        run: u64,
        n: u64,
        batch: &Batch,
    ) -> Result<bool, QueueError> {
        let kept = self.set_new(&batch_field(run, n), &json(batch)?).await?;
        if let (true, Some(before)) = (kept, n.checked_sub(1)) {
            let mut command = self.command("HDEL");
            command.arg(batch_field(run, before));
            self.carrier.call_idempotent(&command).await?;
        }
        Ok(kept)
    }

    /// Closes a run, be its runner alive or not: after that it keeps no batch. Returns the last
    /// one it kept, which may be done, half done, or not done at all.
    pub(super) async fn close(&self, run: u64) -> Result<Option<Batch>, QueueError> {
        loop {
            let tasks = self.read().await?;
            let next = match tasks.last_of(run) {
                Some((_, Entry::Closed)) => return Ok(tasks.last_batch_of(run).cloned()),
                Some((n, Entry::Batch(_))) => n + 1,
                None => 0,
            };
            // Whether this won or the runner was quicker, the next look tells. A runner who has
            // gone on further meanwhile has left a batch with a higher number.
            self.set_new(&batch_field(run, next), CLOSED).await?;
        }
    }

    /// Notes that this run, and all before it, left nothing to do.
    pub(super) async fn note_done(&self, tasks: &Tasks, run: u64) -> Result<(), QueueError> {
        let mut note = self.command("HSET");
        note.arg("done").arg(run);
        let mut commands = vec![note];
        let old = tasks.batches.keys().filter(|(of, _)| of + RUNS_KEPT < run);
        let old: Vec<String> = old.map(|(of, n)| batch_field(*of, *n)).collect();
        if !old.is_empty() {
            let mut forget = self.command("HDEL");
            forget.arg(old);
            commands.push(forget);
        }
        self.carrier.transaction(commands).await.map(|_| ())
    }

    async fn set_new(&self, field: &str, value: &str) -> Result<bool, QueueError> {
        let mut command = self.command("HSETNX");
        command.arg(field).arg(value);
        Ok(reply::number(&self.carrier.call(&command).await?)? == 1)
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, QueueError> {
    serde_json::to_string(value).map_err(|error| QueueError::Unexpected(error.to_string()))
}
