//! How values are shown to people: texts of strangers harmless, times and sizes readable.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The beginning of a text somebody sent, at most so many characters, and whether it is all of it.
/// What would be invisible, or change the direction of what follows, is written as its number.
/// (Markup is harmless by the templates, which escape everything.)
pub(super) fn text(text: &str, characters_max: usize) -> (String, bool) {
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(characters_max) {
        if is_plain(character) {
            shown.push(character);
        } else {
            let _written = write!(shown, "\u{27E8}U+{:04X}\u{27E9}", u32::from(character));
        }
    }
    (shown, characters.next().is_none())
}

/// Whether a character shows itself, and nothing else differently.
pub(super) fn is_plain(character: char) -> bool {
    let is_hidden = matches!(
        character,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
    );
    matches!(character, '\n' | '\t') || !(character.is_control() || is_hidden)
}

/// A time, epoch milliseconds, as `<time datetime>` has it; scripts turn it into the reader's.
pub(super) fn when(epoch_ms: u64) -> String {
    let seconds = i64::try_from(epoch_ms / 1_000).unwrap_or(i64::MAX);
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

/// A number with a comma before each three digits.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// So many bytes, in the largest unit that is not above them, to one decimal.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut units = UNITS.into_iter();
    let (mut unit, mut tenths) = (units.next().unwrap_or_default(), u128::from(bytes) * 10);
    for next in units {
        if tenths < 10_240 {
            break;
        }
        unit = next;
        tenths = (tenths + 512) / 1_024;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_readable() {
        let shown = [0, 999, 1_000, 1_234_567].map(number);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        let shown = [0, 1_023, 1_024, 1_536, 5 << 20, (3 << 40) + (1 << 39), u64::MAX].map(bytes);
        assert_eq!(
            shown,
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3.5 TiB", "16777216.0 TiB"]
        );
    }

    #[test]
    fn what_is_invisible_is_written_as_its_number() {
        let (shown, is_all) = text("a\u{202E}b\u{0}\n<b>가👍", 100);
        assert_eq!(shown, "a\u{27E8}U+202E\u{27E9}b\u{27E8}U+0000\u{27E9}\n<b>가👍");
        assert!(is_all);
        assert_eq!(text("abc", 2), ("ab".to_owned(), false));
    }

    #[test]
    fn times_are_in_utc() {
        assert_eq!(when(1_700_000_000_999), "2023-11-14T22:13:20Z");
        assert_eq!(when(u64::MAX), "");
    }
}
