//! Moments as signatures write them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: i64 = 86_400;
/// Days of 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: i64 = 719_468;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment, in whole seconds since 1970; written as `yyyymmddThhmmssZ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// What the system's clock says.
    pub fn now() -> Self {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX / 2))
    }

    /// Reads `yyyymmddThhmmssZ`, the form of X-Amz-Date.
    pub fn from_basic(text: &str) -> Option<Self> {
        let [date @ .., b'Z'] = text.as_bytes() else { return None };
        let (date, time) = date.split_at_checked(8)?;
        let [b'T', time @ ..] = time else { return None };
        let (year, month_day) = date.split_at_checked(4)?;
        let (month, day) = month_day.split_at_checked(2)?;
        let (hour, minute_second) = time.split_at_checked(2)?;
        let (minute, second) = minute_second.split_at_checked(2)?;
        let time = [number(hour)?, number(minute)?, number(second)?];
        (second.len() == 2).then_some(())?;
        Self::of(number(year)?, number(month)?, number(day)?, time)
    }

    /// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, the form of the header Date.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let (_weekday, rest) = text.split_once(", ")?;
        let mut words = rest.split(' ');
        let day = number(words.next()?.as_bytes())?;
        let month = words.next()?;
        let month = MONTHS.iter().zip(1..).find(|(name, _)| **name == month)?.1;
        let year = number(words.next()?.as_bytes())?;
        let mut clock = words.next()?.split(':').map(|part| number(part.as_bytes()));
        let time = [clock.next()??, clock.next()??, clock.next()??];
        let ends = clock.next().is_none() && words.next() == Some("GMT") && words.next().is_none();
        ends.then(|| Self::of(year, month, day, time)).flatten()
    }

    /// The moment so many seconds later; negative: earlier.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    fn of(year: i64, month: i64, day: i64, [hour, minute, second]: [i64; 3]) -> Option<Self> {
        let is_time = (0..24).contains(&hour) && minute < 60 && second < 60;
        // A day that its month does not have would come back as another one.
        let days = days_of(year, month, day);
        let is_date = (1..=12).contains(&month) && civil(days) == (year, month, day);
        (is_date && is_time)
            .then(|| Self(days * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(SECONDS_PER_DAY));
        let second = self.0.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

/// A number of at most 4 digits, and nothing else.
fn number(digits: &[u8]) -> Option<i64> {
    let is_number = matches!(digits.len(), 1..=4) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// Days from 1970-01-01 in the Gregorian calendar; years begin in March, so that the leap day is
/// the last one (after Howard Hinnant, chrono-Compatible Low-Level Date Algorithms).
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_1970
}

/// Year, month and day: the reverse of [`days_of`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(DAYS_BEFORE_1970);
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
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
            assert_eq!(Moment::from_basic(text), Some(Moment(seconds)), "{text}");
            assert_eq!(Moment(seconds).to_string(), text);
        }
        let date = "Fri, 02 Jan 2026 03:04:05 GMT";
        assert_eq!(Moment::from_http_date(date), Moment::from_basic("20260102T030405Z"));
    }

    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        let mut previous = civil(-1);
        for day in 0..200_000 {
            let (year, month, day_of_month) = civil(day);
            assert_eq!(days_of(year, month, day_of_month), day);
            assert!((year, month, day_of_month) > previous);
            previous = (year, month, day_of_month);
        }
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
