//! The names of all queues, for `KARIN.LIST`: sorted, per database, and a superset of the queues
//! that exist. A name is verified by opening its key when it is read.
//!
//! Names are all it holds, never a pointer to a queue: keys vanish, move and expire without the
//! module being asked. The lock is never held across a call of the server, which may call back
//! into this file (opening a key can expire it).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis_module::{Context, ContextFlags, KeyMode};

use crate::ffi::{self, Key, Value};
use crate::{clock, hint, replicate};

type Names = BTreeSet<Box<[u8]>>;

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

fn contains(db: i32, name: &[u8]) -> bool {
    lock().get(&db).is_some_and(|names| names.contains(name))
}

/// Whether names of keys that are not there may be forgotten: not on a replica, where an expired
/// key is hidden before it is gone, and not while another set of keys is loaded behind this one.
pub(crate) fn may_forget(ctx: &Context) -> bool {
    let unsure = ContextFlags::SLAVE | ContextFlags::LOADING | ContextFlags::ASYNC_LOADING;
    !ctx.get_flags().intersects(unsure)
}

/// What the server did to a key, in its own words.
pub(crate) fn on_key_event(ctx: &Context, event: &[u8], name: &[u8]) {
    match event {
        b"copy_to" | b"loaded" | b"move_to" | b"rename_to" | b"restore" => {
            arrived(ctx, event, name);
        }
        b"del" | b"evicted" | b"expired" | b"move_from" | b"rename_from" => left(ctx, name),
        _ => {}
    }
}

/// A key came in a way that no command of ours saw. Its number of hints moves on replicas too, but
/// for a load, which only one server does.
fn arrived(ctx: &Context, event: &[u8], name: &[u8]) {
    // Of the many keys a server loads, those that are queues were noted as they were read.
    if event == b"loaded" && !contains(ffi::selected_db(ctx), name) {
        return;
    }
    let flags = ctx.get_flags();
    let behind = flags.contains(ContextFlags::ASYNC_LOADING);
    let is_replica = flags.contains(ContextFlags::SLAVE);
    if behind || (event == b"loaded" && is_replica) {
        return;
    }
    let key_name = replicate::string(name);
    let mut key = Key::open(ctx, &key_name, KeyMode::READ);
    let Value::Queue(queue) = key.value() else { return };
    let touched = queue.touch_hint();
    add(ffi::selected_db(ctx), name);
    if let (Some(touched), false) = (touched, is_replica) {
        hint::publish(ctx, name, touched, clock::now_ms());
    }
}

/// A key went. Only what is really gone is forgotten: the event may be about an older key of the
/// name.
fn left(ctx: &Context, name: &[u8]) {
    let db = ffi::selected_db(ctx);
    if contains(db, name)
        && !ctx.get_flags().contains(ContextFlags::ASYNC_LOADING)
        && !ffi::exists(ctx, &replicate::string(name))
    {
        remove(db, name);
    }
}
