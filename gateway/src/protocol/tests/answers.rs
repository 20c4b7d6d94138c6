//! Typed answer → bytes.

use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;

use super::super::response::*;
use super::*;
use crate::queues::ReceivedMessage;
use crate::queues::attributes::{self, MessageAttribute, MessageAttributes};

pub(super) const RID: &str = "0b0a2d1f-0000-4000-8000-000000000001";

pub(super) fn text_of(response: hyper::Response<Full<Bytes>>) -> String {
    let body = response.into_body().collect().now_or_never().expect("it is all there");
    String::from_utf8(body.expect("infallible").to_bytes().to_vec()).expect("UTF-8")
}

pub(super) fn header(response: &hyper::Response<Full<Bytes>>, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
}

/// Writes an answer in both protocols. In `xml`, `<X>` after the declaration stands for the root
/// with its namespace, and `^` for the metadata.
#[track_caller]
pub(super) fn check(answer: Response, json: &str, xml: &str) {
    let answer = Ok(answer);
    let written = write(Protocol::Json, RID, &answer);
    assert_eq!(written.status(), 200);
    assert_eq!(header(&written, "content-type").as_deref(), Some("application/x-amz-json-1.0"));
    assert_eq!(header(&written, "x-amzn-requestid").as_deref(), Some(RID));
    assert_eq!(text_of(written), json);

    let written = write(Protocol::Query, RID, &answer);
    assert_eq!(written.status(), 200);
    assert_eq!(header(&written, "content-type").as_deref(), Some("text/xml"));
    assert_eq!(header(&written, "x-amzn-requestid").as_deref(), Some(RID));
    let namespace = "Response xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">";
    let metadata = format!("<ResponseMetadata><RequestId>{RID}</RequestId></ResponseMetadata>");
    let xml = xml.replacen("Response>", namespace, 1).replace('^', &metadata);
    assert_eq!(text_of(written), format!("<?xml version=\"1.0\"?>{xml}"));
}

#[track_caller]
fn check_error(error: SqsError, status: u16, kind: &str, legacy: &str, texts: [&str; 2]) {
    let answer = Err(error);
    let [json, query] = texts;
    let written = write(Protocol::Json, RID, &answer);
    assert_eq!(written.status(), status);
    assert_eq!(header(&written, "content-type").as_deref(), Some("application/x-amz-json-1.0"));
    assert_eq!(header(&written, "x-amzn-query-error").as_deref(), Some(legacy));
    assert_eq!(header(&written, "x-amzn-requestid").as_deref(), Some(RID));
    assert_eq!(text_of(written), format!("{{\"__type\":\"{kind}\",\"message\":\"{json}\"}}"));

    let (code, fault) = legacy.split_once(';').expect("code;fault");
    let written = write(Protocol::Query, RID, &answer);
    assert_eq!(written.status(), status);
    assert_eq!(header(&written, "content-type").as_deref(), Some("text/xml"));
    assert_eq!(header(&written, "x-amzn-query-error"), None);
    assert_eq!(
        text_of(written),
        format!(
            "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/\
             2012-11-05/\"><Error><Type>{fault}</Type><Code>{code}</Code><Message>{query}\
             </Message><Detail/></Error><RequestId>{RID}</RequestId></ErrorResponse>"
        )
    );
}

fn sent() -> SentMessage {
    SentMessage {
        sequence: 1,
        message_id: "6c7a1f0e-2b54-4b0d-9b6e-0d5f5a3e9c11".into(),
        md5_of_message_body: "5d41402abc4b2a76b9719d911017c592".into(),
        md5_of_message_attributes: None,
        md5_of_message_system_attributes: None,
        sequence_number: None,
    }
}

