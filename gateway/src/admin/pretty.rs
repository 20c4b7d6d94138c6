//! JSON with line ends and spaces, as people read it. Nothing in it is changed: neither the order
//! of members, nor numbers, nor what is given twice.

use std::fmt::Write as _;

use serde::de::IgnoredAny;

use crate::admin::shown::is_plain;

/// JSON that is longer stays as it is, in bytes.
const BYTES_MAX: usize = 64 * 1024;
/// JSON that would become longer stays as it is, too, in bytes.
const SHOWN_BYTES_MAX: usize = 4 * BYTES_MAX;
/// As does what is nested deeper: each level makes its lines longer, so a short hostile text
/// would take gigabytes.
const DEPTH_MAX: usize = 64;
const INDENT: &str = "  ";

/// The text with line ends; `None`: it is no JSON of objects or arrays, too long or too deep.
pub(super) fn pretty(text: &str) -> Option<String> {
    let is_compound = text.trim_start().starts_with(['{', '[']);
    if !is_compound || text.len() > BYTES_MAX {
        return None;
    }
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            out.push(character);
            in_string = is_escaped || character != '"';
            is_escaped = character == '\\' && !is_escaped;
            continue;
        }
        if depth > DEPTH_MAX || out.len() > SHOWN_BYTES_MAX {
            return None;
        }
        match character {
            ' ' | '\t' | '\n' | '\r' => {}
            '{' | '[' => {
                out.push(character);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                in_string = character == '"';
                out.push(character);
            }
        }
    }
    Some(out)
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&INDENT.repeat(depth));
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
    fn json_gets_lines_and_keeps_all_else() {
        let text = r#"{"b":[1.50,{}, [ ] ],"a":"x\"{,\\","a":null}"#;
        let lines = "{\n  \"b\": [\n    1.50,\n    {},\n    []\n  ],\n  \"a\": \"x\\\"{,\\\\\",\n  \
                     \"a\": null\n}";
        assert_eq!(pretty(text).as_deref(), Some(lines));
        assert_eq!(pretty(lines).as_deref(), Some(lines));
    }

    #[test]
    fn what_is_no_json_stays_as_it_is() {
        let deep = "[".repeat(1_000) + &"]".repeat(1_000);
        let long = format!("[\"{}\"]", "x".repeat(BYTES_MAX));
        let wide = format!("{}{}1{}", "[".repeat(60), "1,".repeat(20_000), "]".repeat(60));
        for text in ["", "7", "\"x\"", "{", "{a:1}", "[1,]", "[1] 2", &deep, &long, &wide] {
            assert!(pretty(text).is_none(), "{}", &text[..text.len().min(9)]);
        }
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
