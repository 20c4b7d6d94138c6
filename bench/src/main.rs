//! The benchmarks. Each row is measured against a reference in the same run, alternating, so that
//! a slow or busy machine changes both; what counts is the ratio (design §9).
//!
//! `karin-bench [--quick] [--json] [GROUP …]`, the groups of rows as `main` names them; all without
//! a name. Prints a Markdown table, or with `--json` one object a line. `--quick`: in two minutes.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a tool: to stop with the reason is how it reports"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "statistics: rates, milliseconds and ranks are far below 2^52"
)]

mod admin;
mod bare;
mod block;
mod commands;
mod cycle;
mod depth;
mod endpoint;
mod fifo;
mod gauge;
mod http_load;
mod invoke;
mod large;
mod load;
mod memory;
mod polls;
mod receive;
mod report;
mod resp;
mod scenarios;
mod sched;
mod script;
mod send;
mod sign;
mod stalls;
mod trigger;

use report::Row;

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Alternating pairs of reference and candidate.
    pub(crate) pairs: usize,
    /// Length of one HTTP load, seconds.
    pub(crate) load_seconds: f64,
    /// Commands of one redis-benchmark run, messages of one run of our own load.
    pub(crate) commands: usize,
    /// Rounds of one run on a queue that is kept at its depth.
    pub(crate) rounds: usize,
    /// How often a queue of a million messages is made for each row about stalls.
    pub(crate) repetitions: usize,
    /// Sends to a blocked client.
    pub(crate) wakes: usize,
    /// Delayed messages to a blocked client.
    pub(crate) delayed_wakes: usize,
    /// Invocations of a latency row.
    pub(crate) invocations: usize,
    /// Over how long delayed messages fall due, seconds.
    pub(crate) due_seconds: u64,
}

const FULL: Effort = Effort {
    pairs: 7,
    load_seconds: 4.0,
    commands: 400_000,
    rounds: 100,
    repetitions: 3,
    wakes: 5_000,
    delayed_wakes: 400,
    invocations: 2_000,
    due_seconds: 60,
};
const QUICK: Effort = Effort {
    pairs: 3,
    load_seconds: 1.5,
    commands: 100_000,
    rounds: 30,
    repetitions: 1,
    wakes: 500,
    delayed_wakes: 50,
    invocations: 400,
    due_seconds: 10,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let effort = if arguments.iter().any(|a| a == "--quick") { QUICK } else { FULL };
    let rows: Vec<&str> =
        arguments.iter().filter(|a| !a.starts_with("--")).map(String::as_str).collect();
    let wanted = |name: &str| rows.is_empty() || rows.contains(&name);
    if let [flag, port, url] = &arguments[..]
        && flag == "--bare"
    {
        return be_the_reference(port.parse().expect("a port"), url);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let groups: [(&str, &dyn Fn() -> Vec<Row>); 19] = [
        ("commands", &|| commands::rows(&effort)),
        ("receive", &|| receive::rows(&effort)),
        ("script", &|| script::rows(&effort)),
        ("depth", &|| depth::rows(&effort)),
        ("stalls", &|| stalls::rows(&effort)),
        ("block", &|| block::rows(&effort)),
        ("fifo", &|| fifo::rows(&effort)),
        ("memory", &memory::rows),
        ("send", &|| runtime.block_on(send::rows(&effort))),
        ("signed", &|| runtime.block_on(send::signed_rows(&effort))),
        ("open", &|| runtime.block_on(send::open_rows(&effort))),
        ("cycle", &|| runtime.block_on(cycle::rows(&effort))),
        ("polls", &|| runtime.block_on(polls::rows(&effort))),
        ("large", &|| runtime.block_on(large::rows(&effort))),
        ("invoke", &|| runtime.block_on(invoke::send_rows(&effort))),
        ("due", &|| runtime.block_on(invoke::due_rows(&effort))),
        ("trigger", &|| runtime.block_on(trigger::rows(&effort))),
        ("idle", &trigger::idle_rows),
        ("admin", &|| runtime.block_on(admin::rows(&effort))),
    ];
    for row in &rows {
        let known = groups.iter().any(|(name, _)| name == row);
        assert!(known, "no group {row}: {:?}", groups.map(|(name, _)| name));
    }
    let json = arguments.iter().any(|a| a == "--json");
    if !json {
        println!("{}", report::HEAD);
    }
    let mut missed = 0;
    for (name, measure) in groups.iter().filter(|(name, _)| wanted(name)) {
        for row in measure() {
            missed += usize::from(row.met == Some(false));
            if json { println!("{}", row.json(name)) } else { println!("{row}") }
        }
    }
    eprintln!("goals missed: {missed}");
}

/// Bare hyper + XADD, on as many threads as karin takes.
fn be_the_reference(port: u16, redis_url: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("bind");
        bare::serve(listener, redis_url).await;
    });
}
