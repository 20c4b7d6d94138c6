//! A real redis-server with the module, in its own directory.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ::redis::{Client, Connection};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Output, Process, tail};
use crate::{artifact, port, wait};

/// A running redis-server; stopped when dropped. `REDIS_SERVER` names another executable (another
/// Redis, or Valkey).
#[derive(Debug)]
pub struct RedisServer {
    directory: TempDir,
    arguments: Vec<String>,
    port: u16,
    output: Output,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts a server with the module (`debug yes`) and with DEBUG allowed, without persistence.
    /// `extra_arguments` go to its command line and win: `&["--appendonly", "yes"]`.
    pub fn start(extra_arguments: &[&str]) -> Self {
        let module = format!("loadmodule {} debug yes", artifact::module().display());
        Self::start_with_config(&module, extra_arguments)
    }

    /// The same without the module.
    pub fn start_without_module(extra_arguments: &[&str]) -> Self {
        Self::start_with_config("", extra_arguments)
    }

    /// Starts a server with these lines in its configuration file and nothing loaded by itself;
    /// socket, port and directory are the harness's.
    pub fn start_with_config(config: &str, extra_arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("redis.conf"), config).expect("redis.conf");
        let arguments = extra_arguments.iter().map(|&a| a.to_owned()).collect();
        let mut server =
            Self { directory, arguments, port: 0, output: Output::default(), process: None };
        for _ in 0..5 {
            server.port = port::free();
            if server.launch() {
                return server;
            }
        }
        panic!("redis-server does not start:\n{}", tail(&server.log()));
    }

    /// Starts a replica of `master` with the module; returns when it has the master's data.
    pub fn start_replica_of(master: &Self, extra_arguments: &[&str]) -> Self {
        let port = master.port.to_string();
        let mut arguments = vec!["--replicaof", "127.0.0.1", &port];
        arguments.extend(extra_arguments);
        let replica = Self::start(&arguments);
        replica.wait_for_link();
        replica
    }

    /// Returns when this replica has its master's data and follows it.
    pub fn wait_for_link(&self) {
        wait::until(wait::PATIENCE, "the replica's link", || {
            self.info("replication").contains("master_link_status:up")
        });
    }

    /// Returns when this replica, or replica of a replica, has applied all that `master` had
    /// written before the call.
    pub fn catch_up_with(&self, master: &Self) {
        let offset = master.info_number("replication", "master_repl_offset");
        self.wait_for_link();
        wait::until(wait::PATIENCE, "the replica's offset", || {
            self.info_number("replication", "slave_repl_offset") >= offset
        });
    }

    /// A new connection over the socket.
    pub fn connection(&self) -> Connection {
        self.try_connection().unwrap_or_else(|e| panic!("{}: {e}", self.url()))
    }

    /// `unix://…`, for the gateway and the redis crate.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket_path().display())
    }

    /// `redis://127.0.0.1:…`.
    pub fn tcp_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its Unix socket.
    pub fn socket_path(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// Its loopback port; kept over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its files are: `redis.conf`, `dump.rdb`, `appendonlydir`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process id. Panics while it is down.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("redis-server is down").id()
    }

    /// What it has logged, over all its lives.
    pub fn log(&self) -> String {
        self.output.text()
    }

    /// The text of `INFO section`.
    pub fn info(&self, section: &str) -> String {
        ::redis::cmd("INFO").arg(section).query(&mut self.connection()).expect("INFO")
    }

    /// A number of `INFO section`; panics if the field is not there.
    pub fn info_number(&self, section: &str, field: &str) -> u64 {
        let info = self.info(section);
        let fields = info.lines().filter_map(|line| line.split_once(':'));
        let number = fields.into_iter().find(|(name, _)| *name == field);
        number
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("no number {field} in {info}"))
    }

    /// Returns when no rewrite of the append-only file runs or is to run, and the last was good.
    pub fn wait_for_rewrite(&self) {
        wait::until(wait::PATIENCE, "the rewrite of the append-only file", || {
            self.info_number("persistence", "aof_rewrite_in_progress") == 0
                && self.info_number("persistence", "aof_rewrite_scheduled") == 0
        });
        assert!(self.info("persistence").contains("aof_last_bgrewrite_status:ok"));
    }

    /// Returns when this replica's append-only file has what it synchronised: it writes the file
    /// anew then, and a restart before that would find the one of before.
    pub fn wait_for_own_file(&self) {
        wait::until(wait::PATIENCE, "the replica's file", || {
            self.info_number("persistence", "aof_rewrites") > 0
        });
        self.wait_for_rewrite();
    }

    /// SIGKILL; returns when it is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// SIGTERM, at which Redis saves what it is configured to; returns when it is gone.
    pub fn terminate(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate(wait::PATIENCE);
        }
    }

    /// SIGSTOP: it is there and does not answer.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: it goes on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it if it runs, and starts it with the same directory, port and arguments; returns
    /// when it answers.
    pub fn restart(&mut self) {
        self.process = None;
        assert!(self.launch(), "redis-server does not restart:\n{}", tail(&self.log()));
    }

    /// Runs redis-cli with these arguments; returns its standard output, trimmed.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(self.socket_path()).args(arguments);
        let output = command.output().unwrap_or_else(|e| panic!("redis-cli: {e}"));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("redis-server is down").signal(signal);
    }

    fn try_connection(&self) -> ::redis::RedisResult<Connection> {
        Client::open(self.url())?.get_connection()
    }

    /// False when the process ended before it answered.
    fn launch(&mut self) -> bool {
        let mut process = Process::spawn(&mut self.command(), &self.output);
        let mut ended = false;
        wait::until(wait::PATIENCE, "redis-server's answer to PING", || {
            ended = process.ended().is_some();
            ended || self.answers()
        });
        self.process = Some(process);
        !ended
    }

    fn command(&self) -> Command {
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let mut command = Command::new(program);
        command.arg(self.directory.path().join("redis.conf"));
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        command.arg("--unixsocket").arg(self.socket_path()).args(["--unixsocketperm", "700"]);
        command.arg("--dir").arg(self.directory.path());
        command.args(["--save", "", "--enable-debug-command", "yes"]);
        command.args(["--enable-module-command", "yes", "--daemonize", "no", "--logfile", ""]);
        command.args(&self.arguments);
        command
    }

    /// Up and loaded; a server that wants a password is up as well.
    fn answers(&self) -> bool {
        let Ok(mut connection) = self.try_connection() else { return false };
        match ::redis::cmd("PING").query::<String>(&mut connection) {
            Ok(_) => true,
            Err(error) => matches!(error.code(), Some("NOAUTH" | "NOPERM")),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.process = None;
        let log = self.log();
        let crashed = log.contains("REDIS BUG REPORT") || log.contains("panicked at");
        let mut message = String::new();
        let _infallible = write!(message, "redis-server's log:\n{}", tail(&log));
        if std::thread::panicking() {
            eprintln!("{message}");
        } else {
            assert!(!crashed, "redis-server crashed, or the module panicked; {message}");
        }
    }
}
