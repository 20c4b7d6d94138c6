//! Dead-letter queues end to end.
//!
//! Source: sqs-contract §§5.3 and 8.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::wait;
use serde_json::{Value, json};

use super::{Sqs, text};

pub(super) const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:";

impl Sqs {
    /// Makes a queue, as redis-cli does it.
    pub(super) fn create(&self, queue: &str, attributes: &[&str]) {
        let key = format!("karin:{{{queue}}}");
        let mut command = vec!["KARIN.CREATE", key.as_str()];
        if queue.contains(".fifo") {
            command.push("FIFO");
        }
        command.extend(attributes);
        assert_eq!(self.redis.cli(&command), "OK", "{command:?}");
    }

    /// Makes a queue whose messages go to `target` after so many receives.
    pub(super) fn create_source(&self, queue: &str, target: &str, count: u32) {
        let arn = format!("{ARN}{target}");
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": count }).to_string();
        let count = count.to_string();
        let attributes = ["maxReceiveCount", &count, "deadLetterTargetArn", &arn];
        self.create(queue, &[&attributes[..], &["RedrivePolicy", &policy]].concat());
    }

    /// Receives what there is and gives it back at once.
    fn receive_and_give_back(&self, queue: &str) -> Vec<Value> {
        let members = json!({
            "QueueUrl": queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0,
            "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
        });
        let answer = self.json("ReceiveMessage", &members);
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    /// Waits in a long poll for one message.
    fn await_one(&self, queue: &str) -> Value {
        let members = json!({
            "QueueUrl": queue, "WaitTimeSeconds": 20, "VisibilityTimeout": 0,
            "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
        });
        self.json("ReceiveMessage", &members)["Messages"][0].clone()
    }

    /// Waits for so many messages; their bodies in the order in which they come.
    pub(super) fn await_bodies(&self, queue: &str, count: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        wait::until(wait::PATIENCE, &format!("{count} messages in {queue}"), || {
            bodies.extend(self.receive(queue).iter().map(|m| text(m, "Body").to_owned()));
            bodies.len() >= count
        });
        bodies
    }

    pub(super) fn info_of(&self, queue: &str, field: &str) -> String {
        let info = self.redis.cli(&["KARIN.INFO", &format!("karin:{{{queue}}}")]);
        let mut lines = info.lines().skip_while(|line| *line != field);
        lines.nth(1).unwrap_or_else(|| panic!("no {field} in {info}")).to_owned()
    }

    fn await_no_letters(&self, queue: &str) {
        wait::until(wait::PATIENCE, "no letters left", || self.info_of(queue, "dead") == "0");
    }
}

#[track_caller]
pub(super) fn attribute<'a>(message: &'a Value, name: &str) -> &'a str {
    text(&message["Attributes"], name)
}

// contract: 8-long-poll, 8-kept, 7.2-wakes-move
#[test]
fn a_dead_letter_wakes_a_poll_and_keeps_what_it_had() {
    let sqs = Sqs::start();
    sqs.create("dlq", &[]);
    sqs.create_source("q", "dlq", 1);
    let sent = sqs.json(
        "SendMessage",
        &json!({
            "QueueUrl": "q", "MessageBody": "a\r\nb", "MessageGroupId": "customer-7",
            "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "7"}},
            "MessageSystemAttributes": {
                "AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"},
            },
        }),
    );
    let first = sqs.receive_and_give_back("q").remove(0);
    sqs.pass_seconds(5);
    let (dead, waited) = std::thread::scope(|scope| {
        let poll = scope.spawn(|| sqs.await_one("dlq"));
        wait::until(wait::PATIENCE, "the subscription", || {
            sqs.redis.cli(&["PUBSUB", "NUMSUB", "karin:due:karin:{dlq}"]).ends_with('1')
        });
        let start = Instant::now();
        assert!(sqs.receive("q").is_empty(), "it dies instead");
        (poll.join().unwrap(), start.elapsed())
    });
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    for member in ["MessageId", "Body", "MD5OfBody", "MD5OfMessageAttributes"] {
        assert_eq!(dead[member], first[member], "{member}");
    }
    assert_eq!(dead["MessageId"], sent["MessageId"]);
    assert_eq!(dead["MessageAttributes"], first["MessageAttributes"]);
    for name in [
        "SentTimestamp",
        "ApproximateFirstReceiveTimestamp",
        "AWSTraceHeader",
        "MessageGroupId",
        "SenderId",
    ] {
        assert_eq!(attribute(&dead, name), attribute(&first, name), "{name}");
    }
    assert_eq!(attribute(&dead, "ApproximateReceiveCount"), "2");
    assert_eq!(attribute(&dead, "DeadLetterQueueSourceArn"), format!("{ARN}q"));
    sqs.await_no_letters("q");
    // Its old handle does nothing to it any more.
    sqs.json("DeleteMessage", &json!({ "QueueUrl": "q", "ReceiptHandle": first["ReceiptHandle"] }));
    assert_eq!(attribute(&sqs.receive_one("dlq"), "ApproximateReceiveCount"), "3");
}

