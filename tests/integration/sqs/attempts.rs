//! ReceiveRequestAttemptId: receives that are repeated (sqs-contract §§4.9 and 9).

use serde_json::{Value, json};

use super::{Refusal, Sqs, bodies, text};

/// Receives up to ten messages in attempt `id`, hidden for 30 s.
#[track_caller]
fn attempt(sqs: &Sqs, queue: &str, id: &str) -> Vec<Value> {
    let members = json!({
        "QueueUrl": queue,
        "MaxNumberOfMessages": 10,
        "ReceiveRequestAttemptId": id,
        "VisibilityTimeout": 30,
        "AttributeNames": ["All"],
    });
    let answer = sqs.json("ReceiveMessage", &members);
    answer["Messages"].as_array().cloned().unwrap_or_default()
}

fn sent() -> Sqs {
    let sqs = Sqs::with_fifo();
    sqs.send_to_group("q.fifo", "g", "a");
    sqs.send_to_group("q.fifo", "g", "b");
    sqs
}

// contract: 9-attempt-id
#[test]
fn the_same_attempt_gets_the_same_messages_and_handles_hidden_anew() {
    let sqs = sent();
    let first = attempt(&sqs, "q.fifo", "A");
    assert_eq!(bodies(&first), ["a", "b"]);
    assert!(attempt(&sqs, "q.fifo", "B").is_empty(), "another attempt gets what is left");
    sqs.pass_seconds(20);
    assert_eq!(attempt(&sqs, "q.fifo", "A"), first);
    // 30 s from the repetition, not from the first.
    sqs.pass_seconds(20);
    assert!(attempt(&sqs, "q.fifo", "B").is_empty());
    sqs.delete("q.fifo", &first[0]);
    sqs.delete("q.fifo", &first[1]);
    assert_eq!(sqs.counts("q.fifo"), ("0".into(), "0".into()));
}

// contract: 9-attempt-id
#[test]
fn an_attempt_whose_messages_were_touched_is_a_receive_like_any_other() {
    let sqs = sent();
    let first = attempt(&sqs, "q.fifo", "A");
    sqs.delete("q.fifo", &first[0]);
    assert!(attempt(&sqs, "q.fifo", "A").is_empty(), "one was deleted, one is in flight");
    sqs.change_visibility("q.fifo", &first[1], 0);
    let again = attempt(&sqs, "q.fifo", "A");
    assert_eq!(bodies(&again), ["b"]);
    assert_ne!(again[0]["ReceiptHandle"], first[1]["ReceiptHandle"]);
    assert_eq!(text(&again[0]["Attributes"], "ApproximateReceiveCount"), "2");
    sqs.change_visibility("q.fifo", &again[0], 100);
    assert!(attempt(&sqs, "q.fifo", "A").is_empty(), "its visibility was changed");
}

// contract: 9-attempt-id
#[test]
fn an_attempt_whose_messages_are_visible_again_or_that_is_old_is_a_fresh_one() {
    let sqs = sent();
    let first = attempt(&sqs, "q.fifo", "A");
    sqs.pass_seconds(31);
    let second = attempt(&sqs, "q.fifo", "A");
    assert_eq!(bodies(&second), ["a", "b"]);
    assert_ne!(second[0]["ReceiptHandle"], first[0]["ReceiptHandle"]);
    for _ in 0..10 {
        sqs.pass_seconds(29);
        assert_eq!(attempt(&sqs, "q.fifo", "A"), second);
    }
    // 290 s have passed since; at 300 s the attempt is forgotten.
    sqs.pass_seconds(10);
    assert!(attempt(&sqs, "q.fifo", "A").is_empty());
}

#[test]
fn a_long_poll_in_an_attempt_can_be_repeated_too() {
    let sqs = Sqs::with_fifo();
    let poll = json!({
        "QueueUrl": "q.fifo", "WaitTimeSeconds": 20, "ReceiveRequestAttemptId": "A",
    });
    let http = sqs.http();
    let text_of_poll = poll.to_string();
    let poller = std::thread::spawn(move || http.json("ReceiveMessage", &text_of_poll).json());
    sqs.send_to_group("q.fifo", "g", "a");
    let first = poller.join().expect("an answer");
    assert_eq!(first["Messages"][0]["Body"], "a");
    assert_eq!(sqs.json("ReceiveMessage", &poll), first);
}

// contract: 4.9-attempt-id
#[test]
fn a_bad_id_is_refused_by_a_fifo_queue_and_any_is_ignored_by_a_standard_one() {
    let sqs = sent();
    sqs.refused(
        "ReceiveMessage",
        &json!({ "QueueUrl": "q.fifo", "ReceiveRequestAttemptId": "a b" }),
        &[("QueueUrl", "q.fifo"), ("ReceiveRequestAttemptId", "a b")],
        Refusal::invalid_parameter(
            "Value a b for parameter ReceiveRequestAttemptId is invalid. Reason: \
             ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 \
             to 128 in length.",
        ),
    );
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    sqs.send("q", "x");
    assert_eq!(bodies(&attempt(&sqs, "q", "a b")), ["x"]);
    assert!(attempt(&sqs, "q", "a b").is_empty(), "a standard queue repeats nothing");
}
