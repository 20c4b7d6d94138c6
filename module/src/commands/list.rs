//! `KARIN.LIST [PREFIX p] [AFTER key] [COUNT n] [DUE s] [TOUCHED s] [TARGET suffix]`: the queues of
//! the selected database.

use karin_core::limits::WALK_BUDGET;
use karin_core::{AttributeName, Counts, Queue};
use redis_module::Context;

use crate::args::Args;
use crate::docs::{Arg, Doc};
use crate::ffi::{self, Key, Value};
use crate::reply::{Failure, Reply};
use crate::{clock, registry, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.list",
    summary: c"Returns the queues of this node in the selected database, sorted by name.",
    complexity: c"O(log N + K) for N queues and K looked at, at most 1000 a call.",
    arity: -1,
    key: None,
    arguments: &[
        Arg::string(c"prefix").token(c"PREFIX").optional(),
        Arg::string(c"key").token(c"AFTER").optional(),
        Arg::integer(c"count").token(c"COUNT").optional(),
        Arg::double(c"seconds").token(c"DUE").optional(),
        Arg::double(c"seconds").token(c"TOUCHED").optional(),
        Arg::string(c"suffix").token(c"TARGET").optional(),
    ],
};

const COUNT_DEFAULT: usize = 100;
/// Names copied out of the registry at a time; few, since names may be long.
const NAMES_AT_A_TIME: usize = 16;
/// How many dead letters are passed over in search of a queue's oldest message: few, since a call
/// looks at many queues.
const OLDEST_BUDGET: usize = 50;

struct Input<'a> {
    prefix: &'a [u8],
    after: Option<&'a [u8]>,
    count: usize,
    due_within_ms: Option<u64>,
    touched_within_ms: Option<u64>,
    target: Option<&'a [u8]>,
}

struct Row {
    name: Box<[u8]>,
    counts: Counts,
    next_ms: Option<u64>,
    hint: u64,
    wait_ms: u64,
    sequence: u64,
    oldest_sent_ms: Option<u64>,
    uid: u64,
    created_ms: u64,
}

/// A page of queues and the name to go on from, if there are more.
struct Page {
    rows: Vec<Row>,
    after: Option<Box<[u8]>>,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let now_ms = clock::now_ms();
    let page = execute(ctx, &input, now_ms);
    reply(Reply(ctx), &page, now_ms);
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let (mut prefix, mut after, mut count) = (None, None, None);
    let (mut due_within_ms, mut touched_within_ms, mut target) = (None, None, None);
    while arguments.option("PREFIX", &mut prefix, |rest, _| rest.bytes())?
        || arguments.option("AFTER", &mut after, |rest, _| rest.bytes())?
        || arguments.option("COUNT", &mut count, Args::count)?
        || arguments.option("DUE", &mut due_within_ms, Args::seconds_ms)?
        || arguments.option("TOUCHED", &mut touched_within_ms, Args::seconds_ms)?
        || arguments.option("TARGET", &mut target, |rest, _| rest.bytes())?
    {}
    arguments.finish()?;
    Ok(Input {
        prefix: prefix.unwrap_or_default(),
        after,
        count: count.unwrap_or(COUNT_DEFAULT),
        due_within_ms,
        touched_within_ms,
        target,
    })
}

fn execute(ctx: &Context, input: &Input<'_>, now_ms: u64) -> Page {
    let db = ffi::selected_db(ctx);
    let may_forget = registry::may_forget(ctx);
    let (mut rows, mut looked_at) = (Vec::new(), 0);
    let mut last: Option<Box<[u8]>> = None;
    loop {
        let after = last.as_deref().or(input.after);
        let names = registry::names(db, input.prefix, after, NAMES_AT_A_TIME);
        if names.is_empty() {
            return Page { rows, after: None };
        }
        for name in names {
            if looked_at == WALK_BUDGET || rows.len() == input.count {
                return Page { rows, after: last };
            }
            looked_at += 1;
            match Key::look_at(ctx, &replicate::string(&name)).value() {
                Value::Queue(queue) => {
                    if is_wanted(input, queue, now_ms) {
                        rows.push(row(name.clone(), queue, now_ms));
                    }
                }
                Value::Missing | Value::Other if may_forget => registry::remove(db, &name),
                Value::Missing | Value::Other => {}
            }
            last = Some(name);
        }
    }
}

fn is_wanted(input: &Input<'_>, queue: &mut Queue, now_ms: u64) -> bool {
    // Asked first: it costs nothing, and most queues have no target.
    let is_source = |suffix| {
        let target = queue.attributes().text(AttributeName::DeadLetterTargetArn);
        target.is_some_and(|target| target.ends_with(suffix))
    };
    if !input.target.is_none_or(is_source) {
        return false;
    }
    // A time ahead of the clock was noted before the clock was set back.
    let was_touched = |within_ms| {
        queue.touched_ms().is_some_and(|at_ms| now_ms.saturating_sub(at_ms) <= within_ms)
    };
    let next_ms = queue.next_wait_ms(now_ms);
    let is_due =
        |within_ms| queue.dead() > 0 || next_ms.is_some_and(|next_ms| next_ms <= within_ms);
    match (input.due_within_ms, input.touched_within_ms) {
        (None, None) => true,
        (due, touched) => due.is_some_and(is_due) || touched.is_some_and(was_touched),
    }
}

fn row(name: Box<[u8]>, queue: &mut Queue, now_ms: u64) -> Row {
    Row {
        name,
        counts: queue.counts(now_ms),
        next_ms: queue.next_wait_ms(now_ms),
        hint: queue.hint(),
        wait_ms: queue.attributes().receive_message_wait_time_ms,
        sequence: queue.last_sequence(),
        oldest_sent_ms: queue.oldest_sent_ms(OLDEST_BUDGET),
        uid: queue.uid(),
        created_ms: queue.created_ms(),
    }
}

fn reply(reply: Reply<'_>, page: &Page, now_ms: u64) {
    reply.map(3);
    reply.field("queues").array(page.rows.len());
    for row in &page.rows {
        reply.array(12);
        reply.bulk(&row.name);
        reply.number(row.counts.ready);
        reply.number(row.counts.delayed);
        reply.number(row.counts.in_flight);
        reply.number(row.counts.dead);
        reply.number_or_none(row.next_ms);
        reply.number(row.hint);
        reply.number(row.wait_ms);
        reply.number(row.sequence);
        reply.number_or_none(row.oldest_sent_ms);
        reply.bulk(format!("{:016x}", row.uid).as_bytes());
        reply.number(row.created_ms);
    }
    match &page.after {
        Some(name) => reply.field("after").bulk(name),
        None => reply.field("after").null(),
    }
    reply.field("now_ms").number(now_ms);
}
