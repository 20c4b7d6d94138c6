//! How many invocations and messages per second the trigger does, and what it costs at rest.

use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

use crate::Effort;
use crate::endpoint::Counter;
use crate::gauge;
use crate::http_load;
use crate::report::{Row, median};

/// Invocations at a time, and connections of the reference.
const CONCURRENCY: usize = 32;
const PATIENCE: Duration = Duration::from_mins(2);
const IDLE_QUEUES: usize = 1_000;
const IDLE_MAPPINGS: usize = 200;
/// Over how long rest is measured: more than one sweep.
const IDLE: Duration = Duration::from_secs(65);

/// Messages that wait in a queue are handed to an endpoint that answers at once.
pub(crate) async fn rows(effort: &Effort) -> Vec<Row> {
    vec![
        row(effort, 1, effort.commands / 10, 5_000.0).await,
        row(effort, 10, effort.commands / 2, 30_000.0).await,
    ]
}

async fn row(effort: &Effort, batch_size: usize, messages: usize, goal: f64) -> Row {
    let mut direct = Vec::new();
    let mut through = Vec::new();
    for _ in 0..effort.pairs {
        direct.push(direct_rate(batch_size, effort.load_seconds).await);
        through.push(trigger_rate(batch_size, messages).await);
    }
    let (reference, candidate) = (median(&direct), median(&through));
    Row {
        what: format!(
            "waiting messages handed to an endpoint that answers at once, {batch_size} an event, \
             against invoking it directly"
        ),
        reference: format!("{reference:.0} messages/s"),
        candidate: format!("{candidate:.0} messages/s"),
        ratio: format!("{:.2} ×", candidate / reference),
        noise: String::new(),
        goal: format!("≥ {goal:.0} messages/s"),
        met: Some(candidate >= goal),
    }
}

/// Messages per second of events posted as fast as the endpoint takes them.
async fn direct_rate(batch_size: usize, seconds: f64) -> f64 {
    let endpoint = Counter::start().await;
    let record = serde_json::json!({
        "messageId": "6c7a1f0e-2b54-4b0d-9b6e-0d5f5a3e9c11",
        "receiptHandle": "AUvlcRv3MujhAAAAAAAAAAAAAAABXCaK0dtB",
        "body": gauge::body(),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1760000000000",
            "SenderId": "AIDAKARIN000000000000",
            "ApproximateFirstReceiveTimestamp": "1760000000123",
        },
        "messageAttributes": {},
        "md5OfBody": "82cb0c38ade36086aea47d1e80eb38d9",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q",
        "awsRegion": "us-east-1",
    });
    let event = serde_json::json!({"Records": vec![record; batch_size]}).to_string();
    let path = "/2015-03-31/functions/f/invocations";
    let request =
        http_load::post(endpoint.port, path, "content-type: application/json\r\n", &event);
    let pool: http_load::Pool = vec![request].into();
    http_load::rate(endpoint.port, &pool, CONCURRENCY, seconds).await * batch_size as f64
}

/// Messages per second from the first invocation to the last.
async fn trigger_rate(batch_size: usize, messages: usize) -> f64 {
    let redis = gauge::persistent();
    gauge::fill(&mut redis.connection(), gauge::QUEUE, messages, &[]);
    let endpoint = Counter::start().await;
    let map = format!("q=f,batch_size={batch_size},timeout=30,concurrency={CONCURRENCY}");
    let arguments = ["--lambda-endpoint", &endpoint.url, "--map", &map, "--sync-interval", "off"];
    let gateway = Gateway::start(&redis, &arguments);
    let deadline = Instant::now() + PATIENCE;
    while endpoint.count() < messages {
        assert!(Instant::now() < deadline, "{} of {messages} arrived", endpoint.count());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rate = endpoint.rate();
    drop(gateway);
    rate
}

/// What a gateway asks of Redis, and of the processor, while nothing happens.
pub(crate) fn idle_rows() -> Vec<Row> {
    [(1, 1.0), (2, 40.0)].map(|(gateways, goal)| idle_row(gateways, goal)).into()
}

fn idle_row(gateways: usize, goal: f64) -> Row {
    let redis = RedisServer::start(&[]);
    let mut connection = redis.connection();
    for n in 0..IDLE_QUEUES {
        redis::cmd("KARIN.CREATE").arg(format!("karin:{{q{n}}}")).exec(&mut connection).unwrap();
    }
    let maps: Vec<String> = (0..IDLE_MAPPINGS).map(|n| format!("q{n}=f{n}")).collect();
    // Nobody listens there, and nobody is called.
    let mut arguments = vec!["--lambda-endpoint", "http://127.0.0.1:9", "--sync-interval", "off"];
    for map in &maps {
        arguments.extend(["--map", map]);
    }
    let gateways: Vec<Gateway> =
        (0..gateways).map(|_| Gateway::start(&redis, &arguments)).collect();
    std::thread::sleep(Duration::from_secs(10));
    let commands = || redis.info_number("stats", "total_commands_processed");
    let cpu = || gateways.iter().map(|g| gauge::process_cpu_s(g.process_id())).sum::<f64>();
    let (commands_before, cpu_before) = (commands(), cpu());
    std::thread::sleep(IDLE);
    let minutes = IDLE.as_secs_f64() / 60.0 * gateways.len() as f64;
    let cpu_ms = (cpu() - cpu_before) * 1_000.0 / minutes;
    // One of them is the INFO that asks.
    let a_minute = (commands() - commands_before - 1) as f64 / minutes;
    Row {
        what: format!(
            "at rest: {IDLE_QUEUES} queues, {IDLE_MAPPINGS} mappings, {} gateway(s)",
            gateways.len()
        ),
        reference: String::new(),
        candidate: format!("{a_minute:.1} commands, {cpu_ms:.0} ms CPU a minute each"),
        ratio: String::new(),
        noise: String::new(),
        goal: format!("≤ {goal} commands a minute"),
        // The sweep falls once or twice into the time.
        met: Some(a_minute <= goal + 1.0),
    }
}
