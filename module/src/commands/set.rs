//! `KARIN.SET key [IF attribute value …] attribute value [attribute value …]`: changes attributes.

use karin_core::AttributeName;
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::create::parse_setting;
use crate::commands::{WRITE, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};
use crate::{clock, ffi, replicate, tick};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.set",
    summary: c"Changes attributes of a queue, all or none.",
    complexity: c"O(N) for N attributes; O(M log M) for M messages for the delay of a FIFO queue.",
    arity: -4,
    key: Some(KeyUse::UPDATE),
    arguments: &[
        Arg::KEY,
        Arg::block(c"condition", &[Arg::string(c"attribute"), Arg::string(c"value")])
            .token(c"IF")
            .optional()
            .repeated(),
        Arg::block(c"setting", &[Arg::string(c"attribute"), Arg::string(c"value")]).repeated(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    conditions: Vec<(AttributeName, &'a [u8])>,
    settings: Vec<(AttributeName, &'a [u8])>,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    execute(ctx, &parse(arguments)?)?;
    Reply(ctx).ok();
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let (mut conditions, mut settings) = (Vec::new(), Vec::new());
    while arguments.remaining() > 0 {
        let list = if arguments.word("IF") { &mut conditions } else { &mut settings };
        list.push(parse_setting(&mut arguments)?);
    }
    arguments.finish()?;
    if settings.is_empty() {
        return Err(Failure::Syntax);
    }
    Ok(Input { key, conditions, settings })
}

fn execute(ctx: &Context, input: &Input<'_>) -> Result<(), Failure> {
    let now_ms = clock::now_ms();
    let (header, hint, sweep_due_ms) = with_queue(ctx, input.key, WRITE, |queue| {
        let mut attributes = queue.attributes().clone();
        let has = |&(name, value): &(AttributeName, &[u8])| {
            attributes.get(name).unwrap_or_default() == value
        };
        if !input.conditions.iter().all(has) {
            return Err(Failure::Changed);
        }
        for &(name, value) in &input.settings {
            attributes.set(name, value)?;
        }
        queue.set_attributes(now_ms, attributes);
        Ok((queue.encode_header(), queue.take_hint(), queue.sweep_due_ms()))
    })?;
    // A shorter retention may end earlier than the next visit was to be.
    if let Some(due_ms) = sweep_due_ms {
        tick::schedule(ffi::selected_db(ctx), input.key.as_slice(), due_ms);
    }
    replicate::header(ctx, input.key, &header);
    replicate::announce(ctx, input.key, hint, now_ms);
    Ok(())
}
