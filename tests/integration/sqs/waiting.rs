//! Long polling.

use std::time::{Duration, Instant};

use karin_tests::wait;
use serde_json::json;

use super::{Sqs, text};

/// A poll of 20 s that is answered within this was woken, not timed out.
const SOON: Duration = Duration::from_secs(10);

fn in_flight(sqs: &Sqs) -> String {
    let names = ["ApproximateNumberOfMessagesNotVisible"];
    let answer =
        sqs.json("GetQueueAttributes", &json!({ "QueueUrl": "q", "AttributeNames": names }));
    text(&answer["Attributes"], names[0]).to_owned()
}

// contract: 7.2-long-poll, 7.2-wakes-send
#[test]
fn a_poll_ends_when_a_message_is_sent_through_the_gateway_or_past_it() {
    let sqs = Sqs::with_queue("q");
    let poll = json!({ "QueueUrl": "q", "WaitTimeSeconds": 20 }).to_string();
    for through_gateway in [true, false] {
        let http = sqs.http();
        let poll = poll.clone();
        let start = Instant::now();
        let poller = std::thread::spawn(move || http.json("ReceiveMessage", &poll).json());
        if through_gateway {
            sqs.send("q", "x");
        } else {
            sqs.redis.cli(&["KARIN.SEND", "karin:{q}", "x"]);
        }
        let received = poller.join().expect("an answer");
        assert_eq!(received["Messages"][0]["Body"], "x");
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
}

// contract: 7.2-wakes-delay
#[test]
fn a_poll_ends_when_a_delayed_message_becomes_due() {
    let sqs = Sqs::with_queue("q");
    sqs.json("SendMessage", &json!({ "QueueUrl": "q", "MessageBody": "x", "DelaySeconds": 1 }));
    let start = Instant::now();
    let received = sqs.json("ReceiveMessage", &json!({ "QueueUrl": "q", "WaitTimeSeconds": 20 }));
    assert_eq!(received["Messages"][0]["Body"], "x");
    let elapsed = start.elapsed();
    assert!((Duration::from_millis(800)..SOON).contains(&elapsed), "{elapsed:?}");
}

// contract: 7.2-effective-wait, 7.2-in-time, 7.2-long-poll
#[test]
fn a_poll_of_an_empty_queue_ends_empty_after_its_time_or_the_queues() {
    let sqs = Sqs::start();
    let attributes = json!({ "ReceiveMessageWaitTimeSeconds": "1" });
    sqs.json("CreateQueue", &json!({ "QueueName": "q", "Attributes": attributes }));
    for members in [json!({ "QueueUrl": "q" }), json!({ "QueueUrl": "q", "WaitTimeSeconds": 1 })] {
        let start = Instant::now();
        assert_eq!(sqs.json("ReceiveMessage", &members), json!({}));
        assert!((Duration::from_millis(990)..SOON).contains(&start.elapsed()));
    }
    let start = Instant::now();
    sqs.json("ReceiveMessage", &json!({ "QueueUrl": "q", "WaitTimeSeconds": 0 }));
    assert!(start.elapsed() < Duration::from_millis(900), "0 does not wait");
}

// contract: 7.2-client-gone
#[test]
fn a_client_that_left_its_poll_is_handed_nothing() {
    let sqs = Sqs::with_queue("q");
    let body = json!({ "QueueUrl": "q", "WaitTimeSeconds": 20 }).to_string();
    let mut connection = sqs.http().connect();
    connection.write(
        format!(
            "POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n\
             Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    drop(connection);
    sqs.send("q", "x");
    // Whether the poll saw the message or not, it is there for the next one, with its count.
    let message = wait::until_some(wait::PATIENCE, "the message", || {
        let mut messages = sqs.receive("q");
        messages.pop()
    });
    assert_eq!(text(&message["Attributes"], "ApproximateReceiveCount"), "1");
    assert_eq!(in_flight(&sqs), "1");
}
