//! Bytes → typed request.

use super::super::request::*;
use super::*;
use crate::queues::QueueName;

const URL: &str = "http://127.0.0.1:9324/000000000000/q";

fn queue(name: &str) -> NamedQueue {
    let queue = QueueName::parse(name);
    assert!(queue.is_some(), "{name}");
    queue.ok_or(SqsError::QueueDoesNotExist)
}

const NO_QUEUE: NamedQueue = Err(SqsError::QueueDoesNotExist);

/// The Query form and the JSON form of an action are read alike.
#[track_caller]
fn check(action: &str, parameters: &str, members: &str, expected: &Request) {
    let query = parse(&form("/", &format!("Action={action}&Version=2012-11-05&{parameters}")));
    assert_eq!(query.as_ref(), Ok(expected), "Query");
    let got = parse(&json(action, members));
    assert_eq!(got.as_ref(), Ok(expected), "JSON");
}

/// Both forms are refused alike.
#[track_caller]
fn refused(action: &str, parameters: &str, members: &str, expected: &SqsError) {
    let query = parse(&form("/", &format!("Action={action}&{parameters}")));
    assert_eq!(query.as_ref(), Err(expected), "Query");
    let got = parse(&json(action, members));
    assert_eq!(got.as_ref(), Err(expected), "JSON");
}

fn string(value: &str) -> AttributeValue {
    AttributeValue {
        data_type: Some("String".into()),
        string_value: Some(value.into()),
        ..AttributeValue::default()
    }
}

// contract: 3.1-example, 3.2-example
#[test]
fn the_example_of_the_contract_reads_alike_in_both_protocols() {
    // sqs-contract §§3.1 and 3.2; the Query example with the JSON one's members added.
    let number = AttributeValue { data_type: Some("Number".into()), ..string("1") };
    let binary = AttributeValue {
        data_type: Some("Binary".into()),
        binary_value: Some(vec![1, 2]),
        ..AttributeValue::default()
    };
    check(
        "SendMessage",
        "QueueUrl=http%3A%2F%2Fh%2F000000000000%2Fq&MessageBody=a%26b+%C3%BC\
         &MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=Number\
         &MessageAttribute.1.Value.StringValue=1&MessageAttribute.2.Name=b\
         &MessageAttribute.2.Value.DataType=Binary&MessageAttribute.2.Value.BinaryValue=AQI%3D\
         &DelaySeconds=0&MessageSystemAttribute.1.Name=AWSTraceHeader\
         &MessageSystemAttribute.1.Value.DataType=String\
         &MessageSystemAttribute.1.Value.StringValue=Root%3D1",
        r#"{"QueueUrl":"http://h/000000000000/q","MessageBody":"a&b ü","DelaySeconds":0,
            "MessageAttributes":{"n":{"DataType":"Number","StringValue":"1"},
            "b":{"DataType":"Binary","BinaryValue":"AQI="}},
            "MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"String",
            "StringValue":"Root=1"}}}"#,
        &Request::SendMessage(SendMessage {
            queue: queue("q"),
            message: NewMessage {
                body: "a&b ü".into(),
                delay_seconds: Some(0),
                attributes: vec![("n".into(), number), ("b".into(), binary)],
                system_attributes: vec![("AWSTraceHeader".into(), string("Root=1"))],
                ..NewMessage::default()
            },
            trace_header: None,
        }),
    );
}

