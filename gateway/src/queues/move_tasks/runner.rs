//! Running one task.
//!
//! Who holds the lease of a task's message runs it. A lease may be lost by one who does not know
//! it yet, so each run keeps its batches under its own number before it moves them, and whoever
//! goes on closes all runs before: a run that is closed keeps no more batches, and its last one
//! is done again, which moves what was not moved yet.

use std::time::Duration;

use tokio::{
    select,
    time::{Instant, sleep, sleep_until},
};

use super::batch::{Ferry, Passenger};
use super::record::{Batch, End, Record};
use super::store::Store;
use crate::queues::{
    Demand, PopOptions, QueueError, QueueName, Queues, ReceiptOutcome, ReceivedMessage,
    StoredMessage,
};
use crate::shutdown::Shutdown;

/// How long a task belongs to who runs it, in seconds: so late somebody else goes on with it.
pub(super) const LEASE_SECONDS: u32 = 15;
/// The lease is renewed when it is so old.
const RENEW_AFTER: Duration = Duration::from_secs(5);
/// Messages a second where the client gave no number: the most it could give.
const PER_SECOND_DEFAULT: u32 = 500;
/// Messages of one batch at most.
const BATCH_MESSAGES: u32 = 50;
/// Bytes of one batch at most, unless a single message has more.
const BATCH_BYTES: u64 = 4 * 1_048_576;
/// How long a message stays out of sight before its batch is kept, in seconds.
const RECEIVED_SECONDS: u32 = 60;
/// The first pause after a failure; each is twice the one before.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause; short enough for the lease.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long to wait where too many messages are in flight.
const LIMITED_PAUSE: Duration = Duration::from_secs(1);

/// A task somebody is to run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) source: QueueName,
    pub(super) task: String,
    /// Of the message that stands for the task.
    pub(super) receipt: String,
}

/// How a look at a task ended.
enum Step {
    /// There may be more to do.
    Again,
    /// Nothing to do before then.
    Pause(Duration),
    Ended(End),
    /// It belongs to somebody else, or is not there any more.
    Lost,
}

/// What ends a run without a failure.
enum Outcome {
    Over,
    Lost,
    Stopping,
}

/// Runs a task until it ends, is lost to somebody else, or karin stops.
pub(super) async fn run(queues: Queues, shutdown: Shutdown, job: Job) {
    let mut lease = Lease { queues: queues.clone(), receipt: job.receipt, renewed: Instant::now() };
    let mut pause = RETRY_PAUSE_MIN;
    loop {
        let attempt = attempt(&queues, &shutdown, &job.source, &job.task, &mut lease);
        let done = match attempt.await {
            Ok(Outcome::Over) => lease.drop_task().await,
            Ok(Outcome::Stopping) => lease.give_back().await,
            Ok(Outcome::Lost) => return,
            Err(error) => Err(error),
        };
        let Err(error) = done else { return };
        tracing::debug!(queue = %job.source, task = job.task, "a move task has to wait: {error}");
        select! {
            () = sleep(pause) => pause = (pause * 2).min(RETRY_PAUSE_MAX),
            () = shutdown.requested() => return,
        }
    }
}

/// One run. Errors: it is to be tried again, as another run.
async fn attempt(
    queues: &Queues,
    shutdown: &Shutdown,
    source: &QueueName,
    task: &str,
    lease: &mut Lease,
) -> Result<Outcome, QueueError> {
    if !lease.keep().await? {
        return Ok(Outcome::Lost);
    }
    let carrier = queues.carrier();
    let Some(info) = carrier.info(source).await? else { return Ok(Outcome::Over) };
    let store = Store::new(carrier.clone(), source.clone());
    let tasks = store.read().await?;
    let Some(record) = tasks.active_of(&info.uid).filter(|record| record.id == task).cloned()
    else {
        return Ok(Outcome::Over);
    };
    let ferry = Ferry::new(carrier, source.clone(), &info.uid, info.is_fifo);
    let moved = tasks.moved(task);
    let mut run = Run {
        queues: queues.clone(),
        source: source.clone(),
        number: store.begin_run().await?,
        store,
        ferry,
        record,
        batches: 0,
        moved,
        next_message: 1,
        next_at: Instant::now(),
    };
    let mut step = run.settle_others().await?;
    loop {
        match step {
            Step::Again => {}
            Step::Pause(pause) => {
                select! {
                    () = sleep(pause) => {}
                    () = shutdown.requested() => return Ok(Outcome::Stopping),
                }
            }
            Step::Ended(end) => {
                run.store.end(&run.record, end, run.moved).await?;
                let moved = run.moved;
                tracing::info!(queue = %source, task, ?end, moved, "a move task ended");
                return Ok(Outcome::Over);
            }
            Step::Lost => return Ok(Outcome::Lost),
        }
        select! {
            () = sleep_until(run.next_at) => {}
            () = shutdown.requested() => return Ok(Outcome::Stopping),
        }
        if !lease.keep().await? {
            return Ok(Outcome::Lost);
        }
        step = run.step().await?;
    }
}

