//! `KARIN.PURGE key`: drops all messages.

use redis_module::Context;

use crate::args::Args;
use crate::commands::{WRITE, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};
use crate::{clock, counters, reaper, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.purge",
    summary: c"Drops all messages of a queue; the queue stays.",
    complexity: c"O(1); what was in it is freed on another thread.",
    arity: 2,
    key: Some(KeyUse::DELETE),
    arguments: &[Arg::KEY],
};

pub(crate) fn run(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let key = arguments.string()?;
    arguments.finish()?;
    let now_ms = clock::now_ms();
    let (purged, forgot, up_to_sequence, hint) = with_queue(ctx, key, WRITE, |queue| {
        let forgets = queue.dedup_ids() + queue.attempts() > 0;
        let purged = queue.purge();
        queue.touch(now_ms);
        Ok((purged, forgets, queue.last_sequence(), queue.take_hint()))
    })?;
    let count = purged.count();
    if count > 0 || forgot {
        replicate::purge(ctx, key, up_to_sequence);
        replicate::announce(ctx, key, hint, now_ms);
    }
    counters::PURGED.add(count);
    reaper::free(purged);
    Reply(ctx).number(count);
    Ok(())
}
