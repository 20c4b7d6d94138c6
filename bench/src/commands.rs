//! KARIN.SEND against XADD: the same redis-benchmark, the same server, the same append-only file.

use std::process::Command;

use karin_tests::redis::RedisServer;

use crate::Effort;
use crate::gauge;
use crate::report::{Goal, Pairs, Row};

const BODY_BYTES: usize = 100;

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let redis = gauge::persistent();
    [(1, Goal::AtLeast(0.95)), (16, Goal::AtLeast(1.0))]
        .map(|(pipeline, goal)| {
            let mut pairs = Pairs::default();
            for _ in 0..effort.pairs {
                let reference = rate(&redis, effort, pipeline, &["XADD", "stream", "*", "field"]);
                let candidate = rate(&redis, effort, pipeline, &["KARIN.SEND", "karin:{q}"]);
                pairs.push(reference, candidate);
            }
            let what =
                format!("KARIN.SEND against XADD, {BODY_BYTES} B, 50 connections, -P {pipeline}");
            pairs.row(&what, "/s", goal)
        })
        .into()
}

/// Commands per second of one run on an empty database.
fn rate(redis: &RedisServer, effort: &Effort, pipeline: usize, command: &[&str]) -> f64 {
    redis.cli(&["FLUSHALL"]);
    let body = "x".repeat(BODY_BYTES);
    let output = Command::new("redis-benchmark")
        .args(["-s", &redis.socket_path().display().to_string(), "-c", "50", "--csv"])
        .args(["-n", &effort.commands.to_string(), "-P", &pipeline.to_string()])
        .args(command)
        .arg(&body)
        .output()
        .expect("redis-benchmark (Debian: redis-tools)");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {text}");
    // "test","rps","avg_latency_ms",… and then one line of figures.
    let figures = text.lines().last().expect("figures");
    let rate = figures.split("\",\"").nth(1).expect("requests per second");
    rate.trim_matches('"').parse().expect("a number")
}
