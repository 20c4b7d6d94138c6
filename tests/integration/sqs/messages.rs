//! SendMessage, ReceiveMessage, DeleteMessage, ChangeMessageVisibility.

use serde_json::{Value, json};

use super::{Refusal, Sqs, element, elements, text};

// contract: 6.1-body-untouched, 1.5-cr
#[test]
fn a_message_comes_as_it_was_sent_in_both_protocols() {
    let sqs = Sqs::with_queue("q");
    for body in ["hello", "ü€😀", "a\r\n\tb", "<&>\"'%+ =", "{\"a\":\"b\\n\"}", " x "] {
        let by_json = sqs.json("SendMessage", &json!({ "QueueUrl": "q", "MessageBody": body }));
        let by_query = sqs.query("SendMessage", &[("QueueUrl", "q"), ("MessageBody", body)]);
        let md5 = text(&by_json, "MD5OfMessageBody");
        assert_eq!(element(&by_query, "MD5OfMessageBody"), md5);
        let received = sqs.json("ReceiveMessage", &json!({ "QueueUrl": "q" }));
        let message = &received["Messages"][0];
        assert_eq!(text(message, "Body"), body);
        assert_eq!(text(message, "MD5OfBody"), md5);
        assert_eq!(text(message, "MessageId"), text(&by_json, "MessageId"));
        let xml = sqs.query("ReceiveMessage", &[("QueueUrl", "q")]);
        assert_eq!(element(&xml, "Body"), body, "{xml}");
        assert_eq!(element(&xml, "MD5OfBody"), md5);
        assert_eq!(element(&xml, "MessageId"), element(&by_query, "MessageId"));
        let handle = element(&xml, "ReceiptHandle");
        sqs.query("DeleteMessage", &[("QueueUrl", "q"), ("ReceiptHandle", &handle)]);
    }
    let hello = sqs.json("SendMessage", &json!({ "QueueUrl": "q", "MessageBody": "hello" }));
    assert_eq!(text(&hello, "MD5OfMessageBody"), "5d41402abc4b2a76b9719d911017c592");
}

#[test]
fn system_attributes_come_when_asked_for() {
    let sqs = Sqs::with_queue("q");
    sqs.send("q", "x");
    let plain = sqs.json("ReceiveMessage", &json!({ "QueueUrl": "q", "VisibilityTimeout": 0 }));
    let mut names: Vec<&String> = plain["Messages"][0].as_object().expect("a map").keys().collect();
    names.sort();
    assert_eq!(names, ["Body", "MD5OfBody", "MessageId", "ReceiptHandle"]);
    let message = sqs.receive_one("q");
    let attributes = &message["Attributes"];
    assert_eq!(attributes.as_object().map(serde_json::Map::len), Some(4), "{attributes}");
    assert_eq!(text(attributes, "ApproximateReceiveCount"), "2");
    assert_eq!(text(attributes, "SentTimestamp").len(), 13);
    assert_eq!(text(attributes, "ApproximateFirstReceiveTimestamp").len(), 13);
    assert!(!text(attributes, "SenderId").is_empty());
    let handle = text(&message, "ReceiptHandle");
    sqs.json(
        "ChangeMessageVisibility",
        &json!({ "QueueUrl": "q", "ReceiptHandle": handle, "VisibilityTimeout": 0 }),
    );
    let xml = sqs.query(
        "ReceiveMessage",
        &[
            ("QueueUrl", "q"),
            ("AttributeName.1", "SenderId"),
            ("AttributeName.2", "SequenceNumber"),
        ],
    );
    assert_eq!(elements(&xml, "Attribute").len(), 1, "{xml}");
    sqs.refused(
        "ReceiveMessage",
        &json!({ "QueueUrl": "q", "MessageSystemAttributeNames": ["Foo"] }),
        &[("QueueUrl", "q"), ("MessageSystemAttributeName.1", "Foo")],
        Refusal::new("InvalidAttributeName", "InvalidAttributeName", 400, "Unknown Attribute Foo."),
    );
}

#[test]
fn a_delay_holds_a_message_back_and_the_messages_own_wins() {
    let sqs = Sqs::start();
    let attributes = json!({ "DelaySeconds": "60" });
    sqs.json("CreateQueue", &json!({ "QueueName": "q", "Attributes": attributes }));
    sqs.send("q", "later");
    sqs.json("SendMessage", &json!({ "QueueUrl": "q", "MessageBody": "now", "DelaySeconds": 0 }));
    assert_eq!(text(&sqs.receive_one("q"), "Body"), "now");
    sqs.pass_seconds(29);
    assert!(sqs.receive("q").is_empty());
    sqs.pass_seconds(32);
    let bodies: Vec<Value> =
        sqs.receive("q").iter().map(|message| message["Body"].clone()).collect();
    assert_eq!(bodies, ["now", "later"]);
}