#[test]
fn a_void_answer_is_empty_in_json_and_has_no_result_in_xml() {
    for (answer, name) in [
        (Response::Void(Action::ChangeMessageVisibility), "ChangeMessageVisibility"),
        (Response::Void(Action::DeleteMessage), "DeleteMessage"),
        (Response::Void(Action::DeleteQueue), "DeleteQueue"),
        (Response::Void(Action::PurgeQueue), "PurgeQueue"),
    ] {
        check(answer, "", &format!("<{name}Response>^</{name}Response>"));
    }
}

#[test]
fn nothing_to_say_is_an_empty_object_and_an_empty_result() {
    let selection = Selection::default;
    let no_messages = ReceivedMessages { messages: vec![], selection: selection() };
    for (answer, name) in [
        (Response::ReceiveMessage(no_messages), "ReceiveMessage"),
        (Response::ListQueues(QueueUrls { queue_urls: vec![], next_token: None }), "ListQueues"),
        (
            Response::GetQueueAttributes(QueueAttributes { attributes: vec![] }),
            "GetQueueAttributes",
        ),
    ] {
        check(answer, "{}", &format!("<{name}Response><{name}Result/>^</{name}Response>"));
    }
}

#[test]
fn a_sent_message_has_the_recorded_size() {
    let json = text_of(write(Protocol::Json, RID, &Ok(Response::SendMessage(sent()))));
    assert_eq!(json.len(), 106);
    let with = SentMessage {
        md5_of_message_attributes: Some("a45daa70926828a2f0a1db3418e6feb4".into()),
        ..sent()
    };
    let json = text_of(write(Protocol::Json, RID, &Ok(Response::SendMessage(with))));
    assert_eq!(json.len(), 166);
    check(
        Response::SendMessage(sent()),
        "{\"MD5OfMessageBody\":\"5d41402abc4b2a76b9719d911017c592\",\
         \"MessageId\":\"6c7a1f0e-2b54-4b0d-9b6e-0d5f5a3e9c11\"}",
        "<SendMessageResponse><SendMessageResult>\
         <MessageId>6c7a1f0e-2b54-4b0d-9b6e-0d5f5a3e9c11</MessageId>\
         <MD5OfMessageBody>5d41402abc4b2a76b9719d911017c592</MD5OfMessageBody>\
         </SendMessageResult>^</SendMessageResponse>",
    );
}

#[test]
fn urls_and_attributes_are_written() {
    let urls = |token: Option<&str>| {
        Response::ListQueues(QueueUrls {
            queue_urls: vec!["http://h/0/a".into(), "http://h/0/b".into()],
            next_token: token.map(str::to_owned),
        })
    };
    check(
        urls(Some("t")),
        r#"{"QueueUrls":["http://h/0/a","http://h/0/b"],"NextToken":"t"}"#,
        "<ListQueuesResponse><ListQueuesResult><QueueUrl>http://h/0/a</QueueUrl>\
         <QueueUrl>http://h/0/b</QueueUrl><NextToken>t</NextToken></ListQueuesResult>^\
         </ListQueuesResponse>",
    );
    check(
        Response::GetQueueUrl(QueueUrl { queue_url: "http://h/0/a".into() }),
        r#"{"QueueUrl":"http://h/0/a"}"#,
        "<GetQueueUrlResponse><GetQueueUrlResult><QueueUrl>http://h/0/a</QueueUrl>\
         </GetQueueUrlResult>^</GetQueueUrlResponse>",
    );
    check(
        Response::GetQueueAttributes(QueueAttributes {
            attributes: vec![("DelaySeconds", "0".into()), ("Policy", "{\"a\":1}".into())],
        }),
        r#"{"Attributes":{"DelaySeconds":"0","Policy":"{\"a\":1}"}}"#,
        "<GetQueueAttributesResponse><GetQueueAttributesResult><Attribute><Name>DelaySeconds\
         </Name><Value>0</Value></Attribute><Attribute><Name>Policy</Name><Value>\
         {&quot;a&quot;:1}</Value></Attribute></GetQueueAttributesResult>^\
         </GetQueueAttributesResponse>",
    );
}

