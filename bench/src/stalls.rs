//! How long the server answers nobody while a command meets 1,000,000 messages: one connection
//! sends PING after PING, another one the command.
//!
//! PING's time has the scheduler's in it, on two cores more so, and the idle server's beside it
//! tells how much. The command's own time is the server's (SLOWLOG).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::Connection;

use crate::Effort;
use crate::gauge::{self, BATCH, QUEUE};
use crate::report::{Row, median};
use crate::resp::{Wire, prepared};

const MESSAGES: usize = 1_000_000;
/// In flight for RELEASE HOLDER.
const HELD: usize = 100_000;
const HOLDER: &str = "7";
/// How long PING is measured before a command, and after it (freeing goes on in a thread).
const IDLE: Duration = Duration::from_millis(100);
/// Beyond the largest number of calls a scenario makes.
const SLOWLOG_ENTRIES: &str = "20000";

/// What is done to a queue of a million messages.
struct Scenario {
    /// The command's name, and what it meets.
    what: &'static str,
    /// As the slow log has it.
    command: &'static str,
    fill: fn(&mut Connection),
    act: fn(&mut Connection),
    /// For the command and for PING, milliseconds; none for what is documented to take long.
    goal_ms: Option<f64>,
}

const SCENARIOS: [Scenario; 13] = [
    Scenario {
        what: "UNLINK",
        command: "unlink",
        fill: ready,
        act: |c| gauge::run(c, &format!("UNLINK {QUEUE}")),
        goal_ms: Some(1.0),
    },
    Scenario {
        what: "FLUSHALL ASYNC",
        command: "flushall",
        fill: ready,
        act: |c| gauge::run(c, "FLUSHALL ASYNC"),
        goal_ms: Some(2.0),
    },
    Scenario {
        what: "KARIN.PURGE",
        command: "karin.purge",
        fill: ready,
        act: |c| gauge::run(c, &format!("KARIN.PURGE {QUEUE}")),
        goal_ms: Some(2.0),
    },
    Scenario {
        what: "KARIN.POPDUE COUNT 10, 200 times, all became due at once",
        command: "karin.popdue",
        fill: due_at_once,
        act: |c| (0..200).for_each(|_| gauge::run(c, &format!("KARIN.POPDUE {QUEUE} COUNT 10"))),
        goal_ms: Some(2.0),
    },
    Scenario {
        what: "KARIN.POPDUE COUNT 10, 200 times, all expired at once",
        command: "karin.popdue",
        fill: expired_at_once,
        act: |c| (0..200).for_each(|_| gauge::run(c, &format!("KARIN.POPDUE {QUEUE} COUNT 10"))),
        goal_ms: Some(2.0),
    },
    Scenario {
        what: "KARIN.INFO, all became due at once",
        command: "karin.info",
        fill: due_at_once,
        act: |c| gauge::run(c, &format!("KARIN.INFO {QUEUE}")),
        goal_ms: Some(2.0),
    },
    Scenario {
        what: "KARIN.LIST, all became due at once",
        command: "karin.list",
        fill: due_at_once,
        act: |c| gauge::run(c, "KARIN.LIST"),
        goal_ms: Some(2.0),
    },
    Scenario {
        what: "KARIN.SEND, all became due at once",
        command: "karin.send",
        fill: due_at_once,
        act: |c| gauge::run(c, &format!("KARIN.SEND {QUEUE} x")),
        goal_ms: Some(2.0),
    },
    Scenario {
        what: "KARIN.RELEASE HOLDER until 100,000 are given back",
        command: "karin.release",
        fill: held,
        act: release_all,
        goal_ms: Some(2.0),
    },
    Scenario {
        what: "KARIN.RELEASE HOLDER of one that holds none of 100,000",
        command: "karin.release",
        fill: held,
        act: |c| gauge::run(c, &format!("KARIN.RELEASE {QUEUE} HOLDER 8")),
        goal_ms: Some(2.0),
    },
    Scenario {
        what: "DEL (documented)",
        command: "del",
        fill: ready,
        act: |c| gauge::run(c, &format!("DEL {QUEUE}")),
        goal_ms: None,
    },
    Scenario {
        what: "COPY (documented)",
        command: "copy",
        fill: ready,
        act: |c| gauge::run(c, &format!("COPY {QUEUE} copy{QUEUE}")),
        goal_ms: None,
    },
    Scenario {
        what: "DUMP (documented)",
        command: "dump",
        fill: ready,
        act: |c| gauge::run(c, &format!("DUMP {QUEUE}")),
        goal_ms: None,
    },
];

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    SCENARIOS.iter().map(|scenario| measure(scenario, effort)).collect()
}

