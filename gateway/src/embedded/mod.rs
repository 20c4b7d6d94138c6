//! karin's own Redis: a `redis-server` with the module, on a Unix socket in the data directory.
//!
//! It is started again when it dies, with growing pauses; when it dies too often karin ends and
//! shows the last lines of its log. It stops with karin, also when karin is killed
//! ([`crate::exec`]).

mod files;
mod memory;
mod orphan;

use std::{
    collections::VecDeque,
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    select,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    data_dir::DataDir,
    exec,
    shutdown::{self, Shutdown, Stop},
};
use files::Files;
use orphan::Found;

/// So many deaths within [`DEATHS_WITHIN`] are too many.
const DEATHS_MAX: usize = 5;
/// See [`DEATHS_MAX`].
const DEATHS_WITHIN: Duration = Duration::from_mins(1);
/// The pause before the first restart; each further one within the minute is twice as long.
const RESTART_PAUSE: Duration = Duration::from_millis(50);
/// How long karin waits for it to answer before it listens anyway: a large file takes long to
/// load, and clients are better told to come again than left waiting.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is asked whether it answers, while starting.
const READY_PAUSE: Duration = Duration::from_millis(5);
/// How long it may take to write out what it has and stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What to run.
#[derive(Debug)]
pub(crate) struct EmbeddedOptions {
    /// The `redis-server` program.
    pub(crate) server: PathBuf,
    /// The module's file.
    pub(crate) module: PathBuf,
    /// Our own binary, for [`exec::command`].
    pub(crate) karin: PathBuf,
}

/// Why it does not run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EmbeddedError {
    /// There is no such program.
    #[error(
        "{0} is not installed; install it (apt-get install redis-server), name it with \
         --redis-server, or give a running Redis with --redis-url"
    )]
    NoServer(String),
    /// There is no such module.
    #[error("there is no module at {0}; name it with --module")]
    NoModule(String),
    /// Another server is on our socket.
    #[error("another Redis is on {socket}: {why}; stop it or choose another --data-dir")]
    Foreign {
        /// The socket.
        socket: String,
        /// What is known of it.
        why: String,
    },
    /// It dies again and again.
    #[error(
        "redis-server died {DEATHS_MAX} times within a minute; its last lines ({log}):\n{lines}"
    )]
    Dying {
        /// The log's path.
        log: String,
        /// Its end.
        lines: String,
    },
    /// A file cannot be written.
    #[error("the embedded Redis cannot be set up: {0}")]
    Io(String),
}

/// The running server.
#[derive(Debug)]
pub(crate) struct Embedded {
    socket: PathBuf,
    stop: Stop,
    failed: watch::Receiver<Option<EmbeddedError>>,
    supervisor: JoinHandle<()>,
}

impl Embedded {
    /// Starts it, or adopts the one an earlier karin left, and waits until it is ready.
    pub(crate) async fn start(
        data: &DataDir,
        options: EmbeddedOptions,
    ) -> Result<Self, EmbeddedError> {
        let io = |error: io::Error| EmbeddedError::Io(error.to_string());
        let files = Files::in_directory(data.path()).map_err(io)?;
        let adopted = match orphan::find(&files).await {
            Found::Nobody => None,
            Found::Ours(process) => Some(process),
            Found::Foreign(why) => {
                return Err(EmbeddedError::Foreign { socket: shown(&files.socket), why });
            }
        };
        if !is_program(&options.server) {
            return Err(EmbeddedError::NoServer(shown(&options.server)));
        }
        let module = options.module.canonicalize();
        let module = module.map_err(|_| EmbeddedError::NoModule(shown(&options.module)))?;
        files.write_config(&module, memory::maxmemory_bytes()).map_err(io)?;
        let (stop, stopped) = shutdown::channel();
        let (failure, failed) = watch::channel(None);
        let socket = files.socket.clone();
        let supervisor = Supervisor { files: files.clone(), options, failure };
        let supervisor = tokio::spawn(supervisor.run(adopted, stopped));
        let embedded = Self { socket, stop, failed, supervisor };
        embedded.ready(&files).await?;
        Ok(embedded)
    }

