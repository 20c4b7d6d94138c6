//! Mappings, functions, filters and their drawing on the admin page.

use std::fs;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};
use serde_json::json;

use super::browse;
use super::visitor::Visitor;
use crate::lambda::sync::{FUNCTIONS, Stack, arn};
use crate::lambda::{Function, counts, send};

/// A gateway with these functions and mappings, one by one.
fn start(redis: &RedisServer, function: &Function, more: &[&str]) -> Gateway {
    let option = format!("{},concurrency=1", function.option("worker"));
    Gateway::start(redis, &[&["--function", &option], more].concat())
}

#[test]
fn mappings_are_started_stopped_and_drained() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("sleep 0.2; answer null");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("broken")).unwrap();
    let folder = folder.path().display().to_string();
    let maps = ["--map", "orders=worker,batch_size=1", "--map", "mails=broken"];
    let gateway = start(&redis, &function, &[&["--functions", &folder], &maps[..]].concat());
    send(&gateway, "mails", "hello");
    let bootstrap = function.file("bootstrap").display().to_string();
    browse(&gateway, "mappings.mjs", &[&folder, &bootstrap]);
}

#[test]
fn a_drain_goes_on_after_a_restart_and_at_another_gateway() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("sleep 0.1; answer null");
    let maps = ["--map", "orders=worker,batch_size=1"];
    let mut gateway = start(&redis, &function, &maps);
    for n in 0..20 {
        send(&gateway, "orders", &n.to_string());
    }
    let page = gateway.http().get("/admin/mappings").text().to_owned();
    let (_, rest) = page.split_once("<tr id=\"m-").unwrap();
    let uuid = rest.split('"').next().unwrap().to_owned();
    redis.cli(&["HSET", "karin:map", &format!("draining:{uuid}"), ""]);
    gateway.kill();
    let other = start(&redis, &function, &maps);
    let disabled = format!("disabled:{uuid}");
    let is_stopped = || redis.cli(&["HEXISTS", "karin:map", &disabled]) == "1";
    until(PATIENCE * 2, "the mapping to stop", is_stopped);
    assert_eq!(counts(&other, "orders"), (0, 0, 0));
    until(PATIENCE, "no drain", || redis.cli(&["HKEYS", "karin:map"]) == disabled);
    send(&other, "orders", "late");
    until(PATIENCE, "it to stay", || counts(&other, "orders") == (1, 0, 0));
}

#[test]
fn a_drain_that_is_called_off_stops_nothing() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let gateway = start(
        &redis,
        &function,
        &["--map", "orders=worker,batch_size=1", "--admin-password", "hunter22"],
    );
    let mut visitor = Visitor::signed_in(&gateway, "hunter22");
    let page = visitor.get("/admin/mappings").text().to_owned();
    let (_, rest) = page.split_once("<tr id=\"m-").unwrap();
    let uuid = rest.split('"').next().unwrap().to_owned();
    let mut ask = |what: &str| {
        let answer = visitor.post(&format!("/admin/mappings/{uuid}/{what}"), &[]);
        assert_eq!(answer.status, 303, "{what}: {answer:?}");
    };
    let kept = || redis.cli(&["HKEYS", "karin:map"]);
    // Somebody else's message in flight keeps the drain from its end.
    ask("stop");
    until(PATIENCE, "the mapping to stop", || gateway.log().contains("unmapped queue=orders"));
    send(&gateway, "orders", "theirs");
    let key = "karin:{orders}";
    redis.cli(&["KARIN.POPDUE", key, "VISIBILITY", "600"]);
    for call_off in ["start", "stop"] {
        ask("drain");
        assert!(kept().contains("draining:"), "{}", kept());
        ask(call_off);
        assert!(!kept().contains("draining:"), "{call_off}: {}", kept());
    }
    ask("drain");
    ask("start");
    redis.cli(&["KARIN.PURGE", key]);
    send(&gateway, "orders", "ours");
    function.wait_for(1, PATIENCE);
    until(PATIENCE, "an empty queue", || counts(&gateway, "orders") == (0, 0, 0));
    assert_eq!(kept(), "", "it goes on");
}

