//! A Lambda endpoint: where mappings are read, and where functions run.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use karin_tests::clients::{Packages, command, run};
use karin_tests::gateway::Gateway;
use karin_tests::http::Client;
use karin_tests::port;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{action, counts, queue_url, send, wait_until_empty};

/// A running ministack; killed when dropped.
pub(super) struct Ministack {
    port: u16,
    process: Child,
    directory: TempDir,
}

impl Ministack {
    pub(super) fn start() -> Self {
        let python = Packages::Lambda.interpreter();
        let program = python.with_file_name("ministack");
        let (port, directory) = (port::free(), tempfile::tempdir().unwrap());
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", python.parent().unwrap().display());
        let process = command(&program)
            .current_dir(directory.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("LAMBDA_EXECUTOR", "local")
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stack = Self { port, process, directory };
        until(PATIENCE, "ministack", || Client::new(port).try_connect().is_ok());
        stack
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL; returns when it is gone.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A file in its directory.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What the function of this name got: (seconds since 1970, records).
    pub(super) fn events(&self, function: &str) -> Vec<(f64, Vec<Value>)> {
        let path = self.file(&format!("events.{function}"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let parse = |line: &str| {
            let (at, event) = line.split_once(' ').unwrap();
            let event: Value = serde_json::from_str(event).unwrap();
            (at.parse().unwrap(), event["Records"].as_array().unwrap().clone())
        };
        complete.lines().map(parse).collect()
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

pub(super) fn deploy(stack: &Ministack) {
    let events = stack.file("events");
    run(Packages::Lambda, "lambda.py", &[&stack.url(), path_text(&events)]);
}

/// Mappings are served side by side, each after it has made its queue.
pub(super) fn wait_for_queues(gateway: &Gateway, queues: &[&str]) {
    for queue in queues {
        let input = json!({"QueueName": queue}).to_string();
        let exists = || gateway.http().json("GetQueueUrl", &input).status == 200;
        until(PATIENCE, &format!("the queue {queue}"), exists);
    }
}

pub(super) fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn disabled_mappings_of_all_pages_are_served_by_invoking_the_endpoint() {
    let stack = Ministack::start();
    deploy(&stack);
    let redis = RedisServer::start(&[]);
    let gateway =
        Gateway::start(&redis, &["--lambda-endpoint", &stack.url(), "--region", "eu-west-1"]);
    let log = |words: &str| gateway.log().contains(words);
    until(PATIENCE, "the mappings", || log("queue=q104"));
    wait_for_queues(&gateway, &["q104", "q0", "narrow", "filtered"]);
    assert!(!log("queue=polled"), "it is not ours");
    assert!(log(":polled -> "), "and it is said why");

    // The last one, from the second page; its names are the mapping's.
    send(&gateway, "q104", "hi");
    let events = until_some(PATIENCE, "the function to run", || {
        let events = stack.events("worker");
        (!events.is_empty()).then_some(events)
    });
    let record = &events[0].1[0];
    assert_eq!(record["body"], "hi");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:eu-west-1:000000000000:q104");
    assert_eq!(record["awsRegion"], "eu-west-1");
    wait_until_empty(&gateway, "q104");
    let created = action(&gateway, "GetQueueUrl", &json!({"QueueName": "q0"}));
    assert!(created["QueueUrl"].as_str().unwrap().ends_with("/000000000000/q0"));

    // A failure: it comes again when the queue's VisibilityTimeout has passed, not when the lease
    // ends, which is the function's timeout, 4 s, and 10 s.
    let visibility = json!({"QueueUrl": queue_url(&gateway, "q0"),
        "Attributes": {"VisibilityTimeout": "8"}});
    action(&gateway, "SetQueueAttributes", &visibility);
    send(&gateway, "q0", "fail");
    until(PATIENCE, "the failure", || log("as asked"));
    assert_eq!(counts(&gateway, "q0"), (0, 1, 0));

    // Throttled by the function's own limit: later, but no receive is counted.
    let entry = |n: u32| json!({"Id": n.to_string(), "MessageBody": "sleep"});
    let url = queue_url(&gateway, "narrow");
    let batch = json!({"QueueUrl": url, "Entries": [entry(1), entry(2), entry(3)]});
    action(&gateway, "SendMessageBatch", &batch);
    let events = until_some(PATIENCE, "all three to run", || {
        let events = stack.events("narrow");
        (events.len() >= 3).then_some(events)
    });
    for (_, records) in &events {
        assert_eq!(records[0]["attributes"]["ApproximateReceiveCount"], "1");
    }
    wait_until_empty(&gateway, "narrow");
    assert_eq!(stack.events("narrow").len(), 3);

    let again = until_some(PATIENCE, "the failed message to come again", || {
        let failing = |(_, records): &&(f64, Vec<Value>)| records[0]["body"] == "fail";
        let events = stack.events("worker");
        let events: Vec<_> = events.iter().filter(failing).cloned().collect();
        (events.len() == 2).then_some(events)
    });
    let gap = again[1].0 - again[0].0;
    assert!((7.0..12.0).contains(&gap), "it came again after {gap} s");
}

#[test]
fn the_last_good_map_stays_when_the_endpoint_is_away() {
    let mut stack = Ministack::start();
    deploy(&stack);
    let redis = RedisServer::start(&[]);
    let arguments =
        ["--lambda-endpoint", &stack.url(), "--region", "eu-west-1", "--sync-interval", "1"];
    let gateway = Gateway::start(&redis, &arguments);
    until(PATIENCE, "the mappings", || gateway.log().contains("queue=q104"));
    wait_for_queues(&gateway, &["q1", "q2"]);
    send(&gateway, "q2", "sleep");
    until(PATIENCE, "the function to run", || !stack.events("worker").is_empty());
    stack.kill();
    until(PATIENCE, "a sync that fails", || gateway.log().contains("the last known ones stay"));
    assert!(!gateway.log().contains("unmapped"));
    // The function was running: its message is not given to anybody while it may run on.
    until(PATIENCE, "the broken connection", || gateway.log().contains("it is not known whether"));
    assert_eq!(counts(&gateway, "q2"), (0, 1, 0));
    // Nothing was sent when the connection failed, so nothing ran, and no receive counts.
    send(&gateway, "q1", "x");
    until(PATIENCE, "the refusal", || gateway.log().contains("an invocation was refused"));
    until(Duration::from_secs(10), "the message to be given back", || {
        counts(&gateway, "q1") == (1, 0, 0)
    });
}

#[test]
fn what_one_gateway_reads_from_aws_the_others_serve_too() {
    let stack = Ministack::start();
    let redis = RedisServer::start(&[]);
    let gateways = ["1", "3600"].map(|interval| {
        let endpoint = ["--lambda-endpoint", &stack.url(), "--region", "eu-west-1"];
        Gateway::start(&redis, &[&endpoint[..], &["--sync-interval", interval]].concat())
    });
    for gateway in &gateways {
        let met = || gateway.log().contains("another gateway is here");
        until(PATIENCE, "the gateways to meet", met);
    }
    deploy(&stack);
    // Of 106 mappings some are the second one's, which has read AWS before there were any.
    until(PATIENCE, "the other one's share", || {
        let mapped = |gateway: &Gateway| gateway.log().matches(" mapped queue=").count();
        mapped(&gateways[0]) >= 10 && mapped(&gateways[1]) >= 10
    });
    assert!(!gateways[1].log().contains("mappings were read from AWS"));
    for queue in ["q0", "q1", "q2", "q3", "q104"] {
        wait_for_queues(&gateways[0], &[queue]);
        send(&gateways[0], queue, queue);
        wait_until_empty(&gateways[0], queue);
    }
    assert_eq!(stack.events("worker").len(), 5, "each ran once");
}
