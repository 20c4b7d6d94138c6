//! `KARIN.UNTAG key name [name …]`: removes tags.

use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::{WRITE, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};
use crate::{clock, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.untag",
    summary: c"Removes tags of a queue.",
    complexity: c"O(N) for N tags.",
    arity: -3,
    key: Some(KeyUse::UPDATE),
    arguments: &[Arg::KEY, Arg::string(c"name").repeated()],
};

struct Input<'a> {
    key: &'a RedisString,
    names: Vec<&'a [u8]>,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let now_ms = clock::now_ms();
    let (removed, header) = with_queue(ctx, input.key, WRITE, |queue| {
        let mut tags = queue.tags().clone();
        let removed = input.names.iter().filter(|name| tags.remove(name)).count();
        queue.set_tags(tags);
        Ok((removed, queue.encode_header()))
    })?;
    if removed > 0 {
        replicate::header(ctx, input.key, &header);
        replicate::announce(ctx, input.key, None, now_ms);
    }
    Reply(ctx).count(removed);
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let mut names = Vec::new();
    while arguments.remaining() > 0 {
        names.push(arguments.bytes()?);
    }
    arguments.finish()?;
    Ok(Input { key, names })
}
