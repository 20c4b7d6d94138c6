//! What a FIFO queue hands out and when, row by row as it was recorded (sqs-contract §9.1).

use serde_json::{Value, json};

use super::{Sqs, bodies, text};

/// One thing done to a queue. Messages go by their bodies, `<group>-<message>`.
enum Step {
    Send(&'static str),
    /// Receives at most so many, hidden for so many seconds, and gets these.
    Take(u32, u32, &'static str),
    Delete(&'static str),
    Change(&'static str, u32),
    Pass(u32),
    /// Visible and in flight.
    Count(&'static str, &'static str),
}

use Step::{Change, Count, Delete, Pass, Send, Take};

const ROWS: [(&str, &[Step]); 14] = [
    (
        "as many as possible from one group, then from the next",
        &[Send("g1-m1 g1-m2 g2-m1 g1-m3"), Take(10, 30, "g1-m1 g1-m2 g1-m3 g2-m1")],
    ),
    (
        "one of a group in flight blocks the rest of it and no other group",
        &[
            Send("g1-m1 g1-m2 g2-m1"),
            Take(1, 30, "g1-m1"),
            Take(10, 30, "g2-m1"),
            Take(10, 30, ""),
            Delete("g1-m1"),
            Take(10, 30, "g1-m2"),
        ],
    ),
    (
        "the rest of a group flows when its message in flight is visible again",
        &[
            Send("g1-m1 g1-m2"),
            Take(1, 30, "g1-m1"),
            Take(10, 30, ""),
            Pass(31),
            Take(10, 30, "g1-m1 g1-m2"),
        ],
    ),
    (
        "a group whose messages in flight are all deleted goes to the end of the line",
        &[
            Send("g1-m1 g1-m2 g1-m3 g1-m4 g2-m1 g2-m2"),
            Take(2, 30, "g1-m1 g1-m2"),
            Delete("g1-m1 g1-m2"),
            Send("g3-m1"),
            Take(10, 30, "g2-m1 g2-m2 g1-m3 g1-m4 g3-m1"),
        ],
    ),
    (
        "a group stays blocked while only some of its messages in flight are deleted",
        &[
            Send("g1-m1 g2-m1 g1-m2 g2-m2 g1-m3 g1-m4 g3-m1"),
            Take(2, 30, "g1-m1 g1-m2"),
            Delete("g1-m1"),
            Take(10, 30, "g2-m1 g2-m2 g3-m1"),
            Delete("g1-m2"),
            Take(10, 30, "g1-m3 g1-m4"),
        ],
    ),
    (
        "groups whose messages lapsed come after one that waited, each in its order",
        &[
            Send("g1-m1 g1-m2 g1-m3 g1-m4 g2-m1 g3-m1"),
            Take(2, 1, "g1-m1 g1-m2"),
            Take(1, 1, "g2-m1"),
            Pass(2),
            Take(10, 0, "g3-m1 g1-m1 g1-m2 g1-m3 g1-m4 g2-m1"),
        ],
    ),
    (
        "three lapse but the first, which was extended: nothing",
        &[
            Send("g1-m1 g1-m2 g1-m3"),
            Take(3, 10, "g1-m1 g1-m2 g1-m3"),
            Change("g1-m1", 100),
            Pass(11),
            Take(10, 30, ""),
        ],
    ),
    (
        "three lapse but the second, which was extended: the first",
        &[
            Send("g1-m1 g1-m2 g1-m3"),
            Take(3, 10, "g1-m1 g1-m2 g1-m3"),
            Change("g1-m2", 100),
            Pass(11),
            Take(10, 30, "g1-m1"),
        ],
    ),
    (
        "three lapse but the third, which was extended: the first and the second",
        &[
            Send("g1-m1 g1-m2 g1-m3"),
            Take(3, 10, "g1-m1 g1-m2 g1-m3"),
            Change("g1-m3", 100),
            Pass(11),
            Take(10, 30, "g1-m1 g1-m2"),
        ],
    ),
    (
        "the first set to 0 is receivable at once, the second stays hidden",
        &[
            Send("g1-m1 g1-m2 g2-m1"),
            Take(2, 30, "g1-m1 g1-m2"),
            Change("g1-m1", 0),
            Take(10, 30, "g2-m1 g1-m1"),
        ],
    ),
    (
        "received with visibility 0, each once a call, they come in the same order again",
        &[
            Send("g1-m1 g1-m2 g2-m1"),
            Take(10, 0, "g1-m1 g1-m2 g2-m1"),
            Take(10, 0, "g1-m1 g1-m2 g2-m1"),
        ],
    ),
    (
        "the order is as it was when timeouts lapse",
        &[
            Send("g1-m1 g1-m2 g1-m3"),
            Take(2, 30, "g1-m1 g1-m2"),
            Pass(31),
            Take(10, 30, "g1-m1 g1-m2 g1-m3"),
        ],
    ),
    (
        "a group that ran empty works again",
        &[
            Send("g1-m1"),
            Take(10, 30, "g1-m1"),
            Delete("g1-m1"),
            Take(10, 30, ""),
            Send("g1-m2"),
            Take(10, 30, "g1-m2"),
        ],
    ),
    (
        "blocked messages count as visible",
        &[
            Send("g1-m1 g1-m2 g1-m3"),
            Take(1, 30, "g1-m1"),
            Count("2", "1"),
            Take(10, 30, ""),
            Count("2", "1"),
        ],
    ),
];

/// A row's queue, and what was last received from it, by body.
struct Stage<'a> {
    sqs: &'a Sqs,
    queue: String,
    received: std::collections::BTreeMap<String, Value>,
}

impl Stage<'_> {
    fn run(&mut self, row: &str, step: &Step) {
        let Self { sqs, queue, received } = self;
        match *step {
            Send(messages) => {
                for body in messages.split(' ') {
                    let (group, _) = body.split_once('-').expect("a group");
                    sqs.send_to_group(queue, group, body);
                }
            }
            Take(max, visibility, expected) => {
                let members = json!({
                    "QueueUrl": queue, "MaxNumberOfMessages": max, "VisibilityTimeout": visibility,
                });
                let answer = sqs.json("ReceiveMessage", &members);
                let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
                assert_eq!(bodies(&messages).join(" "), expected, "{row}");
                for message in messages {
                    received.insert(text(&message, "Body").to_owned(), message);
                }
            }
            Delete(messages) => {
                messages.split(' ').for_each(|body| sqs.delete(queue, &received[body]));
            }
            Change(body, seconds) => sqs.change_visibility(queue, &received[body], seconds),
            Pass(seconds) => sqs.pass_seconds(seconds),
            Count(visible, in_flight) => {
                assert_eq!(sqs.counts(queue), (visible.into(), in_flight.into()), "{row}");
            }
        }
    }
}

// contract: 9.1-one-group-first, 9.1-blocked, 9.1-group-released, 9.1-partly-deleted
// contract: 9.1-first-in-flight, 9.1-zero, 9.1-visibility-0, 9.1-lapse, 9.1-empty-group
#[test]
fn order_and_blocking_are_as_recorded() {
    let sqs = Sqs::start();
    for (number, (row, steps)) in ROWS.iter().enumerate() {
        let queue = format!("row-{number}.fifo");
        sqs.create_fifo(&queue, &["ContentBasedDeduplication", "true"]);
        let mut stage = Stage { sqs: &sqs, queue, received: std::collections::BTreeMap::new() };
        steps.iter().for_each(|step| stage.run(row, step));
    }
}

// contract: 9-delay, 4.8-delay-on-fifo
#[test]
fn a_queues_delay_holds_back_its_group_in_order_and_a_delay_of_0_leaves_it() {
    let sqs = Sqs::start();
    sqs.create_fifo("q.fifo", &["ContentBasedDeduplication", "true", "DelaySeconds", "60"]);
    sqs.send_to_group("q.fifo", "g", "a");
    let members = json!({
        "QueueUrl": "q.fifo", "MessageBody": "b", "MessageGroupId": "g", "DelaySeconds": 0,
    });
    sqs.json("SendMessage", &members);
    assert!(sqs.receive("q.fifo").is_empty());
    sqs.pass_seconds(61);
    assert_eq!(bodies(&sqs.receive("q.fifo")), ["a", "b"]);
}

#[test]
fn what_a_client_that_left_had_taken_of_a_group_comes_in_order_to_the_next() {
    let sqs = Sqs::with_fifo();
    for body in ["a", "b", "c"] {
        sqs.send_to_group("q.fifo", "g", body);
    }
    let first = sqs.receive("q.fifo");
    let receipts: Vec<&str> = first.iter().map(|message| text(message, "ReceiptHandle")).collect();
    // As the gateway gives back what nobody took, in any order.
    let reversed: Vec<&str> = receipts.into_iter().rev().collect();
    sqs.redis.cli(&[&["KARIN.RELEASE", "karin:{q.fifo}"], reversed.as_slice()].concat());
    let again = sqs.receive("q.fifo");
    assert_eq!(bodies(&again), ["a", "b", "c"]);
    for message in &again {
        assert_eq!(text(&message["Attributes"], "ApproximateReceiveCount"), "1");
    }
}

// contract: 9.2-no-fifo
#[test]
fn a_standard_queue_gives_groups_fair_turns_and_blocks_nobody() {
    let sqs = Sqs::with_queue("q");
    let entries: Vec<Value> = (0..8)
        .map(|i| json!({ "Id": i.to_string(), "MessageBody": "loud", "MessageGroupId": "loud" }))
        .collect();
    let sent = sqs.json("SendMessageBatch", &json!({ "QueueUrl": "q", "Entries": entries }));
    assert!(sent["Successful"][0].get("SequenceNumber").is_none(), "{sent}");
    sqs.send_to_group("q", "quiet", "quiet");
    let take = json!({ "QueueUrl": "q", "MaxNumberOfMessages": 4, "AttributeNames": ["All"] });
    let answer = sqs.json("ReceiveMessage", &take);
    let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    assert_eq!(messages.len(), 4);
    assert!(bodies(&messages).contains(&"quiet"), "{messages:?}");
    assert_eq!(text(&messages[0]["Attributes"], "MessageGroupId"), "loud");
    assert!(messages[0]["Attributes"].get("SequenceNumber").is_none());
    assert!(messages[0]["Attributes"].get("MessageDeduplicationId").is_none());
    // Duplicates are none here, and what is in flight holds nothing back.
    assert_eq!(sqs.receive("q").len(), 5);
}
