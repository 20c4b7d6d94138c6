//! What is kept of what mappings did.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};

use super::{Function, send, wait_until_empty};
use crate::admin::history::{minute, summaries};

/// The summary of the invocations of the only mapping.
fn shown(gateway: &Gateway) -> String {
    let page = String::from_utf8(gateway.http().get("/admin/charts").body).unwrap();
    let path = page.split("href=\"/admin/mappings/").nth(1).unwrap().split('?').next().unwrap();
    summaries(gateway, &format!("/admin/mappings/{path}")).join(" ")
}

#[test]
fn what_a_mapping_did_outlives_its_gateway() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let arguments = ["--function", &option, "--map", "q=f,batch_size=1"];
    let mut gateway = Gateway::start(&redis, &arguments);
    for _ in 0..3 {
        send(&gateway, "q", "x");
    }
    function.wait_for(3, PATIENCE);
    wait_until_empty(&gateway, "q");
    until(PATIENCE, "what was not written yet", || {
        shown(&gateway).contains("invocations: now 3, lowest 0, highest 3.")
    });
    minute(&redis, &[&gateway]);
    until(PATIENCE, "the record", || redis.cli(&["KEYS", "karin:hist:*"]).len() > 12);
    until(PATIENCE, "it once", || shown(&gateway).contains("highest 3."));
    // What comes after the last sweep is written at the end.
    redis.cli(&["KARIN.DEBUG", "CLOCK", "120"]);
    for _ in 0..5 {
        send(&gateway, "q", "x");
    }
    function.wait_for(8, PATIENCE);
    wait_until_empty(&gateway, "q");
    gateway.terminate();
    gateway.restart();
    let summary = shown(&gateway);
    assert!(summary.contains("Invocations a minute"), "{summary}");
    assert!(summary.contains("highest 5.") || summary.contains("highest 8."), "{summary}");
    assert!(summary.contains("errors: now 0, lowest 0, highest 0."), "{summary}");
    assert!(summary.contains("ms, highest"), "{summary}");
}

#[test]
fn a_mapping_that_does_nothing_is_not_written_of() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--map", "q=f", "--sync-interval", "off"]);
    for _ in 0..3 {
        minute(&redis, &[&gateway]);
    }
    assert_eq!(redis.cli(&["KEYS", "karin:hist:*"]), "");
    assert!(shown(&gateway).contains("invocations: now 0, lowest 0, highest 0."));
}
