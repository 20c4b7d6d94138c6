//! What the server says of itself, and queues filled for a measurement.

use std::time::Instant;

use karin_tests::redis::RedisServer;
use redis::{Connection, RedisResult};

use crate::load::Cost;

/// The queue of every measurement that needs one.
pub(crate) const QUEUE: &str = "karin:{q}";

/// The FIFO queue.
pub(crate) const FIFO_QUEUE: &str = "karin:{q.fifo}";

/// Messages of one SENDM or POPDUE while a queue is prepared.
pub(crate) const BATCH: usize = 1_000;

/// A message of 100 bytes.
pub(crate) fn body() -> String {
    "x".repeat(100)
}

/// Seconds of CPU the threads of a process took so far, in user and kernel. Linux only.
pub(crate) fn process_cpu_s(process: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("/proc/…/task");
    let nanoseconds = threads.flatten().map(|thread| {
        // "<ns on a CPU> <ns waiting for one> <times>"; a thread may have ended meanwhile.
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0)
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// What one of the things costs that `load` does, which returns how many it did in a second.
pub(crate) async fn cost_of(server: u32, load: impl Future<Output = f64>) -> Cost {
    let (before_s, started) = (process_cpu_s(server), Instant::now());
    let rate = load.await;
    let count = rate * started.elapsed().as_secs_f64();
    Cost { rate, cpu_us: (process_cpu_s(server) - before_s) * 1e6 / count }
}

/// What a process has in memory, bytes. Linux only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessMemory {
    /// All its pages.
    pub(crate) resident: f64,
    /// Those that are its own and no file's.
    pub(crate) anonymous: f64,
}

impl ProcessMemory {
    pub(crate) fn of(process: u32) -> Self {
        let path = format!("/proc/{process}/status");
        let status = std::fs::read_to_string(path).expect("/proc/…/status");
        let bytes = |name| field(&status.replace(" kB", ""), name) * 1_024.0;
        Self { resident: bytes("VmRSS:"), anonymous: bytes("RssAnon:") }
    }
}

/// Seconds of CPU the server took so far, all its threads, in user and kernel.
pub(crate) fn cpu_s(connection: &mut Connection) -> f64 {
    let info = info(connection, "cpu");
    field(&info, "used_cpu_user:") + field(&info, "used_cpu_sys:")
}

/// Microseconds the server spent inside a command so far.
pub(crate) fn command_us(connection: &mut Connection, command: &str) -> f64 {
    let info = info(connection, "commandstats").to_ascii_lowercase();
    let name = format!("cmdstat_{}:", command.to_ascii_lowercase());
    let Some(line) = info.lines().find_map(|line| line.strip_prefix(&name)) else { return 0.0 };
    let us = line.split(',').find_map(|part| part.strip_prefix("usec="));
    us.and_then(|us| us.parse().ok()).expect("usec")
}

/// How often the server ran a command so far.
pub(crate) fn calls(connection: &mut Connection, command: &str) -> usize {
    let info = info(connection, "commandstats").to_ascii_lowercase();
    let name = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&name));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

/// The server's `used_memory`.
pub(crate) fn used_bytes(connection: &mut Connection) -> f64 {
    field(&info(connection, "memory"), "used_memory:")
}

/// Values handed to the thread that frees, and not freed yet.
pub(crate) fn freeing(connection: &mut Connection) -> f64 {
    field(&info(connection, "memory"), "lazyfree_pending_objects:")
}

/// Clients waiting in a blocking command.
pub(crate) fn blocked(connection: &mut Connection) -> f64 {
    field(&info(connection, "clients"), "blocked_clients:")
}

fn info(connection: &mut Connection, section: &str) -> String {
    redis::cmd("INFO").arg(section).query(connection).expect("INFO")
}

fn field(info: &str, name: &str) -> f64 {
    let value = info.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

/// Sends `count` messages of 100 bytes, each with these options (`DELAY 60`) after its body.
pub(crate) fn fill(connection: &mut Connection, key: &str, count: usize, options: &[&str]) {
    fill_each(connection, key, count, |_| options.iter().map(|&o| o.to_owned()).collect())
        .expect("SENDM");
}

/// The same with options of the n-th message's own.
pub(crate) fn fill_each(
    connection: &mut Connection,
    key: &str,
    count: usize,
    options: impl Fn(usize) -> Vec<String>,
) -> RedisResult<()> {
    let body = body();
    for first in (0..count).step_by(BATCH) {
        let batch = first..count.min(first + BATCH);
        let mut send = redis::cmd("KARIN.SENDM");
        send.arg(key).arg(batch.len());
        for n in batch {
            send.arg("MSG").arg(&body).arg(options(n));
        }
        send.exec(connection)?;
    }
    Ok(())
}

/// A server as it is when people care for their messages: an append-only file, synced each second.
pub(crate) fn persistent() -> RedisServer {
    RedisServer::start(&["--appendonly", "yes", "--appendfsync", "everysec"])
}

/// The same, and one without persistence, to see what of a figure is the file's.
pub(crate) fn servers() -> [(&'static str, RedisServer); 2] {
    [("AOF everysec", persistent()), ("no AOF", RedisServer::start(&[]))]
}

/// Runs a command that is only prepared for, not measured.
pub(crate) fn run(connection: &mut Connection, command: &str) {
    try_run(connection, command).unwrap_or_else(|e| panic!("{command}: {e}"));
}

/// The same of one that the server may not have.
pub(crate) fn try_run(connection: &mut Connection, command: &str) -> RedisResult<()> {
    let mut words = command.split(' ');
    let mut built = redis::cmd(words.next().expect("a command"));
    built.arg(words.collect::<Vec<_>>()).exec(connection)
}
