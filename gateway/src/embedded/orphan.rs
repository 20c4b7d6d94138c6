//! A Redis that a karin before us left behind.
//!
//! A killed karin's Redis is told to stop by the kernel, but it may take a while, or it may have
//! been adopted before and not be told. Its data is ours; two servers on one append-only file
//! would be the end of it.

use std::{io, path::Path, time::Duration};

use redis::{
    AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo as _, aio::MultiplexedConnection,
};
use rustix::process::{Pid, test_kill_process};
use tokio::{
    io::AsyncReadExt as _,
    net::UnixStream,
    time::{Instant, sleep, timeout},
};

use super::files::Files;

/// How long one question to the server on the socket may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one that stops may take: it writes out what it has.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the end of a process that is not our child is looked for, while it stops.
const STOP_PAUSE: Duration = Duration::from_millis(20);

/// What is on our socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nobody.
    Nobody,
    /// A Redis that an earlier karin started with our configuration; its process id.
    Ours(Pid),
    /// Something else.
    Foreign(String),
}

/// Looks for a server on our files, and waits for one that is stopping to be gone.
pub(super) async fn find(files: &Files) -> Found {
    let deadline = Instant::now() + STOP_TIMEOUT;
    loop {
        if let Some(found) = ask(files).await {
            return found;
        }
        let Some(process) = files.recorded_process().and_then(Pid::from_raw) else {
            return Found::Nobody;
        };
        if !is_redis(process) {
            return Found::Nobody;
        }
        if Instant::now() > deadline {
            let process = process.as_raw_nonzero();
            return Found::Foreign(format!("process {process} holds it and does not answer"));
        }
        sleep(STOP_PAUSE).await;
    }
}

/// Whether the server answers and has loaded its data.
pub(super) async fn is_ready(files: &Files) -> bool {
    info(files).await.is_some_and(|info| info.lines().any(|line| line == "loading:0"))
}

/// Waits for the end of a process that is not our child: it ends our connection when it does, and
/// takes no more.
pub(super) async fn ended(process: Pid, socket: &Path) {
    while test_kill_process(process).is_ok() {
        match UnixStream::connect(socket).await {
            // Nothing was asked, so nothing comes but the end.
            Ok(mut connection) => _ = connection.read_u8().await,
            // A dead process that its parent has not buried still has a number.
            Err(error) if is_nobody(&error) => return,
            Err(_) => {}
        }
        sleep(STOP_PAUSE).await;
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

/// `None`: nobody answers.
async fn ask(files: &Files) -> Option<Found> {
    let info = info(files).await?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
    let config = field("config_file:").unwrap_or_default();
    let process =
        field("process_id:").and_then(|id| id.trim().parse().ok()).and_then(Pid::from_raw);
    if Some(config.trim()) != files.config.to_str() {
        return Some(Found::Foreign(format!("it was started with {config:?}")));
    }
    Some(process.map_or_else(|| Found::Foreign("it hides its process id".to_owned()), Found::Ours))
}

/// What INFO says on our socket; it says so also while it loads its data.
async fn info(files: &Files) -> Option<String> {
    let question = async {
        let target = ConnectionAddr::Unix(files.socket.clone()).into_connection_info().ok()?;
        let stream = UnixStream::connect(&files.socket).await.ok()?;
        let settings = target.redis_settings();
        let config = AsyncConnectionConfig::new();
        let (mut connection, driver) =
            MultiplexedConnection::new_with_config(settings, stream, config).await.ok()?;
        let driver = tokio::spawn(driver);
        let answer =
            redis::cmd("INFO").arg("server").arg("persistence").query_async(&mut connection).await;
        driver.abort();
        answer.ok()
    };
    timeout(ANSWER_TIMEOUT, question).await.ok().flatten()
}

/// Whether the process lives and is a Redis; its number may have passed on to another.
fn is_redis(process: Pid) -> bool {
    if test_kill_process(process).is_err() {
        return false;
    }
    // Where there is no /proc, better wait in vain than start a second one.
    let path = format!("/proc/{}/cmdline", process.as_raw_nonzero());
    std::fs::read(path).map_or(cfg!(not(target_os = "linux")), |line| {
        line.windows(5).any(|word| word == b"redis") || line.windows(6).any(|w| w == b"valkey")
    })
}
