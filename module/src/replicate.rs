//! What goes to replicas and the append-only file: effects with absolute values, never decisions,
//! since clocks and random numbers differ (module-facts §2).

use std::ffi::CStr;
use std::ptr::null_mut;

use karin_core::{Hint, Queue};
use redis_module::{Context, RedisString};

use crate::{ffi, hint};

/// The internal command that makes a queue or changes what is not messages.
pub(crate) const XQUEUE: &CStr = c"KARIN.XQUEUE";
/// The internal command that puts messages.
pub(crate) const XPUT: &CStr = c"KARIN.XPUT";
/// The internal command that changes where messages stand.
pub(crate) const XLEASE: &CStr = c"KARIN.XLEASE";
/// The internal command that deletes messages.
pub(crate) const XDEL: &CStr = c"KARIN.XDEL";
/// The internal command that deletes all messages up to a sequence number.
pub(crate) const XPURGE: &CStr = c"KARIN.XPURGE";

/// Bytes as a string of the server.
pub(crate) fn string(bytes: &[u8]) -> RedisString {
    RedisString::create_from_slice(null_mut(), bytes)
}

/// Replicates the queue without its messages.
pub(crate) fn header(ctx: &Context, key: &RedisString, header: &[u8]) {
    ffi::replicate(ctx, XQUEUE, &[key, &string(header)]);
}

/// Replicates new messages: (meta, payload) pairs.
pub(crate) fn puts(ctx: &Context, key: &RedisString, pairs: &[(RedisString, Payload<'_>)]) {
    let mut parts = Vec::with_capacity(1 + 2 * pairs.len());
    parts.push(key);
    for (meta, payload) in pairs {
        parts.push(meta);
        parts.push(payload.as_string());
    }
    ffi::replicate(ctx, XPUT, &parts);
}

/// The payload of a message on its way to replicas.
#[derive(Debug)]
pub(crate) enum Payload<'a> {
    /// The client's own argument; nothing is copied.
    Body(&'a RedisString),
    /// Body and attributes together.
    Joined(RedisString),
}

impl<'a> Payload<'a> {
    /// The payload in a slot, which is the body alone if there are no attributes.
    pub(crate) fn of(
        queue: &Queue,
        slot: u32,
        body: &'a RedisString,
        attributes: Option<&[u8]>,
    ) -> Self {
        if attributes.is_none_or(<[u8]>::is_empty) {
            return Self::Body(body);
        }
        Self::Joined(string(queue.payload(slot).unwrap_or_default()))
    }

    fn as_string(&self) -> &RedisString {
        match self {
            Self::Body(body) => body,
            Self::Joined(joined) => joined,
        }
    }
}

/// Replicates where messages stand now, if `states` names any.
pub(crate) fn states(ctx: &Context, key: &RedisString, states: &[u8]) {
    if !states.is_empty() {
        ffi::replicate(ctx, XLEASE, &[key, &string(states)]);
    }
}

/// Replicates deletions, if `slots` names any.
pub(crate) fn deletions(ctx: &Context, key: &RedisString, slots: &[u8]) {
    if !slots.is_empty() {
        ffi::replicate(ctx, XDEL, &[key, &string(slots)]);
    }
}

/// Replicates that all messages up to a sequence number are gone.
pub(crate) fn purge(ctx: &Context, key: &RedisString, up_to_sequence: u64) {
    ffi::replicate(ctx, XPURGE, &[key, &string(up_to_sequence.to_string().as_bytes())]);
}

/// The last step of every write before its reply: whoever watches or caches the key learns of it,
/// and listeners get the hint.
pub(crate) fn announce(ctx: &Context, key: &RedisString, hint: Option<Hint>, now_ms: u64) {
    ffi::signal_modified(ctx, key);
    if let Some(hint) = hint {
        hint::publish(ctx, key.as_slice(), hint, now_ms);
    }
}
