//! AWS's own runtime clients, unchanged, with AWS's own readers of the event (tests/clients):
//! Python always, Node.js and Rust with `KARIN_TEST_CLIENTS=all`.

use std::fs;

use karin_tests::clients::{Packages, folder};
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{action, counts, queue_url, send, wait_until_empty};

const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

/// A function on one of AWS's runtime clients.
struct Runtime {
    directory: TempDir,
    command: String,
}

impl Runtime {
    /// What the function noted.
    fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.path().join("records")).unwrap_or_default();
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        complete.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The first record with a body that starts so.
    fn record(&self, body: &str) -> Value {
        until_some(PATIENCE, &format!("the record {body}"), || {
            let starts = |record: &Value| record["body"].as_str().unwrap().starts_with(body);
            self.records().into_iter().find(starts)
        })
    }

    fn gateway(&self, redis: &RedisServer) -> Gateway {
        let fifo = json!({"QueueName": "q.fifo", "Attributes": {"FifoQueue": "true"}});
        action(&Gateway::start(redis, &[]), "CreateQueue", &fifo);
        let settings = format!("command = '{}'\n", self.command);
        fs::write(self.directory.path().join("function.toml"), settings).unwrap();
        let directory = self.directory.path().display();
        let function = format!("f={directory},concurrency=1,memory=512");
        let maps = ["q=f", "q.fifo=f", "dead=f"]
            .map(|map| format!("{map},report_batch_item_failures=true"));
        let mut arguments = vec!["--function", &function, "--region", "eu-central-1"];
        arguments.extend(maps.iter().flat_map(|map| ["--map", map]));
        Gateway::start(redis, &arguments)
    }
}

fn python() -> Runtime {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(folder().join("runtime-python/app.py"), directory.path().join("app.py")).unwrap();
    let python = Packages::Lambda.interpreter();
    Runtime { directory, command: format!("exec {} -m awslambdaric app.handler", python.display()) }
}

fn node() -> Runtime {
    let directory = tempfile::tempdir().unwrap();
    let (node, home) = (Packages::RuntimeNode.interpreter(), folder().join("runtime-node"));
    fs::copy(home.join("app.mjs"), directory.path().join("app.mjs")).unwrap();
    let packages = directory.path().join("node_modules");
    std::os::unix::fs::symlink(home.join("node_modules"), packages).unwrap();
    let client = "node_modules/aws-lambda-ric/bin/index.mjs";
    Runtime { directory, command: format!("exec {} {client} app.handler", node.display()) }
}

fn rust() -> Runtime {
    let directory = tempfile::tempdir().unwrap();
    let program = Packages::RuntimeRust.interpreter();
    Runtime { directory, command: format!("exec {}", program.display()) }
}

