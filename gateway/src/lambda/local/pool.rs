//! One function's processes: they start when an event needs one, and wait for the next.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout_at;

use crate::lambda::backoff::Backoff;
use crate::lambda::invoke::{Call, Kind};
use crate::lambda::local::LocalSpec;
use crate::lambda::local::background::Background;
use crate::lambda::local::call::{LocalAnswer, LocalCall};
use crate::lambda::local::process::{Process, Ran, StartFailure, uuid};
use crate::lambda::local::reaper::Reaper;
use crate::lambda::outcome::{Answer, Fault, Refusal};

/// Waits between starts that fail one after the other.
const START_DELAY_MIN: Duration = Duration::from_millis(100);
const START_DELAY_MAX: Duration = Duration::from_secs(10);
/// How often an event is offered to another process because the last one was found dead.
const OFFERS_MAX: usize = 5;

/// A local function with its processes. Cheap to clone; all clones share the processes.
#[derive(Debug, Clone)]
pub(in crate::lambda) struct LocalFunction(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    spec: LocalSpec,
    reaper: Reaper,
    /// One permit a process that runs, starts, or comes back from its last event.
    slots: Arc<Semaphore>,
    state: Mutex<State>,
    background: Background,
}

#[derive(Debug)]
struct State {
    /// Processes that wait for an event; the last one is the warmest.
    waiting: Vec<Process>,
    starts: Backoff,
    is_stopped: bool,
}

/// A process and its permit.
struct Slot {
    process: Process,
    permit: OwnedSemaphorePermit,
}

impl LocalFunction {
    pub(super) fn new(spec: LocalSpec, reaper: Reaper) -> Self {
        let slots = Arc::new(Semaphore::new(usize::try_from(spec.processes).unwrap_or(1)));
        let starts = Backoff::new(START_DELAY_MIN, START_DELAY_MAX);
        let state = Mutex::new(State { waiting: Vec::new(), starts, is_stopped: false });
        Self(Arc::new(Pool { spec, reaper, slots, state, background: Background::default() }))
    }

    /// Its name.
    pub(in crate::lambda) fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// Its unqualified ARN.
    pub(in crate::lambda) fn arn(&self) -> String {
        self.0.spec.arn()
    }

    /// Where its code is.
    pub(in crate::lambda) fn directory(&self) -> &Path {
        &self.0.spec.directory
    }

    /// How long an invocation may take.
    pub(in crate::lambda) fn timeout(&self) -> Duration {
        self.0.spec.timeout
    }

    /// How many processes there may be.
    pub(in crate::lambda) fn processes(&self) -> u32 {
        self.0.spec.processes
    }

    pub(super) fn background(&self) -> &Background {
        &self.0.background
    }

    /// Why the function cannot be started, if that can be seen.
    pub(in crate::lambda) fn problem(&self) -> Option<String> {
        self.0.spec.problem()
    }

    /// Runs the function for a mapping, which knows nothing of logs and request ids. An event that
    /// is handed over has its place among the processes and runs in the background.
    pub(in crate::lambda) async fn invoke(&self, call: Call) -> Answer {
        let Call { event, timeout, start_by, trace_header, kind } = call;
        let timeout = Some(timeout);
        let call = LocalCall { event, start_by, timeout, client_context: None, trace_header };
        match kind {
            Kind::Wait => self.run(call).await.answer,
            Kind::Handover => match self.permit(call.start_by).await {
                Ok(permit) => {
                    let this = self.clone();
                    tokio::spawn(async move {
                        this.note(&this.run_with(permit, &call, uuid()).await);
                    });
                    Answer::HandedOver
                }
                Err(refusal) => Answer::Refused(refusal),
            },
        }
    }

    /// Runs the function with this event, in a process that waits or in a new one; refuses if none
    /// is ready by `call.start_by`.
    pub(in crate::lambda) async fn run(&self, call: LocalCall) -> LocalAnswer {
        let request_id = uuid();
        match self.permit(call.start_by).await {
            Ok(permit) => self.run_with(permit, &call, request_id).await,
            Err(refusal) => {
                let answer = Answer::Refused(refusal);
                LocalAnswer { answer, request_id, log_tail: Bytes::new() }
            }
        }
    }

