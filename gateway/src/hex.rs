//! Lower-case hexadecimal text, of which every request has some.

/// The bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        push(&mut text, byte);
    }
    text
}

/// Appends one byte's two digits.
pub(crate) fn push(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 0xF] {
        text.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
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
