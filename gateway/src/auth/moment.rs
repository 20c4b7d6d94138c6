//! Moments as signatures write them.

use std::fmt;

use time::{Date, Duration, Month, OffsetDateTime};

/// A moment, in whole seconds; written as `yyyymmddThhmmssZ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(OffsetDateTime);

impl Moment {
    /// What the system's clock says.
    pub fn now() -> Self {
        Self(OffsetDateTime::now_utc().truncate_to_second())
    }

    /// Reads `yyyymmddThhmmssZ`, the form of X-Amz-Date.
    pub fn from_basic(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = text.as_bytes().try_into().ok()?;
        let [c1, c2, y1, y2, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = bytes else {
            return None;
        };
        let year = i32::from(two_digits(c1, c2)?) * 100 + i32::from(two_digits(y1, y2)?);
        let month = Month::try_from(two_digits(m1, m2)?).ok()?;
        let date = Date::from_calendar_date(year, month, two_digits(d1, d2)?).ok()?;
        let (hour, minute) = (two_digits(h1, h2)?, two_digits(n1, n2)?);
        let moment = date.with_hms(hour, minute, two_digits(s1, s2)?).ok()?;
        Some(Self(moment.assume_utc()))
    }

    /// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, the form of the header Date.
    pub fn from_http_date(text: &str) -> Option<Self> {
        httpdate::parse_http_date(text).ok().map(|time| Self(time.into()))
    }

    /// The moment so many seconds later; negative: earlier.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(Duration::seconds(seconds)))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        let (hour, minute, second) = self.0.to_hms();
        let month = u8::from(month);
        write!(f, "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        for (text, seconds) in [
            ("19700101T000000Z", 0),
            ("20000229T235959Z", 951_868_799),
            ("20260102T030405Z", 1_767_323_045),
            ("20991231T000000Z", 4_102_358_400),
        ] {
            let moment = Moment::from_basic(text).expect(text);
            assert_eq!(moment.0.unix_timestamp(), seconds, "{text}");
            assert_eq!(moment.to_string(), text);
        }
        let date = "Fri, 02 Jan 2026 03:04:05 GMT";
        assert_eq!(Moment::from_http_date(date), Moment::from_basic("20260102T030405Z"));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "Z",
            "20260102T030405",
            "20260102 030405Z",
            "20260102T0304Z",
            "20260102T030405ZZ",
            "2026-01-02T03:04:05Z",
            "20260229T000000Z",
            "20260001T000000Z",
            "20261301T000000Z",
            "20260100T000000Z",
            "20260101T240000Z",
            "20260101T006000Z",
            "20260101T000060Z",
            "2026010éT00000Z",
            "+0260101T000000Z",
        ] {
            assert_eq!(Moment::from_basic(text), None, "{text}");
        }
        for text in [
            "",
            "Fri, 02 Jan 2026 03:04:05",
            "Fri, 02 Jan 2026 03:04:05 CET",
            "Fri, 31 Feb 2026 03:04:05 GMT",
            "Fri, 02 Jan 2026 03:04 GMT",
            "Fri, 02 Jan 2026 03:04:05:06 GMT",
            "02 Jan 2026 03:04:05 GMT",
        ] {
            assert_eq!(Moment::from_http_date(text), None, "{text}");
        }
    }
}
