//! Everything unsafe: the callbacks the server calls, and the calls of its C API for which the
//! redis-module crate has no safe function. The rest of the module is safe code on top of this.
#![allow(unsafe_code, reason = "the module API is a C API; this file is where it is made safe")]

use std::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

use karin_core::Queue;
use redis_module::{Context, KeyMode, RedisString, raw};

pub(crate) use crate::data_type::Value;
use crate::data_type::{self, QUEUE_TYPE};
use crate::hint::Audience;
use crate::wakeup::Waiter;
use crate::{alarm, commands, counters, info_section, key_events, replicate};

// What the server passes: a context, a string, a file that is saved or loaded, and what only we or
// only it can tell the type of.
type Ctx = *mut raw::RedisModuleCtx;
type Text = *mut raw::RedisModuleString;
type Io = *mut raw::RedisModuleIO;
type Any = *mut c_void;

/// A function of the module API, for use in an unsafe block: the pointers to them are set before
/// any of our code runs and never change again, so they can be read at any time. [`is_complete`]
/// has looked for those that old servers lack.
macro_rules! api {
    ($name:ident) => {
        raw::$name.unwrap_or_else(|| std::process::abort())
    };
}

/// Whether the server has what redis 7.0 has; these came last.
pub(crate) fn is_complete() -> bool {
    // SAFETY: the pointers are set before any of our code runs and never change again.
    let (info, configs) =
        unsafe { (raw::RedisModule_SetCommandInfo, raw::RedisModule_LoadConfigs) };
    info.is_some() && configs.is_some()
}

fn is_ok(status: c_int) -> bool {
    status == raw::Status::Ok as c_int
}

/// Runs what the server called; a panic in it ends here (the hook has logged it), since one that
/// reached the server would end the server.
fn caught<T>(otherwise: T, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        counters::PANICS.add(1);
        otherwise
    })
}

// Keys.

/// An open key; closed when dropped. `'c` is the command's: no command opens a key twice at a time,
/// so that nobody else has its value while this has.
#[derive(Debug)]
pub(crate) struct Key<'c> {
    key: *mut raw::RedisModuleKey,
    of: PhantomData<&'c Context>,
}

impl<'c> Key<'c> {
    /// Opens a key of the selected database.
    pub(crate) fn open(ctx: &'c Context, name: &RedisString, mode: KeyMode) -> Self {
        Self { key: raw::open_key(ctx.ctx, name.inner, mode), of: PhantomData }
    }

    /// Opens a key for reading without counting as a use of it.
    pub(crate) fn look_at(ctx: &'c Context, name: &RedisString) -> Self {
        const FLAGS: u32 = raw::REDISMODULE_READ
            | raw::REDISMODULE_OPEN_KEY_NOTOUCH
            | raw::REDISMODULE_OPEN_KEY_NONOTIFY
            | raw::REDISMODULE_OPEN_KEY_NOSTATS;
        // SAFETY: context and name are alive; servers ignore flags they do not know.
        let key = unsafe { api!(RedisModule_OpenKey)(ctx.ctx, name.inner, FLAGS.cast_signed()) };
        Self { key, of: PhantomData }
    }

    /// What it holds.
    pub(crate) fn value(&mut self) -> Value<'_> {
        let key = self.key;
        if key.is_null() {
            return Value::Missing;
        }
        // SAFETY: the key is open, which its not being null says.
        let of_type = unsafe { api!(RedisModule_ModuleTypeGetType)(key) };
        if of_type.is_null() || of_type != *QUEUE_TYPE.raw_type.borrow() {
            // SAFETY: as above.
            let kind = unsafe { api!(RedisModule_KeyType)(key) };
            let empty = c_int::try_from(raw::REDISMODULE_KEYTYPE_EMPTY) == Ok(kind);
            return if empty { Value::Missing } else { Value::Other };
        }
        // SAFETY: a value of our type is a `Box<Queue>` we gave away ([`Key::set`], [`rdb_load`],
        // [`copy`]); `&mut self` and the rule at [`Key`] make this the only reference to it.
        let queue = unsafe { api!(RedisModule_ModuleTypeGetValue)(key).cast::<Queue>().as_mut() };
        queue.map_or(Value::Missing, Value::Queue)
    }

    /// Makes the key hold this queue. The key must be open for writing and hold nothing.
    pub(crate) fn set(&mut self, queue: Queue) {
        let value = give(queue);
        let of_type = *QUEUE_TYPE.raw_type.borrow();
        // SAFETY: the key is open; the server owns the value from now on and frees it by `free`.
        let status = unsafe { api!(RedisModule_ModuleTypeSetValue)(self.key, of_type, value) };
        if !is_ok(status) {
            // SAFETY: refused, so the value is still ours.
            drop(unsafe { Box::from_raw(value.cast::<Queue>()) });
        }
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        raw::close_key(self.key);
    }
}

