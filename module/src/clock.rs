//! The time and random numbers: read here once per command, and given to the core as arguments.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use karin_core::limits::TIME_MS_MAX;

use crate::alarm::monotonic_ms;
use crate::ffi;

/// What `KARIN.DEBUG CLOCK` has added.
static OFFSET_MS: AtomicI64 = AtomicI64::new(0);

/// A clock that gained or lost more than this was set.
pub(crate) const STEP_MS: u64 = 500;

/// The latest time that was read since [`take_lead_ms`].
static LATEST_MS: AtomicU64 = AtomicU64::new(0);
/// By how much the clock was before the one that never steps when it was furthest since then.
static LEAD_MS: AtomicI64 = AtomicI64::new(i64::MIN);

/// Now, in milliseconds since 1970, plus what `KARIN.DEBUG CLOCK` has added.
pub(crate) fn now_ms() -> u64 {
    let now_ms = ffi::milliseconds().saturating_add(OFFSET_MS.load(Ordering::Relaxed));
    let now_ms = u64::try_from(now_ms).unwrap_or(0).min(TIME_MS_MAX);
    let latest_ms = LATEST_MS.load(Ordering::Relaxed);
    if now_ms > latest_ms {
        LATEST_MS.store(now_ms, Ordering::Relaxed);
        // Rare, so that one clock is read for a command and not two.
        if now_ms > latest_ms.saturating_add(STEP_MS) {
            LEAD_MS.fetch_max(lead_ms(now_ms, monotonic_ms()), Ordering::Relaxed);
        }
    }
    now_ms
}

/// By how much a time of the clock is before one of the clock that never steps.
pub(crate) fn lead_ms(now_ms: u64, monotonic_ms: u64) -> i64 {
    now_ms.cast_signed().saturating_sub(monotonic_ms.cast_signed())
}

/// The largest lead of any time that was read since the last call, to half a second; `i64::MIN`:
/// none was.
pub(crate) fn take_lead_ms() -> i64 {
    LATEST_MS.store(0, Ordering::Relaxed);
    LEAD_MS.swap(i64::MIN, Ordering::Relaxed)
}

/// Adds to the clock. Returns all that was added since the start, in milliseconds.
pub(crate) fn adjust(by_ms: i64) -> i64 {
    let total_ms = OFFSET_MS.load(Ordering::Relaxed).saturating_add(by_ms);
    OFFSET_MS.store(total_ms, Ordering::Relaxed);
    total_ms
}

/// The uid of a new queue.
pub(crate) fn draw_uid() -> u64 {
    let mut bytes = [0; 8];
    ffi::random_bytes(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// Random bytes the server hashes together for each asking; asked for many at once.
static LEASES: Mutex<LeasePool> =
    Mutex::new(LeasePool { bytes: [0; LEASE_POOL_BYTES], used: LEASE_POOL_BYTES });
const LEASE_POOL_BYTES: usize = 1_024;

struct LeasePool {
    bytes: [u8; LEASE_POOL_BYTES],
    used: usize,
}

/// A number for a new lease, not 0.
pub(crate) fn draw_lease() -> u32 {
    let mut pool = LEASES.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.used >= LEASE_POOL_BYTES {
        ffi::random_bytes(&mut pool.bytes);
        pool.used = 0;
    }
    let at = pool.used;
    let drawn = pool.bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    pool.used = at + size_of::<u32>();
    u32::from_ne_bytes(drawn).max(1)
}
