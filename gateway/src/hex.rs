//! Lower-case hexadecimal text, of which every request has some.

/// The bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    push(&mut text, bytes);
    String::from_utf8(text).unwrap_or_default()
}

/// Appends two digits for each byte.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let (pairs, _) = out.get_mut(start..).unwrap_or_default().as_chunks_mut();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 0xF)];
    }
}

/// The bytes of such a text. `None`: it is none.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks();
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let byte = |[high, low]: &[u8; 2]| Some(value(*high)? << 4 | value(*low)?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_is_bytes_only_if_all_of_it_is_lower_case_digits() {
        assert_eq!(super::bytes("000fa5ff"), Some(vec![0x00, 0x0f, 0xa5, 0xff]));
        assert_eq!(super::bytes(""), Some(Vec::new()));
        for bad in ["0", "0g", "0A", "00 ", "é"] {
            assert_eq!(super::bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_byte_is_two_digits() {
        assert_eq!(super::text(&[0x00, 0x0f, 0xa5, 0xff]), "000fa5ff");
        assert_eq!(super::text(&[]), "");
        let mut out = b"x".to_vec();
        super::push(&mut out, &[0x9f]);
        assert_eq!(out, b"x9f");
    }
}
