//! Which text SQS carries.

/// Whether every character is one SQS allows in a body: `#x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD
/// #x10000-#x10FFFF`, the characters of XML 1.0.
///
/// Source: sqs-contract §6.1.
pub fn is_sqs_text(text: &str) -> bool {
    is_sqs_utf8(text.as_bytes())
}

/// The same for bytes that are known to be UTF-8.
pub(crate) fn is_sqs_utf8(utf8: &[u8]) -> bool {
    !any_byte(utf8, |b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) && !has_noncharacter(utf8)
}

/// Whether any byte is such a one. Whole pieces are looked at, which the compiler does with
/// vectors; to be able to end at each byte costs ten times as much.
pub(super) fn any_byte(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> bool {
    const PIECE: usize = 64;
    let has_such = |piece: &[u8]| piece.iter().fold(false, |found, &byte| found | is_such(byte));
    bytes.chunks(PIECE).any(has_such)
}

/// U+FFFE and U+FFFF are `EF BF BE` and `EF BF BF`; a lead byte cannot stand inside another
/// character.
fn has_noncharacter(utf8: &[u8]) -> bool {
    if !any_byte(utf8, |b| b == 0xEF) {
        return false;
    }
    utf8.windows(3).any(|w| matches!(w, [0xEF, 0xBF, 0xBE | 0xBF]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_each_range_are_exact() {
        for good in ['\t', '\n', '\r', ' ', '\u{7f}', '\u{d7ff}', '\u{e000}', '\u{fffd}'] {
            assert!(is_sqs_text(&format!("a{good}b")), "{good:?}");
        }
        for good in ['\u{10000}', '\u{1fffe}', '\u{10ffff}'] {
            assert!(is_sqs_text(&good.to_string()), "{good:?}");
        }
        for bad in ['\0', '\u{1}', '\u{8}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            assert!(!is_sqs_text(&format!("a{bad}b")), "{bad:?}");
        }
    }
}
