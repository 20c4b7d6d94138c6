//! Thousands of long polls at the same time: what they cost, and how soon each has its message.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use redis::Connection as Redis;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::Effort;
use crate::gauge::{self, ProcessMemory};
use crate::http_load::{self, Connection, Turn, between};
use crate::report::{Row, latencies, quantile};

const POLLS: usize = 8_000;
const QUEUES: usize = 100;
/// Of the steady load.
const MESSAGES_PER_S: f64 = 1_000.0;
const SENDERS: usize = 8;
/// Messages of one SendMessageBatch of the burst.
const BATCH: usize = 10;
const MEMORY_GOAL: f64 = 200e6;
const P99_GOAL_MS: f64 = 5.0;
const BURST_GOAL_MS: f64 = 500.0;
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn rows(effort: &Effort) -> Vec<Row> {
    raise_file_limit();
    let redis = gauge::persistent();
    let mut control = redis.connection();
    let gateway = Gateway::start(&redis, &[]);
    for queue in 0..QUEUES {
        // Nothing that was received comes back meanwhile.
        let key = format!("karin:{{q{queue}}}");
        gauge::run(&mut control, &format!("KARIN.CREATE {key} VisibilityTimeout 43200"));
    }
    let before = ProcessMemory::of(gateway.process_id());
    let (mut polls, arrivals) = Polls::start(&gateway, &mut control).await;
    let after = ProcessMemory::of(gateway.process_id());
    let mut inbox = Inbox { arrivals };
    let steady_ms = steady(&gateway, &mut inbox, effort.load_seconds * 2.0).await;
    polls.settle(&mut control).await;
    let burst_ms = burst(&gateway, &mut inbox).await;
    polls.tasks.abort_all();
    vec![memory_row(before, after), steady_row(&steady_ms), burst_row(&burst_ms)]
}

fn memory_row(before: ProcessMemory, after: ProcessMemory) -> Row {
    let megabytes = |memory: ProcessMemory| {
        format!("RSS {:.1} MB, anonymous {:.1} MB", memory.resident / 1e6, memory.anonymous / 1e6)
    };
    Row {
        what: format!("{POLLS} long polls over {QUEUES} queues: the gateway's memory"),
        reference: format!("none: {}", megabytes(before)),
        candidate: megabytes(after),
        ratio: format!("{:.1} kB each", (after.resident - before.resident) / 1e3 / POLLS as f64),
        noise: String::new(),
        goal: format!("RSS ≤ {:.0} MB", MEMORY_GOAL / 1e6),
        met: Some(after.resident <= MEMORY_GOAL),
    }
}

fn steady_row(ms: &[f64]) -> Row {
    Row {
        what: format!(
            "… {MESSAGES_PER_S}/s over them, from when SendMessage was to begin until received"
        ),
        reference: format!("{} messages", ms.len()),
        candidate: latencies(ms),
        ratio: format!("p99.9 {:.2} ms", quantile(ms, 0.999)),
        noise: String::new(),
        goal: format!("p99 ≤ {P99_GOAL_MS} ms"),
        met: Some(quantile(ms, 0.99) <= P99_GOAL_MS),
    }
}

fn burst_row(ms: &[f64]) -> Row {
    Row {
        what: "… one message for each at once, until all are received".to_owned(),
        reference: format!("{} messages", ms.len()),
        candidate: latencies(ms),
        ratio: String::new(),
        noise: String::new(),
        goal: format!("max ≤ {BURST_GOAL_MS} ms"),
        met: Some(quantile(ms, 1.0) <= BURST_GOAL_MS),
    }
}

/// A message that was received: the number in its body, and when.
type Arrival = (usize, Instant);

/// The long polls; each asks again when it has its answer.
struct Polls {
    tasks: JoinSet<()>,
    /// Requests whose first POPDUE is to come or has come.
    asked: Arc<AtomicUsize>,
}

impl Polls {
    /// Returns when all wait.
    async fn start(gateway: &Gateway, control: &mut Redis) -> (Self, UnboundedReceiver<Arrival>) {
        let (arrived, arrivals) = unbounded_channel();
        let asked = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for number in 0..POLLS {
            let request = receive(gateway, number % QUEUES).into();
            let connection = Connection::open(gateway.port()).await;
            tasks.spawn(poll(connection, request, arrived.clone(), Arc::clone(&asked)));
        }
        let mut polls = Self { tasks, asked };
        polls.settle(control).await;
        (polls, arrivals)
    }

