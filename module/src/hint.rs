//! Hints: telling whoever listens that a queue is due earlier than they know
//! (docs/commands.md, "Hints").

use std::sync::atomic::{AtomicBool, Ordering};

use karin_core::Hint;
use redis_module::{Context, RedisString};

use crate::{channel, counters, ffi, tick, wakeup};

/// Whether the server is a node of a cluster, where channels have a slot.
static SHARDED: AtomicBool = AtomicBool::new(false);

/// Who hears what is published.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Audience {
    /// Listeners at any node.
    Everyone,
    /// Listeners at the nodes of the channel's slot.
    Shard,
}

/// Publishes sharded from now on.
pub(crate) fn use_shards() {
    SHARDED.store(true, Ordering::Relaxed);
}

/// Tells whoever waits for a queue its new earliest due time: clients blocked on its key, listeners
/// of its channel, and the tick. Every command that changes a queue comes here with the hint the
/// queue made, so none can forget anybody.
pub(crate) fn tell(ctx: &Context, key: &RedisString, hint: Hint, now_ms: u64) {
    wakeup::tell(ctx, key, hint.due_ms, now_ms);
    tick::schedule_soon(ffi::selected_db(ctx), key.as_slice(), now_ms);
    publish(ctx, key.as_slice(), hint, now_ms);
}

fn publish(ctx: &Context, key: &[u8], hint: Hint, now_ms: u64) {
    counters::HINTS.add(1);
    let text = format!("{} {}", hint.due_ms.saturating_sub(now_ms), hint.number);
    let channel = RedisString::create_from_slice(std::ptr::null_mut(), &channel::of(key));
    let message = RedisString::create_from_slice(std::ptr::null_mut(), text.as_bytes());
    let sharded = SHARDED.load(Ordering::Relaxed);
    let audience = if sharded { Audience::Shard } else { Audience::Everyone };
    ffi::publish(ctx, &channel, &message, audience);
}
