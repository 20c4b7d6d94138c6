//! Functions that run on this machine, as processes that speak the Lambda Runtime API.
//!
//! A process takes one event at a time; concurrency is processes. They start when an event needs
//! one, stay for the next, and are killed with their whole group when they fail, time out, or the
//! gateway stops.

mod environment;
mod process;
mod reaper;
mod runtime_api;

pub use reaper::{REAPER_SUBCOMMAND, run as run_reaper};

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout_at;

use crate::config::FunctionSpec;
use crate::identity::Identity;
use crate::lambda::backoff::Backoff;
use crate::lambda::invoke::{Call, Kind};
use crate::lambda::local::process::{Process, Ran, StartFailure};
use crate::lambda::local::reaper::Reaper;
use crate::lambda::outcome::{Answer, Fault, Refusal};

/// Waits between starts that fail one after the other.
const START_DELAY_MIN: Duration = Duration::from_millis(100);
const START_DELAY_MAX: Duration = Duration::from_secs(10);
/// How often an event is offered to another process because the last one was found dead.
const OFFERS_MAX: usize = 5;
/// Fewest processes a function may have, however few processors there are.
const PROCESSES_MIN: u32 = 2;

/// What a local function is.
#[derive(Debug)]
pub(super) struct LocalSpec {
    name: Arc<str>,
    directory: PathBuf,
    command: Option<String>,
    timeout: Duration,
    processes: u32,
    identity: Identity,
    /// Our own URL, for the function's SDKs.
    endpoint: String,
    /// The karin binary, for its internal subcommands.
    karin: Option<PathBuf>,
}

impl LocalSpec {
    fn arn(&self) -> String {
        let (region, account) = (self.identity.region(), self.identity.account());
        format!("arn:aws:lambda:{region}:{account}:function:{}", self.name)
    }

    /// Why the function cannot be started at all, if that can be seen.
    fn problem(&self) -> Option<String> {
        if !self.directory.is_dir() {
            return Some(format!("{} is no directory", self.directory.display()));
        }
        let bootstrap = self.directory.join("bootstrap");
        if self.command.is_some() || is_executable(&bootstrap) {
            return None;
        }
        Some(format!("{} is no program (is it executable?)", bootstrap.display()))
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// A local function with its processes. Cheap to clone; all clones share the processes.
#[derive(Debug, Clone)]
pub(super) struct LocalFunction(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    spec: LocalSpec,
    reaper: Reaper,
    /// One permit a process that runs, starts, or comes back from its last event.
    slots: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Processes that wait for an event; the last one is the warmest.
    waiting: Vec<Process>,
    starts: Backoff,
    is_stopped: bool,
}

/// All local functions.
#[derive(Debug)]
pub(super) struct LocalFunctions(Vec<LocalFunction>);

impl LocalFunctions {
    /// The functions of the configuration; `endpoint` is our own URL, `karin` the binary whose
    /// internal subcommands see to it that nothing outlives us (`None`: they are not used).
    pub(super) fn new(
        specs: &[FunctionSpec],
        identity: &Identity,
        endpoint: &str,
        karin: Option<&Path>,
    ) -> Self {
        if specs.is_empty() {
            return Self(Vec::new());
        }
        let reaper = Reaper::start(karin);
        let functions = specs.iter().map(|spec| {
            let spec = LocalSpec {
                name: spec.name.as_str().into(),
                directory: std::path::absolute(&spec.directory)
                    .unwrap_or_else(|_| spec.directory.clone()),
                command: spec.command.clone(),
                timeout: spec.timeout,
                processes: spec.concurrency.unwrap_or_else(processes_default).max(1),
                identity: identity.clone(),
                endpoint: endpoint.to_owned(),
                karin: karin.map(Path::to_path_buf),
            };
            LocalFunction::new(spec, reaper.clone())
        });
        Self(functions.collect())
    }

    /// The function of this name.
    pub(super) fn get(&self, name: &str) -> Option<&LocalFunction> {
        self.0.iter().find(|function| &*function.0.spec.name == name)
    }

    /// Kills all processes; nothing starts any more.
    pub(super) fn stop(&self) {
        self.0.iter().for_each(LocalFunction::stop);
    }
}

fn processes_default() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors).unwrap_or(u32::MAX).max(PROCESSES_MIN)
}