    /// Returns when all wait again: each has asked, and each question was put to Redis.
    async fn settle(&mut self, control: &mut Redis) {
        let deadline = Instant::now() + PATIENCE;
        let mut before = (0, 0);
        loop {
            let now = (self.asked.load(Ordering::Relaxed), gauge::calls(control, "karin.popdue"));
            if now == before && now.0 >= POLLS && now.1 >= now.0 {
                return;
            }
            assert!(Instant::now() < deadline, "(asked, looked) is {now:?}");
            before = now;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn poll(
    mut connection: Connection,
    request: Arc<[u8]>,
    arrived: UnboundedSender<Arrival>,
    asked: Arc<AtomicUsize>,
) {
    loop {
        asked.fetch_add(1, Ordering::Relaxed);
        let answer = connection.exchange(&request).await;
        let at = Instant::now();
        for body in between(answer, br#""Body":""#, b'"') {
            let number = std::str::from_utf8(body).ok().and_then(|body| body.parse().ok());
            let _ = arrived.send((number.expect("a number"), at));
        }
    }
}

/// Where all messages arrive.
struct Inbox {
    arrivals: UnboundedReceiver<Arrival>,
}

impl Inbox {
    /// When each of `count` messages was received, by its number.
    async fn all(&mut self, count: usize) -> Vec<Instant> {
        let mut received = vec![None; count];
        for _ in 0..count {
            let next = tokio::time::timeout(PATIENCE, self.arrivals.recv()).await;
            let (number, at) = next.expect("a message is missing").expect("polls");
            assert!(received[number].replace(at).is_none(), "{number} was received twice");
        }
        received.into_iter().flatten().collect()
    }
}

/// Milliseconds from when each was to be sent.
async fn steady(gateway: &Gateway, inbox: &mut Inbox, seconds: f64) -> Vec<f64> {
    let count = (MESSAGES_PER_S * seconds) as usize;
    let mut turns = Vec::new();
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (turn, ours) = unbounded_channel();
        turns.push(turn);
        let connection = Connection::open(gateway.port()).await;
        senders.spawn(send_turns(connection, gateway.port(), gateway.url(), ours));
    }
    http_load::pace(turns, MESSAGES_PER_S, count);
    let received = inbox.all(count).await;
    let mut begun = senders.join_all().await.concat();
    begun.sort_by_key(|turn| turn.number);
    begun.iter().zip(received).map(|(turn, at)| milliseconds(turn.begin, at)).collect()
}

async fn send_turns(
    mut connection: Connection,
    port: u16,
    gateway: String,
    mut turns: UnboundedReceiver<Turn>,
) -> Vec<Turn> {
    let mut begun = Vec::new();
    while let Some(turn) = turns.recv().await {
        let queue = turn.number % QUEUES;
        let url = queue_url(&gateway, queue);
        let body = format!(r#"{{"QueueUrl":"{url}","MessageBody":"{}"}}"#, turn.number);
        connection.exchange(&http_load::json(port, "SendMessage", &body)).await;
        begun.push(turn);
    }
    begun
}

/// Milliseconds from when the first was sent.
async fn burst(gateway: &Gateway, inbox: &mut Inbox) -> Vec<f64> {
    let batches = (0..POLLS / BATCH).map(|batch| {
        // Each queue gets as many messages as it has polls.
        let url = queue_url(&gateway.url(), batch % QUEUES);
        let entries = (0..BATCH).map(|entry| {
            format!(r#"{{"Id":"{entry}","MessageBody":"{}"}}"#, batch * BATCH + entry)
        });
        let entries = entries.collect::<Vec<_>>().join(",");
        let body = format!(r#"{{"QueueUrl":"{url}","Entries":[{entries}]}}"#);
        http_load::json(gateway.port(), "SendMessageBatch", &body)
    });
    let batches: Arc<[Vec<u8>]> = batches.collect();
    let mut connections = Vec::new();
    for _ in 0..SENDERS {
        connections.push(Connection::open(gateway.port()).await);
    }
    let started = Instant::now();
    for (first, mut connection) in connections.into_iter().enumerate() {
        let batches = Arc::clone(&batches);
        tokio::spawn(async move {
            for batch in batches.iter().skip(first).step_by(SENDERS) {
                connection.exchange(batch).await;
            }
        });
    }
    let received = inbox.all(POLLS).await;
    received.into_iter().map(|at| milliseconds(started, at)).collect()
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1_000.0
}

fn queue_url(gateway: &str, queue: usize) -> String {
    format!("{gateway}/000000000000/q{queue}")
}

fn receive(gateway: &Gateway, queue: usize) -> Vec<u8> {
    let url = queue_url(&gateway.url(), queue);
    let body = format!(r#"{{"QueueUrl":"{url}","WaitTimeSeconds":20}}"#);
    http_load::json(gateway.port(), "ReceiveMessage", &body)
}

/// Each poll is a connection, and each connection a file.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = POLLS as u64 + 1_000;
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), ..limit };
        setrlimit(Resource::Nofile, raised).expect("a limit of open files above 9,000 (ulimit -n)");
    }
}