// contract: 8-fifo, 8-timestamps-fifo
#[test]
fn letters_of_a_fifo_queue_arrive_in_order_as_sent_now() {
    let sqs = Sqs::start();
    sqs.create("dlq.fifo", &[]);
    sqs.create_source("q.fifo", "dlq.fifo", 1);
    let key = "karin:{q.fifo}";
    for n in 0..3 {
        let (body, dedup) = (format!("m{n}"), format!("id-{n}"));
        sqs.redis.cli(&["KARIN.SEND", key, &body, "GROUP", "g", "DEDUP", &dedup]);
    }
    let first = sqs.receive_and_give_back("q.fifo");
    sqs.pass_seconds(301);
    // The deduplication id may be used again, and its message dies as well.
    sqs.redis.cli(&["KARIN.SEND", key, "m3", "GROUP", "g", "DEDUP", "id-0"]);
    assert_eq!(text(&sqs.receive_and_give_back("q.fifo")[0], "Body"), "m3");
    assert!(sqs.receive_and_give_back("q.fifo").is_empty());
    let dead = {
        wait::until(wait::PATIENCE, "the letters", || sqs.info_of("dlq.fifo", "ready") == "4");
        sqs.receive("dlq.fifo")
    };
    let bodies: Vec<&str> = dead.iter().map(|message| text(message, "Body")).collect();
    assert_eq!(bodies, ["m0", "m1", "m2", "m3"]);
    for (dead, first) in dead.iter().zip(&first) {
        assert_eq!(dead["MessageId"], first["MessageId"]);
        assert_eq!(attribute(dead, "MessageGroupId"), "g");
        assert_eq!(attribute(dead, "MessageDeduplicationId"), text(first, "MessageId"));
        let sent = |message| attribute(message, "SentTimestamp").parse::<u64>().unwrap();
        assert!(sent(dead) >= sent(first) + 300_000, "{dead} {first}");
    }
}

// contract: 8-chain
#[test]
fn a_letter_can_die_again_in_the_dead_letter_queue_of_its_dead_letter_queue() {
    let sqs = Sqs::start();
    sqs.create("last", &[]);
    sqs.create_source("middle", "last", 1);
    sqs.create_source("first", "middle", 1);
    sqs.send("first", "twice dead");
    sqs.receive_and_give_back("first");
    assert!(sqs.receive("first").is_empty());
    let middle = sqs.await_one("middle");
    assert_eq!(attribute(&middle, "DeadLetterQueueSourceArn"), format!("{ARN}first"));
    assert!(sqs.receive("middle").is_empty());
    let last = sqs.await_one("last");
    assert_eq!(last["MessageId"], middle["MessageId"]);
    assert_eq!(attribute(&last, "DeadLetterQueueSourceArn"), format!("{ARN}middle"));
    assert_eq!(attribute(&last, "ApproximateReceiveCount"), "3");
}

/// Nothing can take the letters of `q`: they stay receivable, and the policy stays as it was.
#[track_caller]
fn stays_receivable(sqs: &Sqs) {
    sqs.send("q", "stays");
    sqs.receive_and_give_back("q");
    for count in 2..5 {
        let message = sqs.await_one("q");
        assert_eq!(attribute(&message, "ApproximateReceiveCount"), count.to_string());
    }
    let attributes = sqs.redis.cli(&["KARIN.INFO", "karin:{q}"]);
    assert!(attributes.contains("deadLetterTargetArn"), "{attributes}");
    assert!(attributes.contains("RedrivePolicy"), "{attributes}");
    assert!(!attributes.lines().any(|line| line == "maxReceiveCount"), "{attributes}");
    assert_eq!(sqs.info_of("q", "dead"), "0");
    let told = sqs.gateway.log().matches("the dead-letter queue is missing").count();
    assert_eq!(told, 1);
}

