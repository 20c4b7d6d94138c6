//! Local functions doing their work.

use std::time::Duration;

use karin_tests::artifact::repository;
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};
use serde_json::json;

use super::{Function, action, now, queue_url, send, wait_until_empty};

#[test]
fn a_sent_message_runs_the_example_function() {
    let redis = RedisServer::start(&[]);
    let example = format!("hello={}", repository().join("examples/hello").display());
    let gateway = Gateway::start(&redis, &["--function", &example, "--map", "hello=hello"]);
    send(&gateway, "hello", "hi, \"é\"\n\\o/");
    until(PATIENCE, "the example's words", || {
        gateway.log().contains(r#"hello got: "hi, \"é\"\n\\o/""#)
    });
    wait_until_empty(&gateway, "hello");
}

#[test]
fn a_message_sent_by_any_redis_client_runs_the_function() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    redis.cli(&["KARIN.SEND", "karin:{q}", "hi"]);
    assert_eq!(function.wait_for(1, PATIENCE)[0].bodies(), ["hi"]);
    wait_until_empty(&gateway, "q");
}

#[test]
fn the_record_is_the_one_receive_message_would_show() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let arguments = ["--function", &option, "--map", "q=f", "--region", "eu-west-1"];
    let gateway = Gateway::start(&redis, &arguments);
    let url = queue_url(&gateway, "q");
    let input = json!({
        "QueueUrl": url,
        "MessageBody": "{\"orderId\":\"o-7\",\"n\":3}",
        "MessageAttributes": {
            "tenant": {"DataType": "String", "StringValue": "acme"},
            "retryBudget": {"DataType": "Number", "StringValue": "4"},
            "sig": {"DataType": "Binary", "BinaryValue": "AAH+/w=="},
        },
    });
    let sent = action(&gateway, "SendMessage", &input);
    let events = function.wait_for(1, PATIENCE);
    let record = &events[0].records[0];
    assert_eq!(record["messageId"], sent["MessageId"]);
    assert_eq!(record["body"], "{\"orderId\":\"o-7\",\"n\":3}");
    assert_eq!(record["md5OfBody"], "82cb0c38ade36086aea47d1e80eb38d9");
    assert_eq!(record["md5OfMessageAttributes"], "0ec2e5e76ebe406222cf87f96c7ca001");
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:eu-west-1:000000000000:q");
    assert_eq!(record["awsRegion"], "eu-west-1");
    assert_eq!(record["messageAttributes"]["sig"]["binaryValue"], "AAH+/w==");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    wait_until_empty(&gateway, "q");
}

/// The predecessor's demonstration.
#[test]
fn a_later_message_with_a_shorter_delay_runs_first_and_both_run_on_time() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    // The process is there, so that its start does not count.
    send(&gateway, "q", "first");
    function.wait_for(1, PATIENCE);
    let url = queue_url(&gateway, "q");
    let entry = json!({"Id": "1", "MessageBody": "world", "DelaySeconds": 10});
    let batch = json!({"QueueUrl": url, "Entries": [entry]});
    let world_after = now();
    action(&gateway, "SendMessageBatch", &batch);
    let world_before = now();
    let single = json!({"QueueUrl": url, "MessageBody": "hello", "DelaySeconds": 5});
    let hello_after = now();
    action(&gateway, "SendMessage", &single);
    let hello_before = now();

    let events = function.wait_for(3, Duration::from_secs(30));
    assert_eq!((events[1].bodies(), events[2].bodies()), (vec!["hello"], vec!["world"]));
    let limit = Duration::from_millis(50);
    for (event, after, before, delay) in [
        (&events[1], hello_after, hello_before, Duration::from_secs(5)),
        (&events[2], world_after, world_before, Duration::from_secs(10)),
    ] {
        assert!(event.at >= after + delay, "{:?}: {:?} early", event.bodies(), event.at);
        let late = event.at.saturating_sub(before + delay);
        assert!(late <= limit, "{:?} was {late:?} late", event.bodies());
    }
    wait_until_empty(&gateway, "q");
}

#[test]
fn a_window_gathers_a_batch() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let map = "q=f,batch_size=30,window=2";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    for n in 0..25 {
        send(&gateway, "q", &n.to_string());
    }
    let events = function.wait_for(1, PATIENCE);
    wait_until_empty(&gateway, "q");
    assert_eq!(events[0].records.len(), 25);
}

#[test]
fn a_large_backlog_goes_through_without_loss_or_repetition() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    {
        let gateway = Gateway::start(&redis, &[]);
        let created = json!({"QueueName": "q"});
        action(&gateway, "CreateQueue", &created);
        let url = queue_url(&gateway, "q");
        for batch in 0..100 {
            let entry = |n| json!({"Id": format!("{n}"), "MessageBody": format!("{batch}.{n}")});
            let entries: Vec<_> = (0..10).map(entry).collect();
            let input = json!({"QueueUrl": url, "Entries": entries});
            action(&gateway, "SendMessageBatch", &input);
        }
    }
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f,batch_size=10"]);
    wait_until_empty(&gateway, "q");
    let events = function.events();
    let mut bodies: Vec<&str> = events.iter().flat_map(super::Event::bodies).collect();
    bodies.sort_unstable();
    bodies.dedup();
    let records: usize = events.iter().map(|event| event.records.len()).sum();
    assert_eq!((bodies.len(), records), (1_000, 1_000));
}

#[test]
fn where_there_are_keys_a_function_calls_back_with_a_token_of_its_own() {
    let redis = RedisServer::start(&[]);
    redis.cli(&["KARIN.CREATE", "karin:{answers}"]);
    let function = Function::new(
        r#"echo "$AWS_ENDPOINT_URL_SQS" >> endpoints
endpoint=${AWS_ENDPOINT_URL_SQS#http://}
path=/${endpoint#*/}/?Action=SendMessage
AWS_LAMBDA_RUNTIME_API=${endpoint%%/*} call GET "$path&QueueUrl=answers&MessageBody=$status" ''
echo "$status" >> statuses
answer null"#,
    );
    let option = function.option("f");
    let arguments = ["--function", &option, "--map", "q=f", "--key", "AKID:hunter2"];
    let mut gateway = Gateway::start(&redis, &arguments);
    let info = |queue: &str| redis.cli(&["KARIN.INFO", queue]);
    for _ in 0..2 {
        redis.cli(&["KARIN.SEND", "karin:{q}", "hi"]);
        let is_empty = |info: &str| info.contains("ready\n0\n") && info.contains("in_flight\n0\n");
        until(PATIENCE, "the function's answer", || is_empty(&info("karin:{q}")));
        gateway.restart();
    }
    assert_eq!(function.lines("statuses"), ["200", "200"]);
    let answers = info("karin:{answers}");
    assert!(answers.contains("ready\n2\n"), "{answers}");
    let endpoints = function.lines("endpoints");
    assert_ne!(endpoints[0], endpoints[1], "a new one at each start");
    for endpoint in endpoints {
        let (address, token) = endpoint.split_once("/~").expect("a token");
        assert_eq!((address, token.len()), (gateway.url().as_str(), 43));
        assert!(!gateway.log().contains(token));
    }
}
