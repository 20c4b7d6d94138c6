//! Reads the Query protocol: parameters in a form or in the URL.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use percent_encoding::percent_decode;

use super::error::SqsError;
use super::limits::VALUES_MAX;
use super::members::{List, Map, Members, decode_blob};

/// A decoded name and a value as it stands in the request.
type Field<'a> = (Cow<'a, str>, &'a [u8]);

/// The parameters of one structure.
#[derive(Debug)]
pub(super) struct QueryMembers<'a> {
    source: &'a Bytes,
    fields: Vec<Field<'a>>,
}

impl<'a> QueryMembers<'a> {
    /// Reads a form body and the URL's query; of a parameter in both, the body's counts.
    ///
    /// Errors: [`SqsError::MalformedQueryString`] where a name is not well encoded, or there are
    /// more parameters than any request can mean.
    pub(super) fn parse(body: &'a Bytes, query: Option<&'a str>) -> Result<Self, SqsError> {
        let mut fields = Vec::new();
        for part in [&body[..], query.unwrap_or_default().as_bytes()] {
            for pair in part.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
                let mut halves = pair.splitn(2, |&byte| byte == b'=');
                let name = halves.next().unwrap_or_default();
                if fields.len() == VALUES_MAX {
                    return Err(SqsError::MalformedQueryString);
                }
                fields.push((decode_text(name)?, halves.next().unwrap_or_default()));
            }
        }
        Ok(Self { source: body, fields })
    }

    fn take(&mut self, name: &str) -> Option<&'a [u8]> {
        let at = self.fields.iter().position(|(field, _)| field == name)?;
        Some(self.fields.remove(at).1)
    }

    fn take_text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, SqsError> {
        self.take(name).map(decode_text).transpose()
    }

    /// Whether there is any `prefix.…`; mostly there is not, and nothing need be moved.
    fn has_prefix(&self, prefix: &str) -> bool {
        self.fields.iter().any(|(name, _)| after_prefix(name, prefix).is_some())
    }

    /// Takes out `prefix.N` and `prefix.N.rest`, in the order of the numbers N. Gaps are fine, and
    /// what has no number is not ours.
    fn take_numbered(&mut self, prefix: &str) -> BTreeMap<u32, Vec<Field<'a>>> {
        let mut numbered: BTreeMap<u32, Vec<Field<'a>>> = BTreeMap::new();
        if !self.has_prefix(prefix) {
            return numbered;
        }
        let fields = std::mem::take(&mut self.fields);
        for (name, value) in fields {
            match split_number(&name, prefix) {
                Some((number, rest)) => {
                    let rest = strip_to(&name, rest.len());
                    numbered.entry(number).or_default().push((rest, value));
                }
                None => self.fields.push((name, value)),
            }
        }
        numbered
    }

    /// Takes out `prefix.rest` as a structure of its own.
    fn take_structure(&mut self, prefix: &str) -> Self {
        if !self.has_prefix(prefix) {
            return Self { source: self.source, fields: Vec::new() };
        }
        let (inside, outside) = std::mem::take(&mut self.fields)
            .into_iter()
            .partition(|(name, _)| after_prefix(name, prefix).is_some_and(|rest| !rest.is_empty()));
        self.fields = outside;
        let inside: Vec<Field<'a>> = inside;
        let strip = |(name, value): Field<'a>| {
            (strip_to(&name, name.len().saturating_sub(prefix.len() + 1)), value)
        };
        Self { source: self.source, fields: inside.into_iter().map(strip).collect() }
    }

    /// The entries of a map, numbered, each with its key taken out.
    fn take_entries(&mut self, map: Map) -> Result<Vec<(String, Self)>, SqsError> {
        let mut numbered = self.take_numbered(map.query);
        if numbered.is_empty() {
            // Old clients send a single entry without a number (sqs-contract §3.1).
            let single = self.take_structure(map.query);
            if !single.fields.is_empty() {
                numbered.insert(1, single.fields);
            }
        }
        let mut entries = Vec::new();
        for (number, fields) in numbered {
            let mut entry = Self { source: self.source, fields };
            let key = entry.take_text(map.key)?.ok_or_else(|| {
                let name = format!("{}.{number}.{}", map.query, map.key);
                SqsError::MissingParameter(name.into())
            })?;
            entries.push((key.into_owned(), entry));
        }
        Ok(entries)
    }
}

