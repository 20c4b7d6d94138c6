//! ChangeMessageVisibilityBatch, and DeleteMessageBatch on FIFO queues.

use serde_json::{Value, json};

use super::{Sqs, element, elements, text};

/// The entry of a change.
fn change(id: &str, message: &Value, seconds: i64) -> Value {
    let handle = &message["ReceiptHandle"];
    json!({ "Id": id, "ReceiptHandle": handle, "VisibilityTimeout": seconds })
}

#[track_caller]
fn batch(sqs: &Sqs, action: &str, queue: &str, entries: &[Value]) -> Value {
    sqs.json(action, &json!({ "QueueUrl": queue, "Entries": entries }))
}

/// A failed entry's code and text.
#[track_caller]
fn failed<'a>(answer: &'a Value, id: &str) -> (&'a str, &'a str) {
    let failed = answer["Failed"].as_array().expect("a list");
    let entry = failed.iter().find(|entry| entry["Id"] == id);
    let entry = entry.unwrap_or_else(|| panic!("no {id} in {answer}"));
    assert_eq!(entry["SenderFault"], true);
    (text(entry, "Code"), text(entry, "Message"))
}

#[test]
fn a_batch_changes_each_entry_in_one_command() {
    let sqs = Sqs::with_queue("q");
    (0..10).for_each(|number| sqs.send("q", &number.to_string()));
    let messages = sqs.receive("q");
    let entries: Vec<Value> = (0..)
        .zip(&messages)
        .map(|(number, message)| change(&format!("id-{number}"), message, number * 10))
        .collect();
    let before = sqs.calls("extend");
    let answer = batch(&sqs, "ChangeMessageVisibilityBatch", "q", &entries);
    assert_eq!(sqs.calls("extend"), before + 1);
    assert!(answer.get("Failed").is_none(), "{answer}");
    let ids: Vec<&str> =
        answer["Successful"].as_array().expect("a list").iter().map(|e| text(e, "Id")).collect();
    assert_eq!(ids, (0..10).map(|i| format!("id-{i}")).collect::<Vec<_>>());
    assert_eq!(text(&sqs.receive_one("q"), "Body"), text(&messages[0], "Body"));
    sqs.pass_seconds(51);
    assert_eq!(sqs.counts("q"), ("6".into(), "4".into()));
}

#[test]
fn a_query_batch_answers_for_each_entry() {
    let sqs = Sqs::with_queue("q");
    sqs.send("q", "x");
    let handle = text(&sqs.receive_one("q"), "ReceiptHandle").to_owned();
    let name = |number: u32, field: &str| {
        format!("ChangeMessageVisibilityBatchRequestEntry.{number}.{field}")
    };
    let all = [
        ("QueueUrl".to_owned(), "q"),
        (name(1, "Id"), "a"),
        (name(1, "ReceiptHandle"), &handle),
        (name(1, "VisibilityTimeout"), "0"),
        (name(2, "Id"), "b"),
        (name(2, "ReceiptHandle"), "x"),
        (name(2, "VisibilityTimeout"), "0"),
    ];
    let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let xml = sqs.query("ChangeMessageVisibilityBatch", &all);
    let results = elements(&xml, "ChangeMessageVisibilityBatchResultEntry");
    assert_eq!(results, ["<Id>a</Id>"], "{xml}");
    let error = element(&xml, "BatchResultErrorEntry");
    assert_eq!(element(&error, "Id"), "b");
    assert_eq!(element(&error, "Code"), "ReceiptHandleIsInvalid");
    let text = "The input receipt handle \"x\" is not a valid receipt handle.";
    assert_eq!(element(&error, "Message"), text);
    assert_eq!(element(&error, "SenderFault"), "true");
    assert_eq!(sqs.receive("q").len(), 1);
}

#[test]
fn the_same_handle_may_stand_in_several_entries() {
    let sqs = Sqs::with_queue("q");
    sqs.send("q", "x");
    let message = sqs.receive_one("q");
    let entries = [change("a", &message, 0), change("b", &message, 100)];
    let answer = batch(&sqs, "ChangeMessageVisibilityBatch", "q", &entries);
    assert_eq!(answer["Successful"], json!([{ "Id": "a" }, { "Id": "b" }]), "{answer}");
    // The last one counts.
    sqs.pass_seconds(90);
    assert!(sqs.receive("q").is_empty());
    sqs.pass_seconds(11);
    assert_eq!(sqs.receive("q").len(), 1);
}

