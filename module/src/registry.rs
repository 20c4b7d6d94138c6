//! The names of all queues, for `KARIN.LIST`: sorted, per database, and a superset of the queues
//! that exist. A name is verified by opening its key when it is read.
//!
//! Names are all it holds, never a pointer to a queue: keys vanish, move and expire without the
//! module being asked. The lock is never held across a call of the server, which may call back
//! into this file (opening a key can expire it).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis_module::{Context, ContextFlags};

/// Names of queues.
pub(crate) type Names = BTreeSet<Box<[u8]>>;

static NAMES: Mutex<BTreeMap<i32, Names>> = Mutex::new(BTreeMap::new());

fn lock() -> MutexGuard<'static, BTreeMap<i32, Names>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a queue.
pub(crate) fn add(db: i32, name: &[u8]) {
    let mut all = lock();
    let names = all.entry(db).or_default();
    if !names.contains(name) {
        names.insert(name.into());
    }
}

/// Forgets a name.
pub(crate) fn remove(db: i32, name: &[u8]) {
    if let Some(names) = lock().get_mut(&db) {
        names.remove(name);
    }
}

/// The first `count` names of a database that start with `prefix` and come after `after`.
pub(crate) fn names(db: i32, prefix: &[u8], after: Option<&[u8]>, count: usize) -> Vec<Box<[u8]>> {
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    let all = lock();
    let Some(names) = all.get(&db) else { return Vec::new() };
    let range = names.range::<[u8], _>((from, Bound::Unbounded));
    range.take_while(|name| name.starts_with(prefix)).take(count).cloned().collect()
}

/// How many names there are, in all databases.
pub(crate) fn count() -> usize {
    lock().values().map(Names::len).sum()
}

/// All names, whatever their databases.
pub(crate) fn all() -> Names {
    lock().values().flatten().cloned().collect()
}

/// The databases that have names.
pub(crate) fn databases() -> Vec<i32> {
    lock().keys().copied().collect()
}

/// Two databases change places.
pub(crate) fn swap(one: i32, other: i32) {
    let mut all = lock();
    let (first, second) = (all.remove(&one), all.remove(&other));
    all.extend(first.map(|names| (other, names)));
    all.extend(second.map(|names| (one, names)));
}

/// A database was emptied; `None`: all were.
pub(crate) fn clear(db: Option<i32>) {
    let mut all = lock();
    match db {
        Some(db) => drop(all.remove(&db)),
        None => all.clear(),
    }
}

/// Whether a name is noted.
pub(crate) fn contains(db: i32, name: &[u8]) -> bool {
    lock().get(&db).is_some_and(|names| names.contains(name))
}

/// Whether names of keys that are not there may be forgotten: not on a replica, where an expired
/// key is hidden before it is gone, and not while another set of keys is loaded behind this one.
pub(crate) fn may_forget(ctx: &Context) -> bool {
    let unsure = ContextFlags::SLAVE | ContextFlags::LOADING | ContextFlags::ASYNC_LOADING;
    !ctx.get_flags().intersects(unsure)
}
