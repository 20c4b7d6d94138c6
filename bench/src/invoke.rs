//! How long until the function runs: after a send, and after a message became due.

use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

use crate::Effort;
use crate::endpoint::Endpoint;
use crate::http_load::{self, Connection};
use crate::report::{Row, latencies, lateness, quantile};

const MAPPINGS: usize = 100;
const DELAYED: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// From the start of SendMessage to the invocation's arrival, against an invocation sent directly.
pub(crate) async fn send_rows(effort: &Effort) -> Vec<Row> {
    let redis = RedisServer::start(&[]);
    let endpoint = Endpoint::start().await;
    let gateway = Gateway::start(
        &redis,
        &["--lambda-endpoint", &endpoint.url, "--map", "q=f", "--sync-interval", "off"],
    );
    let mut direct = Connection::open(endpoint.port).await;
    let mut sender = Connection::open(gateway.port()).await;
    let (mut direct_ms, mut through_ms) = (Vec::new(), Vec::new());
    for n in 0..effort.invocations {
        let event = format!(r#"{{"Records":[{{"body":"{n}","attributes":{{}}}}]}}"#);
        let invoke =
            http_load::request(endpoint.port, "content-type: application/json\r\n", &event);
        direct_ms.push(latency_ms(&endpoint, &mut direct, &invoke).await);
        let send = send_request(&gateway, "q", &n.to_string(), 0);
        through_ms.push(latency_ms(&endpoint, &mut sender, &send).await);
    }
    let added = quantile(&through_ms, 0.99) - quantile(&direct_ms, 0.99);
    vec![Row {
        what: "SendMessage → the invocation arrives, against invoking directly".to_owned(),
        reference: latencies(&direct_ms),
        candidate: latencies(&through_ms),
        ratio: format!("p99 +{added:.2} ms"),
        noise: String::new(),
        goal: "p99 ≤ +2 ms".to_owned(),
        met: Some(added <= 2.0),
    }]
}

/// Delayed messages over many mappings: how late after their due time the invocation arrives.
pub(crate) async fn due_rows(effort: &Effort) -> Vec<Row> {
    let redis = RedisServer::start(&[]);
    let endpoint = Endpoint::start().await;
    let maps: Vec<String> = (0..MAPPINGS).map(|n| format!("q{n}=f{n}")).collect();
    let mut arguments = vec!["--lambda-endpoint", &endpoint.url, "--sync-interval", "off"];
    for map in &maps {
        arguments.extend(["--map", map]);
    }
    let gateway = Gateway::start(&redis, &arguments);
    let mut sender = Connection::open(gateway.port()).await;
    // Sends are spread over a second and delays over whole seconds: due times are uniform.
    for n in 0..DELAYED {
        let delay_seconds = 2 + (n as u64 * 7_919) % effort.due_seconds;
        let send = send_request(
            &gateway,
            &format!("q{}", n % MAPPINGS),
            &delay_seconds.to_string(),
            delay_seconds,
        );
        sender.exchange(&send).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    wait_for(&endpoint, DELAYED, Duration::from_secs(effort.due_seconds) + PATIENCE).await;
    let late_ms: Vec<f64> = endpoint
        .take()
        .iter()
        .map(|arrival| {
            let delay_seconds: f64 = arrival.body.parse().expect("a delay");
            arrival.at_ms - arrival.sent_ms - delay_seconds * 1_000.0
        })
        .collect();
    let what = format!(
        "due → the invocation arrives, {DELAYED} messages over {} s and {MAPPINGS} mappings",
        effort.due_seconds
    );
    vec![lateness(what, &late_ms)]
}

async fn latency_ms(endpoint: &Endpoint, connection: &mut Connection, request: &[u8]) -> f64 {
    let started = Instant::now();
    connection.exchange(request).await;
    wait_for(endpoint, 1, PATIENCE).await;
    let arrivals = endpoint.take();
    let first = arrivals.first().expect("an arrival");
    first.at.saturating_duration_since(started).as_secs_f64() * 1_000.0
}

async fn wait_for(endpoint: &Endpoint, count: usize, patience: Duration) {
    let deadline = Instant::now() + patience;
    while endpoint.count() < count {
        assert!(Instant::now() < deadline, "{} of {count} messages arrived", endpoint.count());
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

fn send_request(gateway: &Gateway, queue: &str, body: &str, delay_seconds: u64) -> Vec<u8> {
    let json = format!(
        r#"{{"QueueUrl":"{}/000000000000/{queue}","MessageBody":"{body}","DelaySeconds":{}}}"#,
        gateway.url(),
        delay_seconds
    );
    http_load::json(gateway.port(), "SendMessage", &json)
}
