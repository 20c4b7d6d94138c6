//! SendMessageBatch and DeleteMessageBatch.

use serde_json::{Value, json};

use super::{Refusal, Sqs, element, elements, text};

fn entries(count: usize) -> Vec<Value> {
    (0..count).map(|i| json!({ "Id": format!("id_{i}"), "MessageBody": format!("m{i}") })).collect()
}

fn parameters(entry: &str, fields: &[(usize, &str, &str)]) -> Vec<(String, String)> {
    let named = |(number, field, value): &(usize, &str, &str)| {
        (format!("{entry}.{number}.{field}"), (*value).to_owned())
    };
    fields.iter().map(named).collect()
}

/// Refused alike in both protocols; `fields` are the entries' Query form.
#[track_caller]
fn refused(sqs: &Sqs, action: &str, entries: &Value, fields: &[(usize, &str, &str)], why: Refusal) {
    let entry = format!("{action}RequestEntry");
    let mut all = vec![("QueueUrl".to_owned(), "q".to_owned())];
    all.extend(parameters(&entry, fields));
    let all: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    sqs.refused(action, &json!({ "QueueUrl": "q", "Entries": entries }), &all, why);
}

#[test]
fn a_batch_is_sent_received_and_deleted_entry_by_entry() {
    let sqs = Sqs::with_queue("q");
    let members = json!({ "QueueUrl": "q", "Entries": entries(10) });
    let sent = sqs.json("SendMessageBatch", &members);
    assert!(sent.get("Failed").is_none(), "{sent}");
    let successful = sent["Successful"].as_array().expect("a list");
    let ids: Vec<&str> = successful.iter().map(|entry| text(entry, "Id")).collect();
    assert_eq!(ids, (0..10).map(|i| format!("id_{i}")).collect::<Vec<_>>());
    let received = sqs.receive("q");
    for (message, entry) in received.iter().zip(successful) {
        assert_eq!(text(message, "MessageId"), text(entry, "MessageId"));
        assert_eq!(text(message, "MD5OfBody"), text(entry, "MD5OfMessageBody"));
    }
    let delete = |(id, message): (usize, &Value)| {
        let handle = &message["ReceiptHandle"];
        json!({ "Id": id.to_string(), "ReceiptHandle": handle })
    };
    let all: Vec<Value> = received.iter().enumerate().map(delete).collect();
    let deleted = sqs.json("DeleteMessageBatch", &json!({ "QueueUrl": "q", "Entries": all }));
    assert_eq!(deleted["Successful"].as_array().map(Vec::len), Some(10));
    assert!(deleted.get("Failed").is_none());
    sqs.pass_seconds(31);
    assert!(sqs.receive("q").is_empty());
}

#[test]
fn a_query_batch_answers_for_each_entry() {
    let sqs = Sqs::with_queue("q");
    let fields =
        [(1, "Id", "a"), (1, "MessageBody", "x"), (2, "Id", "b"), (2, "MessageBody", "\u{1}")];
    let mut all = vec![("QueueUrl".to_owned(), "q".to_owned())];
    all.extend(parameters("SendMessageBatchRequestEntry", &fields));
    let all: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let xml = sqs.query("SendMessageBatch", &all);
    assert_eq!(elements(&xml, "SendMessageBatchResultEntry").len(), 1, "{xml}");
    assert_eq!(elements(&xml, "Id"), ["a", "b"]);
    assert_eq!(element(&xml, "Code"), "InvalidMessageContents");
    assert_eq!(element(&xml, "SenderFault"), "true");
    let handle = text(&sqs.receive_one("q"), "ReceiptHandle").to_owned();
    let xml = sqs.query(
        "DeleteMessageBatch",
        &[
            ("QueueUrl", "q"),
            ("DeleteMessageBatchRequestEntry.1.Id", "a"),
            ("DeleteMessageBatchRequestEntry.1.ReceiptHandle", &handle),
            ("DeleteMessageBatchRequestEntry.2.Id", "b"),
            ("DeleteMessageBatchRequestEntry.2.ReceiptHandle", &handle),
            ("DeleteMessageBatchRequestEntry.3.Id", "c"),
            ("DeleteMessageBatchRequestEntry.3.ReceiptHandle", "x"),
        ],
    );
    assert_eq!(elements(&xml, "DeleteMessageBatchResultEntry").len(), 2, "{xml}");
    assert_eq!(element(&xml, "Code"), "ReceiptHandleIsInvalid");
    let text = "The input receipt handle \"x\" is not a valid receipt handle.";
    assert_eq!(element(&xml, "Message"), text);
}

