//! Messages of 1 MiB in and out over HTTP, against bare hyper with a stream: how fast, and how
//! often a body is in the server's memory while it passes.

use std::sync::Arc;
use std::time::Instant;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use tokio::task::JoinSet;

use crate::Effort;
use crate::bare::{self, Bare};
use crate::gauge::{self, ProcessMemory};
use crate::http_load::{self, Connection, between};
use crate::report::{Goal, Pairs, Row, median};

const BODY_BYTES: usize = 1_048_576;
/// So many bodies are under way at the same time.
const CONNECTIONS: usize = 8;

pub(crate) async fn rows(effort: &Effort) -> Vec<Row> {
    let redis = RedisServer::start(&[]);
    let bare = Bare::start(&redis);
    let gateway = Gateway::start(&redis, &[]);
    redis.cli(&["KARIN.CREATE", gauge::QUEUE, "MaximumMessageSize", &BODY_BYTES.to_string()]);
    let reference = Side::new(bare.process_id(), bare.port, stream_steps(bare.port));
    let candidate = Side::new(gateway.process_id(), gateway.port(), sqs_steps(&gateway));
    let mut rates = [Pairs::default(), Pairs::default()];
    let mut bodies = [const { Vec::new() }; 4];
    for _ in 0..effort.pairs {
        bare::empty(&redis);
        redis.cli(&["KARIN.PURGE", gauge::QUEUE]);
        let reference = reference.measure(effort).await;
        let candidate = candidate.measure(effort).await;
        for way in 0..2 {
            rates[way].push(reference[way].rate, candidate[way].rate);
            bodies[way].push(reference[way].bodies);
            bodies[way + 2].push(candidate[way].bodies);
        }
    }
    let mut rows = Vec::new();
    for (way, name) in [(0, "in"), (1, "out, and deleted")] {
        let what = format!("1 MiB {name}, {CONNECTIONS} connections, against bare hyper + stream");
        rows.push(rates[way].row(&what, "MiB/s", Goal::Information));
        rows.push(Row {
            what: format!("… peak of the HTTP server's memory, in bodies under way: {what}"),
            reference: format!("{:.1}", median(&bodies[way])),
            candidate: format!("{:.1}", median(&bodies[way + 2])),
            ratio: String::new(),
            noise: String::new(),
            goal: String::new(),
            met: None,
        });
    }
    rows
}

/// What passing bodies in one direction cost.
#[derive(Debug, Clone, Copy)]
struct Passed {
    /// MiB per second.
    rate: f64,
    /// By how many bodies the server's memory grew at most, for each that was under way.
    bodies: f64,
}

/// The request that deletes what was received.
type Delete = dyn Fn(&[u8]) -> Vec<u8> + Send + Sync;

/// How one server is asked.
struct Steps {
    send: Vec<u8>,
    receive: Vec<u8>,
    delete: Box<Delete>,
}

/// One of the two servers.
struct Side {
    process: u32,
    port: u16,
    steps: Arc<Steps>,
    /// Its memory before the first body, bytes.
    idle: f64,
}

impl Side {
    fn new(process: u32, port: u16, steps: Arc<Steps>) -> Self {
        Self { process, port, steps, idle: ProcessMemory::of(process).resident }
    }

    /// In, and out again.
    async fn measure(&self, effort: &Effort) -> [Passed; 2] {
        let each = (effort.load_seconds * 8.0) as usize;
        let mut passed = [Passed { rate: 0.0, bodies: 0.0 }; 2];
        for (out, passed) in [false, true].into_iter().zip(&mut passed) {
            gauge::forget_peak(self.process);
            passed.rate = self.rate(each, out).await;
            let grown = ProcessMemory::of(self.process).peak - self.idle;
            passed.bodies = grown / (CONNECTIONS * BODY_BYTES) as f64;
        }
        passed
    }

    async fn rate(&self, each: usize, out: bool) -> f64 {
        let mut tasks = JoinSet::new();
        let started = Instant::now();
        for _ in 0..CONNECTIONS {
            let mut connection = Connection::open(self.port).await;
            let steps = Arc::clone(&self.steps);
            tasks.spawn(async move {
                for _ in 0..each {
                    if out {
                        let received = connection.exchange(&steps.receive).await;
                        assert!(received.len() >= BODY_BYTES, "no message");
                        let delete = (steps.delete)(received);
                        connection.exchange(&delete).await;
                    } else {
                        connection.exchange(&steps.send).await;
                    }
                }
            });
        }
        tasks.join_all().await;
        (CONNECTIONS * each) as f64 / started.elapsed().as_secs_f64()
    }
}

fn stream_steps(port: u16) -> Arc<Steps> {
    Arc::new(Steps {
        send: http_load::request(port, "", &"x".repeat(BODY_BYTES)),
        receive: http_load::post(port, "/receive-one", "", ""),
        delete: Box::new(move |answer| {
            let id = answer.split(|&byte| byte == b' ').next().unwrap_or_default();
            http_load::post(port, "/delete", "", &String::from_utf8_lossy(id))
        }),
    })
}

fn sqs_steps(gateway: &Gateway) -> Arc<Steps> {
    let port = gateway.port();
    let url = format!(r#""QueueUrl":"{}/000000000000/q""#, gateway.url());
    let send = format!(r#"{{{url},"MessageBody":"{}"}}"#, "x".repeat(BODY_BYTES));
    Arc::new(Steps {
        send: http_load::json(port, "SendMessage", &send),
        receive: http_load::json(port, "ReceiveMessage", &format!("{{{url}}}")),
        delete: Box::new(move |answer| {
            // It stands before the body, where looking for it is cheap.
            let head = &answer[..answer.len().min(1_024)];
            let handle = between(head, br#""ReceiptHandle":""#, b'"');
            let handle = String::from_utf8_lossy(handle[0]);
            let body = format!(r#"{{{url},"ReceiptHandle":"{handle}"}}"#);
            http_load::json(port, "DeleteMessage", &body)
        }),
    })
}