#[test]
fn a_batch_tells_what_failed_by_the_legacy_code_in_both_protocols() {
    let failed =
        FailedEntry { id: "b".into(), error: SqsError::ReceiptHandleIsInvalid("x".into()) };
    check(
        Response::DeleteMessageBatch(BatchResult {
            successful: vec![DoneEntry { id: "a".into() }],
            failed: vec![failed],
        }),
        "{\"Successful\":[{\"Id\":\"a\"}],\"Failed\":[{\"Id\":\"b\",\
         \"Code\":\"ReceiptHandleIsInvalid\",\"Message\":\"The input receipt handle \\\"x\\\" is \
         not a valid receipt handle.\",\"SenderFault\":true}]}",
        "<DeleteMessageBatchResponse><DeleteMessageBatchResult><DeleteMessageBatchResultEntry>\
         <Id>a</Id></DeleteMessageBatchResultEntry><BatchResultErrorEntry><Id>b</Id>\
         <Code>ReceiptHandleIsInvalid</Code><Message>The input receipt handle &quot;x&quot; is \
         not a valid receipt handle.</Message><SenderFault>true</SenderFault>\
         </BatchResultErrorEntry></DeleteMessageBatchResult>^</DeleteMessageBatchResponse>",
    );
    let failed = FailedEntry { id: "b".into(), error: SqsError::InvalidMessageContents };
    let answer = Response::SendMessageBatch(BatchResult {
        successful: vec![SentEntry { id: "a".into(), message: sent() }],
        failed: vec![],
    });
    check(
        answer,
        "{\"Successful\":[{\"Id\":\"a\",\"MD5OfMessageBody\":\
         \"5d41402abc4b2a76b9719d911017c592\",\
         \"MessageId\":\"6c7a1f0e-2b54-4b0d-9b6e-0d5f5a3e9c11\"}]}",
        "<SendMessageBatchResponse><SendMessageBatchResult><SendMessageBatchResultEntry>\
         <Id>a</Id><MessageId>6c7a1f0e-2b54-4b0d-9b6e-0d5f5a3e9c11</MessageId>\
         <MD5OfMessageBody>5d41402abc4b2a76b9719d911017c592</MD5OfMessageBody>\
         </SendMessageBatchResultEntry></SendMessageBatchResult>^</SendMessageBatchResponse>",
    );
    let all_failed = BatchResult::<SentEntry> { successful: vec![], failed: vec![failed] };
    let json = text_of(write(Protocol::Json, RID, &Ok(Response::SendMessageBatch(all_failed))));
    assert!(json.starts_with("{\"Failed\":[{\"Id\":\"b\",\"Code\":\"InvalidMessageContents\""));
}

fn received() -> ReceivedMessage {
    let attribute = |name: &str, data_type: &str, value: &[u8]| MessageAttribute {
        name: name.into(),
        data_type: data_type.into(),
        value: value.into(),
    };
    let stored = MessageAttributes {
        user: vec![attribute("k", "String", b"x"), attribute("Help.Me", "Binary", &[1, 2, 3])],
        system: vec![attribute("AWSTraceHeader", "String", b"Root=1")],
    };
    ReceivedMessage {
        id: "id".into(),
        receipt: "r".into(),
        body: "a\r\n<&>\"'\t".into(),
        attributes: attributes::encode(&stored).into(),
        receive_count: 1,
        sent_ms: 1_760_000_000_000,
        first_received_ms: 1_760_000_000_001,
        due_ms: 0,
        sequence: 1,
        ..ReceivedMessage::default()
    }
}

fn received_with(system: &[&str], user: &[&str]) -> Response {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Response::ReceiveMessage(ReceivedMessages {
        messages: vec![received()],
        selection: Selection {
            system_attribute_names: names(system),
            message_attribute_names: names(user),
        },
    })
}

