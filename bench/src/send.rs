//! SendMessage over HTTP against bare hyper with one XADD behind it, both as processes of their
//! own, on servers with the same append-only file.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::{port, wait};

use crate::report::{Goal, Pairs, Row};
use crate::{Effort, gauge, http_load};

const CONNECTIONS: usize = 32;

pub(crate) async fn rows(effort: &Effort) -> Vec<Row> {
    let redis = gauge::persistent();
    let bare = Bare::start(&redis);
    let gateway = Gateway::start(&redis, &[]);
    gateway.http().json("CreateQueue", r#"{"QueueName":"q"}"#);
    let body = "x".repeat(100);
    let reference = http_load::request(bare.port, "", &body);
    let mut rows = Vec::new();
    for (protocol, request) in requests(&gateway, &body) {
        let mut pairs = Pairs::default();
        for _ in 0..effort.pairs {
            redis.cli(&["DEL", "stream"]);
            let bare_rate =
                http_load::rate(bare.port, &reference, CONNECTIONS, effort.load_seconds).await;
            let karin_rate =
                http_load::rate(gateway.port(), &request, CONNECTIONS, effort.load_seconds).await;
            redis.cli(&["KARIN.PURGE", "karin:{q}"]);
            pairs.push(bare_rate, karin_rate);
        }
        let what = format!(
            "SendMessage, {protocol}, 100 B, {CONNECTIONS} connections, against bare hyper + XADD"
        );
        rows.push(pairs.row(&what, "/s", Goal::AtLeast(0.8)));
    }
    rows
}

fn requests(gateway: &Gateway, body: &str) -> [(&'static str, Vec<u8>); 2] {
    let url = format!("{}/000000000000/q", gateway.url());
    let json = format!(r#"{{"QueueUrl":"{url}","MessageBody":"{body}"}}"#);
    let query = karin_tests::http::form(&[
        ("Action", "SendMessage"),
        ("Version", "2012-11-05"),
        ("QueueUrl", &url),
        ("MessageBody", body),
    ]);
    let json_headers =
        "content-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.SendMessage\r\n";
    let query_headers = "content-type: application/x-www-form-urlencoded; charset=utf-8\r\n";
    [
        ("JSON", http_load::request(gateway.port(), json_headers, &json)),
        ("Query", http_load::request(gateway.port(), query_headers, &query)),
    ]
}

/// The reference as a process of its own: this program, told to be it.
#[derive(Debug)]
struct Bare {
    process: Child,
    port: u16,
}

impl Bare {
    fn start(redis: &RedisServer) -> Self {
        let port = port::free();
        let process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--bare", &port.to_string(), &redis.url()])
            .stdout(Stdio::null())
            .spawn()
            .expect("this program once more");
        wait::until(Duration::from_secs(10), "the reference server", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { process, port }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
