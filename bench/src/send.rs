//! SendMessage over HTTP against bare hyper with one XADD behind it, both as processes of their
//! own, on servers with the same append-only file; and its latencies at half of that load.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

use crate::bare::{self, Bare};
use crate::http_load::{self, Pool};
use crate::load::{Cost, Costs};
use crate::report::{Goal, Row, median, quantile};
use crate::{Effort, gauge, sign};

const CONNECTIONS: usize = 32;
/// Different requests, each signed for itself.
const POOL: usize = 256;
const JSON: [(&str, &str); 2] =
    [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "AmazonSQS.SendMessage")];
const QUERY: [(&str, &str); 1] =
    [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
const P99_GOAL_MS: f64 = 3.0;

pub(crate) async fn rows(effort: &Effort) -> Vec<Row> {
    let redis = gauge::persistent();
    let bare = Bare::start(&redis);
    let gateway = Gateway::start(&redis, &[]);
    gateway.http().json("CreateQueue", r#"{"QueueName":"q"}"#);
    let mut rows = Vec::new();
    for (protocol, headers) in [("JSON", &JSON[..]), ("Query", &QUERY)] {
        let pool = pool(&gateway, headers, false);
        let what = format!("SendMessage, {protocol}, 100 B, {CONNECTIONS} connections");
        let costs = measure(effort, &redis, &bare, &gateway, &pool).await;
        rows.extend(costs.rows(&format!("{what}, against bare hyper + XADD"), Goal::AtLeast(0.8)));
    }
    rows
}

/// The same with an access key that signs.
pub(crate) async fn signed_rows(effort: &Effort) -> Vec<Row> {
    let redis = gauge::persistent();
    let bare = Bare::start(&redis);
    let key = format!("{}:{}", sign::KEY_ID, sign::SECRET);
    let gateway = Gateway::start(&redis, &["--key", &key]);
    redis.cli(&["KARIN.CREATE", gauge::QUEUE]);
    let mut rows = Vec::new();
    for (protocol, headers) in [("JSON", &JSON[..]), ("Query", &QUERY)] {
        let pool = pool(&gateway, headers, true);
        let what = format!("SendMessage, {protocol}, signed, 100 B, {CONNECTIONS} connections");
        let costs = measure(effort, &redis, &bare, &gateway, &pool).await;
        rows.extend(costs.rows(&format!("{what}, against bare hyper + XADD"), Goal::AtLeast(0.6)));
    }
    rows
}

/// Latencies of an open loop at half the rate of the closed one.
pub(crate) async fn open_rows(effort: &Effort) -> Vec<Row> {
    let redis = gauge::persistent();
    let bare = Bare::start(&redis);
    let gateway = Gateway::start(&redis, &[]);
    gateway.http().json("CreateQueue", r#"{"QueueName":"q"}"#);
    let pool = pool(&gateway, &JSON, false);
    let reference = reference(&bare);
    let seconds = effort.load_seconds;
    let (mut rates, mut bare_ms, mut karin_ms) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.pairs {
        empty(&redis);
        let rate = http_load::rate(gateway.port(), &pool, CONNECTIONS, seconds / 2.0).await;
        let half = rate / 2.0;
        rates.push(half);
        for (port, pool, all_ms) in
            [(bare.port, &reference, &mut bare_ms), (gateway.port(), &pool, &mut karin_ms)]
        {
            empty(&redis);
            let ms = http_load::latencies_ms(port, pool, CONNECTIONS, half, seconds).await;
            all_ms.extend(ms);
        }
    }
    let p99_ms = quantile(&karin_ms, 0.99);
    vec![Row {
        what: format!(
            "SendMessage, JSON, open loop at half the highest rate ({:.0}/s)",
            median(&rates)
        ),
        reference: open_latencies(&bare_ms),
        candidate: open_latencies(&karin_ms),
        ratio: format!("p99 {:.2} ×", p99_ms / quantile(&bare_ms, 0.99)),
        noise: String::new(),
        goal: format!("p99 ≤ {P99_GOAL_MS} ms"),
        met: Some(p99_ms <= P99_GOAL_MS),
    }]
}

fn open_latencies(ms: &[f64]) -> String {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| quantile(ms, q));
    format!("p50 {p50:.2}, p99 {p99:.2}, p99.9 {p999:.2} ms")
}

async fn measure(
    effort: &Effort,
    redis: &RedisServer,
    bare: &Bare,
    gateway: &Gateway,
    pool: &Pool,
) -> Costs {
    let reference = reference(bare);
    let mut costs = Costs::default();
    for _ in 0..effort.pairs {
        empty(redis);
        let bare_cost = cost(effort, bare.process_id(), bare.port, &reference).await;
        let karin_cost = cost(effort, gateway.process_id(), gateway.port(), pool).await;
        costs.push(bare_cost, karin_cost);
    }
    costs
}

async fn cost(effort: &Effort, server: u32, port: u16, pool: &Pool) -> Cost {
    let load = http_load::rate(port, pool, CONNECTIONS, effort.load_seconds);
    gauge::cost_of(server, load).await
}

fn empty(redis: &RedisServer) {
    bare::empty(redis);
    redis.cli(&["KARIN.PURGE", gauge::QUEUE]);
}

fn reference(bare: &Bare) -> Pool {
    vec![http_load::request(bare.port, "", &gauge::body())].into()
}

/// Requests whose messages are 100 bytes long and differ.
fn pool(gateway: &Gateway, headers: &[(&str, &str)], signed: bool) -> Pool {
    let port = gateway.port();
    let url = format!("{}/000000000000/q", gateway.url());
    let host = format!("127.0.0.1:{port}");
    let lines: Vec<String> = headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    let lines = lines.concat();
    let request = |number| {
        let message = format!("{number:x>100}");
        let body = if headers == JSON {
            format!(r#"{{"QueueUrl":"{url}","MessageBody":"{message}"}}"#)
        } else {
            karin_tests::http::form(&[
                ("Action", "SendMessage"),
                ("Version", "2012-11-05"),
                ("QueueUrl", &url),
                ("MessageBody", &message),
            ])
        };
        let to_sign = [headers, &[("host", host.as_str())]].concat();
        let signature = if signed { sign::signed(&to_sign, &body) } else { String::new() };
        http_load::request(port, &format!("{lines}{signature}"), &body)
    };
    (0..POOL).map(request).collect()
}
