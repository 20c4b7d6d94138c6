//! What the module looks after by itself, once a second as long as there is anything: queues that
//! asked for a visit, and the wall clock.
//!
//! Only a master does it, and not while it must not write. Replicas note what there is to do, so
//! that one which is promoted goes on. Like the registry it holds names, which may be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis_module::logging::log_notice;
use redis_module::{Context, ContextFlags};

use crate::alarm::{self, Alarm, PAUSED_MS, monotonic_ms};
use crate::clock::STEP_MS;
use crate::commands::WRITE;
use crate::ffi::{self, Key, Value};
use crate::sweep::Slice;
use crate::{clock, counters, registry, replicate, sweep, wakeup};

const TICK_MS: u64 = 1_000;
/// How long until the next tick where one was not enough.
const BUSY_MS: u64 = 5;
/// The same where queues are still to be told that the clock was set.
const TELLING_MS: u64 = 1;

/// The visits of one database.
#[derive(Debug, Default)]
struct Visits {
    by_time: BTreeSet<(u64, Arc<[u8]>)>,
    by_name: BTreeMap<Arc<[u8]>, u64>,
}

struct State {
    visits: BTreeMap<i32, Visits>,
    /// Wall clock and the clock that never steps at the last look at them.
    last: Option<(u64, u64)>,
    /// Where to go on with telling all queues that the clock was set.
    telling: Option<Telling>,
}

/// How far the news that the clock was set has come.
struct Telling {
    /// By how much it was set back; 0: it was set forward.
    back_ms: u64,
    db: i32,
    /// The last queue of the database that knows.
    after: Option<Box<[u8]>>,
    /// The sequence number to go on from in the queue after that.
    from: u64,
}

static STATE: Mutex<State> =
    Mutex::new(State { visits: BTreeMap::new(), last: None, telling: None });

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Visits {
    /// An earlier time wins over a later one.
    fn add(&mut self, name: &[u8], when_ms: u64) {
        let name = match self.by_name.get_key_value(name) {
            Some((_, &before_ms)) if before_ms <= when_ms => return,
            Some((name, &before_ms)) => {
                let name = Arc::clone(name);
                self.by_time.remove(&(before_ms, Arc::clone(&name)));
                name
            }
            None => name.into(),
        };
        self.by_time.insert((when_ms, Arc::clone(&name)));
        self.by_name.insert(name, when_ms);
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some((name, when_ms)) = self.by_name.remove_entry(name) {
            self.by_time.remove(&(when_ms, name));
        }
    }

    fn take_due(&mut self, now_ms: u64) -> Option<Arc<[u8]>> {
        if self.by_time.first()?.0 > now_ms {
            return None;
        }
        let (_, name) = self.by_time.pop_first()?;
        self.by_name.remove(&name);
        Some(name)
    }
}

impl State {
    /// How long until the next tick.
    fn sleep_ms(&self, now_ms: u64) -> u64 {
        let is_due = |visits: &Visits| visits.by_time.first().is_some_and(|due| due.0 <= now_ms);
        match &self.telling {
            Some(_) => TELLING_MS,
            None if self.visits.values().any(is_due) => BUSY_MS,
            None => TICK_MS,
        }
    }

    /// The next queue to visit.
    fn take_due(&mut self, now_ms: u64) -> Option<(i32, Arc<[u8]>)> {
        self.visits.retain(|_, visits| !visits.by_name.is_empty());
        self.visits.iter_mut().find_map(|(&db, visits)| Some((db, visits.take_due(now_ms)?)))
    }
}

/// Asks for a visit of a queue at a time, in milliseconds since 1970.
pub(crate) fn schedule(db: i32, name: &[u8], when_ms: u64) {
    lock().visits.entry(db).or_default().add(name, when_ms);
}

/// Asks for a visit at the next tick but one: something came into the queue.
pub(crate) fn schedule_soon(db: i32, name: &[u8], now_ms: u64) {
    schedule(db, name, now_ms.saturating_add(TICK_MS));
}

/// A queue is gone; a replica, which visits none, would keep its name for ever.
pub(crate) fn forget(db: i32, name: &[u8]) {
    let mut state = lock();
    if let Some(visits) = state.visits.get_mut(&db) {
        visits.remove(name);
        if visits.by_name.is_empty() {
            state.visits.remove(&db);
        }
    }
}

/// Two databases change places.
pub(crate) fn swap(one: i32, other: i32) {
    let mut state = lock();
    let (first, second) = (state.visits.remove(&one), state.visits.remove(&other));
    state.visits.extend(first.map(|visits| (other, visits)));
    state.visits.extend(second.map(|visits| (one, visits)));
}

/// A database was emptied; `None`: all were.
pub(crate) fn clear(db: Option<i32>) {
    let mut state = lock();
    match db {
        Some(db) => drop(state.visits.remove(&db)),
        None => state.visits.clear(),
    }
}

/// How many queues are to be visited.
pub(crate) fn scheduled() -> usize {
    lock().visits.values().map(|visits| visits.by_name.len()).sum()
}

fn has_work() -> bool {
    let state = lock();
    !state.visits.is_empty() || state.telling.is_some() || wakeup::waiters() > 0
}

