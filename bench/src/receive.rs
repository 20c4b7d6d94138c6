//! POPDUE COUNT 10 and ACK against what does the same with a stream: XREADGROUP COUNT 10, XACK and
//! XDEL. Each empties a queue of the same messages.

use karin_tests::redis::RedisServer;

use crate::Effort;
use crate::gauge::{self, QUEUE};
use crate::load::{self, COUNT, Consumer, Cost, Costs};
use crate::report::{Goal, Row};
use crate::resp::{Pick, prepared};

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for (persistence, redis) in gauge::servers() {
        let mut costs = Costs::default();
        for _ in 0..effort.pairs {
            costs.push(stream(&redis, effort.commands), karin(&redis, effort.commands));
        }
        let what = format!("POPDUE COUNT 10 + ACK against XREADGROUP + XACK + XDEL, {persistence}");
        rows.extend(costs.rows(&what, Goal::AtLeast(1.0)));
    }
    rows
}

fn karin(redis: &RedisServer, messages: usize) -> Cost {
    redis.cli(&["FLUSHALL"]);
    gauge::fill(&mut redis.connection(), QUEUE, messages, &[]);
    load::consume(redis, messages, &load::karin_consumer(QUEUE))
}

fn stream(redis: &RedisServer, messages: usize) -> Cost {
    redis.cli(&["FLUSHALL"]);
    redis.cli(&["XGROUP", "CREATE", "stream", "group", "0", "MKSTREAM"]);
    let add = prepared(&["XADD", "stream", "*", "field", &gauge::body()]);
    load::produce(redis, messages, |wire, _| wire.again(&add));
    let count = COUNT.to_string();
    let consumer = Consumer {
        receive: prepared(&[
            "XREADGROUP",
            "GROUP",
            "group",
            "one",
            "COUNT",
            &count,
            "STREAMS",
            "stream",
            ">",
        ]),
        names: Pick { depth: 3, index: 0 },
        delete: Box::new(|wire, ids| {
            wire.command([&b"XACK"[..], b"stream", b"group"].into_iter().chain(ids.iter()));
            wire.command([&b"XDEL"[..], b"stream"].into_iter().chain(ids.iter()));
        }),
        delete_commands: 2,
    };
    load::consume(redis, messages, &consumer)
}
