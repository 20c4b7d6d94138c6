//! How bytes are cut into parts; every cut is defined, so that no bytes are wasted.

/// What is left of a target's bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// The next part: its kind (1 byte) and its bytes (length 2, little-endian, then as many as
    /// there are). `None` at the end.
    pub(crate) fn part(&mut self) -> Option<(u8, &'a [u8])> {
        let (&kind, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first_chunk::<2>().unwrap_or((&[0, 0], &[]));
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (part, rest) = rest.split_at(length);
        self.0 = rest;
        Some((kind, part))
    }

    /// A number of 8 bytes; what lacks is zeros.
    pub(crate) fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A number of 4 bytes; what lacks is zeros.
    pub(crate) fn small(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let length = N.min(self.0.len());
        let (part, rest) = self.0.split_at(length);
        bytes[..length].copy_from_slice(part);
        self.0 = rest;
        bytes
    }
}

/// Appends a part. One of more than 64 KiB is cut.
pub fn put(out: &mut Vec<u8>, kind: u8, part: &[u8]) {
    let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
    out.push(kind);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&part[..usize::from(length)]);
}
