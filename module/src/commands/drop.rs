//! `KARIN.DROP key [FORCE] sequence [sequence …]`: deletes messages by their sequence numbers, for
//! people who look at a queue.

use karin_core::Dropped;
use karin_core::snapshot::{SLOT_LENGTH, encode_slot};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::{WRITE, parse_sequences, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};
use crate::{clock, counters, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.drop",
    summary: c"Deletes messages by their sequence numbers, unless they are in flight.",
    complexity: c"O(log N) for each message, N being the messages in flight or delayed.",
    arity: -3,
    key: Some(KeyUse::DELETE),
    arguments: &[
        Arg::KEY,
        Arg::word(c"force", c"FORCE").optional(),
        Arg::integer(c"sequence").repeated(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    force: bool,
    sequences: Vec<u64>,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let now_ms = clock::now_ms();
    let mut deleted = Vec::new();
    let (answers, hint) = with_queue(ctx, input.key, WRITE, |queue| {
        let mut drop = |sequence: &u64| {
            let dropped = queue.drop_chosen(now_ms, *sequence, input.force);
            if let Dropped::Done(slot) = dropped {
                encode_slot(&mut deleted, slot, *sequence);
            }
            dropped
        };
        let answers: Vec<_> = input.sequences.iter().map(&mut drop).collect();
        Ok((answers, queue.take_hint()))
    })?;
    counters::DELETED.add_count(deleted.len() / SLOT_LENGTH);
    replicate::deleted(ctx, input.key, &deleted, hint, now_ms);
    reply(Reply(ctx), &answers);
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let force = arguments.word("FORCE");
    let sequences = parse_sequences(&mut arguments)?;
    arguments.finish()?;
    Ok(Input { key, force, sequences })
}

fn reply(reply: Reply<'_>, answers: &[Dropped]) {
    reply.array(answers.len());
    for answer in answers {
        match answer {
            Dropped::Done(_) => reply.number(1),
            Dropped::Gone => reply.number(0),
            Dropped::InFlight => reply.simple(c"KARININFLIGHT"),
        }
    }
}