/// Whether the selected database has the key.
pub(crate) fn exists(ctx: &Context, name: &RedisString) -> bool {
    // SAFETY: context and name are alive.
    unsafe { api!(RedisModule_KeyExists)(ctx.ctx, name.inner) != 0 }
}

/// The selected database.
pub(crate) fn selected_db(ctx: &Context) -> i32 {
    // SAFETY: the context is alive.
    unsafe { api!(RedisModule_GetSelectedDb)(ctx.ctx) }
}

/// Selects another database. `false`: there is none of that number.
pub(crate) fn select_db(ctx: &Context, db: i32) -> bool {
    // SAFETY: the context is alive; a database that does not exist is refused.
    is_ok(unsafe { api!(RedisModule_SelectDb)(ctx.ctx, db) })
}

/// Tells WATCH and client-side caches that the key has changed.
pub(crate) fn signal_modified(ctx: &Context, name: &RedisString) {
    // SAFETY: context and name are alive.
    unsafe { api!(RedisModule_SignalModifiedKey)(ctx.ctx, name.inner) };
}

// Replication, channels, time, randomness.

/// Sends a command to replicas and the append-only file.
pub(crate) fn replicate<const N: usize>(
    ctx: &Context,
    command: &CStr,
    arguments: [&RedisString; N],
) {
    replicate_pointers(ctx, command, &arguments.map(|argument| argument.inner));
}

/// The same for any number of arguments.
pub(crate) fn replicate_list(ctx: &Context, command: &CStr, arguments: &[&RedisString]) {
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.inner).collect();
    replicate_pointers(ctx, command, &arguments);
}

fn replicate_pointers(ctx: &Context, command: &CStr, strings: &[Text]) {
    let (command, format) = (command.as_ptr(), c"v".as_ptr());
    // SAFETY: the format "v" takes a vector of strings and its length; both callers have the
    // strings alive, and the server keeps references of its own.
    unsafe {
        api!(RedisModule_Replicate)(ctx.ctx, command, format, strings.as_ptr(), strings.len());
    }
}

/// Publishes on a channel.
pub(crate) fn publish(ctx: &Context, channel: &RedisString, message: &RedisString, to: Audience) {
    // SAFETY: all are alive; the server copies what it keeps.
    unsafe {
        let publish = match to {
            Audience::Everyone => api!(RedisModule_PublishMessage),
            Audience::Shard => api!(RedisModule_PublishMessageShard),
        };
        publish(ctx.ctx, channel.inner, message.inner);
    }
}

/// The server's wall clock; milliseconds since 1970.
pub(crate) fn milliseconds() -> i64 {
    // SAFETY: takes nothing.
    unsafe { api!(RedisModule_Milliseconds)() }
}

/// Fills `bytes` from the server's random generator.
pub(crate) fn random_bytes(bytes: &mut [u8]) {
    // SAFETY: the server writes exactly the given length.
    unsafe { api!(RedisModule_GetRandomBytes)(bytes.as_mut_ptr(), bytes.len()) };
}

// Timers. They carry a number, nothing that would have to be freed.

/// What the server calls a timer.
pub(crate) type TimerId = raw::RedisModuleTimerID;

/// Starts a timer that calls [`alarm::on_timer`] with this number.
pub(crate) fn start_timer(ctx: &Context, after_ms: u64, number: usize) -> TimerId {
    let after_ms = i64::try_from(after_ms).unwrap_or(i64::MAX);
    let data = std::ptr::without_provenance_mut(number);
    // SAFETY: the context is alive; the data is a number and never followed.
    unsafe { api!(RedisModule_CreateTimer)(ctx.ctx, after_ms, Some(on_timer), data) }
}

