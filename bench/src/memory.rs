//! What a message of 100 bytes takes in Redis's memory.

use karin_tests::redis::RedisServer;

use crate::report::Row;

const MESSAGES: usize = 200_000;
const BATCH: usize = 1_000;

pub(crate) fn rows() -> Vec<Row> {
    let redis = RedisServer::start(&[]);
    let mut connection = redis.connection();
    let empty = used_bytes(&redis);
    let body = "x".repeat(100);
    for _ in 0..MESSAGES / BATCH {
        let mut send = redis::cmd("KARIN.SENDM");
        send.arg("karin:{q}").arg(BATCH);
        for _ in 0..BATCH {
            send.arg("MSG").arg(&body);
        }
        send.exec(&mut connection).expect("SENDM");
    }
    let ready = used_bytes(&redis) - empty;
    for _ in 0..MESSAGES / BATCH {
        let mut pop = redis::cmd("KARIN.POPDUE");
        pop.arg("karin:{q}").arg("COUNT").arg(BATCH).arg("VISIBILITY").arg(3_600);
        pop.exec(&mut connection).expect("POPDUE");
    }
    let in_flight = used_bytes(&redis) - empty;
    [("ready", ready, "≤ 200 B"), ("in flight", in_flight, "≤ 230 B")]
        .map(|(state, bytes, goal)| Row {
            what: format!("memory per message of 100 B, {state}"),
            reference: "100 B".to_owned(),
            candidate: format!("{:.0} B", bytes / MESSAGES as f64),
            ratio: format!("{:.2} ×", bytes / MESSAGES as f64 / 100.0),
            noise: String::new(),
            goal,
        })
        .into()
}

fn used_bytes(redis: &RedisServer) -> f64 {
    let info = redis.info("memory");
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.expect("used_memory").trim().parse().expect("a number")
}