    /// Where the socket of the one in a data directory is, whether it runs or not.
    pub(crate) fn socket_in(data_dir: &Path) -> io::Result<PathBuf> {
        Ok(Files::in_directory(&data_dir.canonicalize()?)?.socket)
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns when it has died too often.
    pub(crate) async fn failed(&self) -> EmbeddedError {
        let mut failed = self.failed.clone();
        let error = failed.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        match error {
            Some(error) => error,
            // The supervisor ended because it was told to.
            None => std::future::pending().await,
        }
    }

    /// Stops it; returns when it is gone.
    pub(crate) async fn stop(self) {
        self.stop.request();
        // An error would be a panic of the supervisor, which the log has.
        let _ = self.supervisor.await;
    }

    async fn ready(&self, files: &Files) -> Result<(), EmbeddedError> {
        let answered = async {
            while !orphan::is_ready(files).await {
                sleep(READY_PAUSE).await;
            }
        };
        select! {
            result = timeout(READY_TIMEOUT, answered) => {
                if result.is_err() {
                    tracing::warn!("the embedded Redis takes its time");
                }
                Ok(())
            }
            error = self.failed() => Err(error),
        }
    }
}

struct Supervisor {
    files: Files,
    options: EmbeddedOptions,
    failure: watch::Sender<Option<EmbeddedError>>,
}

/// The server as a process: our child, or one we adopted.
enum Server {
    Child(Child),
    Adopted { process: Pid, socket: PathBuf },
}

impl Supervisor {
    async fn run(self, adopted: Option<Pid>, stop: Shutdown) {
        let mut deaths: VecDeque<Instant> = VecDeque::new();
        let socket = self.files.socket.clone();
        let mut server = adopted.map(|process| Server::Adopted { process, socket });
        if let Some(process) = adopted {
            let process = process.as_raw_nonzero();
            tracing::info!(process, "adopted the Redis an earlier karin left");
        }
        loop {
            let mut running = match server.take().map_or_else(|| self.spawn(), Ok) {
                Ok(running) => running,
                Err(error) => {
                    self.failure.send_replace(Some(EmbeddedError::Io(error.to_string())));
                    return;
                }
            };
            select! {
                how = running.ended() => {
                    tracing::warn!("the embedded Redis ended: {how}");
                }
                () = stop.requested() => return running.stop().await,
            }
            let now = Instant::now();
            deaths.push_back(now);
            while deaths.front().is_some_and(|at| now.duration_since(*at) > DEATHS_WITHIN) {
                deaths.pop_front();
            }
            if deaths.len() >= DEATHS_MAX {
                let (log, lines) = (shown(&self.files.log), self.files.log_tail());
                self.failure.send_replace(Some(EmbeddedError::Dying { log, lines }));
                return;
            }
            let doublings = u32::try_from(deaths.len() - 1).unwrap_or_default();
            select! {
                () = sleep(RESTART_PAUSE * 2_u32.pow(doublings)) => {}
                () = stop.requested() => return,
            }
        }
    }

    /// Must run on a thread that lives as long as karin: see [`exec::command`].
    fn spawn(&self) -> io::Result<Server> {
        let log = self.files.open_log()?;
        let mut command = exec::command(&self.options.karin, "TERM", &self.options.server);
        command.arg(&self.files.config).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        // An interrupt typed at the terminal is for karin, which stops its Redis last.
        command.process_group(0);
        Command::from(command).spawn().map(Server::Child)
    }
}

impl Server {
    /// Returns when it has ended, and how.
    async fn ended(&mut self) -> String {
        match self {
            Self::Child(child) => match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            },
            Self::Adopted { process, socket } => {
                orphan::ended(*process, socket).await;
                "it was not our child, so nobody knows why".to_owned()
            }
        }
    }

    async fn stop(mut self) {
        self.signal(Signal::TERM);
        if timeout(STOP_TIMEOUT, self.ended()).await.is_err() {
            tracing::warn!("the embedded Redis does not stop; it is killed");
            self.signal(Signal::KILL);
            self.ended().await;
        }
    }

    fn signal(&self, signal: Signal) {
        let process = match self {
            Self::Child(child) => {
                child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
            }
            Self::Adopted { process, .. } => Some(*process),
        };
        if let Some(process) = process {
            // Gone already is as good.
            let _ = kill_process(process, signal);
        }
    }
}

/// Whether there is such a file, or such a name in the PATH.
pub(crate) fn is_program(program: &Path) -> bool {
    if program.components().count() > 1 {
        return program.is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
