//! The module's two timers: one for clients that wait, one for the tick.
//!
//! A timer of the server stands on the wall clock: one that was set before the clock stepped back
//! would ring late by the step. So each is also looked at in the server's cron, ten times a second,
//! against a clock that never steps, and set anew when it is overdue.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use redis_module::Context;

use crate::{ffi, tick, wakeup};

/// Which timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Something is due that clients wait for.
    Wake,
    /// [`tick`].
    Tick,
}

const ALL: [Alarm; 2] = [Alarm::Wake, Alarm::Tick];

/// How long a timer waits that must not write now: during CLIENT PAUSE and FAILOVER.
pub(crate) const PAUSED_MS: u64 = 20;
/// How late a timer may be before it counts as forgotten.
const OVERDUE_MS: u64 = 200;

/// A timer that is set.
#[derive(Debug, Clone, Copy)]
struct Armed {
    rings_ms: u64,
    timer: ffi::TimerId,
}

static ARMED: Mutex<[Option<Armed>; ALL.len()]> = Mutex::new([None; ALL.len()]);

fn lock() -> MutexGuard<'static, [Option<Armed>; ALL.len()]> {
    ARMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds on a clock that never steps, since some moment.
pub(crate) fn monotonic_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Sets a timer, unless it rings as early already. Timers carry nothing and are set by whoever
/// needs them; what rings looks for itself at what there is to do.
pub(crate) fn arm(ctx: &Context, alarm: Alarm, after_ms: u64) {
    let rings_ms = monotonic_ms().saturating_add(after_ms);
    let mut armed = lock();
    let Some(place) = armed.get_mut(alarm as usize) else { return };
    if place.is_some_and(|armed| armed.rings_ms <= rings_ms) {
        return;
    }
    if let Some(before) = place.take() {
        ffi::stop_timer(ctx, before.timer);
    }
    *place = Some(Armed { rings_ms, timer: ffi::start_timer(ctx, after_ms, alarm as usize) });
}

fn disarm(ctx: &Context, alarm: Alarm) {
    let before = lock().get_mut(alarm as usize).and_then(Option::take);
    if let Some(before) = before {
        ffi::stop_timer(ctx, before.timer);
    }
}

/// Whether a timer is set.
pub(crate) fn is_armed(alarm: Alarm) -> bool {
    lock().get(alarm as usize).is_some_and(Option::is_some)
}

/// A timer rang: it is set no more.
pub(crate) fn on_timer(ctx: &Context, number: usize) {
    if let Some(place) = lock().get_mut(number) {
        *place = None;
    }
    match ALL.get(number) {
        Some(Alarm::Wake) => wakeup::on_timer(ctx),
        Some(Alarm::Tick) => tick::on_timer(ctx),
        None => {}
    }
}

/// The server's cron, whatever the clock does.
pub(crate) fn on_cron(ctx: &Context) {
    let now_ms = monotonic_ms();
    for alarm in ALL {
        let armed = lock().get(alarm as usize).copied().flatten();
        if armed.is_some_and(|armed| armed.rings_ms.saturating_add(OVERDUE_MS) < now_ms) {
            disarm(ctx, alarm);
            arm(ctx, alarm, 1);
        }
    }
    tick::on_cron(ctx);
}