// contract: 7.1-receive, 7.1-change
#[test]
fn a_received_message_is_hidden_until_its_timeout_and_changing_it_counts_from_now() {
    let sqs = Sqs::with_queue("q");
    sqs.send("q", "x");
    let first = sqs.receive_one("q");
    let handle = text(&first, "ReceiptHandle");
    assert!(sqs.receive("q").is_empty());
    let change = |timeout: u32| {
        let members =
            json!({ "QueueUrl": "q", "ReceiptHandle": handle, "VisibilityTimeout": timeout });
        assert_eq!(sqs.json("ChangeMessageVisibility", &members), Value::Null);
    };
    change(100);
    sqs.pass_seconds(50);
    assert!(sqs.receive("q").is_empty());
    change(0);
    assert_eq!(sqs.receive("q").len(), 1);
    // An older handle of a standard queue still works.
    let timeout = [("QueueUrl", "q"), ("ReceiptHandle", handle), ("VisibilityTimeout", "0")];
    sqs.query("ChangeMessageVisibility", &timeout);
    let again = sqs.receive_one("q");
    assert_eq!(text(&again["Attributes"], "ApproximateReceiveCount"), "3");
    assert_ne!(text(&again, "ReceiptHandle"), handle);
}

// contract: 4.10-delete-older-handle, 4.10-delete-twice
#[test]
fn deleting_takes_any_handle_of_the_message_and_may_be_repeated() {
    let sqs = Sqs::with_queue("q");
    sqs.send("q", "x");
    let first = sqs.receive_one("q");
    sqs.pass_seconds(31);
    let second = sqs.receive_one("q");
    for message in [&first, &second, &first] {
        let members = json!({ "QueueUrl": "q", "ReceiptHandle": text(message, "ReceiptHandle") });
        assert_eq!(sqs.json("DeleteMessage", &members), Value::Null);
    }
    sqs.pass_seconds(31);
    assert!(sqs.receive("q").is_empty());
    let handle = text(&second, "ReceiptHandle");
    let response = sqs.http().json(
        "ChangeMessageVisibility",
        &json!({ "QueueUrl": "q", "ReceiptHandle": handle, "VisibilityTimeout": 1 }).to_string(),
    );
    assert_eq!(
        text(&response.json(), "message"),
        format!(
            "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist \
             or is not available for visibility timeout change."
        )
    );
}

// contract: 7.1-handle, 4.10-garbage, 4.10-other-queue
#[test]
fn handles_that_are_none_or_of_another_queue_are_told_apart() {
    let sqs = Sqs::with_queue("q");
    sqs.json("CreateQueue", &json!({ "QueueName": "other" }));
    sqs.send("other", "x");
    let foreign = sqs.receive_one("other");
    let foreign = text(&foreign, "ReceiptHandle");
    let garbage = "A".repeat(36);
    for action in ["DeleteMessage", "ChangeMessageVisibility"] {
        // Words that are options of the module's commands are handles like any other here.
        for handle in ["garbage", "CURRENT", "UNLESSCHANGED", &garbage, "ü"] {
            let members =
                json!({ "QueueUrl": "q", "ReceiptHandle": handle, "VisibilityTimeout": 1 });
            let response = sqs.http().json(action, &members.to_string());
            assert_eq!(response.status, 404, "{action} {handle}: {response:?}");
            let text =
                format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
            assert_eq!(response.json()["message"], text);
        }
        let parameters =
            [("QueueUrl", "q"), ("ReceiptHandle", foreign), ("VisibilityTimeout", "1")];
        let response = sqs.http().query(&super::with_action(action, &parameters));
        assert_eq!(response.status, 404);
        assert_eq!(
            element(response.text(), "Message"),
            format!("The receipt handle \"{foreign}\" is not valid for this queue.")
        );
    }
    sqs.refused(
        "DeleteMessage",
        &json!({ "QueueUrl": "q", "ReceiptHandle": "garbage" }),
        &[("QueueUrl", "q"), ("ReceiptHandle", "garbage")],
        Refusal::new(
            "ReceiptHandleIsInvalid",
            "ReceiptHandleIsInvalid",
            404,
            "The input receipt handle \"garbage\" is not a valid receipt handle.",
        ),
    );
}

#[test]
fn numbers_out_of_range_are_refused_in_the_words_of_sqs() {
    let sqs = Sqs::with_queue("q");
    for (action, name, value, text) in [
        (
            "SendMessage",
            "DelaySeconds",
            901,
            "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 \
             and <= 900.",
        ),
        (
            "ReceiveMessage",
            "MaxNumberOfMessages",
            0,
            "Value 0 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and \
             10, if provided.",
        ),
        (
            "ReceiveMessage",
            "WaitTimeSeconds",
            -1,
            "Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if \
             provided.",
        ),
        (
            "ReceiveMessage",
            "VisibilityTimeout",
            43_201,
            "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= \
             43200, if provided.",
        ),
        (
            "ChangeMessageVisibility",
            "VisibilityTimeout",
            43_201,
            "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and \
             43200.",
        ),
    ] {
        let mut members = json!({ "QueueUrl": "q", "MessageBody": "x", "ReceiptHandle": "h" });
        members[name] = json!(value);
        let value = value.to_string();
        let parameters =
            [("QueueUrl", "q"), ("MessageBody", "x"), ("ReceiptHandle", "h"), (name, &value)];
        sqs.refused(action, &members, &parameters, Refusal::invalid_parameter(text));
        // That the queue is missing is said first.
        members["QueueUrl"] = json!("missing");
        let response = sqs.http().json(action, &members.to_string());
        assert_eq!(text_of_kind(&response), "com.amazonaws.sqs#QueueDoesNotExist");
    }
}

