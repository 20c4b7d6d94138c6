//! Running the function with a batch, and doing with each message what the answer says.
//!
//! Source: esm-contract §3 (outcomes), §7.4 (errors of Invoke).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::lambda::backoff::{Backoff, spread};
use crate::lambda::batch::{Batch, Held};
use crate::lambda::counters::FailureReason;
use crate::lambda::invoke::{Call, too_late};
use crate::lambda::outcome::{Answer, Fault, Reading, Told, Verdict};
use crate::lambda::poller::{Poller, REDIS_DELAYS};
use crate::lambda::records::{Ended, RunKind, Trail};
use crate::lambda::retry::{self, Returning, Rule};
use crate::lambda::split::Part;
use crate::lambda::trace::{self, Decision};
use crate::queues::{Demand, QueueError, ReceiptOutcome};

/// The most receipts one command takes.
const RECEIPTS_MAX: usize = 1_000;

/// Until when the messages of a batch are ours.
#[derive(Debug, Clone, Copy)]
struct Lease {
    /// How long the function may run.
    timeout: Duration,
    /// When it must have started to run so long.
    start_by: Instant,
    ends: Instant,
}

/// What is to be done with the rest of a batch that was split.
enum Rest {
    /// It is tried, too.
    Try,
    /// It is given back, for the same thing would happen to it, or because it comes after messages
    /// that failed.
    GiveBack,
    /// This part is too much at once.
    Split,
}

impl Poller {
    /// Runs the function with the batch and does what its answer says. What is refused as too
    /// large, or for what is in it, is halved until it is taken or a single message is to blame.
    pub(super) async fn invoke(&self, mut batch: Batch) {
        let lease = Lease {
            // Read first: should it be longer by now, the function has to start earlier.
            timeout: self.timeout(),
            start_by: self.start_by(&batch),
            ends: batch.first_lease_ends().unwrap_or_else(Instant::now),
        };
        let has_loops = self.break_loops(&mut batch, lease).await;
        if has_loops && self.mapping.queue.is_fifo() {
            // Whatever follows in its group must wait for it.
            self.give_back(batch.messages(), lease.ends).await;
            return;
        }
        if batch.is_empty() {
            return;
        }
        let (event, messages) = batch.finish();
        let mut parts = vec![Part { event, messages }];
        while let Some(part) = parts.pop() {
            let (told, trail) = self.call(&part, lease).await;
            let verdict = Reading::of(&self.mapping).judge(told.answer.clone(), &part.messages);
            self.record(&part, &told, trail, &verdict);
            let ran = matches!(told.answer, Answer::Ran { .. });
            match self.settle(verdict, ran, &part.messages, lease).await {
                Rest::Try => {}
                Rest::Split => match part.split() {
                    (first, Some(second)) => parts.extend([second, first]),
                    (whole, None) => self.give_back(&whole.messages, lease.ends).await,
                },
                Rest::GiveBack => {
                    for part in parts.drain(..).rev() {
                        self.give_back(&part.messages, lease.ends).await;
                    }
                }
            }
        }
    }

    async fn call(&self, part: &Part, lease: Lease) -> (Told, Trail) {
        let begun = Instant::now();
        if begun >= lease.start_by {
            // Redis was slow, or many parts were.
            return (too_late().into(), Trail::since(begun, None));
        }
        let trace_header = self.trace_header(&part.messages);
        let trace = trace_header.clone();
        let call = Call {
            event: part.event.clone(),
            timeout: lease.timeout,
            start_by: lease.start_by,
            trace_header,
            kind: self.kind(),
            wants_log: false,
        };
        self.counters.batch_sizes.add(part.messages.len().try_into().unwrap_or(u64::MAX));
        self.counters.batch_bytes.add(part.event.len().try_into().unwrap_or(u64::MAX));
        for message in &part.messages {
            self.counters.receive_counts.add(message.receive_count);
        }
        let told = self.target.invoke(call).await;
        #[cfg(feature = "otel")]
        crate::otel::invocation(
            (self.mapping.queue.as_str(), self.mapping.function_name()),
            part.messages.len(),
            told.answer.failure(),
            begun.elapsed(),
            trace.as_deref(),
        );
        let trail = Trail::since(begun, trace);
        self.count(&told.answer, part.messages.len(), begun);
        (told, trail)
    }

    /// Keeps a record of the invocation.
    fn record(&self, part: &Part, told: &Told, trail: Trail, verdict: &Verdict) {
        self.records.add(Ended {
            kind: RunKind::Queue,
            source: &self.source,
            id: None,
            repeats: None,
            trail,
            event: &part.event,
            told,
            verdict: Some(verdict),
            messages: &part.messages,
        });
    }

