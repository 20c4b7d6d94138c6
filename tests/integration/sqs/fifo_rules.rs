//! What a FIFO queue demands of messages, in SQS's words, and what it says of them.

use serde_json::{Value, json};

use super::{Refusal, Sqs, element, elements, text};

const NO_GROUP: &str = "The request must contain the parameter MessageGroupId.";
const NO_DEDUPLICATION: &str = "The queue should either have ContentBasedDeduplication enabled or \
     MessageDeduplicationId provided explicitly";

/// SendMessage of these further members is refused alike in both protocols.
#[track_caller]
fn refused(sqs: &Sqs, queue: &str, further: &[(&str, &str)], why: Refusal) {
    let mut members = json!({ "QueueUrl": queue, "MessageBody": "x" });
    let mut parameters = vec![("QueueUrl", queue), ("MessageBody", "x")];
    for (name, value) in further {
        members[*name] = value.parse().map_or_else(|_| json!(value), |number: i64| json!(number));
        parameters.push((*name, *value));
    }
    sqs.refused("SendMessage", &members, &parameters, why);
}

/// SendMessageBatch of `entries` is refused whole and sends nothing, alike in both protocols.
#[track_caller]
fn batch_refused(sqs: &Sqs, entries: &[&[(&str, &str)]], why: Refusal) {
    let mut members = Vec::new();
    let mut parameters = vec![("QueueUrl".to_owned(), "q.fifo".to_owned())];
    for (number, fields) in (1..).zip(entries) {
        let id = format!("id-{number}");
        let all = [&[("Id", id.as_str())], *fields].concat();
        members.push(all.iter().map(|(n, v)| ((*n).to_owned(), json!(v))).collect::<Value>());
        parameters.extend(all.iter().map(|(name, value)| {
            (format!("SendMessageBatchRequestEntry.{number}.{name}"), (*value).to_owned())
        }));
    }
    let parameters: Vec<(&str, &str)> =
        parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let members = json!({ "QueueUrl": "q.fifo", "Entries": members });
    sqs.refused("SendMessageBatch", &members, &parameters, why);
    assert!(sqs.receive("q.fifo").is_empty());
}

// contract: 6.5-sequence-number, 6.5-dedup-id, 6.5-group-id, 9-sequence-number
#[test]
fn a_message_shows_its_number_its_ids_and_its_group_in_both_protocols() {
    let sqs = Sqs::with_fifo();
    let sent = sqs.send_to_group("q.fifo", "g", "same");
    let first = text(&sent, "SequenceNumber").to_owned();
    assert!(first.len() == 20 && first.bytes().all(|b| b.is_ascii_digit()), "{first}");
    let message = sqs.receive_one("q.fifo");
    let attributes = &message["Attributes"];
    assert_eq!(text(attributes, "SequenceNumber"), first);
    assert_eq!(text(attributes, "MessageGroupId"), "g");
    assert_eq!(
        text(attributes, "MessageDeduplicationId"),
        "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"
    );
    assert_eq!(text(attributes, "ApproximateReceiveCount"), "1");
    assert!(attributes.get("DeadLetterQueueSourceArn").is_none());
    let xml = sqs.query(
        "SendMessage",
        &[
            ("QueueUrl", "q.fifo"),
            ("MessageBody", "x"),
            ("MessageGroupId", "h"),
            ("MessageDeduplicationId", "order-1"),
        ],
    );
    let second = element(&xml, "SequenceNumber");
    assert!(second > first, "{second} {first}");
    let xml = sqs.query(
        "ReceiveMessage",
        &[
            ("QueueUrl", "q.fifo"),
            ("AttributeName.1", "SequenceNumber"),
            ("AttributeName.2", "MessageDeduplicationId"),
            ("AttributeName.3", "MessageGroupId"),
        ],
    );
    assert_eq!(
        elements(&xml, "Name"),
        ["SequenceNumber", "MessageDeduplicationId", "MessageGroupId"]
    );
    assert_eq!(elements(&xml, "Value"), [second.as_str(), "order-1", "h"]);
}

// contract: 10-fifo-order
#[test]
fn a_batch_numbers_its_messages_in_the_order_of_the_request() {
    let sqs = Sqs::with_fifo();
    let entries: Vec<Value> = (0..10)
        .map(
            |i| json!({ "Id": i.to_string(), "MessageBody": i.to_string(), "MessageGroupId": "g" }),
        )
        .collect();
    let sent = sqs.json("SendMessageBatch", &json!({ "QueueUrl": "q.fifo", "Entries": entries }));
    let numbers: Vec<&str> = sent["Successful"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| text(entry, "SequenceNumber"))
        .collect();
    assert!(numbers.is_sorted() && numbers.len() == 10, "{numbers:?}");
    let received = sqs.receive("q.fifo");
    let seen: Vec<&str> =
        received.iter().map(|m| text(&m["Attributes"], "SequenceNumber")).collect();
    assert_eq!(seen, numbers);
}

