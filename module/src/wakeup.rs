//! Clients that wait in `KARIN.POPDUE … BLOCK`, and what wakes them.
//!
//! The server keeps the clients themselves, blocked on their keys; it asks them again (the reply
//! callback) whenever the key is signalled, and it signals keys that appear: by RENAME, RESTORE,
//! MOVE, COPY, SWAPDB. Here stand only how many wait for which key and when something becomes due
//! in it, told at three points: when a client is blocked, when one was asked in vain, and when a
//! command made something due earlier. Names and numbers only, no pointers, no client: whatever
//! happens to keys and clients, the worst is a look in vain (module-facts §3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis_module::{Context, ContextFlags, RedisString};

use crate::alarm::{self, Alarm, PAUSED_MS};
use crate::commands::WRITE;
use crate::ffi::{self, Key, Value};
use crate::sweep::Slice;
use crate::{clock, replicate, sweep};

/// The timer looks at least so often, so that a wall clock that was set to another time delays
/// nobody by more.
const LONGEST_SLEEP_MS: u64 = 1_000;

/// Keys of one database that clients wait for.
type Spots = BTreeMap<Arc<[u8]>, Spot>;

#[derive(Debug)]
struct Spot {
    waiters: usize,
    due_ms: Option<u64>,
}

struct Waiting {
    spots: BTreeMap<i32, Spots>,
    /// (due, database, key) of the spots that have a time.
    dues: BTreeSet<(u64, i32, Arc<[u8]>)>,
}

static WAITING: Mutex<Waiting> =
    Mutex::new(Waiting { spots: BTreeMap::new(), dues: BTreeSet::new() });
/// All waiters, for those who only ask whether there are any.
static WAITERS: AtomicUsize = AtomicUsize::new(0);

fn lock() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One client that waits; it does until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    db: i32,
    name: Arc<[u8]>,
}

impl Waiter {
    /// Counts a client that is about to wait for a key.
    pub(crate) fn new(db: i32, name: &[u8]) -> Self {
        WAITERS.fetch_add(1, Ordering::Relaxed);
        let mut waiting = lock();
        let spots = waiting.spots.entry(db).or_default();
        let name = spots.get_key_value(name).map_or_else(|| name.into(), |(name, _)| name.clone());
        spots.entry(Arc::clone(&name)).or_insert(Spot { waiters: 0, due_ms: None }).waiters += 1;
        Self { db, name }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        WAITERS.fetch_sub(1, Ordering::Relaxed);
        let mut waiting = lock();
        let Waiting { spots, dues } = &mut *waiting;
        let Some(of_db) = spots.get_mut(&self.db) else { return };
        let Some(spot) = of_db.get_mut(&self.name) else { return };
        spot.waiters = spot.waiters.saturating_sub(1);
        if spot.waiters > 0 {
            return;
        }
        if let Some(due_ms) = spot.due_ms {
            dues.remove(&(due_ms, self.db, Arc::clone(&self.name)));
        }
        of_db.remove(&self.name);
        if of_db.is_empty() {
            spots.remove(&self.db);
        }
    }
}

/// How many clients wait.
pub(crate) fn waiters() -> usize {
    WAITERS.load(Ordering::Relaxed)
}

/// For how many keys.
pub(crate) fn keys() -> usize {
    lock().spots.values().map(Spots::len).sum()
}

/// Something in a key of the selected database becomes due then, if anybody waits for it.
pub(crate) fn note_due(ctx: &Context, name: &[u8], due_ms: u64, now_ms: u64) {
    if waiters() == 0 || !lock().note(ffi::selected_db(ctx), name, due_ms) {
        return;
    }
    let sleep_ms = due_ms.saturating_sub(now_ms).clamp(1, LONGEST_SLEEP_MS);
    alarm::arm(ctx, Alarm::Wake, sleep_ms);
}

/// A command made something in this key due, now or later; whoever waits for it learns of it.
pub(crate) fn tell(ctx: &Context, key: &RedisString, due_ms: u64, now_ms: u64) {
    if waiters() == 0 {
        return;
    }
    if due_ms <= now_ms {
        ffi::signal_ready(ctx, key);
    } else {
        note_due(ctx, key.as_slice(), due_ms, now_ms);
    }
}

impl Waiting {
    /// `false`: nobody waits for it.
    fn note(&mut self, db: i32, name: &[u8], due_ms: u64) -> bool {
        let Some(spots) = self.spots.get_mut(&db) else { return false };
        let Some((name, _)) = spots.get_key_value(name) else { return false };
        let name = Arc::clone(name);
        let Some(spot) = spots.get_mut(&name) else { return false };
        if let Some(before_ms) = spot.due_ms.replace(due_ms) {
            self.dues.remove(&(before_ms, db, Arc::clone(&name)));
        }
        self.dues.insert((due_ms, db, name));
        true
    }

    /// Takes out the first key that something is due in.
    fn take_due(&mut self, now_ms: u64) -> Option<(i32, Arc<[u8]>)> {
        if self.dues.first()?.0 > now_ms {
            return None;
        }
        let (_, db, name) = self.dues.pop_first()?;
        if let Some(spot) = self.spots.get_mut(&db).and_then(|spots| spots.get_mut(&name)) {
            spot.due_ms = None;
        }
        Some((db, name))
    }
}

/// The timer rang: something may be due that clients wait for.
pub(crate) fn on_timer(ctx: &Context) {
    if waiters() == 0 {
        return;
    }
    // A timer that replicates during a pause crashes the server. Clients of a server that is no
    // master any more are about to be sent away.
    if ctx.avoid_replication_traffic() || !ctx.get_flags().contains(ContextFlags::MASTER) {
        alarm::arm(ctx, Alarm::Wake, PAUSED_MS);
        return;
    }
    let now_ms = clock::now_ms();
    let slice = Slice::new();
    while !slice.is_over() {
        let Some((db, name)) = lock().take_due(now_ms) else { break };
        if ffi::select_db(ctx, db) {
            wake(ctx, &replicate::string(&name), now_ms);
        }
    }
    let next_ms = lock().dues.first().map(|due| due.0);
    if let Some(next_ms) = next_ms {
        let sleep_ms = next_ms.saturating_sub(now_ms).clamp(1, LONGEST_SLEEP_MS);
        alarm::arm(ctx, Alarm::Wake, sleep_ms);
    }
}

/// Signals a key if there is something to hand out in it. Expired messages in front of that are
/// dropped here, since a client that is asked in vain must change nothing.
fn wake(ctx: &Context, name: &RedisString, now_ms: u64) {
    let mut key = Key::open(ctx, name, WRITE);
    let Value::Queue(queue) = key.value() else { return };
    sweep::clear_front(ctx, name, queue, now_ms);
    if queue.offers(now_ms) {
        ffi::signal_ready(ctx, name);
    } else if let Some(next_ms) = queue.next_due_ms() {
        note_due(ctx, name.as_slice(), next_ms.max(now_ms.saturating_add(1)), now_ms);
    }
}