// contract: 3.1-indices
#[test]
fn batches_are_read_in_the_order_of_their_numbers() {
    let entry = |id: &str, body: &str, delay_seconds| SendMessageBatchEntry {
        id: id.into(),
        message: NewMessage {
            body: body.to_owned().into(),
            delay_seconds,
            group_id: Some("g".into()),
            deduplication_id: Some("d".into()),
            attributes: vec![("k".into(), string("x"))],
            ..NewMessage::default()
        },
    };
    let parameters: String = [(10, "b", "2", "&X.DelaySeconds=900"), (2, "a", "1", "")]
        .iter()
        .map(|(number, id, body, delay)| {
            format!(
                "&X.Id={id}&X.MessageBody={body}{delay}&X.MessageGroupId=g\
                 &X.MessageDeduplicationId=d&X.MessageAttribute.1.Name=k\
                 &X.MessageAttribute.1.Value.DataType=String\
                 &X.MessageAttribute.1.Value.StringValue=x"
            )
            .replace('X', &format!("SendMessageBatchRequestEntry.{number}"))
        })
        .collect();
    check(
        "SendMessageBatch",
        &format!("QueueUrl={URL}{parameters}"),
        r#"{"QueueUrl":"q","Entries":[
            {"Id":"a","MessageBody":"1","MessageGroupId":"g","MessageDeduplicationId":"d",
             "MessageAttributes":{"k":{"DataType":"String","StringValue":"x"}}},
            {"Id":"b","MessageBody":"2","MessageGroupId":"g","MessageDeduplicationId":"d",
             "DelaySeconds":900,
             "MessageAttributes":{"k":{"DataType":"String","StringValue":"x"}}}]}"#,
        &Request::SendMessageBatch(SendMessageBatch {
            queue: queue("q"),
            entries: vec![entry("a", "1", None), entry("b", "2", Some(900))],
            trace_header: None,
        }),
    );
    let deletes = vec![
        DeleteMessageBatchEntry { id: "a".into(), receipt_handle: "r+/=".into() },
        DeleteMessageBatchEntry { id: "b".into(), receipt_handle: String::new() },
    ];
    check(
        "DeleteMessageBatch",
        "QueueUrl=q&DeleteMessageBatchRequestEntry.1.Id=a\
         &DeleteMessageBatchRequestEntry.1.ReceiptHandle=r%2B%2F%3D\
         &DeleteMessageBatchRequestEntry.2.Id=b",
        r#"{"QueueUrl":"q","Entries":[{"Id":"a","ReceiptHandle":"r+/="},{"Id":"b"}]}"#,
        &Request::DeleteMessageBatch(DeleteMessageBatch { queue: queue("q"), entries: deletes }),
    );
}

#[test]
fn what_is_about_one_message_reads_alike_in_both_protocols() {
    check(
        "ChangeMessageVisibility",
        "QueueUrl=q&ReceiptHandle=r&VisibilityTimeout=-1",
        r#"{"QueueUrl":"q","ReceiptHandle":"r","VisibilityTimeout":-1}"#,
        &Request::ChangeMessageVisibility(ChangeMessageVisibility {
            queue: queue("q"),
            receipt_handle: "r".into(),
            visibility_timeout: -1,
        }),
    );
    check(
        "DeleteMessage",
        "QueueUrl=q&ReceiptHandle=r",
        r#"{"QueueUrl":"q","ReceiptHandle":"r"}"#,
        &Request::DeleteMessage(DeleteMessage { queue: queue("q"), receipt_handle: "r".into() }),
    );
    check(
        "ReceiveMessage",
        "QueueUrl=q&MaxNumberOfMessages=10&VisibilityTimeout=0&WaitTimeSeconds=20\
         &AttributeName.1=SenderId&MessageSystemAttributeName.1=All&MessageAttributeName.1=Hel.*",
        r#"{"QueueUrl":"q","MaxNumberOfMessages":10,"VisibilityTimeout":0,"WaitTimeSeconds":20,
            "AttributeNames":["SenderId"],"MessageSystemAttributeNames":["All"],
            "MessageAttributeNames":["Hel.*"]}"#,
        &Request::ReceiveMessage(ReceiveMessage {
            queue: queue("q"),
            system_attribute_names: vec!["SenderId".into(), "All".into()],
            message_attribute_names: vec!["Hel.*".into()],
            max_number_of_messages: Some(10),
            visibility_timeout: Some(0),
            wait_time_seconds: Some(20),
            attempt_id: None,
        }),
    );
}

