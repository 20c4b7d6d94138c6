//! `KARIN.POPDUE key [COUNT n] [VISIBILITY s] [GROUPS n] [MAXBYTES bytes] [BLOCK s] [ATTEMPT id]
//! [HOLDER id]`: hands out what is due, or waits for it.

use karin_core::limits::{REMEMBERED_MS, VISIBILITY_TIMEOUT_MS_MAX};
use karin_core::{PopOptions, Popped, Queue};
use redis_module::{Context, ContextFlags, RedisString};

use crate::args::Args;
use crate::commands::message::reply_delivery;
use crate::commands::{WRITE, caught};
use crate::docs::{Arg, Doc, KeyUse};
use crate::ffi::{self, Key, Value};
use crate::reply::{Failure, Reply};
use crate::wakeup::{self, Waiter};
use crate::{clock, config, replicate, sweep, tick};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.popdue",
    summary:
        c"Hands out due messages and hides them for the visibility timeout. May wait for them.",
    complexity: c"O(K log N) for K messages handed out or dropped, N being in flight or delayed.",
    arity: -2,
    key: Some(KeyUse::TAKE),
    arguments: &[
        Arg::KEY,
        Arg::integer(c"count").token(c"COUNT").optional(),
        Arg::double(c"seconds").token(c"VISIBILITY").optional(),
        Arg::integer(c"groups").token(c"GROUPS").optional(),
        Arg::integer(c"bytes").token(c"MAXBYTES").optional(),
        Arg::string(c"attempt").token(c"ATTEMPT").optional(),
        Arg::integer(c"holder").token(c"HOLDER").optional(),
        Arg::double(c"seconds").token(c"BLOCK").optional(),
    ],
};

/// How long a client that is held back by the limit of messages in flight waits for the next look.
const HELD_BACK_MS: u64 = 1_000;

struct Input<'a> {
    key: &'a RedisString,
    options: PopOptions<'a>,
    /// How long to wait for something due; 0: for ever. `None`: not at all.
    block_ms: Option<u64>,
}

/// What a look into the key brought.
#[derive(Debug, Clone, Copy)]
enum Found {
    /// The client has its answer.
    Answered,
    /// Nothing was handed out; the client may wait.
    Nothing {
        /// When to look again, in milliseconds since 1970; `None`: not before somebody changes
        /// something.
        look_again_ms: Option<u64>,
        /// Whether messages were dropped on the way.
        changed: bool,
    },
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let now_ms = clock::now_ms();
    match serve(ctx, &input, now_ms)? {
        Found::Answered => {}
        Found::Nothing { look_again_ms, .. } => wait(ctx, &input, look_again_ms, now_ms),
    }
    Ok(())
}

/// The server asks whether a client that waits can be served. `true`: it has its answer; `false`:
/// nothing was changed, it waits on (a change and `false` would crash redis 7.0, module-facts §3).
pub(crate) fn on_ready(ctx: &Context, arguments: &[RedisString]) -> bool {
    let now_ms = clock::now_ms();
    let Some(name) = arguments.get(1) else { return false };
    let next_due_ms = match Key::look_at(ctx, name).value() {
        Value::Queue(queue) => (!queue.offers(now_ms)).then(|| queue.next_due_ms()),
        Value::Missing | Value::Other => Some(None),
    };
    if let Some(next_due_ms) = next_due_ms {
        look_again(ctx, name, next_due_ms, now_ms);
        return false;
    }
    let arguments = Args::after_name(arguments);
    match caught(|| serve(ctx, &parse(arguments)?, now_ms)) {
        Ok(Found::Nothing { changed: false, look_again_ms }) => {
            look_again(ctx, name, look_again_ms, now_ms);
            false
        }
        Ok(Found::Answered) => true,
        Ok(Found::Nothing { changed: true, .. }) => {
            Reply(ctx).null();
            true
        }
        Err(failure) => {
            failure.reply(ctx);
            true
        }
    }
}

/// Pops and answers, unless there is nothing and the client would rather wait.
fn serve(ctx: &Context, input: &Input<'_>, now_ms: u64) -> Result<Found, Failure> {
    let mut key = Key::open(ctx, input.key, WRITE);
    let queue = match key.value() {
        Value::Queue(queue) => queue,
        Value::Missing if input.block_ms.is_some() => {
            return Ok(Found::Nothing { look_again_ms: None, changed: false });
        }
        Value::Missing => return Err(Failure::NoQueue),
        Value::Other => return Err(Failure::WrongType),
    };
    let popped = execute(ctx, input, queue, now_ms);
    if popped.leased.is_empty() && input.block_ms.is_some() {
        let changed = !(popped.dropped.is_empty() && popped.died.is_empty());
        let look_again_ms = look_again_at(queue, &popped, now_ms);
        return Ok(Found::Nothing { look_again_ms, changed });
    }
    reply(Reply(ctx), queue, &popped, now_ms);
    Ok(Found::Answered)
}

