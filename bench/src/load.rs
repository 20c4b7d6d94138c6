//! The two loops that are measured: many sends, and receiving and deleting all there is. One
//! thread keeps several pipelined connections busy, for reference and candidate alike.

use std::time::Instant;

use karin_tests::redis::RedisServer;
use redis::Connection;

use crate::gauge;
use crate::report::{Goal, Pairs, Row};
use crate::resp::{Pick, Strings, Wire, prepared};

const CONNECTIONS: usize = 8;
/// Sends a connection has under way.
const SENDS: usize = 16;
/// Receives a connection has under way; with them goes the deletion of what came before.
const RECEIVES: usize = 4;
/// Messages of one receive.
pub(crate) const COUNT: usize = 10;

/// What a number of messages cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Messages per second.
    pub(crate) rate: f64,
    /// The server's CPU per message, microseconds.
    pub(crate) cpu_us: f64,
}

/// Appends the commands that delete what has these names.
type Delete<'a> = dyn Fn(&mut Wire, &Strings) + 'a;

/// How to receive, and to delete what was received.
pub(crate) struct Consumer<'a> {
    /// One receive of up to [`COUNT`] messages, prepared.
    pub(crate) receive: Vec<u8>,
    /// Where the names to delete by are in the answer.
    pub(crate) names: Pick,
    /// Sends the deletion of these messages.
    pub(crate) delete: Box<Delete<'a>>,
    /// Commands of one deletion.
    pub(crate) delete_commands: usize,
}

/// POPDUE COUNT 10, and one ACK.
pub(crate) fn karin_consumer(key: &str) -> Consumer<'_> {
    Consumer {
        receive: prepared(&["KARIN.POPDUE", key, "COUNT", &COUNT.to_string()]),
        names: Pick { depth: 2, index: 1 },
        delete: Box::new(move |wire, receipts| {
            wire.command([b"KARIN.ACK", key.as_bytes()].into_iter().chain(receipts.iter()));
        }),
        delete_commands: 1,
    }
}

/// Sends `messages` messages; `send` appends the command for the n-th.
pub(crate) fn produce(
    redis: &RedisServer,
    messages: usize,
    send: impl Fn(&mut Wire, usize),
) -> Cost {
    let mut wires: Vec<Wire> = (0..CONNECTIONS).map(|_| Wire::open(redis)).collect();
    let mut pending = [0_usize; CONNECTIONS];
    measured(redis, messages, || {
        let mut begun = 0;
        while begun < messages || pending.iter().any(|&n| n > 0) {
            for (wire, pending) in wires.iter_mut().zip(&mut pending) {
                for _ in 0..std::mem::take(pending) {
                    wire.done();
                }
                while begun < messages && *pending < SENDS {
                    send(wire, begun);
                    begun += 1;
                    *pending += 1;
                }
                wire.flush();
            }
        }
    })
}

/// Receives and deletes until `messages` messages were received and all deletions answered.
pub(crate) fn consume(redis: &RedisServer, messages: usize, consumer: &Consumer<'_>) -> Cost {
    let mut wires: Vec<Wire> = (0..CONNECTIONS).map(|_| Wire::open(redis)).collect();
    // Per connection: deletions and receives without an answer yet.
    let mut pending = [(0_usize, 0_usize); CONNECTIONS];
    let mut names = Strings::default();
    measured(redis, messages, || {
        let mut received = 0;
        let mut empty = 0;
        while received < messages || pending.iter().any(|&p| p != (0, 0)) {
            for (wire, (deletions, receives)) in wires.iter_mut().zip(&mut pending) {
                for _ in 0..std::mem::take(deletions) * consumer.delete_commands {
                    wire.done();
                }
                for _ in 0..std::mem::take(receives) {
                    names.clear();
                    wire.picked(consumer.names, &mut names);
                    received += names.len();
                    if names.len() > 0 {
                        (consumer.delete)(wire, &names);
                        *deletions += 1;
                    } else {
                        empty += 1;
                    }
                }
                // FIFO keeps messages back while others are in flight, but not for ever.
                assert!(empty <= messages, "only {received} of {messages} messages come");
                while received < messages && *receives < RECEIVES {
                    wire.again(&consumer.receive);
                    *receives += 1;
                }
                wire.flush();
            }
        }
    })
}

/// Time and the server's CPU of `work`.
fn measured(redis: &RedisServer, messages: usize, work: impl FnOnce()) -> Cost {
    let mut control: Connection = redis.connection();
    let cpu_before_s = gauge::cpu_s(&mut control);
    let started = Instant::now();
    work();
    let seconds = started.elapsed().as_secs_f64();
    let cpu_s = gauge::cpu_s(&mut control) - cpu_before_s;
    Cost { rate: messages as f64 / seconds, cpu_us: cpu_s * 1e6 / messages as f64 }
}

/// Costs of a reference and of a candidate, measured in turn.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    rates: Pairs,
    cpu: Pairs,
}

impl Costs {
    pub(crate) fn push(&mut self, reference: Cost, candidate: Cost) {
        self.rates.push(reference.rate, candidate.rate);
        self.cpu.push(reference.cpu_us, candidate.cpu_us);
    }

    /// The throughput, which the goal is about, and below it the CPU.
    pub(crate) fn rows(&self, what: &str, goal: Goal) -> [Row; 2] {
        [
            self.rates.row(what, "/s", goal),
            self.cpu.row(&format!("… server CPU per message: {what}"), "µs", Goal::Information),
        ]
    }
}
