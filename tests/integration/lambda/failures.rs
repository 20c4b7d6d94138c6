//! Functions that fail: their messages stay and come again.

use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};
use serde_json::json;

use super::{Function, action, counts, is_alive, queue_url, send, wait_until_empty};

/// The queues' VisibilityTimeout.
const VISIBILITY_SECONDS: u64 = 4;

/// One gateway with several functions, so that their messages wait at the same time.
#[test]
fn however_a_function_fails_its_message_stays_and_comes_again_when_its_visibility_ends() {
    let redis = RedisServer::start(&[]);
    // Each fails at its first event and works from then on.
    let first = |then: &str| {
        Function::new(&format!(
            "if [[ ! -e tried ]]; then touch tried; {then}; else answer null; fi"
        ))
    };
    let functions = [
        ("error", first(r#"fail '{"errorType":"E","errorMessage":"no"}'"#)),
        ("crash", first("exit 7")),
        ("killed", first("kill -9 $$")),
        ("timeout", first("tail -f /dev/null & echo $! > child; wait")),
    ];
    let mut arguments = Vec::new();
    for (name, function) in &functions {
        arguments.push("--function".to_owned());
        arguments.push(format!("{},timeout=1", function.option(name)));
        arguments.push("--map".to_owned());
        arguments.push(format!("{name}={name}"));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let gateway = Gateway::start(&redis, &arguments);
    for (name, _) in &functions {
        let attributes = json!({"VisibilityTimeout": VISIBILITY_SECONDS.to_string()});
        let input = json!({"QueueUrl": queue_url(&gateway, name), "Attributes": attributes});
        action(&gateway, "SetQueueAttributes", &input);
        send(&gateway, name, "x");
    }
    for (name, function) in &functions {
        function.wait_for(1, PATIENCE);
        assert_eq!(counts(&gateway, name), (0, 1, 0), "{name}: the message stays, in flight");
    }
    let timeout = &functions[3].1;
    until(PATIENCE, "the end of the overrunning function's child", || {
        let child = timeout.lines("child");
        !child.is_empty() && !is_alive(&child[0])
    });
    for (name, function) in &functions {
        let events = function.wait_for(2, PATIENCE);
        assert_eq!(events[0].receive_count(), "1", "{name}");
        assert_eq!(events[1].receive_count(), "2", "{name}");
        let gap = events[1].at.saturating_sub(events[0].at);
        // From the receive on, of which the start of a process is a part.
        let expected = Duration::from_secs(VISIBILITY_SECONDS);
        assert!(gap + Duration::from_millis(1_500) >= expected, "{name} after {gap:?}");
        assert!(gap < expected + Duration::from_secs(2), "{name} after {gap:?}");
        wait_until_empty(&gateway, name);
    }
    for words in ["\"errorMessage\":\"no\"", "Runtime.ExitError", "Sandbox.Timedout"] {
        assert!(gateway.log().contains(words), "{words} is in the log");
    }
}

#[test]
fn of_a_partial_failure_only_the_named_messages_come_again() {
    let redis = RedisServer::start(&[]);
    // The first event's second message fails.
    let function = Function::new(
        r#"
if [[ ! -e tried ]]; then
  touch tried
  ids=$(grep -o '"messageId":"[^"]*"' <<<"$body" | cut -d'"' -f4)
  answer "{\"batchItemFailures\":[{\"itemIdentifier\":\"$(sed -n 2p <<<"$ids")\"}]}"
else
  answer ''
fi"#,
    );
    let option = format!("{},timeout=1", function.option("f"));
    let map = "q=f,batch_size=3,window=5,report_batch_item_failures=true";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    let url = queue_url(&gateway, "q");
    let attributes = json!({"VisibilityTimeout": VISIBILITY_SECONDS.to_string()});
    let input = json!({"QueueUrl": url, "Attributes": attributes});
    action(&gateway, "SetQueueAttributes", &input);
    let entry = |n: u32| json!({"Id": n.to_string(), "MessageBody": n.to_string()});
    let batch = json!({"QueueUrl": url, "Entries": [entry(1), entry(2), entry(3)]});
    action(&gateway, "SendMessageBatch", &batch);
    assert_eq!(function.wait_for(1, PATIENCE)[0].bodies(), ["1", "2", "3"]);
    until(PATIENCE, "two of three to be deleted", || counts(&gateway, "q") == (0, 1, 0));
    let events = function.wait_for(2, PATIENCE);
    assert_eq!(events[1].bodies(), ["2"]);
    assert_eq!(events[1].receive_count(), "2");
    wait_until_empty(&gateway, "q");
}

#[test]
fn a_function_that_cannot_start_pauses_its_mapping_and_costs_no_receive() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let (bootstrap, away) = (function.file("bootstrap"), function.file("away"));
    std::fs::rename(&bootstrap, &away).unwrap();
    let option = function.option("f");
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    send(&gateway, "q", "x");
    until(PATIENCE, "the pause", || gateway.log().contains("the mapping is paused"));
    until(PATIENCE, "the message to be given back", || counts(&gateway, "q") == (1, 0, 0));
    std::fs::rename(&away, &bootstrap).unwrap();
    let events = function.wait_for(1, PATIENCE);
    assert_eq!(events[0].receive_count(), "1");
    wait_until_empty(&gateway, "q");
}