/// When to look again for a client that got nothing, in milliseconds since 1970. Whom only the
/// limit of messages in flight holds back gets something when a lease ends, or when the setting is
/// raised, of which nobody tells: hence the second.
fn look_again_at(queue: &Queue, popped: &Popped, now_ms: u64) -> Option<u64> {
    if !popped.is_limited {
        return queue.next_due_ms();
    }
    let latest_ms = now_ms.saturating_add(HELD_BACK_MS);
    Some(queue.next_lapse_ms().map_or(latest_ms, |lapse_ms| lapse_ms.min(latest_ms)))
}

fn look_again(ctx: &Context, name: &RedisString, look_again_ms: Option<u64>, now_ms: u64) {
    if let Some(look_again_ms) = look_again_ms {
        wakeup::note_due(ctx, name.as_slice(), look_again_ms, now_ms);
    }
}

/// Lets the client wait. Where none can, as in a transaction or a script, the answer is nil.
fn wait(ctx: &Context, input: &Input<'_>, look_again_ms: Option<u64>, now_ms: u64) {
    let Some(block_ms) = input.block_ms else { return };
    let flags = ctx.get_flags();
    // On a replica that takes writes nobody would wake it.
    let may_block = flags.contains(ContextFlags::MASTER)
        && !flags.intersects(ContextFlags::DENY_BLOCKING | ContextFlags::LOADING);
    let waits = may_block && {
        let waiter = Waiter::new(ffi::selected_db(ctx), input.key.as_slice());
        ffi::block_on_key(ctx, input.key, block_ms, waiter)
    };
    if waits {
        look_again(ctx, input.key, look_again_ms, now_ms);
    } else {
        Reply(ctx).null();
    }
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let (mut count, mut visibility_timeout_ms, mut groups) = (None, None, None);
    let (mut max_bytes, mut attempt, mut holder, mut block_ms) = (None, None, None, None);
    while arguments.option("COUNT", &mut count, Args::count)?
        || arguments.option("VISIBILITY", &mut visibility_timeout_ms, visibility_timeout)?
        || arguments.option("GROUPS", &mut groups, Args::count)?
        || arguments.option("MAXBYTES", &mut max_bytes, Args::byte_count)?
        || arguments.option("ATTEMPT", &mut attempt, Args::id)?
        || arguments.option("HOLDER", &mut holder, Args::holder)?
        || arguments.option("BLOCK", &mut block_ms, Args::wait_ms)?
    {}
    arguments.finish()?;
    let options = PopOptions {
        count: count.unwrap_or(1),
        visibility_timeout_ms,
        max_bytes,
        groups,
        holder: holder.unwrap_or(0),
        attempt,
        in_flight_max: config::max_in_flight(),
    };
    Ok(Input { key, options, block_ms })
}

/// How long a message is hidden, which no receive may overdo.
pub(super) fn visibility_timeout(
    arguments: &mut Args<'_>,
    what: &'static str,
) -> Result<u64, Failure> {
    let maximum = VISIBILITY_TIMEOUT_MS_MAX / 1_000;
    let given_ms = arguments.seconds_ms(what)?;
    (given_ms <= VISIBILITY_TIMEOUT_MS_MAX)
        .then_some(given_ms)
        .ok_or(Failure::NotSeconds { what, maximum })
}

/// Pops and replicates what it did, if anything.
fn execute(ctx: &Context, input: &Input<'_>, queue: &mut Queue, now_ms: u64) -> Popped {
    let popped = queue.pop_due(now_ms, &input.options, &mut clock::draw_lease);
    let hint = queue.take_hint();
    let changed = sweep::popped(ctx, input.key, queue, &popped);
    let attempt = input.options.attempt.filter(|_| !popped.leased.is_empty());
    if let Some(attempt) = attempt.and_then(|id| queue.encode_attempt(id)) {
        replicate::attempt(ctx, input.key, &attempt);
        tick::schedule(ffi::selected_db(ctx), input.key.as_slice(), now_ms + REMEMBERED_MS);
    }
    if changed {
        replicate::announce(ctx, input.key, hint, now_ms);
    }
    popped
}

fn reply(reply: Reply<'_>, queue: &mut Queue, popped: &Popped, now_ms: u64) {
    // What is due and held back can be received when a lease ends.
    let (more, next_ms) = if popped.is_limited {
        (0, queue.next_lapse_ms().map(|lapse_ms| lapse_ms.saturating_sub(now_ms)))
    } else {
        (queue.more(now_ms), queue.next_wait_ms(now_ms))
    };
    let views: Vec<_> = popped.leased.iter().filter_map(|&slot| queue.view(slot)).collect();
    reply.map(7);
    reply.field("messages").array(views.len());
    for view in &views {
        reply_delivery(reply, queue, view);
    }
    reply.field("more").number(more);
    reply.field("dead").number(queue.dead());
    reply.field("next").number_or_none(next_ms);
    reply.field("hint").number(queue.hint());
    reply.field("wait").number(queue.attributes().receive_message_wait_time_ms);
    reply.field("limited").number(u64::from(popped.is_limited));
}
