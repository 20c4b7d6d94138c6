//! Lower-case hexadecimal text, of which every request has some.

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// The bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    bytes.iter().for_each(|&byte| push(&mut text, byte));
    text
}

/// Appends one byte's two digits.
pub(crate) fn push(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 0xF] {
        text.push(char::from(DIGITS[usize::from(digit & 0xF)]));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_byte_is_two_digits() {
        assert_eq!(super::text(&[0x00, 0x0f, 0xa5, 0xff]), "000fa5ff");
        assert_eq!(super::text(&[]), "");
    }
}
