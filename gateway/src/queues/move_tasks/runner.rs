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

use super::batch::{Delivery, Ferry, PATIENCE, Passenger};
use super::record::{Batch, End, MoveTaskFailure, Record};
use super::store::Store;
use crate::queues::{
    Demand, Popped, QueueError, QueueName, Queues, ReceiptOutcome, ReceivedMessage, StoredMessage,
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
/// The first pause after a failure; each is twice the one before.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause; short enough for the lease.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The longest pause before another look for messages.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

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
    let (mut pause, mut told) = (RETRY_PAUSE_MIN, false);
    loop {
        let attempt = attempt(&queues, &shutdown, &job.source, &job.task, &mut lease);
        let done = match attempt.await {
            Ok(Outcome::Over) => lease.drop_task().await,
            Ok(Outcome::Stopping) => lease.give_back().await,
            Ok(Outcome::Lost) => return,
            Err(error) => Err(error),
        };
        let Err(error) = done else { return };
        // That Redis is away is told by the client.
        if !matches!(error, QueueError::Unavailable(_)) && !std::mem::replace(&mut told, true) {
            tracing::warn!(queue = %job.source, task = job.task, "a task has to wait: {error}");
        }
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
    let carrier = queues.carrier().pin()?;
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
        next_chosen: 0,
        next_at: Instant::now(),
        patient_until: None,
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
                let moved = run.moved;
                run.store.end(&run.record, end, moved, run.number).await?;
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
    /// Of the chosen messages the first one this run has not come to.
    next_chosen: usize,
    /// When the rate allows the next batch.
    next_at: Instant,
    /// Until then messages may come back that a run before had received and not kept.
    patient_until: Option<Instant>,
}

impl Run {
    /// Closes all runs before this one and does what the last of them left.
    async fn settle_others(&mut self) -> Result<Step, QueueError> {
        let tasks = self.store.read().await?;
        let mut step = Step::Again;
        for run in tasks.done + 1..self.number {
            let Some(batch) = self.store.close(run).await? else { continue };
            let passengers = self.ferry.find(&batch).await?;
            let delivery = self.ferry.deliver(&batch, passengers).await?;
            let count = batch.entries.len();
            self.next_message = self.next_message.max(batch.first.saturating_add(number(count)));
            if batch.task == self.record.id {
                let moved = number(count.saturating_sub(delivery.returned));
                self.moved = self.moved.max(batch.moved.saturating_add(moved));
                if let Some(failure) = delivery.failure {
                    step = Step::Ended(End::Failed(failure));
                }
            }
        }
        if tasks.done + 1 < self.number {
            self.patient_until = Some(Instant::now() + PATIENCE);
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
        if !self.record.chosen.is_empty() {
            return self.step_chosen(usize::try_from(count).unwrap_or(usize::MAX)).await;
        }
        let popped = match self.ferry.receive(count).await {
            Err(QueueError::NoQueue) => return Ok(Step::Ended(End::Completed)),
            popped => popped?,
        };
        if popped.dead > 0 {
            self.queues.0.dead_letters.found(&self.source);
        }
        if popped.messages.is_empty() {
            return Ok(self.idle(&popped));
        }
        self.pace(popped.messages.len());
        self.board(popped.messages).await
    }

    /// Moves the next of the chosen messages. Those that somebody has received stay.
    async fn step_chosen(&mut self, count: usize) -> Result<Step, QueueError> {
        let rest = self.record.chosen.get(self.next_chosen..).unwrap_or_default();
        let next: Vec<u64> = rest.iter().take(count).copied().collect();
        if next.is_empty() {
            // A run before may have received some and not kept them; they come back.
            let patient = self.patient_until.is_some_and(|until| Instant::now() < until);
            self.next_chosen = 0;
            return Ok(if patient { Step::Pause(IDLE_PAUSE) } else { Step::Ended(End::Completed) });
        }
        let messages = match self.ferry.receive_chosen(&next).await {
            Err(QueueError::NoQueue) => return Ok(Step::Ended(End::Completed)),
            messages => messages?,
        };
        let last = messages.last().map(|message| message.sequence);
        let done = last.and_then(|last| next.iter().position(|sequence| *sequence == last));
        self.next_chosen += done.map_or(next.len(), |last| last + 1);
        if messages.is_empty() {
            return Ok(Step::Again);
        }
        self.pace(messages.len());
        self.board(messages).await
    }

    /// What to do when nothing is due.
    fn idle(&self, popped: &Popped) -> Step {
        let patient = self.patient_until.is_some_and(|until| Instant::now() < until);
        let soon = popped.next_ms.map(Duration::from_millis).filter(|next| *next <= PATIENCE);
        match soon {
            Some(next) if patient && self.moved < self.record.to_move => {
                Step::Pause(next.clamp(RETRY_PAUSE_MIN, IDLE_PAUSE))
            }
            _ if popped.limited => Step::Pause(IDLE_PAUSE),
            _ => Step::Ended(End::Completed),
        }
    }

    /// Keeps and moves received messages; those that have nowhere to go, and those after them,
    /// are given back.
    async fn board(&mut self, messages: Vec<ReceivedMessage>) -> Result<Step, QueueError> {
        let receipts: Vec<String> = messages.iter().map(|m| m.receipt.clone()).collect();
        let (batch, failure) = match self.keep(&messages).await {
            Ok(kept) => kept,
            Err(error) => {
                // Should the batch be kept all the same, it finds them no longer held.
                self.give_back(&receipts).await?;
                return Err(error);
            }
        };
        let fit = batch.as_ref().map_or(0, |batch| batch.entries.len());
        self.give_back(receipts.get(fit..).unwrap_or_default()).await?;
        let mut delivery = Delivery { returned: 0, failure };
        if let Some(batch) = batch {
            let passengers = passengers(batch.first, messages.into_iter().take(fit));
            let delivered = self.ferry.deliver(&batch, passengers).await?;
            self.next_message += number(fit);
            self.moved += number(fit.saturating_sub(delivered.returned));
            self.store.note_moved(&self.record.id, self.moved).await?;
            delivery = delivered.and(delivery);
        } else if failure.is_none() {
            return Ok(Step::Lost);
        }
        let failed = |failure| Step::Ended(End::Failed(failure));
        Ok(delivery.failure.map_or(Step::Again, failed))
    }

    /// Keeps a batch of the first messages, up to one that has nowhere to go, and says why that
    /// has not. Neither of both: this run was closed by somebody.
    async fn keep(
        &mut self,
        messages: &[ReceivedMessage],
    ) -> Result<(Option<Batch>, Option<MoveTaskFailure>), QueueError> {
        let destination = self.record.destination_arn.as_deref().and_then(QueueName::of_arn);
        let fixed = destination.as_ref().map(QueueName::as_str);
        let mut entries = Vec::with_capacity(messages.len());
        let mut failure = None;
        for message in messages {
            let looked = match Ferry::destination(fixed, &message.source_arn) {
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
            entries.push((message.sequence, message.receipt.clone()));
        }
        if entries.is_empty() {
            return Ok((None, failure));
        }
        let batch = Batch {
            task: self.record.id.clone(),
            moved: self.moved,
            first: self.next_message,
            destination: fixed.map(str::to_owned),
            entries,
        };
        if !self.store.keep_batch(self.number, self.batches, &batch).await? {
            return Ok((None, None));
        }
        self.batches += 1;
        Ok((Some(batch), failure))
    }

    async fn give_back(&self, receipts: &[String]) -> Result<(), QueueError> {
        let receipts: Vec<&str> = receipts.iter().map(String::as_str).collect();
        self.ferry.release(&receipts).await
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

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

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
