//! `KARIN.POPDUE key [COUNT n] [VISIBILITY s] [GROUPS n] [MAXBYTES bytes] [ATTEMPT id]
//! [HOLDER id]`: hands out what is due.

use karin_core::limits::VISIBILITY_TIMEOUT_MS_MAX;
use karin_core::snapshot::encode_slot;
use karin_core::{PopOptions, Popped, Queue};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::message::reply_delivery;
use crate::commands::{WRITE, max_in_flight};
use crate::docs::{Arg, Doc, KeyUse};
use crate::ffi::{Key, Value};
use crate::reply::{Failure, Reply};
use crate::{clock, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.popdue",
    summary: c"Hands out due messages and hides them for the visibility timeout.",
    complexity: c"O(K log N) for K messages handed out or dropped, N being in flight or delayed.",
    arity: -2,
    key: Some(KeyUse::TAKE),
    arguments: &[
        Arg::KEY,
        Arg::integer(c"count").token(c"COUNT").optional(),
        Arg::double(c"seconds").token(c"VISIBILITY").optional(),
        Arg::integer(c"groups").token(c"GROUPS").optional(),
        Arg::integer(c"bytes").token(c"MAXBYTES").optional(),
        Arg::string(c"attempt").token(c"ATTEMPT").optional(),
        Arg::integer(c"holder").token(c"HOLDER").optional(),
        Arg::double(c"seconds").token(c"BLOCK").optional(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    options: PopOptions<'a>,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let now_ms = clock::now_ms();
    let mut key = Key::open(ctx, input.key, WRITE);
    let queue = match key.value() {
        Value::Queue(queue) => queue,
        Value::Missing => return Err(Failure::NoQueue),
        Value::Other => return Err(Failure::WrongType),
    };
    let popped = execute(ctx, &input, queue, now_ms);
    reply(Reply(ctx), queue, &popped, now_ms);
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let (mut count, mut visibility_timeout_ms, mut groups) = (None, None, None);
    let (mut max_bytes, mut attempt, mut holder) = (None, None, None);
    while arguments.option("COUNT", &mut count, Args::count)?
        || arguments.option("VISIBILITY", &mut visibility_timeout_ms, visibility_timeout)?
        || arguments.option("GROUPS", &mut groups, Args::count)?
        || arguments.option("MAXBYTES", &mut max_bytes, Args::byte_count)?
        || arguments.option("ATTEMPT", &mut attempt, Args::id)?
        || arguments.option("HOLDER", &mut holder, Args::holder)?
    {}
    arguments.finish()?;
    let options = PopOptions {
        count: count.unwrap_or(1),
        visibility_timeout_ms,
        max_bytes,
        groups,
        holder: holder.unwrap_or(0),
        attempt,
        in_flight_max: max_in_flight(),
    };
    Ok(Input { key, options })
}

/// How long a message is hidden, which no receive may overdo.
fn visibility_timeout(arguments: &mut Args<'_>, what: &'static str) -> Result<u64, Failure> {
    let maximum = VISIBILITY_TIMEOUT_MS_MAX / 1_000;
    let given_ms = arguments.seconds_ms(what)?;
    (given_ms <= VISIBILITY_TIMEOUT_MS_MAX)
        .then_some(given_ms)
        .ok_or(Failure::NotSeconds { what, maximum })
}

/// Pops and replicates what it did, if anything.
fn execute(ctx: &Context, input: &Input<'_>, queue: &mut Queue, now_ms: u64) -> Popped {
    let popped = queue.pop_due(now_ms, &input.options, &mut clock::draw_lease);
    let hint = queue.take_hint();
    let mut dropped = Vec::new();
    for &(slot, sequence) in &popped.dropped {
        encode_slot(&mut dropped, slot, sequence);
    }
    let mut states = Vec::new();
    for &slot in popped.died.iter().chain(&popped.leased) {
        queue.encode_state(slot, &mut states);
    }
    let attempt = input.options.attempt.filter(|_| !popped.leased.is_empty());
    replicate::deletions(ctx, input.key, &dropped);
    replicate::states(ctx, input.key, &states);
    if let Some(attempt) = attempt.and_then(|id| queue.encode_attempt(id)) {
        replicate::attempt(ctx, input.key, &attempt);
    }
    if !(dropped.is_empty() && states.is_empty()) {
        replicate::announce(ctx, input.key, hint, now_ms);
    }
    popped
}

fn reply(reply: Reply<'_>, queue: &mut Queue, popped: &Popped, now_ms: u64) {
    let more = queue.more(now_ms);
    let views: Vec<_> = popped.leased.iter().filter_map(|&slot| queue.view(slot)).collect();
    reply.map(7);
    reply.field("messages").array(views.len());
    for view in &views {
        reply_delivery(reply, queue, view);
    }
    reply.field("more").number(more);
    reply.field("dead").number(queue.dead());
    reply.field("next").number_or_none(queue.next_wait_ms(now_ms));
    reply.field("hint").number(queue.hint());
    reply.field("wait").number(queue.attributes().receive_message_wait_time_ms);
    reply.field("limited").number(u64::from(popped.is_limited));
}
