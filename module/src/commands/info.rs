//! `KARIN.INFO key`: attributes, tags, counts and times of a queue.

use karin_core::limits::WALK_BUDGET;
use karin_core::{AttributeName, Queue};
use redis_module::{Context, KeyMode};

use crate::args::Args;
use crate::clock;
use crate::commands::with_queue;
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.info",
    summary: c"Returns the attributes, tags, counts and times of a queue.",
    complexity: c"O(1), amortized over the messages that became due.",
    arity: 2,
    key: Some(KeyUse::READ),
    arguments: &[Arg::KEY],
};

pub(crate) fn run(ctx: &Context, mut arguments: Args<'_>) -> Result<(), Failure> {
    let key = arguments.string()?;
    arguments.finish()?;
    let now_ms = clock::now_ms();
    with_queue(ctx, key, KeyMode::READ, |queue| {
        reply(Reply(ctx), queue, now_ms);
        Ok(())
    })
}

fn uid_text(uid: u64) -> String {
    format!("{uid:016x}")
}

fn reply(reply: Reply<'_>, queue: &mut Queue, now_ms: u64) {
    let counts = queue.counts(now_ms);
    reply.map(18);
    reply.field("uid").bulk(uid_text(queue.uid()).as_bytes());
    let attributes: Vec<_> = AttributeName::ALL
        .into_iter()
        .filter_map(|name| Some((name.as_str(), queue.attributes().get(name)?)))
        .collect();
    reply.field("attributes").map(attributes.len());
    for (name, value) in attributes {
        reply.field(name).bulk(&value);
    }
    reply.field("tags").map(queue.tags().len());
    for (name, value) in queue.tags().iter() {
        reply.bulk(name);
        reply.bulk(value);
    }
    reply.field("ready").number(counts.ready);
    reply.field("delayed").number(counts.delayed);
    reply.field("in_flight").number(counts.in_flight);
    reply.field("dead").number(counts.dead);
    reply.field("bytes").number(queue.bytes());
    reply.field("sequence").number(queue.last_sequence());
    reply.field("oldest_sent_ms").number_or_none(queue.oldest_sent_ms(WALK_BUDGET));
    reply.field("next_due_ms").number_or_none(queue.next_due_ms());
    reply.field("hint").number(queue.hint());
    reply.field("created_ms").number(queue.created_ms());
    reply.field("modified_ms").number(queue.modified_ms());
    reply.field("fifo").number(u64::from(queue.attributes().fifo));
    reply.field("dedup_ids").count(queue.dedup_ids());
    reply.field("attempts").count(queue.attempts());
    let watermarks: Vec<_> = queue.watermarks().collect();
    reply.field("watermarks").map(watermarks.len());
    for (source_uid, number) in watermarks {
        reply.field(&uid_text(source_uid)).number(number);
    }
}
