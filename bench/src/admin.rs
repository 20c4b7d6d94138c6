//! What somebody who looks at the admin page costs those who send (issue 6: ≤ 3 % of the rate with
//! 1,000 queues), and how long a page takes.

use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait;

use crate::http_load::{self, Connection, Pool};
use crate::report::{Goal, Pairs, Row, quantile};
use crate::{Effort, gauge};

const QUEUES: usize = 1_000;
const CONNECTIONS: usize = 32;
/// Two looks of a page at itself.
const SECONDS: f64 = 6.0;
const LOOK: Duration = Duration::from_secs(3);
/// Records of each history; a week of a queue that is always busy.
const RECORDS: usize = 250;
const PAGE_GOAL_MS: f64 = 50.0;

pub(crate) async fn rows(effort: &Effort) -> Vec<Row> {
    let redis = gauge::persistent();
    let gateway = with_history(&redis);
    let pages = ["/admin", "/admin/charts", "/admin/queues/q0/charts?span=week&numbers=1"];
    let mut rows = Vec::new();
    for page in pages {
        rows.push(page_row(&gateway, page, effort.rounds).await);
    }
    let pool = pool(&gateway);
    let mut pairs = Pairs::default();
    for _ in 0..effort.pairs {
        redis.cli(&["KARIN.PURGE", gauge::QUEUE]);
        let alone = http_load::rate(gateway.port(), &pool, CONNECTIONS, SECONDS).await;
        redis.cli(&["KARIN.PURGE", gauge::QUEUE]);
        let looking = tokio::spawn(look(gateway.port()));
        let looked_at = http_load::rate(gateway.port(), &pool, CONNECTIONS, SECONDS).await;
        looking.abort();
        pairs.push(alone, looked_at);
    }
    let what = format!("SendMessage, {QUEUES} queues, the charts looked at, against unseen");
    rows.push(pairs.row(&what, "/s", Goal::AtLeast(0.97)));
    rows
}

/// A gateway whose queues all have a past.
fn with_history(redis: &RedisServer) -> Gateway {
    let mut connection = redis.connection();
    let mut pipeline = redis::pipe();
    for n in 0..QUEUES {
        pipeline.cmd("KARIN.SEND").arg(format!("karin:{{q{n}}}")).arg("x").ignore();
    }
    pipeline.exec(&mut connection).expect("queues");
    redis.cli(&["KARIN.CREATE", gauge::QUEUE]);
    let gateway = Gateway::start(redis, &[]);
    let last = format!("karin:{{q{}}}:hist", QUEUES - 1);
    wait::until(wait::PATIENCE, "the first sweep", || redis.cli(&["EXISTS", &last]) == "1");
    let mut pipeline = redis::pipe();
    for n in 0..QUEUES {
        let key = format!("karin:{{q{n}}}:hist");
        let record: Vec<u8> =
            redis::cmd("GETRANGE").arg(&key).arg(0).arg(-1).query(&mut connection).expect("it");
        let records = (0..RECORDS).map(|n| earlier(&record, n * 2_400));
        pipeline.cmd("SET").arg(&key).arg(records.collect::<Vec<_>>().concat()).ignore();
    }
    pipeline.exec(&mut connection).expect("histories");
    gateway
}

/// The same record so many seconds earlier; the time stands behind length and version.
fn earlier(record: &[u8], by_s: usize) -> Vec<u8> {
    let mut record = record[..=usize::from(record[0])].to_vec();
    let at_s = u32::from_le_bytes(record[2..6].try_into().expect("four bytes"));
    let by_s = u32::try_from(by_s).expect("a week");
    record[2..6].copy_from_slice(&(at_s - by_s).to_le_bytes());
    record
}

fn get(port: u16, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n").into_bytes()
}

/// Somebody with the page of charts open.
async fn look(port: u16) {
    let mut connection = Connection::open(port).await;
    let request = get(port, "/admin/charts");
    loop {
        connection.exchange(&request).await;
        tokio::time::sleep(LOOK).await;
    }
}

async fn page_row(gateway: &Gateway, path: &str, rounds: usize) -> Row {
    let mut connection = Connection::open(gateway.port()).await;
    let request = get(gateway.port(), path);
    let (mut all_ms, mut bytes) = (Vec::new(), 0);
    for _ in 0..rounds {
        let start = Instant::now();
        bytes = connection.exchange(&request).await.len();
        all_ms.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    let [p50_ms, p99_ms] = [0.5, 0.99].map(|q| quantile(&all_ms, q));
    Row {
        what: format!("GET {path}, {QUEUES} queues"),
        reference: String::new(),
        candidate: format!("p50 {p50_ms:.1}, p99 {p99_ms:.1} ms, {} KB", bytes / 1_000),
        ratio: String::new(),
        noise: String::new(),
        goal: format!("p99 ≤ {PAGE_GOAL_MS} ms"),
        met: Some(p99_ms <= PAGE_GOAL_MS),
    }
}

fn pool(gateway: &Gateway) -> Pool {
    let url = format!("{}/000000000000/q", gateway.url());
    let body = format!(r#"{{"QueueUrl":"{url}","MessageBody":"{}"}}"#, gauge::body());
    vec![http_load::json(gateway.port(), "SendMessage", &body)].into()
}
