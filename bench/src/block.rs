//! How soon a client that waits in POPDUE BLOCK has its message: after a send, against BLPOP and
//! RPUSH, and after a delayed message became due.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::Connection;

use crate::Effort;
use crate::gauge::{self, QUEUE};
use crate::report::{Row, latencies_us, lateness, quantile};
use crate::resp::{Pick, Strings, Wire, prepared};

/// When the message was sent, in a POPDUE's answer.
const SENT_MS: Pick = Pick { depth: 2, index: 5 };
/// How long a delayed message is delayed: from, and how much longer the others.
const DELAY_MS: (u64, u64) = (20, 40);

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let redis = RedisServer::start(&[]);
    let mut control = redis.connection();
    gauge::run(&mut control, &format!("KARIN.CREATE {QUEUE}"));
    let pop = format!("KARIN.POPDUE {QUEUE} BLOCK 0.01");
    if let Err(error) = gauge::try_run(&mut control, &pop) {
        return vec![Row::unsupported("POPDUE BLOCK wakes up", &error)];
    }
    let blpop = Waiter::start(&redis, &["BLPOP", "list", "60"], Pick { depth: 0, index: 1 });
    let popdue = ["KARIN.POPDUE", QUEUE, "VISIBILITY", "3600", "BLOCK", "60"];
    let karin = Waiter::start(&redis, &popdue, SENT_MS);
    vec![
        arrival(effort, &redis, &mut control, &blpop, &karin),
        due(effort, &redis, &mut control, &karin),
    ]
}

fn arrival(
    effort: &Effort,
    redis: &RedisServer,
    control: &mut Connection,
    blpop: &Waiter,
    karin: &Waiter,
) -> Row {
    let mut wire = Wire::open(redis);
    let push = prepared(&["RPUSH", "list", &gauge::body()]);
    let send = prepared(&["KARIN.SEND", QUEUE, &gauge::body()]);
    let (mut list_ms, mut karin_ms) = (Vec::new(), Vec::new());
    for _ in 0..effort.wakes {
        for (waiter, command, ms) in [(blpop, &push, &mut list_ms), (karin, &send, &mut karin_ms)] {
            waiter.wait(control);
            let started = Instant::now();
            wire.again(command);
            wire.flush();
            let woken = waiter.woken();
            wire.done();
            ms.push(woken.at.saturating_duration_since(started).as_secs_f64() * 1_000.0);
        }
    }
    let ratio = |q| quantile(&karin_ms, q) / quantile(&list_ms, q);
    // The reference's second half against its first.
    let (first, second) = list_ms.split_at(list_ms.len() / 2);
    let noise = |q| quantile(second, q) / quantile(first, q);
    Row {
        what: "SEND → POPDUE BLOCK answers, against RPUSH → BLPOP".to_owned(),
        reference: latencies_us(&list_ms),
        candidate: latencies_us(&karin_ms),
        ratio: format!("p50 {:.2} ×, p99 {:.2} ×", ratio(0.5), ratio(0.99)),
        noise: format!("p50 {:.2} ×, p99 {:.2} ×", noise(0.5), noise(0.99)),
        goal: String::new(),
        met: None,
    }
}

fn due(effort: &Effort, redis: &RedisServer, control: &mut Connection, karin: &Waiter) -> Row {
    let mut wire = Wire::open(redis);
    let (from_ms, width_ms) = DELAY_MS;
    let mut late_ms = Vec::new();
    for n in 0..effort.delayed_wakes as u64 {
        let delay_ms = from_ms + n * 7 % width_ms;
        karin.wait(control);
        let delay = format!("0.{delay_ms:03}");
        wire.again(&prepared(&["KARIN.SEND", QUEUE, &gauge::body(), "DELAY", &delay]));
        wire.flush();
        wire.done();
        let woken = karin.woken();
        let sent_ms: u64 = woken.picked.parse().expect("sent_ms");
        late_ms.push(woken.epoch_ms - (sent_ms + delay_ms) as f64);
    }
    lateness("due → POPDUE BLOCK answers".to_owned(), &late_ms)
}

/// A blocking command's answer.
#[derive(Debug)]
struct Woken {
    at: Instant,
    epoch_ms: f64,
    picked: String,
}

/// A thread with a connection that waits in a blocking command when it is told to.
#[derive(Debug)]
struct Waiter {
    orders: Sender<()>,
    answers: Receiver<Woken>,
}

impl Waiter {
    fn start(redis: &RedisServer, command: &[&str], pick: Pick) -> Self {
        let (orders, ordered) = channel::<()>();
        let (answer, answers) = channel();
        let mut wire = Wire::open(redis);
        let command = prepared(command);
        thread::spawn(move || {
            let mut strings = Strings::default();
            for () in ordered {
                strings.clear();
                wire.again(&command);
                wire.flush();
                wire.picked(pick, &mut strings);
                let at = Instant::now();
                let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
                let picked = strings.iter().next().expect("a message, not a timeout");
                let picked = String::from_utf8_lossy(picked).into_owned();
                let epoch_ms = since.as_secs_f64() * 1_000.0;
                if answer.send(Woken { at, epoch_ms, picked }).is_err() {
                    return;
                }
            }
        });
        Self { orders, answers }
    }

    /// Returns when the command waits.
    fn wait(&self, control: &mut Connection) {
        self.orders.send(()).expect("the waiter");
        let deadline = Instant::now() + wait::PATIENCE;
        while gauge::blocked(control) < 1.0 {
            assert!(Instant::now() < deadline, "the command does not block");
        }
    }

    fn woken(&self) -> Woken {
        self.answers.recv_timeout(wait::PATIENCE).expect("an answer")
    }
}
