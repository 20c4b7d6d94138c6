//! What the number of messages in a queue does to the cost of a command: the same rounds of SEND,
//! POPDUE, EXTEND and ACK on a queue kept at 1,000 and on one kept at 1,000,000 messages.
//!
//! A command's own time is the server's count of it (INFO commandstats), the strictest measure:
//! what the network costs does not dilute it.

use std::collections::VecDeque;

use karin_tests::redis::RedisServer;
use redis::Connection;

use crate::Effort;
use crate::gauge::{self, BATCH};
use crate::load::COUNT;
use crate::report::{Goal, Pairs, Row};
use crate::resp::{Pick, Strings, Wire};

const SHALLOW: usize = 1_000;
const DEEP: usize = 1_000_000;
/// Messages that come and go in a round; few against [`SHALLOW`].
const ROUND: usize = 200;
/// Messages in flight while most are delayed: every tenth, below the limit of 120,000.
const IN_FLIGHT: usize = 10;

const RECEIPTS: Pick = Pick { depth: 2, index: 1 };

/// What the messages wait for that are there all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// A receiver.
    Ready,
    /// Their time: nine of ten delayed, one in flight.
    Timed,
}

/// What is told apart; the figures are microseconds per message.
const MEASURES: [&str; 4] = ["SEND", "POPDUE 10 + ACK", "EXTEND", "all of it, server CPU"];

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for (waiting, name) in [(Waiting::Ready, "ready"), (Waiting::Timed, "delayed or in flight")] {
        let redis = RedisServer::start(&[]);
        let mut shallow = Queue::filled(&redis, "karin:{shallow}", waiting, SHALLOW);
        let mut deep = Queue::filled(&redis, "karin:{deep}", waiting, DEEP);
        let mut pairs: [Pairs; 4] = std::array::from_fn(|_| Pairs::default());
        for _ in 0..effort.pairs {
            let reference = shallow.cost_us(effort.rounds);
            let candidate = deep.cost_us(effort.rounds);
            for (pairs, (reference, candidate)) in
                pairs.iter_mut().zip(reference.into_iter().zip(candidate))
            {
                pairs.push(reference, candidate);
            }
        }
        rows.extend(pairs.iter().zip(MEASURES).map(|(pairs, measure)| {
            let what = format!("{measure}: 1e6 messages against 1e3, {name}");
            pairs.row(&what, "µs", Goal::AtMost(1.3))
        }));
    }
    rows
}

/// A queue that is kept at its depth.
struct Queue {
    key: &'static str,
    waiting: Waiting,
    control: Connection,
    wire: Wire,
    /// Receipts of what is in flight all the time, the oldest first.
    in_flight: VecDeque<Vec<u8>>,
    spread: Spread,
}

impl Queue {
    fn filled(redis: &RedisServer, key: &'static str, waiting: Waiting, depth: usize) -> Self {
        let mut queue = Self {
            key,
            waiting,
            control: redis.connection(),
            wire: Wire::open(redis),
            in_flight: VecDeque::new(),
            spread: Spread(1),
        };
        // The clock is moved while measuring; nothing may expire of it.
        gauge::run(
            &mut queue.control,
            &format!("KARIN.CREATE {key} MessageRetentionPeriod 300000000"),
        );
        match waiting {
            Waiting::Ready => gauge::fill(&mut queue.control, key, depth, &[]),
            Waiting::Timed => queue.fill_timed(depth),
        }
        queue
    }

    fn fill_timed(&mut self, depth: usize) {
        let held = depth / IN_FLIGHT;
        for batch in batches(held) {
            gauge::fill(&mut self.control, self.key, batch, &[]);
            self.pop(batch, batch);
        }
        for batch in batches(depth - held) {
            let delay_s = self.spread.seconds(1_000_000, 1_000_000);
            gauge::fill(&mut self.control, self.key, batch, &["DELAY", &delay_s]);
        }
    }

