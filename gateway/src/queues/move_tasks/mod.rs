//! Tasks that move the messages of a dead-letter queue elsewhere.
//!
//! A task is kept in a hash next to its queue ([`record`]), and a message in a queue of the
//! gateways' own stands for it as long as it is to be run. Whoever receives that message runs the
//! task and extends the lease; should the gateway die, the lease ends, and another one receives
//! it. All of them wait there as a client waits for messages, which costs nothing.

mod batch;
mod record;
mod runner;
mod store;

use tokio::{
    select,
    task::{JoinHandle, JoinSet},
};

pub use record::MoveTaskFailure;
use record::{End, Record};
use runner::Job;
use store::Store;

use super::{Demand, PopOptions, QueueError, QueueName, Queues, ReceivedMessage};
use crate::epoch::now_ms;
use crate::shutdown::Shutdown;

/// Tasks received at once.
const TASKS_AT_ONCE: u32 = 10;
/// Messages one task can be told to move: they are kept in its record.
pub const CHOSEN_MAX: usize = 1_000;

/// A task to start.
#[derive(Debug)]
pub struct NewMoveTask {
    /// Its id, a UUID.
    pub id: String,
    /// The queue to empty.
    pub source: QueueName,
    /// As the client names it.
    pub source_arn: String,
    /// Where its messages go, as the client names it; `None`: each to where it came from.
    pub destination_arn: Option<String>,
    /// Messages a second; `None`: as we like.
    pub per_second: Option<u32>,
    /// The sequence numbers of the messages to move, at most [`CHOSEN_MAX`]; empty: all.
    pub chosen: Vec<u64>,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveTaskStatus {
    /// At work, or about to be.
    Running,
    /// Somebody wants it to end.
    Cancelling,
    /// Nothing is left to move.
    Completed,
    /// It ended because somebody wanted it to.
    Cancelled,
    /// It could not go on.
    Failed(MoveTaskFailure),
}

/// A task, running or not.
#[derive(Debug, Clone)]
pub struct MoveTask {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub status: MoveTaskStatus,
    /// The queue it empties, as the client named it.
    pub source_arn: String,
    /// Where its messages go, as the client named it.
    pub destination_arn: Option<String>,
    /// Messages a second, if the client said so.
    pub per_second: Option<u32>,
    /// Messages moved so far.
    pub moved: u64,
    /// Messages there were at the start.
    pub to_move: u64,
    /// When it was started, epoch milliseconds.
    pub started_ms: u64,
}

impl Queues {
    /// Starts a task. `false`: there is one at work in this queue. Errors:
    /// [`QueueError::NoQueue`] if the queue to empty is missing.
    pub async fn start_move_task(&self, new: NewMoveTask) -> Result<bool, QueueError> {
        let info = self.info(&new.source).await?;
        let store = Store::new(self.carrier(), new.source);
        let tasks = store.read().await?;
        if tasks.active_of(&info.uid).is_some() {
            return Ok(false);
        }
        let all = info.ready + info.delayed + info.in_flight;
        let chosen = u64::try_from(new.chosen.len()).unwrap_or(u64::MAX);
        let (to_move, limit) = if chosen == 0 { (info.ready, all) } else { (chosen, chosen) };
        let record = Record {
            id: new.id,
            uid: info.uid,
            source_arn: new.source_arn,
            destination_arn: new.destination_arn,
            per_second: new.per_second,
            chosen: new.chosen,
            to_move,
            limit,
            started_ms: now_ms(),
            end: None,
        };
        store.begin(&tasks, &record).await
    }

    /// Asks for the end of a task. Returns it as it was before; `None`: there is no such task.
    /// Errors: [`QueueError::NoQueue`].
    pub async fn cancel_move_task(
        &self,
        source: &QueueName,
        id: &str,
    ) -> Result<Option<MoveTask>, QueueError> {
        let task = self.move_tasks(source).await?.into_iter().find(|task| task.id == id);
        if task.as_ref().is_some_and(|task| task.status == MoveTaskStatus::Running) {
            Store::new(self.carrier(), source.clone()).cancel(id).await?;
        }
        Ok(task)
    }

    /// The tasks of a queue, newest first. Errors: [`QueueError::NoQueue`].
    pub async fn move_tasks(&self, source: &QueueName) -> Result<Vec<MoveTask>, QueueError> {
        let info = self.info(source).await?;
        let tasks = Store::new(self.carrier(), source.clone()).read().await?;
        let shown = tasks.shown(&info.uid).map(|record| MoveTask {
            id: record.id.clone(),
            status: match record.end {
                Some((End::Completed, _)) => MoveTaskStatus::Completed,
                Some((End::Cancelled, _)) => MoveTaskStatus::Cancelled,
                Some((End::Failed(why), _)) => MoveTaskStatus::Failed(why),
                None if tasks.is_cancelled(&record.id) => MoveTaskStatus::Cancelling,
                None => MoveTaskStatus::Running,
            },
            source_arn: record.source_arn.clone(),
            destination_arn: record.destination_arn.clone(),
            per_second: record.per_second,
            moved: record.end.map_or_else(|| tasks.moved(&record.id), |(_, moved)| moved),
            to_move: record.to_move,
            started_ms: record.started_ms,
        });
        Ok(shown.collect())
    }
}

/// The tasks this gateway runs.
#[derive(Debug)]
pub struct MoveTasks(JoinHandle<()>);

impl MoveTasks {
    /// Begins to wait for tasks, until karin stops.
    pub fn start(queues: Queues, shutdown: Shutdown) -> Self {
        Self(tokio::spawn(work(queues, shutdown)))
    }

    /// Returns when no task is at work here any more. They end by themselves when karin stops,
    /// and others go on with them.
    pub async fn stopped(self) {
        if let Err(error) = self.0.await {
            tracing::error!("the move tasks ended: {error}");
        }
    }
}

async fn work(queues: Queues, shutdown: Shutdown) {
    let own = QueueName::of_move_tasks();
    let mut running = JoinSet::new();
    loop {
        select! {
            () = queues.due(&own) => {}
            Some(_) = running.join_next() => continue,
            () = shutdown.requested() => break,
        }
        // Without Redis, or before the first task, somebody is told when to look again.
        let Ok(popped) = queues.pop_due(&own, options()).await else { continue };
        for message in popped.messages {
            let Some((source, task)) = read_job(&message) else {
                tracing::warn!(queue = %own, "a message that is no move task");
                // What nobody deletes comes back.
                let _ = queues.acknowledge(&own, &[&message.receipt], Demand::Any).await;
                continue;
            };
            let job = Job { source, task, receipt: message.receipt };
            running.spawn(runner::run(queues.clone(), shutdown.clone(), job));
        }
    }
    while running.join_next().await.is_some() {}
}

fn options() -> PopOptions {
    PopOptions {
        count: TASKS_AT_ONCE,
        visibility_timeout_seconds: Some(runner::LEASE_SECONDS),
        max_bytes: None,
        groups: None,
        holder: None,
        attempt: None,
    }
}

/// The queue to empty and the id of the task, as [`Store::begin`] wrote them.
fn read_job(message: &ReceivedMessage) -> Option<(QueueName, String)> {
    let (source, task): (String, String) = serde_json::from_slice(&message.body).ok()?;
    Some((QueueName::parse(&source)?, task))
}