struct Run {
    queues: Queues,
    store: Store,
    ferry: Ferry,
    source: QueueName,
    record: Record,
    number: u64,
    batches: u64,
    moved: u64,
    /// The number of the next message.
    next_message: u64,
    /// When the rate allows the next batch.
    next_at: Instant,
}

impl Run {
    /// Closes all runs before this one and does what the last of them left.
    async fn settle_others(&mut self) -> Result<Step, QueueError> {
        let tasks = self.store.read().await?;
        let mut step = Step::Again;
        for run in tasks.done + 1..self.number {
            let Some(batch) = self.store.close(run).await? else { continue };
            let passengers = self.ferry.find(&batch).await?;
            let failure = self.ferry.deliver(&batch, passengers).await?;
            let count = u64::try_from(batch.entries.len()).unwrap_or(u64::MAX);
            self.next_message = self.next_message.max(batch.first.saturating_add(count));
            if batch.task == self.record.id {
                self.moved = self.moved.max(batch.moved.saturating_add(count));
                if let Some(failure) = failure {
                    step = Step::Ended(End::Failed(failure));
                }
            }
        }
        self.store.note_done(&tasks, self.number - 1).await?;
        Ok(step)
    }

    /// Moves one batch.
    async fn step(&mut self) -> Result<Step, QueueError> {
        if self.store.is_cancelled(&self.record.id).await? {
            return Ok(Step::Ended(End::Cancelled));
        }
        let left = self.record.limit.saturating_sub(self.moved);
        if left == 0 {
            return Ok(Step::Ended(End::Completed));
        }
        let count = batch_size(self.per_second()).min(u32::try_from(left).unwrap_or(u32::MAX));
        let options = PopOptions {
            count,
            visibility_timeout_seconds: Some(RECEIVED_SECONDS),
            max_bytes: Some(BATCH_BYTES),
            holder: None,
            attempt: None,
        };
        let popped = match self.queues.pop_due(&self.source, options).await {
            Err(QueueError::NoQueue) => return Ok(Step::Ended(End::Completed)),
            popped => popped?,
        };
        if popped.messages.is_empty() {
            let idle = if popped.limited { Step::Pause(LIMITED_PAUSE) } else { COMPLETED };
            return Ok(idle);
        }
        self.pace(popped.messages.len());
        self.board(popped.messages).await
    }

    /// Keeps and moves received messages; those that have nowhere to go, and those after them,
    /// are given back.
    async fn board(&mut self, messages: Vec<ReceivedMessage>) -> Result<Step, QueueError> {
        let fixed = self.record.destination_arn.as_deref().and_then(QueueName::of_arn);
        let fixed = fixed.as_ref().map(QueueName::as_str);
        let mut failure = None;
        let mut fit = 0;
        for message in &messages {
            let destination = Ferry::destination(fixed, &message.source_arn);
            let looked = match destination {
                Ok(queue) => self.ferry.look_at(&queue).await?,
                Err(why) => Err(why),
            };
            match looked {
                Ok(known) => self.next_message = self.next_message.max(known.watermark + 1),
                Err(why) => {
                    failure = Some(why);
                    break;
                }
            }
            fit += 1;
        }
        let (going, staying) = messages.split_at(fit);
        let receipts = |some: &[ReceivedMessage]| -> Vec<String> {
            some.iter().map(|message| message.receipt.clone()).collect()
        };
        self.give_back(&receipts(staying)).await?;
        if !going.is_empty() {
            let batch = Batch {
                task: self.record.id.clone(),
                moved: self.moved,
                first: self.next_message,
                destination: fixed.map(str::to_owned),
                entries: going.iter().map(|m| (m.sequence, m.receipt.clone())).collect(),
            };
            if !self.store.keep_batch(self.number, self.batches, &batch).await? {
                self.give_back(&receipts(going)).await?;
                return Ok(Step::Lost);
            }
            self.batches += 1;
            let passengers = passengers(batch.first, messages.into_iter().take(fit));
            let failed = self.ferry.deliver(&batch, passengers).await?;
            if failed.is_none() {
                let count = u64::try_from(fit).unwrap_or(u64::MAX);
                self.next_message += count;
                self.moved += count;
                self.store.note_moved(&self.record.id, self.moved).await?;
            }
            failure = failed.or(failure);
        }
        Ok(failure.map_or(Step::Again, |failure| Step::Ended(End::Failed(failure))))
    }

