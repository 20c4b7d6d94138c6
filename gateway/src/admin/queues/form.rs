//! What a form or a query brings, as it was written.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use hyper::http::request::Parts;
use karin_core::limits::SEQUENCE_MAX;

use crate::admin::failure::Failure;

/// Rows that are read of a form: more than one of ours has, and than SQS takes of anything. A form
/// that is refused is shown again, and each row becomes ten times as long there.
const ROWS_MAX: usize = 200;

/// Names and values in the order they came. Bytes that are no UTF-8 are replaced.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Vec<(String, String)>);

/// The fields of a form that was sent.
pub(super) struct Form(pub(super) Fields);

/// The fields of a page's query.
pub(super) struct Query(pub(super) Fields);

impl Fields {
    fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The first of that name; empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// All of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.0.iter().filter(move |(other, _)| other == name);
        of_name.map(|(_, value)| value.as_str())
    }

    /// Whether it is there with something in it.
    pub(super) fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// The sequence numbers that were ticked, each once, in the order they came.
    pub(super) fn sequences(&self, most: usize) -> Vec<u64> {
        let mut sequences: Vec<u64> = Vec::new();
        for sequence in self.all("sequence").filter_map(number) {
            if sequences.len() < most && !sequences.contains(&sequence) {
                sequences.push(sequence);
            }
        }
        sequences
    }

    /// Pairs of fields that stand beside each other in rows, at most [`ROWS_MAX`].
    pub(super) fn rows(&self, name: &str, value: &str) -> Vec<(String, String)> {
        let rows = self.all(name).zip(self.all(value));
        let rows = rows.take(ROWS_MAX);
        rows.map(|(name, value)| (name.trim().to_owned(), value.to_owned())).collect()
    }
}

/// A sequence number.
pub(super) fn number(text: &str) -> Option<u64> {
    let is_decimal = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_decimal);
    number.filter(|number| (1..=SEQUENCE_MAX).contains(number))
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, _state: &S) -> Result<Self, Failure> {
        // It was read within bounds before it came here.
        let bytes = to_bytes(request.into_body(), usize::MAX).await;
        bytes.map(|bytes| Self(Fields::parse(&bytes))).map_err(|_broken| Failure::Forged)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Ok(Self(Fields::parse(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_a_message_can_have() {
        assert_eq!(number("7"), Some(7));
        for bad in ["", "0", "-1", "+1", "x", "1 ", "99999999999999999999", "18446744073709551616"]
        {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    #[test]
    fn fields_are_read_as_they_were_written() {
        let fields = Fields::parse(b"a=1&a=%20x&sequence=3&sequence=3&sequence=z&sequence=4&b=%ff");
        assert_eq!(fields.get("a"), "1");
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["1", " x"]);
        assert_eq!(fields.sequences(9), [3, 4]);
        assert_eq!(fields.sequences(1), [3]);
        assert_eq!(fields.get("b"), "\u{FFFD}");
        assert!(!fields.has("c"));
        let many = Fields::parse("a=1&b=2&".repeat(9_999).as_bytes());
        assert_eq!(many.rows("a", "b").len(), ROWS_MAX);
        assert_eq!(fields.rows("a", "sequence")[1], ("x".to_owned(), "3".to_owned()));
    }
}
