//! HTTP itself: limits, web pages, paths.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};

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
fn paths_of_other_parts_are_no_queues() {
    let (_redis, gateway) = gateway();
    for path in ["/admin/orders", "/2015-03-31/what", "/metrics/orders"] {
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

/// Resident memory, in MiB.
fn memory_mib(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process_id()));
    let status = status.expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib / 1024
}

#[test]
fn all_bodies_together_are_bounded_and_small_ones_always_fit() {
    let (_redis, gateway) = gateway();
    let http = gateway.http();
    assert_eq!(http.json("CreateQueue", r#"{"QueueName":"q"}"#).status, 200);
    let largest = 8 * 1024 * 1024;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n\
         Content-Length: {largest}\r\n\r\n"
    );
    // All but the last byte, for as long as we like.
    let kept: Vec<_> = (0..8)
        .map(|_| {
            let mut connection = http.connect();
            connection.write(head.as_bytes());
            connection.write(&vec![b'x'; largest - 1]);
            connection
        })
        .collect();
    let send = |length| {
        let body = "x".repeat(length);
        http.json("SendMessage", &format!(r#"{{"QueueUrl":"q","MessageBody":"{body}"}}"#))
    };
    let answer = until_some(PATIENCE, "there is no room for more", || {
        Some(send(1_000_000)).filter(|answer| answer.status != 200)
    });
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("ServiceUnavailable"), "{answer:?}");
    assert_eq!(send(10_000).status, 200);
    assert!(memory_mib(&gateway) < 128, "{} MiB", memory_mib(&gateway));
    drop(kept);
    until(PATIENCE, "there is room again", || send(1_000_000).status == 200);
}

#[test]
fn a_body_in_chunks_of_a_byte_takes_no_more_memory_than_in_one() {
    let (_redis, gateway) = gateway();
    let mut connection = gateway.http().connect();
    let head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: AmazonSQS.ListQueues\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    connection.write(head.as_bytes());
    connection.write("1\r\n0\r\n".repeat(4_000_000).as_bytes());
    connection.write(b"0\r\n\r\n");
    assert_eq!(connection.read_response().expect("an answer").status, 400);
    assert!(memory_mib(&gateway) < 64, "{} MiB", memory_mib(&gateway));
}

#[test]
fn a_body_full_of_empty_values_takes_little_memory() {
    let (_redis, gateway) = gateway();
    let list = format!(r#"{{"a":[0{}]}}"#, ",0".repeat(4_000_000));
    assert_eq!(gateway.http().json("ListQueues", &list).status, 400);
    let form = format!("Action=ListQueues{}", "&a".repeat(4_000_000));
    assert_eq!(gateway.http().request("POST", "/", &[], form.as_bytes()).status, 404);
    assert!(memory_mib(&gateway) < 64, "{} MiB", memory_mib(&gateway));
}