/// Stops a timer that has not rung.
pub(crate) fn stop_timer(ctx: &Context, timer: TimerId) {
    // SAFETY: the context is alive; a timer that is gone is refused.
    unsafe { api!(RedisModule_StopTimer)(ctx.ctx, timer, null_mut()) };
}

unsafe extern "C" fn on_timer(ctx: Ctx, data: Any) {
    caught((), || alarm::on_timer(&Context::new(ctx), data.addr()));
}

// Clients that wait.

/// Blocks the client on a key until [`commands::popdue::on_ready`] serves it, or for `timeout_ms`
/// (0: for ever); the waiter is dropped when it waits no more, however that comes. `false`: the
/// server does not block it.
pub(crate) fn block_on_key(
    ctx: &Context,
    key: &RedisString,
    timeout_ms: u64,
    waiter: Waiter,
) -> bool {
    let timeout_ms = i64::try_from(timeout_ms).unwrap_or(i64::MAX);
    let waiter = Box::into_raw(Box::new(waiter));
    let mut keys = [key.inner];
    // SAFETY: the callbacks live as long as the server, which keeps a reference to the key and
    // gives the waiter back once, to `on_gone`.
    let blocked = unsafe {
        api!(RedisModule_BlockClientOnKeys)(
            ctx.ctx,
            Some(on_ready),
            Some(on_timeout),
            Some(on_gone),
            timeout_ms,
            keys.as_mut_ptr(),
            1,
            waiter.cast(),
        )
    };
    if blocked.is_null() {
        // SAFETY: Valkey from 8.1.1 on may refuse; the waiter is still ours then.
        drop(unsafe { Box::from_raw(waiter) });
    }
    !blocked.is_null()
}

/// Tells the server that there is something for those who wait for a key.
pub(crate) fn signal_ready(ctx: &Context, key: &RedisString) {
    // SAFETY: context and key are alive.
    unsafe { api!(RedisModule_SignalKeyAsReady)(ctx.ctx, key.inner) };
}

unsafe extern "C" fn on_ready(ctx: Ctx, argv: *mut Text, count: c_int) -> c_int {
    let arguments = redis_module::decode_args(ctx, argv, count);
    let served = caught(true, || commands::popdue::on_ready(&Context::new(ctx), &arguments));
    (if served { raw::Status::Ok } else { raw::Status::Err }) as c_int
}

unsafe extern "C" fn on_timeout(ctx: Ctx, _argv: *mut Text, _count: c_int) -> c_int {
    raw::reply_with_null(ctx) as c_int
}

unsafe extern "C" fn on_gone(_ctx: Ctx, waiter: Any) {
    // SAFETY: what `block_on_key` gave, once.
    caught((), || drop(unsafe { Box::from_raw(waiter.cast::<Waiter>()) }));
}

// INFO and the configuration.

pub(crate) unsafe extern "C" fn on_info(
    ctx: *mut raw::RedisModuleInfoCtx,
    for_crash_report: c_int,
) {
    // A crash may have come while a lock was held.
    if for_crash_report == 0 {
        caught((), || info_section::write(ctx));
    }
}

/// Applies the server's configuration to the settings registered. `false`: a value is refused.
pub(crate) fn load_configs(ctx: &Context) -> bool {
    // SAFETY: the context is alive.
    is_ok(unsafe { api!(RedisModule_LoadConfigs)(ctx.ctx) })
}

// The data type's callbacks. The server passes values of our type only, each a `Box<Queue>`.

/// # Safety
/// `value` is a value of our type, and nobody changes it meanwhile.
unsafe fn queue<'a>(value: *const c_void) -> &'a Queue {
    // SAFETY: the caller's promise.
    unsafe { &*value.cast::<Queue>() }
}

/// A value of our type for the server, which frees it by [`free`].
fn give(queue: Queue) -> Any {
    Box::into_raw(Box::new(queue)).cast()
}

pub(crate) unsafe extern "C" fn rdb_load(io: Io, encoding_version: c_int) -> Any {
    caught(null_mut(), || data_type::load(io, encoding_version).map_or(null_mut(), give))
}

