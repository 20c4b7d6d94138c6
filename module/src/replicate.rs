//! What goes to replicas and the append-only file: effects with absolute values, never decisions,
//! since clocks and random numbers differ (module-facts §2).

use std::ffi::CStr;
use std::ptr::null_mut;

use karin_core::{Hint, Letter, Queue};
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
/// The internal command that forgets deduplication and attempt ids.
pub(crate) const XFORGET: &CStr = c"KARIN.XFORGET";
/// The internal command that deletes all messages up to a sequence number.
pub(crate) const XPURGE: &CStr = c"KARIN.XPURGE";
/// The internal command that notes which letters of a source were taken.
pub(crate) const XMARK: &CStr = c"KARIN.XMARK";
/// The internal command that remembers deduplication ids.
pub(crate) const XDEDUP: &CStr = c"KARIN.XDEDUP";
/// The internal command that remembers a receive attempt.
pub(crate) const XATTEMPT: &CStr = c"KARIN.XATTEMPT";

/// Bytes as a string of the server.
pub(crate) fn string(bytes: &[u8]) -> RedisString {
    RedisString::create_from_slice(null_mut(), bytes)
}

/// Replicates the queue without its messages.
pub(crate) fn header(ctx: &Context, key: &RedisString, header: &[u8]) {
    ffi::replicate(ctx, XQUEUE, [key, &string(header)]);
}

/// Replicates new messages, and which letters they are. One message alone, the usual case, takes
/// no list.
pub(crate) fn puts(ctx: &Context, key: &RedisString, puts: &Puts<'_>) {
    let Some(first) = &puts.first else { return };
    if puts.more.is_empty() {
        ffi::replicate(ctx, XPUT, [key, &first.meta, first.payload.as_string()]);
    } else {
        let mut parts = vec![key, &first.meta, first.payload.as_string()];
        parts.extend(puts.more.iter().flat_map(|put| [&put.meta, put.payload.as_string()]));
        ffi::replicate_list(ctx, XPUT, &parts);
    }
    for letter in &puts.letters {
        let uid = string(format!("{:016x}", letter.source_uid).as_bytes());
        let number = string(letter.number.to_string().as_bytes());
        ffi::replicate(ctx, XMARK, [key, &uid, &number]);
    }
}

/// New messages on their way to replicas.
#[derive(Debug, Default)]
pub(crate) struct Puts<'a> {
    first: Option<Put<'a>>,
    more: Vec<Put<'a>>,
    /// The last letter of each source.
    letters: Vec<Letter>,
}

impl<'a> Puts<'a> {
    /// Adds the message in a slot, which the client gave with this body.
    pub(crate) fn add(&mut self, queue: &Queue, slot: u32, body: &'a RedisString) {
        let meta = queue.encode_meta(slot);
        let meta = string(meta.as_ref().map_or(&[][..], |meta| meta.as_slice()));
        let put = Put { meta, payload: Payload::of(queue, slot, body) };
        match self.first {
            None => self.first = Some(put),
            Some(_) => self.more.push(put),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    /// Adds that this letter was taken.
    pub(crate) fn add_letter(&mut self, letter: Letter) {
        match self.letters.iter_mut().find(|other| other.source_uid == letter.source_uid) {
            Some(last) => *last = letter,
            None => self.letters.push(letter),
        }
    }

    /// Whether there are dead letters of other queues among them.
    pub(crate) fn has_letters(&self) -> bool {
        !self.letters.is_empty()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

#[derive(Debug)]
struct Put<'a> {
    meta: RedisString,
    payload: Payload<'a>,
}

#[derive(Debug)]
enum Payload<'a> {
    /// The client's own argument; nothing is copied.
    Body(&'a RedisString),
    /// Body, attributes and extras together.
    Joined(RedisString),
}

impl<'a> Payload<'a> {
    /// The payload in a slot, which is the body alone if there is nothing beside it.
    fn of(queue: &Queue, slot: u32, body: &'a RedisString) -> Self {
        let payload = queue.payload(slot).unwrap_or_default();
        if payload.len() == body.as_slice().len() {
            return Self::Body(body);
        }
        Self::Joined(string(payload))
    }

    fn as_string(&self) -> &RedisString {
        match self {
            Self::Body(body) => body,
            Self::Joined(joined) => joined,
        }
    }
}

/// What every command does that only deleted messages: tells replicas and waiters, if there were
/// any.
pub(crate) fn deleted(
    ctx: &Context,
    key: &RedisString,
    slots: &[u8],
    hint: Option<Hint>,
    now_ms: u64,
) {
    if !slots.is_empty() {
        deletions(ctx, key, slots);
        announce(ctx, key, hint, now_ms);
    }
}

/// What every command does that only changed where messages stand: tells replicas and waiters, if
/// anything changed.
pub(crate) fn moved(
    ctx: &Context,
    key: &RedisString,
    new_states: &[u8],
    hint: Option<Hint>,
    now_ms: u64,
) {
    if !new_states.is_empty() {
        states(ctx, key, new_states);
        announce(ctx, key, hint, now_ms);
    }
}

/// Replicates where messages stand now, if `states` names any.
pub(crate) fn states(ctx: &Context, key: &RedisString, states: &[u8]) {
    if !states.is_empty() {
        ffi::replicate(ctx, XLEASE, [key, &string(states)]);
    }
}

/// Replicates deletions, if `slots` names any.
pub(crate) fn deletions(ctx: &Context, key: &RedisString, slots: &[u8]) {
    if !slots.is_empty() {
        ffi::replicate(ctx, XDEL, [key, &string(slots)]);
    }
}

/// Replicates when deduplication ids were accepted, if `ids` names any.
pub(crate) fn ids(ctx: &Context, key: &RedisString, ids: &[u8]) {
    if !ids.is_empty() {
        ffi::replicate(ctx, XDEDUP, [key, &string(ids)]);
    }
}

/// Replicates what a receive attempt was answered with.
pub(crate) fn attempt(ctx: &Context, key: &RedisString, attempt: &[u8]) {
    ffi::replicate(ctx, XATTEMPT, [key, &string(attempt)]);
}

/// Replicates that ids accepted at a time or before are forgotten.
pub(crate) fn forgotten(ctx: &Context, key: &RedisString, until_ms: u64) {
    ffi::replicate(ctx, XFORGET, [key, &string(until_ms.to_string().as_bytes())]);
}

/// Replicates that all messages up to a sequence number are gone.
pub(crate) fn purge(ctx: &Context, key: &RedisString, up_to_sequence: u64) {
    ffi::replicate(ctx, XPURGE, [key, &string(up_to_sequence.to_string().as_bytes())]);
}

/// The last step of every write before its reply: whoever watches or caches the key learns of it,
/// and those who wait get the hint.
pub(crate) fn announce(ctx: &Context, key: &RedisString, hint: Option<Hint>, now_ms: u64) {
    ffi::signal_modified(ctx, key);
    if let Some(hint) = hint {
        hint::tell(ctx, key, hint, now_ms);
    }
}