// contract: 10-entry-visibility, 10-entry-handle
#[test]
fn an_entry_fails_alone_with_its_own_text() {
    let sqs = Sqs::with_queue("q");
    sqs.json("CreateQueue", &json!({ "QueueName": "other" }));
    for queue in ["q", "q", "q", "other"] {
        sqs.send(queue, "x");
    }
    let [fine, gone, long] = <[Value; 3]>::try_from(sqs.receive("q")).expect("three messages");
    let foreign = sqs.receive_one("other");
    sqs.delete("q", &gone);
    let (handle, gone_handle) = (text(&fine, "ReceiptHandle"), text(&gone, "ReceiptHandle"));
    let foreign_handle = text(&foreign, "ReceiptHandle");
    sqs.pass_seconds(1);
    let entries = [
        change("fine", &fine, 0),
        change("gone", &gone, 1),
        change("long", &long, 43_200),
        change("foreign", &foreign, 1),
        change("range", &fine, 43_201),
        change("negative", &fine, -1),
        json!({ "Id": "none", "ReceiptHandle": handle }),
        json!({ "Id": "no-handle", "VisibilityTimeout": 1 }),
        json!({ "Id": "garbage", "ReceiptHandle": "CURRENT", "VisibilityTimeout": 1 }),
    ];
    let answer = batch(&sqs, "ChangeMessageVisibilityBatch", "q", &entries);
    assert_eq!(answer["Successful"], json!([{ "Id": "fine" }]), "{answer}");
    let invalid = "InvalidParameterValue";
    let range = "VisibilityTimeout must be an integer between 0 and 43200.";
    let not_available = format!(
        "Value {gone_handle} for parameter ReceiptHandle is invalid. Reason: Message does not \
         exist or is not available for visibility timeout change."
    );
    let foreign = format!("The receipt handle \"{foreign_handle}\" is not valid for this queue.");
    for (id, code, text) in [
        ("gone", invalid, not_available.as_str()),
        (
            "long",
            invalid,
            "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total \
             VisibilityTimeout for the message is beyond the limit [43200 seconds]",
        ),
        ("foreign", "ReceiptHandleIsInvalid", &foreign),
        ("range", invalid, range),
        ("negative", invalid, range),
        ("none", "MissingParameter", "The request must contain the parameter VisibilityTimeout."),
        ("no-handle", "MissingParameter", "The request must contain the parameter ReceiptHandle."),
        (
            "garbage",
            "ReceiptHandleIsInvalid",
            "The input receipt handle \"CURRENT\" is not a valid receipt handle.",
        ),
    ] {
        assert_eq!(failed(&answer, id), (code, text));
    }
}

#[test]
fn a_batch_of_which_every_entry_fails_is_answered_unless_the_queue_is_missing() {
    let sqs = Sqs::with_queue("q");
    let entry = json!({ "Id": "a", "ReceiptHandle": "x", "VisibilityTimeout": 1 });
    for action in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
        let answer = batch(&sqs, action, "q", std::slice::from_ref(&entry));
        assert!(answer.get("Successful").is_none(), "{answer}");
        assert_eq!(failed(&answer, "a").0, "ReceiptHandleIsInvalid");
        let members = json!({ "QueueUrl": "missing", "Entries": [entry] });
        let response = sqs.http().json(action, &members.to_string());
        assert_eq!(super::Error::of_json(&response), super::NO_QUEUE.in_json());
    }
}

// contract: 10-entry-stale
#[test]
fn stale_handles_of_a_fifo_queue_fail_in_their_entries() {
    let sqs = Sqs::with_fifo();
    sqs.send_to_group("q.fifo", "g", "a");
    sqs.send_to_group("q.fifo", "h", "b");
    let [a, b] = <[Value; 2]>::try_from(sqs.receive("q.fifo")).expect("two messages");
    sqs.change_visibility("q.fifo", &b, 100);
    sqs.pass_seconds(31);
    let answer = batch(
        &sqs,
        "ChangeMessageVisibilityBatch",
        "q.fifo",
        &[change("a", &a, 10), change("b", &b, 10)],
    );
    assert_eq!(answer["Successful"], json!([{ "Id": "b" }]), "{answer}");
    let handle = text(&a, "ReceiptHandle");
    let text_of = |reason: &str| {
        format!("Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}")
    };
    let not_available = "Message does not exist or is not available for visibility timeout change.";
    let invalid = "InvalidParameterValue";
    assert_eq!(failed(&answer, "a"), (invalid, text_of(not_available).as_str()));
    let entries = [&a, &b, &b].into_iter().enumerate().map(
        |(id, message)| json!({ "Id": id.to_string(), "ReceiptHandle": message["ReceiptHandle"] }),
    );
    let answer = batch(&sqs, "DeleteMessageBatch", "q.fifo", &entries.collect::<Vec<_>>());
    assert_eq!(answer["Successful"], json!([{ "Id": "1" }, { "Id": "2" }]), "{answer}");
    let expired = text_of("The receipt handle has expired.");
    assert_eq!(failed(&answer, "0"), (invalid, expired.as_str()));
    assert_eq!(sqs.counts("q.fifo"), ("1".into(), "0".into()));
}
