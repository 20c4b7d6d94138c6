//! The benchmarks. Each row is measured against a reference in the same run, alternating, so that
//! a slow or busy machine changes both; what counts is the ratio (design §9).
//!
//! `karin-bench [--quick] [ROW …]`, rows by the first word of their names. Prints a Markdown table.
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

mod bare;
mod commands;
mod endpoint;
mod http_load;
mod invoke;
mod memory;
mod report;
mod send;

use report::Row;

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Alternating pairs of reference and candidate.
    pub(crate) pairs: usize,
    /// Length of one HTTP load, seconds.
    pub(crate) load_seconds: f64,
    /// Requests of one redis-benchmark run.
    pub(crate) commands: usize,
    /// Invocations of a latency row.
    pub(crate) invocations: usize,
    /// Over how long delayed messages fall due, seconds.
    pub(crate) due_seconds: u64,
}

const FULL: Effort =
    Effort { pairs: 7, load_seconds: 4.0, commands: 400_000, invocations: 2_000, due_seconds: 60 };
const QUICK: Effort =
    Effort { pairs: 3, load_seconds: 1.5, commands: 100_000, invocations: 400, due_seconds: 10 };

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
    let groups: [(&str, &dyn Fn() -> Vec<Row>); 5] = [
        ("commands", &|| commands::rows(&effort)),
        ("memory", &memory::rows),
        ("send", &|| runtime.block_on(send::rows(&effort))),
        ("invoke", &|| runtime.block_on(invoke::send_rows(&effort))),
        ("due", &|| runtime.block_on(invoke::due_rows(&effort))),
    ];
    println!("{}", report::HEAD);
    for (name, measure) in groups {
        if wanted(name) {
            for row in measure() {
                println!("{row}");
            }
        }
    }
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
