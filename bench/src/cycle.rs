//! The life of ten messages over HTTP: SendMessageBatch, ReceiveMessage, DeleteMessageBatch of what
//! was received, against the same by bare hyper with a stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use tokio::task::JoinSet;

use crate::bare::{self, Bare};
use crate::http_load::{self, Connection, between};
use crate::load::{COUNT, Costs};
use crate::report::{Goal, Row};
use crate::{Effort, gauge};

const CONNECTIONS: usize = 32;

pub(crate) async fn rows(effort: &Effort) -> Vec<Row> {
    let redis = gauge::persistent();
    let bare = Bare::start(&redis);
    let gateway = Gateway::start(&redis, &[]);
    gateway.http().json("CreateQueue", r#"{"QueueName":"q"}"#);
    let reference = stream_steps(bare.port);
    let steps = sqs_steps(&gateway);
    let mut costs = Costs::default();
    for _ in 0..effort.pairs {
        empty(&redis);
        let load = rate(bare.port, &reference, effort.load_seconds);
        let bare_cost = gauge::cost_of(bare.process_id(), load).await;
        let load = rate(gateway.port(), &steps, effort.load_seconds);
        costs.push(bare_cost, gauge::cost_of(gateway.process_id(), load).await);
    }
    let what = format!(
        "Send({COUNT}) + Receive({COUNT}) + DeleteBatch({COUNT}), JSON, 100 B, {CONNECTIONS} \
         connections, messages, against bare hyper + stream commands"
    );
    costs.rows(&what, Goal::AtLeast(0.7)).into()
}

fn empty(redis: &RedisServer) {
    bare::empty(redis);
    redis.cli(&["KARIN.PURGE", gauge::QUEUE]);
}

/// The names to delete by, of what was received.
type Names = dyn Fn(&[u8]) -> Vec<&[u8]> + Send + Sync;
/// The request that deletes what has these names.
type Delete = dyn Fn(&[&[u8]]) -> Vec<u8> + Send + Sync;

/// How one server is asked.
struct Steps {
    send: Vec<u8>,
    receive: Vec<u8>,
    names: Box<Names>,
    delete: Box<Delete>,
}

/// Messages per second that were sent, received and deleted.
async fn rate(port: u16, steps: &Arc<Steps>, seconds: f64) -> f64 {
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(seconds);
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(port).await;
        let steps = Arc::clone(steps);
        tasks.spawn(async move {
            let mut messages = 0;
            while Instant::now() < until {
                connection.exchange(&steps.send).await;
                let received = connection.exchange(&steps.receive).await;
                let names = (steps.names)(received);
                // Nobody receives more than it sent, so there are always ten.
                assert_eq!(names.len(), COUNT, "{}", String::from_utf8_lossy(received));
                let delete = (steps.delete)(&names);
                connection.exchange(&delete).await;
                messages += COUNT;
            }
            messages
        });
    }
    let messages: usize = tasks.join_all().await.into_iter().sum();
    messages as f64 / started.elapsed().as_secs_f64()
}

fn stream_steps(port: u16) -> Arc<Steps> {
    let bodies = vec![gauge::body(); COUNT].join("\n");
    Arc::new(Steps {
        send: http_load::post(port, "/send", "", &bodies),
        receive: http_load::post(port, "/receive", "", ""),
        names: Box::new(|answer| {
            let lines = answer.split(|&byte| byte == b'\n');
            lines.filter_map(|line| line.split(|&byte| byte == b' ').next()).take(COUNT).collect()
        }),
        delete: Box::new(move |ids| {
            let ids = ids.join(&b'\n');
            http_load::post(port, "/delete", "", std::str::from_utf8(&ids).expect("ids"))
        }),
    })
}

fn sqs_steps(gateway: &Gateway) -> Arc<Steps> {
    let port = gateway.port();
    let url = format!(r#""QueueUrl":"{}/000000000000/q""#, gateway.url());
    let entries = |entry: &dyn Fn(usize) -> String| {
        let entries = (0..COUNT).map(|id| format!(r#"{{"Id":"{id}",{}}}"#, entry(id)));
        format!(r#"{{{url},"Entries":[{}]}}"#, entries.collect::<Vec<_>>().join(","))
    };
    let send = entries(&|_| format!(r#""MessageBody":"{}""#, gauge::body()));
    let receive = format!(r#"{{{url},"MaxNumberOfMessages":{COUNT}}}"#);
    Arc::new(Steps {
        send: http_load::json(port, "SendMessageBatch", &send),
        receive: http_load::json(port, "ReceiveMessage", &receive),
        names: Box::new(|answer| between(answer, br#""ReceiptHandle":""#, b'"')),
        delete: Box::new({
            let url = url.clone();
            move |handles| {
                let entries = handles.iter().enumerate().map(|(id, handle)| {
                    let handle = std::str::from_utf8(handle).expect("a handle");
                    format!(r#"{{"Id":"{id}","ReceiptHandle":"{handle}"}}"#)
                });
                let entries = entries.collect::<Vec<_>>().join(",");
                let body = format!(r#"{{{url},"Entries":[{entries}]}}"#);
                http_load::json(port, "DeleteMessageBatch", &body)
            }
        }),
    })
}
