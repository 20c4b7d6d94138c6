//! Headers, shapes and the parts of HTTP that clients look at.

use serde_json::json;

use super::{Sqs, element};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

// contract: 1.3-request-id, 1.3-content-type-json, 1.3-content-type-query, 1.3-date
// contract: 1.3-query-error
#[test]
fn every_answer_has_a_request_id_a_date_and_its_protocols_content_type() {
    let sqs = Sqs::with_queue("q");
    let ok = sqs.http().json("ListQueues", "{}");
    let refused = sqs.http().json("GetQueueUrl", "{}");
    for response in [&ok, &refused] {
        assert_eq!(response.header("Content-Type"), Some("application/x-amz-json-1.0"));
        assert!(response.header("x-amzn-RequestId").is_some_and(is_uuid), "{response:?}");
        assert!(response.header("Date").is_some());
        assert!(response.header("Content-Encoding").is_none());
    }
    assert_eq!(ok.header("x-amzn-query-error"), None);
    assert_eq!(refused.header("x-amzn-query-error"), Some("InvalidParameterValue;Sender"));
    for parameters in [[("Action", "ListQueues")], [("Action", "GetQueueUrl")]] {
        let response = sqs.http().query(&parameters);
        assert_eq!(response.header("Content-Type"), Some("text/xml"));
        assert_eq!(response.header("x-amzn-query-error"), None);
        let id = element(response.text(), "RequestId");
        assert!(is_uuid(&id));
        assert_eq!(response.header("x-amzn-RequestId"), Some(id.as_str()));
        assert!(response.text().starts_with("<?xml version=\"1.0\"?><"));
        assert!(response.text().contains("xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\""));
    }
}

// contract: 1.3-content-length, 1.4-void
#[test]
fn a_void_action_answers_200_with_length_0() {
    let sqs = Sqs::with_queue("q");
    let response = sqs.http().json("PurgeQueue", &json!({ "QueueUrl": "q" }).to_string());
    assert_eq!((response.status, response.header("Content-Length")), (200, Some("0")));
}

// contract: 1.1-both-at-once, 1.1-keep-alive, 1.1-query-mode-ignored
#[test]
fn one_connection_serves_both_protocols_in_turn() {
    let sqs = Sqs::with_queue("q");
    let mut connection = sqs.http().connect();
    let json = [
        ("x-amz-target", "AmazonSQS.SendMessage"),
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amzn-query-mode", "true"),
    ];
    for _ in 0..3 {
        let body = br#"{"QueueUrl":"q","MessageBody":"x"}"#;
        assert_eq!(connection.request("POST", "/", &json, body).status, 200);
        let body = b"Action=ReceiveMessage&QueueUrl=q";
        let response = connection.request("POST", "/", &[FORM], body);
        assert_eq!(element(response.text(), "Body"), "x");
    }
}

// contract: 1.1-query-without-action
#[test]
fn a_request_without_an_action_gets_the_recorded_answer() {
    let sqs = Sqs::with_queue("q");
    let response = sqs.http().get("/000000000000/q");
    assert_eq!(response.status, 404);
    assert_eq!(response.text(), "<UnknownOperationException/>\n");
    assert_eq!(response.header("Content-Type"), None);
}

#[test]
fn actions_that_do_not_exist_here_are_refused_by_name() {
    let sqs = Sqs::with_queue("q");
    for action in ["Foo", "sendmessage", "SendMessages"] {
        let response = sqs.http().json(action, "{}");
        assert_eq!(response.status, 400);
        assert_eq!(
            response.json(),
            json!({
                "__type": "com.amazon.coral.service#UnknownOperationException",
                "message": format!("The action {action} is not valid for this endpoint."),
            })
        );
        assert_eq!(response.header("x-amzn-query-error"), Some("InvalidAction;Sender"));
        let response = sqs.http().query(&[("Action", action)]);
        assert_eq!(response.status, 400);
        assert_eq!(element(response.text(), "Code"), "InvalidAction");
    }
    for action in ["ListQueues", "CreateQueue"] {
        let body = format!("Action={action}&QueueName=x");
        let response = sqs.http().request("POST", "/000000000000/q", &[FORM], body.as_bytes());
        assert_eq!(response.status, 400);
        let text = format!("The action {action} is not valid for this endpoint.");
        assert_eq!(element(response.text(), "Message"), text);
    }
}

// contract: 1.2-path-names-queue, 1.1-version-absent
#[test]
fn old_kombu_posts_to_the_queues_path_without_url_and_version() {
    let sqs = Sqs::with_queue("q");
    let body = b"Action=SendMessage&MessageBody=x";
    let response = sqs.http().request("POST", "/000000000000/q", &[FORM], body);
    assert_eq!(response.status, 200);
    let body = b"Action=ReceiveMessage&MaxNumberOfMessages=10";
    let response = sqs.http().request("POST", "/000000000000/q", &[FORM], body);
    assert_eq!(element(response.text(), "Body"), "x");
}