fn measure(scenario: &Scenario, effort: &Effort) -> Row {
    let (mut idle_ms, mut ping_ms, mut own_ms) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.repetitions {
        let redis = RedisServer::start(&["--slowlog-max-len", SLOWLOG_ENTRIES]);
        let mut connection = redis.connection();
        (scenario.fill)(&mut connection);
        // What the filling left to free or to write is not the command's.
        thread::sleep(IDLE);
        gauge::run(&mut connection, "CONFIG SET slowlog-log-slower-than 10");
        idle_ms.push(longest_ping_ms(&redis, || thread::sleep(IDLE)));
        ping_ms.push(longest_ping_ms(&redis, || {
            (scenario.act)(&mut connection);
            thread::sleep(IDLE);
        }));
        wait::until(wait::PATIENCE, "the freeing thread", || {
            gauge::freeing(&mut connection) == 0.0
        });
        own_ms.push(longest_own_ms(&mut connection, scenario.command));
    }
    let [idle, ping, own] = [&idle_ms, &ping_ms, &own_ms].map(|values| median(values));
    Row {
        what: format!("1e6 messages, {}: the longest time without an answer", scenario.what),
        reference: format!("idle: PING ≤ {idle:.2} ms"),
        candidate: format!("PING ≤ {ping:.2} ms"),
        ratio: format!("the command itself ≤ {own:.2} ms"),
        noise: String::new(),
        goal: scenario.goal_ms.map_or_else(String::new, |goal| format!("≤ {goal} ms")),
        // An idle server's PING is late by that much too.
        met: scenario.goal_ms.map(|goal| own <= goal && ping <= 2.0 + idle),
    }
}

/// The longest PING, milliseconds, on a connection of its own while `work` runs.
fn longest_ping_ms(redis: &RedisServer, work: impl FnOnce()) -> f64 {
    const WARM: usize = 100;
    let (stop, pings) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut wire = Wire::open(redis);
    let prober = {
        let (stop, pings) = (Arc::clone(&stop), Arc::clone(&pings));
        thread::spawn(move || {
            let ping = prepared(&["PING"]);
            let mut longest = Duration::ZERO;
            while !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                wire.again(&ping);
                wire.flush();
                wire.done();
                if pings.fetch_add(1, Ordering::Relaxed) > WARM {
                    longest = longest.max(started.elapsed());
                }
            }
            longest
        })
    };
    wait::until(wait::PATIENCE, "pings", || pings.load(Ordering::Relaxed) > WARM);
    work();
    stop.store(true, Ordering::Relaxed);
    prober.join().expect("the prober").as_secs_f64() * 1_000.0
}

/// The longest run of a command in the slow log, milliseconds; 0.01, its threshold, of none.
fn longest_own_ms(connection: &mut Connection, command: &str) -> f64 {
    type Entry = (u64, u64, u64, Vec<Vec<u8>>);
    let entries: Vec<Vec<redis::Value>> =
        redis::cmd("SLOWLOG").arg("GET").arg(-1).query(connection).expect("SLOWLOG");
    let longest_us = entries.into_iter().filter_map(|mut entry| {
        entry.truncate(4);
        let entry: Entry = redis::from_redis_value(redis::Value::Array(entry)).expect("an entry");
        let (_, _, us, arguments) = entry;
        arguments.first()?.eq_ignore_ascii_case(command.as_bytes()).then_some(us)
    });
    longest_us.max().unwrap_or(10) as f64 / 1_000.0
}

fn ready(connection: &mut Connection) {
    gauge::fill(connection, QUEUE, MESSAGES, &[]);
}

fn due_at_once(connection: &mut Connection) {
    gauge::fill(connection, QUEUE, MESSAGES, &["DELAY", "600"]);
    gauge::run(connection, "KARIN.DEBUG CLOCK 700");
}

fn expired_at_once(connection: &mut Connection) {
    gauge::fill(connection, QUEUE, MESSAGES, &[]);
    gauge::run(connection, "KARIN.DEBUG CLOCK 400000");
}

fn held(connection: &mut Connection) {
    gauge::fill(connection, QUEUE, MESSAGES, &[]);
    let pop = format!("KARIN.POPDUE {QUEUE} COUNT {BATCH} VISIBILITY 3600 HOLDER {HOLDER}");
    for _ in 0..HELD / BATCH {
        gauge::run(connection, &pop);
    }
}

fn release_all(connection: &mut Connection) {
    let mut released = 0;
    while released < HELD {
        let mut release = redis::cmd("KARIN.RELEASE");
        release.arg(QUEUE).arg("HOLDER").arg(HOLDER);
        let now: usize = release.query(connection).expect("RELEASE");
        assert!(now > 0, "{released} of {HELD} given back");
        released += now;
    }
}
