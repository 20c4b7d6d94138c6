//! `KARIN.PEEK key [STATE state] [AFTER sequence] [COUNT n] [BYTES n]`: looks at messages without
//! touching them.

use karin_core::State;
use redis_module::{Context, KeyMode, RedisString};

use crate::args::Args;
use crate::clock;
use crate::commands::message::{parse_state, reply_look};
use crate::commands::with_queue;
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.peek",
    summary: c"Returns messages without handing them out, paged by sequence number.",
    complexity: c"O(log N + K) for N messages and K passed over, at most 1000 a call.",
    arity: -2,
    key: Some(KeyUse::READ),
    arguments: &[
        Arg::KEY,
        Arg::string(c"state").token(c"STATE").optional(),
        Arg::integer(c"sequence").token(c"AFTER").optional(),
        Arg::integer(c"count").token(c"COUNT").optional(),
        Arg::integer(c"bytes").token(c"BYTES").optional(),
    ],
};

/// How many messages, where nothing is said.
pub(super) const COUNT_DEFAULT: usize = 10;

struct Input<'a> {
    key: &'a RedisString,
    state: Option<State>,
    after: u64,
    count: usize,
    bytes_max: u64,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let now_ms = clock::now_ms();
    with_queue(ctx, input.key, KeyMode::READ, |queue| {
        let page = queue.peek(now_ms, input.state, input.after, input.count);
        let views =
            page.messages.iter().filter_map(|&(slot, state)| Some((queue.view(slot)?, state)));
        let views: Vec<_> = views.collect();
        let reply = Reply(ctx);
        reply.map(2);
        reply.field("messages").array(views.len());
        for (view, state) in &views {
            reply_look(reply, queue, view, *state, input.bytes_max);
        }
        match page.after {
            Some(after) => reply.field("after").number(after),
            None => reply.field("after").null(),
        }
        Ok(())
    })
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let (mut state, mut after, mut count, mut bytes_max) = (None, None, None, None);
    while arguments.option("STATE", &mut state, |rest, _| state_argument(rest))?
        || arguments.option("AFTER", &mut after, Args::sequence)?
        || arguments.option("COUNT", &mut count, Args::count)?
        || arguments.option("BYTES", &mut bytes_max, Args::byte_count)?
    {}
    arguments.finish()?;
    let (after, count) = (after.unwrap_or(0), count.unwrap_or(COUNT_DEFAULT));
    Ok(Input { key, state, after, count, bytes_max: bytes_max.unwrap_or(u64::MAX) })
}

fn state_argument(arguments: &mut Args<'_>) -> Result<State, Failure> {
    parse_state(arguments.bytes()?)
        .ok_or(Failure::Refused("STATE must be ready, delayed, inflight or dead"))
}
