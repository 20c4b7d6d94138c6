//! Everything unsafe: the callbacks the server calls, and the calls of its C API for which the
//! redis-module crate has no safe function. The rest of the module is safe code on top of this.
#![allow(unsafe_code, reason = "the module API is a C API; this file is where it is made safe")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicI32, Ordering};

use karin_core::Queue;
use redis_module::logging::log_warning;
use redis_module::{Context, ContextFlags, KeyMode, RedisString, raw};

use crate::data_type::{self, QUEUE_TYPE};
use crate::docs::{Arg, At, Doc};
use crate::{registry, replicate};

/// A function of the module API, for use in an unsafe block: the pointers to them are set before
/// any of our code runs and never change again, so they can be read at any time. [`is_complete`]
/// has looked for those that old servers lack.
macro_rules! api {
    ($name:ident) => {
        raw::$name.unwrap_or_else(|| std::process::abort())
    };
}

/// Whether the server has what redis 7.0 has.
pub(crate) fn is_complete() -> bool {
    // SAFETY: the pointers are set before any of our code runs and never change again.
    unsafe {
        { raw::RedisModule_SetCommandInfo }.is_some()
            && { raw::RedisModule_PublishMessageShard }.is_some()
            && { raw::RedisModule_GetDbIdFromIO }.is_some()
            && { raw::RedisModule_GetToDbIdFromOptCtx }.is_some()
            && { raw::RedisModule_KeyExists }.is_some()
            && { raw::RedisModule_ReplyWithMap }.is_some()
    }
}

/// Runs what the server called; a panic in it ends here (the hook has logged it), since one that
/// reached the server would end the server.
fn caught<T>(otherwise: T, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(otherwise)
}

// Keys.

/// An open key; closed when dropped. `'c` is the command's: no command opens a key twice at a time,
/// so that nobody else has its value while this has.
#[derive(Debug)]
pub(crate) struct Key<'c> {
    key: *mut raw::RedisModuleKey,
    of: PhantomData<&'c Context>,
}

