//! From sent to gone (sqs-contract §7.1).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Sqs, bodies, text};

/// Counts of a queue: visible, in flight, delayed.
#[track_caller]
fn counts(sqs: &Sqs, queue: &str) -> [String; 3] {
    let members = json!({ "QueueUrl": queue, "AttributeNames": ["All"] });
    let attributes = &sqs.json("GetQueueAttributes", &members)["Attributes"];
    ["", "NotVisible", "Delayed"]
        .map(|which| text(attributes, &format!("ApproximateNumberOfMessages{which}")).to_owned())
}

#[test]
fn a_message_is_delayed_then_visible_then_in_flight_then_visible_again() {
    let sqs = Sqs::with_queue("q");
    sqs.json("SendMessage", &json!({ "QueueUrl": "q", "MessageBody": "x", "DelaySeconds": 60 }));
    assert_eq!(counts(&sqs, "q"), ["0", "0", "1"]);
    sqs.pass_seconds(61);
    assert_eq!(counts(&sqs, "q"), ["1", "0", "0"]);
    let message = sqs.receive_one("q");
    assert_eq!(counts(&sqs, "q"), ["0", "1", "0"]);
    sqs.pass_seconds(31);
    assert_eq!(counts(&sqs, "q"), ["1", "0", "0"]);
    sqs.delete("q", &message);
    assert_eq!(counts(&sqs, "q"), ["0", "0", "0"]);
}

#[test]
fn visibility_0_hands_out_each_message_once_a_call_and_counts_the_receive() {
    let sqs = Sqs::with_fifo();
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    for queue in ["q", "q.fifo"] {
        for body in ["a", "b", "c"] {
            sqs.send_to_group(queue, body, body);
        }
        let mut handles = BTreeSet::new();
        for receive in 1..=3 {
            let members = json!({
                "QueueUrl": queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0,
                "AttributeNames": ["ApproximateReceiveCount"],
            });
            let answer = sqs.json("ReceiveMessage", &members);
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            let mut all = bodies(&messages);
            all.sort_unstable();
            assert_eq!(all, ["a", "b", "c"], "{queue}");
            for message in &messages {
                let count = text(&message["Attributes"], "ApproximateReceiveCount");
                assert_eq!(count, receive.to_string());
                assert!(handles.insert(text(message, "ReceiptHandle").to_owned()), "a new handle");
            }
        }
        assert_eq!(sqs.counts(queue), ("3".into(), "0".into()));
    }
}

#[test]
fn the_timeout_of_the_request_wins_over_the_queues() {
    let sqs = Sqs::with_queue("q");
    sqs.redis.cli(&["KARIN.SET", "karin:{q}", "VisibilityTimeout", "100"]);
    sqs.send("q", "x");
    sqs.json("ReceiveMessage", &json!({ "QueueUrl": "q", "VisibilityTimeout": 10 }));
    sqs.pass_seconds(11);
    // The queue's own, at the time of the receive.
    assert_eq!(sqs.receive("q").len(), 1);
    sqs.redis.cli(&["KARIN.SET", "karin:{q}", "VisibilityTimeout", "5"]);
    sqs.pass_seconds(90);
    assert!(sqs.receive("q").is_empty());
    sqs.pass_seconds(11);
    assert_eq!(sqs.receive("q").len(), 1);
}

#[test]
fn retention_ends_visible_delayed_and_flying_messages_alike_and_those_that_are_there() {
    let sqs = Sqs::with_fifo();
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    for queue in ["q", "q.fifo"] {
        sqs.send_to_group(queue, "flying", "flying");
        let members = json!({ "QueueUrl": queue, "VisibilityTimeout": 1_000 });
        sqs.json("ReceiveMessage", &members);
        sqs.send_to_group(queue, "visible", "visible");
    }
    let delayed = json!({ "QueueUrl": "q", "MessageBody": "delayed", "DelaySeconds": 900 });
    sqs.json("SendMessage", &delayed);
    for queue in ["q", "q.fifo"] {
        let key = format!("karin:{{{queue}}}");
        sqs.redis.cli(&["KARIN.SET", &key, "MessageRetentionPeriod", "60"]);
        sqs.pass_seconds(61);
        assert!(sqs.receive(queue).is_empty());
        sqs.pass_seconds(2_000);
        assert!(sqs.receive(queue).is_empty());
        assert_eq!(counts(&sqs, queue), ["0", "0", "0"]);
        // What comes later has its own time.
        sqs.send_to_group(queue, "new", "new");
        assert_eq!(bodies(&sqs.receive(queue)), ["new"]);
    }
}

#[test]
fn a_changed_delay_counts_for_later_messages_and_in_a_fifo_queue_for_those_there() {
    let sqs = Sqs::with_fifo();
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    for queue in ["q", "q.fifo"] {
        sqs.send_to_group(queue, "g", "before");
        let key = format!("karin:{{{queue}}}");
        sqs.redis.cli(&["KARIN.SET", &key, "DelaySeconds", "60"]);
        sqs.send_to_group(queue, "g", "after");
    }
    assert_eq!(bodies(&sqs.receive("q")), ["before"]);
    assert_eq!(bodies(&sqs.receive("q.fifo")), Vec::<&str>::new());
    sqs.pass_seconds(61);
    assert_eq!(bodies(&sqs.receive("q.fifo")), ["before", "after"]);
}

#[test]
fn a_purge_takes_messages_in_every_state_and_their_handles_with_them() {
    let sqs = Sqs::with_fifo();
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    for queue in ["q", "q.fifo"] {
        sqs.send_to_group(queue, "g", "a");
        let message = sqs.receive_one(queue);
        sqs.send_to_group(queue, "g", "b");
        sqs.json("PurgeQueue", &json!({ "QueueUrl": queue }));
        assert_eq!(counts(&sqs, queue), ["0", "0", "0"]);
        sqs.delete(queue, &message);
        let handle = &message["ReceiptHandle"];
        let change = json!({ "QueueUrl": queue, "ReceiptHandle": handle, "VisibilityTimeout": 0 });
        let response = sqs.http().json("ChangeMessageVisibility", &change.to_string());
        let refusal: Value = response.json();
        assert!(text(&refusal, "message").contains("does not exist"), "{refusal}");
        // The group is free again.
        sqs.send_to_group(queue, "g", "c");
        assert_eq!(bodies(&sqs.receive(queue)), ["c"]);
    }
}
