//! The answers to Query requests that accept JSON.

use serde_json::json;

use super::super::response::*;
use super::answers::{RID, header, text_of};
use super::*;
use crate::queues::ReceivedMessage;

#[track_caller]
fn check(answer: &Result<Response, SqsError>, status: u16, expected: &str) {
    let written = write(Protocol::QueryJson, RID, answer);
    assert_eq!(written.status(), status);
    assert_eq!(header(&written, "content-type").as_deref(), Some("application/json"));
    assert_eq!(header(&written, "x-amzn-requestid").as_deref(), Some(RID));
    assert_eq!(header(&written, "x-amzn-query-error"), None);
    let metadata = format!("\"ResponseMetadata\":{{\"RequestId\":\"{RID}\"}}");
    assert_eq!(text_of(written), expected.replace('^', &metadata).replace('~', RID));
}

fn messages(messages: Vec<ReceivedMessage>, names: &[&str]) -> Response {
    let system_attribute_names = names.iter().map(|&name| name.to_owned()).collect();
    let selection = Selection { system_attribute_names, ..Selection::default() };
    Response::ReceiveMessage(ReceivedMessages { messages, selection })
}

#[test]
fn a_sent_message_shows_null_for_what_it_has_not() {
    let sent = SentMessage {
        sequence: 1,
        message_id: "id".into(),
        md5_of_message_body: "md5".into(),
        md5_of_message_attributes: None,
        md5_of_message_system_attributes: None,
        sequence_number: None,
    };
    check(
        &Ok(Response::SendMessage(sent)),
        200,
        "{\"SendMessageResponse\":{\"SendMessageResult\":{\"MD5OfMessageAttributes\":null,\
         \"MD5OfMessageBody\":\"md5\",\"MD5OfMessageSystemAttributes\":null,\"MessageId\":\"id\",\
         \"SequenceNumber\":null},^}}",
    );
}

#[test]
fn received_messages_are_a_list_in_lower_case_and_null_without_any() {
    let received = ReceivedMessage {
        id: "id".into(),
        receipt: "r".into(),
        body: "a".into(),
        receive_count: 3,
        ..ReceivedMessage::default()
    };
    check(
        &Ok(messages(vec![received], &["ApproximateReceiveCount"])),
        200,
        "{\"ReceiveMessageResponse\":{\"ReceiveMessageResult\":{\"messages\":[{\"Attributes\":\
         [{\"Name\":\"ApproximateReceiveCount\",\"Value\":\"3\"}],\"Body\":\"a\",\"MD5OfBody\":\
         \"0cc175b9c0f1b6a831c399e269772661\",\"MessageId\":\"id\",\"ReceiptHandle\":\"r\"}]},^}}",
    );
    check(
        &Ok(messages(vec![], &[])),
        200,
        "{\"ReceiveMessageResponse\":{\"ReceiveMessageResult\":{\"messages\":null},^}}",
    );
}

#[test]
fn lists_of_urls_and_attributes_have_their_old_names() {
    let urls = QueueUrls { queue_urls: vec!["u".into()], next_token: None };
    check(
        &Ok(Response::ListQueues(urls)),
        200,
        "{\"ListQueuesResponse\":{\"ListQueuesResult\":{\"queueUrls\":[\"u\"]\
         },^}}",
    );
    let attributes = QueueAttributes { attributes: vec![("DelaySeconds", "0".into())] };
    check(
        &Ok(Response::GetQueueAttributes(attributes)),
        200,
        "{\"GetQueueAttributesResponse\":{\"GetQueueAttributesResult\":{\"Attributes\":[{\"Name\":\
         \"DelaySeconds\",\"Value\":\"0\"}]},^}}",
    );
    check(&Ok(Response::Void(Action::DeleteQueue)), 200, "{\"DeleteQueueResponse\":{^}}");
}

#[test]
fn an_error_stands_in_an_object_beside_the_request_id() {
    check(
        &Err(SqsError::QueueDoesNotExist),
        400,
        "{\"Error\":{\"Code\":\"AWS.SimpleQueueService.NonExistentQueue\",\"Message\":\"The \
         specified queue does not exist for this wsdl version.\",\"Type\":\"Sender\"},\
         \"RequestId\":\"~\"}",
    );
}

#[test]
fn a_batch_names_both_lists() {
    let failed = FailedEntry { id: "b".into(), error: SqsError::InvalidMessageContents };
    let batch =
        BatchResult { successful: vec![DoneEntry { id: "a".into() }], failed: vec![failed] };
    let written = write(Protocol::QueryJson, RID, &Ok(Response::DeleteMessageBatch(batch)));
    let body: serde_json::Value = serde_json::from_str(&text_of(written)).expect("JSON");
    let result = &body["DeleteMessageBatchResponse"]["DeleteMessageBatchResult"];
    assert_eq!(result["Successful"], json!([{ "Id": "a" }]));
    assert_eq!(result["Failed"][0]["Code"], "InvalidMessageContents");
    assert_eq!(result["Failed"][0]["SenderFault"], true);
}

#[test]
fn only_a_query_request_that_accepts_json_and_no_xml_gets_it() {
    let protocol = |accept: &str| {
        let (parts, _) = http("GET", "/?Action=ListQueues", &[("accept", accept)], "");
        protocol_of(&parts)
    };
    for accept in ["application/json", "Application/JSON; q=0.9, text/plain, */*"] {
        assert_eq!(protocol(accept), Protocol::QueryJson, "{accept}");
    }
    for accept in ["*/*", "text/html,application/xml;q=0.9,*/*", "application/json, text/xml", ""] {
        assert_eq!(protocol(accept), Protocol::Query, "{accept}");
    }
    let headers = [("accept", "application/json"), ("x-amz-target", "AmazonSQS.ListQueues")];
    assert_eq!(protocol_of(&http("POST", "/", &headers, "{}").0), Protocol::Json);
}
