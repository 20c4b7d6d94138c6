//! Redis goes, comes back, or cannot do the work.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use karin_tests::gateway::{Gateway, run};
use karin_tests::redis::RedisServer;
use karin_tests::wait;
use serde_json::json;

use super::Queue;

// contract: 2.3-internal-and-unavailable
#[test]
fn redis_away_is_said_at_once_and_ends_by_itself() {
    let mut redis = RedisServer::start(&["--appendonly", "yes"]);
    let gateway = Gateway::start(&redis, &[]);
    let queue = Queue::create(gateway.http(), "orders");
    queue.send("kept");
    redis.kill();
    let mut answer = queue.call("SendMessage", json!({ "MessageBody": "lost" }));
    for _ in 0..10 {
        let start = Instant::now();
        answer = queue.call("ReceiveMessage", json!({ "WaitTimeSeconds": 20 }));
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    assert_eq!(answer.header("x-amzn-query-error"), Some("ServiceUnavailable;Receiver"));
    redis.restart();
    wait::until(wait::PATIENCE, "the connection", || {
        queue.call("GetQueueAttributes", json!({})).status == 200
    });
    assert_eq!(queue.bodies(json!({})), ["kept"]);
}

#[test]
fn karin_starts_before_its_redis() {
    let mut redis = RedisServer::start(&[]);
    redis.terminate();
    let gateway = Gateway::start(&redis, &[]);
    let answer = gateway.http().json("ListQueues", "{}");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(gateway.http().get("/healthz").status, 200);
    redis.restart();
    wait::until(wait::PATIENCE, "the connection", || {
        gateway.http().json("ListQueues", "{}").status == 200
    });
}

#[test]
fn a_connection_that_was_cut_while_idle_costs_no_request() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let queue = Queue::create(gateway.http(), "orders");
    redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    wait::until(wait::PATIENCE, "the new connection", || {
        gateway.log().matches("connected to Redis").count() == 1
    });
    queue.send("one");
    assert_eq!(queue.bodies(json!({})), ["one"]);
}

#[test]
fn a_poll_outlives_its_redis_and_gets_what_comes_after() {
    let mut redis = RedisServer::start(&["--appendonly", "yes"]);
    let gateway = Gateway::start(&redis, &[]);
    let queue = Queue::create(gateway.http(), "orders");
    let poll = std::thread::spawn(move || queue.bodies(json!({ "WaitTimeSeconds": 20 })));
    wait::until(wait::PATIENCE, "the subscription", || {
        redis.cli(&["PUBSUB", "NUMSUB", "karin:due:karin:{orders}"]).ends_with('1')
    });
    redis.restart();
    wait::until(wait::PATIENCE, "the subscription's return", || {
        redis.cli(&["PUBSUB", "NUMSUB", "karin:due:karin:{orders}"]).ends_with('1')
    });
    redis.cli(&["KARIN.SEND", "karin:{orders}", "after"]);
    assert_eq!(poll.join().unwrap(), ["after"]);
}

#[test]
fn a_redis_that_hangs_is_given_up_after_ten_seconds_and_then_at_once() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let queue = Queue::create(gateway.http(), "orders");
    redis.freeze();
    let start = Instant::now();
    let answer = queue.call("SendMessage", json!({ "MessageBody": "unknown" }));
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(11), "{:?}", start.elapsed());
    let start = Instant::now();
    assert_eq!(queue.call("SendMessage", json!({ "MessageBody": "no" })).status, 503);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    redis.thaw();
    wait::until(wait::PATIENCE, "the connection", || {
        queue.call("SendMessage", json!({ "MessageBody": "yes" })).status == 200
    });
}

#[test]
fn after_a_failover_the_new_master_is_found_at_the_same_address() {
    let master = RedisServer::start(&[]);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let directory = tempfile::tempdir().unwrap();
    let address = directory.path().join("redis.sock");
    symlink(master.socket_path(), &address).unwrap();
    let url = format!("unix://{}", address.display());
    let gateway = Gateway::start_with(&["--redis-url", &url], &[]);
    let queue = Queue::create(gateway.http(), "orders");
    queue.send("kept");
    wait::until(wait::PATIENCE, "the replica to have it", || {
        replica.cli(&["KARIN.LIST"]).contains("karin:{orders}\n1")
    });
    std::fs::remove_file(&address).unwrap();
    symlink(replica.socket_path(), &address).unwrap();
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    // Its connections stay.
    master.cli(&["REPLICAOF", "127.0.0.1", &replica.port().to_string()]);
    wait::until(wait::PATIENCE, "the new master", || {
        queue.call("SendMessage", json!({ "MessageBody": "new" })).status == 200
    });
    assert_eq!(queue.bodies(json!({ "MaxNumberOfMessages": 10 })), ["kept", "new"]);
}

#[test]
fn a_redis_without_the_module_is_told_how_to_load_it() {
    let redis = RedisServer::start_without_module(&[]);
    let run = run(&["--listen", "127.0.0.1:0", "--redis-url", &redis.tcp_url()]);
    assert_eq!(run.status.code(), Some(1));
    let line = run.output.lines().find(|line| line.starts_with("karin: ")).unwrap();
    assert!(line.contains("has not loaded karin's module"), "{line}");
    assert!(line.contains("loadmodule /") && line.contains("MODULE LOAD /"), "{line}");
}

#[test]
fn a_password_that_is_wrong_is_said_and_never_shown() {
    let redis = RedisServer::start(&["--requirepass", "right"]);
    let url = format!("redis://:wrong-secret@127.0.0.1:{}", redis.port());
    let run = run(&["--listen", "127.0.0.1:0", "--redis-url", &url]);
    assert_eq!(run.status.code(), Some(1), "{}", run.output);
    assert!(run.output.contains("password"), "{}", run.output);
    assert!(!run.output.contains("wrong-secret"), "{}", run.output);
    let url = format!("redis://:right@127.0.0.1:{}", redis.port());
    let gateway = Gateway::start_with(&["--redis-url", &url], &[]);
    assert_eq!(gateway.http().json("ListQueues", "{}").status, 200);
}

#[test]
fn a_redis_that_would_evict_queues_is_warned_of() {
    let redis = RedisServer::start(&["--maxmemory-policy", "allkeys-lru"]);
    let gateway = Gateway::start(&redis, &[]);
    assert!(gateway.log().contains("noeviction"), "{}", gateway.log());
}
