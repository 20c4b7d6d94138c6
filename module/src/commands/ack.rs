//! `KARIN.ACK key [CURRENT] receipt [receipt …]`: deletes.

use karin_core::limits::BATCH_MAX;
use karin_core::snapshot::{SLOT_LENGTH, encode_slot};
use karin_core::{Demand, Outcome};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::{Answer, Gone, WRITE, answer, reply_answers, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::Failure;
use crate::{clock, counters, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.ack",
    summary: c"Deletes messages by their receipts.",
    complexity: c"O(log N) for each receipt, N being the messages in flight or delayed.",
    arity: -3,
    key: Some(KeyUse::DELETE),
    arguments: &[
        Arg::KEY,
        Arg::word(c"current", c"CURRENT").optional(),
        Arg::string(c"receipt").repeated(),
    ],
};

/// What more than [`BATCH_MAX`] receipts are refused with.
pub(super) const TOO_MANY_RECEIPTS: &str = "too many receipts, at most 1000 a command";
const _: () = assert!(BATCH_MAX == 1_000, "the text above names it");

struct Input<'a> {
    key: &'a RedisString,
    demand: Demand,
    receipts: Vec<&'a [u8]>,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let answers = execute(ctx, &input)?;
    reply_answers(ctx, &answers, Gone::Zero);
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let demand = parse_demand(&mut arguments);
    let receipts = parse_receipts(&mut arguments)?;
    arguments.finish()?;
    Ok(Input { key, demand, receipts })
}

fn parse_demand(arguments: &mut Args<'_>) -> Demand {
    if arguments.word("CURRENT") { Demand::Current } else { Demand::Any }
}

/// All that is left, as receipts; 1 to [`BATCH_MAX`].
pub(super) fn parse_receipts<'a>(arguments: &mut Args<'a>) -> Result<Vec<&'a [u8]>, Failure> {
    match arguments.remaining() {
        0 => Err(Failure::Syntax),
        1..=BATCH_MAX => (0..arguments.remaining()).map(|_| arguments.bytes()).collect(),
        _ => Err(Failure::Refused(TOO_MANY_RECEIPTS)),
    }
}

fn execute(ctx: &Context, input: &Input<'_>) -> Result<Vec<Answer>, Failure> {
    let now_ms = clock::now_ms();
    let mut deleted = Vec::new();
    let (answers, hint) = with_queue(ctx, input.key, WRITE, |queue| {
        let mut acknowledge = |text: &&[u8]| {
            answer(text, |receipt| {
                let outcome = queue.acknowledge(now_ms, receipt, input.demand);
                if outcome == Outcome::Done {
                    encode_slot(&mut deleted, receipt.slot, receipt.sequence);
                }
                outcome
            })
        };
        let answers: Vec<_> = input.receipts.iter().map(&mut acknowledge).collect();
        Ok((answers, queue.take_hint()))
    })?;
    counters::DELETED.add_count(deleted.len() / SLOT_LENGTH);
    replicate::deleted(ctx, input.key, &deleted, hint, now_ms);
    Ok(answers)
}
