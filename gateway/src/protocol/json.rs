//! Reads AWS JSON 1.0.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::error::SqsError;
use super::limits::VALUES_MAX;
use super::members::{List, Map, Members, decode_blob};

/// A JSON value that borrows its strings from the request where they have no escapes.
/// serde_json bounds the nesting (128).
#[derive(Debug)]
enum Json<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Fraction,
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Map(Vec<(Json<'a>, Json<'a>)>),
}

/// Reads a value; holds how many more there may be.
#[derive(Clone, Copy)]
struct JsonReader<'c>(&'c Cell<usize>);

impl<'de> DeserializeSeed<'de> for JsonReader<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        let left = self.0.get().checked_sub(1);
        self.0.set(left.ok_or_else(|| D::Error::custom("too many values"))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonReader<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        // What is no i64 is no Integer in a form either, nor is what is below all of them.
        Ok(i64::try_from(value).map_or(Json::Fraction, Json::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Fraction)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element_seed(self)? {
            list.push(element);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry_seed(self, self)? {
            map.push(entry);
        }
        Ok(Json::Map(map))
    }
}

impl<'a> Json<'a> {
    /// What AWS says when a value is not of the wanted type (sqs-contract §2.3).
    fn mismatch(&self, wanted: &str) -> SqsError {
        let token = match self {
            Self::List(_) => {
                let text = "Start of list found where not expected";
                return SqsError::Serialization(text.to_owned());
            }
            Self::Map(_) => {
                let text = "Start of structure or map found where not expected.";
                return SqsError::Serialization(text.to_owned());
            }
            Self::Null => "NULL",
            Self::Bool(true) => "TRUE",
            Self::Bool(false) => "FALSE",
            Self::Integer(_) | Self::Fraction => "NUMBER",
            Self::Text(_) => "STRING",
        };
        SqsError::Serialization(format!("{token}_VALUE can not be converted to {wanted}"))
    }

    fn into_text(self) -> Result<Option<Cow<'a, str>>, SqsError> {
        match self {
            Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            other => Err(other.mismatch("a String")),
        }
    }

    fn into_list(self) -> Result<Vec<Self>, SqsError> {
        match self {
            Self::Null => Ok(Vec::new()),
            Self::List(list) => Ok(list),
            other => Err(other.mismatch("a List")),
        }
    }

    fn into_map(self) -> Result<Vec<(Self, Self)>, SqsError> {
        match self {
            Self::Null => Ok(Vec::new()),
            Self::Map(map) => Ok(map),
            other => Err(other.mismatch("a Map")),
        }
    }
}

/// The members of one JSON object.
#[derive(Debug)]
pub(super) struct JsonMembers<'a> {
    source: &'a Bytes,
    map: Vec<(Json<'a>, Json<'a>)>,
}

impl<'a> JsonMembers<'a> {
    /// Reads a request's body.
    ///
    /// Errors: [`SqsError::Serialization`] where it is no JSON object, or has more values than any
    /// request can mean.
    pub(super) fn parse(source: &'a Bytes) -> Result<Self, SqsError> {
        let left = Cell::new(VALUES_MAX);
        let mut deserializer = serde_json::Deserializer::from_slice(source);
        let read = JsonReader(&left).deserialize(&mut deserializer);
        let malformed = |_| {
            let why = if left.get() == 0 { "has too many values" } else { "is not valid JSON" };
            SqsError::Serialization(format!("The request {why}"))
        };
        match read.and_then(|json| deserializer.end().map(|()| json)).map_err(malformed)? {
            Json::Map(map) => Ok(Self { source, map }),
            other => Err(other.mismatch("a Structure")),
        }
    }

    fn take(&mut self, name: &str) -> Json<'a> {
        let named = |key: &Json<'_>| matches!(key, Json::Text(text) if text == name);
        // The last of several members of one name counts, as in most JSON readers.
        let member = self.map.iter_mut().rev().find(|(key, _)| named(key));
        member.map_or(Json::Null, |(_, value)| std::mem::replace(value, Json::Null))
    }

    fn structure(&self, value: Json<'a>) -> Result<Self, SqsError> {
        match value {
            Json::Map(map) => Ok(Self { source: self.source, map }),
            other => Err(other.mismatch("a Structure")),
        }
    }
}

impl Members for JsonMembers<'_> {
    fn text(&mut self, name: &'static str) -> Result<Option<String>, SqsError> {
        Ok(self.take(name).into_text()?.map(Cow::into_owned))
    }

    fn bytes(&mut self, name: &'static str) -> Result<Option<Bytes>, SqsError> {
        Ok(self.take(name).into_text()?.map(|text| match text {
            Cow::Borrowed(text) => self.source.slice_ref(text.as_bytes()),
            Cow::Owned(text) => text.into(),
        }))
    }

    fn integer(&mut self, name: &'static str) -> Result<Option<i64>, SqsError> {
        match self.take(name) {
            Json::Null => Ok(None),
            Json::Integer(value) => Ok(Some(value)),
            other => Err(other.mismatch("an Integer")),
        }
    }

    fn blob(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, SqsError> {
        self.take(name).into_text()?.map(|text| decode_blob(&text)).transpose()
    }

    fn list(&mut self, list: List) -> Result<Vec<String>, SqsError> {
        let elements = self.take(list.json).into_list()?.into_iter();
        let texts = elements.filter_map(|element| element.into_text().transpose());
        texts.map(|text| text.map(Cow::into_owned)).collect()
    }

    fn map(&mut self, map: Map) -> Result<Vec<(String, String)>, SqsError> {
        let mut entries = Vec::new();
        for (key, value) in self.take(map.json).into_map()? {
            if let (Some(key), Some(value)) = (key.into_text()?, value.into_text()?) {
                entries.push((key.into_owned(), value.into_owned()));
            }
        }
        Ok(entries)
    }

    fn structures(&mut self, list: List) -> Result<Vec<Self>, SqsError> {
        let elements = self.take(list.json).into_list()?.into_iter();
        let present = elements.filter(|element| !matches!(element, Json::Null));
        present.map(|element| self.structure(element)).collect()
    }

    fn structure_map(&mut self, map: Map) -> Result<Vec<(String, Self)>, SqsError> {
        let mut entries = Vec::new();
        for (key, value) in self.take(map.json).into_map()? {
            let (Some(key), false) = (key.into_text()?, matches!(value, Json::Null)) else {
                continue;
            };
            entries.push((key.into_owned(), self.structure(value)?));
        }
        Ok(entries)
    }

    fn has_elements(&mut self, list: List) -> bool {
        matches!(self.take(list.json), Json::List(elements) if !elements.is_empty())
    }
}

/// Whether two texts are equal as JSON, or as they stand.
pub(crate) fn same_json(one: &str, other: &str) -> bool {
    let parse = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || parse(one).is_some_and(|one| parse(other) == Some(one))
}