#[test]
fn a_received_body_survives_xml_with_its_carriage_returns() {
    let md5 = md5::of_body(b"a\r\n<&>\"'\t");
    check(
        received_with(&[], &[]),
        &format!(
            "{{\"Messages\":[{{\"MessageId\":\"id\",\"ReceiptHandle\":\"r\",\"MD5OfBody\":\
             \"{md5}\",\"Body\":\"a\\r\\n<&>\\\"'\\t\"}}]}}"
        ),
        &format!(
            "<ReceiveMessageResponse><ReceiveMessageResult><Message><MessageId>id</MessageId>\
             <ReceiptHandle>r</ReceiptHandle><MD5OfBody>{md5}</MD5OfBody>\
             <Body>a&#xD;\n&lt;&amp;&gt;&quot;'\t</Body></Message></ReceiveMessageResult>^\
             </ReceiveMessageResponse>"
        ),
    );
}

#[test]
fn attributes_are_shown_as_selected() {
    let md5 = md5::of_body(b"a\r\n<&>\"'\t");
    check(
        received_with(&["All"], &["k"]),
        &format!(
            "{{\"Messages\":[{{\"MessageId\":\"id\",\"ReceiptHandle\":\"r\",\"MD5OfBody\":\
             \"{md5}\",\"Body\":\"a\\r\\n<&>\\\"'\\t\",\"Attributes\":{{\
             \"SenderId\":\"AIDAKARIN000000000000\",\
             \"ApproximateFirstReceiveTimestamp\":\"1760000000001\",\
             \"ApproximateReceiveCount\":\"1\",\"SentTimestamp\":\"1760000000000\",\
             \"AWSTraceHeader\":\"Root=1\"}},\
             \"MD5OfMessageAttributes\":\"a45daa70926828a2f0a1db3418e6feb4\",\
             \"MessageAttributes\":{{\"k\":{{\"StringValue\":\"x\",\"DataType\":\"String\"}}}}}}]}}"
        ),
        &format!(
            "<ReceiveMessageResponse><ReceiveMessageResult><Message><MessageId>id</MessageId>\
             <ReceiptHandle>r</ReceiptHandle><MD5OfBody>{md5}</MD5OfBody>\
             <Body>a&#xD;\n&lt;&amp;&gt;&quot;'\t</Body>\
             <Attribute><Name>SenderId</Name><Value>AIDAKARIN000000000000</Value></Attribute>\
             <Attribute><Name>ApproximateFirstReceiveTimestamp</Name>\
             <Value>1760000000001</Value></Attribute>\
             <Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>\
             <Attribute><Name>SentTimestamp</Name><Value>1760000000000</Value></Attribute>\
             <Attribute><Name>AWSTraceHeader</Name><Value>Root=1</Value></Attribute>\
             <MD5OfMessageAttributes>a45daa70926828a2f0a1db3418e6feb4</MD5OfMessageAttributes>\
             <MessageAttribute><Name>k</Name><Value><StringValue>x</StringValue>\
             <DataType>String</DataType></Value></MessageAttribute></Message>\
             </ReceiveMessageResult>^</ReceiveMessageResponse>"
        ),
    );
    let binary = received_with(&["SequenceNumber"], &["Hel.*"]);
    let json = text_of(write(Protocol::Json, RID, &Ok(binary)));
    assert!(json.ends_with(
        "\"MessageAttributes\":{\"Help.Me\":{\"BinaryValue\":\"AQID\",\"DataType\":\"Binary\"}}}]}"
    ));
    assert!(!json.contains("\"Attributes\""), "{json}");
}

#[test]
fn filters_select_as_recorded() {
    let names = |filters: &[&str]| {
        let Response::ReceiveMessage(output) = received_with(&[], filters) else {
            panic!("another answer");
        };
        let message = received();
        let view = output.selection.view(&message);
        view.user_attributes.into_iter().map(|attribute| attribute.name).collect::<Vec<_>>()
    };
    for all in ["All", ".*", "*"] {
        assert_eq!(names(&[all]), ["k", "Help.Me"], "{all}");
    }
    assert_eq!(names(&["Hel.*"]), ["Help.Me"]);
    assert_eq!(names(&["k", "Help.Me"]), ["k", "Help.Me"]);
    for none in ["AWS.", "..foo", "K", "Hel", "all", ""] {
        assert_eq!(names(&[none]), [""; 0], "{none}");
    }
}

