//! `KARIN.TAG key name value [name value …]`: adds or replaces tags.

use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::{WRITE, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};
use crate::{clock, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.tag",
    summary: c"Adds or replaces tags of a queue, all or none.",
    complexity: c"O(N) for N tags.",
    arity: -4,
    key: Some(KeyUse::UPDATE),
    arguments: &[
        Arg::KEY,
        Arg::block(c"tag", &[Arg::string(c"name"), Arg::string(c"value")]).repeated(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    tags: Vec<(&'a [u8], &'a [u8])>,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let now_ms = clock::now_ms();
    let header = with_queue(ctx, input.key, WRITE, |queue| {
        let mut tags = queue.tags().clone();
        for (name, value) in &input.tags {
            tags.insert(name, value)?;
        }
        queue.set_tags(tags);
        Ok(queue.encode_header())
    })?;
    replicate::header(ctx, input.key, &header);
    replicate::announce(ctx, input.key, None, now_ms);
    Reply(ctx).ok();
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let mut tags = Vec::new();
    while arguments.remaining() > 0 {
        tags.push((arguments.bytes()?, arguments.bytes()?));
    }
    arguments.finish()?;
    Ok(Input { key, tags })
}