#[test]
fn what_another_gateway_serves_is_seen_and_stopped_from_here() {
    let redis = RedisServer::start(&[]);
    let functions = [Function::new("answer null"), Function::new("fail '{}'")];
    let [first, second] = [("f1", "one=f1"), ("f2", "two=f2")].map(|(name, map)| {
        let function = &functions[usize::from(name == "f2")];
        Gateway::start(&redis, &["--function", &function.option(name), "--map", map])
    });
    until(PATIENCE, "the gateways to meet", || first.log().contains("another gateway is here"));
    send(&first, "two", "x");
    functions[1].wait_for(1, PATIENCE);
    browse(&first, "fleet.mjs", &[&format!("127.0.0.1:{}", second.port())]);
    assert!(second.log().contains("unmapped queue=two"), "{}", second.log());
}

#[test]
fn what_only_pretends_to_be_a_gateway_spoils_nothing() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let [first, _second] = [(); 2].map(|()| start(&redis, &function, &["--map", "q=worker"]));
    until(PATIENCE, "the gateways to meet", || first.log().contains("another gateway is here"));
    let mut connection = redis.connection();
    let mut names = connection.as_pubsub();
    for name in ["00000000000000aa", "00000000000000bb", "00000000000000cc", "x", "00AA"] {
        names.subscribe(format!("karin:gw:{name}")).unwrap();
    }
    redis.cli(&["RPUSH", "karin:gw:00000000000000aa", "a list"]);
    redis.cli(&["SET", "karin:gw:00000000000000bb", &"[".repeat(100_000)]);
    let evil = "<script>alert(1)</script>\u{202E}";
    let mapping = json!({
        "uuid": evil, "queue": evil, "function": evil, "function_name": evil,
        "state": {"state": "paused", "reason": evil, "since_ms": u64::MAX, "next_probe_ms": 1},
        "counters": {"duration_buckets": [u64::MAX, u64::MAX], "errors": u64::MAX},
        "filters": [evil], "running": u64::MAX,
    });
    let status = json!({
        "id": "00000000000000cc", "listen": evil, "functions": [{"name": evil, "problem": evil}],
        "trigger": {"mappings": [mapping, mapping], "remarks": [evil], "not_served": [evil]},
    });
    redis.cli(&["SET", "karin:gw:00000000000000cc", &status.to_string()]);
    for page in ["/admin", "/admin/mappings", "/admin/functions", "/admin/map"] {
        let response = first.http().get(page);
        assert_eq!(response.status, 200, "{page}: {}", response.text());
        assert!(!response.text().contains("<script>alert"), "{page}: {}", response.text());
    }
    let list = first.http().get("/admin/mappings").text().to_owned();
    assert!(list.contains("2 gateways are there and do not answer"), "{list}");
    assert!(list.contains("U+202E") && list.contains("q → worker"), "{list}");
}

#[test]
fn aws_is_read_on_the_button_and_its_functions_have_their_urls() {
    let stack = Stack::start();
    let redis = RedisServer::start(&[]);
    let endpoint = stack.url();
    let aws = ["--lambda-endpoint", &endpoint, "--lambda-profile", "aws", "--region", "eu-west-1"];
    let rarely = ["--log", "debug", "--sync-interval", "3600"];
    let gateway = Gateway::start(&redis, &[&aws[..], &rarely[..]].concat());
    until(PATIENCE, "the first reading", || gateway.log().contains("AWS was read"));
    stack.make_queue("orders");
    stack.make_queue("others");
    stack.map("orders");
    let mapping = json!({"EventSourceArn": arn("others"), "FunctionName": "worker"});
    stack.lambda("POST", "/2015-03-31/event-source-mappings", &mapping);
    let path = format!("{}/worker/url", FUNCTIONS.replace("2015-03-31", "2021-10-31"));
    let made = stack.lambda("POST", &path, &json!({"AuthType": "NONE"}));
    browse(&gateway, "sync.mjs", &[made["FunctionUrl"].as_str().unwrap()]);
}