pub(crate) unsafe extern "C" fn rdb_save(io: Io, value: Any) {
    // SAFETY: the server's promise.
    caught((), || data_type::save(unsafe { queue(value) }, io));
}

pub(crate) unsafe extern "C" fn aof_rewrite(io: Io, key: Text, value: Any) {
    caught((), || {
        // SAFETY: the server's promise.
        let queue = unsafe { queue(value) };
        data_type::rewrite(queue, &mut |command, arguments| {
            let strings: Vec<_> = arguments.iter().map(|bytes| replicate::string(bytes)).collect();
            let pointers: Vec<_> = strings.iter().map(|string| string.inner).collect();
            let (command, format) = (command.as_ptr(), c"sv".as_ptr());
            // SAFETY: "s" is a string, "v" a vector of strings and its length; all are alive.
            unsafe {
                let emit = api!(RedisModule_EmitAOF);
                emit(io, command, format, key, pointers.as_ptr(), pointers.len());
            }
        });
    });
}

pub(crate) unsafe extern "C" fn mem_usage(value: *const c_void) -> usize {
    // SAFETY: the server's promise.
    caught(0, || unsafe { queue(value) }.memory_bytes())
}

pub(crate) unsafe extern "C" fn digest(digest: *mut raw::RedisModuleDigest, value: Any) {
    caught((), || {
        // SAFETY: the server's promise.
        let queue = unsafe { queue(value) };
        queue.digest_items(&mut |item| {
            // SAFETY: the bytes are alive, the digest is the server's.
            unsafe {
                api!(RedisModule_DigestAddStringBuffer)(digest, item.as_ptr().cast(), item.len());
                api!(RedisModule_DigestEndSequence)(digest);
            }
        });
    });
}

/// Runs on another thread for UNLINK and the like: touches the value and nothing else.
pub(crate) unsafe extern "C" fn free(value: Any) {
    // SAFETY: the server gives the value back, once.
    caught((), || drop(unsafe { Box::from_raw(value.cast::<Queue>()) }));
}

/// How much work freeing is; a queue of more than 64 messages and ids is freed on another thread.
pub(crate) unsafe extern "C" fn free_effort(_key: Text, value: *const c_void) -> usize {
    // SAFETY: the server's promise. 0 would mean "endless".
    caught(1, || unsafe { queue(value) }.free_effort().max(1))
}

pub(crate) unsafe extern "C" fn copy(
    ctx: *mut raw::RedisModuleKeyOptCtx,
    value: *const c_void,
) -> Any {
    caught(null_mut(), || {
        // SAFETY: the context is the server's, its names live as long as this call.
        let (from_db, db, name, queue) = unsafe {
            (
                api!(RedisModule_GetDbIdFromOptCtx)(ctx),
                api!(RedisModule_GetToDbIdFromOptCtx)(ctx),
                api!(RedisModule_GetToKeyNameFromOptCtx)(ctx),
                queue(value),
            )
        };
        let name = if name.is_null() { &[] } else { RedisString::string_as_slice(name) };
        key_events::note_source(from_db);
        give(queue.duplicate(data_type::uid_of_copy(queue, db, name)))
    })
}

/// Moves what of a queue lies badly in memory. The server asks again while the answer is 1.
pub(crate) unsafe extern "C" fn defrag(
    ctx: *mut raw::RedisModuleDefragCtx,
    _key: Text,
    value: *mut Any,
) -> c_int {
    // SAFETY: the context and the value are the server's; the value is ours to change. What is
    // moved was allocated by `RM_Alloc` (the module's allocator), and the server has freed the old
    // place when it names a new one.
    let queue = unsafe { &mut *(*value).cast::<Queue>() };
    let mut cursor: c_ulong = 0;
    // SAFETY: as above; without a cursor it stays 0.
    unsafe { api!(RedisModule_DefragCursorGet)(ctx, &raw mut cursor) };
    let mut move_box = |payload: Box<[u8]>| {
        let length = payload.len();
        let before = Box::into_raw(payload).cast::<c_void>();
        // An empty box was not allocated.
        // SAFETY: as above.
        let moved = match length {
            0 => null_mut(),
            _ => unsafe { api!(RedisModule_DefragAlloc)(ctx, before) },
        };
        let bytes = if moved.is_null() { before } else { moved };
        let bytes = std::ptr::slice_from_raw_parts_mut(bytes.cast::<u8>(), length);
        // SAFETY: as above, and the length is the same.
        unsafe { Box::from_raw(bytes) }
    };
    // SAFETY: as above.
    let mut stop = || unsafe { api!(RedisModule_DefragShouldStop)(ctx) != 0 };
    let from = u32::try_from(cursor).unwrap_or(u32::MAX);
    let next = caught(None, || queue.defrag_payloads(from, &mut move_box, &mut stop));
    // SAFETY: as above.
    unsafe { api!(RedisModule_DefragCursorSet)(ctx, c_ulong::from(next.unwrap_or(0))) };
    c_int::from(next.is_some())
}

