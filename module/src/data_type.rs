//! The Redis data type `karinmq-q`: how a queue is saved, loaded, rewritten, copied, compared.
//!
//! In an RDB a queue is its header, then chunks of whole messages, chunks of deduplication ids, and
//! receive attempts, each of the three ended by an empty string. In a rewritten append-only file it
//! is the internal commands that build it.

use std::ffi::CStr;

use karin_core::snapshot::{ENCODING_VERSION, Meta};
use karin_core::{Error, Queue};
use redis_module::logging::log_warning;
use redis_module::native_types::RedisType;
use redis_module::raw;

use crate::{ffi, registry, replicate, tick};

/// How much of a queue is written as one string, unless one message is larger.
const CHUNK_BYTES: usize = 262_144;
/// How many messages one command of a rewritten append-only file puts.
const PUTS_AT_A_TIME: usize = 64;
/// How many deduplication ids are written as one string.
const IDS_AT_A_TIME: usize = 1_024;

/// The type. `KARIN.*` commands work on keys of this type only.
pub(crate) static QUEUE_TYPE: RedisType = RedisType::new(
    "karinmq-q",
    ENCODING_VERSION as i32,
    raw::RedisModuleTypeMethods {
        // What redis 7.0 knows: it refuses a higher version than its own.
        version: 4,
        rdb_load: Some(ffi::rdb_load),
        rdb_save: Some(ffi::rdb_save),
        aof_rewrite: Some(ffi::aof_rewrite),
        mem_usage: Some(ffi::mem_usage),
        digest: Some(ffi::digest),
        free: Some(ffi::free),
        aux_load: None,
        aux_save: None,
        aux_save_triggers: 0,
        free_effort: Some(ffi::free_effort),
        unlink: None,
        copy: None,
        defrag: Some(ffi::defrag),
        mem_usage2: None,
        free_effort2: None,
        unlink2: None,
        copy2: Some(ffi::copy),
        aux_save2: None,
    },
);

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

/// Writes a queue to an RDB or a DUMP payload.
pub(crate) fn save(queue: &Queue, io: *mut raw::RedisModuleIO) {
    raw::save_slice(io, &queue.encode_header());
    let mut chunk = Vec::new();
    for slot in queue.slots() {
        queue.encode_record(slot, &mut chunk);
        if chunk.len() >= CHUNK_BYTES {
            raw::save_slice(io, &chunk);
            chunk.clear();
        }
    }
    if !chunk.is_empty() {
        raw::save_slice(io, &chunk);
    }
    raw::save_slice(io, &[]);
    queue.encode_dedup(IDS_AT_A_TIME, &mut |ids| raw::save_slice(io, ids));
    raw::save_slice(io, &[]);
    queue.encode_attempts(&mut |attempt| raw::save_slice(io, attempt));
    raw::save_slice(io, &[]);
}

/// Says which internal commands build a queue: `emit` takes each with what follows the key.
pub(crate) fn rewrite(queue: &Queue, emit: &mut dyn FnMut(&CStr, &[&[u8]])) {
    emit(replicate::XQUEUE, &[&queue.encode_header()]);
    let (mut puts, mut bytes): (Vec<(Meta, &[u8])>, _) = (Vec::new(), 0);
    for slot in queue.slots() {
        let (Some(meta), Some(payload)) = (queue.encode_meta(slot), queue.payload(slot)) else {
            continue;
        };
        bytes += payload.len();
        puts.push((meta, payload));
        if puts.len() >= PUTS_AT_A_TIME || bytes >= CHUNK_BYTES {
            emit_puts(&puts, emit);
            (puts, bytes) = (Vec::new(), 0);
        }
    }
    emit_puts(&puts, emit);
    queue.encode_dedup(IDS_AT_A_TIME, &mut |ids| emit(replicate::XDEDUP, &[ids]));
    queue.encode_attempts(&mut |attempt| emit(replicate::XATTEMPT, &[attempt]));
}

fn emit_puts(puts: &[(Meta, &[u8])], emit: &mut dyn FnMut(&CStr, &[&[u8]])) {
    if !puts.is_empty() {
        let parts: Vec<_> =
            puts.iter().flat_map(|(meta, payload)| [meta.as_slice(), payload]).collect();
        emit(replicate::XPUT, &parts);
    }
}

/// Reads a queue. `None`: it is broken, which the log says and RESTORE answers with "Bad data
/// format".
pub(crate) fn load(io: *mut raw::RedisModuleIO, encoding_version: i32) -> Option<Queue> {
    try_load(io, encoding_version)
        .inspect_err(|reason| log_warning(format!("karin: {reason}")))
        .ok()
}

fn try_load(io: *mut raw::RedisModuleIO, encoding_version: i32) -> Result<Queue, String> {
    if !(1..=i32::from(ENCODING_VERSION)).contains(&encoding_version) {
        return Err(format!(
            "a queue was saved with encoding version {encoding_version} by a newer module; \
             this one reads up to {ENCODING_VERSION}"
        ));
    }
    let header = load_string(io)?;
    let mut queue = Queue::decode_header(header.as_ref()).map_err(|e| e.to_string())?;
    load_strings(io, |chunk| queue.load_messages(chunk))?;
    load_strings(io, |ids| queue.apply_dedup(ids))?;
    load_strings(io, |attempt| queue.apply_attempt(attempt))?;
    queue.finish_load();
    if let Some((db, name)) = ffi::loaded_key(io) {
        registry::add(db, name);
        tick::schedule_soon(db, name, 0);
    }
    Ok(queue)
}

/// Reads strings up to the empty one that ends them.
fn load_strings(
    io: *mut raw::RedisModuleIO,
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), String> {
    loop {
        let string = load_string(io)?;
        if string.as_ref().is_empty() {
            return Ok(());
        }
        take(string.as_ref()).map_err(|e| e.to_string())?;
    }
}

fn load_string(io: *mut raw::RedisModuleIO) -> Result<redis_module::RedisBuffer, String> {
    raw::load_string_buffer(io).map_err(|e| format!("a queue is cut short: {e}"))
}

/// The uid of the copy of a queue. Master and replica each make the copy, so it is not drawn but
/// made of what both know (FNV-1a).
pub(crate) fn uid_of_copy(queue: &Queue, db: i32, name: &[u8]) -> u64 {
    let numbers = [queue.uid(), queue.last_sequence(), queue.copies()].map(u64::to_be_bytes);
    let parts: [&[u8]; 3] = [numbers.as_flattened(), &db.to_be_bytes(), name];
    parts.into_iter().flatten().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
