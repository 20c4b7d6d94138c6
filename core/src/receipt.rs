//! Receipts: what a delivery hands out and what deletes, extends or gives back takes.
//!
//! Layout, 27 bytes as 36 characters of base64url without padding:
//! version (1) · queue uid (8) · slot (4) · sequence (8) · lease (4) · check (2), big-endian.
//! No secret is in it: whoever can talk to the queue may guess receipts, and gains nothing.

const VERSION: u8 = 1;
const BYTES: usize = 27;
const CHECKED_BYTES: usize = 25;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// One delivery of one message of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The queue.
    pub uid: u64,
    /// Where the message lies.
    pub slot: u32,
    /// Which message it is; slots are used again.
    pub sequence: u64,
    /// Which delivery it is.
    pub lease: u32,
}

impl Receipt {
    /// Length of the text form, in bytes.
    pub const TEXT_LENGTH: usize = 36;

    /// The text form.
    pub fn to_text(&self) -> [u8; Self::TEXT_LENGTH] {
        let mut bytes = [0; BYTES];
        let parts: [&[u8]; 5] = [
            &[VERSION],
            &self.uid.to_be_bytes(),
            &self.slot.to_be_bytes(),
            &self.sequence.to_be_bytes(),
            &self.lease.to_be_bytes(),
        ];
        let flat = parts.into_iter().flatten();
        for (place, byte) in bytes.iter_mut().zip(flat) {
            *place = *byte;
        }
        let check = check(&bytes);
        if let Some(tail) = bytes.last_chunk_mut::<2>() {
            *tail = check.to_be_bytes();
        }
        encode(&bytes)
    }

    /// Reads a text form; `None` if it is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let bytes = decode(text.try_into().ok()?)?;
        let (&version, rest) = bytes.split_first()?;
        let (uid, rest) = rest.split_first_chunk::<8>()?;
        let (slot, rest) = rest.split_first_chunk::<4>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (lease, rest) = rest.split_first_chunk::<4>()?;
        if version != VERSION || rest != check(&bytes).to_be_bytes() {
            return None;
        }
        Some(Self {
            uid: u64::from_be_bytes(*uid),
            slot: u32::from_be_bytes(*slot),
            sequence: u64::from_be_bytes(*sequence),
            lease: u32::from_be_bytes(*lease),
        })
    }
}

/// A 16-bit sum that tells a cut or mistyped receipt from a real one (FNV-1a, folded).
fn check(bytes: &[u8; BYTES]) -> u16 {
    let hash = bytes
        .iter()
        .take(CHECKED_BYTES)
        .fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

fn encode(bytes: &[u8; BYTES]) -> [u8; Receipt::TEXT_LENGTH] {
    let mut text = [0; Receipt::TEXT_LENGTH];
    for (three, four) in bytes.chunks_exact(3).zip(text.chunks_exact_mut(4)) {
        let bits = three.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte));
        for (n, character) in four.iter_mut().enumerate() {
            let index = (bits >> (18 - 6 * n)) & 63;
            *character =
                usize::try_from(index).ok().and_then(|i| ALPHABET.get(i)).map_or(0, |&c| c);
        }
    }
    text
}

fn decode(text: &[u8; Receipt::TEXT_LENGTH]) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    for (four, three) in text.chunks_exact(4).zip(bytes.chunks_exact_mut(3)) {
        let mut bits = 0_u32;
        for &character in four {
            bits = bits << 6 | sextet(character)?;
        }
        let [_, a, b, c] = bits.to_be_bytes();
        three.copy_from_slice(&[a, b, c]);
    }
    Some(bytes)
}

fn sextet(character: u8) -> Option<u32> {
    Some(match character {
        b'A'..=b'Z' => u32::from(character - b'A'),
        b'a'..=b'z' => u32::from(character - b'a') + 26,
        b'0'..=b'9' => u32::from(character - b'0') + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_receipt_is_read_back(uid: u64, slot: u32, sequence: u64, lease: u32) {
            let receipt = Receipt { uid, slot, sequence, lease };
            prop_assert_eq!(Receipt::parse(&receipt.to_text()), Some(receipt));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Receipt::parse(&bytes);
        }
    }

    #[test]
    fn cut_lengthened_and_changed_receipts_are_refused() {
        let text = Receipt { uid: 7, slot: 1, sequence: 2, lease: 3 }.to_text();
        assert_eq!(Receipt::parse(&text[..35]), None);
        assert_eq!(Receipt::parse(&[&text[..], b"A"].concat()), None);
        assert_eq!(Receipt::parse(b"garbage"), None);
        assert_eq!(Receipt::parse(&[b'A'; 36]), None);
        for at in 0..text.len() {
            let mut changed = text;
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(Receipt::parse(&changed), None, "character {at}");
        }
    }
}