// contract: 4.8-fifo-without-group, 4.8-fifo-without-dedup, 9-group
#[test]
fn a_message_without_what_fifo_demands_is_refused() {
    let sqs = Sqs::start();
    sqs.create_fifo("q.fifo", &[]);
    refused(&sqs, "q.fifo", &[], Refusal::missing_parameter(NO_GROUP));
    let group = ("MessageGroupId", "g");
    refused(&sqs, "q.fifo", &[group], Refusal::invalid_parameter(NO_DEDUPLICATION));
    refused(
        &sqs,
        "q.fifo",
        &[group, ("MessageDeduplicationId", "d"), ("DelaySeconds", "2")],
        Refusal::invalid_parameter(
            "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter \
             that is not valid for this queue type.",
        ),
    );
    for name in ["q.fifo", "missing.fifo"] {
        let why = Refusal::invalid_parameter(
            "Value a b for parameter MessageDeduplicationId is invalid. Reason: \
             MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to \
             128 in length.",
        );
        let why = if name == "q.fifo" { why } else { super::NO_QUEUE };
        refused(&sqs, name, &[group, ("MessageDeduplicationId", "a b")], why);
    }
    refused(
        &sqs,
        "q.fifo",
        &[("MessageGroupId", "")],
        Refusal::invalid_parameter(
            "Value  for parameter MessageGroupId is invalid. Reason: MessageGroupId can only \
             include alphanumeric and punctuation characters. 1 to 128 in length.",
        ),
    );
    assert!(sqs.receive("q.fifo").is_empty());
}

// contract: 10-fifo-group, 10-fifo-dedup
#[test]
fn a_batch_with_one_entry_without_what_fifo_demands_is_refused_whole() {
    let sqs = Sqs::start();
    sqs.create_fifo("q.fifo", &[]);
    let (body, group) = (("MessageBody", "x"), ("MessageGroupId", "g"));
    let id = ("MessageDeduplicationId", "d");
    batch_refused(&sqs, &[&[body, group, id], &[body, id]], Refusal::invalid_parameter(NO_GROUP));
    let why = Refusal::invalid_parameter(NO_DEDUPLICATION);
    batch_refused(&sqs, &[&[body, group], &[body, group]], why);
    batch_refused(&sqs, &[&[body, group, id], &[body, group]], why);
    // Also where the entry would fail for itself, and before the batch is too long.
    batch_refused(&sqs, &[&[body, group, id], &[("MessageBody", "\u{1}"), group]], why);
    batch_refused(&sqs, &[&[("MessageBody", "\u{1}"), group]], why);
    let long = "x".repeat(524_289);
    batch_refused(&sqs, &[&[("MessageBody", &long), group], &[("MessageBody", &long), group]], why);
    // The order of checks: ids of entries first.
    let same = json!([{ "Id": "a", "MessageBody": "x" }, { "Id": "a", "MessageBody": "x" }]);
    let members = json!({ "QueueUrl": "q.fifo", "Entries": same });
    let response = sqs.http().json("SendMessageBatch", &members.to_string());
    assert_eq!(response.json()["message"], "Id a repeated.");
}

#[test]
fn entries_of_a_fifo_batch_fail_alone_for_their_values() {
    let sqs = Sqs::with_fifo();
    let batch = json!([
        { "Id": "fine", "MessageBody": "x", "MessageGroupId": "g" },
        { "Id": "own", "MessageBody": "y", "MessageGroupId": "g", "MessageDeduplicationId": "d" },
        { "Id": "group", "MessageBody": "x", "MessageGroupId": "a b" },
        { "Id": "dedup", "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "" },
        { "Id": "delay", "MessageBody": "x", "MessageGroupId": "g", "DelaySeconds": 1 },
    ]);
    let answer = sqs.json("SendMessageBatch", &json!({ "QueueUrl": "q.fifo", "Entries": batch }));
    let sent: Vec<&str> = answer["Successful"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| text(entry, "Id"))
        .collect();
    assert_eq!(sent, ["fine", "own"]);
    for (index, (id, text)) in [
        (
            "group",
            "Value a b for parameter MessageGroupId is invalid. Reason: MessageGroupId can only \
             include alphanumeric and punctuation characters. 1 to 128 in length.",
        ),
        (
            "dedup",
            "Value  for parameter MessageDeduplicationId is invalid. Reason: \
             MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to \
             128 in length.",
        ),
        (
            "delay",
            "Value 1 for parameter DelaySeconds is invalid. Reason: The request include parameter \
             that is not valid for this queue type.",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let expected = json!({
            "Id": id, "Code": "InvalidParameterValue", "Message": text, "SenderFault": true,
        });
        assert_eq!(answer["Failed"][index], expected);
    }
}

#[test]
fn a_queue_whose_name_belies_its_type_refuses_in_words_and_not_with_a_500() {
    let sqs = Sqs::start();
    assert_eq!(sqs.redis.cli(&["KARIN.CREATE", "karin:{liar.fifo}"]), "OK");
    refused(
        &sqs,
        "liar.fifo",
        &[("MessageGroupId", "g"), ("MessageDeduplicationId", "d")],
        Refusal::invalid_parameter(
            "The request include parameter MessageDeduplicationId which is not valid for this \
             queue type",
        ),
    );
    sqs.create_fifo("liar", &["ContentBasedDeduplication", "true"]);
    refused(&sqs, "liar", &[], Refusal::missing_parameter(NO_GROUP));
    refused(
        &sqs,
        "liar",
        &[("MessageGroupId", "g"), ("DelaySeconds", "1")],
        Refusal::invalid_parameter(
            "The request include parameter DelaySeconds which is not valid for this queue type",
        ),
    );
    sqs.send_to_group("liar", "g", "x");
    assert_eq!(text(&sqs.receive_one("liar"), "Body"), "x");
}
