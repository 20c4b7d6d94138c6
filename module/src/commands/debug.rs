//! `KARIN.DEBUG CHECK key` and `KARIN.DEBUG CLOCK s`: for tests.

use karin_core::attributes::parse_signed_seconds_ms;
use karin_core::limits::DURATION_MS_MAX;
use redis_module::{Context, KeyMode, RedisString};

use crate::args::Args;
use crate::commands::with_queue;
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply};
use crate::{clock, config};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.debug",
    summary: c"Recounts a queue, or changes the module's clock.",
    complexity: c"CHECK: O(N) for N messages; CLOCK: O(1).",
    arity: 3,
    key: Some(KeyUse::READ.after(c"CHECK")),
    arguments: &[Arg::one_of(
        c"what",
        &[Arg::KEY.token(c"CHECK"), Arg::double(c"seconds").token(c"CLOCK")],
    )],
};

enum Input<'a> {
    Check(&'a RedisString),
    Clock { by_ms: i64 },
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    match parse(arguments)? {
        Input::Check(key) => {
            with_queue(ctx, key, KeyMode::READ, |queue| queue.check().map_err(Failure::Internal))?;
            Reply(ctx).ok();
        }
        Input::Clock { by_ms } => {
            if !config::is_debug() {
                return Err(Failure::Refused("the module was not loaded with 'debug yes'"));
            }
            Reply(ctx).integer(clock::adjust(by_ms));
        }
    }
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let input = if arguments.word("CHECK") {
        Input::Check(arguments.string()?)
    } else if arguments.word("CLOCK") {
        let maximum = DURATION_MS_MAX / 1_000;
        let by_ms = parse_signed_seconds_ms(arguments.bytes()?)
            .ok_or(Failure::NotSeconds { what: "the offset", maximum })?;
        Input::Clock { by_ms }
    } else {
        return Err(Failure::Refused("KARIN.DEBUG has CHECK and CLOCK"));
    };
    arguments.finish()?;
    Ok(input)
}
