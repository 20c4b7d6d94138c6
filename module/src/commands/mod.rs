//! The commands, one file each: documentation, parse, execute, reply.

pub(crate) mod ack;
pub(crate) mod create;
pub(crate) mod dead;
pub(crate) mod deadack;
pub(crate) mod debug;
pub(crate) mod drop;
pub(crate) mod extend;
pub(crate) mod info;
pub(crate) mod internal;
pub(crate) mod lease;
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

use karin_core::limits::BATCH_MAX;
use karin_core::{Outcome, Queue, Receipt};
use redis_module::{Context, KeyMode, RedisResult, RedisString, RedisValue};

use crate::args::Args;
use crate::counters;
use crate::ffi::{Key, Value};
use crate::reply::{Failure, Reply};

/// What a command does with its arguments: it replies, or refuses and has changed nothing.
pub(crate) type Run = fn(&Context, Args<'_>) -> Result<(), Failure>;

/// Makes a handler of the registration table out of a command. A panic in it is caught here and
/// answered, since one that reached the server would end the server; the hook has logged it.
pub(crate) fn guard(run: Run) -> impl FnOnce(&Context, Vec<RedisString>) -> RedisResult {
    move |ctx, arguments| {
        let arguments = Args::after_name(&arguments);
        if let Err(failure) = caught(|| run(ctx, arguments)) {
            failure.reply(ctx);
        }
        Ok(RedisValue::NoReply)
    }
}

/// Runs a command; a panic in it becomes an error.
fn caught<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        counters::PANICS.add(1);
        Err(Failure::Internal("a bug, see the server's log".to_owned()))
    })
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

/// The mode for changing a key. With NO_IMPLICIT_SIGNAL_MODIFIED, opening so changes nothing yet.
pub(crate) const WRITE: KeyMode = KeyMode::READ.union(KeyMode::WRITE);

/// All that is left of a command's arguments, as sequence numbers; 1 to [`BATCH_MAX`].
fn parse_sequences(arguments: &mut Args<'_>) -> Result<Vec<u64>, Failure> {
    match arguments.remaining() {
        0 => Err(Failure::Syntax),
        1..=BATCH_MAX => {
            (0..arguments.remaining()).map(|_| arguments.sequence("sequence")).collect()
        }
        _ => Err(Failure::Refused("too many sequence numbers, at most 1000 a command")),
    }
}

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
