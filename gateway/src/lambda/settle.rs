//! Running the function with a batch, and doing with each message what the answer says.
//!
//! Source: esm-contract §3.

use std::time::Instant;

use crate::lambda::backoff::Backoff;
use crate::lambda::batch::{Batch, Held};
use crate::lambda::invoke::Call;
use crate::lambda::outcome::{Answer, Fault, Refusal, Verdict, judge};
use crate::lambda::poller::{Poller, REDIS_DELAYS};
use crate::lambda::trace::{self, Decision};
use crate::queues::{Demand, QueueError, ReceiptOutcome};

/// The most receipts one command takes.
const RECEIPTS_MAX: usize = 1_000;

impl Poller {
    /// Runs the function with the batch and does what its answer says.
    pub(super) async fn invoke(&self, mut batch: Batch) {
        self.break_loops(&mut batch);
        if batch.is_empty() {
            return;
        }
        let lease_ends = batch.first_lease_ends().unwrap_or_else(Instant::now);
        let start_by = self.start_by(&batch);
        let (event, messages) = batch.finish();
        let answer = if Instant::now() < start_by {
            let (timeout, trace_header) = (self.timeout, self.trace_header(&messages));
            self.target.invoke(Call { event, timeout, start_by, trace_header }).await
        } else {
            // Redis was slow. Somebody else may soon get the messages, even while this one runs.
            too_late()
        };
        let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
        let (queue, function) = (&self.mapping.queue, self.mapping.function_name());
        match judge(answer, self.mapping.reporting, &ids) {
            Verdict::Settled { delete, remark } => {
                if let Some(remark) = remark {
                    let deleted = delete.iter().filter(|&&d| d).count();
                    let left = messages.len() - deleted;
                    tracing::warn!(%queue, function, deleted, left, "{remark}");
                }
                self.health.answered(&self.mapping);
                let done = messages.iter().zip(delete).filter(|(_, delete)| *delete);
                let receipts: Vec<&str> = done.map(|(m, _)| m.receipt.as_str()).collect();
                self.acknowledge(&receipts, lease_ends).await;
            }
            Verdict::GiveBack(refusal) => {
                // Noted first: what is given back is due at once.
                self.health.refused(&self.mapping, &refusal);
                self.release(&messages).await;
            }
            Verdict::Keep { reason } => {
                let messages = messages.len();
                tracing::warn!(
                    %queue, function, messages, reason,
                    "it is not known whether the function ran; its messages stay leased"
                );
            }
        }
    }

    /// Takes out the messages that came through the function too often. They are left to their
    /// lease, as those that failed: their receives count, so that a dead-letter queue takes them.
    fn break_loops(&self, batch: &mut Batch) {
        let (queue, function, max_hops) =
            (&self.mapping.queue, self.mapping.function_name(), self.max_hops);
        let is_loop =
            |held: &Held| trace::is_loop(held.trace_header.as_deref(), function, max_hops);
        for message in batch.take(is_loop) {
            tracing::error!(
                %queue, function, message = message.id, max_hops,
                "a loop: the function is not invoked with a message that came through it too often"
            );
        }
    }

    fn trace_header(&self, messages: &[Held]) -> Option<String> {
        let headers: Vec<_> = messages.iter().map(|held| held.trace_header.as_deref()).collect();
        match trace::of_batch(&headers, self.mapping.function_name(), self.max_hops) {
            Decision::Go(header) => Some(header),
            Decision::Loop => None,
        }
    }

    /// Deletes, and tries again while the lease lasts if Redis is away.
    async fn acknowledge(&self, receipts: &[&str], lease_ends: Instant) {
        let queue = &self.mapping.queue;
        for chunk in receipts.chunks(RECEIPTS_MAX) {
            let mut delays = Backoff::new(REDIS_DELAYS.0, REDIS_DELAYS.1);
            let outcomes = loop {
                match self.queues.acknowledge(queue, chunk, Demand::Current).await {
                    Ok(outcomes) => break outcomes,
                    Err(QueueError::NoQueue) => return,
                    Err(error) if Instant::now() >= lease_ends => {
                        tracing::warn!(%queue, %error, "messages that are done will come again");
                        return;
                    }
                    Err(_) => {
                        delays.fail(None);
                        tokio::time::sleep(delays.remaining()).await;
                    }
                }
            };
            // Gone is fine: the function may have deleted its message itself.
            let late = outcomes.iter().filter(|o| **o == ReceiptOutcome::Stale).count();
            if late > 0 {
                tracing::warn!(%queue, late, "messages were done after somebody else got them");
            }
        }
    }

    /// Gives back without counting the receive. If it fails, the leases end by themselves.
    pub(super) async fn release(&self, messages: &[Held]) {
        for chunk in messages.chunks(RECEIPTS_MAX) {
            let receipts: Vec<&str> = chunk.iter().map(|m| m.receipt.as_str()).collect();
            let released = self.queues.release(&self.mapping.queue, &receipts, 0).await;
            if let Err(error) = released {
                let queue = &self.mapping.queue;
                tracing::warn!(%queue, %error, "messages are not given back before their lease");
            }
        }
    }
}

fn too_late() -> Answer {
    let reason = "its messages came too slowly: their leases would end before it does".into();
    Answer::Refused(Refusal { fault: Fault::Transient, reason, retry_after: None })
}
