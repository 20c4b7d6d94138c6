//! User attributes and the trace header.

use serde_json::{Value, json};

use super::{Refusal, Sqs, element, elements, text};

// contract: 6.4-attributes, 6.3-send, 6.3-receive
#[test]
fn attributes_come_back_with_the_recorded_md5_in_both_protocols() {
    let sqs = Sqs::with_queue("q");
    let attributes = json!({
        "color": { "DataType": "String", "StringValue": "blue" },
        "count": { "DataType": "Number", "StringValue": "3" },
        "blob": { "DataType": "Binary", "BinaryValue": "AQID" },
    });
    let md5 = "d838729972a4b70e2d2acd9d59ac847c";
    let message = json!({ "QueueUrl": "q", "MessageBody": "x", "MessageAttributes": attributes });
    let sent = sqs.json("SendMessage", &message);
    assert_eq!(text(&sent, "MD5OfMessageAttributes"), md5);
    let received = sqs.receive_one("q");
    assert_eq!(received["MessageAttributes"], attributes);
    assert_eq!(text(&received, "MD5OfMessageAttributes"), md5);

    let xml = sqs.query(
        "SendMessage",
        &[
            ("QueueUrl", "q"),
            ("MessageBody", "x"),
            ("MessageAttribute.1.Name", "color"),
            ("MessageAttribute.1.Value.DataType", "String"),
            ("MessageAttribute.1.Value.StringValue", "blue"),
            ("MessageAttribute.2.Name", "count"),
            ("MessageAttribute.2.Value.DataType", "Number"),
            ("MessageAttribute.2.Value.StringValue", "3"),
            ("MessageAttribute.3.Name", "blob"),
            ("MessageAttribute.3.Value.DataType", "Binary"),
            ("MessageAttribute.3.Value.BinaryValue", "AQID"),
        ],
    );
    assert_eq!(element(&xml, "MD5OfMessageAttributes"), md5);
    let xml = sqs.query("ReceiveMessage", &[("QueueUrl", "q"), ("MessageAttributeName.1", "All")]);
    assert_eq!(element(&xml, "MD5OfMessageAttributes"), md5);
    assert_eq!(elements(&xml, "Name"), ["color", "count", "blob"]);
    assert_eq!(element(&xml, "BinaryValue"), "AQID");
    let batch = json!([{ "Id": "a", "MessageBody": "x", "MessageAttributes": attributes }]);
    let sent = sqs.json("SendMessageBatch", &json!({ "QueueUrl": "q", "Entries": batch }));
    assert_eq!(text(&sent["Successful"][0], "MD5OfMessageAttributes"), md5);
}

// contract: 6.7-all, 6.7-exact, 6.7-prefix, 6.7-nothing, 6.7-union
#[test]
fn filters_select_attributes_and_the_md5_is_over_the_selected() {
    let sqs = Sqs::with_queue("q");
    let string = |value: &str| json!({ "DataType": "String", "StringValue": value });
    let attributes = json!({
        "Help.Me": string("Me"), "Hello": string("There"), "General": string("Kenobi"),
    });
    let message = json!({ "QueueUrl": "q", "MessageBody": "x", "MessageAttributes": attributes });
    sqs.json("SendMessage", &message);
    for (filters, names, md5) in [
        (json!(["All"]), vec!["General", "Hello", "Help.Me"], "4c360f3fdafd970e05fae2f149d997f5"),
        (json!(["Hel.*"]), vec!["Hello", "Help.Me"], "83fee93c1bcd8b9a5a923ffacdc636c7"),
        (json!(["Hello"]), vec!["Hello"], "a311262e065454b75da111d535b8dacd"),
        (json!(["Hello", "General"]), vec!["General", "Hello"], "fca026605781cb4126a1e9044df24232"),
        (json!(["AWS.", "..foo", "x"]), vec![], ""),
    ] {
        let members = json!({
            "QueueUrl": "q", "MessageAttributeNames": filters, "VisibilityTimeout": 0,
        });
        let received = sqs.json("ReceiveMessage", &members)["Messages"][0].clone();
        let shown = received["MessageAttributes"].as_object().cloned().unwrap_or_default();
        let mut shown: Vec<&String> = shown.keys().collect();
        shown.sort();
        assert_eq!(shown, names, "{filters}");
        assert_eq!(received["MD5OfMessageAttributes"].as_str().unwrap_or_default(), md5);
    }
}

