//! `karin status`, `karin health`.

use karin_tests::gateway::{Follower, Gateway};
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};

use super::{call, create, karin, karin_with, on_terminal, out, parsed, send};

/// A gateway with a message in each state, and with a mapping that cannot invoke.
fn busy(redis: &RedisServer) -> Gateway {
    let endpoint = ["--lambda-endpoint", "http://127.0.0.1:1", "--sync-interval", "off"];
    let gateway = Gateway::start(redis, &[&["--map", "mapped=worker"], &endpoint[..]].concat());
    create(&gateway, "orders");
    for body in ["one", "two"] {
        send(&gateway, "orders", body);
    }
    let delayed = json!({"QueueUrl": "orders", "MessageBody": "later", "DelaySeconds": 900});
    call(&gateway, "SendMessage", &delayed);
    call(&gateway, "ReceiveMessage", &json!({"QueueUrl": "orders"}));
    gateway
}

#[test]
fn the_counts_of_all_queues_and_the_states_of_all_mappings_are_shown() {
    let redis = RedisServer::start(&[]);
    let gateway = busy(&redis);
    let output = karin(&["status", "--json", "--redis-url", &redis.url()]);
    let status = parsed(&output);
    let queues = status["queues"].as_array().unwrap();
    let orders = queues.iter().find(|queue| queue["name"] == "orders").unwrap();
    assert_eq!([&orders["ready"], &orders["delayed"], &orders["in_flight"]], [1, 1, 1]);
    assert!(orders["oldest_ms"].as_u64().is_some_and(|age| age < 60_000), "{orders}");
    assert_eq!(orders["next_due_ms"], 0);
    let mapping = &status["mappings"][0];
    assert_eq!((&mapping["queue"], &mapping["function"]), (&json!("mapped"), &json!("worker")));
    let gateways = status["gateways"].as_array().unwrap();
    assert_eq!(gateways.len(), 1);
    assert!(gateways[0]["listen"].as_str().unwrap().ends_with(&gateway.port().to_string()));

    let table = out(&karin_with(&["status"], &[("KARIN_REDIS_URL", &redis.url())]));
    let row = table.lines().find(|line| line.starts_with("orders")).unwrap();
    let fields: Vec<_> = row.split_whitespace().collect();
    assert_eq!(fields[..5], ["orders", "1", "1", "1", "0"], "{table}");
    assert_eq!(fields[6], "now", "{table}");
    assert!(table.contains("MAPPING") && table.contains("worker"), "{table}");
    assert!(!table.contains('\u{1b}'), "{table}");
}

#[test]
fn what_is_there_without_a_gateway_is_shown_and_without_redis_the_code_is_1() {
    let mut redis = RedisServer::start(&[]);
    redis.cli(&["KARIN.SEND", "karin:{left}", "hi"]);
    let url = redis.url();
    let table = out(&karin(&["status", "--redis-url", &url]));
    assert!(table.contains("left") && table.contains("No karin answers."), "{table}");
    redis.kill();
    let away = karin(&["status", "--redis-url", &url]);
    assert_eq!((away.status.code(), out(&away).as_str()), (Some(1), ""));
    assert!(!away.stderr.is_empty());
    let nothing = karin(&["status"]);
    let why = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert_eq!(nothing.status.code(), Some(1));
    assert!(why.contains("--redis-url"), "{why}");
}

#[test]
fn the_status_of_a_karin_with_its_own_redis_needs_no_address() {
    let gateway = Gateway::start_embedded(&[]);
    create(&gateway, "own");
    let data = gateway.directory().join("data").display().to_string();
    let table = out(&karin(&["status", "--data-dir", &data]));
    assert!(table.contains("own"), "{table}");
}

#[test]
fn it_can_be_watched_and_outlives_a_redis_that_goes_and_comes() {
    let mut redis = RedisServer::start(&["--appendonly", "yes"]);
    redis.cli(&["KARIN.CREATE", "karin:{first}"]);
    let url = redis.url();
    let watch = Follower::start(&["status", "--watch", "1", "--json", "--redis-url", &url]);
    let sees = |name: &str| {
        let output = watch.output();
        let mut lines = output.lines().rev();
        let last = lines.find_map(|line| serde_json::from_str::<Value>(line).ok());
        last.is_some_and(|status| {
            status["queues"].as_array().unwrap().iter().any(|queue| queue["name"] == name)
        })
    };
    until(PATIENCE, "the first look", || sees("first"));
    redis.kill();
    until(PATIENCE, "the loss", || watch.output().contains("karin: "));
    redis.restart();
    redis.cli(&["KARIN.CREATE", "karin:{second}"]);
    until(PATIENCE, "the queue that was made later", || sees("second"));
    watch.interrupt();
}

#[test]
fn titles_are_coloured_on_a_terminal_only() {
    let redis = RedisServer::start(&[]);
    redis.cli(&["KARIN.CREATE", "karin:{q}"]);
    let url = redis.url();
    let arguments = ["status", "--redis-url", &url];
    assert!(on_terminal(&arguments, &[]).contains("\u{1b}[1mQUEUE\u{1b}[0m"));
    let plain = on_terminal(&arguments, &[("NO_COLOR", "1")]);
    assert!(plain.contains("QUEUE") && !plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn health_is_the_readiness_of_the_karin_that_runs() {
    let mut redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let listen = format!("127.0.0.1:{}", gateway.port());
    let health = || karin_with(&["health"], &[("KARIN_LISTEN", &listen)]);
    let ready = health();
    assert!(ready.status.success(), "{ready:?}");
    assert_eq!(out(&ready), "ready\n");
    redis.kill();
    let away = health();
    assert_eq!(away.status.code(), Some(1), "{away:?}");
    assert!(String::from_utf8_lossy(&away.stderr).contains("not ready: Redis"), "{away:?}");
    let nobody = karin(&["health", "--listen", "127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(1));
}
