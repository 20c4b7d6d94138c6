//! The channel of a queue's hints. In a cluster it has the slot of the queue's key, so that whoever
//! listens at the key's node hears them (docs/commands.md, "Hints").

const PREFIX: &[u8] = b"karin:due:";
const SLOTS: u16 = 16_384;
/// Among the numbers below this each slot has one.
const NUMBERS: u32 = 1_000_000;

/// The channel of a queue: `karin:due:<key>` if the key has a hash tag, `karin:due:{<key>}` if it
/// has no `}` that would end that tag early, else `karin:due:{<n>}<key>` with the lowest number of
/// the key's slot.
pub(crate) fn of(key: &[u8]) -> Vec<u8> {
    if has_hash_tag(key) {
        return [PREFIX, key].concat();
    }
    if !key.is_empty() && !key.contains(&b'}') {
        return [PREFIX, b"{", key, b"}"].concat();
    }
    let number = number_in(crc16(0, key) % SLOTS).to_string();
    [PREFIX, b"{", number.as_bytes(), b"}", key].concat()
}

/// Whether only a part of the key counts for its slot: what stands between the first `{` and the
/// next `}`, if anything does.
fn has_hash_tag(key: &[u8]) -> bool {
    let after_brace = key.iter().position(|&b| b == b'{').and_then(|at| key.get(at + 1..));
    after_brace.is_some_and(|rest| rest.iter().position(|&b| b == b'}').is_some_and(|at| at > 0))
}

/// The lowest number in a slot, on average after 16,384 steps of two nanoseconds.
fn number_in(slot: u16) -> u32 {
    let mut digits = Vec::with_capacity(8);
    for tens in 0..NUMBERS / 10 {
        digits.clear();
        let mut rest = tens;
        while rest > 0 {
            digits.push(b'0' + u8::try_from(rest % 10).unwrap_or(0));
            rest /= 10;
        }
        let before = digits.iter().rev().fold(0, |crc, &digit| crc16(crc, &[digit]));
        for (number, digit) in (tens * 10..).zip(b'0'..=b'9') {
            if crc16(before, &[digit]) % SLOTS == slot {
                return number;
            }
        }
    }
    0
}

/// CRC-16/XMODEM, which Redis Cluster hashes keys with, of what has the checksum `crc` so far and
/// goes on with `bytes`.
fn crc16(crc: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(crc, |crc, &byte| {
        let index = usize::from(crc.to_be_bytes()[0] ^ byte);
        crc << 8 ^ TABLE.get(index).copied().unwrap_or(0)
    })
}

static TABLE: [u16; 256] = table();

#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which would say so")]
const fn table() -> [u16; 256] {
    const POLYNOMIAL: u16 = 0x1021;
    let mut table = [0; 256];
    let mut index: u16 = 0;
    while index < 256 {
        let mut crc = index << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ POLYNOMIAL };
            bit += 1;
        }
        table[index as usize] = crc;
        index += 1;
    }
    table
}
