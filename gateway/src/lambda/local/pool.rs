//! One function's processes: they start when an event needs one, and wait for the next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout_at;

use crate::config::FunctionSpec;
use crate::lambda::backoff::Backoff;
use crate::lambda::invoke::{Call, Kind};
use crate::lambda::local::background::Background;
use crate::lambda::local::call::{LocalAnswer, LocalCall};
use crate::lambda::local::changes::Fingerprint;
use crate::lambda::local::process::{Process, Ran, StartFailure, uuid};
use crate::lambda::local::reaper::Reaper;
use crate::lambda::local::settings::{Host, LocalSpec};
use crate::lambda::outcome::{Answer, Fault, Refusal, Told};

/// Waits between starts that fail one after the other.
const START_DELAY_MIN: Duration = Duration::from_millis(100);
const START_DELAY_MAX: Duration = Duration::from_secs(10);
/// How often a function's files are looked at, at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often an event is offered to another process because the last one was found dead.
const OFFERS_MAX: usize = 5;

/// A local function with its processes. Cheap to clone; all clones share the processes.
#[derive(Debug, Clone)]
pub(in crate::lambda) struct LocalFunction(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    name: String,
    given: FunctionSpec,
    host: Arc<Host>,
    reaper: Reaper,
    /// How many processes there may be: as it was at the start.
    processes: u32,
    /// One permit a process that runs, starts, or comes back from its last event.
    slots: Arc<Semaphore>,
    state: Mutex<State>,
    background: Background,
}

#[derive(Debug)]
struct State {
    /// How the function is run, and when that was last looked at.
    spec: Arc<LocalSpec>,
    looked_at: Instant,
    /// Processes that wait for an event, and since when; the last one is the warmest.
    waiting: Vec<(Process, Instant)>,
    /// Whether somebody ends those that wait for too long.
    is_tended: bool,
    starts: Backoff,
    is_stopped: bool,
}

/// A process and its permit.
struct Slot {
    process: Process,
    permit: OwnedSemaphorePermit,
}

impl LocalFunction {
    pub(super) fn new(given: FunctionSpec, host: &Arc<Host>, reaper: &Reaper) -> Self {
        let spec = Arc::new(LocalSpec::read(&given, host));
        let processes = spec.processes;
        let slots = Arc::new(Semaphore::new(usize::try_from(processes).unwrap_or(1)));
        let state = Mutex::new(State {
            spec,
            looked_at: Instant::now(),
            waiting: Vec::new(),
            is_tended: false,
            starts: Backoff::new(START_DELAY_MIN, START_DELAY_MAX),
            is_stopped: false,
        });
        let (name, background) = (given.name.clone(), Background::default());
        let (host, reaper) = (Arc::clone(host), reaper.clone());
        Self(Arc::new(Pool { name, given, host, reaper, processes, slots, state, background }))
    }

    /// Its name.
    pub(in crate::lambda) fn name(&self) -> &str {
        &self.0.name
    }

    /// How long an invocation may take.
    pub(in crate::lambda) fn timeout(&self) -> Duration {
        self.spec().timeout
    }

    /// The memory it is told that it has, megabytes.
    pub(in crate::lambda) fn memory_megabytes(&self) -> u32 {
        self.spec().memory_megabytes()
    }

    /// How many processes there may be.
    pub(in crate::lambda) fn processes(&self) -> u32 {
        self.0.processes
    }

    /// Processes that run now, and how many of them wait for an event.
    pub(in crate::lambda) fn at_work(&self) -> (u32, u32) {
        let waiting = u32::try_from(self.state().waiting.len()).unwrap_or(u32::MAX);
        let free = u32::try_from(self.0.slots.available_permits()).unwrap_or(u32::MAX);
        (self.0.processes.saturating_sub(free).saturating_add(waiting), waiting)
    }

    /// Why it cannot run, if that can be seen.
    pub(in crate::lambda) fn problem(&self) -> Option<String> {
        self.spec().problem()
    }

    /// How the function is run now. Looks at its files, but not more often than once a second;
    /// if they have changed, processes that wait end, and others after their event.
    pub(super) fn spec(&self) -> Arc<LocalSpec> {
        let mut state = self.state();
        let last = Arc::clone(&state.spec);
        if state.looked_at.elapsed() < LOOK_INTERVAL {
            return last;
        }
        state.looked_at = Instant::now();
        drop(state);
        if Fingerprint::of(&last.directory) == last.files {
            return last;
        }
        let spec = Arc::new(LocalSpec::read(&self.0.given, &self.0.host));
        let mut state = self.state();
        state.spec = Arc::clone(&spec);
        state.starts.succeed();
        let outdated = std::mem::take(&mut state.waiting);
        drop(state);
        tracing::info!(function = self.name(), "its files have changed");
        for (process, _) in outdated {
            tokio::spawn(process.end());
        }
        spec
    }

    pub(super) fn background(&self) -> &Background {
        &self.0.background
    }

