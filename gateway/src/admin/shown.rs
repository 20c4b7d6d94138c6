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

#[cfg(test)]
mod tests {
    use super::*;

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