/// Database and name of the key that is being loaded, if the server says.
pub(crate) fn loaded_key<'a>(io: Io) -> Option<(i32, &'a [u8])> {
    // SAFETY: `io` is the server's, the name lives as long as the load of the key.
    let (db, name) =
        unsafe { (api!(RedisModule_GetDbIdFromIO)(io), api!(RedisModule_GetKeyNameFromIO)(io)) };
    (db >= 0 && !name.is_null()).then(|| (db, RedisString::string_as_slice(name)))
}

// What happens to keys without a command of ours.

/// Asks the server to tell of keys that come and go.
pub(crate) fn subscribe_to_keys(ctx: &Context, kinds: c_int) -> bool {
    // SAFETY: the callback has the signature the server wants and lives as long as it.
    is_ok(unsafe {
        api!(RedisModule_SubscribeToKeyspaceEvents)(ctx.ctx, kinds, Some(on_key_event))
    })
}

/// Makes a callback for an event of the server; `data` is what comes with it, if anything does.
macro_rules! on_event {
    ($name:ident, $data:ty, |$ctx:ident, $subevent:pat_param, $of:ident| $run:expr) => {
        pub(crate) unsafe extern "C" fn $name(
            ctx: Ctx,
            _event: raw::RedisModuleEvent,
            $subevent: u64,
            data: Any,
        ) {
            // SAFETY: the data of this event, alive during the call.
            let $of = unsafe { data.cast::<$data>().as_ref() };
            let $ctx = &Context::new(ctx);
            caught((), || $run);
        }
    };
}

on_event!(on_cron, c_void, |ctx, _, _data| alarm::on_cron(ctx));
on_event!(on_async_load, c_void, |ctx, subevent, _data| {
    if subevent == raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_COMPLETED {
        key_events::on_loaded_behind(ctx);
    }
});
on_event!(on_swap, raw::RedisModuleSwapDbInfo, |_ctx, _, swap| {
    if let Some(swap) = swap {
        key_events::on_swap(swap.dbnum_first, swap.dbnum_second);
    }
});
on_event!(on_flush, raw::RedisModuleFlushInfo, |ctx, subevent, flush| {
    if let (raw::REDISMODULE_SUBEVENT_FLUSHDB_START, Some(flush)) = (subevent, flush) {
        key_events::on_flush(ctx, flush.dbnum);
    }
});

unsafe extern "C" fn on_key_event(
    ctx: Ctx,
    _class: c_int,
    event: *const c_char,
    key: Text,
) -> c_int {
    caught((), || {
        // SAFETY: the server passes a C string. The key may lie on its stack, so it is only read.
        let event = unsafe { CStr::from_ptr(event) }.to_bytes();
        key_events::on_event(&Context::new(ctx), event, RedisString::string_as_slice(key));
    });
    raw::Status::Ok as c_int
}

/// Gives the server a command's documentation, arity and key specs, all of which it copies.
pub(crate) fn describe(ctx: &Context, name: &CStr, info: &raw::RedisModuleCommandInfo) -> bool {
    // SAFETY: the name and all that `info` points to is alive during the call (command_info.rs).
    unsafe {
        let command = api!(RedisModule_GetCommand)(ctx.ctx, name.as_ptr());
        !command.is_null() && is_ok(api!(RedisModule_SetCommandInfo)(command, info))
    }
}