/// The events of all kinds of messages are what AWS's reader of events expects.
fn check_events(runtime: &Runtime) {
    let redis = RedisServer::start(&[]);
    let gateway = runtime.gateway(&redis);
    let url = queue_url(&gateway, "q");
    let attributes = json!({
        "text": {"DataType": "String", "StringValue": "é \"x\""},
        "number": {"DataType": "Number.int", "StringValue": "4"},
        "bytes": {"DataType": "Binary", "BinaryValue": "AAH+/w=="},
    });
    let trace = json!({"AWSTraceHeader": {"DataType": "String", "StringValue": TRACE}});
    let input = json!({
        "QueueUrl": url,
        "MessageBody": "with attributes \u{1f980}",
        "MessageAttributes": attributes,
        "MessageSystemAttributes": trace,
    });
    let sent = action(&gateway, "SendMessage", &input);
    let record = runtime.record("with attributes \u{1f980}");
    assert_eq!(record["messageId"], sent["MessageId"]);
    assert_eq!(record["md5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    assert_eq!(record["awsRegion"], "eu-central-1");
    assert_eq!(record["attributes"]["AWSTraceHeader"], TRACE);
    let attribute = |name: &str| &record["messageAttributes"][name];
    assert_eq!(attribute("text")["stringValue"], "é \"x\"");
    assert_eq!(attribute("number")["stringValue"], "4");
    assert_eq!(attribute("number")["dataType"], "Number.int");
    assert_eq!(attribute("bytes")["binaryValue"], "AAH+/w==");

    let large = format!("large {}", "é".repeat(200_000));
    send(&gateway, "q", &large);
    assert_eq!(runtime.record("large ")["body"], large, "400 kB");

    let mut command = redis::cmd("KARIN.SEND");
    command.arg("karin:{q}").arg(&b"bytes \xff\xfe"[..]);
    command.exec(&mut redis.connection()).unwrap();
    // What no text can carry comes in base64, and says so.
    let encoding = &runtime.record("Ynl0ZXMg//4=")["messageAttributes"]["karin.encoding"];
    assert_eq!(encoding["stringValue"], "base64");

    check_fifo(runtime, &gateway);
    check_dead_letter(runtime, &gateway);
    wait_until_empty(&gateway, "q");
}

fn check_fifo(runtime: &Runtime, gateway: &Gateway) {
    let input = json!({
        "QueueUrl": queue_url(gateway, "q.fifo"),
        "MessageBody": "in order",
        "MessageGroupId": "g",
        "MessageDeduplicationId": "d",
    });
    let sent = action(gateway, "SendMessage", &input);
    let attributes = runtime.record("in order")["attributes"].clone();
    assert_eq!(attributes["MessageGroupId"], "g");
    assert_eq!(attributes["MessageDeduplicationId"], "d");
    assert_eq!(attributes["SequenceNumber"], sent["SequenceNumber"]);
    wait_until_empty(gateway, "q.fifo");
}

/// A message that its queue gave up comes from where it was.
fn check_dead_letter(runtime: &Runtime, gateway: &Gateway) {
    let arn = |queue: &str| format!("arn:aws:sqs:eu-central-1:000000000000:{queue}");
    let policy = json!({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1}).to_string();
    let attributes = json!({"RedrivePolicy": policy, "VisibilityTimeout": "0"});
    let input = json!({"QueueName": "source", "Attributes": attributes});
    action(gateway, "CreateQueue", &input);
    send(gateway, "source", "given up");
    let receive = json!({"QueueUrl": queue_url(gateway, "source")});
    assert_eq!(action(gateway, "ReceiveMessage", &receive)["Messages"][0]["Body"], "given up");
    action(gateway, "ReceiveMessage", &receive);
    let record = runtime.record("given up");
    assert_eq!(record["eventSourceARN"], arn("dead"));
    assert_eq!(record["attributes"]["DeadLetterQueueSourceArn"], arn("source"));
    wait_until_empty(gateway, "dead");
}

/// Failures of every kind are understood as such.
fn check_failures(runtime: &Runtime) {
    let redis = RedisServer::start(&[]);
    let gateway = runtime.gateway(&redis);
    let entries =
        ["fine", "not me"].map(|body| json!({"Id": body.len().to_string(), "MessageBody": body}));
    let input = json!({"QueueUrl": queue_url(&gateway, "q"), "Entries": entries});
    action(&gateway, "SendMessageBatch", &input);
    runtime.record("not me");
    until(PATIENCE, "one to be deleted", || counts(&gateway, "q") == (0, 1, 0));
    send(&gateway, "q", "fail");
    until(PATIENCE, "the failure", || gateway.log().contains("as asked"));
    until(PATIENCE, "it to stay", || counts(&gateway, "q") == (0, 2, 0));
    send(&gateway, "q", "exit");
    until(PATIENCE, "the end", || gateway.log().contains("exited with error: exit status: 3"));
    send(&gateway, "q", "after");
    runtime.record("after");
    until(PATIENCE, "three to stay", || counts(&gateway, "q") == (0, 3, 0));
}

/// The receipt handle is good at our endpoint, through AWS's SDK inside the function.
fn check_receipts(runtime: &Runtime) {
    let redis = RedisServer::start(&[]);
    let gateway = runtime.gateway(&redis);
    send(&gateway, "q", "delete me");
    until(PATIENCE, "the failure", || gateway.log().contains("deleted all the same"));
    wait_until_empty(&gateway, "q");
    send(&gateway, "q", "again at once");
    let twice = |record: &&Value| record["body"] == "again at once";
    until(PATIENCE, "both runs", || runtime.records().iter().filter(twice).count() == 2);
    wait_until_empty(&gateway, "q");
}

fn is_asked_for() -> bool {
    std::env::var("KARIN_TEST_CLIENTS").is_ok_and(|value| value == "all")
}

#[test]
fn pythons_reader_of_events_takes_all_kinds_of_messages() {
    check_events(&python());
}

#[test]
fn failures_of_a_python_handler_are_understood() {
    check_failures(&python());
}

#[test]
fn a_python_handler_deletes_and_returns_its_messages_with_boto3() {
    check_receipts(&python());
}

#[test]
fn javascripts_reader_of_events_takes_all_kinds_of_messages() {
    if is_asked_for() {
        check_events(&node());
    }
}

#[test]
fn failures_of_a_javascript_handler_are_understood() {
    if is_asked_for() {
        check_failures(&node());
    }
}

#[test]
fn a_javascript_handler_deletes_and_returns_its_messages_with_awss_sdk() {
    if is_asked_for() {
        check_receipts(&node());
    }
}

#[test]
fn rusts_reader_of_events_takes_all_kinds_of_messages() {
    if is_asked_for() {
        check_events(&rust());
    }
}

#[test]
fn failures_of_a_rust_handler_are_understood() {
    if is_asked_for() {
        check_failures(&rust());
    }
}
