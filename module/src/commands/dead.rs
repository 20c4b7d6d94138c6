//! `KARIN.DEAD key [AFTER n] [COUNT n]`: the dead list.

use karin_core::State;
use redis_module::{Context, KeyMode, RedisString};

use crate::args::Args;
use crate::commands::message::reply_look;
use crate::commands::peek::COUNT_DEFAULT;
use crate::commands::with_queue;
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.dead",
    summary: c"Returns dead letters in the order of their numbers.",
    complexity: c"O(log N + K) for N dead letters and K returned.",
    arity: -2,
    key: Some(KeyUse::READ),
    arguments: &[
        Arg::KEY,
        Arg::integer(c"number").token(c"AFTER").optional(),
        Arg::integer(c"count").token(c"COUNT").optional(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    after: u64,
    count: usize,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    with_queue(ctx, input.key, KeyMode::READ, |queue| {
        let letters = queue.letters(input.after, input.count);
        let views: Vec<_> = letters.iter().filter_map(|&(_, slot)| queue.view(slot)).collect();
        let reply = Reply(ctx);
        reply.array(views.len());
        for view in &views {
            reply_look(reply, queue, view, State::Dead, u64::MAX);
        }
        Ok(())
    })
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let (mut after, mut count) = (None, None);
    while arguments.option("AFTER", &mut after, Args::sequence)?
        || arguments.option("COUNT", &mut count, Args::count)?
    {}
    arguments.finish()?;
    Ok(Input { key, after: after.unwrap_or(0), count: count.unwrap_or(COUNT_DEFAULT) })
}
