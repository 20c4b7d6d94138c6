//! What happens to queues without a command of ours: keys come and go, databases swap or are
//! emptied.

use std::sync::atomic::{AtomicI32, Ordering};

use redis_module::{Context, ContextFlags, KeyMode, Status, raw};

use crate::ffi::{self, Key, Value};
use crate::{clock, hint, registry, replicate, tick};

/// Asks the server to tell of keys that come and go, of databases that swap or are emptied, and of
/// its cron. `false`: it refuses.
pub(crate) fn subscribe(ctx: &Context) -> bool {
    const KEYS: i32 = raw::REDISMODULE_NOTIFY_GENERIC
        | raw::REDISMODULE_NOTIFY_EXPIRED
        | raw::REDISMODULE_NOTIFY_EVICTED
        | raw::REDISMODULE_NOTIFY_LOADED;
    let subscribe = |id, callback| {
        let event = raw::RedisModuleEvent { id, dataver: 1 };
        raw::subscribe_to_server_event(ctx.ctx, event, callback) == Status::Ok
    };
    subscribe(raw::REDISMODULE_EVENT_SWAPDB, Some(ffi::on_swap))
        && subscribe(raw::REDISMODULE_EVENT_FLUSHDB, Some(ffi::on_flush))
        && subscribe(raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD, Some(ffi::on_async_load))
        && subscribe(raw::REDISMODULE_EVENT_CRON_LOOP, Some(ffi::on_cron))
        && ffi::subscribe_to_keys(ctx, KEYS)
}

/// What the server did to a key, in its own words.
pub(crate) fn on_event(ctx: &Context, event: &[u8], name: &[u8]) {
    match event {
        b"copy_to" | b"loaded" | b"move_to" | b"rename_to" | b"restore" => {
            arrived(ctx, event, name);
        }
        b"del" | b"evicted" | b"expired" | b"move_from" | b"rename_from" => left(ctx, name),
        _ => {}
    }
    go_back(ctx, event);
}

/// Two databases change places.
pub(crate) fn on_swap(one: i32, other: i32) {
    registry::swap(one, other);
    tick::swap(one, other);
}

/// A replica has loaded its master's keys behind those it had, and shows them now. Redis 7.0 and
/// 7.2 say of each that it was read into database 0, so every name is looked for in every database.
pub(crate) fn on_loaded_behind(ctx: &Context) {
    let names = registry::all();
    for db in (0..).take_while(|&db| ffi::select_db(ctx, db)) {
        for name in &names {
            if ffi::exists(ctx, &replicate::string(name)) {
                registry::add(db, name);
                tick::schedule_soon(db, name, 0);
            }
        }
    }
}

/// A database is emptied; a negative number: all are. What is emptied behind the back of clients,
/// while other keys are loaded, is not what they see.
pub(crate) fn on_flush(ctx: &Context, db: i32) {
    if ctx.get_flags().contains(ContextFlags::ASYNC_LOADING) {
        return;
    }
    let db = (db >= 0).then_some(db);
    registry::clear(db);
    tick::clear(db);
}

/// A key came in a way that no command of ours saw. Its number of hints moves on replicas too, but
/// for a load, which only one server does.
fn arrived(ctx: &Context, event: &[u8], name: &[u8]) {
    // Of the many keys a server loads, those that are queues were noted as they were read.
    if event == b"loaded" && !registry::contains(ffi::selected_db(ctx), name) {
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
    let db = ffi::selected_db(ctx);
    registry::add(db, name);
    tick::schedule_soon(db, name, 0);
    if let (Some(touched), false) = (touched, is_replica) {
        hint::tell(ctx, &key_name, touched, clock::now_ms());
    }
}

/// A key went. Only what is really gone is forgotten: the event may be about an older key of the
/// name.
fn left(ctx: &Context, name: &[u8]) {
    let db = ffi::selected_db(ctx);
    if registry::contains(db, name)
        && !ctx.get_flags().contains(ContextFlags::ASYNC_LOADING)
        && !ffi::exists(ctx, &replicate::string(name))
    {
        registry::remove(db, name);
        tick::forget(db, name);
    }
}

/// The database a key is being moved or copied from; -1: none is. Only the main thread uses it.
static SOURCE_DB: AtomicI32 = AtomicI32::new(-1);

/// A key is about to be copied from this database.
pub(crate) fn note_source(db: i32) {
    SOURCE_DB.store(db, Ordering::Relaxed);
}

/// Valkey from 8.1.1 on tells of the arrival on the connection of the client that moves or copies,
/// and leaves it in the target database, where its next commands go astray
/// (<https://github.com/valkey-io/valkey/pull/4024>). Elsewhere the connection is a passing one.
fn go_back(ctx: &Context, event: &[u8]) {
    if event == b"move_from" {
        note_source(ffi::selected_db(ctx));
    } else if event == b"move_to" || event == b"copy_to" {
        // A database that does not exist, as -1, is refused.
        ffi::select_db(ctx, SOURCE_DB.swap(-1, Ordering::Relaxed));
    }
}
