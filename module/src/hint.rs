//! Hints: telling whoever listens that a queue is due earlier than they know
//! (docs/commands.md, "Hints").

use std::sync::atomic::{AtomicBool, Ordering};

use karin_core::Hint;
use redis_module::{Context, RedisString};

use crate::ffi;

/// Whether the server is a node of a cluster, where channels have a slot.
static SHARDED: AtomicBool = AtomicBool::new(false);

const CHANNEL_PREFIX: &[u8] = b"karin:due:";

/// Publishes sharded from now on.
pub(crate) fn use_shards() {
    SHARDED.store(true, Ordering::Relaxed);
}

/// Tells listeners of the queue `key` its new earliest due time.
pub(crate) fn publish(ctx: &Context, key: &[u8], hint: Hint, now_ms: u64) {
    let text = format!("{} {}", hint.due_ms.saturating_sub(now_ms), hint.number);
    let channel = RedisString::create_from_slice(std::ptr::null_mut(), &channel(key));
    let message = RedisString::create_from_slice(std::ptr::null_mut(), text.as_bytes());
    if SHARDED.load(Ordering::Relaxed) {
        ffi::publish_to_shard(ctx, &channel, &message);
    } else {
        ffi::publish(ctx, &channel, &message);
    }
}

/// The channel of a queue. It has the key's slot in a cluster, unless the key has a brace that
/// makes no hash tag.
fn channel(key: &[u8]) -> Vec<u8> {
    if has_hash_tag(key) {
        [CHANNEL_PREFIX, key].concat()
    } else {
        [CHANNEL_PREFIX, b"{", key, b"}"].concat()
    }
}

/// Whether only a part of the key counts for its slot: what stands between the first `{` and the
/// next `}`, if anything does.
fn has_hash_tag(key: &[u8]) -> bool {
    let after_brace = key.iter().position(|&b| b == b'{').and_then(|at| key.get(at + 1..));
    after_brace.is_some_and(|rest| rest.iter().position(|&b| b == b'}').is_some_and(|at| at > 0))
}
