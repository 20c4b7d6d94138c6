//! `KARIN.DEADACK key UPTO n`: drops dead letters that are safe elsewhere.

use karin_core::snapshot::encode_slots;
use redis_module::Context;

use crate::args::Args;
use crate::commands::{WRITE, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};
use crate::{clock, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.deadack",
    summary: c"Drops dead letters up to a number, because they are safe elsewhere.",
    complexity: c"O(K log N) for K letters dropped, at most 1000 a call, of N.",
    arity: 4,
    key: Some(KeyUse::DELETE),
    arguments: &[Arg::KEY, Arg::integer(c"number").token(c"UPTO")],
};

pub(crate) fn run(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let key = arguments.string()?;
    if !arguments.word("UPTO") {
        return Err(Failure::Syntax);
    }
    let up_to = arguments.sequence("UPTO")?;
    arguments.finish()?;
    let now_ms = clock::now_ms();
    let (letters, hint) = with_queue(ctx, key, WRITE, |queue| {
        let letters = queue.acknowledge_letters(up_to);
        if !letters.is_empty() {
            queue.touch(now_ms);
        }
        Ok((letters, queue.take_hint()))
    })?;
    replicate::deleted(ctx, key, &encode_slots(&letters), hint, now_ms);
    Reply(ctx).count(letters.len());
    Ok(())
}
