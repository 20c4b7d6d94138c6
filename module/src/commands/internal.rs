//! The internal commands `KARIN.XATTEMPT`, `XDEDUP`, `XDEL`, `XFORGET`, `XLEASE`, `XMARK`,
//! `XPURGE`, `XPUT`, `XQUEUE`: effects on their way to replicas and from the append-only file.
//!
//! They read no clock, no random number and no configuration, apply twice as once, and take their
//! bytes for hostile: a bad one is refused whole. Each replicates itself, or a replica's own
//! append-only file would lose it (module-facts §2). On a key that is gone they do nothing, since
//! there is nothing left for an effect to be on; only XQUEUE makes a key.

use karin_core::{Error, Letter, Queue};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::WRITE;
use crate::docs::{Arg, Doc, KeyUse};
use crate::ffi::{self, Key, Value};
use crate::reply::{Failure, Reply};
use crate::{reaper, registry, tick};

const SUMMARY: &std::ffi::CStr = c"Internal: carries an effect to replicas and the AOF.";

const fn doc(name: &'static std::ffi::CStr, arity: i32, arguments: &'static [Arg]) -> Doc {
    let key = Some(KeyUse::UPDATE);
    Doc { name, summary: SUMMARY, complexity: c"O(N log M)", arity, key, arguments }
}

pub(crate) const XATTEMPT_DOC: Doc =
    doc(c"karin.xattempt", 3, &[Arg::KEY, Arg::string(c"attempt")]);
pub(crate) const XDEDUP_DOC: Doc = doc(c"karin.xdedup", 3, &[Arg::KEY, Arg::string(c"ids")]);
pub(crate) const XDEL_DOC: Doc = doc(c"karin.xdel", 3, &[Arg::KEY, Arg::string(c"slots")]);
pub(crate) const XFORGET_DOC: Doc =
    doc(c"karin.xforget", 3, &[Arg::KEY, Arg::integer(c"until-ms")]);
pub(crate) const XLEASE_DOC: Doc = doc(c"karin.xlease", 3, &[Arg::KEY, Arg::string(c"states")]);
pub(crate) const XMARK_DOC: Doc =
    doc(c"karin.xmark", 4, &[Arg::KEY, Arg::string(c"uid"), Arg::integer(c"number")]);
pub(crate) const XPURGE_DOC: Doc =
    doc(c"karin.xpurge", 3, &[Arg::KEY, Arg::integer(c"up-to-sequence")]);
pub(crate) const XPUT_DOC: Doc = doc(
    c"karin.xput",
    -4,
    &[
        Arg::KEY,
        Arg::block(c"message", &[Arg::string(c"meta"), Arg::string(c"payload")]).repeated(),
    ],
);
pub(crate) const XQUEUE_DOC: Doc = doc(c"karin.xqueue", 3, &[Arg::KEY, Arg::string(c"header")]);

/// `KARIN.XATTEMPT key attempt`: what a receive attempt was answered with.
pub(crate) fn xattempt(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let (key, attempt) = (arguments.string()?, arguments.bytes()?);
    arguments.finish()?;
    apply(ctx, key, |queue| queue.apply_attempt(attempt))
}

/// `KARIN.XDEDUP key ids`: deduplication ids that are remembered.
pub(crate) fn xdedup(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let (key, ids) = (arguments.string()?, arguments.bytes()?);
    arguments.finish()?;
    apply(ctx, key, |queue| queue.apply_dedup(ids))
}

/// `KARIN.XDEL key slots`: messages are gone.
pub(crate) fn xdel(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let (key, slots) = (arguments.string()?, arguments.bytes()?);
    arguments.finish()?;
    apply(ctx, key, |queue| queue.apply_delete(slots))
}

/// `KARIN.XFORGET key until_ms`: ids accepted until then are forgotten.
pub(crate) fn xforget(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let (key, until_ms) = (arguments.string()?, arguments.time_ms("the time")?);
    arguments.finish()?;
    apply(ctx, key, |queue| {
        queue.apply_forget(until_ms);
        Ok(())
    })
}

/// `KARIN.XLEASE key states`: messages stand elsewhere.
pub(crate) fn xlease(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let (key, states) = (arguments.string()?, arguments.bytes()?);
    arguments.finish()?;
    apply(ctx, key, |queue| queue.apply_states(states))
}

/// `KARIN.XMARK key uid number`: the letters of that queue up to that number were taken.
pub(crate) fn xmark(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let key = arguments.string()?;
    let source_uid = arguments.uid("the uid")?;
    let number = arguments.sequence("the number")?;
    arguments.finish()?;
    apply(ctx, key, |queue| {
        queue.apply_watermark(Letter { source_uid, number });
        Ok(())
    })
}

/// `KARIN.XPURGE key up_to_sequence`: all messages up to that are gone.
pub(crate) fn xpurge(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let key = arguments.string()?;
    let up_to_sequence = arguments.sequence("the sequence number")?;
    arguments.finish()?;
    apply(ctx, key, |queue| {
        if let Some(purged) = queue.apply_purge(up_to_sequence) {
            reaper::free(purged);
        }
        Ok(())
    })
}

/// `KARIN.XPUT key meta payload [meta payload …]`: messages are there.
pub(crate) fn xput(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let key = arguments.string()?;
    let mut messages = Vec::new();
    while arguments.remaining() > 0 {
        messages.push((arguments.bytes()?, arguments.bytes()?));
    }
    arguments.finish()?;
    apply(ctx, key, |queue| queue.apply_puts(&messages))
}

/// `KARIN.XQUEUE key header`: the queue is there, with these attributes.
pub(crate) fn xqueue(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let (name, header) = (arguments.string()?, arguments.bytes()?);
    arguments.finish()?;
    let mut key = Key::open(ctx, name, WRITE);
    match key.value() {
        Value::Queue(queue) => {
            if let Some(replaced) = queue.apply_header(header)? {
                reaper::free(replaced);
            }
        }
        Value::Missing => {
            key.set(Queue::decode_header(header)?);
            registry::add(ffi::selected_db(ctx), name.as_slice());
        }
        Value::Other => return Err(Failure::WrongType),
    }
    finish(ctx, name);
    Ok(())
}

fn apply(
    ctx: &Context,
    name: &RedisString,
    effect: impl FnOnce(&mut Queue) -> Result<(), Error>,
) -> Result<(), Failure> {
    match Key::open(ctx, name, WRITE).value() {
        Value::Queue(queue) => {
            effect(queue)?;
            // Replicas publish nothing; the hint is taken so that none is left over for the first
            // command after a failover. What is to be looked after is noted for that time.
            if queue.take_hint().is_some() {
                tick::schedule_soon(ffi::selected_db(ctx), name.as_slice(), 0);
            }
            finish(ctx, name);
        }
        Value::Missing => Reply(ctx).ok(),
        Value::Other => return Err(Failure::WrongType),
    }
    Ok(())
}

fn finish(ctx: &Context, name: &RedisString) {
    ctx.replicate_verbatim();
    ffi::signal_modified(ctx, name);
    Reply(ctx).ok();
}