/// What a key holds.
#[derive(Debug)]
pub(crate) enum Value<'k> {
    /// Nothing.
    Missing,
    /// A queue; mutable also where the key was opened for reading, since counting moves a mark.
    Queue(&'k mut Queue),
    /// Something else.
    Other,
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
        let value = Box::into_raw(Box::new(queue)).cast::<c_void>();
        let of_type = *QUEUE_TYPE.raw_type.borrow();
        // SAFETY: the key is open; the server owns the value from now on and frees it by `free`.
        let status = unsafe { api!(RedisModule_ModuleTypeSetValue)(self.key, of_type, value) };
        if status != raw::Status::Ok as c_int {
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

fn replicate_pointers(ctx: &Context, command: &CStr, strings: &[*mut raw::RedisModuleString]) {
    let (command, format) = (command.as_ptr(), c"v".as_ptr());
    // SAFETY: the format "v" takes a vector of strings and its length; both callers have the
    // strings alive, and the server keeps references of its own.
    unsafe {
        api!(RedisModule_Replicate)(ctx.ctx, command, format, strings.as_ptr(), strings.len());
    }
}

/// Publishes on a channel.
pub(crate) fn publish(ctx: &Context, channel: &RedisString, message: &RedisString) {
    // SAFETY: all are alive; the server copies what it keeps.
    unsafe { api!(RedisModule_PublishMessage)(ctx.ctx, channel.inner, message.inner) };
}

/// Publishes on a channel of a cluster's shard.
pub(crate) fn publish_to_shard(ctx: &Context, channel: &RedisString, message: &RedisString) {
    // SAFETY: all are alive; the server copies what it keeps.
    unsafe { api!(RedisModule_PublishMessageShard)(ctx.ctx, channel.inner, message.inner) };
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

// The data type's callbacks. The server passes values of our type only, each a `Box<Queue>`.

/// # Safety
/// `value` is a value of our type, and nobody changes it meanwhile.
unsafe fn queue<'a>(value: *const c_void) -> &'a Queue {
    // SAFETY: the caller's promise.
    unsafe { &*value.cast::<Queue>() }
}

pub(crate) unsafe extern "C" fn rdb_load(
    io: *mut raw::RedisModuleIO,
    encoding_version: c_int,
) -> *mut c_void {
    caught(null_mut(), || match data_type::load(io, encoding_version) {
        Ok(queue) => Box::into_raw(Box::new(queue)).cast(),
        Err(reason) => {
            log_warning(format!("karin: {reason}"));
            null_mut()
        }
    })
}

pub(crate) unsafe extern "C" fn rdb_save(io: *mut raw::RedisModuleIO, value: *mut c_void) {
    // SAFETY: the server's promise.
    caught((), || data_type::save(unsafe { queue(value) }, io));
}

pub(crate) unsafe extern "C" fn aof_rewrite(
    io: *mut raw::RedisModuleIO,
    key: *mut raw::RedisModuleString,
    value: *mut c_void,
) {
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

pub(crate) unsafe extern "C" fn digest(digest: *mut raw::RedisModuleDigest, value: *mut c_void) {
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
pub(crate) unsafe extern "C" fn free(value: *mut c_void) {
    // SAFETY: the server gives the value back, once.
    caught((), || drop(unsafe { Box::from_raw(value.cast::<Queue>()) }));
}

/// How much work freeing is; a queue of more than 64 messages is freed on another thread.
pub(crate) unsafe extern "C" fn free_effort(
    _key: *mut raw::RedisModuleString,
    value: *const c_void,
) -> usize {
    // SAFETY: the server's promise. 0 would mean "endless".
    caught(1, || unsafe { queue(value) }.len().max(1))
}

pub(crate) unsafe extern "C" fn copy(
    ctx: *mut raw::RedisModuleKeyOptCtx,
    value: *const c_void,
) -> *mut c_void {
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
        SOURCE_DB.store(from_db, Ordering::Relaxed);
        let copy = queue.duplicate(data_type::uid_of_copy(queue, db, name));
        Box::into_raw(Box::new(copy)).cast()
    })
}

/// Database and name of the key that is being loaded, if the server says.
pub(crate) fn loaded_key<'a>(io: *mut raw::RedisModuleIO) -> Option<(i32, &'a [u8])> {
    // SAFETY: `io` is the server's, the name lives as long as the load of the key.
    let (db, name) =
        unsafe { (api!(RedisModule_GetDbIdFromIO)(io), api!(RedisModule_GetKeyNameFromIO)(io)) };
    (db >= 0 && !name.is_null()).then(|| (db, RedisString::string_as_slice(name)))
}

// What happens to keys without a command of ours.

/// Asks the server to tell of keys that come and go, and of databases that swap or are emptied.
pub(crate) fn subscribe(ctx: &Context) -> bool {
    const KEYS: c_int = raw::REDISMODULE_NOTIFY_GENERIC
        | raw::REDISMODULE_NOTIFY_EXPIRED
        | raw::REDISMODULE_NOTIFY_EVICTED
        | raw::REDISMODULE_NOTIFY_LOADED;
    let event = |id| raw::RedisModuleEvent { id, dataver: 1 };
    // SAFETY: the callbacks have the signatures the server wants and live as long as it.
    let statuses = unsafe {
        let server = api!(RedisModule_SubscribeToServerEvent);
        [
            api!(RedisModule_SubscribeToKeyspaceEvents)(ctx.ctx, KEYS, Some(on_key_event)),
            server(ctx.ctx, event(raw::REDISMODULE_EVENT_SWAPDB), Some(on_swap)),
            server(ctx.ctx, event(raw::REDISMODULE_EVENT_FLUSHDB), Some(on_flush)),
        ]
    };
    statuses.iter().all(|&status| status == raw::Status::Ok as c_int)
}

unsafe extern "C" fn on_key_event(
    ctx: *mut raw::RedisModuleCtx,
    _class: c_int,
    event: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    caught((), || {
        // SAFETY: the server passes a C string. The key may lie on its stack, so it is only read.
        let event = unsafe { CStr::from_ptr(event) }.to_bytes();
        registry::on_key_event(&Context::new(ctx), event, RedisString::string_as_slice(key));
        go_back(ctx, event);
    });
    raw::Status::Ok as c_int
}

/// The database a key is being moved or copied from; -1: none is. Only the main thread uses it.
static SOURCE_DB: AtomicI32 = AtomicI32::new(-1);

/// Valkey from 8.1.1 on tells of the arrival on the connection of the client that moves or copies,
/// and leaves it in the target database, where its next commands go astray
/// (<https://github.com/valkey-io/valkey/pull/4024>). Elsewhere the connection is a passing one.
fn go_back(ctx: *mut raw::RedisModuleCtx, event: &[u8]) {
    if event == b"move_from" {
        // SAFETY: the context is alive.
        SOURCE_DB.store(unsafe { api!(RedisModule_GetSelectedDb)(ctx) }, Ordering::Relaxed);
    } else if event == b"move_to" || event == b"copy_to" {
        let db = SOURCE_DB.swap(-1, Ordering::Relaxed);
        // SAFETY: the context is alive; a database that does not exist, as -1, is refused.
        unsafe { api!(RedisModule_SelectDb)(ctx, db) };
    }
}

unsafe extern "C" fn on_swap(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    data: *mut c_void,
) {
    // SAFETY: the data of this event.
    if let Some(swap) = unsafe { data.cast::<raw::RedisModuleSwapDbInfo>().as_ref() } {
        caught((), || registry::swap(swap.dbnum_first, swap.dbnum_second));
    }
}

unsafe extern "C" fn on_flush(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    data: *mut c_void,
) {
    let behind = Context::new(ctx).get_flags().contains(ContextFlags::ASYNC_LOADING);
    if subevent != raw::REDISMODULE_SUBEVENT_FLUSHDB_START || behind {
        return;
    }
    // SAFETY: the data of this event.
    if let Some(flush) = unsafe { data.cast::<raw::RedisModuleFlushInfo>().as_ref() } {
        caught((), || registry::clear((flush.dbnum >= 0).then_some(flush.dbnum)));
    }
}

// COMMAND DOCS.

static INFO_VERSION: raw::RedisModuleCommandInfoVersion = raw::RedisModuleCommandInfoVersion {
    version: 1,
    sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
    sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
};

/// Gives the server a command's documentation, arity and key specs.
pub(crate) fn describe(ctx: &Context, doc: &Doc) -> bool {
    let mut lists = Vec::new();
    let mut key_specs: Vec<_> = doc.key.iter().map(|key| key_spec(key.at, key.flags)).collect();
    key_specs.push(key_spec(At::End, 0));
    let info = raw::RedisModuleCommandInfo {
        version: &raw const INFO_VERSION,
        summary: doc.summary.as_ptr(),
        complexity: doc.complexity.as_ptr(),
        since: c"0.1.0".as_ptr(),
        history: null_mut(),
        tips: null(),
        arity: doc.arity,
        key_specs: if doc.key.is_some() { key_specs.as_mut_ptr() } else { null_mut() },
        args: argument_list(doc.arguments, &mut lists),
    };
    // SAFETY: the server copies all that `info` points to during the call.
    unsafe {
        let command = api!(RedisModule_GetCommand)(ctx.ctx, doc.name.as_ptr());
        !command.is_null()
            && api!(RedisModule_SetCommandInfo)(command, &raw const info)
                == raw::Status::Ok as c_int
    }
}

fn key_spec(at: At, flags: u32) -> raw::RedisModuleCommandKeySpec {
    // SAFETY: all-zero bytes are a valid value of this plain C struct; it is what ends a list.
    let mut spec: raw::RedisModuleCommandKeySpec = unsafe { std::mem::zeroed() };
    spec.flags = u64::from(flags);
    match at {
        At::End => return spec,
        At::First => {
            spec.begin_search_type =
                raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
            spec.bs.index.pos = 1;
        }
        At::After(word) => {
            spec.begin_search_type =
                raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_KEYWORD;
            spec.bs.keyword.keyword = word.as_ptr();
            spec.bs.keyword.startfrom = 1;
        }
    }
    spec.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
    spec.fk.range.lastkey = 0;
    spec.fk.range.keystep = 1;
    spec.fk.range.limit = 0;
    spec
}

/// Arguments as the server wants them, null if there are none; `lists` keeps them alive.
fn argument_list(
    arguments: &[Arg],
    lists: &mut Vec<Vec<raw::RedisModuleCommandArg>>,
) -> *mut raw::RedisModuleCommandArg {
    if arguments.is_empty() {
        return null_mut();
    }
    let token = |arg: &Arg| arg.token.map_or(null(), CStr::as_ptr);
    let mut list: Vec<_> = arguments
        .iter()
        .map(|arg| raw::RedisModuleCommandArg {
            name: arg.name.as_ptr(),
            type_: arg.kind,
            token: token(arg),
            flags: arg.flags.cast_signed(),
            subargs: argument_list(arg.parts, lists),
            ..LIST_END
        })
        .collect();
    list.push(LIST_END);
    let start = list.as_mut_ptr();
    lists.push(list);
    start
}

const LIST_END: raw::RedisModuleCommandArg = raw::RedisModuleCommandArg {
    name: null(),
    type_: 0,
    key_spec_index: 0,
    token: null(),
    summary: null(),
    since: null(),
    flags: 0,
    deprecated_since: null(),
    subargs: null_mut(),
    display_text: null(),
};
