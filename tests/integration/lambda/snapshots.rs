//! What gateways show of themselves in Redis while somebody looks, and that they do not otherwise.

use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::Value;

use super::Function;

/// Somebody who is no gateway looks.
fn look(redis: &RedisServer) {
    let word = r#"{"from":"00000000000000ab","number":0,"says":"look"}"#;
    redis.cli(&["PUBLISH", "karin:gateways", word]);
}

/// The keys of snapshots there are.
fn shown(redis: &RedisServer) -> Vec<String> {
    let keys = redis.cli(&["KEYS", "karin:gw:*"]);
    keys.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn snapshot(redis: &RedisServer, key: &str) -> Value {
    serde_json::from_str(&redis.cli(&["GET", key])).unwrap()
}

#[test]
fn a_gateway_shows_itself_while_somebody_looks_and_never_otherwise() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    until(PATIENCE, "the mapping", || gateway.log().contains("mapped queue=q"));
    assert_eq!(shown(&redis), Vec::<String>::new());
    look(&redis);
    let key = until_some(PATIENCE, "a snapshot", || shown(&redis).pop());
    let read = snapshot(&redis, &key);
    assert_eq!(key, format!("karin:gw:{}", read["id"].as_str().unwrap()));
    assert_eq!(read["listen"], format!("127.0.0.1:{}", gateway.port()));
    assert_eq!(read["trigger"]["mappings"][0]["queue"], "q");
    assert_eq!(read["trigger"]["mappings"][0]["state"]["state"], "running");
    assert_eq!(read["functions"][0]["name"], "f");
    assert!(redis.cli(&["PTTL", &key]).parse::<u64>().unwrap() <= 6_000);
    let renewed = || snapshot(&redis, &key)["taken_ms"] != read["taken_ms"];
    until(PATIENCE, "another one", renewed);
    // Ten seconds after the look it writes no more, and the last one expires.
    until(Duration::from_secs(25), "nothing", || shown(&redis).is_empty());
}

#[test]
fn what_is_no_word_of_a_gateway_is_ignored() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--map", "q=f", "--lambda-endpoint", "http://[::1]:1"]);
    until(PATIENCE, "the mapping", || gateway.log().contains("mapped queue=q"));
    let deep = "[".repeat(100_000);
    for word in ["", "look", "{}", r#"{"says":"look"}"#, "\"look\"", &deep, "\u{1}"] {
        redis.cli(&["PUBLISH", "karin:gateways", word]);
    }
    look(&redis);
    until(PATIENCE, "a snapshot", || !shown(&redis).is_empty());
}