#[test]
fn what_is_about_queues_reads_alike_in_both_protocols() {
    check(
        "CreateQueue",
        "QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5&Tag.1.Key=k&Tag.1.Value=",
        r#"{"QueueName":"q","Attributes":{"DelaySeconds":"5"},"tags":{"k":""}}"#,
        &Request::CreateQueue(CreateQueue {
            queue_name: "q".into(),
            attributes: vec![("DelaySeconds".into(), "5".into())],
            tags: vec![("k".into(), String::new())],
        }),
    );
    let (parameters, members) = ("QueueUrl=q", r#"{"QueueUrl":"q"}"#);
    check("DeleteQueue", parameters, members, &Request::DeleteQueue(queue("q")));
    check("PurgeQueue", parameters, members, &Request::PurgeQueue(queue("q")));
    check(
        "GetQueueAttributes",
        "QueueUrl=q&AttributeName.1=All&AttributeName.2=Policy",
        r#"{"QueueUrl":"q","AttributeNames":["All","Policy"]}"#,
        &Request::GetQueueAttributes(GetQueueAttributes {
            queue: queue("q"),
            attribute_names: vec!["All".into(), "Policy".into()],
        }),
    );
    check(
        "GetQueueUrl",
        "QueueName=q&QueueOwnerAWSAccountId=1",
        r#"{"QueueName":"q","QueueOwnerAWSAccountId":"1"}"#,
        &Request::GetQueueUrl(GetQueueUrl {
            queue_name: Some("q".into()),
            owner_account: Some("1".into()),
        }),
    );
    check(
        "ListQueues",
        "QueueNamePrefix=o&MaxResults=2&NextToken=t",
        r#"{"QueueNamePrefix":"o","MaxResults":2,"NextToken":"t"}"#,
        &Request::ListQueues(ListQueues {
            queue_name_prefix: "o".into(),
            next_token: Some("t".into()),
            max_results: Some(2),
        }),
    );
}

// contract: 1.1-null-is-absent, 1.1-unknown-members
#[test]
fn null_unknown_and_empty_are_absent() {
    check(
        "ReceiveMessage",
        "QueueUrl=q&Foo=1&AttributeName=&AttributeName.x=1&X-Amz-Date=1",
        r#"{"QueueUrl":"q","Foo":{"a":[1.5,true,null]},"AttributeNames":null,
            "MessageAttributeNames":[],"MaxNumberOfMessages":null}"#,
        &Request::ReceiveMessage(ReceiveMessage {
            queue: queue("q"),
            system_attribute_names: vec![],
            message_attribute_names: vec![],
            max_number_of_messages: None,
            visibility_timeout: None,
            wait_time_seconds: None,
            attempt_id: None,
        }),
    );
}

// contract: 3.1-attribute-without-index, 3.1-attribute-name-bare
#[test]
fn old_clients_need_no_numbers_for_single_elements() {
    let got = parse(&form("/", "Action=GetQueueAttributes&QueueUrl=q&AttributeName=All"));
    let expected = GetQueueAttributes { queue: queue("q"), attribute_names: vec!["All".into()] };
    assert_eq!(got, Ok(Request::GetQueueAttributes(expected)));
    let got = parse(&form(
        "/",
        "Action=CreateQueue&QueueName=q&Attribute.Name=DelaySeconds&Attribute.Value=1",
    ));
    let expected = CreateQueue {
        queue_name: "q".into(),
        attributes: vec![("DelaySeconds".into(), "1".into())],
        tags: vec![],
    };
    assert_eq!(got, Ok(Request::CreateQueue(expected)));
}

