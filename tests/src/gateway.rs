//! The real `karin` binary.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::http::Client;
use crate::process::{Output, Process, tail};
use crate::redis::RedisServer;
use crate::{artifact, port, wait};

const LISTENING: &str = "karin is listening on http://";

/// A running gateway; killed when dropped, which fails the test if it logged an error, unless
/// [`Gateway::tolerate_errors`] was called.
#[derive(Debug)]
pub struct Gateway {
    /// Home and, for an embedded Redis, the data.
    directory: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    port: u16,
    /// Handed over at each start, as systemd does it; karin binds its own where there is none.
    socket: Option<TcpListener>,
    program: PathBuf,
    output: Output,
    process: Option<Process>,
    errors_tolerated: bool,
}

impl Gateway {
    /// Starts karin on `redis`; returns when it listens. It keeps its port over restarts.
    pub fn start(redis: &RedisServer, arguments: &[&str]) -> Self {
        let url = redis.url();
        let mut all = vec!["--redis-url", &url];
        all.extend(arguments);
        Self::start_with(&all, &[])
    }

    /// Starts karin with a Redis of its own in a directory of its own.
    pub fn start_embedded(arguments: &[&str]) -> Self {
        let module = artifact::module().display().to_string();
        let mut all = vec!["--module", &module];
        all.extend(arguments);
        Self::start_with(&all, &[])
    }

    /// Starts karin with exactly these arguments (and `--listen`; without `--redis-url` also
    /// `--data-dir`), and these variables in its environment.
    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_at(port::free(), None, arguments, environment)
    }

    /// Starts this karin, which has all it needs where it is, with a Redis of its own.
    pub fn start_installed(program: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut gateway = Self {
            directory,
            arguments: Vec::new(),
            environment: Vec::new(),
            port: port::free(),
            socket: None,
            program: program.to_owned(),
            output: Output::default(),
            process: None,
            errors_tolerated: false,
        };
        gateway.launch();
        gateway
    }

    /// The same on a socket of ours, which stays open while it is down.
    pub fn start_on_socket(arguments: &[&str]) -> Self {
        let port = port::free();
        let socket = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        Self::start_at(port, Some(socket), arguments, &[])
    }

    fn start_at(
        port: u16,
        socket: Option<TcpListener>,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        let given = |option: &str| arguments.iter().any(|a| a == option);
        if !given("--redis-url") && !given("--data-dir") {
            let data = directory.path().join("data").display().to_string();
            arguments.extend(["--data-dir".to_owned(), data]);
        }
        let environment = environment.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let mut gateway = Self {
            directory,
            arguments,
            environment,
            port,
            socket,
            program: artifact::gateway(),
            output: Output::default(),
            process: None,
            errors_tolerated: false,
        };
        gateway.launch();
        gateway
    }

    /// `http://127.0.0.1:…`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A raw HTTP client for it.
    pub fn http(&self) -> Client {
        Client::new(self.port)
    }

    /// Its home directory; with an embedded Redis `data` in it is the data directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process id. Panics while it is down.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("karin is down").id()
    }

    /// What it has printed, to both streams, over all its lives.
    pub fn log(&self) -> String {
        self.output.text()
    }

    /// From now on an error in its log does not fail the test.
    pub fn tolerate_errors(&mut self) {
        self.errors_tolerated = true;
    }

    /// SIGKILL; returns when it is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// SIGTERM; returns how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("karin is down");
        process.terminate(wait::PATIENCE)
    }

    /// SIGTERM, and on.
    pub fn ask_to_stop(&self) {
        self.process.as_ref().expect("karin is down").signal(Signal::TERM);
    }

    /// SIGUSR1: it reads AWS and reports.
    pub fn ask_to_report(&self) {
        self.process.as_ref().expect("karin is down").signal(Signal::USR1);
    }

    /// SIGSTOP: it is there and does not answer.
    pub fn freeze(&self) {
        self.process.as_ref().expect("karin is down").signal(Signal::STOP);
    }

    /// SIGCONT: it goes on.
    pub fn thaw(&self) {
        self.process.as_ref().expect("karin is down").signal(Signal::CONT);
    }

    /// How it ended by itself, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(Process::ended)
    }

    /// Kills it if it runs and starts it again as it was; returns when it listens.
    pub fn restart(&mut self) {
        self.process = None;
        self.launch();
    }

    fn launch(&mut self) {
        let start = self.log().len();
        let (mut command, stdin) = match &self.socket {
            None => {
                let mut command = clean(Command::new(&self.program), self.directory.path());
                command.arg("--listen").arg(format!("127.0.0.1:{}", self.port));
                (command, Stdio::null())
            }
            Some(socket) => {
                let socket = OwnedFd::from(socket.try_clone().expect("the socket"));
                (command_with_socket(self.directory.path()), Stdio::from(socket))
            }
        };
        command.args(&self.arguments);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        let mut process = Process::spawn_with(&mut command, stdin, &self.output);
        let address = wait::until_some(wait::PATIENCE, "karin's listening line", || {
            let ended = process.ended();
            let log = self.log();
            let address = listening_address(log.get(start..).unwrap_or_default());
            assert!(ended.is_none() || address.is_some(), "karin ended: {ended:?}\n{}", tail(&log));
            address
        });
        assert_eq!(address, format!("127.0.0.1:{}", self.port), "karin listens where it was told");
        self.process = Some(process);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process = None;
        let log = self.log();
        let logged_error = log.lines().any(|l| l.contains(" ERROR ") || l.contains("panicked at"));
        if std::thread::panicking() {
            eprintln!("karin's log:\n{}", tail(&log));
        } else {
            assert!(
                self.errors_tolerated || !logged_error,
                "karin logged an error:\n{}",
                tail(&log)
            );
        }
    }
}

