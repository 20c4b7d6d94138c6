//! One process of a local function: its start, its invocations, its end.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::header::HeaderValue;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::epoch::{epoch_ms, now_ms};
use crate::exec;
use crate::hex;
use crate::lambda::local::call::LocalCall;
use crate::lambda::local::environment::variables;
use crate::lambda::local::output::{Output, Report};
use crate::lambda::local::reaper::Reaper;
use crate::lambda::local::runtime_api::{Invocation, Phase, RESPONSE_BYTES_MAX, Reply, RuntimeApi};
use crate::lambda::local::settings::{BOOTSTRAP, LocalSpec};

/// How long a process may take from its start to its first request for an event. Lambda allows
/// 10 s; a laptop that compiles beside it gets more.
const INIT_MAX: Duration = Duration::from_mins(1);

/// The errorType of a function whose program cannot be run.
const ENTRYPOINT: &str = "Runtime.InvalidEntrypoint";
/// How long a process may take to end when it is asked to, as on Lambda.
const END_MAX: Duration = Duration::from_secs(2);

/// A running process; killed with its whole group when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    spec: Arc<LocalSpec>,
    api: RuntimeApi,
    group: Arc<Group>,
    exit: watch::Receiver<Option<ExitStatus>>,
    output: Arc<Output>,
    reaper: Reaper,
    /// How long the start took, until the first invocation.
    init: Option<Duration>,
    /// The most memory it has used, megabytes, and when that was read.
    memory_used: Option<(u64, Instant)>,
}

/// Why a process did not come up, as Lambda would tell an invoker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StartFailure {
    /// The error in JSON.
    pub(super) payload: Bytes,
    /// The end of what it printed.
    pub(super) log_tail: Bytes,
}

/// What came of an invocation in a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// The function answered.
    Success(Bytes),
    /// It failed, one way or another; the error in JSON.
    Failure(Bytes),
    /// The process was gone before it took the event.
    NotTaken,
}

/// How an invocation ended.
enum Told {
    Reply(Reply),
    TimedOut,
    Exited(Option<ExitStatus>),
    NotTaken,
}

impl Process {
    /// Starts a process and waits until it asks for its first event.
    pub(super) async fn start(spec: Arc<LocalSpec>, reaper: &Reaper) -> Result<Self, StartFailure> {
        let begun = Instant::now();
        let mut process = Self::spawn(spec, reaper).await.map_err(|error| {
            let words = format!("it cannot be started: {error}");
            let payload = failure(ENTRYPOINT, &words);
            StartFailure { payload, log_tail: Bytes::new() }
        })?;
        if let Err(payload) = process.come_up().await {
            // What it printed last is in the pipe at the latest when it is gone.
            process.group.kill();
            let log_tail = process.output.so_far();
            return Err(StartFailure { payload, log_tail });
        }
        process.init = Some(begun.elapsed());
        Ok(process)
    }

    async fn come_up(&self) -> Result<(), Bytes> {
        let mut phase = self.api.phase.clone();
        let mut exit = self.exit.clone();
        tokio::select! {
            biased;
            phase = phase.wait_for(|p| matches!(p, Phase::Waiting | Phase::InitFailed(_))) => {
                match phase.as_deref() {
                    Ok(Phase::InitFailed(payload)) => Err(payload.clone()),
                    _ => Ok(()),
                }
            }
            exit = exit.wait_for(Option::is_some) => {
                let status = exit.ok().and_then(|status| *status);
                let code = status.and_then(|status| status.code());
                let is_program = !matches!(code, Some(exec::CANNOT_EXECUTE | exec::NOT_FOUND));
                let kind = if is_program { "Runtime.ExitError" } else { ENTRYPOINT };
                Err(failure(kind, &exit_message("init", status)))
            }
            () = tokio::time::sleep(INIT_MAX) => {
                Err(failure("Sandbox.Timedout", "it never asked for an event"))
            }
        }
    }

    async fn spawn(spec: Arc<LocalSpec>, reaper: &Reaper) -> std::io::Result<Self> {
        let api = RuntimeApi::start().await?;
        let log_stream = format!("[$LATEST]{}", hex::text(&random::<16>()));
        let (output, stdout, stderr) = Output::start(spec.name.clone())?;
        let mut command = command(&spec);
        command
            .env_clear()
            .envs(variables(&spec, api.address, &log_stream))
            .current_dir(&spec.directory)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or(std::io::ErrorKind::NotFound)?;
        reaper.watch(id);
        let group = Arc::new(Group { id, is_alive: Mutex::new(true) });
        let (exited, exit) = watch::channel(None);
        tokio::spawn(keep(child, Arc::clone(&group), reaper.clone(), exited));
        Ok(Self {
            spec,
            api,
            group,
            exit,
            output,
            reaper: reaper.clone(),
            init: None,
            memory_used: None,
        })
    }