#[test]
fn a_queue_is_named_by_url_by_path_or_not_at_all() {
    for (uri, parameters, name) in [
        ("/", "&QueueUrl=http://elsewhere/1/q", Some("q")),
        ("/000000000000/p", "&QueueUrl=q", Some("q")),
        ("/000000000000/p", "", Some("p")),
        ("/queue/p", "", Some("p")),
        ("/", "", None),
        ("/", "&QueueUrl=", None),
    ] {
        let got = parse(&form(uri, &format!("Action=PurgeQueue{parameters}")));
        assert_eq!(
            got,
            Ok(Request::PurgeQueue(name.map_or(NO_QUEUE, queue))),
            "{uri} {parameters}"
        );
    }
    let (mut parts, body) = json("PurgeQueue", "{}");
    assert_eq!(parse(&(parts.clone(), body.clone())), Ok(Request::PurgeQueue(NO_QUEUE)));
    parts.uri = "/000000000000/p".parse().expect("a path");
    assert_eq!(parse(&(parts, body)), Ok(Request::PurgeQueue(queue("p"))));
}

#[test]
fn a_get_has_its_parameters_in_the_url_and_a_form_may_too() {
    let expected = Ok(Request::PurgeQueue(queue("q")));
    assert_eq!(parse(&http("GET", "/?Action=PurgeQueue&QueueUrl=q", &[], "")), expected);
    assert_eq!(parse(&form("/?Action=PurgeQueue&QueueUrl=p", "QueueUrl=q")), expected);
}

#[test]
fn unknown_actions_are_named_in_the_error() {
    let unknown = |name: &str| Err(SqsError::UnknownOperation(name.into()));
    assert_eq!(parse(&form("/", "Action=TagTheQueue")), unknown("TagTheQueue"));
    assert_eq!(parse(&json("Foo", "{}")), unknown("Foo"));
    assert_eq!(parse(&form("/1/q", "Action=ListQueues")), unknown("ListQueues"));
    assert_eq!(parse(&form("/1/q", "Action=CreateQueue")), unknown("CreateQueue"));
    assert!(parse(&form("/1/q", "Action=GetQueueUrl&QueueName=other")).is_ok());
    let content_type = [("content-type", "application/json")];
    assert_eq!(parse(&http("POST", "/", &content_type, "{}")), unknown(""));
    let target = [("x-amz-target", "DynamoDB_20120810.ListTables")];
    assert_eq!(parse(&http("POST", "/", &target, "{}")), unknown("DynamoDB_20120810.ListTables"));
    assert_eq!(parse(&http("GET", "/1/q", &[], "")), Err(SqsError::MissingAction));
}