// contract: 6.2-trace-http-header, 6.5-trace-header
#[test]
fn the_trace_header_comes_from_the_request_or_from_http() {
    let sqs = Sqs::with_queue("q");
    let value = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let system = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": value } });
    let message = json!({
        "QueueUrl": "q", "MessageBody": "x", "MessageSystemAttributes": system,
    });
    let sent = sqs.json("SendMessage", &message);
    let md5 = "5ae4d5d7636402d80f4eb6d213245a88";
    assert_eq!(text(&sent, "MD5OfMessageSystemAttributes"), md5);
    assert!(sent.get("MD5OfMessageAttributes").is_none());
    assert_eq!(text(&sqs.receive_one("q")["Attributes"], "AWSTraceHeader"), value);
    let xml = sqs.query(
        "SendMessage",
        &[
            ("QueueUrl", "q"),
            ("MessageBody", "x"),
            ("MessageSystemAttribute.1.Name", "AWSTraceHeader"),
            ("MessageSystemAttribute.1.Value.DataType", "String"),
            ("MessageSystemAttribute.1.Value.StringValue", value),
        ],
    );
    assert_eq!(element(&xml, "MD5OfMessageSystemAttributes"), md5);
    assert_eq!(text(&sqs.receive_one("q")["Attributes"], "AWSTraceHeader"), value);
    let headers = [
        ("Content-Type", "application/x-amz-json-1.0"),
        ("X-Amz-Target", "AmazonSQS.SendMessage"),
        ("X-Amzn-Trace-Id", "Root=2"),
    ];
    let body = json!({ "QueueUrl": "q", "MessageBody": "x" }).to_string();
    let sent = sqs.http().request("POST", "/", &headers, body.as_bytes()).json();
    assert!(sent.get("MD5OfMessageSystemAttributes").is_none());
    assert_eq!(text(&sqs.receive_one("q")["Attributes"], "AWSTraceHeader"), "Root=2");
}

// contract: 6.2-data-type, 6.2-value-member, 6.2-value-characters
#[test]
fn attributes_that_cannot_be_are_refused() {
    let sqs = Sqs::with_queue("q");
    let refused = |name: &str, data_type: &str, member: &str, value: &str, expected| {
        let attribute = json!({ "DataType": data_type, member: value });
        let prefixed = format!("MessageAttribute.1.Value.{member}");
        sqs.refused(
            "SendMessage",
            &json!({ "QueueUrl": "q", "MessageBody": "x",
                     "MessageAttributes": { name: attribute } }),
            &[
                ("QueueUrl", "q"),
                ("MessageBody", "x"),
                ("MessageAttribute.1.Name", name),
                ("MessageAttribute.1.Value.DataType", data_type),
                (&prefixed, value),
            ],
            expected,
        );
    };
    refused(
        "x",
        "Foo",
        "StringValue",
        "1",
        Refusal::invalid_parameter(
            "The type of message (user) attribute 'x' is invalid. You must use only the following \
             supported type prefixes: Binary, Number, String.",
        ),
    );
    refused(
        "ErrorDetails",
        "String",
        "StringValue",
        "",
        Refusal::invalid_parameter(
            "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type \
             'String'.",
        ),
    );
    refused(
        "aws.x",
        "String",
        "StringValue",
        "1",
        Refusal::invalid_parameter(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These \
             strings are reserved for internal use.",
        ),
    );
    refused(
        "x",
        "Binary",
        "BinaryValue",
        "*",
        Refusal::new("SerializationException", "MalformedInput", 400, "A blob is not valid base64"),
    );
    assert!(sqs.receive("q").is_empty());
}

#[test]
fn lists_and_eleven_attributes_are_refused() {
    let sqs = Sqs::with_queue("q");
    let list = json!({ "x": { "DataType": "String", "StringListValues": ["a"] } });
    sqs.refused(
        "SendMessage",
        &json!({ "QueueUrl": "q", "MessageBody": "x", "MessageAttributes": list }),
        &[
            ("QueueUrl", "q"),
            ("MessageBody", "x"),
            ("MessageAttribute.1.Name", "x"),
            ("MessageAttribute.1.Value.DataType", "String"),
            ("MessageAttribute.1.Value.StringListValue.1", "a"),
        ],
        Refusal::new(
            "UnsupportedOperation",
            "AWS.SimpleQueueService.UnsupportedOperation",
            400,
            "Message attribute list values in SendMessage operation are not supported.",
        ),
    );
    let eleven: serde_json::Map<String, Value> = (0..11)
        .map(|i| (format!("a{i}"), json!({ "DataType": "String", "StringValue": "x" })))
        .collect();
    let members = json!({ "QueueUrl": "q", "MessageBody": "x", "MessageAttributes": eleven });
    let response = sqs.http().json("SendMessage", &members.to_string());
    assert_eq!(
        response.json()["message"],
        "Number of message attributes [11] exceeds the allowed maximum [10]."
    );
    assert!(sqs.receive("q").is_empty());
}