    /// Runs the function once; returns also the end of its log. `&mut`: one event at a time.
    pub(super) async fn run(&mut self, call: &LocalCall, request_id: &str) -> (Ran, Bytes) {
        let begun = Instant::now();
        let timeout = self.spec.timeout;
        let timeout = call.timeout.unwrap_or(timeout).min(timeout);
        self.output.begin(request_id);
        let told = {
            let _deadline = self.reaper.deadline(self.group.id, timeout);
            self.told(call, request_id, begun, timeout).await
        };
        let mut report = Report {
            duration: begun.elapsed(),
            init: self.init.take(),
            memory_megabytes: self.spec.memory_megabytes(),
            memory_used_megabytes: self.memory_used_megabytes(),
            failure: None,
        };
        let ran = match told {
            Told::Reply(Reply::Success(payload)) => Ran::Success(payload),
            Told::Reply(Reply::Error(payload)) => Ran::Failure(payload),
            Told::NotTaken => return (Ran::NotTaken, Bytes::new()),
            Told::Reply(Reply::TooLarge) => {
                let words = format!("Response payload size exceeded {RESPONSE_BYTES_MAX} bytes");
                report.failed(request_id, "Function.ResponseSizeTooLarge", words)
            }
            Told::TimedOut => {
                let seconds = timeout.as_secs_f64();
                let words = format!("Error: Task timed out after {seconds:.2} seconds");
                report.failed(request_id, "Sandbox.Timedout", words)
            }
            Told::Exited(status) => {
                report.failed(request_id, "Runtime.ExitError", exit_message("Error", status))
            }
        };
        (ran, self.output.end(request_id, &report))
    }

    async fn told(
        &self,
        call: &LocalCall,
        request_id: &str,
        begun: Instant,
        timeout: Duration,
    ) -> Told {
        let (answer, mut reply) = oneshot::channel();
        let invocation = Invocation {
            request_id: request_id.to_owned(),
            deadline_ms: epoch_ms(SystemTime::now() + timeout),
            function_arn: self.spec.arn(),
            trace_id: trace_header(call),
            client_context: call.client_context.clone(),
            event: call.event.clone(),
            answer,
        };
        if self.api.invocations.try_send(invocation).is_err() {
            return Told::NotTaken;
        }
        let mut exit = self.exit.clone();
        let status = tokio::select! {
            biased;
            reply = &mut reply => match reply {
                Ok(reply) => return Told::Reply(reply),
                Err(_) => None,
            },
            exit = exit.wait_for(Option::is_some) => exit.ok().and_then(|status| *status),
            () = tokio::time::sleep_until(begun + timeout) => {
                self.group.kill();
                return Told::TimedOut;
            }
        };
        // It may have answered with its last breath.
        if let Ok(reply) = reply.try_recv() {
            return Told::Reply(reply);
        }
        if *self.api.phase.borrow() != Phase::Running(request_id.to_owned()) {
            return Told::NotTaken;
        }
        // While we were stopped the reaper did it.
        if begun.elapsed() >= timeout { Told::TimedOut } else { Told::Exited(status) }
    }

    /// The most memory it has used, megabytes; read once a second at most, for reading costs 40 µs.
    fn memory_used_megabytes(&mut self) -> Option<u64> {
        if self.memory_used.is_none_or(|(_, at)| at.elapsed() >= Duration::from_secs(1)) {
            let used = self.group.memory_used_megabytes();
            self.memory_used = used.map(|used| (used, Instant::now()));
        }
        self.memory_used.map(|(used, _)| used)
    }

    /// Whether it runs the function as this says.
    pub(super) fn is_of(&self, spec: &Arc<LocalSpec>) -> bool {
        Arc::ptr_eq(&self.spec, spec)
    }

    /// Asks it to end, and kills it if it does not.
    pub(super) async fn end(self) {
        self.group.signal(Signal::TERM);
        let mut exit = self.exit.clone();
        let _ended = timeout(END_MAX, exit.wait_for(Option::is_some)).await;
    }

