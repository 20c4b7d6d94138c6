//! How values are shown on a terminal: texts of strangers in one line and harmless, times short.

/// How much of a text somebody sent is shown, in characters.
const CHARACTERS: usize = 60;

/// The beginning of a text, in one line. What would move the cursor, be invisible or change the
/// direction of what follows is written as an escape.
pub(super) fn beginning(text: &str) -> String {
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(CHARACTERS) {
        if is_harmful(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// All of a text, in one line.
pub(super) fn line(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        if is_harmful(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a character does something to a terminal, or to the order of what stands around it.
pub(crate) fn is_harmful(character: char) -> bool {
    let is_hidden = matches!(
        character,
        '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}'
    );
    character.is_control() || is_hidden
}

/// A time span: `0.4s`, `12s`, `3m`, `5h`, `2d`.
pub(super) fn span(milliseconds: u64) -> String {
    const UNITS: [(u64, char); 3] = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let seconds = milliseconds / 1_000;
    if seconds == 0 && milliseconds > 0 {
        return format!("0.{}s", (milliseconds / 100).max(1));
    }
    match UNITS.iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, letter)) => format!("{}{letter}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// The time of day, in UTC.
pub(super) fn time_of_day(epoch_ms: u64) -> String {
    let seconds = epoch_ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_body_is_one_line() {
        assert_eq!(beginning("a\nb\tü\u{1b}"), r"a\nb\tü\u{1b}");
        assert_eq!(beginning("a\u{202E}b"), r"a\u{202e}b");
        assert_eq!(beginning(&"ü".repeat(60)), "ü".repeat(60));
        assert_eq!(beginning(&"ü".repeat(61)), "ü".repeat(60) + "…");
        assert_eq!(beginning(""), "");
        assert_eq!(line(&"a\n".repeat(40)), r"a\n".repeat(40));
    }

    #[test]
    fn spans_are_short_and_never_longer_than_they_were() {
        let shown = [0, 40, 999, 1_000, 119_999, 120_000, 7_200_000, 172_800_000].map(span);
        assert_eq!(shown, ["0s", "0.1s", "0.9s", "1s", "119s", "2m", "2h", "2d"]);
    }

    #[test]
    fn the_time_of_day_is_in_utc() {
        assert_eq!(time_of_day(1_700_000_000_999), "22:13:20Z");
    }
}
