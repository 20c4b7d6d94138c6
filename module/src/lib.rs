//! `libkarin.so`: the queue of karin-core as a Redis data type with `KARIN.*` commands.
//!
//! Glue only: arguments in, core called, effects replicated, replies out. What a queue does is in
//! karin-core; what the commands promise is in docs/commands.md.

#![allow(missing_docs, reason = "the only public items are the entry points redis_module! makes")]

mod alarm;
mod args;
mod channel;
mod clock;
mod command_info;
mod commands;
mod config;
mod counters;
mod data_type;
mod docs;
mod ffi;
mod hint;
mod info_section;
mod key_events;
mod reaper;
mod registry;
mod replicate;
mod reply;
mod sweep;
mod tick;
mod wakeup;

use commands::{
    ack, create, dead, deadack, debug, drop, extend, guard, info, internal, lease, list, peek,
    popdue, purge, redrive, release, send, sendm, set, tag, untag,
};
use data_type::QUEUE_TYPE;
use redis_module::logging::log_warning;
use redis_module::raw::ModuleOptions;
use redis_module::{Context, ContextFlags, RedisString, RedisValue, Status, redis_module};

/// The workspace's version, as MODULE LIST shows it: 0.1.0 is 100, 1.2.3 is 10203.
const VERSION: i32 = 10_000 * number(env!("CARGO_PKG_VERSION_MAJOR"))
    + 100 * number(env!("CARGO_PKG_VERSION_MINOR"))
    + number(env!("CARGO_PKG_VERSION_PATCH"));

/// The number that decimal digits are.
const fn number(digits: &str) -> i32 {
    let (mut number, mut rest) = (0, digits.as_bytes());
    while let [digit, others @ ..] = rest {
        assert!(digit.is_ascii_digit(), "a version is made of numbers");
        number = 10 * number + (*digit - b'0') as i32;
        rest = others;
    }
    number
}

redis_module! {
    name: "karin",
    version: VERSION,
    allocator: (redis_module::alloc::RedisAlloc, redis_module::alloc::RedisAlloc),
    data_types: [QUEUE_TYPE],
    init: init,
    commands: [
        // Name, handler, flags, first key, last key, step, ACL categories needed (none: redis 7.0
        // has none for modules and would refuse to load), ACL categories where there are any.
        ["karin.ack", guard(ack::run), "write fast", 1, 1, 1, "", "write fast"],
        ["karin.create", guard(create::run), "write deny-oom", 1, 1, 1, "", "write slow"],
        ["karin.dead", guard(dead::run), "readonly", 1, 1, 1, "", "read slow"],
        ["karin.deadack", guard(deadack::run), "write", 1, 1, 1, "", "write slow"],
        ["karin.debug", guard(debug::run), "readonly admin", 0, 0, 0, "", "admin slow dangerous"],
        ["karin.drop", guard(drop::run), "write", 1, 1, 1, "", "write slow"],
        ["karin.extend", guard(extend::run), "write fast", 1, 1, 1, "", "write fast"],
        ["karin.info", guard(info::run), "readonly fast", 1, 1, 1, "", "read fast"],
        ["karin.lease", guard(lease::run), "write", 1, 1, 1, "", "write slow"],
        ["karin.list", guard(list::run), "readonly", 0, 0, 0, "", "read slow"],
        ["karin.peek", guard(peek::run), "readonly", 1, 1, 1, "", "read slow"],
        ["karin.popdue", guard(popdue::run), "write blocking", 1, 1, 1, "", "write slow blocking"],
        ["karin.purge", guard(purge::run), "write", 1, 1, 1, "", "write slow"],
        ["karin.redrive", guard(redrive::run), "write", 1, 1, 1, "", "write slow"],
        ["karin.release", guard(release::run), "write", 1, 1, 1, "", "write slow"],
        ["karin.send", guard(send::run), "write deny-oom fast", 1, 1, 1, "", "write fast"],
        ["karin.sendm", guard(sendm::run), "write deny-oom", 1, 1, 1, "", "write slow"],
        ["karin.set", guard(set::run), "write", 1, 1, 1, "", "write slow"],
        ["karin.tag", guard(tag::run), "write deny-oom fast", 1, 1, 1, "", "write fast"],
        ["karin.untag", guard(untag::run), "write fast", 1, 1, 1, "", "write fast"],
        ["karin.xdel", guard(internal::xdel), "write", 1, 1, 1, "", "write slow dangerous"],
        ["karin.xforget", guard(internal::xforget), "write", 1, 1, 1, "", "write slow dangerous"],
        ["karin.xlease", guard(internal::xlease), "write", 1, 1, 1, "", "write slow dangerous"],
        ["karin.xpurge", guard(internal::xpurge), "write", 1, 1, 1, "", "write slow dangerous"],
        // Servers apply what their master or their file tells them whatever "deny-oom" says; for
        // clients these are memory without a bound.
        [
            "karin.xattempt", guard(internal::xattempt), "write deny-oom",
            1, 1, 1, "", "write slow dangerous"
        ],
        [
            "karin.xdedup", guard(internal::xdedup), "write deny-oom",
            1, 1, 1, "", "write slow dangerous"
        ],
        [
            "karin.xmark", guard(internal::xmark), "write deny-oom",
            1, 1, 1, "", "write slow dangerous"
        ],
        [
            "karin.xput", guard(internal::xput), "write deny-oom",
            1, 1, 1, "", "write slow dangerous"
        ],
        [
            "karin.xqueue", guard(internal::xqueue), "write deny-oom",
            1, 1, 1, "", "write slow dangerous"
        ],
    ],
}

