//! JSON with line ends and spaces, as people read it. Nothing in it is changed: neither the order
//! of members, nor numbers, nor what is given twice.

use serde::de::IgnoredAny;

/// JSON that is longer stays as it is, in bytes.
const BYTES_MAX: usize = 64 * 1024;
const INDENT: &str = "  ";

/// The text with line ends; `None`: it is no JSON of objects or arrays, or too long.
pub(super) fn pretty(text: &str) -> Option<String> {
    let is_compound = text.trim_start().starts_with(['{', '[']);
    if !is_compound || text.len() > BYTES_MAX {
        return None;
    }
    // Its depth is bounded there, too.
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
        for text in ["", "7", "\"x\"", "{", "{a:1}", "[1,]", "[1] 2", &deep, &long] {
            assert_eq!(pretty(text), None, "{}", &text[..text.len().min(9)]);
        }
    }
}