#[test]
fn an_entry_fails_alone_with_its_own_text() {
    let sqs = Sqs::start();
    let attributes = json!({ "MaximumMessageSize": "1024" });
    sqs.json("CreateQueue", &json!({ "QueueName": "q", "Attributes": attributes }));
    let batch = json!([
        { "Id": "large", "MessageBody": "x".repeat(1025) },
        { "Id": "fine", "MessageBody": "x" },
        { "Id": "delay", "MessageBody": "x", "DelaySeconds": 901 },
        { "Id": "empty", "MessageBody": "" },
        { "Id": "dedup", "MessageBody": "x", "MessageDeduplicationId": "d" },
        { "Id": "attribute", "MessageBody": "x",
          "MessageAttributes": { "a": { "DataType": "Number", "StringValue": "x" } } },
    ]);
    let answer = sqs.json("SendMessageBatch", &json!({ "QueueUrl": "q", "Entries": batch }));
    assert_eq!(answer["Successful"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["Successful"][0]["Id"], "fine");
    let failed = |id: &str| {
        let failed = answer["Failed"].as_array().expect("a list");
        let entry = failed.iter().find(|entry| entry["Id"] == id).expect("the entry");
        assert_eq!(entry["SenderFault"], true);
        (text(entry, "Code").to_owned(), text(entry, "Message").to_owned())
    };
    for (id, code, text) in [
        (
            "large",
            "InvalidParameterValue",
            "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 \
             bytes.",
        ),
        (
            "delay",
            "InvalidParameterValue",
            "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 \
             and <= 900.",
        ),
        ("empty", "MissingParameter", "The request must contain the parameter MessageBody."),
        (
            "dedup",
            "InvalidParameterValue",
            "Value d for parameter MessageDeduplicationId is invalid. Reason: The request includes \
             a parameter that is not valid for this queue type.",
        ),
        (
            "attribute",
            "InvalidParameterValue",
            "Can't cast the value of message (user) attribute 'a' to a number.",
        ),
    ] {
        assert_eq!(failed(id), (code.to_owned(), text.to_owned()));
    }
    assert_eq!(text(&sqs.receive_one("q"), "Body"), "x");
}

// contract: 2.5-batch-order
#[test]
fn a_batch_that_fails_whole_is_refused_in_the_words_of_sqs() {
    let sqs = Sqs::with_queue("q");
    for (action, text) in [
        (
            "SendMessageBatch",
            "There should be at least one SendMessageBatchRequestEntry in the request.",
        ),
        (
            "DeleteMessageBatch",
            "There should be at least one DeleteMessageBatchRequestEntry in the request.",
        ),
        (
            "ChangeMessageVisibilityBatch",
            "There should be at least one ChangeMessageVisibilityBatchRequestEntry in the request.",
        ),
    ] {
        let code = "AWS.SimpleQueueService.EmptyBatchRequest";
        refused(&sqs, action, &json!([]), &[], Refusal::new("EmptyBatchRequest", code, 400, text));
        let eleven: Vec<(usize, String)> = (1..=11).map(|i| (i, format!("id_{i}"))).collect();
        let fields: Vec<(usize, &str, &str)> =
            eleven.iter().map(|(i, id)| (*i, "Id", id.as_str())).collect();
        let why = Refusal::new(
            "TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            400,
            "Maximum number of entries per request are 10. You have sent 11.",
        );
        refused(&sqs, action, &json!(entries(11)), &fields, why);
        let why = Refusal::new(
            "InvalidBatchEntryId",
            "AWS.SimpleQueueService.InvalidBatchEntryId",
            400,
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
             It can be at most 80 letters long.",
        );
        refused(&sqs, action, &json!([{ "Id": "a b" }]), &[(1, "Id", "a b")], why);
        let why = Refusal::new(
            "BatchEntryIdsNotDistinct",
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            400,
            "Id a repeated.",
        );
        let twice = json!([{ "Id": "a" }, { "Id": "a" }]);
        refused(&sqs, action, &twice, &[(1, "Id", "a"), (2, "Id", "a")], why);
    }
    let half = "x".repeat(524_288);
    let more = "x".repeat(524_289);
    refused(
        &sqs,
        "SendMessageBatch",
        &json!([{ "Id": "a", "MessageBody": half }, { "Id": "b", "MessageBody": more }]),
        &[(1, "Id", "a"), (1, "MessageBody", &half), (2, "Id", "b"), (2, "MessageBody", &more)],
        Refusal::new(
            "BatchRequestTooLong",
            "AWS.SimpleQueueService.BatchRequestTooLong",
            400,
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        ),
    );
    assert!(sqs.receive("q").is_empty());
    // Exactly as many are fine.
    let whole = json!([{ "Id": "a", "MessageBody": half }, { "Id": "b", "MessageBody": half }]);
    sqs.json("SendMessageBatch", &json!({ "QueueUrl": "q", "Entries": whole }));
    assert_eq!(sqs.receive("q").len(), 2);
}

#[test]
fn that_the_queue_is_missing_is_said_before_what_is_wrong_with_a_batch() {
    let sqs = Sqs::start();
    for action in ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        for queue in ["missing", "missing.fifo"] {
            for entries in [json!([]), json!(entries(11)), json!([{ "Id": "a b" }])] {
                let members = json!({ "QueueUrl": queue, "Entries": entries });
                let response = sqs.http().json(action, &members.to_string());
                assert_eq!(
                    super::Error::of_json(&response),
                    super::NO_QUEUE.in_json(),
                    "{members}"
                );
            }
        }
    }
}