#[test]
fn required_members_are_demanded_by_name() {
    let missing = |name: &'static str| SqsError::MissingParameter(name.into());
    for (action, name) in [
        ("SendMessage", "MessageBody"),
        ("DeleteMessage", "ReceiptHandle"),
        ("ChangeMessageVisibility", "ReceiptHandle"),
        ("CreateQueue", "QueueName"),
    ] {
        refused(action, "", "{}", &missing(name));
    }
    refused("SendMessage", "MessageBody=", r#"{"MessageBody":""}"#, &missing("MessageBody"));
    refused(
        "ChangeMessageVisibility",
        "ReceiptHandle=r",
        r#"{"ReceiptHandle":"r"}"#,
        &missing("VisibilityTimeout"),
    );
    let keyless = parse(&form("/", "Action=CreateQueue&QueueName=q&Tag.3.Value=x"));
    assert_eq!(keyless, Err(missing("Tag.3.Key")));
}

#[track_caller]
fn malformed_json(body: &str, text: &str) {
    let got = parse(&json("ReceiveMessage", body));
    assert_eq!(got, Err(SqsError::Serialization(text.into())), "{body}");
}

// contract: 2.3-wrong-types
#[test]
fn wrong_types_are_named_as_aws_names_them() {
    for (member, text) in [
        (r#""MaxNumberOfMessages":"1""#, "STRING_VALUE can not be converted to an Integer"),
        (r#""MaxNumberOfMessages":1.5"#, "NUMBER_VALUE can not be converted to an Integer"),
        (r#""QueueUrl":1"#, "NUMBER_VALUE can not be converted to a String"),
        (r#""QueueUrl":true"#, "TRUE_VALUE can not be converted to a String"),
        (r#""QueueUrl":[]"#, "Start of list found where not expected"),
        (r#""QueueUrl":{}"#, "Start of structure or map found where not expected."),
        (r#""AttributeNames":[1]"#, "NUMBER_VALUE can not be converted to a String"),
        (r#""AttributeNames":{}"#, "Start of structure or map found where not expected."),
        (r#""AttributeNames":"All""#, "STRING_VALUE can not be converted to a List"),
    ] {
        malformed_json(&format!("{{{member}}}"), text);
    }
    let number = SqsError::Serialization("STRING_VALUE can not be converted to an Integer".into());
    for value in ["foo", "", "1.5", "99999999999999999999"] {
        let got = parse(&form("/", &format!("Action=ReceiveMessage&VisibilityTimeout={value}")));
        assert_eq!(got.as_ref(), Err(&number), "{value}");
    }
    refused(
        "ChangeMessageVisibility",
        "VisibilityTimeout=x",
        r#"{"VisibilityTimeout":"x"}"#,
        &number,
    );
    refused(
        "SendMessage",
        "MessageBody=x&MessageAttribute.1.Name=a&MessageAttribute.1.Value.BinaryValue=%2A",
        r#"{"MessageBody":"x","MessageAttributes":{"a":{"BinaryValue":"*"}}}"#,
        &SqsError::Serialization("A blob is not valid base64".into()),
    );
}

#[test]
fn a_body_that_is_no_json_object_is_refused_however_deep_or_short() {
    let whole = r#"{"QueueUrl":"q","AttributeNames":["All"],"MaxNumberOfMessages":1}"#;
    for length in 0..whole.len() {
        malformed_json(&whole[..length], "The request is not valid JSON");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    for body in [deep.as_str(), "{} x", r#"{"a":"\ud800"}"#, "Action=ReceiveMessage"] {
        malformed_json(body, "The request is not valid JSON");
    }
    malformed_json("[]", "Start of list found where not expected");
    malformed_json("\"x\"", "STRING_VALUE can not be converted to a Structure");
    let (parts, _) = json("ReceiveMessage", "");
    let bytes = Bytes::from_static(b"{\"QueueUrl\":\"\xff\"}");
    assert!(matches!(parse(&(parts, bytes)), Err(SqsError::Serialization(_))));
}

#[test]
fn a_form_that_is_badly_encoded_is_refused() {
    for body in ["QueueUrl=%", "QueueUrl=%4", "QueueUrl=%zz", "QueueUrl=%ff", "%zz=1"] {
        let got = parse(&form("/", &format!("Action=PurgeQueue&{body}")));
        assert_eq!(got, Err(SqsError::MalformedQueryString), "{body}");
    }
}

#[test]
fn what_no_request_can_mean_is_refused_before_it_takes_memory() {
    let parameters = |count| "&a".repeat(count);
    let read = |count| parse(&form("/?b", &format!("Action=ListQueues{}", parameters(count))));
    assert!(read(limits::VALUES_MAX - 2).is_ok());
    assert_eq!(read(limits::VALUES_MAX - 1), Err(SqsError::MalformedQueryString));
    // The object, the name and the list are values as well.
    let values = |count: usize| format!(r#"{{"a":[0{}]}}"#, ",0".repeat(count - 4));
    let read = |count| parse(&json("ListQueues", &values(count)));
    assert!(read(limits::VALUES_MAX).is_ok());
    malformed_json(&values(limits::VALUES_MAX + 1), "The request has too many values");
    let nested = format!(r#"{{"a":[{}]}}"#, r#"{"a":0},"#.repeat(limits::VALUES_MAX));
    malformed_json(&nested, "The request has too many values");
}

#[test]
fn an_integer_beyond_all_bounds_is_none_in_both_protocols() {
    for number in ["9223372036854775808", "-9223372036854775809", "18446744073709551616", "1.5"] {
        let query = form("/", &format!("Action=ListQueues&MaxResults={number}"));
        let json = json("ListQueues", &format!(r#"{{"MaxResults":{number}}}"#));
        for request in [query, json] {
            assert!(matches!(parse(&request), Err(SqsError::Serialization(_))), "{number}");
        }
    }
}

#[test]
fn a_body_without_escapes_is_not_copied() {
    let body_of = |request: Result<Request, SqsError>| match request {
        Ok(Request::SendMessage(input)) => input.message.body,
        other => panic!("{other:?}"),
    };
    for received in [
        form("/", "Action=SendMessage&MessageBody=plain"),
        json("SendMessage", r#"{"MessageBody":"plain"}"#),
    ] {
        let body = body_of(parse(&received));
        assert_eq!(body, "plain");
        assert!(received.1.as_ptr_range().contains(&body.as_ptr()));
    }
    for received in [
        form("/?MessageBody=a+b%0D", "Action=SendMessage"),
        json("SendMessage", r#"{"MessageBody":"a\u0020b\r"}"#),
    ] {
        assert_eq!(body_of(parse(&received)), "a b\r");
    }
}

#[test]
fn the_trace_header_of_http_comes_with_a_message() {
    let (mut parts, body) = json("SendMessage", r#"{"MessageBody":"x"}"#);
    parts.headers.insert("X-Amzn-Trace-Id", HeaderValue::from_static("Root=1"));
    let Ok(Request::SendMessage(input)) = parse(&(parts, body)) else {
        panic!("refused");
    };
    assert_eq!(input.trace_header.as_deref(), Some("Root=1"));
}

#[test]
fn the_trace_header_of_http_comes_with_a_batch_and_only_if_it_is_one() {
    let given = |value: &str| {
        let (mut parts, body) = json("SendMessageBatch", r#"{"Entries":[]}"#);
        parts.headers.insert("X-Amzn-Trace-Id", HeaderValue::from_str(value).unwrap());
        let Ok(Request::SendMessageBatch(input)) = parse(&(parts, body)) else {
            panic!("refused");
        };
        input.trace_header
    };
    for header in ["Root=1", "Self=1-a;Root=1-b;Parent=c;Sampled=?;Lineage=1:a:0|b:2"] {
        assert_eq!(given(header).as_deref(), Some(header));
    }
    let long = format!("Root={}", "x".repeat(crate::protocol::TRACE_HEADER_BYTES_MAX));
    for other in ["", "x", "Root=", "root=1", "XRoot=1", "Root=\u{e9}\u{1f600}", "Root=1\t", &long]
    {
        assert_eq!(given(other), None, "{other}");
    }
}

#[test]
fn no_damaged_request_panics() {
    let whole = [
        form(
            "/1/q?AttributeName.1=All",
            "Action=SendMessageBatch&SendMessageBatchRequestEntry.1.Id=a\
             &SendMessageBatchRequestEntry.1.MessageBody=%C3%BC+x\
             &SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n\
             &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.BinaryValue=AQI%3D",
        ),
        json(
            "SendMessageBatch",
            r#"{"QueueUrl":"q","Entries":[{"Id":"a","MessageBody":"\u00fc x","DelaySeconds":1,
                "MessageAttributes":{"n":{"DataType":"Binary","BinaryValue":"AQI="}}}]}"#,
        ),
    ];
    for (parts, body) in whole {
        for at in 0..body.len() {
            for byte in [b'%', b'.', b'=', b'&', b'"', b'{', b']', b'\\', b'9', 0, 0xFF] {
                let mut damaged = body.to_vec();
                damaged[at] = byte;
                // Read or refused, but not the server's fault.
                if let Err(error) = parse(&(parts.clone(), damaged.into())) {
                    assert!(error.code().is_sender_fault());
                }
            }
        }
    }
}
