//! `KARIN.EXTEND key [CURRENT] [UNLESSCHANGED due_ms] receipt s [receipt s …]`: makes each message
//! due s seconds from now.

use karin_core::limits::{BATCH_MAX, TIME_MS_MAX};
use karin_core::{Demand, Extension, Outcome};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::ack::TOO_MANY_RECEIPTS;
use crate::commands::{Answer, Gone, WRITE, answer, reply_answers, with_queue};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::Failure;
use crate::{clock, replicate};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.extend",
    summary: c"Changes when received messages become visible again.",
    complexity: c"O(log N) for each receipt, N being the messages in flight or delayed.",
    arity: -4,
    key: Some(KeyUse::UPDATE),
    arguments: &[
        Arg::KEY,
        Arg::word(c"current", c"CURRENT").optional(),
        Arg::integer(c"due-ms").token(c"UNLESSCHANGED").optional(),
        Arg::block(c"extension", &[Arg::string(c"receipt"), Arg::double(c"seconds")]).repeated(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    extensions: Vec<(&'a [u8], Extension)>,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let answers = execute(ctx, &input)?;
    reply_answers(ctx, &answers, Gone::Word);
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let (mut current, mut unless_changed_due_ms) = (false, None);
    while arguments.flag("CURRENT", &mut current)?
        || arguments.option("UNLESSCHANGED", &mut unless_changed_due_ms, |rest, what| {
            rest.integer(what, 0, TIME_MS_MAX)
        })?
    {}
    let demand = if current { Demand::Current } else { Demand::Any };
    let mut extensions = Vec::new();
    while arguments.remaining() > 0 {
        let receipt = arguments.bytes()?;
        let visibility_timeout_ms = arguments.seconds_ms("the visibility timeout")?;
        let extension = Extension { visibility_timeout_ms, demand, unless_changed_due_ms };
        extensions.push((receipt, extension));
    }
    arguments.finish()?;
    match extensions.len() {
        0 => Err(Failure::Syntax),
        1..=BATCH_MAX => Ok(Input { key, extensions }),
        _ => Err(Failure::Refused(TOO_MANY_RECEIPTS)),
    }
}

fn execute(ctx: &Context, input: &Input<'_>) -> Result<Vec<Answer>, Failure> {
    let now_ms = clock::now_ms();
    let mut states = Vec::new();
    let (answers, hint) = with_queue(ctx, input.key, WRITE, |queue| {
        let mut extend = |(text, extension): &(&[u8], Extension)| {
            answer(text, |receipt| {
                let outcome = queue.extend(now_ms, receipt, extension);
                if outcome == Outcome::Done {
                    queue.encode_state(receipt.slot, &mut states);
                }
                outcome
            })
        };
        let answers: Vec<_> = input.extensions.iter().map(&mut extend).collect();
        Ok((answers, queue.take_hint()))
    })?;
    replicate::moved(ctx, input.key, &states, hint, now_ms);
    Ok(answers)
}