    /// Takes out the messages that came through the function too often: they count as failed with
    /// it, so that a dead-letter queue takes them in the end. Returns whether there were any.
    async fn break_loops(&self, batch: &mut Batch, lease: Lease) -> bool {
        let (queue, function, max_hops) =
            (&self.mapping.queue, self.mapping.function_name(), self.max_hops);
        let is_loop =
            |held: &Held| trace::is_loop(held.trace_header.as_deref(), function, max_hops);
        let looping = batch.take(is_loop);
        for message in &looping {
            tracing::warn!(
                %queue, function, message_id = message.id, max_hops,
                "a loop: the function is not invoked with a message that came through it too often"
            );
        }
        self.counters.failed(FailureReason::Loop, looping.len());
        self.come_again(&looping.iter().collect::<Vec<_>>(), lease.ends).await;
        !looping.is_empty()
    }

    /// The trace header of the invocation with these messages.
    fn trace_header(&self, messages: &[Held]) -> Option<String> {
        let headers: Vec<_> = messages.iter().map(|held| held.trace_header.as_deref()).collect();
        match trace::of_batch(&headers, self.mapping.function_name(), self.max_hops) {
            Decision::Go(header) => Some(header),
            Decision::Loop => None,
        }
    }

    fn count(&self, answer: &Answer, messages: usize, begun: Instant) {
        let counters = &self.counters;
        counters.invoked.add(messages);
        match answer {
            Answer::Ran { .. } | Answer::HandedOver => {
                counters.invocations.one();
                counters.durations.add(begun.elapsed());
                self.limits.mapping.succeeded();
            }
            // Tried again in halves; a single one counts when it is settled.
            Answer::Refused(refusal) if refusal.fault == Fault::Payload => {}
            Answer::Refused(refusal) => {
                counters.failed(reason(refusal.fault), messages);
                if refusal.fault == Fault::Throttled {
                    counters.throttles.one();
                    self.limits.mapping.throttled(begun);
                }
            }
            Answer::Unknown { .. } => counters.failed(FailureReason::Unknown, messages),
        }
    }

    /// Does with the messages what the answer means; `ran`: the function ran.
    async fn settle(&self, verdict: Verdict, ran: bool, messages: &[Held], lease: Lease) -> Rest {
        let (queue, function) = (&self.mapping.queue, self.mapping.function_name());
        match verdict {
            Verdict::Settled { delete, remark, function_failed } => {
                self.note(ran, function_failed, remark.as_deref(), &delete);
                self.finish(messages, &delete, lease).await
            }
            Verdict::Split { reason } => {
                let messages = messages.len();
                tracing::info!(%queue, function, messages, reason, "a batch is split");
                Rest::Split
            }
            Verdict::HandedOver => {
                self.health.answered(&self.mapping, None);
                Rest::Try
            }
            Verdict::GiveBack(refusal) => {
                // Noted first: what is given back is due at once.
                self.health.refused(&self.mapping, &refusal);
                self.give_back(messages, lease.ends).await;
                Rest::GiveBack
            }
            Verdict::Keep { reason } => {
                self.health.lost(&reason);
                let messages = messages.len();
                tracing::warn!(
                    %queue, function, messages, reason,
                    "it is not known whether the function ran; its messages stay leased"
                );
                Rest::GiveBack
            }
        }
    }

    /// Tells the log, the counters and the mapping's health how an invocation ended.
    fn note(&self, ran: bool, function_failed: bool, remark: Option<&str>, delete: &[bool]) {
        let deleted = delete.iter().filter(|&&delete| delete).count();
        let left = delete.len() - deleted;
        let reason = match (ran, function_failed) {
            (true, true) => FailureReason::FunctionError,
            (true, false) => FailureReason::Reported,
            (false, _) => FailureReason::EventRefused,
        };
        self.counters.failed(reason, left);
        if function_failed {
            self.counters.errors.one();
        }
        if let Some(remark) = remark {
            let (queue, function) = (&self.mapping.queue, self.mapping.function_name());
            tracing::warn!(%queue, function, deleted, left, "{remark}");
        }
        if ran {
            self.health.answered(&self.mapping, remark.filter(|_| left > 0));
        } else {
            self.health.event_refused(remark.unwrap_or_default());
        }
    }

    /// Deletes those marked; has the others come again when they are to.
    async fn finish(&self, messages: &[Held], delete: &[bool], lease: Lease) -> Rest {
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for (message, &delete) in messages.iter().zip(delete) {
            if delete {
                done.push(message);
            } else {
                failed.push(message);
            }
        }
        tokio::join!(self.acknowledge(&done, lease.ends), self.come_again(&failed, lease.ends));
        // Whatever follows a failed message in its group must wait for it.
        if self.mapping.queue.is_fifo() && !failed.is_empty() {
            return Rest::GiveBack;
        }
        Rest::Try
    }