impl Members for QueryMembers<'_> {
    fn text(&mut self, name: &'static str) -> Result<Option<String>, SqsError> {
        Ok(self.take_text(name)?.map(Cow::into_owned))
    }

    fn bytes(&mut self, name: &'static str) -> Result<Option<Bytes>, SqsError> {
        Ok(self.take_text(name)?.map(|text| match text {
            Cow::Borrowed(text) if self.source.as_ptr_range().contains(&text.as_ptr()) => {
                self.source.slice_ref(text.as_bytes())
            }
            text => text.into_owned().into(),
        }))
    }

    fn integer(&mut self, name: &'static str) -> Result<Option<i64>, SqsError> {
        let Some(text) = self.take_text(name)? else {
            return Ok(None);
        };
        let malformed = "STRING_VALUE can not be converted to an Integer";
        text.parse().map(Some).map_err(|_| SqsError::Serialization(malformed.to_owned()))
    }

    fn blob(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, SqsError> {
        self.take_text(name)?.map(|text| decode_blob(&text)).transpose()
    }

    fn list(&mut self, list: List) -> Result<Vec<String>, SqsError> {
        let mut texts = Vec::new();
        for fields in self.take_numbered(list.query).into_values() {
            let element = fields.into_iter().find(|(rest, _)| rest.is_empty());
            if let Some((_, value)) = element {
                texts.push(decode_text(value)?.into_owned());
            }
        }
        // One element without a number; without a value too it is botocore's empty list.
        let single = self.take_text(list.query)?;
        texts.extend(single.filter(|text| !text.is_empty()).map(Cow::into_owned));
        Ok(texts)
    }

    fn map(&mut self, map: Map) -> Result<Vec<(String, String)>, SqsError> {
        let entries = self.take_entries(map)?.into_iter();
        entries
            .map(|(key, mut entry)| Ok((key, entry.text("Value")?.unwrap_or_default())))
            .collect()
    }

    fn structures(&mut self, list: List) -> Result<Vec<Self>, SqsError> {
        let entries = self.take_numbered(list.query).into_values();
        Ok(entries.map(|fields| Self { source: self.source, fields }).collect())
    }

    fn structure_map(&mut self, map: Map) -> Result<Vec<(String, Self)>, SqsError> {
        let entries = self.take_entries(map)?.into_iter();
        Ok(entries.map(|(key, mut entry)| (key, entry.take_structure("Value"))).collect())
    }

    fn has_elements(&mut self, list: List) -> bool {
        !self.take_numbered(list.query).is_empty()
    }
}

fn after_prefix<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    name.strip_prefix(prefix)?.strip_prefix('.')
}

/// `prefix.7.rest` → (7, `rest`); `prefix.7` → (7, ``).
fn split_number<'n>(name: &'n str, prefix: &str) -> Option<(u32, &'n str)> {
    let numbered = after_prefix(name, prefix)?;
    let (number, rest) = numbered.split_once('.').unwrap_or((numbered, ""));
    Some((number.parse().ok()?, rest))
}

/// The last `length` bytes of a name, borrowed where the name was.
fn strip_to<'a>(name: &Cow<'a, str>, length: usize) -> Cow<'a, str> {
    let start = name.len().saturating_sub(length);
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.get(start..).unwrap_or_default()),
        Cow::Owned(name) => Cow::Owned(name.get(start..).unwrap_or_default().to_owned()),
    }
}

/// Decodes `+` and `%XX`; borrows where there is nothing to decode.
fn decode_text(raw: &[u8]) -> Result<Cow<'_, str>, SqsError> {
    if !raw.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        let text = std::str::from_utf8(raw).map_err(|_| SqsError::MalformedQueryString)?;
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    for (index, piece) in raw.split(|&byte| byte == b'+').enumerate() {
        if index > 0 {
            decoded.push(b' ');
        }
        if !escapes_are_complete(piece) {
            return Err(SqsError::MalformedQueryString);
        }
        decoded.extend(percent_decode(piece));
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| SqsError::MalformedQueryString)
}

fn escapes_are_complete(piece: &[u8]) -> bool {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    piece
        .split(|&byte| byte == b'%')
        .skip(1)
        .all(|after| is_hex(after.first()) && is_hex(after.get(1)))
}
