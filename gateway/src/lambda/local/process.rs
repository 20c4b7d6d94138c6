//! One process of a local function: its start, its invocations, its end.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::header::HeaderValue;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::exec;
use crate::hex;
use crate::lambda::local::LocalSpec;
use crate::lambda::local::call::LocalCall;
use crate::lambda::local::environment::variables;
use crate::lambda::local::reaper::Reaper;
use crate::lambda::local::runtime_api::{Invocation, Phase, RESPONSE_BYTES_MAX, Reply, RuntimeApi};

/// How long a process may take from its start to its first request for an event. Lambda allows
/// 10 s; a laptop that compiles beside it gets more.
const INIT_MAX: Duration = Duration::from_mins(1);
/// A longer line of a function's output is logged in pieces.
const LINE_BYTES_MAX: usize = 16_384;

/// A running process; killed with its whole group when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    api: RuntimeApi,
    group: Arc<Group>,
    exit: watch::Receiver<Option<ExitStatus>>,
}

/// Why a process did not come up, as Lambda would tell an invoker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StartFailure {
    /// The error in JSON.
    pub(super) payload: Bytes,
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

impl Process {
    /// Starts a process and waits until it asks for its first event.
    pub(super) async fn start(spec: &LocalSpec, reaper: &Reaper) -> Result<Self, StartFailure> {
        let process = Self::spawn(spec, reaper).await.map_err(|error| {
            failure("Runtime.InvalidEntrypoint", &format!("it cannot be started: {error}"))
        })?;
        let mut phase = process.api.phase.clone();
        let mut exit = process.exit.clone();
        tokio::select! {
            biased;
            phase = phase.wait_for(|p| matches!(p, Phase::Waiting | Phase::InitFailed(_))) => {
                match phase.as_deref() {
                    Ok(Phase::InitFailed(payload)) => {
                        Err(StartFailure { payload: payload.clone() })
                    }
                    _ => Ok(()),
                }
            }
            exit = exit.wait_for(Option::is_some) => {
                let status = exit.ok().and_then(|status| *status);
                Err(failure("Runtime.ExitError", &exit_message("init", status)))
            }
            () = tokio::time::sleep(INIT_MAX) => {
                Err(failure("Sandbox.Timedout", "it never asked for an event"))
            }
        }?;
        Ok(process)
    }

