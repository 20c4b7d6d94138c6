//! What groups and deduplication cost: a FIFO queue with 1,000 groups against a standard queue.

use redis::Connection;

use crate::Effort;
use crate::gauge::{self, FIFO_QUEUE, QUEUE};
use crate::load::{self, Costs};
use crate::memory::Bytes;
use crate::report::{Goal, Row};
use crate::resp::{Wire, prepared};

const GROUPS: usize = 1_000;

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let redis = gauge::persistent();
    let mut control = redis.connection();
    if let Err(error) = create(&mut control) {
        return vec![Row::unsupported("FIFO queues", &error)];
    }
    let (mut sends, mut receives) = (Costs::default(), Costs::default());
    for _ in 0..effort.pairs {
        redis.cli(&["FLUSHALL"]);
        let send = prepared(&["KARIN.SEND", QUEUE, &gauge::body()]);
        let standard = load::produce(&redis, effort.commands, |wire, _| wire.again(&send));
        let standard_receive = load::consume(&redis, effort.commands, &load::karin_consumer(QUEUE));
        redis.cli(&["FLUSHALL"]);
        create(&mut control).expect("CREATE");
        let body = gauge::body();
        let fifo = load::produce(&redis, effort.commands, |wire, n| send_fifo(wire, &body, n));
        let fifo_receive =
            load::consume(&redis, effort.commands, &load::karin_consumer(FIFO_QUEUE));
        sends.push(standard, fifo);
        receives.push(standard_receive, fifo_receive);
    }
    let mut rows = Vec::new();
    let what = "KARIN.SEND with GROUP and DEDUP, FIFO, 1,000 groups, against a standard queue";
    rows.extend(sends.rows(what, Goal::Information));
    let what = "POPDUE COUNT 10 + ACK, FIFO, 1,000 groups, against a standard queue";
    rows.extend(receives.rows(what, Goal::Information));
    rows.extend(memory_rows());
    rows
}

fn memory_rows() -> [Row; 2] {
    let body = gauge::body();
    let send = prepared(&["KARIN.SEND", QUEUE, &body]);
    let standard = Bytes::measure(QUEUE, |_| {}, |wire, _| wire.again(&send));
    let make = |control: &mut Connection| create(control).expect("CREATE");
    let fifo = Bytes::measure(FIFO_QUEUE, make, |wire, n| send_fifo(wire, &body, n));
    let states = [
        ("ready, its deduplication id remembered", standard.ready, fifo.ready),
        ("in flight, its deduplication id remembered", standard.in_flight, fifo.in_flight),
    ];
    states.map(|(state, standard, fifo)| Row {
        what: format!("memory per FIFO message of 100 B, {state}, against a standard queue"),
        reference: format!("{standard:.0} B"),
        candidate: format!("{fifo:.0} B"),
        ratio: format!("{:.2} ×", fifo / standard),
        noise: String::new(),
        goal: String::new(),
        met: None,
    })
}

fn create(control: &mut Connection) -> redis::RedisResult<()> {
    gauge::try_run(control, &format!("KARIN.CREATE {FIFO_QUEUE} FIFO"))
}

fn send_fifo(wire: &mut Wire, body: &str, n: usize) {
    let group = format!("group{}", n % GROUPS);
    let id = format!("{n:08x}-0000-0000-0000-000000000000");
    let send = ["KARIN.SEND", FIFO_QUEUE, body, "GROUP", &group, "DEDUP", &id];
    wire.command(send.iter().map(|a| a.as_bytes()));
}
