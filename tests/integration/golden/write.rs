//! Writes answers as they came into case files, for review (`KARIN_GOLDEN=write`).

use std::fmt::Write as _;

use karin_tests::http::Response;

use super::run::Rewrites;
use super::template::{Names, is_uuid};

/// Lines are folded behind this column, where no space is lost.
const WIDTH: usize = 100;

/// The block of a case file for this answer, `<<<` included.
pub(super) fn block(response: &Response, headers: &[(String, String)], names: &Names) -> String {
    let mut text = format!("<<< {}\n", response.status);
    for (name, value) in headers {
        let _infallible = writeln!(text, "{name}: {value}");
    }
    let body = template_of(&String::from_utf8_lossy(&response.body), names);
    text.push_str(&folded(&body));
    text
}

/// The file with these lines replaced.
pub(super) fn rewritten(file: &str, mut rewrites: Rewrites) -> String {
    let mut lines: Vec<String> = file.lines().map(|line| format!("{line}\n")).collect();
    rewrites.sort_by_key(|(range, _)| range.start);
    rewrites.dedup_by_key(|(range, _)| range.start);
    for (range, text) in rewrites.into_iter().rev() {
        lines.splice(range, [text]);
    }
    lines.concat()
}

fn template_of(body: &str, names: &Names) -> String {
    let mut text = body.to_owned();
    for (name, value) in names.longest_first() {
        text = text.replace(value, &format!("{{{{{name}}}}}"));
    }
    let mut template = String::new();
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || "+/=_-".contains(c) {
            word.push(c);
        } else {
            template.push_str(hole(&word).unwrap_or(&word));
            word.clear();
            match c {
                '\n' => template.push_str("{{lf}}"),
                c => template.push(c),
            }
        }
    }
    template.push_str(hole(&word).unwrap_or(&word));
    template
}

/// What varies from run to run.
fn hole(word: &str) -> Option<&'static str> {
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    match word.len() {
        36 if is_uuid(word) => Some("{{uuid}}"),
        20 if digits => Some("{{sequence}}"),
        13 if digits => Some("{{ms}}"),
        10 if digits => Some("{{s}}"),
        41.. if !word.bytes().all(|b| b.is_ascii_hexdigit()) => Some("{{receipt}}"),
        _ => None,
    }
}

fn folded(body: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    let mut before = '{';
    for c in body.chars() {
        if column > WIDTH && "<\"".contains(c) && !before.is_whitespace() && before != '\\' {
            text.push('\n');
            column = 0;
        }
        text.push(c);
        column += 1;
        before = c;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}
