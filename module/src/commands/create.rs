//! `KARIN.CREATE key [attribute value …] [TAG name value …]`: makes an empty standard queue.

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
    let mut attributes = Attributes::default();
    let mut tags = Tags::default();
    while arguments.remaining() > 0 {
        if arguments.word("TAG") {
            tags.insert(arguments.bytes()?, arguments.bytes()?)?;
        } else {
            let name = parse_attribute_name(&mut arguments)?;
            attributes.set(name, arguments.bytes()?)?;
        }
    }
    arguments.finish()?;
    Ok(Input { key, attributes, tags })
}

/// The name of an attribute of this version.
pub(super) fn parse_attribute_name(arguments: &mut Args<'_>) -> Result<AttributeName, Failure> {
    for feature in ["FIFO", "RedrivePolicy"] {
        if arguments.word(feature) {
            return Err(Failure::Unsupported(feature));
        }
    }
    let name = arguments.bytes()?;
    AttributeName::parse(name).ok_or_else(|| Failure::UnknownAttribute(name.to_vec()))
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
