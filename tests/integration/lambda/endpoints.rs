//! The tools that run functions on a developer's machine, as endpoints: each says in its own way
//! that a function failed, ran out of time, or is not there (esm-contract §8).

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use karin_tests::artifact::repository;
use karin_tests::clients::{Packages, command, folder};
use karin_tests::gateway::Gateway;
use karin_tests::http::{Client, percent};
use karin_tests::port;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::endpoint::{Endpoint, Invocation, Reply};
use super::ministack::{Ministack, deploy};
use super::{Function, action, counts, queue_url, send, wait_until_empty};

/// A running tool with a function `worker` of its kind; killed with all it started when dropped.
struct Tool {
    port: u16,
    process: Child,
    directory: TempDir,
    /// What its function is called.
    function: &'static str,
}

impl Tool {
    fn start(function: &'static str, tool: impl FnOnce(u16, &Path) -> Command) -> Self {
        let (port, directory) = (port::free(), tempfile::tempdir().unwrap());
        let mut command = tool(port, directory.path());
        command.env("FILE", directory.path().join("events")).env("HOME", home(directory.path()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.process_group(0).spawn().unwrap();
        let tool = Self { port, process, directory, function };
        let listens = || Client::new(port).try_connect().is_ok();
        until(Duration::from_mins(1), "the tool to listen", listens);
        tool
    }

    fn cargo_lambda() -> Self {
        let python = Packages::CargoLambda.interpreter();
        Self::start("worker", |port, _| {
            let mut command = command(&python.with_file_name("cargo-lambda"));
            command
                .args(["lambda", "watch", "--ignore-changes", "--concurrency", "4"])
                .args(["--timeout", "3", "-A", "127.0.0.1", "-P", &port.to_string()])
                .args(["--offline", "--locked"])
                .env("CARGO_TARGET_DIR", repository().join("target/clients"))
                .current_dir(folder().join("lambda-rust"));
            command
        })
    }

    fn serverless_offline() -> Self {
        let node = Packages::Serverless.interpreter();
        Self::start("karin-dev-worker", |port, _| {
            let mut command = command(&node);
            command
                .args(["node_modules/serverless/bin/serverless.js", "offline", "start"])
                .args(["--config", "endpoint.yml", "--websocketPort", &port::free().to_string()])
                .env("LAMBDA_PORT", port.to_string())
                .env("HTTP_PORT", port::free().to_string())
                .env("SLS_NOTIFICATIONS_MODE", "off")
                .env("SLS_TELEMETRY_DISABLED", "1")
                .current_dir(folder().join("serverless"));
            command
        })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the function got: (seconds since 1970, the first record's body).
    fn events(&self) -> Vec<(f64, String)> {
        let text = std::fs::read_to_string(self.directory.path().join("events"));
        let text = text.unwrap_or_default();
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let parse = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let body =
                line["event"]["Records"][0]["body"].as_str().unwrap_or_else(|| panic!("{line}"));
            (line["at"].as_f64().unwrap(), body.to_owned())
        };
        complete.lines().map(parse).collect()
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _gone = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        let _reaped = self.process.wait();
    }
}

/// A home without settings; cargo's stays where it is.
fn home(directory: &Path) -> PathBuf {
    match std::env::var_os("CARGO_HOME") {
        Some(_) => directory.to_owned(),
        None => std::env::var_os("HOME").map_or_else(|| directory.to_owned(), PathBuf::from),
    }
}

/// Whether `make test-clients` asked for what is slow to install.
fn is_wanted() -> bool {
    std::env::var("KARIN_TEST_CLIENTS").is_ok_and(|value| value == "all")
}

/// What holds for every tool, with karin finding out by itself which one it is. `missing` are its
/// words for a function that is not there.
fn check(tool: &Tool, profile: &str, missing: &str) {
    let redis = RedisServer::start(&[]);
    let map = |queue: &str| format!("{queue}={},batch_size=1,timeout=3", tool.function);
    let (ok, failing, hanging) = (map("ok"), map("failing"), map("hanging"));
    let side_by_side = format!("{},concurrency=3", map("side-by-side"));
    let url = tool.url();
    let arguments = [
        ["--lambda-endpoint", &url],
        ["--map", &ok],
        ["--map", &side_by_side],
        ["--map", &failing],
        ["--map", "gone=nosuch,batch_size=1,timeout=3"],
        ["--map", &hanging],
    ];
    let gateway = Gateway::start(&redis, &arguments.concat());
    let says = |words: &str| until(PATIENCE, words, || gateway.log().contains(words));

    send(&gateway, "ok", "hi");
    wait_until_empty(&gateway, "ok");
    assert_eq!(tool.events()[0].1, "hi");
    says(&format!("profile=\"{profile}\""));

    for _ in 0..3 {
        send(&gateway, "side-by-side", "sleep");
    }
    wait_until_empty(&gateway, "side-by-side");
    let events = tool.events();
    let slept: Vec<f64> = events.iter().filter(|e| e.1 == "sleep").map(|e| e.0).collect();
    let (first, last) = (slept[0], slept[2]);
    assert!(last - first < 1.0, "the third began before the first had ended: {slept:?}");

    send(&gateway, "failing", "fail");
    says("as asked");
    assert_eq!(counts(&gateway, "failing"), (0, 1, 0), "it comes again, not at once");

    send(&gateway, "gone", "x");
    says(missing);
    says("the mapping is paused");
    until(PATIENCE, "it to be given back", || counts(&gateway, "gone") == (1, 0, 0));
    let url = queue_url(&gateway, "gone");
    let input = json!({"QueueUrl": url, "MessageSystemAttributeNames": ["All"]});
    let message = &action(&gateway, "ReceiveMessage", &input)["Messages"][0];
    let receives = message["Attributes"]["ApproximateReceiveCount"].as_str().unwrap();
    assert_eq!(receives, "1", "only this one");

    send(&gateway, "hanging", "hang");
    until_some(PATIENCE, "it to hang", || tool.events().iter().find(|e| e.1 == "hang").cloned());
    until(PATIENCE, "its failure", || gateway.log().matches("the function failed").count() >= 2);
    assert_eq!(counts(&gateway, "hanging"), (0, 1, 0));
    let log = gateway.log();
    assert!(!log.contains("cannot be read from AWS"), "there is nothing to read: {log}");
}

#[test]
fn cargo_lambda_is_an_endpoint() {
    if is_wanted() {
        let missing = "that function doesn't exist as a binary in your project";
        check(&Tool::cargo_lambda(), "cargo-lambda", missing);
    }
}

#[test]
fn serverless_offline_is_an_endpoint() {
    if is_wanted() {
        check(&Tool::serverless_offline(), "serverless-offline", "Function not found: nosuch");
    }
}

/// With what ministack has beyond the others: throttles (see `ministack.rs`), ARNs, timeouts as
/// AWS tells them.
#[test]
fn ministack_is_an_endpoint() {
    let stack = Ministack::start();
    deploy(&stack);
    let redis = RedisServer::start(&[]);
    let arn = "arn:aws:lambda:eu-west-1:000000000000:function:worker:$LATEST";
    let (ok, hanging) = (format!("ok={arn},timeout=4"), format!("hanging={arn},timeout=4"));
    let url = stack.url();
    let arguments = [
        ["--lambda-endpoint", &url],
        ["--region", "eu-west-1"],
        ["--map", &ok],
        ["--map", &hanging],
        ["--map", "gone=nosuch,timeout=4"],
    ];
    let gateway = Gateway::start(&redis, &arguments.concat());
    let says = |words: &str| until(PATIENCE, words, || gateway.log().contains(words));
    send(&gateway, "ok", "hi");
    wait_until_empty(&gateway, "ok");
    says("profile=\"aws\"");
    send(&gateway, "gone", "x");
    says("Function not found");
    until(PATIENCE, "it to be given back", || counts(&gateway, "gone") == (1, 0, 0));
    send(&gateway, "hanging", "hang");
    says("Sandbox.Timedout");
    assert_eq!(counts(&gateway, "hanging"), (0, 1, 0));
}

fn first_body(invocation: &Invocation) -> &str {
    invocation.bodies()[0]
}

/// AWS's Runtime Interface Emulator, which is to be had only in images: its answers as its source
/// has them.
#[test]
fn the_runtime_interface_emulators_answers_are_understood() {
    let not_found = || {
        let headers = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
        Reply::Http(404, headers, "404 page not found\n".to_owned())
    };
    let endpoint = Endpoint::of_a_tool(not_found, |invocation| match first_body(invocation) {
        "fail" => Reply::ok(r#"{"errorType":"E","errorMessage":"as asked"}"#),
        "hang" => Reply::ok("Task timed out after 3.00 seconds"),
        "crash" => Reply::Http(502, Vec::new(), r#"{"errorType":"Runtime.ExitError"}"#.to_owned()),
        "busy" if invocation.before == 0 => Reply::Http(400, Vec::new(), String::new()),
        _ => Reply::ok("\"done\""),
    });
    let redis = RedisServer::start(&[]);
    for (body, comes_again) in
        [("busy", false), ("fail", true), ("hang", true), ("crash", true), ("hi", false)]
    {
        let map = format!("{body}=arn:aws:lambda:us-east-1:000000000000:function:f:live,timeout=3");
        let arguments = ["--lambda-endpoint", endpoint.url(), "--map", &map];
        let gateway = Gateway::start(&redis, &arguments);
        let before = endpoint.invocations("function").len();
        send(&gateway, body, body);
        endpoint.wait_for("function", before + 1, PATIENCE);
        if comes_again {
            until(PATIENCE, body, || gateway.log().contains("the function failed"));
            assert_eq!(counts(&gateway, body), (0, 1, 0));
        } else {
            wait_until_empty(&gateway, body);
            let last = endpoint.invocations("function").pop().unwrap();
            assert_eq!(last.receive_count(), "1", "being busy costs no receive");
        }
        assert!(gateway.log().contains("profile=\"rie\""));
    }
}

/// `sam local start-lambda` needs containers; its HTTP service was asked without them.
#[test]
fn sams_answers_are_understood() {
    let not_found = || Reply::error(404, "ResourceNotFound");
    let endpoint = Endpoint::of_a_tool(not_found, |invocation| match first_body(invocation) {
        "fail" => {
            let headers = vec![("x-amz-function-error", "Unhandled".to_owned())];
            Reply::Http(200, headers, r#"{"errorMessage":"as asked"}"#.to_owned())
        }
        "hang" => Reply::ok(""),
        "null" => Reply::ok("null"),
        _ => Reply::error(404, "ResourceNotFound"),
    });
    let redis = RedisServer::start(&[]);
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:Worker:live";
    let maps = ["fail", "hang", "null", "gone"].map(|queue| format!("{queue}={arn},timeout=3"));
    let mut arguments = vec!["--lambda-endpoint", endpoint.url()];
    for map in &maps {
        arguments.extend(["--map", map]);
    }
    let gateway = Gateway::start(&redis, &arguments);
    for queue in ["fail", "hang", "null", "gone"] {
        send(&gateway, queue, queue);
    }
    wait_until_empty(&gateway, "null");
    until(PATIENCE, "both failures", || gateway.log().matches("the function failed").count() == 2);
    assert_eq!((counts(&gateway, "fail"), counts(&gateway, "hang")), ((0, 1, 0), (0, 1, 0)));
    until(PATIENCE, "the pause", || gateway.log().contains("the mapping is paused"));
    until(PATIENCE, "it to be given back", || counts(&gateway, "gone") == (1, 0, 0));
    assert!(endpoint.invocations("Worker").len() >= 4, "the bare name, without qualifier");
}

#[test]
fn what_is_no_lambda_endpoint_leaves_the_messages_where_they_are() {
    let page = || {
        let headers = vec![("Content-Type", "text/html".to_owned())];
        Reply::Http(200, headers, "<!doctype html><title>It works!</title>".to_owned())
    };
    let endpoint = Endpoint::of_a_tool(page, move |_| page());
    let redis = RedisServer::start(&[]);
    let unused = format!("http://127.0.0.1:{}", port::free());
    for (url, profile, words) in [
        (endpoint.url(), "auto", "it is no Lambda endpoint"),
        (endpoint.url(), "cargo-lambda", "it is no Lambda endpoint"),
        (&unused, "auto", "is away"),
        (&unused, "rie", "is away"),
    ] {
        let arguments =
            ["--lambda-endpoint", url, "--lambda-profile", profile, "--map", "q=f,timeout=3"];
        let gateway = Gateway::start(&redis, &arguments);
        send(&gateway, "q", "x");
        until(PATIENCE, words, || gateway.log().contains(words));
        until(PATIENCE, "it to be given back", || counts(&gateway, "q") == (1, 0, 0));
        let url = queue_url(&gateway, "q");
        action(&gateway, "DeleteQueue", &json!({"QueueUrl": url}));
    }
}

/// The endpoint's function sends what it gets to its own queue, with the trace header it got, as
/// SDKs inside a function do.
#[test]
fn a_function_that_feeds_its_own_queue_is_stopped_after_16_hops() {
    let to: &'static Mutex<Option<(u16, String)>> = Box::leak(Box::default());
    let endpoint = Endpoint::start(move |invocation| {
        let (port, url) = to.lock().unwrap().clone().unwrap();
        let entry = json!({"Id": "1", "MessageBody": first_body(invocation)});
        let body = json!({"QueueUrl": url, "Entries": [entry]}).to_string();
        let headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", "AmazonSQS.SendMessageBatch"),
            ("X-Amzn-Trace-Id", &invocation.trace),
        ];
        let response = Client::new(port).request("POST", "/", &headers, body.as_bytes());
        assert_eq!(response.status, 200, "{}", response.text());
        Reply::ok("null")
    });
    let redis = RedisServer::start(&[]);
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f:live";
    let map = format!("q={function},timeout=3");
    let arguments = ["--lambda-endpoint", endpoint.url(), "--map", &map];
    let gateway = Gateway::start(&redis, &arguments);
    let url = queue_url(&gateway, "q");
    let port = gateway.url().rsplit(':').next().unwrap().parse().unwrap();
    *to.lock().unwrap() = Some((port, url.clone()));

    // Its receives count, so that it is dead-lettered in the end.
    let dead = json!({"QueueName": "dead"});
    action(&gateway, "CreateQueue", &dead);
    let redrive = json!({
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 1,
    });
    let attributes = json!({"RedrivePolicy": redrive.to_string(), "VisibilityTimeout": "1"});
    let input = json!({"QueueUrl": url, "Attributes": attributes});
    action(&gateway, "SetQueueAttributes", &input);

    let trace = json!({"DataType": "String", "StringValue": "Root=1-mine;Sampled=1"});
    let input = json!({"QueueUrl": url, "MessageBody": "round",
        "MessageSystemAttributes": {"AWSTraceHeader": trace}});
    action(&gateway, "SendMessage", &input);
    until(PATIENCE, "the loop to be broken", || gateway.log().contains("a loop: "));
    until(PATIENCE, "the message to be dead-lettered", || counts(&gateway, "dead") == (1, 0, 0));
    assert_eq!(counts(&gateway, "q"), (0, 0, 0));
    let invocations = endpoint.invocations(&percent(function));
    assert_eq!(invocations.len(), 16);
    for (hops, invocation) in (1..).zip(&invocations) {
        assert!(invocation.trace.starts_with("Root=1-mine;Sampled=1;Lineage="));
        assert!(invocation.trace.ends_with(&format!(":{hops}")), "{}", invocation.trace);
    }
}

/// The same on this machine: the function sends with the trace header the Runtime API gave it.
#[test]
fn a_local_function_that_feeds_its_own_queue_is_stopped_after_as_many_hops_as_are_allowed() {
    let function = Function::new(
        r#"trace=$(grep -i '^lambda-runtime-trace-id:' <<<"$headers")
url="$AWS_ENDPOINT_URL_SQS/?Action=SendMessage&QueueUrl=q&MessageBody=round"
curl --silent --header "X-Amzn-Trace-Id: ${trace#*: }" "$url" >> sent
answer null"#,
    );
    let redis = RedisServer::start(&[]);
    for (hops, expected) in [("16", 16), ("3", 16 + 3)] {
        let option = function.option("f");
        let arguments = ["--function", &option, "--map", "q=f", "--max-hops", hops];
        let gateway = Gateway::start(&redis, &arguments);
        send(&gateway, "q", "round");
        until(PATIENCE, "the loop to be broken", || gateway.log().contains("a loop: "));
        assert_eq!(function.events().len(), expected);
        // The one before it may be on its way out.
        let waits = || counts(&gateway, "q") == (0, 1, 0);
        until(PATIENCE, "only the last one to wait for its next receive", waits);
        let url = queue_url(&gateway, "q");
        action(&gateway, "DeleteQueue", &json!({"QueueUrl": url}));
    }
}
