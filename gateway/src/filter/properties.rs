//! What holds for every pattern and message, on random ones.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn filter(pattern: &Value) -> Result<Filters, InvalidFilter> {
    Filters::parse(&[pattern.to_string()])
}

fn accepts(filters: &Filters, body: &str) -> bool {
    filters.accepts(&Subject { message_id: "id", body, attributes: &[], message_attributes: &[] })
}

/// A value that is no object and no array.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        "[aB*\\\\.]{0,4}".prop_map(Value::from),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let words = [
        "a",
        "b",
        "",
        "a.b",
        "body",
        "$or",
        "prefix",
        "suffix",
        "anything-but",
        "exists",
        "cidr",
        "numeric",
        "wildcard",
        "equals-ignore-case",
        "attributes",
        "messageId",
    ];
    prop::sample::select(words.to_vec()).prop_map(str::to_owned)
}

fn anything() -> impl Strategy<Value = Value> {
    let sign = prop::sample::select(vec!["=", "<", "<=", ">", ">=", "10.0.0.0/8"]);
    let leaf = prop_oneof![scalar(), sign.prop_map(Value::from)];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Objects of a few names and numbers, so that patterns often fit.
fn small() -> impl Strategy<Value = Value> {
    (0..3).prop_map(Value::from).prop_recursive(4, 24, 3, |inner| {
        let member = (prop::sample::select(vec!["a", "b", "c"]), inner.clone());
        let member = member.prop_map(|(name, value)| (name.to_owned(), value));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(member, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What is asked of a field: one of these numbers, or that it is absent.
type Asked = (Vec<i64>, bool);

fn asked() -> impl Strategy<Value = BTreeMap<String, Asked>> {
    let path = prop::sample::select(vec!["a", "b", "a.a", "a.b", "a.c", "b.a", "a.b.c", "a.b.a"]);
    let asked = (prop::collection::vec(0..3_i64, 0..3), any::<bool>())
        .prop_filter("something is asked", |(numbers, absent)| *absent || !numbers.is_empty());
    prop::collection::btree_map(path.prop_map(str::to_owned), asked, 1..4)
}

/// A value of a body, as event-ruler has it: its path, and which element of which array it is in.
struct Leaf {
    path: String,
    number: i64,
    elements: BTreeMap<usize, usize>,
}

fn flatten(
    value: &Value,
    path: &str,
    elements: &BTreeMap<usize, usize>,
    arrays: &mut usize,
    leaves: &mut Vec<Leaf>,
) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(value, &path, elements, arrays, leaves);
            }
        }
        Value::Array(items) => {
            let array = *arrays;
            *arrays += 1;
            for (index, item) in items.iter().enumerate() {
                let mut elements = elements.clone();
                elements.insert(array, index);
                flatten(item, path, &elements, arrays, leaves);
            }
        }
        number => leaves.push(Leaf {
            path: path.to_owned(),
            number: number.as_i64().unwrap(),
            elements: elements.clone(),
        }),
    }
}

fn is_consistent(one: &BTreeMap<usize, usize>, other: &BTreeMap<usize, usize>) -> bool {
    one.iter().all(|(array, index)| other.get(array).is_none_or(|other| other == index))
}

/// Tries every choice of leaves.
fn naive(
    asked: &[(&String, &Asked)],
    leaves: &[Leaf],
    chosen: &BTreeMap<usize, usize>,
    absent: &[&str],
) -> bool {
    let Some((&(path, (numbers, may_be_absent)), rest)) = asked.split_first() else {
        let is_there = |leaf: &&Leaf| is_consistent(&leaf.elements, chosen);
        return !leaves.iter().filter(is_there).any(|leaf| absent.contains(&leaf.path.as_str()));
    };
    let fits = |leaf: &Leaf| {
        if leaf.path != *path || !numbers.contains(&leaf.number) {
            return false;
        }
        let mut chosen = chosen.clone();
        let is_consistent = is_consistent(&leaf.elements, &chosen);
        chosen.extend(&leaf.elements);
        is_consistent && naive(rest, leaves, &chosen, absent)
    };
    leaves.iter().any(fits)
        || (*may_be_absent && naive(rest, leaves, chosen, &[absent, &[path.as_str()]].concat()))
}

fn rules((numbers, may_be_absent): &Asked) -> Value {
    let mut rules: Vec<Value> = numbers.iter().map(|&number| number.into()).collect();
    if *may_be_absent {
        rules.push(json!({"exists": false}));
    }
    rules.into()
}

/// A pattern that asks for every value of an object. `None`: a part of it has nothing to ask for.
fn pattern_of(value: &Value) -> Option<Value> {
    let Value::Object(members) = value else { return None };
    let mut asked = Map::new();
    for (name, value) in members {
        let asked_of = match value {
            Value::Object(_) => pattern_of(value),
            Value::Array(items) => items.iter().find_map(|item| match item {
                Value::Object(_) => pattern_of(item),
                Value::Array(_) => None,
                scalar => Some(json!([scalar])),
            }),
            scalar => Some(json!([scalar])),
        };
        asked.extend(asked_of.map(|asked| (name.clone(), asked)));
    }
    (!asked.is_empty()).then_some(Value::Object(asked))
}

proptest! {
    #[test]
    fn any_text_and_any_json_is_read_or_refused(
        text in ".{0,40}", pattern in anything(), body in anything(),
    ) {
        for pattern in [text, pattern.to_string(), json!({"body": pattern}).to_string()] {
            match Filters::parse(&[pattern]) {
                Ok(filters) => {
                    let both = [body.to_string(), json!({"a": body}).to_string()];
                    let verdicts = both.each_ref().map(|body| accepts(&filters, body));
                    prop_assert_eq!(both.each_ref().map(|body| accepts(&filters, body)), verdicts);
                    prop_assert!(filters.remarks().iter().all(|r| !r.contains('\n')));
                }
                Err(error) => prop_assert!(!error.detail().contains('\n')),
            }
        }
    }

    #[test]
    fn a_pattern_made_of_an_object_accepts_it(body in small()) {
        if let Some(pattern) = pattern_of(&body) {
            let filters = filter(&json!({"body": pattern})).unwrap();
            prop_assert!(accepts(&filters, &body.to_string()), "{pattern} and {body}");
        }
    }

    #[test]
    fn anything_but_is_the_opposite(
        value in scalar(), number in -5.0e9..5.0e9, text in "[abAB]{0,3}", star in "[ab]\\*[ab]?",
    ) {
        for (rule, opposite) in [
            (json!(number), json!(number)),
            (json!(text), json!(text)),
            (json!({"prefix": format!("a{text}")}), json!({"prefix": format!("a{text}")})),
            (json!({"suffix": format!("a{text}")}), json!({"suffix": [format!("a{text}")]})),
            (json!({"equals-ignore-case": text}), json!({"equals-ignore-case": text})),
            (json!({"wildcard": star}), json!({"wildcard": star})),
        ] {
            let plain = filter(&json!({"body": {"a": [rule]}})).unwrap();
            let but = filter(&json!({"body": {"a": [{"anything-but": opposite}]}})).unwrap();
            for value in [&value, &json!(number), &json!(text)] {
                let body = json!({"a": value}).to_string();
                prop_assert_ne!(accepts(&plain, &body), accepts(&but, &body), "{} {}", rule, body);
            }
        }
    }

    #[test]
    fn case_is_all_that_is_ignored(text in "\\PC{0,8}", other in "\\PC{0,3}") {
        let folded: String = text.chars().flat_map(char::to_lowercase).collect();
        let whole = filter(&json!({"body": [{"equals-ignore-case": text}]})).unwrap();
        let start = filter(&json!({"body": [{"prefix": {"equals-ignore-case": text}}]})).unwrap();
        let end = filter(&json!({"body": [{"suffix": {"equals-ignore-case": text}}]})).unwrap();
        for (filters, body) in [
            (&whole, folded.clone()),
            (&start, format!("{folded}{other}")),
            (&end, format!("{other}{folded}")),
        ] {
            // What became JSON by chance is not plain.
            if serde_json::from_str::<Map<String, Value>>(&body).is_err() {
                prop_assert!(accepts(filters, &body), "{text:?} and {body:?}");
            }
        }
    }

    /// As every choice of elements tried out one by one decides.
    #[test]
    fn elements_are_chosen_as_a_naive_search_does(
        a in small(),
        b in small(),
        shared in prop::option::of(asked()),
        alternatives in prop::collection::vec(asked(), 1..5),
    ) {
        let body = json!({"a": a, "b": b});
        let (mut leaves, mut arrays) = (Vec::new(), 0);
        flatten(&body, "", &BTreeMap::new(), &mut arrays, &mut leaves);
        let shared = shared.unwrap_or_default();
        let expected = alternatives.iter().any(|alternative| {
            // Of two rules of one field the later counts.
            let mut asked = shared.clone();
            asked.extend(alternative.clone());
            naive(&asked.iter().collect::<Vec<_>>(), &leaves, &BTreeMap::new(), &[])
        });
        let written = |asked: &BTreeMap<String, Asked>| -> Map<String, Value> {
            asked.iter().map(|(path, asked)| (path.clone(), rules(asked))).collect()
        };
        let mut pattern = written(&shared);
        match alternatives.as_slice() {
            [only] => pattern.extend(written(only)),
            several => {
                pattern.insert("$or".to_owned(), several.iter().map(written).collect());
            }
        }
        let filters = filter(&json!({"body": pattern})).unwrap();
        let accepted = accepts(&filters, &body.to_string());
        prop_assert_eq!(accepted, expected, "{:?} and {}", filters.patterns(), body);
    }
}
