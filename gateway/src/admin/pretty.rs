//! JSON with a line for each member, as it was written otherwise: numbers, escapes and the order
//! of members stay.

use std::fmt::Write as _;

use serde::de::IgnoredAny;

use crate::admin::shown::is_plain;

/// What is nested deeper is nothing people would read.
const DEPTH_MAX: usize = 128;

/// The text over several lines. Nesting makes nothing huge of it: it ends some way after
/// `characters_max`. `None`: it is no JSON of objects or arrays, or nested too deeply.
pub(super) fn pretty(json: &[u8], characters_max: usize) -> Option<String> {
    let text = std::str::from_utf8(json).ok()?;
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut out = String::new();
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if out.len() > characters_max.saturating_mul(4) {
            break;
        }
        if in_string {
            out.push(character);
            in_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            continue;
        }
        match character {
            ' ' | '\t' | '\r' | '\n' => {}
            '{' | '[' => {
                out.push(character);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    if depth > DEPTH_MAX {
                        return None;
                    }
                    begin_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                begin_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                begin_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            character => {
                in_string = character == '"';
                out.push(character);
            }
        }
    }
    Some(out)
}

fn begin_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// The same JSON, in which nothing is invisible or changes the direction of the text. Such
/// characters can stand in strings only, where they are written as their numbers.
pub(super) fn without_tricks(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if is_plain(character) || character == '\r' {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // A String takes everything.
                let _infallible = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_lines_and_strings_stay_as_they_are() {
        let json = br#" {"b":[1.0e5,{ },[ ]],"a":"{\"x\",:\\","c":{"d":null}}"#;
        let expected = "{\n  \"b\": [\n    1.0e5,\n    {},\n    []\n  ],\n  \
                        \"a\": \"{\\\"x\\\",:\\\\\",\n  \"c\": {\n    \"d\": null\n  }\n}";
        assert_eq!(pretty(json, 1_000).unwrap(), expected);
        let deep = "[".repeat(1_000) + &"]".repeat(1_000);
        for bad in [&b"{"[..], b"", b"7", b"[\"\xff\"]", b"{} {}", deep.as_bytes()] {
            assert_eq!(pretty(bad, 10), None);
        }
    }

    #[test]
    fn nesting_makes_nothing_huge() {
        let json = format!("{}{}1{}", "[".repeat(100), "1,".repeat(30_000), "]".repeat(100));
        assert!(pretty(json.as_bytes(), 1_000).unwrap().len() < 5_000);
    }

    #[test]
    fn what_is_invisible_is_escaped_and_means_the_same() {
        let json = "{\"a\": \"\u{202E}x\u{E0001}\"}";
        let shown = without_tricks(json);
        assert_eq!(shown, r#"{"a": "\u202ex\udb40\udc01"}"#);
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(value(&shown), value(json));
    }
}
