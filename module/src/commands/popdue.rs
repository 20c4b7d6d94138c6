//! `KARIN.POPDUE key [COUNT n] [VISIBILITY s] [MAXBYTES bytes] [HOLDER id]`: hands out what is due.

use karin_core::limits::BATCH_MAX;
use karin_core::snapshot::encode_slot;
use karin_core::{MessageView, PopOptions, Queue};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::WRITE;
use crate::docs::{Arg, Doc, KeyUse};
use crate::ffi::{Key, Value};
use crate::reply::{Failure, Reply};
use crate::{clock, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.popdue",
    summary: c"Hands out due messages and hides them for the visibility timeout.",
    complexity: c"O(K log N) for K messages handed out or dropped, N being in flight or delayed.",
    arity: -2,
    key: Some(KeyUse::TAKE),
    arguments: &[
        Arg::KEY,
        Arg::integer(c"count").token(c"COUNT").optional(),
        Arg::double(c"seconds").token(c"VISIBILITY").optional(),
        Arg::integer(c"bytes").token(c"MAXBYTES").optional(),
        Arg::integer(c"holder").token(c"HOLDER").optional(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    options: PopOptions,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let now_ms = clock::now_ms();
    let mut key = Key::open(ctx, input.key, WRITE);
    let queue = match key.value() {
        Value::Queue(queue) => queue,
        Value::Missing => return Err(Failure::NoQueue),
        Value::Other => return Err(Failure::WrongType),
    };
    let leased = execute(ctx, &input, queue, now_ms);
    reply(Reply(ctx), queue, &leased, now_ms);
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let (mut count, mut visibility_timeout_ms, mut max_bytes, mut holder) =
        (None, None, None, None);
    while arguments.option("COUNT", &mut count, count_argument)?
        || arguments.option("VISIBILITY", &mut visibility_timeout_ms, Args::seconds_ms)?
        || arguments.option("MAXBYTES", &mut max_bytes, Args::byte_count)?
        || arguments.option("HOLDER", &mut holder, Args::holder)?
    {}
    arguments.finish()?;
    let options = PopOptions {
        count: count.unwrap_or(1),
        visibility_timeout_ms,
        max_bytes,
        holder: holder.unwrap_or(0),
    };
    Ok(Input { key, options })
}

/// A number of messages or queues one command answers with: 1 to [`BATCH_MAX`].
pub(super) fn count_argument(
    arguments: &mut Args<'_>,
    what: &'static str,
) -> Result<usize, Failure> {
    let maximum = u64::try_from(BATCH_MAX).unwrap_or(u64::MAX);
    let count = arguments.integer(what, 1, maximum)?;
    Ok(usize::try_from(count).unwrap_or(BATCH_MAX))
}

/// Pops and replicates what it did, if anything. Returns the slots handed out.
fn execute(ctx: &Context, input: &Input<'_>, queue: &mut Queue, now_ms: u64) -> Vec<u32> {
    let popped = queue.pop_due(now_ms, &input.options, &mut clock::draw_lease);
    let hint = queue.take_hint();
    let mut dropped = Vec::new();
    for &(slot, sequence) in &popped.dropped {
        encode_slot(&mut dropped, slot, sequence);
    }
    let mut states = Vec::new();
    for &slot in &popped.leased {
        queue.encode_state(slot, &mut states);
    }
    replicate::deletions(ctx, input.key, &dropped);
    replicate::states(ctx, input.key, &states);
    if !(dropped.is_empty() && states.is_empty()) {
        replicate::announce(ctx, input.key, hint, now_ms);
    }
    popped.leased
}

fn reply(reply: Reply<'_>, queue: &mut Queue, leased: &[u32], now_ms: u64) {
    let more = queue.counts(now_ms).ready;
    let views: Vec<_> = leased.iter().filter_map(|&slot| queue.view(slot)).collect();
    reply.map(6);
    reply.field("messages").array(views.len());
    for view in &views {
        reply_message(reply, queue, view);
    }
    reply.field("more").number(more);
    reply.field("dead").number(0);
    reply.field("next").number_or_none(queue.next_wait_ms(now_ms));
    reply.field("hint").number(queue.hint());
    reply.field("wait").number(queue.attributes().receive_message_wait_time_ms);
}

fn reply_message(reply: Reply<'_>, queue: &Queue, view: &MessageView<'_>) {
    let receipt = karin_core::Receipt {
        uid: queue.uid(),
        slot: view.slot,
        sequence: view.sequence,
        lease: view.lease,
    };
    reply.array(9);
    reply.bulk(&queue.message_id(view.sequence));
    reply.bulk(&receipt.to_text());
    reply.bulk(view.body);
    reply.bulk(view.attributes);
    reply.number(u64::from(view.receive_count));
    reply.number(view.sent_ms);
    reply.number(view.first_received_ms);
    reply.number(view.due_ms);
    reply.number(view.sequence);
}