fn text_of_kind(response: &karin_tests::http::Response) -> String {
    response.json()["__type"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_message_may_be_as_large_as_the_queue_says_and_no_larger() {
    let sqs = Sqs::start();
    let attributes = json!({ "MaximumMessageSize": "1024" });
    sqs.json("CreateQueue", &json!({ "QueueName": "q", "Attributes": attributes }));
    let attribute = json!({ "n": { "DataType": "String", "StringValue": "v" } });
    let send = |length: usize| {
        json!({
            "QueueUrl": "q", "MessageBody": "x".repeat(length), "MessageAttributes": attribute,
        })
    };
    sqs.json("SendMessage", &send(1024 - 8));
    sqs.refused(
        "SendMessage",
        &send(1024 - 7),
        &[("QueueUrl", "q"), ("MessageBody", &"x".repeat(1025))],
        Refusal::invalid_parameter(
            "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
        ),
    );
    sqs.json("CreateQueue", &json!({ "QueueName": "big" }));
    let largest = "\"".repeat(1_048_576);
    sqs.send("big", &largest);
    assert_eq!(text(&sqs.receive_one("big"), "Body"), largest);
    let larger = "x".repeat(1_048_577);
    sqs.refused(
        "SendMessage",
        &json!({ "QueueUrl": "big", "MessageBody": larger }),
        &[("QueueUrl", "big"), ("MessageBody", &larger)],
        Refusal::invalid_parameter(
            "One or more parameters are invalid. Reason: Message must be shorter than 1048576 \
             bytes.",
        ),
    );
}

#[test]
fn a_group_comes_back_on_a_standard_queue_and_a_deduplication_id_is_refused() {
    let sqs = Sqs::with_queue("q");
    let message = json!({ "QueueUrl": "q", "MessageBody": "x", "MessageGroupId": "tenant" });
    let sent = sqs.json("SendMessage", &message);
    assert!(sent.get("SequenceNumber").is_none(), "{sent}");
    let received = sqs.receive_one("q");
    assert_eq!(text(&received["Attributes"], "MessageGroupId"), "tenant");
    assert!(received["Attributes"].get("SequenceNumber").is_none());
    sqs.refused(
        "SendMessage",
        &json!({ "QueueUrl": "q", "MessageBody": "x", "MessageGroupId": "a b" }),
        &[("QueueUrl", "q"), ("MessageBody", "x"), ("MessageGroupId", "a b")],
        Refusal::invalid_parameter(
            "Value a b for parameter MessageGroupId is invalid. Reason: MessageGroupId can only \
             include alphanumeric and punctuation characters. 1 to 128 in length.",
        ),
    );
    sqs.refused(
        "SendMessage",
        &json!({ "QueueUrl": "q", "MessageBody": "x", "MessageDeduplicationId": "X" }),
        &[("QueueUrl", "q"), ("MessageBody", "x"), ("MessageDeduplicationId", "X")],
        Refusal::invalid_parameter(
            "Value X for parameter MessageDeduplicationId is invalid. Reason: The request includes \
             a parameter that is not valid for this queue type.",
        ),
    );
}

#[test]
fn what_redis_cli_sends_is_received_and_bytes_come_as_base64() {
    let sqs = Sqs::with_queue("q");
    sqs.redis.cli(&["KARIN.SEND", "karin:{q}", "hi", "ATTRS", "not ours"]);
    let message = sqs.receive_one("q");
    assert_eq!(text(&message, "Body"), "hi");
    assert!(message.get("MessageAttributes").is_none());
    sqs.redis.cli(&["KARIN.SEND", "karin:{q}", "bell \u{7}"]);
    let message = sqs.receive_one("q");
    assert_eq!(text(&message, "Body"), "YmVsbCAH");
    assert_eq!(text(&message["MessageAttributes"]["karin.encoding"], "StringValue"), "base64");
    let timeout = json!({
        "QueueUrl": "q", "ReceiptHandle": text(&message, "ReceiptHandle"), "VisibilityTimeout": 0,
    });
    sqs.json("ChangeMessageVisibility", &timeout);
    let xml = sqs.query("ReceiveMessage", &[("QueueUrl", "q"), ("MessageAttributeName.1", "All")]);
    assert_eq!(element(&xml, "Body"), "YmVsbCAH");
    assert_eq!(element(&xml, "StringValue"), "base64");
}