    /// Runs the function for a mapping. An event that is handed over has a place among the
    /// processes, and runs in the background.
    pub(in crate::lambda) async fn invoke(&self, call: Call) -> Told {
        let Call { event, timeout, start_by, trace_header, kind, wants_log: _ } = call;
        let timeout = Some(timeout);
        let call = LocalCall { event, start_by, timeout, client_context: None, trace_header };
        match kind {
            Kind::Wait => {
                let LocalAnswer { answer, request_id, log_tail } = self.run(call).await;
                Told { answer, request_id, log_tail }
            }
            Kind::Handover => self.take_over(call).await.into(),
        }
    }

    /// Runs the function with an event that is handed over, once there is a place for it.
    async fn take_over(&self, call: LocalCall) -> Answer {
        if let Some(problem) = self.problem() {
            return Answer::Refused(refusal(Fault::Operator, problem));
        }
        let permit = match self.permit(call.start_by).await {
            Ok(permit) => permit,
            Err(refusal) => return Answer::Refused(refusal),
        };
        let this = self.clone();
        tokio::spawn(async move {
            this.note(&this.run_with(permit, &call, uuid()).await);
        });
        Answer::HandedOver
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
            let words = format!("all {} processes are busy", self.0.processes);
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
                Err((answer, log_tail)) => return answered(answer, request_id, log_tail),
            };
            let (ran, log_tail) = slot.process.run(call, &request_id).await;
            let answer = match ran {
                Ran::Success(payload) => Answer::Ran { function_error: None, payload },
                Ran::Failure(payload) => failed(payload),
                Ran::NotTaken => {
                    permit = slot.permit;
                    continue;
                }
            };
            self.take_back(slot);
            return answered(answer, request_id, log_tail);
        }
        let words = "its processes end before they take an event";
        let refused = Answer::Refused(refusal(Fault::Transient, words.into()));
        answered(refused, request_id, Bytes::new())
    }

    /// A process that waits for an event, or a new one, in the place of `permit`.
    ///
    /// Errors: an answer, and the log of a process that did not come up.
    async fn slot(
        &self,
        permit: OwnedSemaphorePermit,
        start_by: Instant,
    ) -> Result<Slot, (Answer, Bytes)> {
        let spec = self.spec();
        loop {
            let process = self.state().waiting.pop();
            match process {
                Some((process, _)) if process.is_waiting() && process.is_of(&spec) => {
                    return Ok(Slot { process, permit });
                }
                Some(_dead) => {}
                None => return self.start(spec, permit, start_by).await,
            }
        }
    }

    /// A new process. If it takes longer than `start_by`, it goes on to start, for later events.
    async fn start(
        &self,
        spec: Arc<LocalSpec>,
        permit: OwnedSemaphorePermit,
        start_by: Instant,
    ) -> Result<Slot, (Answer, Bytes)> {
        let refused =
            |fault, words: &str| (Answer::Refused(refusal(fault, words.into())), Bytes::new());
        if let Some(problem) = spec.problem() {
            return Err(refused(Fault::Operator, &problem));
        }
        let (done, started) = oneshot::channel();
        let this = self.clone();
        // Never on a thread that ends before the gateway does: a process dies with the thread that
        // started it. Tasks run on the runtime's workers, which stay.
        tokio::spawn(async move {
            let delay = this.state().starts.remaining();
            tokio::time::sleep(delay).await;
            let result = Process::start(spec, &this.0.reaper).await;
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
            Ok(Ok(Err(StartFailure { payload, log_tail }))) => Err((failed(payload), log_tail)),
            Ok(Err(_)) => Err(refused(Fault::Transient, "it is stopping")),
            Err(_) => Err(refused(Fault::Throttled, "its process is still starting")),
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
            let patience = this.state().spec.timeout;
            if slot.process.comes_back(patience).await {
                this.park(slot);
            }
        });
    }

    fn park(&self, slot: Slot) {
        let Slot { process, permit } = slot;
        let mut state = self.state();
        if !state.is_stopped && process.is_of(&state.spec) {
            state.waiting.push((process, Instant::now()));
            if !std::mem::replace(&mut state.is_tended, true) {
                tokio::spawn(self.clone().tend());
            }
        } else if !state.is_stopped {
            tokio::spawn(process.end());
        }
        drop(state);
        drop(permit);
    }

    /// Ends processes that have waited for too long, until none waits.
    async fn tend(self) {
        while let Some(next) = self.end_idle() {
            tokio::time::sleep_until(next.into()).await;
        }
    }

    /// Returns when to look again; `None`: none waits, somebody else must begin again.
    fn end_idle(&self) -> Option<Instant> {
        let mut state = self.state();
        let idle = state.spec.idle;
        let is_over = |since: &Instant| since.elapsed() >= idle;
        // Those that have waited longest come first.
        let over = state.waiting.iter().take_while(|(_, since)| is_over(since)).count();
        for (process, _) in state.waiting.drain(..over) {
            tracing::debug!(function = self.name(), "a process ends: there was nothing to do");
            tokio::spawn(process.end());
        }
        let next = state.waiting.first().map(|(_, since)| *since + idle);
        state.is_tended = next.is_some();
        next
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
    /// Whether both share their processes.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Places that are free.
    pub(super) fn free_slots(&self) -> usize {
        self.0.slots.available_permits()
    }
}