    /// A place among the processes.
    pub(super) async fn permit(&self, start_by: Instant) -> Result<OwnedSemaphorePermit, Refusal> {
        let permit = Arc::clone(&self.0.slots).acquire_owned();
        let permit = timeout_at(start_by.into(), permit).await.map_err(|_| {
            let words = format!("all {} processes are busy", self.0.spec.processes);
            refusal(Fault::Throttled, words)
        })?;
        permit.map_err(|_| refusal(Fault::Transient, "it is stopping".into()))
    }

    /// As [`Self::run`], in a place that was taken before.
    pub(super) async fn run_with(
        &self,
        mut permit: OwnedSemaphorePermit,
        call: &LocalCall,
        request_id: String,
    ) -> LocalAnswer {
        let answered = |answer, request_id, log_tail| LocalAnswer { answer, request_id, log_tail };
        for _ in 0..OFFERS_MAX {
            let mut slot = match self.slot(permit, call.start_by).await {
                Ok(slot) => slot,
                Err(answer) => return answered(answer, request_id, Bytes::new()),
            };
            let ran = slot.process.run(&self.0.spec, call, &request_id).await;
            let answer = match ran {
                Ran::Success(payload) => Answer::Ran { function_error: None, payload },
                Ran::Failure(payload) => failed(payload),
                Ran::NotTaken => {
                    permit = slot.permit;
                    continue;
                }
            };
            self.take_back(slot);
            return answered(answer, request_id, Bytes::new());
        }
        let words = "its processes end before they take an event";
        let refused = Answer::Refused(refusal(Fault::Transient, words.into()));
        answered(refused, request_id, Bytes::new())
    }

    /// A process that waits for an event, or a new one, in the place of `permit`.
    async fn slot(&self, permit: OwnedSemaphorePermit, start_by: Instant) -> Result<Slot, Answer> {
        loop {
            let process = self.state().waiting.pop();
            match process {
                Some(process) if process.is_waiting() => return Ok(Slot { process, permit }),
                Some(_dead) => {}
                None => return self.start(permit, start_by).await,
            }
        }
    }

    /// A new process. If it takes longer than `start_by`, it goes on to start, for later events.
    async fn start(&self, permit: OwnedSemaphorePermit, start_by: Instant) -> Result<Slot, Answer> {
        if let Some(problem) = self.0.spec.problem() {
            return Err(Answer::Refused(refusal(Fault::Operator, problem)));
        }
        let (done, started) = oneshot::channel();
        let this = self.clone();
        // Never on a thread that ends before the gateway does: a process dies with the thread that
        // started it. Tasks run on the runtime's workers, which stay.
        tokio::spawn(async move {
            let delay = this.state().starts.remaining();
            tokio::time::sleep(delay).await;
            let result = Process::start(&this.0.spec, &this.0.reaper).await;
            match &result {
                Ok(_) => this.state().starts.succeed(),
                Err(_) => this.state().starts.fail(None),
            }
            let result = result.map(|process| Slot { process, permit });
            // Too late for who asked: it waits for the next event.
            if let Err(Ok(slot)) = done.send(result) {
                this.park(slot);
            }
        });
        match timeout_at(start_by.into(), started).await {
            Ok(Ok(Ok(slot))) => Ok(slot),
            Ok(Ok(Err(StartFailure { payload }))) => Err(failed(payload)),
            Ok(Err(_)) => Err(Answer::Refused(refusal(Fault::Transient, "it is stopping".into()))),
            Err(_) => {
                let words = "its process is still starting";
                Err(Answer::Refused(refusal(Fault::Throttled, words.into())))
            }
        }
    }

    /// Keeps the permit until the process asks for its next event, or is given up.
    fn take_back(&self, slot: Slot) {
        if slot.process.is_waiting() {
            self.park(slot);
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            if slot.process.comes_back(this.0.spec.timeout).await {
                this.park(slot);
            }
        });
    }

    fn park(&self, slot: Slot) {
        let Slot { process, permit } = slot;
        let mut state = self.state();
        if !state.is_stopped {
            state.waiting.push(process);
        }
        drop(state);
        drop(permit);
    }

    pub(super) fn stop(&self) {
        self.0.slots.close();
        let mut state = self.state();
        state.is_stopped = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(payload: Bytes) -> Answer {
    Answer::Ran { function_error: Some("Unhandled".into()), payload }
}

fn refusal(fault: Fault, reason: String) -> Refusal {
    Refusal { fault, reason, retry_after: None }
}

#[cfg(test)]
impl LocalFunction {
    /// Places that are free.
    pub(super) fn free_slots(&self) -> usize {
        self.0.slots.available_permits()
    }
}
