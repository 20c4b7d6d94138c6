//! `KARIN.RELEASE key [CURRENT] [DELAY s] receipt [receipt …]` and `KARIN.RELEASE key HOLDER id`:
//! gives messages back without counting the receive.

use karin_core::Outcome;
use karin_core::limits::BATCH_MAX;
use karin_core::snapshot::STATE_LENGTH;
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::ack::parse_receipts;
use crate::commands::{Answer, Gone, WRITE, answer, reply_answers, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};
use crate::{clock, counters, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.release",
    summary: c"Gives messages back without counting that they were received.",
    complexity: c"O(log N) for each message, N being in flight or delayed.",
    arity: -3,
    key: Some(KeyUse::UPDATE),
    arguments: &[
        Arg::KEY,
        Arg::one_of(
            c"what",
            &[
                Arg::integer(c"holder").token(c"HOLDER"),
                Arg::block(
                    c"received",
                    &[
                        Arg::word(c"current", c"CURRENT").optional(),
                        Arg::double(c"seconds").token(c"DELAY").optional(),
                        Arg::string(c"receipt").repeated(),
                    ],
                ),
            ],
        ),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    what: What<'a>,
}

enum What<'a> {
    Holder(u32),
    Receipts { receipts: Vec<&'a [u8]>, delay_ms: u64 },
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    match &input.what {
        What::Holder(holder) => {
            Reply(ctx).count(release_holder(ctx, input.key, *holder)?);
        }
        What::Receipts { receipts, delay_ms } => {
            let answers = release(ctx, input.key, receipts, *delay_ms)?;
            reply_answers(ctx, &answers, Gone::Word);
        }
    }
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let mut holder = None;
    if arguments.option("HOLDER", &mut holder, Args::holder)?
        && let Some(holder) = holder
    {
        arguments.finish()?;
        return Ok(Input { key, what: What::Holder(holder) });
    }
    // Only a current lease can be given back in any case, so CURRENT changes nothing.
    let (mut current, mut delay_ms) = (false, None);
    while arguments.flag("CURRENT", &mut current)?
        || arguments.option("DELAY", &mut delay_ms, Args::seconds_ms)?
    {}
    let receipts = parse_receipts(&mut arguments)?;
    arguments.finish()?;
    Ok(Input { key, what: What::Receipts { receipts, delay_ms: delay_ms.unwrap_or(0) } })
}

fn release(
    ctx: &Context,
    key: &RedisString,
    receipts: &[&[u8]],
    delay_ms: u64,
) -> Result<Vec<Answer>, Failure> {
    let now_ms = clock::now_ms();
    let mut states = Vec::new();
    let (answers, hint) = with_queue(ctx, key, WRITE, |queue| {
        let mut release = |text: &&[u8]| {
            answer(text, |receipt| {
                let outcome = queue.release(now_ms, receipt, delay_ms);
                if outcome == Outcome::Done {
                    queue.encode_state(receipt.slot, &mut states);
                }
                outcome
            })
        };
        let answers: Vec<_> = receipts.iter().map(&mut release).collect();
        Ok((answers, queue.take_hint()))
    })?;
    counters::RELEASED.add_count(states.len() / STATE_LENGTH);
    replicate::moved(ctx, key, &states, hint, now_ms);
    Ok(answers)
}

fn release_holder(ctx: &Context, key: &RedisString, holder: u32) -> Result<usize, Failure> {
    let now_ms = clock::now_ms();
    let mut states = Vec::new();
    let (count, hint) = with_queue(ctx, key, WRITE, |queue| {
        let released = queue.release_holder(now_ms, holder, BATCH_MAX);
        for &slot in &released {
            queue.encode_state(slot, &mut states);
        }
        Ok((released.len(), queue.take_hint()))
    })?;
    counters::RELEASED.add_count(states.len() / STATE_LENGTH);
    replicate::moved(ctx, key, &states, hint, now_ms);
    Ok(count)
}
