//! What ends a long poll of a FIFO queue, and what too many messages in flight do to polls.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use karin_tests::wait;
use serde_json::{Value, json};

use super::{Refusal, Sqs, bodies};

/// A poll of 20 s that is answered within this was woken, not timed out.
const SOON: Duration = Duration::from_secs(10);

/// A long poll in a thread; its messages.
fn poll(sqs: &Sqs) -> JoinHandle<Vec<Value>> {
    let http = sqs.http();
    let members = json!({
        "QueueUrl": "q.fifo", "WaitTimeSeconds": 20, "MaxNumberOfMessages": 10,
    });
    let members = members.to_string();
    let looked = sqs.calls("popdue");
    let poll = std::thread::spawn(move || {
        let answer = http.json("ReceiveMessage", &members).json();
        answer["Messages"].as_array().cloned().unwrap_or_default()
    });
    // It has looked, in vain, and is subscribed.
    wait::until(wait::PATIENCE, "the poll", || {
        sqs.calls("popdue") > looked
            && sqs.redis.cli(&["PUBSUB", "NUMSUB", "karin:due:karin:{q.fifo}"]).ends_with('1')
    });
    poll
}

/// The poll ends soon with these bodies.
#[track_caller]
fn ends_with(poll: JoinHandle<Vec<Value>>, expected: &[&str]) {
    let start = Instant::now();
    let messages = poll.join().expect("an answer");
    assert_eq!(bodies(&messages), expected);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// A FIFO queue with one group, whose first message is in flight for `visibility` seconds.
fn blocked(visibility: u32) -> (Sqs, Value) {
    let sqs = Sqs::with_fifo();
    sqs.send_to_group("q.fifo", "g", "a");
    sqs.send_to_group("q.fifo", "g", "b");
    let members = json!({ "QueueUrl": "q.fifo", "VisibilityTimeout": visibility });
    let first = sqs.json("ReceiveMessage", &members)["Messages"][0].clone();
    (sqs, first)
}

// contract: 7.2-wakes-group
#[test]
fn deleting_what_blocks_a_group_ends_a_poll() {
    let (sqs, first) = blocked(100);
    let poll = poll(&sqs);
    sqs.delete("q.fifo", &first);
    ends_with(poll, &["b"]);
}

#[test]
fn deleting_it_in_a_batch_ends_a_poll() {
    let (sqs, first) = blocked(100);
    let poll = poll(&sqs);
    let entries = [json!({ "Id": "a", "ReceiptHandle": first["ReceiptHandle"] })];
    sqs.json("DeleteMessageBatch", &json!({ "QueueUrl": "q.fifo", "Entries": entries }));
    ends_with(poll, &["b"]);
}

// contract: 7.2-wakes-change
#[test]
fn visibility_0_ends_a_poll_alone_and_in_a_batch() {
    for in_batch in [false, true] {
        let (sqs, first) = blocked(100);
        let poll = poll(&sqs);
        if in_batch {
            let handle = &first["ReceiptHandle"];
            let entry = json!({ "Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": 0 });
            let members = json!({ "QueueUrl": "q.fifo", "Entries": [entry] });
            sqs.json("ChangeMessageVisibilityBatch", &members);
        } else {
            sqs.change_visibility("q.fifo", &first, 0);
        }
        ends_with(poll, &["a", "b"]);
    }
}

// contract: 7.2-wakes-lapse
#[test]
fn a_lease_that_ends_ends_a_poll() {
    let (sqs, _) = blocked(2);
    let poll = poll(&sqs);
    ends_with(poll, &["a", "b"]);
}

#[test]
fn a_message_of_another_group_ends_a_poll_and_one_of_the_blocked_group_does_not() {
    let (sqs, _) = blocked(100);
    let poll = poll(&sqs);
    sqs.send_to_group("q.fifo", "g", "c");
    sqs.send_to_group("q.fifo", "h", "d");
    ends_with(poll, &["d"]);
}

// contract: 7.2-wakes-delay
#[test]
fn a_queues_delay_that_is_over_ends_a_poll() {
    let sqs = Sqs::start();
    sqs.create_fifo("q.fifo", &["ContentBasedDeduplication", "true", "DelaySeconds", "1"]);
    let poll = poll(&sqs);
    sqs.send_to_group("q.fifo", "g", "a");
    ends_with(poll, &["a"]);
}

// contract: 7.2-queue-deleted
#[test]
fn a_fifo_queue_deleted_during_a_poll_ends_it() {
    let sqs = Sqs::with_fifo();
    let poll = poll(&sqs);
    let start = Instant::now();
    sqs.json("DeleteQueue", &json!({ "QueueUrl": "q.fifo" }));
    assert!(poll.join().expect("an answer").is_empty());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

// contract: 7.1-in-flight-limit, 4.9-over-limit
#[test]
fn too_many_in_flight_is_an_error_of_short_polls_of_standard_queues_only() {
    let sqs = Sqs::with_fifo();
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    sqs.redis.cli(&["CONFIG", "SET", "karin.max-in-flight", "2"]);
    for queue in ["q", "q.fifo"] {
        for body in ["a", "b", "c"] {
            sqs.send_to_group(queue, body, body);
        }
        assert_eq!(sqs.receive(queue).len(), 2, "{queue}");
    }
    sqs.refused(
        "ReceiveMessage",
        &json!({ "QueueUrl": "q" }),
        &[("QueueUrl", "q")],
        Refusal::new(
            "OverLimit",
            "OverLimit",
            403,
            "Too many messages have been received without being deleted.\n\
             Please delete your received messages or let them timeout before receiving more.",
        ),
    );
    for members in [
        json!({ "QueueUrl": "q", "WaitTimeSeconds": 1 }),
        json!({ "QueueUrl": "q.fifo" }),
        json!({ "QueueUrl": "q.fifo", "WaitTimeSeconds": 1 }),
    ] {
        assert_eq!(sqs.json("ReceiveMessage", &members), json!({}), "{members}");
    }
    // The queue's own wait makes it a long poll, too.
    sqs.redis.cli(&["KARIN.SET", "karin:{q}", "ReceiveMessageWaitTimeSeconds", "1"]);
    assert_eq!(sqs.json("ReceiveMessage", &json!({ "QueueUrl": "q" })), json!({}));
}

#[test]
fn a_message_deleted_makes_room_and_ends_a_long_poll() {
    let sqs = Sqs::with_fifo();
    sqs.redis.cli(&["CONFIG", "SET", "karin.max-in-flight", "1"]);
    sqs.send_to_group("q.fifo", "g", "a");
    sqs.send_to_group("q.fifo", "h", "b");
    let first = sqs.receive_one("q.fifo");
    let poll = poll(&sqs);
    sqs.delete("q.fifo", &first);
    ends_with(poll, &["b"]);
}