// contract: 5.3-target-deleted
#[test]
fn without_its_dead_letter_queue_a_message_stays_receivable() {
    let sqs = Sqs::start();
    sqs.create_source("q", "missing", 1);
    stays_receivable(&sqs);
    assert_eq!(sqs.redis.cli(&["EXISTS", "karin:{missing}"]), "0");
}

#[test]
fn a_dead_letter_queue_that_is_made_again_gets_letters_again() {
    let sqs = Sqs::start();
    sqs.json("CreateQueue", &json!({ "QueueName": "missing" }));
    let policy = format!("{{\"deadLetterTargetArn\":\"{ARN}missing\",\"maxReceiveCount\":1}}");
    let attributes = json!({ "RedrivePolicy": policy });
    sqs.json("CreateQueue", &json!({ "QueueName": "q", "Attributes": attributes }));
    sqs.redis.cli(&["DEL", "karin:{missing}"]);
    stays_receivable(&sqs);
    sqs.json("CreateQueue", &json!({ "QueueName": "missing" }));
    assert!(sqs.receive("q").is_empty(), "received too often long since");
    assert_eq!(text(&sqs.await_one("missing"), "Body"), "stays");
    let shown = sqs.json(
        "GetQueueAttributes",
        &json!({ "QueueUrl": "q", "AttributeNames": ["RedrivePolicy"] }),
    );
    assert_eq!(shown["Attributes"]["RedrivePolicy"], policy);
}

#[test]
fn a_dead_letter_queue_of_another_type_counts_as_missing() {
    let sqs = Sqs::start();
    sqs.create("dlq.fifo", &["ContentBasedDeduplication", "true"]);
    sqs.create_source("q", "dlq.fifo", 1);
    stays_receivable(&sqs);
    assert_eq!(sqs.info_of("dlq.fifo", "sequence"), "0");
}

#[test]
fn a_count_set_without_a_policy_is_kept_in_one_when_the_target_is_missing() {
    let sqs = Sqs::start();
    let arn = format!("{ARN}missing");
    sqs.create("q", &["maxReceiveCount", "1", "deadLetterTargetArn", &arn]);
    stays_receivable(&sqs);
    let policy = format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":1}}");
    assert!(sqs.redis.cli(&["KARIN.INFO", "karin:{q}"]).contains(&policy));
}

#[test]
fn letters_of_a_queue_without_a_policy_are_given_back() {
    let sqs = Sqs::start();
    sqs.create("dlq", &[]);
    sqs.create_source("q", "dlq", 1);
    sqs.redis.cli(&["KARIN.SEND", "karin:{q}", "x"]);
    // In one transaction, so that the gateway does not see the letter before.
    let script = "MULTI\nKARIN.POPDUE karin:{q} VISIBILITY 0\nKARIN.POPDUE karin:{q}\n\
                  KARIN.SET karin:{q} deadLetterTargetArn \"\"\nEXEC\n";
    pipe(&sqs, script);
    assert_eq!(sqs.info_of("q", "dead"), "1");
    sqs.receive("q");
    assert_eq!(attribute(&sqs.await_one("q"), "ApproximateReceiveCount"), "2");
}

