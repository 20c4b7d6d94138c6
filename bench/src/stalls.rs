//! How long the server answers nobody while a command meets 1,000,000 messages: one connection
//! sends PING after PING, another one the command.
//!
//! A PING is late also because the server or the client has no CPU, which on two cores happens as
//! soon as a third thread works (the one that frees what UNLINK took away). Linux counts that time;
//! it is taken off each PING. The command's own time is the server's (SLOWLOG), waits and all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::{Connection, RedisError};

use crate::Effort;
use crate::gauge;
use crate::report::{Row, median};
use crate::resp::{Wire, prepared};
use crate::scenarios::{self, Scenario};
use crate::sched::Waits;

/// What PING may take, less what it waited for a CPU.
const PING_GOAL_MS: f64 = 2.0;
/// How long PING is measured before a command, and after it (freeing goes on in a thread).
const IDLE: Duration = Duration::from_millis(100);
/// Beyond the number of calls a scenario makes.
const SLOWLOG_ENTRIES: &str = "20000";
/// What the slow log leaves out.
const SLOWLOG_FROM_US: u64 = 10;

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    scenarios::ALL.iter().map(|scenario| row(scenario, effort)).collect()
}

fn row(scenario: &Scenario, effort: &Effort) -> Row {
    let what = format!("1e6 messages, {}: longest time without an answer", scenario.what);
    let runs: Result<Vec<Run>, RedisError> =
        (0..effort.repetitions).map(|_| measure(scenario)).collect();
    let runs = match runs {
        Ok(runs) => runs,
        Err(error) => return Row::unsupported(&what, &error),
    };
    let middle = |of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
    let (ping_ms, own_ms) = (middle(|run| run.pings.longest_ms), middle(|run| run.own_ms));
    Row {
        what,
        reference: format!("idle: PING {:.2} ms", middle(|run| run.idle.longest_ms)),
        candidate: format!("the command {own_ms:.2} ms, PING {ping_ms:.2} ms"),
        ratio: format!("PING with waits for a CPU {:.2} ms", middle(|run| run.pings.with_waits_ms)),
        noise: format!("idle {:.2} ms", middle(|run| run.idle.with_waits_ms)),
        goal: scenario.goal_ms.map_or_else(String::new, |goal_ms| format!("≤ {goal_ms} ms")),
        // A PING waits for all of a command, so what a command took longer, it had no CPU.
        met: (scenario.goal_ms)
            .map(|goal_ms| own_ms.min(ping_ms) <= goal_ms && ping_ms <= PING_GOAL_MS),
    }
}

/// What one command did to a server of its own.
#[derive(Debug)]
struct Run {
    idle: Pings,
    pings: Pings,
    /// The longest call of the command.
    own_ms: f64,
}

/// The longest PING.
#[derive(Debug, Clone, Copy)]
struct Pings {
    /// Of those times less the waits for a CPU.
    longest_ms: f64,
    /// As the client saw it.
    with_waits_ms: f64,
}

/// Errors: the server does not have the command.
fn measure(scenario: &Scenario) -> Result<Run, RedisError> {
    let redis = RedisServer::start(&["--slowlog-max-len", SLOWLOG_ENTRIES]);
    let mut connection = redis.connection();
    (scenario.prepare)(&mut connection)?;
    // What the preparation left to be freed is not the command's.
    thread::sleep(IDLE);
    let slow = format!("CONFIG SET slowlog-log-slower-than {SLOWLOG_FROM_US}");
    gauge::run(&mut connection, &slow);
    gauge::run(&mut connection, "SLOWLOG RESET");
    let (idle, ()) = while_pinging(&redis, || thread::sleep(IDLE));
    let (pings, acted) = while_pinging(&redis, || {
        let acted = (scenario.act)(&mut connection);
        thread::sleep(IDLE);
        acted
    });
    acted?;
    wait::until(wait::PATIENCE, "the freeing thread", || gauge::freeing(&mut connection) < 1.0);
    Ok(Run { idle, pings, own_ms: longest_own_ms(&mut connection, scenario.command) })
}

/// The longest PING on a connection of its own while `work` runs, and what that gave.
fn while_pinging<T>(redis: &RedisServer, work: impl FnOnce() -> T) -> (Pings, T) {
    const WARM: usize = 100;
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        let prober = scope.spawn(|| {
            let mut wire = Wire::open(redis);
            let waits = Waits::of(redis);
            let ping = prepared(&["PING"]);
            let mut pings = Pings { longest_ms: 0.0, with_waits_ms: 0.0 };
            while !stop.load(Ordering::Relaxed) {
                let waited_ns = waits.total_ns();
                let started = Instant::now();
                wire.again(&ping);
                wire.flush();
                wire.done();
                let elapsed = started.elapsed();
                let waited = Duration::from_nanos(waits.total_ns().saturating_sub(waited_ns));
                if count.fetch_add(1, Ordering::Relaxed) > WARM {
                    pings.longest_ms =
                        pings.longest_ms.max(milliseconds(elapsed.saturating_sub(waited)));
                    pings.with_waits_ms = pings.with_waits_ms.max(milliseconds(elapsed));
                }
            }
            pings
        });
        wait::until(wait::PATIENCE, "pings", || count.load(Ordering::Relaxed) > WARM);
        let given = work();
        stop.store(true, Ordering::Relaxed);
        (prober.join().expect("the prober"), given)
    })
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The longest call of a command in the slow log; what the log leaves out, of none.
fn longest_own_ms(connection: &mut Connection, command: &str) -> f64 {
    let entries: Vec<Vec<redis::Value>> =
        redis::cmd("SLOWLOG").arg("GET").arg(-1).query(connection).expect("SLOWLOG");
    let longest_us = entries.into_iter().filter_map(|entry| {
        // Number, time, microseconds, arguments, and two more.
        let [_, _, us, arguments, ..] = <[_; 6]>::try_from(entry).expect("an entry");
        let us: u64 = redis::from_redis_value(us).expect("microseconds");
        let arguments: Vec<Vec<u8>> = redis::from_redis_value(arguments).expect("arguments");
        arguments.first()?.eq_ignore_ascii_case(command.as_bytes()).then_some(us)
    });
    longest_us.max().unwrap_or(SLOWLOG_FROM_US) as f64 / 1_000.0
}
