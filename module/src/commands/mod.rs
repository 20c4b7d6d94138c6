//! The commands, one file each: documentation, parse, execute, reply.

pub(crate) mod ack;
pub(crate) mod create;
pub(crate) mod dead;
pub(crate) mod deadack;
pub(crate) mod debug;
pub(crate) mod extend;
pub(crate) mod info;
pub(crate) mod internal;
pub(crate) mod list;
mod message;
pub(crate) mod peek;
pub(crate) mod popdue;
pub(crate) mod purge;
pub(crate) mod redrive;
pub(crate) mod release;
pub(crate) mod send;
pub(crate) mod sendm;
pub(crate) mod set;
pub(crate) mod tag;
pub(crate) mod untag;

use std::panic::{AssertUnwindSafe, catch_unwind};

use karin_core::limits::{DEDUP_IDS_MAX_DEFAULT, IN_FLIGHT_MAX_DEFAULT};
use karin_core::{Outcome, Queue, Receipt};
use redis_module::{Context, KeyMode, RedisResult, RedisString, RedisValue};

use crate::args::Args;
use crate::ffi::{Key, Value};
use crate::reply::{Failure, Reply};

/// What a command does with its arguments: it replies, or refuses and has changed nothing.
pub(crate) type Run = fn(&Context, Args<'_>) -> Result<(), Failure>;

/// Makes a handler of the registration table out of a command. A panic in it is caught here and
/// answered, since one that reached the server would end the server; the hook has logged it.
pub(crate) fn guard(run: Run) -> impl FnOnce(&Context, Vec<RedisString>) -> RedisResult {
    move |ctx, arguments| {
        let arguments = Args::after_name(&arguments);
        let result = catch_unwind(AssertUnwindSafe(|| run(ctx, arguments)))
            .unwrap_or_else(|_| Err(Failure::Internal("a bug, see the server's log".to_owned())));
        if let Err(failure) = result {
            failure.reply(ctx);
        }
        Ok(RedisValue::NoReply)
    }
}

/// Opens a key for a command that needs the queue to exist and hands it to `run`.
fn with_queue<T>(
    ctx: &Context,
    name: &RedisString,
    mode: KeyMode,
    run: impl FnOnce(&mut Queue) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match Key::open(ctx, name, mode).value() {
        Value::Queue(queue) => run(queue),
        Value::Missing => Err(Failure::NoQueue),
        Value::Other => Err(Failure::WrongType),
    }
}

/// How many deduplication ids a queue may remember.
fn max_dedup_ids() -> u64 {
    DEDUP_IDS_MAX_DEFAULT
}

/// How many messages of a queue may be in flight.
fn max_in_flight() -> u64 {
    IN_FLIGHT_MAX_DEFAULT
}

/// The mode for changing a key. With NO_IMPLICIT_SIGNAL_MODIFIED, opening so changes nothing yet.
const WRITE: KeyMode = KeyMode::READ.union(KeyMode::WRITE);

/// What became of one receipt of a client; `None`: it is no receipt.
type Answer = Option<Outcome>;

/// Applies `act` to each receipt.
fn answer(text: &[u8], act: impl FnOnce(&Receipt) -> Outcome) -> Answer {
    Receipt::parse(text).map(|receipt| act(&receipt))
}

fn reply_answers(ctx: &Context, answers: &[Answer], gone: Gone) {
    let reply = Reply(ctx);
    reply.array(answers.len());
    for answer in answers {
        match answer {
            Some(Outcome::Done) => reply.number(1),
            Some(Outcome::Gone) => match gone {
                Gone::Zero => reply.number(0),
                Gone::Word => reply.simple(c"KARINGONE"),
            },
            Some(Outcome::Stale) => reply.simple(c"KARINSTALE"),
            Some(Outcome::TooLong) => reply.simple(c"KARINTOOLONG"),
            Some(Outcome::Changed) => reply.simple(c"KARINCHANGED"),
            Some(Outcome::Foreign) => reply.simple(c"KARINFOREIGN"),
            None => reply.simple(c"KARINRECEIPT"),
        }
    }
}

/// How a command says that a message is gone.
#[derive(Debug, Clone, Copy)]
enum Gone {
    /// ACK: it has nothing left to do.
    Zero,
    /// The others: it cannot do what it was asked for.
    Word,
}
