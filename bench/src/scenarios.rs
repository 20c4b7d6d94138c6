//! What may find a million messages in its way.

use redis::{Connection, RedisResult};

use crate::gauge::{self, BATCH, FIFO_QUEUE, QUEUE, try_run};

const MESSAGES: usize = 1_000_000;
/// In flight for RELEASE HOLDER.
const HELD: usize = 100_000;
/// For every command that is not documented to take long.
const GOAL_MS: f64 = 2.0;

type Step = fn(&mut Connection) -> RedisResult<()>;

/// One command, and the queue it meets.
pub(crate) struct Scenario {
    pub(crate) what: &'static str,
    /// The command's name in the slow log.
    pub(crate) command: &'static str,
    pub(crate) prepare: Step,
    pub(crate) act: Step,
    /// Of the command itself; none of what is documented to take long.
    pub(crate) goal_ms: Option<f64>,
}

pub(crate) const ALL: [Scenario; 22] = [
    Scenario {
        goal_ms: Some(1.0),
        ..goal("UNLINK", "unlink", ready, |c| try_run(c, &format!("UNLINK {QUEUE}")))
    },
    goal("FLUSHALL ASYNC", "flushall", ready, |c| try_run(c, "FLUSHALL ASYNC")),
    goal("KARIN.PURGE", "karin.purge", ready, |c| try_run(c, &format!("KARIN.PURGE {QUEUE}"))),
    goal("POPDUE 10, 200 times, all became due at once", "karin.popdue", due_at_once, receive),
    goal("POPDUE 10, 200 times, all expired at once", "karin.popdue", expired_at_once, receive),
    goal("KARIN.INFO, all became due at once", "karin.info", due_at_once, |c| {
        try_run(c, &format!("KARIN.INFO {QUEUE}"))
    }),
    goal("KARIN.LIST, all became due at once", "karin.list", due_at_once, |c| {
        try_run(c, "KARIN.LIST")
    }),
    goal("KARIN.SEND, all became due at once", "karin.send", due_at_once, |c| {
        try_run(c, &format!("KARIN.SEND {QUEUE} x"))
    }),
    goal("RELEASE HOLDER until 100,000 are given back", "karin.release", held, release_all),
    goal("RELEASE HOLDER of one with none of 100,000 in flight", "karin.release", held, |c| {
        try_run(c, &format!("KARIN.RELEASE {QUEUE} HOLDER 8"))
    }),
    goal("PEEK of the delayed, there are none", "karin.peek", ready, |c| {
        try_run(c, &format!("KARIN.PEEK {QUEUE} STATE delayed COUNT 10"))
    }),
    goal("POPDUE 10, 200 times, all received too often", "karin.popdue", exhausted, receive),
    goal("DEADACK of 1e6 dead letters", "karin.deadack", dead, |c| {
        try_run(c, &format!("KARIN.DEADACK {QUEUE} UPTO {MESSAGES}"))
    }),
    goal("FIFO, 1e6 groups: UNLINK", "unlink", fifo_many_groups, |c| {
        try_run(c, &format!("UNLINK {FIFO_QUEUE}"))
    }),
    goal("FIFO, 1e6 groups: KARIN.PURGE", "karin.purge", fifo_many_groups, |c| {
        try_run(c, &format!("KARIN.PURGE {FIFO_QUEUE}"))
    }),
    goal("FIFO, 1e6 groups: POPDUE 10, 200 times", "karin.popdue", fifo_many_groups, receive_fifo),
    goal("FIFO, one group: POPDUE 10, 200 times", "karin.popdue", fifo_one_group, receive_fifo),
    goal("FIFO, all became due at once: POPDUE 10", "karin.popdue", fifo_due_at_once, receive_fifo),
    goal("FIFO, 1e6 deduplication ids expired at once: SEND", "karin.send", fifo_forgotten, |c| {
        try_run(c, &format!("KARIN.SEND {FIFO_QUEUE} x GROUP g DEDUP other"))
    }),
    documented("DEL", "del", |c| try_run(c, &format!("DEL {QUEUE}"))),
    documented("COPY", "copy", |c| try_run(c, &format!("COPY {QUEUE} copy{QUEUE}"))),
    documented("DUMP", "dump", |c| try_run(c, &format!("DUMP {QUEUE}"))),
];

