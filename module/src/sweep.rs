//! What is done to a queue although no client asks: dropping what has expired, forgetting old ids,
//! setting times right that a wrong clock made. [`crate::tick`] says when.

use std::time::{Duration, Instant};

use karin_core::limits::WALK_BUDGET;
use karin_core::snapshot::encode_slots;
use karin_core::{Popped, Queue};
use redis_module::{Context, RedisString};

use crate::commands::WRITE;
use crate::ffi::{Key, Value};
use crate::{counters, hint, replicate};

/// How long after it was looked through a queue with moved messages, which may expire in any order,
/// is looked through again; ms.
pub(crate) const MOVED_MS: u64 = 60_000;
/// Messages and ids between two looks at how long it took: a millisecond at most, where each
/// message stands in a group of its own.
const STEP: usize = 250;
/// The same for messages whose times are set right, each of which is replicated, too.
const CORRECTION_STEP: usize = 100;
/// How long one tick may take in all; the last step comes on top.
const SLICE: Duration = Duration::from_millis(1);

/// What one tick may take of the server's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice(Instant);

impl Slice {
    /// A whole one, which starts now.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    /// Whether the rest has to wait for the next tick.
    pub(crate) fn is_over(self) -> bool {
        self.0.elapsed() >= SLICE
    }
}

/// Looks after one queue, at about [`STEP`] messages and ids. Returns when to come again, in
/// milliseconds since 1970; `None`: when there is something in it again.
pub(crate) fn visit(
    ctx: &Context,
    name: &RedisString,
    queue: &mut Queue,
    now_ms: u64,
) -> Option<u64> {
    let swept = queue.sweep(now_ms, STEP);
    counters::EXPIRED.add_count(swept.dropped.len());
    replicate::deletions(ctx, name, &encode_slots(&swept.dropped));
    if let Some(until_ms) = swept.forgot_until_ms {
        replicate::forgotten(ctx, name, until_ms);
    }
    if swept.forgot_until_ms.is_some() || !swept.dropped.is_empty() {
        replicate::announce(ctx, name, queue.take_hint(), now_ms);
    }
    let due_ms = queue.sweep_due_ms();
    let has_moved = queue.watermarks().next().is_some() && !queue.is_empty();
    let pause_ms = if swept.goes_on { 0 } else { MOVED_MS };
    let again_ms = has_moved.then(|| now_ms.saturating_add(pause_ms));
    due_ms.into_iter().chain(again_ms).min()
}

/// Drops what has expired, and puts into the dead list what was received too often, in front of the
/// first message that can be handed out.
pub(crate) fn clear_front(ctx: &Context, name: &RedisString, queue: &mut Queue, now_ms: u64) {
    let cleared = queue.clear_front(now_ms, WALK_BUDGET);
    if popped(ctx, name, queue, &cleared) {
        replicate::announce(ctx, name, queue.take_hint(), now_ms);
    }
}

/// Replicates and counts what handing out did. `false`: nothing.
pub(crate) fn popped(ctx: &Context, name: &RedisString, queue: &Queue, popped: &Popped) -> bool {
    counters::RECEIVED.add_count(popped.leased.len());
    counters::EXPIRED.add_count(popped.dropped.len());
    counters::DEAD_LETTERED.add_count(popped.died.len());
    let mut states = Vec::new();
    for &slot in popped.died.iter().chain(&popped.leased) {
        queue.encode_state(slot, &mut states);
    }
    replicate::deletions(ctx, name, &encode_slots(&popped.dropped));
    replicate::states(ctx, name, &states);
    !(popped.dropped.is_empty() && states.is_empty())
}

/// The wall clock was set, back by `back_ms` if that is not 0: makes the next messages of a queue,
/// from the sequence number `from` on, due when they should be, and tells who waits of the times as
/// they are. `false`: there is more to do, from `from` on.
pub(crate) fn correct(
    ctx: &Context,
    name: &RedisString,
    back_ms: u64,
    from: &mut u64,
    now_ms: u64,
    slice: Slice,
) -> bool {
    let mut key = Key::open(ctx, name, WRITE);
    let Value::Queue(queue) = key.value() else { return true };
    let mut next = (back_ms > 0).then_some(*from);
    while let Some(at) = next {
        *from = at;
        if slice.is_over() {
            return false;
        }
        let corrected = queue.correct_times(now_ms, back_ms, at, CORRECTION_STEP);
        let mut new_states = Vec::new();
        for slot in corrected.slots {
            queue.encode_state(slot, &mut new_states);
        }
        let is_changed = !(new_states.is_empty() && corrected.ids.is_empty());
        replicate::states(ctx, name, &new_states);
        replicate::ids(ctx, name, &corrected.ids);
        for attempt in &corrected.attempts {
            replicate::attempt(ctx, name, attempt);
        }
        if is_changed || !corrected.attempts.is_empty() {
            replicate::announce(ctx, name, queue.take_hint(), now_ms);
        }
        next = corrected.next;
    }
    if let Some(touched) = queue.touch_hint() {
        hint::tell(ctx, name, touched, now_ms);
    }
    true
}
