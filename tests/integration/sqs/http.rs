//! HTTP as unusual and hostile clients speak it.

use std::fmt::Write as _;

use karin_tests::http::Response;

use super::*;

const JSON: &str = "Content-Type: application/x-amz-json-1.0";

/// The bytes of a SendMessage in JSON.
fn send_request(version: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST / {version}\r\nHost: 127.0.0.1\r\n{JSON}\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

fn hello(text: &str) -> String {
    json!({ "QueueUrl": "q", "MessageBody": text }).to_string()
}

/// The bodies in the queue, in the order they were sent.
fn bodies(sqs: &Sqs) -> Vec<String> {
    sqs.receive("q").iter().map(|message| text(message, "Body").to_owned()).collect()
}

#[track_caller]
fn assert_is_sent(response: &Response) {
    assert_eq!(response.status, 200, "{response:?}");
    assert!(response.text().contains("MessageId"), "{response:?}");
}

// contract: 1.1-keep-alive
#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let sqs = Sqs::with_queue("q");
    let mut connection = sqs.http().connect();
    let requests: Vec<u8> = ["1", "2", "3"]
        .iter()
        .flat_map(|body| send_request("HTTP/1.1", "", &hello(body)))
        .collect();
    connection.write(&requests);
    let md5s = ["c4ca4238a0b923820dcc509a6f75849b", "c81e728d9d4c2f636f067f89cc14862c"];
    for md5 in md5s {
        let response = connection.read_response().expect("an answer");
        assert!(response.text().contains(md5), "{response:?}");
    }
    assert_is_sent(&connection.read_response().expect("an answer"));
    assert_eq!(bodies(&sqs), ["1", "2", "3"]);
}

#[test]
fn a_request_may_come_byte_by_byte_and_in_chunks() {
    let sqs = Sqs::with_queue("q");
    let mut connection = sqs.http().connect();
    for byte in send_request("HTTP/1.1", "", &hello("slow")) {
        connection.write(&[byte]);
    }
    assert_is_sent(&connection.read_response().expect("an answer"));
    let body = hello("chunks");
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n{JSON}\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    for chunk in body.as_bytes().chunks(7) {
        let chunk = std::str::from_utf8(chunk).expect("ASCII");
        let _infallible = write!(request, "{:x};ext=1\r\n{chunk}\r\n", chunk.len());
    }
    connection.write(format!("{request}0\r\nTrailer: x\r\n\r\n").as_bytes());
    assert_is_sent(&connection.read_response().expect("an answer"));
    assert_eq!(bodies(&sqs), ["slow", "chunks"]);
}

// contract: 1.1-expect-continue
#[test]
fn old_and_careful_clients_are_served() {
    let sqs = Sqs::with_queue("q");
    assert_is_sent(&sqs.http().raw(&send_request("HTTP/1.0", "", &hello("1.0"))));
    let mut connection = sqs.http().connect();
    let request = send_request("HTTP/1.1", "Expect: 100-continue\r\n", &hello("careful"));
    let head = request.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    connection.write(&request[..head]);
    assert_eq!(connection.read_response().expect("100").status, 100);
    connection.write(&request[head..]);
    assert_is_sent(&connection.read_response().expect("an answer"));
    let absolute = String::from_utf8(send_request("HTTP/1.1", "", &hello("absolute")))
        .expect("text")
        .replacen("POST / ", "POST http://127.0.0.1/ ", 1);
    assert_is_sent(&sqs.http().raw(absolute.as_bytes()));
    assert_eq!(bodies(&sqs), ["1.0", "careful", "absolute"]);
}

// contract: 1.1-json, 1.1-query-form
#[test]
fn content_types_may_have_any_case_and_charset() {
    let sqs = Sqs::with_queue("q");
    let body = hello("x");
    for content_type in ["application/x-amz-json-1.0; charset=UTF-8", "APPLICATION/JSON"] {
        let headers = [("Content-Type", content_type), ("x-AMZ-target", "AmazonSQS.SendMessage")];
        assert_is_sent(&sqs.http().request("POST", "/", &headers, body.as_bytes()));
    }
    let form = b"Action=SendMessage&QueueUrl=q&MessageBody=%C3%BC";
    for content_type in [
        "application/x-www-form-urlencoded; charset=ISO-8859-1",
        "Application/X-WWW-Form-Urlencoded",
        "text/plain",
    ] {
        let headers = [("Content-Type", content_type)];
        assert_is_sent(&sqs.http().request("POST", "/", &headers, form));
    }
    assert_is_sent(&sqs.http().request("POST", "/", &[], form));
    assert_eq!(bodies(&sqs), ["x", "x", "ü", "ü", "ü", "ü"]);
}

#[test]
fn a_flood_of_headers_is_refused_and_the_next_client_served() {
    let sqs = Sqs::with_queue("q");
    let many: String = (0..500).fold(String::new(), |mut headers, number| {
        let _infallible = write!(headers, "X-{number}: x\r\n");
        headers
    });
    let long = format!("X-Long: {}\r\n", "x".repeat(2_000_000));
    for flood in [&many, &long] {
        let mut connection = sqs.http().connect();
        let head = format!("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n{flood}\r\n");
        // The answer may come before all was written.
        connection.try_write(head.as_bytes());
        if let Ok(response) = connection.read_response() {
            assert_eq!(response.status, 431);
        }
        assert!(connection.is_closed());
    }
    sqs.send("q", "still there");
    assert_eq!(bodies(&sqs), ["still there"]);
}

#[test]
fn a_client_that_stops_in_the_middle_holds_nobody_up_and_sends_nothing() {
    let sqs = Sqs::with_queue("q");
    let request = send_request("HTTP/1.1", "", &hello("half"));
    let waiting: Vec<_> = (0..50)
        .map(|length| {
            let mut connection = sqs.http().connect();
            connection.write(&request[..request.len() - 1 - length]);
            connection
        })
        .collect();
    sqs.send("q", "whole");
    drop(waiting);
    assert_eq!(bodies(&sqs), ["whole"]);
}

#[test]
fn lengths_that_contradict_each_other_are_refused() {
    let sqs = Sqs::with_queue("q");
    let body = hello("smuggled");
    for headers in [
        "Content-Length: 0\r\n",
        "Transfer-Encoding: identity, chunked, identity\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 1, 2\r\n",
    ] {
        let mut connection = sqs.http().connect();
        connection.try_write(&send_request("HTTP/1.1", headers, &body));
        if let Ok(response) = connection.read_response() {
            assert_eq!(response.status, 400, "{headers} {response:?}");
        }
        assert!(connection.is_closed(), "{headers}");
    }
    assert!(sqs.receive("q").is_empty());
}

#[test]
fn other_methods_name_no_action_and_do_nothing() {
    let sqs = Sqs::with_queue("q");
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "FOO"] {
        let response = sqs.http().request(method, "/000000000000/q", &[], b"");
        assert_eq!(response.status, 404, "{method}: {response:?}");
    }
    assert_eq!(sqs.json("ListQueues", &json!({}))["QueueUrls"].as_array().map(Vec::len), Some(1));
}