    /// Deletes, and tries again while the lease lasts if Redis is away.
    async fn acknowledge(&self, done: &[&Held], lease_ends: Instant) {
        let queue = &self.mapping.queue;
        for chunk in done.chunks(RECEIPTS_MAX) {
            let receipts: Vec<&str> = chunk.iter().map(|held| held.receipt.as_str()).collect();
            let delete = || self.queues.acknowledge(queue, &receipts, Demand::Current);
            let outcomes = match while_leased(lease_ends, delete).await {
                Ok(outcomes) => outcomes,
                Err(QueueError::NoQueue) => return,
                Err(error) => {
                    tracing::warn!(%queue, %error, "messages that are done will come again");
                    return;
                }
            };
            let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
            self.counters.deleted.add(count(ReceiptOutcome::Done));
            self.note_lifetimes(chunk, &outcomes);
            // Gone is fine: the function may have deleted its message itself.
            let late = count(ReceiptOutcome::Stale);
            if late > 0 {
                tracing::warn!(%queue, late, "messages were done after somebody else got them");
            }
        }
    }

    /// How long those that were deleted had been on their way, by the clocks of Redis's machine
    /// and of ours.
    fn note_lifetimes(&self, messages: &[&Held], outcomes: &[ReceiptOutcome]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for (message, outcome) in messages.iter().zip(outcomes) {
            if *outcome == ReceiptOutcome::Done {
                let sent = Duration::from_millis(message.sent_ms);
                self.counters.lifetimes.add_us(now.saturating_sub(sent));
            }
        }
    }

    /// Has failed messages come again when the mapping's way of retrying says, but for those whose
    /// visibility the function set itself.
    async fn come_again(&self, failed: &[&Held], lease_ends: Instant) {
        if failed.is_empty() {
            return;
        }
        let queue = &self.mapping.queue;
        let now = Instant::now();
        let read = || self.visibility.of(&self.queues, queue);
        let result = match while_leased(lease_ends, read).await {
            Ok(visibility_timeout) => {
                let retry = self.mapping.options.retry;
                let rule = Rule { retry, visibility_timeout, is_fifo: queue.is_fifo(), now };
                self.change_visibility(&retry::returning(failed, rule, spread), lease_ends).await
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) | Err(QueueError::NoQueue) => {}
            Err(error) => {
                let messages = failed.len();
                tracing::warn!(
                    %queue, messages, %error, "failed messages come again when their lease ends"
                );
            }
        }
    }

    async fn change_visibility(
        &self,
        leases: &[Returning<'_>],
        lease_ends: Instant,
    ) -> Result<(), QueueError> {
        let (queues, queue) = (&self.queues, &self.mapping.queue);
        for Returning { due_ms, messages } in leases {
            for chunk in messages.chunks(RECEIPTS_MAX) {
                let change = || {
                    let left = |due: Instant| due.saturating_duration_since(Instant::now());
                    let delays: Vec<(&str, Duration)> =
                        chunk.iter().map(|&(receipt, due)| (receipt, left(due))).collect();
                    async move { queues.extend_unless_changed(queue, &delays, *due_ms).await }
                };
                while_leased(lease_ends, change).await?;
            }
        }
        Ok(())
    }

    /// Gives back without counting the receive, and tries again while the lease lasts if Redis is
    /// away.
    async fn give_back(&self, messages: &[Held], lease_ends: Instant) {
        let queue = &self.mapping.queue;
        for chunk in messages.chunks(RECEIPTS_MAX) {
            let receipts: Vec<&str> = chunk.iter().map(|m| m.receipt.as_str()).collect();
            let release = || self.queues.release(queue, &receipts, 0);
            let released = while_leased(lease_ends, release).await;
            if let Err(error) = released
                && !matches!(error, QueueError::NoQueue)
            {
                tracing::warn!(%queue, %error, "messages are not given back before their lease");
            }
        }
    }

    /// Gives back without counting the receive. If it fails, the leases end by themselves.
    pub(super) async fn release(&self, messages: &[Held]) {
        self.give_back(messages, Instant::now()).await;
    }
}

/// What messages count as that were refused with this fault.
fn reason(fault: Fault) -> FailureReason {
    match fault {
        Fault::Throttled => FailureReason::Throttled,
        Fault::Transient => FailureReason::Transient,
        Fault::Operator => FailureReason::Refused,
        Fault::Payload => FailureReason::EventRefused,
    }
}

/// Tries again until it works, the queue is gone, or the lease has ended. Errors: the last one.
async fn while_leased<T, F>(
    lease_ends: Instant,
    mut attempt: impl FnMut() -> F,
) -> Result<T, QueueError>
where
    F: Future<Output = Result<T, QueueError>>,
{
    let mut delays = Backoff::new(REDIS_DELAYS.0, REDIS_DELAYS.1);
    loop {
        match attempt().await {
            Err(error) if !matches!(error, QueueError::NoQueue) && Instant::now() < lease_ends => {
                delays.fail(None);
                tokio::time::sleep(delays.remaining()).await;
            }
            result => return result,
        }
    }
}
