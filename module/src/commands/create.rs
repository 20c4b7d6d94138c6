//! `KARIN.CREATE key [FIFO] [attribute value …] [TAG name value …]`: makes an empty queue.

use karin_core::{AttributeName, Attributes, Queue, Tags};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::WRITE;
use crate::docs::{Arg, Doc, KeyUse};
use crate::ffi::{self, Key, Value};
use crate::reply::{Failure, Reply};
use crate::{clock, registry, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.create",
    summary: c"Makes an empty queue.",
    complexity: c"O(N) for N attributes and tags.",
    arity: -2,
    key: Some(KeyUse::INSERT),
    arguments: &[
        Arg::KEY,
        Arg::word(c"fifo", c"FIFO").optional(),
        Arg::block(c"setting", &[Arg::string(c"attribute"), Arg::string(c"value")])
            .optional()
            .repeated(),
        Arg::block(c"tag", &[Arg::string(c"name"), Arg::string(c"value")])
            .token(c"TAG")
            .optional()
            .repeated(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    attributes: Attributes,
    tags: Tags,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    execute(ctx, parse(arguments)?)?;
    Reply(ctx).ok();
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let mut settings = Vec::new();
    let mut tags = Tags::default();
    let mut fifo = false;
    while arguments.remaining() > 0 {
        if arguments.word("TAG") {
            tags.insert(arguments.bytes()?, arguments.bytes()?)?;
        } else if !arguments.flag("FIFO", &mut fifo)? {
            settings.push(parse_setting(&mut arguments)?);
        }
    }
    arguments.finish()?;
    // What kind of queue it is decides which attributes it can have.
    fifo |= settings.contains(&(AttributeName::FifoQueue, b"true"));
    let mut attributes = Attributes::default();
    attributes.fifo = fifo;
    for (name, value) in settings {
        attributes.set(name, value)?;
    }
    Ok(Input { key, attributes, tags })
}

/// An attribute and its value as text.
pub(super) fn parse_setting<'a>(
    arguments: &mut Args<'a>,
) -> Result<(AttributeName, &'a [u8]), Failure> {
    let name = arguments.bytes()?;
    let known = AttributeName::parse(name);
    Ok((known.ok_or_else(|| Failure::UnknownAttribute(name.to_vec()))?, arguments.bytes()?))
}

fn execute(ctx: &Context, input: Input<'_>) -> Result<(), Failure> {
    let now_ms = clock::now_ms();
    let mut key = Key::open(ctx, input.key, WRITE);
    match key.value() {
        Value::Missing => {}
        Value::Queue(_) => return Err(Failure::Exists),
        Value::Other => return Err(Failure::WrongType),
    }
    let queue = Queue::new(clock::draw_uid(), now_ms, input.attributes, input.tags);
    let header = queue.encode_header();
    key.set(queue);
    replicate::header(ctx, input.key, &header);
    registry::add(ffi::selected_db(ctx), input.key.as_slice());
    replicate::announce(ctx, input.key, None, now_ms);
    Ok(())
}