    /// Microseconds per message of each of [`MEASURES`], over this many rounds.
    fn cost_us(&mut self, rounds: usize) -> [f64; 4] {
        let before = self.counters_us();
        for _ in 0..rounds {
            self.round();
        }
        let after = self.counters_us();
        let messages = (rounds * ROUND) as f64;
        std::array::from_fn(|n| (after[n] - before[n]) / messages)
    }

    fn counters_us(&mut self) -> [f64; 4] {
        let mut of = |command| gauge::command_us(&mut self.control, command);
        let [send, pop, ack, extend] =
            ["karin.send", "karin.popdue", "karin.ack", "karin.extend"].map(&mut of);
        [send, pop + ack, extend, gauge::cpu_s(&mut self.control) * 1e6]
    }

    /// Sends, receives, extends and deletes [`ROUND`] messages. Those that are timed become due by
    /// a moved clock; what is extended and deleted was received long before.
    fn round(&mut self) {
        let body = gauge::body();
        for _ in 0..ROUND {
            let send = [b"KARIN.SEND", self.key.as_bytes(), body.as_bytes()];
            match self.waiting {
                Waiting::Ready => self.wire.command(send),
                Waiting::Timed => {
                    let delay_s = format!("0.{:03}", 1 + self.spread.below(900));
                    self.wire.command(send.into_iter().chain([b"DELAY", delay_s.as_bytes()]));
                }
            }
        }
        self.finish(ROUND);
        if self.waiting == Waiting::Timed {
            gauge::run(&mut self.control, "KARIN.DEBUG CLOCK 1");
        }
        self.pop(ROUND, COUNT);
        let oldest: Vec<Vec<u8>> = self.in_flight.drain(..ROUND).collect();
        for receipts in oldest.chunks(COUNT) {
            let times: Vec<String> = receipts.iter().map(|_| self.hidden_s()).collect();
            let pairs = receipts.iter().zip(&times).flat_map(|(r, s)| [&r[..], s.as_bytes()]);
            self.wire.command([b"KARIN.EXTEND", self.key.as_bytes()].into_iter().chain(pairs));
        }
        self.finish(ROUND / COUNT);
        for receipts in oldest.chunks(COUNT) {
            let receipts = receipts.iter().map(Vec::as_slice);
            self.wire.command([b"KARIN.ACK", self.key.as_bytes()].into_iter().chain(receipts));
        }
        self.finish(ROUND / COUNT);
    }

    /// Receives `messages` messages, `count` at a time, and keeps their receipts.
    fn pop(&mut self, messages: usize, count: usize) {
        let count_text = count.to_string();
        for _ in 0..messages / count {
            let hidden_s = self.hidden_s();
            let pop = ["KARIN.POPDUE", self.key, "COUNT", &count_text, "VISIBILITY", &hidden_s];
            self.wire.command(pop.iter().map(|a| a.as_bytes()));
        }
        self.wire.flush();
        let mut receipts = Strings::default();
        for _ in 0..messages / count {
            self.wire.picked(RECEIPTS, &mut receipts);
        }
        assert_eq!(receipts.len(), messages, "{}: received", self.key);
        self.in_flight.extend(receipts.iter().map(<[u8]>::to_vec));
    }

    /// A visibility timeout longer than the measurement, below SQS's 12 hours.
    fn hidden_s(&mut self) -> String {
        self.spread.seconds(30_000, 6_000)
    }

    fn finish(&mut self, replies: usize) {
        self.wire.flush();
        for _ in 0..replies {
            self.wire.done();
        }
    }
}

fn batches(messages: usize) -> impl Iterator<Item = usize> {
    (0..messages).step_by(BATCH).map(move |done| (messages - done).min(BATCH))
}

/// Numbers in no order, the same ones in every run (the multiplier is Knuth's MMIX).
#[derive(Debug)]
struct Spread(u64);

impl Spread {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }

    fn seconds(&mut self, from: u64, width: u64) -> String {
        format!("{}.{:03}", from + self.below(width), self.below(1_000))
    }
}
