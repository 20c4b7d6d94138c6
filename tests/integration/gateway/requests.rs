//! HTTP itself: limits, web pages, paths.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

fn gateway() -> (RedisServer, Gateway) {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    (redis, gateway)
}

#[test]
fn it_says_that_it_is_up() {
    let (_redis, gateway) = gateway();
    let answer = gateway.http().get("/healthz");
    assert_eq!((answer.status, answer.text()), (200, "ok"));
}

#[test]
fn paths_of_later_parts_are_nobodys() {
    let (_redis, gateway) = gateway();
    for path in ["/metrics", "/admin", "/2015-03-31/functions/f/invocations"] {
        assert_eq!(gateway.http().get(path).status, 404, "{path}");
    }
}

#[test]
fn web_pages_from_elsewhere_are_kept_out() {
    let (_redis, gateway) = gateway();
    let target = ("X-Amz-Target", "AmazonSQS.ListQueues");
    let status = |header| gateway.http().request("POST", "/", &[target, header], b"{}").status;
    assert_eq!(status(("Accept", "*/*")), 200);
    assert_eq!(status(("Origin", "https://evil.example")), 403);
    assert_eq!(status(("Sec-Fetch-Site", "cross-site")), 403);
    assert_eq!(status(("Host", "evil.example")), 403);
    assert_eq!(status(("X-Forwarded-For", "192.0.2.1")), 403);
}

#[test]
fn a_body_beyond_all_bounds_is_refused_in_the_words_of_sqs() {
    let (_redis, gateway) = gateway();
    let body = vec![b'x'; 9 * 1024 * 1024];
    let headers =
        [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", "AmazonSQS.SendMessage")];
    let answer = gateway.http().request("POST", "/", &headers, &body);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.text().contains("InvalidParameterValue"), "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"));
    let chunked = [headers[0], headers[1], ("Transfer-Encoding", "chunked")];
    let mut chunks = format!("{:x}\r\n", body.len()).into_bytes();
    chunks.extend(&body);
    chunks.extend(b"\r\n0\r\n\r\n");
    let answer = gateway.http().request("POST", "/", &chunked, &chunks);
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[test]
fn garbage_is_answered_or_closed_and_the_next_one_is_served() {
    let (_redis, gateway) = gateway();
    for garbage in [&b"\x16\x03\x01\x00\xa5"[..], b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"] {
        let mut connection = gateway.http().connect();
        connection.write(garbage);
        connection.write(b"\r\n\r\n");
        // An error or the end: only not silence.
        let _either = connection.read_response();
    }
    assert_eq!(gateway.http().get("/healthz").status, 200);
}

#[test]
fn one_connection_serves_many_requests() {
    let (_redis, gateway) = gateway();
    let mut connection = gateway.http().connect();
    let headers = [("X-Amz-Target", "AmazonSQS.ListQueues")];
    for _ in 0..100 {
        assert_eq!(connection.request("POST", "/", &headers, b"{}").status, 200);
    }
}
