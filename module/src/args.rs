//! A cursor over a command's arguments. Every parse function takes all of them or refuses.

use karin_core::attributes::{parse_decimal, parse_seconds_ms};
use karin_core::limits::{BATCH_MAX, DURATION_MS_MAX, ID_BYTES_MAX, SEQUENCE_MAX, TIME_MS_MAX};
use redis_module::RedisString;

use crate::reply::Failure;

/// What is left of a command's arguments.
#[derive(Debug, Clone)]
pub(crate) struct Args<'a> {
    rest: std::slice::Iter<'a, RedisString>,
}

impl<'a> Args<'a> {
    /// All arguments after the command's name.
    pub(crate) fn after_name(arguments: &'a [RedisString]) -> Self {
        let mut rest = arguments.iter();
        rest.next();
        Self { rest }
    }

    /// How many are left.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next one as the server's own string, to open a key or to replicate without a copy.
    pub(crate) fn string(&mut self) -> Result<&'a RedisString, Failure> {
        self.rest.next().ok_or(Failure::Syntax)
    }

    /// The next one's bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Failure> {
        self.string().map(RedisString::as_slice)
    }

    /// The next one's bytes, which stay where they are.
    pub(crate) fn peek(&self) -> Option<&'a [u8]> {
        self.rest.clone().next().map(RedisString::as_slice)
    }

    /// Takes the next one if it is this word, in any case of letters.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes()));
        if found {
            self.rest.next();
        }
        found
    }

    /// Takes a word that stands alone (`CURRENT`). Errors: it was taken before.
    pub(crate) fn flag(&mut self, word: &str, place: &mut bool) -> Result<bool, Failure> {
        if !self.word(word) {
            return Ok(false);
        }
        if std::mem::replace(place, true) {
            return Err(Failure::Syntax);
        }
        Ok(true)
    }

    /// Takes a word and what follows it (`DELAY 2.5`), read by `read`. Errors: it was taken
    /// before, nothing follows, or `read`'s.
    pub(crate) fn option<T>(
        &mut self,
        word: &'static str,
        place: &mut Option<T>,
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, Failure>,
    ) -> Result<bool, Failure> {
        if !self.word(word) {
            return Ok(false);
        }
        if place.is_some() {
            return Err(Failure::Syntax);
        }
        *place = Some(read(self, word)?);
        Ok(true)
    }

    /// Seconds, decimals allowed, as milliseconds.
    pub(crate) fn seconds_ms(&mut self, what: &'static str) -> Result<u64, Failure> {
        let maximum = DURATION_MS_MAX / 1_000;
        parse_seconds_ms(self.bytes()?).ok_or(Failure::NotSeconds { what, maximum })
    }

    /// How long to wait, in milliseconds. 0 is for ever, so what is shorter than one is one.
    pub(crate) fn wait_ms(&mut self, what: &'static str) -> Result<u64, Failure> {
        let is_zero =
            self.peek().is_some_and(|text| !text.iter().any(|b| (b'1'..=b'9').contains(b)));
        let wait_ms = self.seconds_ms(what)?;
        Ok(if is_zero { 0 } else { wait_ms.max(1) })
    }

    /// A whole number in a range.
    pub(crate) fn integer(
        &mut self,
        what: &'static str,
        minimum: u64,
        maximum: u64,
    ) -> Result<u64, Failure> {
        parse_decimal(self.bytes()?)
            .filter(|number| (minimum..=maximum).contains(number))
            .ok_or(Failure::NotInteger { what, minimum, maximum })
    }

    /// A time; milliseconds since 1970.
    pub(crate) fn time_ms(&mut self, what: &'static str) -> Result<u64, Failure> {
        self.integer(what, 0, TIME_MS_MAX)
    }

    /// A sequence number or a dead letter's, or 0.
    pub(crate) fn sequence(&mut self, what: &'static str) -> Result<u64, Failure> {
        self.integer(what, 0, SEQUENCE_MAX)
    }

    /// How many messages or queues: 1 to [`BATCH_MAX`].
    pub(crate) fn count(&mut self, what: &'static str) -> Result<usize, Failure> {
        let maximum = u64::try_from(BATCH_MAX).unwrap_or(u64::MAX);
        let count = self.integer(what, 1, maximum)?;
        Ok(usize::try_from(count).unwrap_or(BATCH_MAX))
    }

    /// A group, deduplication or attempt id.
    pub(crate) fn id(&mut self, what: &'static str) -> Result<&'a [u8], Failure> {
        self.short(what, ID_BYTES_MAX)
    }

    /// At least one byte, at most `maximum`.
    pub(crate) fn short(
        &mut self,
        what: &'static str,
        maximum: usize,
    ) -> Result<&'a [u8], Failure> {
        let bytes = self.bytes()?;
        if !(1..=maximum).contains(&bytes.len()) {
            return Err(Failure::NotShort { what, maximum });
        }
        Ok(bytes)
    }

    /// Hexadecimal digits, so many.
    pub(crate) fn hexadecimal(
        &mut self,
        what: &'static str,
        digits: usize,
    ) -> Result<&'a [u8], Failure> {
        let text = self.bytes()?;
        if text.len() != digits || !text.iter().all(u8::is_ascii_hexdigit) {
            return Err(Failure::NotHexadecimal { what, digits });
        }
        Ok(text)
    }

    /// A queue's uid.
    pub(crate) fn uid(&mut self, what: &'static str) -> Result<u64, Failure> {
        const DIGITS: usize = 16;
        let text = std::str::from_utf8(self.hexadecimal(what, DIGITS)?).unwrap_or_default();
        u64::from_str_radix(text, 16).map_err(|_| Failure::NotHexadecimal { what, digits: DIGITS })
    }

    /// A number of bytes.
    pub(crate) fn byte_count(&mut self, what: &'static str) -> Result<u64, Failure> {
        self.integer(what, 0, u64::from(u32::MAX))
    }

    /// Who leases, as POPDUE and RELEASE are told.
    pub(crate) fn holder(&mut self, what: &'static str) -> Result<u32, Failure> {
        let maximum = u64::from(u32::MAX);
        let number = self.integer(what, 1, maximum)?;
        u32::try_from(number).map_err(|_| Failure::NotInteger { what, minimum: 1, maximum })
    }

    /// Refuses what is left over.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        match self.rest.next() {
            Some(_) => Err(Failure::Syntax),
            None => Ok(()),
        }
    }
}
