//! `KARIN.REDRIVE key [COUNT n] [KEEPCOUNT]`: gives dead letters another life in the same queue.

use karin_core::limits::BATCH_MAX;
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::{WRITE, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};
use crate::{clock, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.redrive",
    summary: c"Makes the oldest dead letters messages of the same queue again.",
    complexity: c"O(K log N) for K letters, at most 1000 a call, and N messages.",
    arity: -2,
    key: Some(KeyUse::UPDATE),
    arguments: &[
        Arg::KEY,
        Arg::integer(c"count").token(c"COUNT").optional(),
        Arg::word(c"keepcount", c"KEEPCOUNT").optional(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    count: usize,
    keep_count: bool,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let now_ms = clock::now_ms();
    let mut states = Vec::new();
    let (count, hint) = with_queue(ctx, input.key, WRITE, |queue| {
        let revived = queue.revive(now_ms, input.count, input.keep_count);
        for &slot in &revived {
            queue.encode_state(slot, &mut states);
        }
        Ok((revived.len(), queue.take_hint()))
    })?;
    replicate::moved(ctx, input.key, &states, hint, now_ms);
    Reply(ctx).count(count);
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let (mut count, mut keep_count) = (None, false);
    while arguments.option("COUNT", &mut count, Args::count)?
        || arguments.flag("KEEPCOUNT", &mut keep_count)?
    {}
    arguments.finish()?;
    Ok(Input { key, count: count.unwrap_or(BATCH_MAX), keep_count })
}
