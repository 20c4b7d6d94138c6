//! What few messages have beside body and attributes: a deduplication id in a FIFO queue; a
//! foreign id and the queue it came from after a move.
//!
//! They stand at the end of the payload: entries of tag (1), length (2, little-endian) and bytes,
//! then the length of all entries (2).

use crate::limits::{ID_BYTES_MAX, SOURCE_BYTES_MAX};

const ID: u8 = 1;
const SOURCE: u8 = 2;
const DEDUP_ID: u8 = 3;
const RECEIVES_BEFORE: u8 = 4;

/// Length of a message id, bytes.
pub const MESSAGE_ID_LENGTH: usize = 36;

/// The extras of one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extras<'a> {
    /// The message's id, if it is not one this queue gave.
    pub id: Option<[u8; MESSAGE_ID_LENGTH]>,
    /// The dead letter's source, as the mover named it (SQS: its ARN).
    pub source: Option<&'a [u8]>,
    /// What duplicates are told by.
    pub dedup_id: Option<&'a [u8]>,
    /// How often it was received before it came into this queue, which does not count towards its
    /// death here.
    pub receives_before: Option<u32>,
}

impl<'a> Extras<'a> {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether lengths are in bounds; [`Extras::encode`] relies on it.
    pub(crate) fn is_valid(&self) -> bool {
        self.dedup_id.is_none_or(|id| (1..=ID_BYTES_MAX).contains(&id.len()))
            && self.source.is_none_or(|source| (1..=SOURCE_BYTES_MAX).contains(&source.len()))
            && self.id.is_none_or(|id| id.iter().all(u8::is_ascii_graphic))
    }

    /// Appends the bytes, nothing if there are no extras.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        let start = out.len();
        let id = self.id.as_ref().map(|id| &id[..]);
        let before = self.receives_before.map(u32::to_le_bytes);
        let before = before.as_ref().map(|before| &before[..]);
        let entries =
            [(ID, id), (SOURCE, self.source), (DEDUP_ID, self.dedup_id), (RECEIVES_BEFORE, before)];
        for (tag, bytes) in entries {
            if let Some(bytes) = bytes {
                out.push(tag);
                out.extend_from_slice(&length(bytes.len()));
                out.extend_from_slice(bytes);
            }
        }
        let entries_length = length(out.len() - start);
        out.extend_from_slice(&entries_length);
    }

    /// Splits what follows a body into the attributes and the entries of the extras.
    pub(crate) fn split(rest: &[u8]) -> Option<(&[u8], &[u8])> {
        let (before, length) = rest.split_last_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length));
        before.split_at_checked(before.len().checked_sub(length)?)
    }

    /// Reads entries. `None`: they are none of ours.
    pub(crate) fn decode(mut bytes: &'a [u8]) -> Option<Self> {
        let mut extras = Self::default();
        while let Some((&tag, rest)) = bytes.split_first() {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            match tag {
                ID if extras.id.is_none() => extras.id = Some(value.try_into().ok()?),
                SOURCE if extras.source.is_none() => extras.source = Some(value),
                DEDUP_ID if extras.dedup_id.is_none() => extras.dedup_id = Some(value),
                RECEIVES_BEFORE if extras.receives_before.is_none() => {
                    extras.receives_before = Some(u32::from_le_bytes(value.try_into().ok()?));
                }
                _ => return None,
            }
            bytes = rest;
        }
        extras.is_valid().then_some(extras)
    }
}

fn length(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn extras_are_read_back_behind_any_attributes(
            attributes in proptest::collection::vec(any::<u8>(), 0..20),
            id: bool,
            source in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..40)),
            dedup_id in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..129)),
            receives_before: Option<u32>,
        ) {
            let extras = Extras {
                id: id.then_some([b'x'; MESSAGE_ID_LENGTH]),
                source: source.as_deref(),
                dedup_id: dedup_id.as_deref(),
                receives_before,
            };
            let mut bytes = attributes.clone();
            extras.encode(&mut bytes);
            if extras.is_empty() {
                prop_assert_eq!(bytes, attributes);
                return Ok(());
            }
            let (before, entries) = Extras::split(&bytes).unwrap();
            prop_assert_eq!(before, attributes);
            prop_assert_eq!(Extras::decode(entries), Some(extras));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some((_, entries)) = Extras::split(&bytes) {
                let _ = Extras::decode(entries);
            }
        }
    }
}