/// A process and its permit.
struct Slot {
    process: Process,
    permit: OwnedSemaphorePermit,
}

impl LocalFunction {
    fn new(spec: LocalSpec, reaper: Reaper) -> Self {
        let slots = Arc::new(Semaphore::new(usize::try_from(spec.processes).unwrap_or(1)));
        let starts = Backoff::new(START_DELAY_MIN, START_DELAY_MAX);
        let state = Mutex::new(State { waiting: Vec::new(), starts, is_stopped: false });
        Self(Arc::new(Pool { spec, reaper, slots, state }))
    }

    /// How long an invocation may take.
    pub(super) fn timeout(&self) -> Duration {
        self.0.spec.timeout
    }

    /// How many processes there may be.
    pub(super) fn processes(&self) -> u32 {
        self.0.spec.processes
    }

    /// Why the function cannot be started, if that can be seen.
    pub(super) fn problem(&self) -> Option<String> {
        self.0.spec.problem()
    }

    /// Runs the function with this event, in a process that waits or in a new one; refuses if none
    /// is ready by `call.start_by`. An event that is handed over is run in the background.
    pub(super) async fn invoke(&self, call: Call) -> Answer {
        let slot = match self.slot(call.start_by).await {
            Ok(slot) => slot,
            Err(answer) => return answer,
        };
        if call.kind == Kind::Wait {
            return self.run(slot, call).await;
        }
        let this = self.clone();
        tokio::spawn(async move {
            let answer = this.run(slot, call).await;
            if !matches!(&answer, Answer::Ran { function_error: None, .. }) {
                let function = &*this.0.spec.name;
                tracing::warn!(function, ?answer, "an event that was handed over failed");
            }
        });
        Answer::HandedOver
    }

    async fn run(&self, first: Slot, call: Call) -> Answer {
        let Call { event, start_by, .. } = call;
        let mut next = Ok(first);
        for _ in 0..OFFERS_MAX {
            let mut slot = match next {
                Ok(slot) => slot,
                Err(answer) => return answer,
            };
            let answer = match slot.process.run(&self.0.spec, event.clone()).await {
                Ran::Success(payload) => Answer::Ran { function_error: None, payload },
                Ran::Failure(payload) => failed(payload),
                Ran::NotTaken => {
                    drop(slot);
                    next = self.slot(start_by).await;
                    continue;
                }
            };
            self.take_back(slot);
            return answer;
        }
        refused(Fault::Transient, "its processes end before they take an event".into())
    }

    /// A process that waits for an event, with a permit.
    async fn slot(&self, start_by: Instant) -> Result<Slot, Answer> {
        let busy = |_| {
            let words = format!("all {} processes are busy", self.0.spec.processes);
            refused(Fault::Throttled, words)
        };
        let permit = Arc::clone(&self.0.slots).acquire_owned();
        let permit = timeout_at(start_by.into(), permit).await.map_err(busy)?;
        let permit = permit.map_err(|_| refused(Fault::Transient, "it is stopping".into()))?;
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
            return Err(refused(Fault::Operator, problem));
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
            Ok(Err(_)) => Err(refused(Fault::Transient, "it is stopping".into())),
            Err(_) => Err(refused(Fault::Throttled, "its process is still starting".into())),
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

    fn stop(&self) {
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

fn refused(fault: Fault, reason: String) -> Answer {
    Answer::Refused(Refusal { fault, reason, retry_after: None })
}

#[cfg(test)]
mod tests;
