//! The module against what people write without one: Lua scripts over a sorted set of due times and
//! a string per message, with a hash of receive counts.
//!
//! The scripts are as quick as they can be and still do this: ids and the time come from the
//! client, several elements go into one call where Redis has one. They know no receipts, no
//! retention, no size limit, no hints.

use karin_tests::redis::RedisServer;

use crate::Effort;
use crate::gauge::{self, QUEUE};
use crate::load::{self, COUNT, Consumer, Cost, Costs};
use crate::report::{Goal, Row};
use crate::resp::{Pick, Strings, Wire, prepared};

const DUE: &str = "{q}:due";
const COUNTS: &str = "{q}:counts";
const MESSAGE: &str = "{q}:message:";

const SEND: &str = "
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('SET', KEYS[2], ARGV[3])
return ARGV[1]";

const POP: &str = "
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
if #ids == 0 then return ids end
local dues, keys = {}, {}
for n, id in ipairs(ids) do
    dues[2 * n - 1] = ARGV[3]
    dues[2 * n] = id
    keys[n] = ARGV[4] .. id
end
redis.call('ZADD', KEYS[1], unpack(dues))
local bodies = redis.call('MGET', unpack(keys))
for n, id in ipairs(ids) do
    ids[n] = {id, bodies[n], redis.call('HINCRBY', KEYS[2], id, 1)}
end
return ids";

const ACK: &str = "
local keys = {}
for n = 2, #ARGV do keys[n - 1] = ARGV[1] .. ARGV[n] end
redis.call('DEL', unpack(keys))
redis.call('HDEL', KEYS[2], unpack(ARGV, 2))
return redis.call('ZREM', KEYS[1], unpack(ARGV, 2))";

/// When every message of the scripts was due, and until when a receive hides it, milliseconds.
const NOW_MS: &str = "1700000000000";
const HIDDEN_UNTIL_MS: &str = "1700000030000";

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for (persistence, redis) in gauge::servers() {
        let scripts = Scripts::load(&redis);
        let (mut sends, mut receives) = (Costs::default(), Costs::default());
        for _ in 0..effort.pairs {
            redis.cli(&["FLUSHALL"]);
            let script_send = load::produce(&redis, effort.commands, |w, n| scripts.send(w, n));
            let script_receive = scripts.consume(&redis, effort.commands);
            redis.cli(&["FLUSHALL"]);
            let send = prepared(&["KARIN.SEND", QUEUE, &gauge::body()]);
            let karin_send = load::produce(&redis, effort.commands, |wire, _| wire.again(&send));
            let consumer = load::karin_consumer(QUEUE);
            let karin_receive = load::consume(&redis, effort.commands, &consumer);
            sends.push(script_send, karin_send);
            receives.push(script_receive, karin_receive);
        }
        let what = format!("KARIN.SEND against a script on zset + string, {persistence}");
        rows.extend(sends.rows(&what, Goal::AtLeast(3.0)));
        let what = format!("POPDUE COUNT 10 + ACK against scripts, {persistence}");
        rows.extend(receives.rows(&what, Goal::AtLeast(5.0)));
    }
    rows
}

/// The loaded scripts' names.
#[derive(Debug)]
struct Scripts {
    send: String,
    pop: String,
    ack: String,
    body: String,
}

impl Scripts {
    fn load(redis: &RedisServer) -> Self {
        let load = |script| redis.cli(&["SCRIPT", "LOAD", script]);
        Self { send: load(SEND), pop: load(POP), ack: load(ACK), body: gauge::body() }
    }

    fn send(&self, wire: &mut Wire, n: usize) {
        // As long as karin's ids.
        let id = format!("{n:08x}-0000-0000-0000-000000000000");
        let key = format!("{MESSAGE}{id}");
        let arguments = ["EVALSHA", &self.send, "2", DUE, &key, &id, NOW_MS, &self.body];
        wire.command(arguments.iter().map(|a| a.as_bytes()));
    }

    fn acknowledge(&self, wire: &mut Wire, ids: &Strings) {
        let head = ["EVALSHA", &self.ack, "2", DUE, COUNTS, MESSAGE];
        wire.command(head.iter().map(|a| a.as_bytes()).chain(ids.iter()));
    }

    fn consume(&self, redis: &RedisServer, messages: usize) -> Cost {
        let count = COUNT.to_string();
        let pop =
            ["EVALSHA", &self.pop, "2", DUE, COUNTS, NOW_MS, &count, HIDDEN_UNTIL_MS, MESSAGE];
        let consumer = Consumer {
            receive: prepared(&pop),
            names: Pick { depth: 1, index: 0 },
            delete: Box::new(|wire, ids| self.acknowledge(wire, ids)),
            delete_commands: 1,
        };
        load::consume(redis, messages, &consumer)
    }
}
