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

/// Ways of a pattern, a bit each.
type Ways = u128;

/// So many ways go into one tree.
pub(super) const WAYS_OF_A_TREE: usize = Ways::BITS as usize;

/// A field, and what some ways ask of it and of the fields within it. A value is judged for all of
/// them at once, so that ways that share a rule cost no more than the rule.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The rules of the field itself, each with its ways.
    rules: Vec<(Ways, Arc<Rules>)>,
    fields: BTreeMap<String, Node>,
    /// The ways that ask anything here or further within.
    asking: Ways,
    /// The ways that fail if nothing is here; within: for want of what is within.
    fail_without: Ways,
    fail_without_fields: Ways,
}

/// What a value is for each way. One that is in neither set asks nothing, or finds absent what it
/// wants to be absent.
#[derive(Debug, Clone, Copy, Default)]
struct Verdict {
    /// The value does not fulfil them, whatever else it does.
    fails: Ways,
    /// They ask for a value, and it is there.
    present: Ways,
}

impl Verdict {
    fn and(self, other: Self) -> Self {
        Self { fails: self.fails | other.fails, present: self.present | other.present }
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
    /// The tree of these ways, as many as [`WAYS_OF_A_TREE`] at most; each says what is asked of
    /// which paths.
    pub(super) fn of(ways: &[BTreeMap<String, Arc<Rules>>]) -> Self {
        let mut root = Self::default();
        let bits = (0..Ways::BITS).map(|number| 1 << number);
        for (way, (path, rules)) in
            bits.zip(ways).flat_map(|(bit, fields)| fields.iter().map(move |field| (bit, field)))
        {
            root.asking |= way;
            let mut node = &mut root;
            for name in path.split(SEPARATOR) {
                node = node.fields.entry(name.to_owned()).or_default();
                node.asking |= way;
            }
            match node.rules.iter_mut().find(|(_, known)| Arc::ptr_eq(known, rules)) {
                Some((sharing, _)) => *sharing |= way,
                None => node.rules.push((way, Arc::clone(rules))),
            }
        }
        root.find_failing();
        root
    }

    fn find_failing(&mut self) {
        for node in self.fields.values_mut() {
            node.find_failing();
            self.fail_without_fields |= node.fail_without;
        }
        self.fail_without = self.fail_without_fields | self.judge_leaf(None).fails;
    }

    /// Whether a record fulfils one of the ways, this being the root.
    pub(super) fn accepts(&self, record: &Record<'_>) -> bool {
        let mut verdict = Verdict::default();
        for (name, node) in &self.fields {
            verdict = verdict.and(match name.as_str() {
                BODY => node.judge_body(record),
                MESSAGE_ID => node.judge(&Found::Text(record.message_id())),
                ATTRIBUTES => node.judge(&Found::Value(record.attributes())),
                MESSAGE_ATTRIBUTES => node.judge(&Found::Value(record.message_attributes())),
                _ => node.judge(&Found::Nothing),
            });
            if verdict.fails == self.asking {
                return false;
            }
        }
        true
    }

    /// A pattern for plain bodies accepts no JSON, and one for JSON no plain body, whatever it
    /// asks.
    ///
    /// Source: esm-contract §5.
    fn judge_body(&self, record: &Record<'_>) -> Verdict {
        let (verdict, others) = if let Some(body) = record.json_body() {
            let for_plain = self.rules.iter().fold(0, |all, (ways, _)| all | ways);
            (self.judge_fields(&Found::Value(body)), for_plain)
        } else {
            let for_json = self.fields.values().fold(0, |all, node| all | node.asking);
            (self.judge_leaf(Some(Scalar::Text(record.body()))), for_json)
        };
        verdict.and(Verdict { fails: others, present: 0 })
    }

    fn judge(&self, found: &Found<'_>) -> Verdict {
        let scalar = match found {
            Found::Nothing => return Verdict { fails: self.fail_without, present: 0 },
            Found::Value(Value::Array(items)) => return self.judge_items(items),
            Found::Text(text) => Some(Scalar::Text(text)),
            Found::Value(value) | Found::Split(Some(value), _) => Scalar::of(value),
            Found::Split(None, _) => None,
        };
        self.judge_leaf(scalar).and(self.judge_fields(found))
    }

    /// An object, and nothing at all, is no value.
    fn judge_leaf(&self, scalar: Option<Scalar<'_>>) -> Verdict {
        let mut verdict = Verdict::default();
        for (ways, rules) in &self.rules {
            match scalar {
                Some(scalar) if rules.accept(scalar) => verdict.present |= ways,
                None if rules.accept_absence => {}
                _ => verdict.fails |= ways,
            }
        }
        verdict
    }

    fn judge_fields(&self, found: &Found<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        if !found.has_fields() {
            return Verdict { fails: self.fail_without_fields, ..verdict };
        }
        for (name, node) in &self.fields {
            verdict = verdict.and(node.judge(&found.field(name, node)));
            if verdict.fails == self.asking {
                break;
            }
        }
        verdict
    }

    /// One element must fulfil all that a way asks; a way that only asks for absence is fulfilled
    /// if each element does.
    ///
    /// Source: esm-contract §5, "Arrays of objects are matched consistently".
    fn judge_items(&self, items: &[Value]) -> Verdict {
        if items.is_empty() {
            return self.judge(&Found::Nothing);
        }
        let (mut present, mut touched) = (0, 0);
        for item in items {
            let verdict = self.judge(&Found::Value(item));
            present |= verdict.present & !verdict.fails;
            touched |= verdict.present | verdict.fails;
            if present == self.asking {
                break;
            }
        }
        Verdict { fails: touched & !present, present }
    }
}

impl<'a> Found<'a> {
    fn has_fields(&self) -> bool {
        matches!(self, Self::Value(Value::Object(_)) | Self::Split(..))
    }

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
