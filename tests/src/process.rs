//! A child process whose output is kept and which does not outlive its owner.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// Everything a process printed so far; shared with the threads that read it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output(Arc<Mutex<String>>);

impl Output {
    /// All of it.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn collect(&self, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let output = self.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line);
                output.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
                line.clear();
            }
        })
    }
}

/// A running child; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command`; both its streams are appended to `output`.
    pub(crate) fn spawn(command: &mut Command, output: &Output) -> Self {
        Self::spawn_with(command, Stdio::null(), output)
    }

    /// The same, with this as its standard input.
    pub(crate) fn spawn_with(command: &mut Command, stdin: Stdio, output: &Output) -> Self {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let readers = vec![
            output.collect(child.stdout.take().expect("piped")),
            output.collect(child.stderr.take().expect("piped")),
        ];
        Self { child, readers }
    }

    /// Returns when all it printed is in its output: once it and all who got its streams ended.
    pub(crate) fn read_to_end(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader");
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("waiting for our own child")
    }

    /// Sends a signal; one that is gone gets none.
    pub(crate) fn signal(&self, signal: Signal) {
        let _gone_is_fine = kill_process(Pid::from_child(&self.child), signal);
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) fn kill(&mut self) {
        let _gone_is_fine = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// SIGTERM; returns how the process ended, panics if it does not within `deadline`.
    pub(crate) fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        wait::until_some(deadline, "the end of a process after SIGTERM", || self.ended())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The end of a log, for a panic's message.
pub(crate) fn tail(log: &str) -> String {
    const LINES: usize = 200;
    let skip = log.lines().count().saturating_sub(LINES);
    log.lines().skip(skip).collect::<Vec<_>>().join("\n")
}
