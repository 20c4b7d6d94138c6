//! Where AWS has quotas and karin has none, and the one of lists that both have.

use serde_json::{Value, json};

use super::{Error, NO_QUEUE, Refusal, Sqs, bodies, element, elements};

// contract: 4.4-list-unlimited
#[test]
fn a_list_without_a_limit_ends_after_a_thousand_queues_and_tells_no_token() {
    let sqs = Sqs::start();
    let mut redis = sqs.redis.connection();
    let mut create = ::redis::pipe();
    for number in 0..1_001 {
        create.cmd("KARIN.CREATE").arg(format!("karin:{{q-{number:04}}}")).ignore();
    }
    create.query::<()>(&mut redis).expect("queues");
    let listed = sqs.json("ListQueues", &json!({}));
    assert_eq!(listed["QueueUrls"].as_array().map(Vec::len), Some(1_000));
    assert_eq!(listed.get("NextToken"), None);
    let listed = sqs.query("ListQueues", &[]);
    assert_eq!(elements(&listed, "QueueUrl").len(), 1_000);
    assert!(elements(&listed, "NextToken").is_empty());
    let page = sqs.query("ListQueues", &[("MaxResults", "1000")]);
    let token = element(&page, "NextToken");
    let rest = sqs.json("ListQueues", &json!({ "MaxResults": 1_000, "NextToken": token }));
    assert_eq!(rest["QueueUrls"].as_array().map(Vec::len), Some(1));
}

// contract: 7.1-look-ahead
#[test]
fn a_group_behind_more_blocked_messages_than_aws_looks_through_is_found() {
    const BEHIND: usize = 120_001;
    let sqs = Sqs::with_fifo();
    let mut redis = sqs.redis.connection();
    for start in (0..BEHIND).step_by(1_000) {
        let count = (BEHIND - start).min(1_000);
        let mut send = ::redis::cmd("KARIN.SENDM");
        send.arg("karin:{q.fifo}").arg(count);
        for number in start..start + count {
            send.arg("MSG").arg("x").arg("GROUP").arg("blocked").arg("DEDUP").arg(number);
        }
        send.query::<::redis::Value>(&mut redis).expect("messages");
    }
    sqs.send_to_group("q.fifo", "free", "found");
    let first = sqs.json("ReceiveMessage", &json!({ "QueueUrl": "q.fifo" }));
    assert_eq!(bodies(first["Messages"].as_array().expect("messages")), ["x"]);
    assert_eq!(bodies(&sqs.receive("q.fifo")), ["found"]);
}

// contract: 9-throughput
#[test]
fn calls_and_messages_beyond_the_quotas_of_aws_are_not_refused_by_a_fifo_queue() {
    let sqs = Sqs::with_fifo();
    let mut connection = sqs.http().connect();
    let headers =
        |target| [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", target)];
    let mut call = |target, members: &Value| {
        let body = members.to_string();
        let response = connection.request("POST", "/", &headers(target), body.as_bytes());
        assert_eq!(response.status, 200, "{response:?}");
        response.json()
    };
    for number in 0..400 {
        let message = json!({
            "QueueUrl": "q.fifo", "MessageBody": number.to_string(), "MessageGroupId": "g",
        });
        call("AmazonSQS.SendMessage", &message);
    }
    for batch in 0..301 {
        let entry = |number: usize| {
            let body = format!("{batch} {number}");
            json!({ "Id": number.to_string(), "MessageBody": body, "MessageGroupId": "g" })
        };
        let entries: Vec<_> = (0..10).map(entry).collect();
        let sent = call(
            "AmazonSQS.SendMessageBatch",
            &json!({ "QueueUrl": "q.fifo", "Entries": entries }),
        );
        assert_eq!(sent["Successful"].as_array().map(Vec::len), Some(10), "{sent}");
    }
    assert_eq!(sqs.counts("q.fifo").0, "3410");
}

#[test]
fn a_message_that_no_queue_takes_is_not_copied_to_redis() {
    let sqs = Sqs::with_queue("q");
    let body = "x".repeat(5_000_000);
    let send = |queue: &str| {
        let members = json!({ "QueueUrl": queue, "MessageBody": body }).to_string();
        Error::of_json(&sqs.http().json("SendMessage", &members))
    };
    let text = "One or more parameters are invalid. Reason: Message must be shorter than 1048576 \
                bytes.";
    assert_eq!(send("q"), Refusal::invalid_parameter(text).in_json());
    assert_eq!(send("missing"), NO_QUEUE.in_json());
    assert_eq!(sqs.calls("send"), 0);
    // Made past SQS, for larger messages.
    let create = ["KARIN.CREATE", "karin:{large}", "MaximumMessageSize", "6000000"];
    assert_eq!(sqs.redis.cli(&create), "OK");
    sqs.send("large", &body);
    assert_eq!(sqs.receive_one("large")["Body"], json!(body));
}
