//! Times as Redis and SQS write them: milliseconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

/// A time in epoch milliseconds; what was before 1970 is 0.
pub(crate) fn epoch_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Now, by this machine's clock.
pub(crate) fn now_ms() -> u64 {
    epoch_ms(SystemTime::now())
}
