//! Request ids: shaped like UUID v4, unique, cheap, no secrets.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::hex;

/// Weyl increment of SplitMix64: 2^64 divided by the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A source of request ids that threads share without a lock.
#[derive(Debug)]
pub(crate) struct RequestIds {
    seeds: [u64; 2],
    count: AtomicU64,
}

impl RequestIds {
    /// A source that begins anywhere.
    pub(crate) fn seeded() -> Self {
        // Without randomness the ids of two runs could be alike, which harms nothing but a search
        // in the log.
        let seed = || getrandom::u64().unwrap_or(GOLDEN_GAMMA);
        Self { seeds: [seed(), seed()], count: AtomicU64::new(0) }
    }

    /// The next id.
    pub(crate) fn next(&self) -> String {
        let step = self.count.fetch_add(1, Ordering::Relaxed).wrapping_mul(GOLDEN_GAMMA);
        let [high, low] = self.seeds.map(|seed| mix(seed.wrapping_add(step)));
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        uuid(bytes)
    }
}

/// The bytes in the groups of a UUID.
fn uuid(bytes: [u8; 16]) -> String {
    let digits = hex::text(&bytes);
    let mut text = String::with_capacity(36);
    for group in [0..8, 8..12, 12..16, 16..20, 20..32] {
        if group.start > 0 {
            text.push('-');
        }
        text.push_str(digits.get(group).unwrap_or_default());
    }
    text
}

/// The output function of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
/// Generators).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_id_is_written_in_groups() {
        let bytes = 0x0123_4567_89ab_4cde_8f01_2345_6789_abcd_u128.to_be_bytes();
        assert_eq!(uuid(bytes), "01234567-89ab-4cde-8f01-23456789abcd");
    }

    #[test]
    fn ids_are_uuids_of_version_4_and_differ() {
        let ids = RequestIds::seeded();
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            let id = ids.next();
            assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
            assert_eq!(id.as_bytes()[14], b'4', "{id}");
            assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
            assert!(seen.insert(id));
        }
    }
}