/// The server's cron, ten times a second: looks at the clock, so that one which is wrong for less
/// than a tick is seen, too, and starts the tick, when there is something to look after. Until then
/// the clock is noted, so that the first look sees what has happened since.
pub(crate) fn on_cron(ctx: &Context) {
    if !(has_work() && is_master(ctx)) {
        clock::take_lead_ms();
        lock().last = Some((clock::now_ms(), monotonic_ms()));
        return;
    }
    look_at_clock(ctx, clock::now_ms());
    if !alarm::is_armed(Alarm::Tick) {
        alarm::arm(ctx, Alarm::Tick, TICK_MS);
    }
}

fn is_master(ctx: &Context) -> bool {
    let flags = ctx.get_flags();
    let loading = ContextFlags::LOADING | ContextFlags::ASYNC_LOADING;
    flags.contains(ContextFlags::MASTER) && !flags.intersects(loading)
}

/// A second is over.
pub(crate) fn on_timer(ctx: &Context) {
    if ctx.avoid_replication_traffic() {
        alarm::arm(ctx, Alarm::Tick, PAUSED_MS);
        return;
    }
    if !is_master(ctx) {
        return;
    }
    let now_ms = clock::now_ms();
    let slice = Slice::new();
    tell_of_clock(ctx, now_ms, slice);
    visit_due(ctx, now_ms, slice);
    if has_work() {
        let sleep_ms = lock().sleep_ms(now_ms);
        alarm::arm(ctx, Alarm::Tick, sleep_ms);
    }
}

fn look_at_clock(ctx: &Context, now_ms: u64) {
    let monotonic_ms = monotonic_ms();
    let lead_ms = clock::lead_ms(now_ms, monotonic_ms);
    // Set forward and back since the last tick: what was made due in between is late.
    let ahead_ms = clock::take_lead_ms().saturating_sub(lead_ms);
    let Some((wall_ms, steady_ms)) = lock().last.replace((now_ms, monotonic_ms)) else { return };
    let by_ms = lead_ms.saturating_sub(clock::lead_ms(wall_ms, steady_ms));
    if by_ms.unsigned_abs() > STEP_MS {
        on_clock_step(ctx, by_ms);
    } else if ahead_ms.is_positive() && ahead_ms.unsigned_abs() > STEP_MS {
        on_clock_step(ctx, -ahead_ms);
    }
}

/// Whoever knows a time until something is due knows it wrong now: clients that are blocked, whose
/// timer looks again, and listeners of hints, who are told, some at each tick. What was due by a
/// clock that was ahead is made due earlier on the way.
fn on_clock_step(ctx: &Context, by_ms: i64) {
    counters::CLOCK_STEPS.add(1);
    log_notice(format!("karin: the clock was set, by {by_ms} ms"));
    alarm::arm(ctx, Alarm::Wake, 1);
    alarm::arm(ctx, Alarm::Tick, 1);
    let first = registry::databases().first().copied();
    let mut state = lock();
    // What the step before has not set right yet is still wrong after one forward.
    let left_ms = state.telling.take().map_or(0, |telling| telling.back_ms);
    let back_ms = if by_ms < 0 { by_ms.unsigned_abs() } else { left_ms };
    state.telling = first.map(|db| Telling { back_ms, db, after: None, from: 0 });
}

/// Tells of the next queues, after the clock was set.
fn tell_of_clock(ctx: &Context, now_ms: u64, slice: Slice) {
    /// Names that are asked for at once.
    const NAMES: usize = 200;
    let Some(mut telling) = lock().telling.take() else { return };
    let names = registry::names(telling.db, b"", telling.after.as_deref(), NAMES);
    let more_names = names.len() == NAMES;
    if ffi::select_db(ctx, telling.db) {
        for name in names {
            let Telling { back_ms, from, .. } = &mut telling;
            let key_name = replicate::string(&name);
            if slice.is_over() || !sweep::correct(ctx, &key_name, *back_ms, from, now_ms, slice) {
                lock().telling = Some(telling);
                return;
            }
            if telling.back_ms > 0 {
                // Its visit may be set for a time of the clock that was ahead.
                schedule_soon(telling.db, &name, now_ms);
            }
            telling.after = Some(name);
            telling.from = 0;
        }
    }
    if !more_names {
        let next = registry::databases().into_iter().find(|&other| other > telling.db);
        let Some(db) = next else { return };
        telling = Telling { db, after: None, from: 0, ..telling };
    }
    lock().telling = Some(telling);
}

fn visit_due(ctx: &Context, now_ms: u64, slice: Slice) {
    while !slice.is_over() {
        let Some((db, name)) = lock().take_due(now_ms) else { break };
        if !ffi::select_db(ctx, db) {
            continue;
        }
        let key_name = replicate::string(&name);
        let next_ms = match Key::open(ctx, &key_name, WRITE).value() {
            Value::Queue(queue) => sweep::visit(ctx, &key_name, queue, now_ms),
            Value::Missing | Value::Other => None,
        };
        match next_ms {
            Some(next_ms) if next_ms <= now_ms => schedule(db, &name, now_ms),
            Some(next_ms) => schedule(db, &name, next_ms.max(now_ms.saturating_add(TICK_MS))),
            None => {}
        }
    }
}
