//! SIGUSR1: AWS is read, and the log says how each mapping fares.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};

use super::{Function, send, wait_until_empty};

#[test]
fn a_signal_has_the_log_say_what_each_mapping_did() {
    let function = Function::new("answer null");
    let redis = RedisServer::start(&[]);
    let arguments = [
        "--function",
        &function.option("f"),
        "--map",
        "q=f",
        "--map",
        r#"picky=f,filter={"body":{"kind":["order"]}}"#,
    ];
    let gateway = Gateway::start(&redis, &arguments);
    for body in [r#"{"kind":"order"}"#, r#"{"kind":"other"}"#] {
        send(&gateway, "picky", body);
    }
    send(&gateway, "q", "hi");
    wait_until_empty(&gateway, "q");
    wait_until_empty(&gateway, "picky");
    gateway.ask_to_report();
    let told = |queue: &str, words: &[&str]| {
        let log = gateway.log();
        let is_it = |line: &&str| line.contains(&format!("queue={queue} function=\"f\" state="));
        log.lines().filter(is_it).any(|line| words.iter().all(|words| line.contains(words)))
    };
    until(PATIENCE, "the report", || told("q", &["running", "polled=1", "deleted=1"]));
    until(PATIENCE, "the other mapping", || {
        told("picky", &["polled=2", "filtered_out=1", "invoked=1", "deleted=1", "failed=0"])
    });
}