    async fn spawn(spec: &LocalSpec, reaper: &Reaper) -> std::io::Result<Self> {
        let api = RuntimeApi::start().await?;
        let log_stream = format!("[$LATEST]{}", hex::text(&random::<16>()));
        let mut command = command(spec);
        command
            .env_clear()
            .envs(variables(spec, api.address, &log_stream))
            .current_dir(&spec.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or(std::io::ErrorKind::NotFound)?;
        reaper.watch(id);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(log(spec.name.clone(), stdout, api.phase.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log(spec.name.clone(), stderr, api.phase.clone()));
        }
        let group = Arc::new(Group { id, is_alive: Mutex::new(true) });
        let (exited, exit) = watch::channel(None);
        tokio::spawn(keep(child, Arc::clone(&group), reaper.clone(), exited));
        Ok(Self { api, group, exit })
    }

    /// Runs the function once. `&mut`: one event at a time.
    pub(super) async fn run(
        &mut self,
        spec: &LocalSpec,
        call: &LocalCall,
        request_id: &str,
    ) -> Ran {
        let (answer, mut reply) = oneshot::channel();
        let timeout = call.timeout.unwrap_or(spec.timeout).min(spec.timeout);
        let deadline = Instant::now() + timeout;
        let invocation = Invocation {
            request_id: request_id.to_owned(),
            deadline_ms: epoch_ms(SystemTime::now() + timeout),
            function_arn: spec.arn(),
            trace_id: trace_header(call),
            client_context: call.client_context.clone(),
            event: call.event.clone(),
            answer,
        };
        if self.api.invocations.try_send(invocation).is_err() {
            return Ran::NotTaken;
        }
        let mut exit = self.exit.clone();
        let status = tokio::select! {
            biased;
            reply = &mut reply => match reply {
                Ok(reply) => return told(request_id, reply),
                Err(_) => None,
            },
            exit = exit.wait_for(Option::is_some) => exit.ok().and_then(|status| *status),
            () = tokio::time::sleep_until(deadline) => {
                self.group.kill();
                let seconds = timeout.as_secs_f64();
                let words = format!("Error: Task timed out after {seconds:.2} seconds");
                return Ran::Failure(error_of(request_id, "Sandbox.Timedout", &words));
            }
        };
        // It may have answered with its last breath.
        if let Ok(reply) = reply.try_recv() {
            return told(request_id, reply);
        }
        if *self.api.phase.borrow() != Phase::Running(request_id.to_owned()) {
            return Ran::NotTaken;
        }
        Ran::Failure(error_of(request_id, "Runtime.ExitError", &exit_message("Error", status)))
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
        if *self.is_alive.lock().unwrap_or_else(PoisonError::into_inner) {
            let _gone = kill_process_group(self.id, Signal::KILL);
        }
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
    let bootstrap = spec.directory.join("bootstrap");
    let (program, arguments) = match &spec.command {
        None => (bootstrap.as_path(), None),
        Some(text) => (Path::new("sh"), Some(["-c", text.as_str()])),
    };
    let mut command = match &spec.karin {
        None => Command::new(program),
        Some(karin) => exec::command(karin, "KILL", program).into(),
    };
    command.args(arguments.into_iter().flatten());
    command
}

fn told(request_id: &str, reply: Reply) -> Ran {
    match reply {
        Reply::Success(payload) => Ran::Success(payload),
        Reply::Error(payload) => Ran::Failure(payload),
        Reply::TooLarge => {
            let words = format!("Response payload size exceeded {RESPONSE_BYTES_MAX} bytes");
            Ran::Failure(error_of(request_id, "Function.ResponseSizeTooLarge", &words))
        }
    }
}

fn exit_message(what: &str, status: Option<ExitStatus>) -> String {
    match status {
        Some(status) if !status.success() => {
            format!("{what}: Runtime exited with error: {status}")
        }
        _ => format!("{what}: Runtime exited without providing a reason"),
    }
}

fn failure(kind: &str, words: &str) -> StartFailure {
    let json = serde_json::json!({"errorType": kind, "errorMessage": words});
    StartFailure { payload: json.to_string().into() }
}

fn error_of(request_id: &str, kind: &str, words: &str) -> Bytes {
    let message = format!("RequestId: {request_id} {words}");
    let json = serde_json::json!({"errorType": kind, "errorMessage": message});
    json.to_string().into()
}

/// Writes a process's output to our log, a line an entry.
async fn log(function: Arc<str>, stream: impl AsyncRead + Unpin, phase: watch::Receiver<Phase>) {
    let mut reader = BufReader::with_capacity(4_096, stream);
    let mut line = Vec::new();
    loop {
        let Ok(available) = reader.fill_buf().await else { return };
        if available.is_empty() {
            log_line(&function, &line, &phase);
            return;
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let room = LINE_BYTES_MAX.saturating_sub(line.len());
        let taken = end.unwrap_or(available.len()).min(room);
        line.extend_from_slice(available.get(..taken).unwrap_or_default());
        let ends = end == Some(taken);
        reader.consume(taken + usize::from(ends));
        if ends || line.len() >= LINE_BYTES_MAX {
            log_line(&function, &line, &phase);
            line.clear();
        }
    }
}

fn log_line(function: &str, line: &[u8], phase: &watch::Receiver<Phase>) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    if let Phase::Running(request_id) = &*phase.borrow() {
        tracing::info!(target: "karin::function", function, request_id, "{text}");
    } else {
        tracing::info!(target: "karin::function", function, "{text}");
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
    let seconds = epoch_ms(SystemTime::now()) / 1_000;
    let (root, parent) = (hex::text(&random::<12>()), hex::text(&random::<8>()));
    format!("Root=1-{seconds:08x}-{root};Parent={parent};Sampled=0")
}

fn epoch_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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
