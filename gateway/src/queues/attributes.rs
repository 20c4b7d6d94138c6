//! How message attributes travel in the module's opaque `ATTRS` blob.
//!
//! Format, version 1: byte 1, then for each entry one kind byte (`u` user attribute, `s` system
//! attribute), and three fields, each a big-endian u32 length and its bytes: name, data type,
//! value (UTF-8 text, or the decoded bytes of a Binary). No attributes: the blob is empty.

/// One attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageAttribute {
    /// Its name; case-sensitive.
    pub name: String,
    /// `String`, `Number` or `Binary`, with an optional `.label`.
    pub data_type: String,
    /// The text's UTF-8 bytes, or the decoded bytes of a Binary.
    pub value: Vec<u8>,
}

impl MessageAttribute {
    /// Whether the value is bytes rather than text.
    pub fn is_binary(&self) -> bool {
        self.data_type == "Binary" || self.data_type.starts_with("Binary.")
    }
}

/// All attributes of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageAttributes {
    /// The producer's own (MessageAttributes).
    pub user: Vec<MessageAttribute>,
    /// System attributes kept with the message: `AWSTraceHeader`.
    pub system: Vec<MessageAttribute>,
}

const VERSION: u8 = 1;

/// Packs attributes; empty if there are none.
pub fn encode(attributes: &MessageAttributes) -> Vec<u8> {
    let mut blob = Vec::new();
    let entries = attributes.user.iter().map(|a| (b'u', a));
    for (kind, attribute) in entries.chain(attributes.system.iter().map(|a| (b's', a))) {
        if blob.is_empty() {
            blob.push(VERSION);
        }
        blob.push(kind);
        for field in
            [attribute.name.as_bytes(), attribute.data_type.as_bytes(), &attribute.value[..]]
        {
            let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
            blob.extend_from_slice(&length.to_be_bytes());
            blob.extend_from_slice(field);
        }
    }
    blob
}

/// Unpacks a blob. `None` if it is not one of ours (redis-cli can put anything there).
pub fn decode(blob: &[u8]) -> Option<MessageAttributes> {
    let mut attributes = MessageAttributes::default();
    let Some((&version, mut rest)) = blob.split_first() else {
        return Some(attributes);
    };
    if version != VERSION {
        return None;
    }
    while let Some((&kind, tail)) = rest.split_first() {
        let (name, tail) = field(tail)?;
        let (data_type, tail) = field(tail)?;
        let (value, tail) = field(tail)?;
        rest = tail;
        let attribute = MessageAttribute {
            name: String::from_utf8(name.to_vec()).ok()?,
            data_type: String::from_utf8(data_type.to_vec()).ok()?,
            value: value.to_vec(),
        };
        match kind {
            b'u' => attributes.user.push(attribute),
            b's' => attributes.system.push(attribute),
            _ => return None,
        }
    }
    Some(attributes)
}

fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, data_type: &str, value: &[u8]) -> MessageAttribute {
        MessageAttribute { name: name.into(), data_type: data_type.into(), value: value.into() }
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let attributes = MessageAttributes {
            user: vec![attribute("a", "Number.int", b"1"), attribute("é", "Binary", &[0, 255])],
            system: vec![attribute("AWSTraceHeader", "String", b"Root=1")],
        };
        assert_eq!(decode(&encode(&attributes)), Some(attributes));
        assert!(encode(&MessageAttributes::default()).is_empty());
        assert_eq!(decode(b""), Some(MessageAttributes::default()));
    }

    #[test]
    fn every_cut_and_every_foreign_blob_is_refused() {
        let attributes =
            MessageAttributes { user: vec![attribute("a", "String", b"xyz")], system: vec![] };
        let blob = encode(&attributes);
        for length in 2..blob.len() {
            assert_eq!(decode(&blob[..length]), None, "cut at {length}");
        }
        assert_eq!(decode(b"hello"), None);
    }
}
