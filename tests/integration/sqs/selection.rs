//! Which attributes a receiver sees (sqs-contract §§6.5 to 6.7).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Sqs, element, elements};

/// Receives one message, which stays visible, with these further members; the message.
#[track_caller]
fn look(sqs: &Sqs, queue: &str, further: &Value) -> Value {
    let mut members = json!({ "QueueUrl": queue, "VisibilityTimeout": 0 });
    for (name, value) in further.as_object().expect("a map") {
        members[name] = value.clone();
    }
    sqs.json("ReceiveMessage", &members)["Messages"][0].clone()
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

const ALWAYS: [&str; 4] =
    ["ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "SenderId", "SentTimestamp"];

/// A standard queue and a FIFO queue, each with a message of a group with a trace header.
fn scene() -> Sqs {
    let sqs = Sqs::with_fifo();
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    let system = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": "Root=1" } });
    for queue in ["q", "q.fifo"] {
        let members = json!({
            "QueueUrl": queue, "MessageBody": "x", "MessageGroupId": "g",
            "MessageSystemAttributes": system,
        });
        sqs.json("SendMessage", &members);
    }
    sqs
}

// contract: 6.6-all
#[test]
fn all_are_those_that_the_type_of_queue_has() {
    let sqs = scene();
    let mut expected = BTreeSet::from(ALWAYS);
    expected.extend(["AWSTraceHeader", "MessageGroupId"]);
    let all = json!({ "MessageSystemAttributeNames": ["All"] });
    assert_eq!(names(&look(&sqs, "q", &all)["Attributes"]), expected);
    expected.extend(["MessageDeduplicationId", "SequenceNumber"]);
    let message = look(&sqs, "q.fifo", &all);
    assert_eq!(names(&message["Attributes"]), expected);
    assert!(message["Attributes"].as_object().expect("a map").values().all(Value::is_string));
}

// contract: 6.6-nothing
#[test]
fn nothing_asked_for_is_nothing_shown() {
    let sqs = scene();
    for queue in ["q", "q.fifo"] {
        let message = look(&sqs, queue, &json!({}));
        let plain = BTreeSet::from(["Body", "MD5OfBody", "MessageId", "ReceiptHandle"]);
        assert_eq!(names(&message), plain);
    }
}

// contract: 6.6-not-applying, 6.6-union
#[test]
fn names_that_do_not_apply_are_skipped_and_both_lists_count() {
    let sqs = scene();
    for (queue, members, expected) in [
        ("q", json!({ "AttributeNames": ["SequenceNumber", "SenderId"] }), &["SenderId"][..]),
        ("q", json!({ "AttributeNames": ["DeadLetterQueueSourceArn"] }), &[]),
        // Names of queue attributes are of the same type in the model.
        ("q", json!({ "AttributeNames": ["VisibilityTimeout", "SenderId"] }), &["SenderId"]),
        (
            "q.fifo",
            json!({
                "AttributeNames": ["SenderId"],
                "MessageSystemAttributeNames": ["SequenceNumber"],
            }),
            &["SenderId", "SequenceNumber"],
        ),
        (
            "q",
            json!({ "AttributeNames": ["SenderId"], "MessageSystemAttributeNames": ["All"] }),
            &[
                "ApproximateFirstReceiveTimestamp",
                "ApproximateReceiveCount",
                "AWSTraceHeader",
                "MessageGroupId",
                "SenderId",
                "SentTimestamp",
            ],
        ),
    ] {
        let message = look(&sqs, queue, &members);
        let expected: BTreeSet<&str> = expected.iter().copied().collect();
        assert_eq!(names(&message["Attributes"]), expected, "{members}");
    }
    // No Attributes at all rather than an empty map.
    let message = look(&sqs, "q", &json!({ "AttributeNames": ["SequenceNumber"] }));
    assert!(message.get("Attributes").is_none(), "{message}");
}

// contract: 3.1-system-attribute-names, 3.3-system-attribute-order
#[test]
fn query_takes_both_lists_and_shows_the_recorded_order() {
    let sqs = scene();
    let take = |further: &[(&str, &str)]| {
        let parameters = [&[("QueueUrl", "q"), ("VisibilityTimeout", "0")], further].concat();
        sqs.query("ReceiveMessage", &parameters)
    };
    let xml = take(&[("AttributeName.1", "All")]);
    assert_eq!(
        elements(&xml, "Name"),
        [
            "SenderId",
            "ApproximateFirstReceiveTimestamp",
            "ApproximateReceiveCount",
            "SentTimestamp",
            "MessageGroupId",
            "AWSTraceHeader"
        ]
    );
    let xml = take(&[
        ("AttributeName.1", "SenderId"),
        ("MessageSystemAttributeName.1", "AWSTraceHeader"),
    ]);
    assert_eq!(elements(&xml, "Name"), ["SenderId", "AWSTraceHeader"]);
    assert_eq!(elements(&xml, "Value")[1], "Root=1");
}

// contract: 6.5-sent-timestamp, 6.5-first-receive
#[test]
fn the_times_of_a_message_are_milliseconds_and_the_first_receive_stays() {
    let sqs = scene();
    let all = json!({ "AttributeNames": ["All"] });
    let number = |message: &Value, name: &str| -> u64 {
        let text = message["Attributes"][name].as_str().expect("a text");
        text.parse().expect("a number")
    };
    let first = look(&sqs, "q.fifo", &all);
    sqs.pass_seconds(5);
    let second = look(&sqs, "q.fifo", &all);
    let (sent, received) = ("SentTimestamp", "ApproximateFirstReceiveTimestamp");
    assert_eq!(number(&first, sent), number(&second, sent));
    assert_eq!(number(&first, received), number(&second, received));
    assert!(number(&first, received) >= number(&first, sent));
    assert_eq!(number(&first, sent).to_string().len(), 13);
    assert_eq!(number(&first, "ApproximateReceiveCount"), 1);
    assert_eq!(number(&second, "ApproximateReceiveCount"), 2);
}

// contract: 6.3-receive, 6.7-union
#[test]
fn filters_are_united_and_an_md5_is_over_what_is_shown_in_both_protocols() {
    let sqs = Sqs::with_queue("q");
    let string = |value: &str| json!({ "DataType": "String", "StringValue": value });
    let attributes = json!({
        "Help.Me": string("Me"), "Hello": string("There"), "General": string("Kenobi"),
    });
    let message = json!({ "QueueUrl": "q", "MessageBody": "x", "MessageAttributes": attributes });
    sqs.json("SendMessage", &message);
    let all = "4c360f3fdafd970e05fae2f149d997f5";
    for (filters, names, md5) in [
        (&["All"][..], &["General", "Hello", "Help.Me"][..], Some(all)),
        (&[".*"], &["General", "Hello", "Help.Me"], Some(all)),
        (&["*"], &["General", "Hello", "Help.Me"], Some(all)),
        (&["Hel.*", "General"], &["General", "Hello", "Help.Me"], Some(all)),
        (&["Hel.*"], &["Hello", "Help.Me"], Some("83fee93c1bcd8b9a5a923ffacdc636c7")),
        (&["Hello", "Hello"], &["Hello"], Some("a311262e065454b75da111d535b8dacd")),
        (&["hello"], &[], None),
        (&["Hel*", "AWS.", "..foo", "unknown"], &[], None),
    ] {
        let message = look(&sqs, "q", &json!({ "MessageAttributeNames": filters }));
        let expected: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(self::names(&message["MessageAttributes"]), expected, "{filters:?}");
        assert_eq!(message.get("MD5OfMessageAttributes").and_then(Value::as_str), md5);
        let indexed: Vec<String> =
            (1..=filters.len()).map(|n| format!("MessageAttributeName.{n}")).collect();
        let mut parameters = vec![("QueueUrl", "q"), ("VisibilityTimeout", "0")];
        parameters.extend(indexed.iter().map(String::as_str).zip(filters.iter().copied()));
        let xml = sqs.query("ReceiveMessage", &parameters);
        let shown = elements(&xml, "Name");
        let shown: BTreeSet<&str> = shown.iter().map(String::as_str).collect();
        assert_eq!(shown, expected, "{xml}");
        match md5 {
            Some(md5) => assert_eq!(element(&xml, "MD5OfMessageAttributes"), md5),
            None => assert!(!xml.contains("MD5OfMessageAttributes"), "{xml}"),
        }
    }
}
