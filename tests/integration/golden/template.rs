//! Texts with holes: what requests are made of and what answers are compared with.

use std::collections::BTreeMap;

/// What holes are filled with: names the case was given, and what it caught from answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names and values, the longest values first.
    pub(super) fn longest_first(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<_> = self.0.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        all.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        all
    }
}

/// How the values of holes are written into a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As they are: JSON, XML, headers.
    Plain,
    /// Percent-encoded: forms and request targets.
    Percent,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Hole(&'a str),
}

fn pieces(template: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((text, from_hole)) = rest.split_once("{{") {
        let (hole, after) =
            from_hole.split_once("}}").ok_or_else(|| format!("a {{{{ without its end: {rest}"))?;
        pieces.push(Piece::Text(text));
        pieces.push(Piece::Hole(hole));
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// The bytes of a request's template.
pub(super) fn fill(template: &str, names: &Names, encoding: Encoding) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for piece in pieces(template)? {
        match piece {
            Piece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Piece::Hole(hole) => {
                if let Some(written) = literal(hole)? {
                    bytes.extend_from_slice(&written);
                    continue;
                }
                let name = hole.rsplit(':').next().unwrap_or(hole);
                let value = names.get(name).ok_or_else(|| format!("nothing is named {name}"))?;
                match encoding {
                    Encoding::Plain => bytes.extend_from_slice(value.as_bytes()),
                    Encoding::Percent => bytes.extend_from_slice(percent(value).as_bytes()),
                }
            }
        }
    }
    Ok(bytes)
}

/// Holes that stand for bytes which are hard to write: `{{lf}}`, `{{byte:ff}}`, `{{1024*a}}`.
fn literal(hole: &str) -> Result<Option<Vec<u8>>, String> {
    if let Some((count, text)) = hole.split_once('*') {
        let count: usize = count.parse().map_err(|e| format!("{{{{{hole}}}}}: {e}"))?;
        return Ok(Some(text.repeat(count).into_bytes()));
    }
    if let Some(hex) = hole.strip_prefix("byte:") {
        let byte = u8::from_str_radix(hex, 16).map_err(|e| format!("{{{{{hole}}}}}: {e}"))?;
        return Ok(Some(vec![byte]));
    }
    Ok(match hole {
        "lf" => Some(b"\n".to_vec()),
        "cr" => Some(b"\r".to_vec()),
        "space" => Some(b" ".to_vec()),
        _ => None,
    })
}

fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(encode).collect()
}

/// Where an answer is not what was expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// The expected text, its holes filled with what stands in the answer up to the difference.
    pub(super) expected: String,
    /// The first byte of the answer that differs.
    pub(super) at: usize,
}

/// Compares an answer with a template; holes with names catch what they meet the first time, and
/// must meet the same afterwards.
pub(super) fn compare(template: &str, actual: &str, names: &mut Names) -> Result<(), Mismatch> {
    let pieces = pieces(template).map_err(|expected| Mismatch { expected, at: 0 })?;
    let mut expected = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        let rest = actual.get(expected.len()..).unwrap_or_default();
        let found = match piece {
            Piece::Text(text) => rest.starts_with(text).then(|| (*text).to_owned()),
            Piece::Hole(hole) => {
                let next = match pieces.get(index + 1) {
                    Some(Piece::Text(text)) => text,
                    _ => "",
                };
                meet(hole, rest, next, names)
            }
        };
        let Some(found) = found else {
            let at = expected.len() + difference(piece, rest);
            expected.push_str(&unmet(&pieces[index..], names));
            return Err(Mismatch { expected, at });
        };
        expected.push_str(&found);
    }
    if expected.len() < actual.len() {
        return Err(Mismatch { at: expected.len(), expected });
    }
    Ok(())
}

/// What the hole meets at the start of `rest`, if it is what it stands for.
fn meet(hole: &str, rest: &str, next: &str, names: &mut Names) -> Option<String> {
    if let Ok(Some(bytes)) = literal(hole) {
        let text = String::from_utf8(bytes).ok()?;
        return rest.starts_with(&text).then_some(text);
    }
    let (kind, name) = match hole.split_once(':') {
        Some((kind, name)) => (kind, Some(name)),
        None => (hole, None),
    };
    if let Some(value) = names.get(name.unwrap_or(kind)) {
        return rest.starts_with(value).then(|| value.to_owned());
    }
    let length = length_of(kind, rest, next)?;
    let found = rest.get(..length)?.to_owned();
    if let Some(name) = name {
        names.set(name, found.as_str());
    }
    Some(found)
}