/// The last step of loading: what the table cannot say.
fn init(ctx: &Context, arguments: &[RedisString]) -> Status {
    log_panics();
    if !ffi::is_complete() {
        log_warning("karin: needs Redis 7.0 or later, or Valkey");
        return Status::Err;
    }
    if let Err(reason) = config::register(ctx, arguments) {
        log_warning(format!("karin: {reason}"));
        return Status::Err;
    }
    ctx.set_module_options(
        ModuleOptions::HANDLE_IO_ERRORS
            | ModuleOptions::NO_IMPLICIT_SIGNAL_MODIFIED
            | ModuleOptions::HANDLE_REPL_ASYNC_LOAD,
    );
    if !key_events::subscribe(ctx)
        || !info_section::register(ctx)
        || !docs::ALL.iter().all(|doc| command_info::describe(ctx, doc))
    {
        log_warning("karin: the server refuses the module's events or documentation");
        return Status::Err;
    }
    let flags = ctx.get_flags();
    if flags.contains(ContextFlags::CLUSTER) {
        hint::use_shards();
    }
    if flags.contains(ContextFlags::EVICTED) && !evicts_volatile_only(ctx) {
        log_warning(
            "karin: maxmemory-policy may evict whole queues; use noeviction, or a volatile-* \
             policy and no EXPIRE on queues",
        );
    }
    Status::Ok
}

/// Whether only keys with an expiry are evicted, which queues need not have.
fn evicts_volatile_only(ctx: &Context) -> bool {
    let Ok(RedisValue::Array(reply)) = ctx.call("CONFIG", &["GET", "maxmemory-policy"]) else {
        return false;
    };
    match reply.last() {
        Some(RedisValue::SimpleString(policy)) => policy.starts_with("volatile-"),
        Some(RedisValue::StringBuffer(policy)) => policy.starts_with(b"volatile-"),
        _ => false,
    }
}

/// Panics are caught ([`commands::guard`], ffi.rs); the server's log keeps what they said, since a
/// daemon's standard error is nowhere.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        // The log function panics on NUL, and keys in messages are binary.
        let text = panic.to_string().replace('\0', "\\0");
        log_warning(format!("karin: {text}"));
    }));
}
