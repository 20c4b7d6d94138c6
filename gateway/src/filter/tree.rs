//! Fields that must all be fulfilled, as a tree, and how a value fulfils them.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    record::{ATTRIBUTES, BODY, MESSAGE_ATTRIBUTES, MESSAGE_ID, Record},
    rules::{Rules, Scalar},
};

/// What stands between the names of a field's path. A name that holds it is a path: "a.b" and
/// "b" within "a" are one field.
///
/// Source: esm-contract §5.
pub(super) const SEPARATOR: char = '.';

/// A field, and what is asked of it and of the fields within it.
#[derive(Debug, Default)]
pub(super) struct Node {
    rules: Option<Arc<Rules>>,
    fields: BTreeMap<String, Node>,
}

/// What a value is for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It does not fulfil it.
    Fails,
    /// It fulfils it by what it does not have.
    Absent,
    /// It fulfils it by a value it has.
    Present,
}

impl Outcome {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fails, _) | (_, Self::Fails) => Self::Fails,
            (Self::Absent, Self::Absent) => Self::Absent,
            _ => Self::Present,
        }
    }
}

/// What stands at a path.
#[derive(Debug)]
enum Found<'a> {
    Nothing,
    Text(&'a str),
    Value(&'a Value),
    /// A value that is no array, and members that stand beside it under longer names: the rests
    /// of these names, and their values.
    Split(Option<&'a Value>, Vec<(&'a str, &'a Value)>),
}

impl Node {
    /// The tree of these fields, by their paths.
    pub(super) fn of(fields: &BTreeMap<String, Arc<Rules>>) -> Self {
        let mut root = Self::default();
        for (path, rules) in fields {
            let mut node = &mut root;
            for name in path.split(SEPARATOR) {
                node = node.fields.entry(name.to_owned()).or_default();
            }
            node.rules = Some(Arc::clone(rules));
        }
        root
    }

    /// Whether a record fulfils all, this being the root.
    pub(super) fn accepts(&self, record: &Record<'_>) -> bool {
        self.fields.iter().all(|(name, node)| {
            let outcome = match name.as_str() {
                BODY => node.judge_body(record),
                MESSAGE_ID => node.judge(&Found::Text(record.message_id())),
                ATTRIBUTES => node.judge(&Found::Value(record.attributes())),
                MESSAGE_ATTRIBUTES => node.judge(&Found::Value(record.message_attributes())),
                _ => node.judge(&Found::Nothing),
            };
            outcome != Outcome::Fails
        })
    }

    /// A pattern for plain bodies accepts no JSON, and one for JSON no plain body, whatever it
    /// asks.
    ///
    /// Source: esm-contract §5.
    fn judge_body(&self, record: &Record<'_>) -> Outcome {
        let found = match (&self.rules, self.fields.is_empty()) {
            (Some(_), true) => record.plain_body().map(Found::Text),
            (None, false) => record.json_body().map(Found::Value),
            _ => None,
        };
        found.map_or(Outcome::Fails, |found| self.judge(&found))
    }

    fn judge(&self, found: &Found<'_>) -> Outcome {
        if let Found::Value(Value::Array(items)) = found {
            return self.judge_items(items);
        }
        let mut outcome = self.rules.as_ref().map_or(Outcome::Absent, |rules| leaf(rules, found));
        for (name, node) in &self.fields {
            if outcome == Outcome::Fails {
                break;
            }
            outcome = outcome.and(node.judge(&found.field(name, node)));
        }
        outcome
    }

    /// One element must fulfil all; what is to be absent and nothing else must be absent in each.
    ///
    /// Source: esm-contract §5, "Arrays of objects are matched consistently".
    fn judge_items(&self, items: &[Value]) -> Outcome {
        if items.is_empty() {
            return self.judge(&Found::Nothing);
        }
        let mut all = Outcome::Absent;
        for item in items {
            match self.judge(&Found::Value(item)) {
                Outcome::Present => return Outcome::Present,
                outcome => all = all.and(outcome),
            }
        }
        all
    }
}

/// An object, and nothing at all, is no value.
fn leaf(rules: &Rules, found: &Found<'_>) -> Outcome {
    let scalar = match found {
        Found::Text(text) => Some(Scalar::Text(text)),
        Found::Value(value) | Found::Split(Some(value), _) => Scalar::of(value),
        Found::Nothing | Found::Split(None, _) => None,
    };
    match scalar {
        Some(scalar) if rules.accept(scalar) => Outcome::Present,
        None if rules.accept_absence => Outcome::Absent,
        _ => Outcome::Fails,
    }
}

impl<'a> Found<'a> {
    /// What stands in the field of this name, as far as `node` asks. Of two members that are one
    /// field by their names the one within an object counts, and an array hides longer names.
    fn field(&self, name: &str, node: &Node) -> Self {
        let (members, longer) = match self {
            Self::Value(Value::Object(members)) => (Some(members), [].as_slice()),
            Self::Split(value, longer) => (value.and_then(Value::as_object), longer.as_slice()),
            Self::Nothing | Self::Text(_) | Self::Value(_) => return Self::Nothing,
        };
        let exact = members.and_then(|members| members.get(name));
        let exact =
            exact.or_else(|| longer.iter().find(|(key, _)| *key == name).map(|(_, value)| *value));
        if let Some(value) = exact
            && (node.fields.is_empty() || value.is_array())
        {
            return Self::Value(value);
        }
        let rest = |key: &'a str| key.strip_prefix(name)?.strip_prefix(SEPARATOR);
        let members = members.into_iter().flatten().map(|(key, value)| (key.as_str(), value));
        let members = members.chain(longer.iter().copied());
        let rests: Vec<_> = members.filter_map(|(key, value)| Some((rest(key)?, value))).collect();
        match exact {
            Some(value) if rests.is_empty() => Self::Value(value),
            None if rests.is_empty() => Self::Nothing,
            exact => Self::Split(exact, rests),
        }
    }
}
