//! Several gateways on one Redis are one SQS.

use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait;
use serde_json::{Value, json};

use super::{Sqs, bodies, text};

/// Two gateways: the first with its Redis, and the second.
fn pair() -> (Sqs, Gateway) {
    let redis = RedisServer::start(&[]);
    let first = Gateway::start(&redis, &[]);
    let second = Gateway::start(&redis, &[]);
    let sqs = Sqs { gateway: first, redis };
    sqs.create_fifo("q.fifo", &["ContentBasedDeduplication", "true"]);
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    (sqs, second)
}

#[track_caller]
fn call(gateway: &Gateway, action: &str, members: &Value) -> Value {
    let response = gateway.http().json(action, &members.to_string());
    assert_eq!(response.status, 200, "{action} {members}: {response:?}");
    if response.body.is_empty() { Value::Null } else { response.json() }
}

#[test]
fn any_gateway_honours_any_receipt() {
    let (sqs, second) = pair();
    for queue in ["q", "q.fifo"] {
        sqs.send_to_group(queue, "g", "x");
        let message = sqs.receive_one(queue);
        let handle = &message["ReceiptHandle"];
        let change =
            json!({ "QueueUrl": queue, "ReceiptHandle": handle, "VisibilityTimeout": 100 });
        call(&second, "ChangeMessageVisibility", &change);
        sqs.pass_seconds(50);
        let take = json!({ "QueueUrl": queue });
        assert_eq!(call(&second, "ReceiveMessage", &take), json!({}));
        call(&second, "DeleteMessage", &json!({ "QueueUrl": queue, "ReceiptHandle": handle }));
        assert_eq!(sqs.counts(queue), ("0".into(), "0".into()));
    }
}

#[test]
fn a_duplicate_and_a_repeated_attempt_are_known_to_the_other_gateway() {
    let (sqs, second) = pair();
    let first = sqs.send_to_group("q.fifo", "g", "x");
    let message = json!({ "QueueUrl": "q.fifo", "MessageBody": "x", "MessageGroupId": "g" });
    assert_eq!(call(&second, "SendMessage", &message), first);
    let attempt = json!({ "QueueUrl": "q.fifo", "ReceiveRequestAttemptId": "A" });
    let received = sqs.json("ReceiveMessage", &attempt);
    assert_eq!(text(&received["Messages"][0], "Body"), "x");
    assert_eq!(call(&second, "ReceiveMessage", &attempt), received);
}

#[test]
fn what_happens_at_one_gateway_ends_polls_at_the_other() {
    let (sqs, second) = pair();
    let poll = |expected: &'static str| {
        let http = second.http();
        let members = json!({ "QueueUrl": "q.fifo", "WaitTimeSeconds": 20 }).to_string();
        let looked = sqs.calls("popdue");
        let poll = std::thread::spawn(move || {
            let start = Instant::now();
            let answer = http.json("ReceiveMessage", &members).json();
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            assert_eq!(bodies(&messages), [expected]);
            assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        });
        wait::until(wait::PATIENCE, "the poll", || {
            sqs.calls("popdue") > looked
                && sqs.redis.cli(&["PUBSUB", "NUMSUB", "karin:due:karin:{q.fifo}"]).ends_with('1')
        });
        poll
    };
    let sent = poll("a");
    sqs.send_to_group("q.fifo", "g", "a");
    sent.join().expect("the message that was sent");
    // Everything of the group is blocked now, and this gateway has no receipt of it.
    sqs.redis.cli(&["KARIN.PURGE", "karin:{q.fifo}"]);
    sqs.send_to_group("q.fifo", "g", "b");
    sqs.send_to_group("q.fifo", "g", "c");
    let members = json!({ "QueueUrl": "q.fifo", "VisibilityTimeout": 100 });
    let blocking = sqs.json("ReceiveMessage", &members)["Messages"][0].clone();
    let unblocked = poll("c");
    sqs.delete("q.fifo", &blocking);
    unblocked.join().expect("the next of the group");
}
