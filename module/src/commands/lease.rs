//! `KARIN.LEASE key [VISIBILITY s] [MAXBYTES bytes] sequence [sequence …]`: hands out messages by
//! their sequence numbers, to move them elsewhere.

use karin_core::{PopOptions, Popped};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::message::reply_delivery;
use crate::commands::popdue::visibility_timeout;
use crate::commands::{WRITE, parse_sequences, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};
use crate::{clock, config, replicate, sweep};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.lease",
    summary: c"Hands out the messages of these sequence numbers, whoever's turn it is.",
    complexity: c"O(log N) for each message, N being the messages in flight or delayed.",
    arity: -3,
    key: Some(KeyUse::TAKE),
    arguments: &[
        Arg::KEY,
        Arg::double(c"seconds").token(c"VISIBILITY").optional(),
        Arg::integer(c"bytes").token(c"MAXBYTES").optional(),
        Arg::integer(c"sequence").repeated(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    options: PopOptions<'a>,
    sequences: Vec<u64>,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let now_ms = clock::now_ms();
    with_queue(ctx, input.key, WRITE, |queue| {
        let leased =
            queue.lease_chosen(now_ms, &input.sequences, &input.options, &mut clock::draw_lease);
        let hint = queue.take_hint();
        let popped = Popped { leased, ..Popped::default() };
        if sweep::popped(ctx, input.key, queue, &popped) {
            replicate::announce(ctx, input.key, hint, now_ms);
        }
        let views: Vec<_> = popped.leased.iter().filter_map(|&slot| queue.view(slot)).collect();
        let reply = Reply(ctx);
        reply.array(views.len());
        for view in &views {
            reply_delivery(reply, queue, view);
        }
        Ok(())
    })
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let (mut visibility_timeout_ms, mut max_bytes) = (None, None);
    while arguments.option("VISIBILITY", &mut visibility_timeout_ms, visibility_timeout)?
        || arguments.option("MAXBYTES", &mut max_bytes, Args::byte_count)?
    {}
    let sequences = parse_sequences(&mut arguments)?;
    arguments.finish()?;
    let options = PopOptions {
        visibility_timeout_ms,
        max_bytes,
        in_flight_max: config::max_in_flight(),
        ..PopOptions::default()
    };
    Ok(Input { key, options, sequences })
}
