//! Bytes no SDK sends: the error of the protocol they came in, nothing stored, nobody harmed.

use serde_json::json;

use super::{Error, Refusal, Sqs};

const JSON: [(&str, &str); 2] =
    [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", "AmazonSQS.SendMessage")];
const FORM: [(&str, &str); 1] = [("Content-Type", "application/x-www-form-urlencoded")];

// contract: 2.3-serialization
#[test]
fn every_cut_of_a_json_request_is_a_serialization_error() {
    let sqs = Sqs::with_queue("q");
    let whole = r#"{"QueueUrl":"q","MessageBody":"x\u00e9","DelaySeconds":0}"#;
    let mut connection = sqs.http().connect();
    for length in 0..whole.len() {
        let response = connection.request("POST", "/", &JSON, &whole.as_bytes()[..length]);
        let error = Error::of_json(&response);
        assert_eq!(error.names, "SerializationException MalformedInput;Sender", "{length}");
        assert_eq!(error.status, 400);
    }
    assert!(sqs.receive("q").is_empty());
}

// contract: 2.3-wrong-types
#[test]
fn wrong_types_and_deep_json_are_serialization_errors() {
    let sqs = Sqs::with_queue("q");
    let deep = format!(r#"{{"QueueUrl":"q","MessageBody":{}"#, "[".repeat(200_000));
    for body in [
        r#"{"QueueUrl":"q","MessageBody":1}"#,
        r#"{"QueueUrl":"q","MessageBody":["x"]}"#,
        r#"{"QueueUrl":"q","MessageBody":"x","DelaySeconds":"0"}"#,
        r#"{"QueueUrl":"q","MessageBody":"x","MessageAttributes":[]}"#,
        r#"{"QueueUrl":"q","MessageBody":"x","MessageAttributes":{"a":"b"}}"#,
        r#"{"QueueUrl":"q","MessageBody":"\ud800"}"#,
        "[]",
        "null",
        "1",
        "",
        &deep,
    ] {
        let response = sqs.http().request("POST", "/", &JSON, body.as_bytes());
        let error = Error::of_json(&response);
        assert_eq!(error.names, "SerializationException MalformedInput;Sender", "{body:.80}");
    }
    let response = sqs.http().request("POST", "/", &JSON, b"{\"MessageBody\":\"\xff\"}");
    assert_eq!(Error::of_json(&response).status, 400);
    assert!(sqs.receive("q").is_empty());
}

// contract: 2.3-malformed-query-string, 2.3-query-not-integer
#[test]
fn bad_forms_are_refused() {
    let sqs = Sqs::with_queue("q");
    for body in ["MessageBody=%zz", "MessageBody=%f", "MessageBody=%ff", "%=x&MessageBody=x"] {
        let body = format!("Action=SendMessage&QueueUrl=q&{body}");
        let response = sqs.http().request("POST", "/", &FORM, body.as_bytes());
        assert_eq!(Error::of_query(&response).names, "MalformedQueryString", "{body}");
    }
    let body = "Action=SendMessage&QueueUrl=q&MessageBody=x&DelaySeconds=foo";
    let response = sqs.http().request("POST", "/", &FORM, body.as_bytes());
    assert_eq!(Error::of_query(&response).names, "MalformedInput");
    assert!(sqs.receive("q").is_empty());
}

// contract: 4.8-characters, 4.8-attribute-characters
#[test]
fn characters_no_message_may_have_are_refused() {
    let sqs = Sqs::with_queue("q");
    for body in ["\u{0}", "bell \u{7}", "\u{fffe}", "x\u{ffff}"] {
        sqs.refused(
            "SendMessage",
            &json!({ "QueueUrl": "q", "MessageBody": body }),
            &[("QueueUrl", "q"), ("MessageBody", body)],
            Refusal::new(
                "InvalidMessageContents",
                "InvalidMessageContents",
                400,
                "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to \
                 #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
            ),
        );
    }
    sqs.refused(
        "SendMessage",
        &json!({ "QueueUrl": "q", "MessageBody": "" }),
        &[("QueueUrl", "q"), ("MessageBody", "")],
        Refusal::missing_parameter("The request must contain the parameter MessageBody."),
    );
    assert!(sqs.receive("q").is_empty());
}

#[test]
fn redis_words_in_names_and_handles_stay_text() {
    let sqs = Sqs::with_queue("q");
    for queue in ["q}\r\nFLUSHALL", "*", "{q}", "../q"] {
        let members = json!({ "QueueUrl": queue, "MessageBody": "x" }).to_string();
        let response = sqs.http().json("SendMessage", &members);
        // The last path segment of `../q` is a queue's name.
        let expected = if queue == "../q" { 200 } else { 400 };
        assert_eq!(response.status, expected, "{queue}");
    }
    for body in ["DELAY", "NOMKQUEUE", "MSG", "$-1\r\n"] {
        let entries =
            json!([{ "Id": "a", "MessageBody": body }, { "Id": "b", "MessageBody": body }]);
        sqs.json("SendMessageBatch", &json!({ "QueueUrl": "q", "Entries": entries }));
        sqs.send("q", body);
    }
    let mut count = 0;
    loop {
        let received = sqs.receive("q").len();
        if received == 0 {
            break;
        }
        count += received;
    }
    assert_eq!(count, 1 + 4 * 3);
    for (key, value) in [("TAG", "TAG"), ("FIFO", ""), ("VisibilityTimeout", "x")] {
        let name = format!("tag-{key}");
        sqs.json("CreateQueue", &json!({ "QueueName": name, "tags": { key: value } }));
    }
    let twice = [
        ("Action", "CreateQueue"),
        ("QueueName", "twice"),
        ("Tag.1.Key", "k"),
        ("Tag.1.Value", "1"),
        ("Tag.2.Key", "k"),
        ("Tag.2.Value", "2"),
    ];
    assert!(sqs.http().query(&twice).status < 500);
}

// contract: 4.8-too-large, 10-too-long
#[test]
fn a_body_far_over_the_limit_is_refused_in_the_protocol_it_came_in() {
    let sqs = Sqs::with_queue("q");
    let body = "x".repeat(5 * 1_048_576);
    sqs.refused(
        "SendMessage",
        &json!({ "QueueUrl": "q", "MessageBody": body }),
        &[("QueueUrl", "q"), ("MessageBody", &body)],
        Refusal::invalid_parameter(
            "One or more parameters are invalid. Reason: Message must be shorter than 1048576 \
             bytes.",
        ),
    );
    let entries = json!([{ "Id": "a", "MessageBody": body }]);
    let members = json!({ "QueueUrl": "q", "Entries": entries }).to_string();
    let error = Error::of_json(&sqs.http().json("SendMessageBatch", &members));
    let code = "AWS.SimpleQueueService.BatchRequestTooLong;Sender";
    assert_eq!(error.names, format!("BatchRequestTooLong {code}"));
    assert!(sqs.receive("q").is_empty());
}
