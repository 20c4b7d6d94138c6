//! What a message of 100 bytes takes in Redis's memory.

use karin_tests::redis::RedisServer;
use redis::Connection;

use crate::gauge::{self, BATCH, QUEUE};
use crate::report::Row;
use crate::resp::{Pick, Strings, Wire, prepared};

/// All may be in flight: the limit is 120,000.
const MESSAGES: usize = 100_000;
const IDS: Pick = Pick { depth: 2, index: 0 };

pub(crate) fn rows() -> Vec<Row> {
    let send = prepared(&["KARIN.SEND", QUEUE, &gauge::body()]);
    let bytes = Bytes::measure(QUEUE, |_| {}, |wire, _| wire.again(&send));
    [("ready", bytes.ready, 200.0), ("in flight", bytes.in_flight, 230.0)]
        .map(|(state, bytes, goal)| Row {
            what: format!("memory per message of 100 B, {state}"),
            reference: "100 B".to_owned(),
            candidate: format!("{bytes:.0} B"),
            ratio: format!("{:.2} ×", bytes / 100.0),
            noise: String::new(),
            goal: format!("≤ {goal} B"),
            met: Some(bytes <= goal),
        })
        .into()
}

/// Bytes per message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes {
    pub(crate) ready: f64,
    pub(crate) in_flight: f64,
}

impl Bytes {
    /// Fills a queue on a new server and receives what it gives; `send` appends the command for
    /// the n-th message.
    pub(crate) fn measure(
        key: &str,
        prepare: impl FnOnce(&mut Connection),
        send: impl Fn(&mut Wire, usize),
    ) -> Self {
        let redis = RedisServer::start(&[]);
        let mut control = redis.connection();
        let mut wire = Wire::open(&redis);
        prepare(&mut control);
        let empty = gauge::used_bytes(&mut control);
        for batch in 0..MESSAGES / BATCH {
            for n in 0..BATCH {
                send(&mut wire, batch * BATCH + n);
            }
            wire.flush();
            (0..BATCH).for_each(|_| wire.done());
        }
        let filled = gauge::used_bytes(&mut control);
        let received = receive_all(&mut wire, key);
        let ready = (filled - empty) / MESSAGES as f64;
        // A FIFO queue keeps back what stands behind a message in flight.
        let lease = (gauge::used_bytes(&mut control) - filled) / received as f64;
        Self { ready, in_flight: ready + lease }
    }
}

/// Receives until nothing comes; returns how many came.
fn receive_all(wire: &mut Wire, key: &str) -> usize {
    let count = BATCH.to_string();
    let pop = prepared(&["KARIN.POPDUE", key, "COUNT", &count, "VISIBILITY", "3600"]);
    let mut received = 0;
    let mut ids = Strings::default();
    loop {
        ids.clear();
        wire.again(&pop);
        wire.flush();
        wire.picked(IDS, &mut ids);
        received += ids.len();
        if ids.len() == 0 {
            return received;
        }
    }
}
