//! karin is told to stop.

use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait;
use serde_json::json;

use super::Queue;

#[test]
fn it_stops_at_once_and_long_polls_end_empty() {
    let redis = RedisServer::start(&[]);
    let mut gateway = Gateway::start(&redis, &[]);
    let queue = Queue::create(gateway.http(), "orders");
    let poll = std::thread::spawn(move || queue.receive(json!({ "WaitTimeSeconds": 20 })));
    wait::until(wait::PATIENCE, "the subscription", || {
        redis.cli(&["PUBSUB", "NUMSUB", "karin:due:karin:{orders}"]).ends_with('1')
    });
    let start = Instant::now();
    assert!(gateway.terminate().success());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(poll.join().unwrap().is_empty());
}

#[test]
fn an_idle_connection_does_not_hold_it() {
    let redis = RedisServer::start(&[]);
    let mut gateway = Gateway::start(&redis, &[]);
    let mut idle = gateway.http().connect();
    assert_eq!(idle.request("GET", "/healthz", &[], b"").status, 200);
    let silent = gateway.http().connect();
    let start = Instant::now();
    assert!(gateway.terminate().success());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(idle.is_closed());
    drop(silent);
}

#[test]
fn an_embedded_redis_stops_with_it() {
    let mut gateway = Gateway::start_embedded(&[]);
    let socket = gateway.directory().join("data/redis.sock");
    assert!(gateway.terminate().success());
    assert!(std::os::unix::net::UnixStream::connect(socket).is_err());
}