    /// Whether it waits for an event.
    pub(super) fn is_waiting(&self) -> bool {
        self.exit.borrow().is_none() && *self.api.phase.borrow() == Phase::Waiting
    }

    /// Returns whether it asks for another event within `patience`.
    pub(super) async fn comes_back(&self, patience: Duration) -> bool {
        let mut phase = self.api.phase.clone();
        let mut exit = self.exit.clone();
        tokio::select! {
            biased;
            waiting = timeout(patience, phase.wait_for(|p| *p == Phase::Waiting)) => {
                matches!(waiting, Ok(Ok(_)))
            }
            _ = exit.wait_for(Option::is_some) => false,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.kill();
    }
}

/// A process group of ours. Its number may be somebody else's once the leader is reaped, so the
/// last kill is the one that follows the reaping at once.
#[derive(Debug)]
struct Group {
    id: Pid,
    is_alive: Mutex<bool>,
}

impl Group {
    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if *self.is_alive.lock().unwrap_or_else(PoisonError::into_inner) {
            let _gone = kill_process_group(self.id, signal);
        }
    }

    /// The most memory its leader has used, megabytes, where the system tells.
    fn memory_used_megabytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id.as_raw_nonzero()));
        let line =
            status.ok()?.lines().find_map(|line| Some(line.strip_prefix("VmHWM:")?.to_owned()));
        let kilobytes: u64 = line?.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kilobytes.div_ceil(1_024))
    }

    fn end(&self) {
        self.kill();
        *self.is_alive.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

async fn keep(
    mut child: Child,
    group: Arc<Group>,
    reaper: Reaper,
    exited: watch::Sender<Option<ExitStatus>>,
) {
    let status = child.wait().await.unwrap_or_default();
    group.end();
    reaper.forget(group.id);
    exited.send_replace(Some(status));
}

/// What to run: `bootstrap`, or the command through a shell; by way of karin itself, which asks the
/// kernel to kill it when the gateway dies.
fn command(spec: &LocalSpec) -> Command {
    let bootstrap = spec.directory.join(BOOTSTRAP);
    let (program, arguments) = match &spec.command {
        None => (bootstrap.as_path(), None),
        Some(text) => (Path::new("sh"), Some(["-c", text.as_str()])),
    };
    let mut command = match &spec.host.karin {
        None => Command::new(program),
        Some(karin) => exec::command_with_memory(karin, "KILL", spec.memory, program).into(),
    };
    command.args(arguments.into_iter().flatten());
    command
}

fn exit_message(what: &str, status: Option<ExitStatus>) -> String {
    match status {
        Some(status) if !status.success() => {
            format!("{what}: Runtime exited with error: {status}")
        }
        _ => format!("{what}: Runtime exited without providing a reason"),
    }
}

fn failure(kind: &str, words: &str) -> Bytes {
    let json = serde_json::json!({"errorType": kind, "errorMessage": words});
    json.to_string().into()
}

impl Report {
    fn failed(&mut self, request_id: &str, kind: &'static str, words: String) -> Ran {
        let payload = failure(kind, &format!("RequestId: {request_id} {words}"));
        self.failure = Some((kind, words));
        Ran::Failure(payload)
    }
}

/// Random bytes; zeros where the system has none, for nothing here is a secret.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _no_secret = getrandom::fill(&mut bytes);
    bytes
}

pub(super) fn uuid() -> String {
    let number = u128::from_be_bytes(random());
    // Version 4, variant 1.
    let number = number & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let text = format!("{number:032x}");
    let part = |range| text.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

/// The given trace header if it can be one: senders write what they like into AWSTraceHeader.
fn trace_header(call: &LocalCall) -> String {
    let given = call.trace_header.as_ref();
    let valid = given.filter(|text| HeaderValue::from_str(text).is_ok());
    valid.cloned().unwrap_or_else(trace_id)
}

fn trace_id() -> String {
    let seconds = now_ms() / 1_000;
    let (root, parent) = (hex::text(&random::<12>()), hex::text(&random::<8>()));
    format!("Root=1-{seconds:08x}-{root};Parent={parent};Sampled=0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_uuids_of_version_4() {
        let (one, other) = (uuid(), uuid());
        assert_ne!(one, other);
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
        assert_eq!(one.matches('-').count(), 4);
    }
}
