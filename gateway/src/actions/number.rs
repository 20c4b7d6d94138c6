//! Checks of the integers in a request.

use std::ops::RangeInclusive;

/// The value as the queues take it, `None` if it is out of range.
pub(super) fn within(value: i64, range: &RangeInclusive<i64>) -> Option<u32> {
    range.contains(&value).then(|| u32::try_from(value).ok()).flatten()
}