    async fn give_back(&self, receipts: &[String]) -> Result<(), QueueError> {
        let receipts: Vec<&str> = receipts.iter().map(String::as_str).collect();
        self.ferry.release_receipts(&receipts).await
    }

    fn per_second(&self) -> u32 {
        self.record.per_second.unwrap_or(PER_SECOND_DEFAULT).max(1)
    }

    /// The next batch is allowed when these messages have had their time.
    fn pace(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let time = Duration::from_secs(1) * count / self.per_second();
        self.next_at = self.next_at.max(Instant::now()) + time;
    }
}

const COMPLETED: Step = Step::Ended(End::Completed);

/// Ten batches a second, so that the rate is even and a cancellation is soon heard.
fn batch_size(per_second: u32) -> u32 {
    (per_second / 10).clamp(1, BATCH_MESSAGES)
}

fn passengers(first: u64, messages: impl Iterator<Item = ReceivedMessage>) -> Vec<Passenger> {
    let numbered = (first..).zip(messages);
    let passenger = |(number, message): (u64, ReceivedMessage)| Passenger {
        receipt: message.receipt,
        number,
        message: StoredMessage {
            id: message.id,
            body: message.body,
            attributes: message.attributes,
            receive_count: message.receive_count,
            sent_ms: message.sent_ms,
            first_received_ms: message.first_received_ms,
            sequence: message.sequence,
            group: message.group.into_bytes(),
            source_arn: message.source_arn,
            dead_number: 0,
        },
    };
    numbered.map(passenger).collect()
}

/// The message that stands for the task, as long as it is ours.
struct Lease {
    queues: Queues,
    receipt: String,
    renewed: Instant,
}

impl Lease {
    /// Renews it when it is time. `false`: it is somebody else's.
    async fn keep(&mut self) -> Result<bool, QueueError> {
        if self.renewed.elapsed() < RENEW_AFTER {
            return Ok(true);
        }
        let own = QueueName::of_move_tasks();
        let started = Instant::now();
        let renewal = [(self.receipt.as_str(), LEASE_SECONDS)];
        let outcomes = self.queues.extend(&own, &renewal, Demand::Current).await;
        let outcome = match outcomes {
            Err(QueueError::NoQueue) => return Ok(false),
            outcomes => outcomes?.into_iter().next(),
        };
        if outcome == Some(ReceiptOutcome::TooLong) {
            // Nothing is in flight for more than twelve hours; whoever receives it next goes on.
            self.give_back().await?;
        }
        self.renewed = started;
        Ok(outcome == Some(ReceiptOutcome::Done))
    }

    async fn give_back(&self) -> Result<(), QueueError> {
        let own = QueueName::of_move_tasks();
        self.queues.release(&own, &[&self.receipt], 0).await.map(|_| ())
    }

    /// The task is over.
    async fn drop_task(&self) -> Result<(), QueueError> {
        let own = QueueName::of_move_tasks();
        match self.queues.acknowledge(&own, &[&self.receipt], Demand::Current).await {
            Ok(_) | Err(QueueError::NoQueue) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_task_moves_single_messages_and_a_fast_one_batches() {
        let sizes = [1, 9, 10, 19, 20, 499, 500].map(batch_size);
        assert_eq!(sizes, [1, 1, 1, 1, 2, 49, 50]);
    }
}