fn pipe(sqs: &Sqs, script: &str) {
    use std::io::Write as _;
    let mut client = std::process::Command::new("redis-cli")
        .arg("-s")
        .arg(sqs.redis.socket_path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(client.wait().unwrap().success());
}

#[test]
fn a_queue_can_be_its_own_dead_letter_queue() {
    let sqs = Sqs::start();
    sqs.create_source("q", "q", 2);
    sqs.send("q", "again");
    let id = sqs.await_one("q")["MessageId"].clone();
    for count in 2..8 {
        let message = sqs.await_one("q");
        assert_eq!(message["MessageId"], id);
        assert_eq!(attribute(&message, "ApproximateReceiveCount"), count.to_string());
    }
    sqs.await_no_letters("q");
    assert_eq!(sqs.receive("q").len(), 1);
    assert!(!sqs.gateway.log().contains("missing"));
}

#[test]
fn a_letter_larger_than_its_target_takes_arrives_all_the_same() {
    let sqs = Sqs::start();
    sqs.create("dlq", &["MaximumMessageSize", "1024"]);
    sqs.create_source("q", "dlq", 1);
    let large = "x".repeat(5_000);
    for body in ["before", &large, "after"] {
        sqs.send("q", body);
    }
    sqs.receive_and_give_back("q");
    assert!(sqs.receive("q").is_empty());
    assert_eq!(sqs.await_bodies("dlq", 3), ["before", &large, "after"]);
    sqs.await_no_letters("q");
}

#[test]
fn letters_of_a_megabyte_arrive_each() {
    let sqs = Sqs::start();
    sqs.create("dlq", &[]);
    sqs.create_source("q", "dlq", 1);
    let body = |n: usize| format!("{n}{}", "x".repeat(1_000_000));
    for n in 0..12 {
        sqs.send("q", &body(n));
    }
    for _ in 0..2 {
        sqs.redis.cli(&["KARIN.POPDUE", "karin:{q}", "COUNT", "100", "VISIBILITY", "0"]);
    }
    sqs.send("q", "wakes the mover");
    sqs.receive("q");
    assert_eq!(sqs.await_bodies("dlq", 12), (0..12).map(body).collect::<Vec<_>>());
    sqs.await_no_letters("q");
}

#[test]
fn letters_left_by_others_are_brought_at_the_start() {
    let mut sqs = Sqs::start();
    sqs.create("dlq", &[]);
    sqs.create_source("q", "dlq", 1);
    sqs.gateway.kill();
    sqs.redis.cli(&["KARIN.SEND", "karin:{q}", "left"]);
    for _ in 0..2 {
        sqs.redis.cli(&["KARIN.POPDUE", "karin:{q}", "VISIBILITY", "0"]);
    }
    assert_eq!(sqs.info_of("q", "dead"), "1");
    sqs.gateway.restart();
    // Nobody waits for anything, and nobody asks.
    sqs.await_no_letters("q");
    assert_eq!(sqs.info_of("dlq", "ready"), "1");
}

#[test]
fn letters_wait_until_a_full_target_has_room() {
    let sqs = Sqs::start();
    sqs.create("dlq.fifo", &[]);
    sqs.create_source("q.fifo", "dlq.fifo", 1);
    for n in 0..5 {
        let n = n.to_string();
        sqs.redis.cli(&["KARIN.SEND", "karin:{q.fifo}", &n, "GROUP", &n, "DEDUP", &n]);
    }
    sqs.redis.cli(&["CONFIG", "SET", "karin.max-dedup-ids", "2"]);
    assert_eq!(sqs.receive_and_give_back("q.fifo").len(), 5);
    assert!(sqs.receive("q.fifo").is_empty());
    wait::until(wait::PATIENCE, "what there is room for", || {
        sqs.info_of("dlq.fifo", "ready") == "2" && sqs.info_of("q.fifo", "dead") == "3"
    });
    sqs.redis.cli(&["CONFIG", "SET", "karin.max-dedup-ids", "1000"]);
    sqs.await_no_letters("q.fifo");
    assert_eq!(sqs.await_bodies("dlq.fifo", 5), ["0", "1", "2", "3", "4"]);
}

#[test]
fn two_gateways_bring_each_letter_once() {
    let sqs = Sqs::start();
    let other = Gateway::start(&sqs.redis, &[]);
    sqs.create("dlq", &[]);
    sqs.create_source("q", "dlq", 1);
    let all: BTreeSet<String> = (0..300).map(|n| n.to_string()).collect();
    for n in &all {
        sqs.send("q", n);
    }
    sqs.redis.cli(&["KARIN.POPDUE", "karin:{q}", "COUNT", "1000", "VISIBILITY", "0"]);
    let members = json!({ "QueueUrl": "q", "MaxNumberOfMessages": 10 }).to_string();
    std::thread::scope(|scope| {
        for http in [sqs.http(), other.http()] {
            let members = &members;
            scope.spawn(move || {
                for _ in 0..20 {
                    assert_eq!(http.json("ReceiveMessage", members).text(), "{}");
                }
            });
        }
    });
    sqs.await_no_letters("q");
    assert_eq!(sqs.info_of("dlq", "sequence"), "300", "none twice");
    assert_eq!(sqs.await_bodies("dlq", 300).into_iter().collect::<BTreeSet<_>>(), all);
}