/// How much of `rest` is a thing of this kind.
fn length_of(kind: &str, rest: &str, next: &str) -> Option<usize> {
    let run =
        |wanted: fn(u8) -> bool| rest.bytes().position(|byte| !wanted(byte)).unwrap_or(rest.len());
    let digits = run(|byte| byte.is_ascii_digit());
    match kind {
        "uuid" => rest.get(..36).filter(|text| is_uuid(text)).map(str::len),
        "ms" => (digits == 13).then_some(digits),
        "s" => (digits == 10).then_some(digits),
        "sequence" => (digits == 20).then_some(digits),
        "digits" => (digits > 0).then_some(digits),
        "receipt" | "token" => {
            Some(run(|b| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b))).filter(|l| *l > 0)
        }
        "text" if next.is_empty() => Some(rest.len()),
        "text" => rest.find(next),
        _ => None,
    }
}

pub(super) fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

fn difference(piece: &Piece<'_>, rest: &str) -> usize {
    let Piece::Text(text) = piece else { return 0 };
    let same = text.char_indices().zip(rest.chars()).find(|((_, a), b)| a != b);
    same.map_or(text.len().min(rest.len()), |((at, _), _)| at)
}

fn unmet(pieces: &[Piece<'_>], names: &Names) -> String {
    let text = |piece: &Piece<'_>| match piece {
        Piece::Text(text) => (*text).to_owned(),
        Piece::Hole(hole) => {
            let name = hole.rsplit(':').next().unwrap_or(hole);
            names.get(name).map_or_else(|| format!("{{{{{hole}}}}}"), str::to_owned)
        }
    };
    pieces.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "74cbef48-47bb-4ef8-a361-cb73011c6a07";

    #[test]
    fn a_request_is_filled_with_names_and_with_bytes_that_are_hard_to_write() {
        let mut names = Names::default();
        names.set("r", "a+b/c=");
        let check = |template, encoding, expected: &[u8]| {
            assert_eq!(fill(template, &names, encoding).as_deref(), Ok(expected), "{template}");
        };
        check("x={{r}}&y=+", Encoding::Percent, b"x=a%2Bb%2Fc%3D&y=+");
        check("{\"x\":\"{{receipt:r}}\"}", Encoding::Plain, b"{\"x\":\"a+b/c=\"}");
        check("{{3*ab}}{{byte:ff}}{{lf}}{{cr}}{{space}}", Encoding::Plain, b"ababab\xff\n\r ");
        assert!(fill("{{unknown}}", &names, Encoding::Plain).is_err());
        assert!(fill("{{r", &names, Encoding::Plain).is_err());
    }

    #[test]
    fn an_answer_meets_its_template_only_if_every_byte_does() {
        #[track_caller]
        fn check(template: &str, actual: &str, at: Option<usize>) {
            let mut names = Names::default();
            names.set("queue", "q7");
            let found = compare(template, actual, &mut names);
            assert_eq!(found.err().map(|mismatch| mismatch.at), at);
        }
        check("<a>{{uuid}}</a>", &format!("<a>{UUID}</a>"), None);
        check("<a>{{uuid}}</a>", &format!("<a>{}</a>", UUID.to_uppercase()), Some(3));
        check("x", "xy", Some(1));
        check("xy", "x", Some(1));
        check("x y", "xy", Some(1));
        check("{{ms}},", "1234567890123,", None);
        check("{{ms}},", "12345678901234,", Some(0));
        check("{{s}}", "1234567890", None);
        check("{{sequence}}", "12345678901234567890", None);
        check("/{{queue}}/", "/q7/", None);
        check("/{{queue}}/", "/q8/", Some(1));
        check("{{uuid:a}}{{uuid:a}}", &format!("{UUID}{UUID}"), None);
        check("{{uuid:a}}{{uuid:a}}", &format!("{UUID}{}", UUID.replace('7', "8")), Some(36));
        check("{{text}}.", "any.", None);
        check("{{nonsense}}", "any", Some(0));
    }
}