/// What a run of karin that is expected to end by itself gave.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub status: ExitStatus,
    /// Both streams.
    pub output: String,
}

/// Runs karin with these arguments until it ends by itself, as it does after `--help` or a wrong
/// option; panics when it does not.
pub fn run(arguments: &[&str]) -> Run {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = Output::default();
    let mut process = Process::spawn(command(directory.path()).args(arguments), &output);
    let what = format!("the end of karin {arguments:?}");
    let status = wait::until_some(wait::PATIENCE, &what, || process.ended());
    process.read_to_end();
    Run { status, output: output.text() }
}

/// A command of karin's that goes on until it is dropped.
#[derive(Debug)]
pub struct Follower {
    output: Output,
    process: Process,
    _directory: TempDir,
}

impl Follower {
    /// Starts karin with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let output = Output::default();
        let process = Process::spawn(command(directory.path()).args(arguments), &output);
        Self { output, process, _directory: directory }
    }

    /// What it has printed so far, to both streams.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// SIGINT; returns when it has ended.
    pub fn interrupt(mut self) -> String {
        self.process.signal(Signal::INT);
        wait::until(wait::PATIENCE, "the end", || self.process.ended().is_some());
        self.process.read_to_end();
        self.output.text()
    }
}

/// karin with a clean environment: no credentials, no configuration, no metadata service.
fn command(home: &Path) -> Command {
    clean(Command::new(artifact::gateway()), home)
}

/// The same, and standard input is the socket it is handed over, where systemd puts it.
fn command_with_socket(home: &Path) -> Command {
    let mut command = Command::new("sh");
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    command.args(["-c", script]).arg(artifact::gateway());
    clean(command, home)
}

fn clean(mut command: Command, home: &Path) -> Command {
    command.env_clear().current_dir(home).env("HOME", home);
    for name in ["PATH", "TMPDIR", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    if let Some(server) = std::env::var_os("REDIS_SERVER") {
        command.env("KARIN_REDIS_SERVER", server);
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("RUST_BACKTRACE", "1");
    command
}

/// The address in karin's listening line, once the line is complete.
pub fn listening_address(log: &str) -> Option<String> {
    let (_, rest) = log.split_once(LISTENING)?;
    let (address, _) = rest.split_once(|c: char| c.is_whitespace() || c == '/')?;
    Some(address.to_owned())
}
