//! Messages of 1 MiB in and out over HTTP, against bare hyper with a stream. What the server's
//! memory peaks at says nothing here: an allocator that keeps what it had hides each copy but the
//! first.

use std::sync::Arc;
use std::time::Instant;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use tokio::task::JoinSet;

use crate::Effort;
use crate::bare::{self, Bare};
use crate::gauge;
use crate::http_load::{self, Connection, between};
use crate::load::{Cost, Costs};
use crate::report::{Goal, Row};

const BODY_BYTES: usize = 1_048_576;
/// So many bodies are under way at the same time.
const CONNECTIONS: usize = 8;

pub(crate) async fn rows(effort: &Effort) -> Vec<Row> {
    let redis = RedisServer::start(&[]);
    let bare = Bare::start(&redis);
    let gateway = Gateway::start(&redis, &[]);
    redis.cli(&["KARIN.CREATE", gauge::QUEUE, "MaximumMessageSize", &BODY_BYTES.to_string()]);
    let steps = stream_steps(bare.port);
    let reference = Side { process: bare.process_id(), port: bare.port, steps };
    let steps = sqs_steps(&gateway);
    let candidate = Side { process: gateway.process_id(), port: gateway.port(), steps };
    let mut costs = [Costs::default(), Costs::default()];
    for _ in 0..effort.pairs {
        bare::empty(&redis);
        redis.cli(&["KARIN.PURGE", gauge::QUEUE]);
        let reference = reference.measure(effort).await;
        let candidate = candidate.measure(effort).await;
        for (costs, (reference, candidate)) in
            costs.iter_mut().zip(reference.into_iter().zip(candidate))
        {
            costs.push(reference, candidate);
        }
    }
    let mut rows = Vec::new();
    for (costs, name) in costs.iter().zip(["in", "out, and deleted"]) {
        let what = format!("1 MiB {name}, {CONNECTIONS} connections, against bare hyper + stream");
        rows.extend(costs.rows(&what, Goal::Information));
    }
    rows
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
}

impl Side {
    /// In, and out again.
    async fn measure(&self, effort: &Effort) -> [Cost; 2] {
        let each = (effort.load_seconds * 8.0) as usize;
        [
            gauge::cost_of(self.process, self.rate(each, false)).await,
            gauge::cost_of(self.process, self.rate(each, true)).await,
        ]
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
