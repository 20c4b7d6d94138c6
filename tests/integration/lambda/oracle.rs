//! An emulator's own poller beside karin: the same function, the same queue, the same failure.

use std::fs;
use std::time::Duration;

use karin_tests::clients::{Packages, run};
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{until, until_some};
use serde_json::{Value, json};

use super::ministack::{Ministack, path_text, wait_for_queues};
use super::{action, queue_url, wait_until_empty};

/// The oracle takes a while to start its function.
const PATIENCE: Duration = Duration::from_mins(1);

/// The runs of each message: (body, receive count), in the order of bodies and counts.
fn runs(events: &[(f64, Vec<Value>)]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let run = |record: &Value| {
        (text(&record["body"]), text(&record["attributes"]["ApproximateReceiveCount"]))
    };
    let mut runs: Vec<_> = events.iter().flat_map(|(_, records)| records.iter().map(run)).collect();
    runs.sort();
    runs
}

/// Between the two runs of the message that fails.
fn gap_s(events: &[(f64, Vec<Value>)]) -> f64 {
    let bad = |(_, records): &&(f64, Vec<Value>)| records.iter().any(|r| r["body"] == "bad");
    let at: Vec<f64> = events.iter().filter(bad).map(|(at, _)| *at).collect();
    at[1] - at[0]
}

/// What a dead letter is: its body, its id, and the id its function saw.
fn letter(messages: &Value, events: &[(f64, Vec<Value>)]) -> (String, bool) {
    let [message] = messages.as_array().unwrap().as_slice() else { panic!("{messages}") };
    let mut records = events.iter().flat_map(|(_, records)| records);
    let seen = records.find(|record| record["body"] == "bad").unwrap();
    (message["Body"].as_str().unwrap().to_owned(), message["MessageId"] == seen["messageId"])
}

#[test]
fn a_message_that_fails_goes_the_same_way_to_the_dead_letters_as_by_another_poller() {
    let stack = Ministack::start();
    let events = stack.file("events");
    let oracle = |what: &str| {
        run(Packages::Lambda, "lambda_oracle.py", &[&stack.url(), path_text(&events), what]);
    };
    oracle("deploy");
    let redis = RedisServer::start(&[]);
    let arguments = ["--lambda-endpoint", &stack.url(), "--region", "eu-west-1"];
    let gateway = Gateway::start(&redis, &arguments);
    wait_for_queues(&gateway, &["ours", "ours-dead"]);
    let entries: Vec<Value> =
        ["good", "bad", "fine", "well"].map(|body| json!({"Id": body, "MessageBody": body})).into();
    let input = json!({"QueueUrl": queue_url(&gateway, "ours"), "Entries": entries});
    action(&gateway, "SendMessageBatch", &input);

    let ours = until_some(PATIENCE, "our letter", || {
        let input = json!({"QueueUrl": queue_url(&gateway, "ours-dead"), "VisibilityTimeout": 0});
        Some(action(&gateway, "ReceiveMessage", &input)["Messages"].clone()).filter(Value::is_array)
    });
    let mut theirs = Value::Null;
    until(PATIENCE, "their letter", || {
        oracle("dead");
        theirs = serde_json::from_slice(&fs::read(stack.file("events.dead")).unwrap()).unwrap();
        theirs.as_array().is_some_and(|letters| !letters.is_empty())
    });
    wait_until_empty(&gateway, "ours");
    let (our_events, their_events) = (stack.events("ours"), stack.events("theirs"));
    assert_eq!(runs(&our_events), runs(&their_events));
    assert_eq!(letter(&ours, &our_events), letter(&theirs, &their_events));
    assert_eq!(letter(&ours, &our_events), ("bad".to_owned(), true));
    // Both wait for the VisibilityTimeout, which counts from the receive; the function's cold start
    // lies between that and its first run.
    let (our_gap, their_gap) = (gap_s(&our_events), gap_s(&their_events));
    assert!((1.0..4.0).contains(&our_gap) && their_gap >= 1.0, "{our_gap} s, {their_gap} s");
}