#[test]
fn a_missing_queue_has_another_text_in_each_protocol() {
    check_error(
        SqsError::QueueDoesNotExist,
        400,
        "com.amazonaws.sqs#QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue;Sender",
        [
            "The specified queue does not exist.",
            "The specified queue does not exist for this wsdl version.",
        ],
    );
}

#[test]
fn errors_have_the_codes_and_texts_of_the_contract() {
    let sqs = "com.amazonaws.sqs#";
    let coral = "com.amazon.coral.service#";
    for (error, status, namespace, kind, legacy, text) in [
        (
            SqsError::TooManyEntriesInBatchRequest(20),
            400,
            sqs,
            "TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest;Sender",
            "Maximum number of entries per request are 10. You have sent 20.",
        ),
        (
            SqsError::BatchRequestTooLong(1_048_577),
            400,
            sqs,
            "BatchRequestTooLong",
            "AWS.SimpleQueueService.BatchRequestTooLong;Sender",
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        ),
        (
            SqsError::MissingParameter("MessageBody".into()),
            400,
            coral,
            "MissingRequiredParameterException",
            "MissingParameter;Sender",
            "The request must contain the parameter MessageBody.",
        ),
        (
            SqsError::invalid_value(11, "MaxNumberOfMessages", "Must be between 1 and 10."),
            400,
            coral,
            "InvalidParameterValueException",
            "InvalidParameterValue;Sender",
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and \
             10.",
        ),
        (
            SqsError::QueueNameExists("DelaySeconds".into()),
            400,
            sqs,
            "QueueNameExists",
            "QueueAlreadyExists;Sender",
            "A queue already exists with the same name and a different value for attribute \
             DelaySeconds",
        ),
        (
            SqsError::UnknownOperation("X".into()),
            400,
            coral,
            "UnknownOperationException",
            "InvalidAction;Sender",
            "The action X is not valid for this endpoint.",
        ),
        (
            SqsError::ServiceUnavailable("secret".into()),
            503,
            coral,
            "ServiceUnavailable",
            "ServiceUnavailable;Receiver",
            "The request has failed due to a temporary failure of the server.",
        ),
    ] {
        check_error(error, status, &format!("{namespace}{kind}"), legacy, [text, text]);
    }
}

// contract: 2.1-same-status, 2.3-internal-and-unavailable
#[test]
fn statuses_other_than_400_are_those_of_the_contract() {
    let statuses = [
        (SqsError::ReceiptHandleIsInvalid(String::new()), 404),
        (SqsError::InternalFailure(String::new()), 500),
        (SqsError::Serialization(String::new()), 400),
    ];
    for (error, status) in statuses {
        assert_eq!(write(Protocol::Query, RID, &Err(error)).status(), status);
    }
}

#[test]
fn a_request_without_an_action_gets_the_recorded_29_bytes() {
    let written = write(Protocol::Query, RID, &Err(SqsError::MissingAction));
    assert_eq!(written.status(), 404);
    assert_eq!(header(&written, "content-type"), None);
    assert_eq!(text_of(written), "<UnknownOperationException/>\n");
}

#[test]
fn what_an_error_repeats_is_bounded_and_fit_for_xml() {
    let error = SqsError::ReceiptHandleIsInvalid("é\u{1}".repeat(100_000));
    let xml = text_of(write(Protocol::Query, RID, &Err(error)));
    assert!(xml.len() < 6_000, "{}", xml.len());
    assert!(xml.contains("é\u{fffd}") && !xml.contains('\u{1}'));
}
