//! Events that nobody waits for: Invoke with the type `Event`.
//!
//! They wait in memory, within bounds, until a process is free, and take turns with those who
//! wait for their answer. Each runs once; what becomes of it is told to the log only. What still
//! waits when karin stops is lost, so queues' messages never come this way unless their function
//! deletes them itself.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::lambda::local::call::{LocalAnswer, LocalCall};
use crate::lambda::local::pool::LocalFunction;
use crate::lambda::local::process::uuid;
use crate::lambda::outcome::{Answer, Fault, Refusal};

/// Events of one function that may wait.
const EVENTS_MAX: usize = 1_000;
/// Their bytes.
const EVENT_BYTES_MAX: usize = 64 * 1_048_576;
/// How long an event may wait: Lambda's MaximumEventAge.
const EVENT_AGE_MAX: Duration = Duration::from_hours(6);

/// The events of one function that wait.
#[derive(Debug, Default)]
pub(super) struct Background(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<(String, LocalCall)>,
    bytes: usize,
    /// Whether somebody takes them out.
    is_served: bool,
}

impl Background {
    /// Adds an event. Returns whether somebody must begin to take them out.
    fn add(&self, request_id: String, call: LocalCall) -> Result<bool, Refusal> {
        let mut waiting = self.lock();
        let bytes = waiting.bytes + call.event.len();
        if waiting.events.len() >= EVENTS_MAX || bytes > EVENT_BYTES_MAX {
            let reason = format!("{} events wait for it already", waiting.events.len());
            return Err(Refusal { fault: Fault::Throttled, reason, retry_after: None });
        }
        waiting.bytes = bytes;
        waiting.events.push_back((request_id, call));
        Ok(!std::mem::replace(&mut waiting.is_served, true))
    }

    /// The next event; after `None` somebody else must begin again.
    fn next(&self) -> Option<(String, LocalCall)> {
        let mut waiting = self.lock();
        let next = waiting.events.pop_front();
        match &next {
            Some((_, call)) => waiting.bytes -= call.event.len(),
            None => waiting.is_served = false,
        }
        next
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalFunction {
    /// Has the function run with this event once a process is free, and returns the request id
    /// at once. `start_by` counts for nothing: an event may wait for six hours.
    ///
    /// Errors: refused as throttled when too many wait, 1,000 events or 64 MiB of them.
    pub(in crate::lambda) fn run_later(&self, mut call: LocalCall) -> Result<String, Refusal> {
        let request_id = uuid();
        call.start_by = Instant::now() + EVENT_AGE_MAX;
        if self.background().add(request_id.clone(), call)? {
            tokio::spawn(self.clone().serve_background());
        }
        Ok(request_id)
    }

    async fn serve_background(self) {
        // The place in the line first: one of ours at a time stands in it.
        while let Some((request_id, call)) = self.background().next() {
            match self.permit(call.start_by).await {
                Ok(permit) => {
                    let this = self.clone();
                    tokio::spawn(async move {
                        let answer = this.run_with(permit, &call, request_id).await;
                        this.note(&answer);
                    });
                }
                Err(refusal) => {
                    let answer = Answer::Refused(refusal);
                    self.note(&LocalAnswer { answer, request_id, log_tail: Bytes::new() });
                }
            }
        }
    }

    /// Tells the log what became of an event that nobody waits for.
    pub(super) fn note(&self, LocalAnswer { answer, request_id, .. }: &LocalAnswer) {
        let function = self.name();
        match answer {
            Answer::Ran { function_error: None, .. } | Answer::HandedOver => {}
            Answer::Ran { payload, .. } => {
                let error = String::from_utf8_lossy(payload);
                tracing::warn!(function, request_id, %error, "an event's function failed");
            }
            Answer::Refused(Refusal { reason, .. }) | Answer::Unknown { reason } => {
                tracing::warn!(function, request_id, reason, "an event is lost: it did not run");
            }
        }
    }
}
