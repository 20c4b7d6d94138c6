//! `INFO karin`. The server puts `karin_` before each name.

use redis_module::{Context, Status, raw};

use crate::{config, counters, ffi, registry, tick, wakeup};

/// Registers it, in place of the crate's. `false`: the server refuses.
pub(crate) fn register(ctx: &Context) -> bool {
    raw::register_info_function(ctx.ctx, Some(ffi::on_info)) == Status::Ok
}

/// Writes the section, if it was asked for.
pub(crate) fn write(ctx: *mut raw::RedisModuleInfoCtx) {
    if raw::add_info_section(ctx, None) != Status::Ok {
        return;
    }
    let field = |name, value| {
        raw::add_info_field_unsigned_long_long(ctx, name, value);
    };
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    field("queues", count(registry::count()));
    field("blocked_clients", count(wakeup::waiters()));
    field("blocked_keys", count(wakeup::keys()));
    field("scheduled_queues", count(tick::scheduled()));
    field("sent", counters::SENT.get());
    field("received", counters::RECEIVED.get());
    field("deleted", counters::DELETED.get());
    field("released", counters::RELEASED.get());
    field("purged", counters::PURGED.get());
    field("expired", counters::EXPIRED.get());
    field("duplicates", counters::DUPLICATES.get());
    field("dead_lettered", counters::DEAD_LETTERED.get());
    field("hints", counters::HINTS.get());
    field("clock_steps", counters::CLOCK_STEPS.get());
    field("panics", counters::PANICS.get());
    field("max_dedup_ids", config::max_dedup_ids());
    field("max_in_flight", config::max_in_flight());
}
