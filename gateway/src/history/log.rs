//! The bytes of a history: records one after the other, each with its length and version before
//! it, so that what is not understood is passed over.

use crate::history::Span;

/// What a log has at most after it was made smaller, in bytes.
pub(crate) const COMPACT_BYTES_MAX: usize = 4_608;
/// A log longer than this is made smaller, in bytes.
pub(crate) const BYTES_MAX: u64 = 6_144;
/// What is read of a log at most, in bytes: it may be anything.
pub(crate) const READ_BYTES_MAX: usize = 16_384;
/// How long a log is kept after the last record, in seconds: a week, and a day more.
pub(crate) const KEPT_S: u64 = 8 * 24 * 3_600;
/// A record later than now by more than this is of a clock that was wrong; seconds.
const AHEAD_S_MAX: u64 = 120;
/// The version of records that we write.
const VERSION: u8 = 1;

/// What a log consists of.
pub(crate) trait Record: Copy {
    /// When it was made, epoch seconds.
    fn at_s(&self) -> u64;

    /// This one and a later one together, as one at the later one's time.
    fn join(self, later: Self) -> Self;

    /// Appends everything but the time.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads what [`Record::write`] wrote.
    fn read(at_s: u64, reader: &mut Reader<'_>) -> Option<Self>;
}

/// Bytes that are read from the front.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// The next byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number, seven bits a byte, the lowest first.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// The same, if it is there.
    pub(crate) fn number_if(&mut self, is_there: bool) -> Option<u64> {
        if is_there { self.number() } else { Some(0) }
    }
}

/// Appends a number as [`Reader::number`] reads it.
pub(crate) fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// One record.
pub(crate) fn encode(record: &impl Record) -> Vec<u8> {
    let mut bytes = vec![0, VERSION];
    let at_s = u32::try_from(record.at_s()).unwrap_or(u32::MAX);
    bytes.extend(at_s.to_le_bytes());
    record.write(&mut bytes);
    // Ten bytes a number at most, and fewer than twenty numbers.
    let length = u8::try_from(bytes.len() - 1).unwrap_or(u8::MAX);
    if let Some(first) = bytes.first_mut() {
        *first = length;
    }
    bytes
}

/// The records that can be read, the earliest first.
pub(crate) fn decode<R: Record>(mut bytes: &[u8]) -> Vec<R> {
    let mut records = Vec::new();
    while let Some((&length, rest)) = bytes.split_first() {
        let Some((record, rest)) = rest.split_at_checked(usize::from(length)) else { break };
        records.extend(decode_one::<R>(record));
        bytes = rest;
    }
    records.sort_by_key(Record::at_s);
    records
}

fn decode_one<R: Record>(bytes: &[u8]) -> Option<R> {
    let mut reader = Reader(bytes);
    if reader.byte()? != VERSION {
        return None;
    }
    let at_s = u32::from_le_bytes(reader.bytes()?);
    R::read(u64::from(at_s), &mut reader)
}

/// Joins records that no chart shows apart any more, and drops those that none shows.
pub(crate) fn thin<R: Record>(records: &[R], now_s: u64) -> Vec<R> {
    let mut thinned: Vec<(u64, u64, R)> = Vec::new();
    for record in records {
        let Some(slot) = slot(record.at_s(), now_s) else { continue };
        match thinned.last_mut() {
            Some((step_s, number, last)) if (*step_s, *number) == slot => {
                *last = last.join(*record);
            }
            _ => thinned.push((slot.0, slot.1, *record)),
        }
    }
    thinned.into_iter().map(|(_, _, record)| record).collect()
}

/// Which records are shown as one: the length of the step and its number.
fn slot(at_s: u64, now_s: u64) -> Option<(u64, u64)> {
    if at_s > now_s.saturating_add(AHEAD_S_MAX) {
        return None;
    }
    let age_s = now_s.saturating_sub(at_s);
    let span = Span::ALL.into_iter().find(|span| age_s <= span.length_s() + span.step_s())?;
    Some((span.step_s(), at_s / span.step_s()))
}

/// A log of the same that is shorter: thinned, and without the oldest records if it would be longer
/// than [`COMPACT_BYTES_MAX`].
pub(crate) fn compact<R: Record>(records: &[R], now_s: u64) -> Vec<u8> {
    let mut encoded: Vec<Vec<u8>> = thin(records, now_s).iter().map(encode).collect();
    let mut room = COMPACT_BYTES_MAX;
    let fitting = encoded.iter().rev().take_while(|record| {
        let rest = room.checked_sub(record.len());
        room = rest.unwrap_or(room);
        rest.is_some()
    });
    let dropped = encoded.len() - fitting.count();
    encoded.drain(..dropped);
    encoded.concat()
}