const fn goal(what: &'static str, command: &'static str, prepare: Step, act: Step) -> Scenario {
    Scenario { what, command, prepare, act, goal_ms: Some(GOAL_MS) }
}

const fn documented(what: &'static str, command: &'static str, act: Step) -> Scenario {
    Scenario { what, command, prepare: ready, act, goal_ms: None }
}

fn ready(connection: &mut Connection) -> RedisResult<()> {
    gauge::fill_each(connection, QUEUE, MESSAGES, |_| Vec::new())
}

fn due_at_once(connection: &mut Connection) -> RedisResult<()> {
    gauge::fill(connection, QUEUE, MESSAGES, &["DELAY", "600"]);
    try_run(connection, "KARIN.DEBUG CLOCK 700")
}

fn expired_at_once(connection: &mut Connection) -> RedisResult<()> {
    ready(connection)?;
    try_run(connection, "KARIN.DEBUG CLOCK 400000")
}

fn held(connection: &mut Connection) -> RedisResult<()> {
    ready(connection)?;
    for _ in 0..HELD / BATCH {
        try_run(
            connection,
            &format!("KARIN.POPDUE {QUEUE} COUNT {BATCH} VISIBILITY 3600 HOLDER 7"),
        )?;
    }
    Ok(())
}

/// Every message was received once, and may be no more often.
fn exhausted(connection: &mut Connection) -> RedisResult<()> {
    let attributes = "deadLetterTargetArn arn:aws:sqs:local:000000000000:dead maxReceiveCount 1";
    try_run(connection, &format!("KARIN.CREATE {QUEUE} {attributes}"))?;
    ready(connection)?;
    // What is received is due again at once, behind everything that was not received yet.
    receive_batches(connection, "VISIBILITY 0")
}

fn dead(connection: &mut Connection) -> RedisResult<()> {
    exhausted(connection)?;
    receive_batches(connection, "")
}

fn receive_batches(connection: &mut Connection, options: &str) -> RedisResult<()> {
    let pop = format!("KARIN.POPDUE {QUEUE} COUNT {BATCH} {options}");
    (0..MESSAGES / BATCH).try_for_each(|_| try_run(connection, pop.trim_end()))
}

fn fifo_many_groups(connection: &mut Connection) -> RedisResult<()> {
    fifo(connection, "", MESSAGES)
}

fn fifo_one_group(connection: &mut Connection) -> RedisResult<()> {
    fifo(connection, "", 1)
}

fn fifo_due_at_once(connection: &mut Connection) -> RedisResult<()> {
    fifo(connection, "DelaySeconds 600", 1_000)?;
    try_run(connection, "KARIN.DEBUG CLOCK 700")
}

/// The five minutes are over in which the ids tell duplicates.
fn fifo_forgotten(connection: &mut Connection) -> RedisResult<()> {
    fifo(connection, "", 1_000)?;
    try_run(connection, "KARIN.DEBUG CLOCK 700")
}

fn fifo(connection: &mut Connection, attributes: &str, groups: usize) -> RedisResult<()> {
    try_run(connection, format!("KARIN.CREATE {FIFO_QUEUE} FIFO {attributes}").trim_end())?;
    gauge::fill_each(connection, FIFO_QUEUE, MESSAGES, |n| {
        ["GROUP".into(), format!("group{}", n % groups), "DEDUP".into(), format!("{n}")].into()
    })
}

fn receive(connection: &mut Connection) -> RedisResult<()> {
    let pop = format!("KARIN.POPDUE {QUEUE} COUNT 10");
    (0..200).try_for_each(|_| try_run(connection, &pop))
}

fn receive_fifo(connection: &mut Connection) -> RedisResult<()> {
    let pop = format!("KARIN.POPDUE {FIFO_QUEUE} COUNT 10");
    (0..200).try_for_each(|_| try_run(connection, &pop))
}

fn release_all(connection: &mut Connection) -> RedisResult<()> {
    let mut released = 0;
    while released < HELD {
        let mut release = redis::cmd("KARIN.RELEASE");
        let now: usize = release.arg(QUEUE).arg("HOLDER").arg(7).query(connection)?;
        assert!(now > 0, "{released} of {HELD} given back");
        released += now;
    }
    Ok(())
}
