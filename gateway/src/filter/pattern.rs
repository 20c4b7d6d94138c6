//! Patterns: JSON texts that say what is accepted.
//!
//! The fields of a pattern are flattened to paths, and each `$or` is multiplied out, so that a
//! pattern is a list of ways to fulfil it: then "the same element of an array" means the same
//! thing for fields on both sides of an `$or`.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    PATTERN_CHARACTERS_MAX,
    record::{ATTRIBUTES, BODY, MESSAGE_ATTRIBUTES, MESSAGE_ID, Record},
    rules::{RESERVED, Rules},
    tree::{Node, SEPARATOR, WAYS_OF_A_TREE},
};

/// The field whose objects are alternatives.
const OR: &str = "$or";
/// As many ways a pattern may be fulfilled in: EventBridge's bound for `$or`.
const WAYS_MAX: usize = 1_000;
/// As many fields all ways together may name: what a pattern costs.
const FIELDS_MAX: usize = 20_000;
/// As many names the path of a field may have; JSON cannot be nested deeper.
const NAMES_MAX: usize = 128;

/// One way: what is asked of each field, by its path.
type Fields = BTreeMap<String, Arc<Rules>>;

/// A pattern that was read.
#[derive(Debug)]
pub(super) struct Pattern {
    trees: Vec<Node>,
    remarks: Vec<String>,
}

impl Pattern {
    /// Reads a pattern. Errors: what is wrong, and where.
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let characters = written.chars().count();
        if characters > PATTERN_CHARACTERS_MAX {
            return Err(format!("{characters} characters; the most is {PATTERN_CHARACTERS_MAX}"));
        }
        let value = serde_json::from_str(written).map_err(|e| format!("it is not JSON: {e}"))?;
        let Value::Object(object) = value else {
            return Err("it is not a JSON object".to_owned());
        };
        let mut reader = Reader::default();
        let mut ways = vec![Fields::new()];
        reader.object(&object, &Place::default(), &mut ways)?;
        let trees = ways.chunks(WAYS_OF_A_TREE).map(Node::of).collect();
        Ok(Self { trees, remarks: reader.remarks })
    }

    pub(super) fn accepts(&self, record: &Record<'_>) -> bool {
        self.trees.iter().any(|tree| tree.accepts(record))
    }

    pub(super) fn remarks(&self) -> &[String] {
        &self.remarks
    }
}

/// Where in a pattern something stands.
#[derive(Debug, Default)]
struct Place {
    /// `None`: at its top.
    path: Option<String>,
    is_in_or: bool,
}

impl Place {
    fn within(&self, name: &str) -> Self {
        let path = match &self.path {
            Some(path) => format!("{path}{SEPARATOR}{name}"),
            None => name.to_owned(),
        };
        Self { path: Some(path), is_in_or: self.is_in_or }
    }

    fn in_or(&self) -> Self {
        Self { path: self.path.clone(), is_in_or: true }
    }

    /// For people.
    fn wrong(&self, why: impl std::fmt::Display) -> String {
        match &self.path {
            Some(path) => format!("{path}: {why}"),
            None => why.to_string(),
        }
    }
}

#[derive(Debug, Default)]
struct Reader {
    remarks: Vec<String>,
}

impl Reader {
    fn object(
        &mut self,
        object: &Map<String, Value>,
        place: &Place,
        ways: &mut Vec<Fields>,
    ) -> Result<(), String> {
        if object.is_empty() {
            return Err(place.wrong("the object is empty"));
        }
        for (name, value) in object {
            if name == OR
                && let Some(alternatives) = alternatives(value)
            {
                self.or(&alternatives, &place.in_or(), ways)?;
                continue;
            }
            let place = place.within(name);
            if place.is_in_or && RESERVED.contains(&name.as_str()) {
                return Err(place.wrong("an operator's name cannot be a field's within $or"));
            }
            match value {
                Value::Object(object) => self.object(object, &place, ways)?,
                Value::Array(written) => {
                    let rules = Rules::parse(written).map_err(|why| place.wrong(why))?;
                    self.leaf(&place, &Arc::new(rules), ways)?;
                }
                _ => return Err(place.wrong("it is neither an object nor an array")),
            }
        }
        Ok(())
    }

    /// Each way goes on with each of the alternatives.
    fn or(
        &mut self,
        alternatives: &[&Map<String, Value>],
        place: &Place,
        ways: &mut Vec<Fields>,
    ) -> Result<(), String> {
        let before = std::mem::take(ways);
        for alternative in alternatives {
            let mut after = before.clone();
            self.object(alternative, place, &mut after)?;
            ways.append(&mut after);
            check_size(ways).map_err(|why| place.wrong(why))?;
        }
        Ok(())
    }

    /// Of two that name one field the later counts, as in event-ruler.
    fn leaf(
        &mut self,
        place: &Place,
        rules: &Arc<Rules>,
        ways: &mut [Fields],
    ) -> Result<(), String> {
        let path = place.path.as_deref().unwrap_or_default();
        if path.split(SEPARATOR).count() > NAMES_MAX {
            return Err(place.wrong(format!("more than {NAMES_MAX} names in the path of a field")));
        }
        self.remark_on(path, rules);
        let mut is_repeated = false;
        for way in &mut *ways {
            is_repeated |= way.insert(path.to_owned(), Arc::clone(rules)).is_some();
        }
        check_size(ways).map_err(|why| place.wrong(why))?;
        if is_repeated {
            self.remark(format!("{path} is given twice, and only the later one counts"));
        }
        Ok(())
    }

    fn remark_on(&mut self, path: &str, rules: &Rules) {
        match path.split(SEPARATOR).next().unwrap_or_default() {
            BODY => {}
            top @ (MESSAGE_ID | ATTRIBUTES | MESSAGE_ATTRIBUTES) => {
                self.remark(format!("{path}: AWS may filter SQS messages by their body only"));
                if rules.accept_only_numbers() {
                    self.remark(format!("{path}: it accepts nothing, {top} holds texts only"));
                }
            }
            _ => self.remark(format!("{path}: filters see no such field in a message")),
        }
        for operator in &rules.unpromised {
            self.remark(format!("{path}: Lambda does not promise {operator}, EventBridge does"));
        }
    }

    fn remark(&mut self, remark: String) {
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }
}

fn check_size(ways: &[Fields]) -> Result<(), String> {
    if ways.len() > WAYS_MAX {
        return Err(format!("more than {WAYS_MAX} combinations of {OR} are too complex"));
    }
    let fields: usize = ways.iter().map(Fields::len).sum();
    if fields > FIELDS_MAX {
        return Err(format!("more than {FIELDS_MAX} fields in combinations of {OR}"));
    }
    Ok(())
}

/// The objects of an `$or`. `None` for what is an ordinary field of that name: fewer than two,
/// something else among them, or operators.
///
/// Source: esm-contract §5.
fn alternatives(value: &Value) -> Option<Vec<&Map<String, Value>>> {
    let objects: Vec<_> = value.as_array()?.iter().map(Value::as_object).collect::<Option<_>>()?;
    let has_operator =
        |object: &&Map<String, Value>| object.keys().any(|name| RESERVED.contains(&name.as_str()));
    (objects.len() >= 2 && !objects.iter().any(has_operator)).then_some(objects)
}
