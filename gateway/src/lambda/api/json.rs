//! Reads the bodies and parameters of requests.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::lambda::api::error::{ApiError, ErrorKind};

/// The members of a JSON object. `null` is as good as nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'a>(&'a Map<String, Value>);

/// Reads a body; nothing at all is an object without members.
///
/// Errors: SerializationException.
pub(super) fn parse(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(mismatch(&other, "a Structure")),
        Err(_) => Err(malformed("The request is not valid JSON")),
    }
}

fn malformed(text: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::Serialization, text)
}

/// What AWS says of a value of the wrong type. Source: sqs-contract §2.3.
fn mismatch(value: &Value, wanted: &str) -> ApiError {
    let token = match value {
        Value::Array(_) => return malformed("Start of list found where not expected"),
        Value::Object(_) => {
            return malformed("Start of structure or map found where not expected.");
        }
        Value::Null => "NULL",
        Value::Bool(true) => "TRUE",
        Value::Bool(false) => "FALSE",
        Value::Number(_) => "NUMBER",
        Value::String(_) => "STRING",
    };
    malformed(format!("{token}_VALUE can not be converted to {wanted}"))
}

fn as_text(value: &Value) -> Result<&str, ApiError> {
    value.as_str().ok_or_else(|| mismatch(value, "a String"))
}

impl<'a> Members<'a> {
    pub(super) fn of(map: &'a Map<String, Value>) -> Self {
        Self(map)
    }

    fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.get(name).map(as_text).transpose()
    }

    pub(super) fn flag(self, name: &str) -> Result<Option<bool>, ApiError> {
        let flag = |value: &Value| value.as_bool().ok_or_else(|| mismatch(value, "a Boolean"));
        self.get(name).map(flag).transpose()
    }

    pub(super) fn integer(self, name: &str) -> Result<Option<i64>, ApiError> {
        let integer = |value: &Value| value.as_i64().ok_or_else(|| mismatch(value, "an Integer"));
        self.get(name).map(integer).transpose()
    }

    pub(super) fn structure(self, name: &str) -> Result<Option<Self>, ApiError> {
        let structure = |value: &'a Value| match value {
            Value::Object(map) => Ok(Self(map)),
            other => Err(mismatch(other, "a Structure")),
        };
        self.get(name).map(structure).transpose()
    }

    fn list(self, name: &str) -> Result<Option<&'a [Value]>, ApiError> {
        let list = |value: &'a Value| match value {
            Value::Array(list) => Ok(list.as_slice()),
            other => Err(mismatch(other, "a List")),
        };
        self.get(name).map(list).transpose()
    }

    pub(super) fn texts(self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        list.iter()
            .map(|value| as_text(value).map(str::to_owned))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    pub(super) fn structures(self, name: &str) -> Result<Option<Vec<Self>>, ApiError> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        let structure = |value: &'a Value| match value {
            Value::Object(map) => Ok(Self(map)),
            other => Err(mismatch(other, "a Structure")),
        };
        list.iter().map(structure).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn map(self, name: &str) -> Result<Option<BTreeMap<String, String>>, ApiError> {
        let map = match self.get(name) {
            None => return Ok(None),
            Some(Value::Object(map)) => map,
            Some(other) => return Err(mismatch(other, "a Map")),
        };
        let entry = |(key, value): (&String, &Value)| {
            as_text(value).map(|value| (key.clone(), value.to_owned()))
        };
        map.iter().map(entry).collect::<Result<_, _>>().map(Some)
    }
}

/// The parameters of a request's query.
#[derive(Debug, Clone)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The first parameter of this name that is not empty.
    pub(super) fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).find(|value| !value.is_empty())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str, read: impl Fn(Members<'_>) -> Result<(), ApiError>) -> String {
        let error = match parse(body.as_bytes()) {
            Ok(map) => read(Members::of(&map)).unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind, ErrorKind::Serialization, "{body}");
        error.text
    }

    #[test]
    fn values_of_a_wrong_type_are_called_as_aws_calls_them() {
        let number = |m: Members<'_>| m.integer("A").map(|_| ());
        assert_eq!(
            error(r#"{"A":"1"}"#, number),
            "STRING_VALUE can not be converted to an Integer"
        );
        assert_eq!(
            error(r#"{"A":1.5}"#, number),
            "NUMBER_VALUE can not be converted to an Integer"
        );
        assert_eq!(
            error(r#"{"A":99999999999999999999}"#, number),
            "NUMBER_VALUE can not be converted to an Integer"
        );
        assert_eq!(error(r#"{"A":[]}"#, number), "Start of list found where not expected");
        let text = |m: Members<'_>| m.text("A").map(|_| ());
        assert_eq!(error(r#"{"A":true}"#, text), "TRUE_VALUE can not be converted to a String");
        assert_eq!(
            error(r#"{"A":{}}"#, text),
            "Start of structure or map found where not expected."
        );
        let list = |m: Members<'_>| m.texts("A").map(|_| ());
        assert_eq!(error(r#"{"A":[1]}"#, list), "NUMBER_VALUE can not be converted to a String");
        let map = |m: Members<'_>| m.map("A").map(|_| ());
        assert_eq!(
            error(r#"{"A":{"b":null}}"#, map),
            "NULL_VALUE can not be converted to a String"
        );
        let flag = |m: Members<'_>| m.flag("A").map(|_| ());
        assert_eq!(
            error(r#"{"A":"true"}"#, flag),
            "STRING_VALUE can not be converted to a Boolean"
        );
        assert_eq!(error("[]", flag), "Start of list found where not expected");
        assert_eq!(error("{", flag), "The request is not valid JSON");
        assert_eq!(error("\u{0}", flag), "The request is not valid JSON");
    }

    #[test]
    fn null_is_as_good_as_nothing() {
        let map = parse(br#"{"A":null,"B":7}"#).unwrap();
        let members = Members::of(&map);
        assert_eq!((members.text("A"), members.integer("B")), (Ok(None), Ok(Some(7))));
        assert!(!members.has("A") && parse(b"").unwrap().is_empty());
    }

    #[test]
    fn parameters_are_decoded_and_empty_ones_are_none() {
        let query = Query::of(Some("A=&A=arn%3Aa+b&tagKeys=x&tagKeys=y"));
        assert_eq!((query.text("A"), query.text("B")), (Some("arn:a b"), None));
        assert_eq!(query.all("tagKeys").collect::<Vec<_>>(), ["x", "y"]);
    }
}
