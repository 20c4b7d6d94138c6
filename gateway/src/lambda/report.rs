//! What a function's answer says about the messages of its batch: ReportBatchItemFailures. Pure.
//!
//! Source: esm-contract §3.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// The member that lists failures.
const KEY: &str = "batchItemFailures";
/// The member of an entry that names a message.
const ID: &str = "itemIdentifier";

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    /// All succeeded. The words are there if it looks like a mistake.
    Success(Option<String>),
    /// These failed, by id.
    Failures(HashSet<String>),
    /// It cannot be understood: all failed, for this reason.
    Malformed(String),
    /// It is JSON, but has no list where one belongs: what that means AWS does not say.
    Odd(String),
}

/// Reads an answer to a batch of the messages for which `is_in_batch` holds.
pub(super) fn read(payload: &[u8], is_in_batch: impl Fn(&str) -> bool) -> Report {
    if payload.iter().all(u8::is_ascii_whitespace) {
        return Report::Success(None);
    }
    let members = match serde_json::from_slice(payload) {
        Ok(Value::Null) => return Report::Success(None),
        Ok(Value::Object(members)) => members,
        Ok(_) => return Report::Odd("the answer is JSON, but no object".into()),
        Err(_) => return Report::Malformed(format!("the answer is no JSON: {}", excerpt(payload))),
    };
    of_members(&members, is_in_batch)
}

/// Reads an answer that need not be a report: what is no object is a success.
pub(super) fn read_if_any(payload: &[u8], is_in_batch: impl Fn(&str) -> bool) -> Report {
    match serde_json::from_slice(payload) {
        Ok(Value::Object(members)) => of_members(&members, is_in_batch),
        _ => Report::Success(None),
    }
}

fn of_members(members: &Map<String, Value>, is_in_batch: impl Fn(&str) -> bool) -> Report {
    match members.get(KEY) {
        Some(Value::Array(entries)) => failures(entries, is_in_batch),
        Some(Value::Null) => Report::Success(None),
        Some(_) => Report::Odd(format!("{KEY} is no list")),
        None => Report::Success(misspelt(members)),
    }
}

fn failures(entries: &[Value], is_in_batch: impl Fn(&str) -> bool) -> Report {
    let mut failed = HashSet::with_capacity(entries.len());
    for entry in entries {
        let id = entry.get(ID).and_then(Value::as_str);
        match id.filter(|id| is_in_batch(id)) {
            Some(id) => failed.insert(id.to_owned()),
            None => {
                let entry = excerpt(entry.to_string().as_bytes());
                return Report::Malformed(format!("{KEY} has a bad entry: {entry}"));
            }
        };
    }
    Report::Failures(failed)
}

fn misspelt(members: &Map<String, Value>) -> Option<String> {
    let key = members.keys().find(|key| key.eq_ignore_ascii_case(KEY))?;
    Some(format!("the answer has {key}, which counts for nothing, as on AWS: write {KEY}"))
}

/// What is wrong with an answer that lists failures to a mapping that does not ask for them: it
/// loses those messages, on AWS silently. Source: esm-contract §11, trap 2.
pub(super) fn ignored(payload: &[u8]) -> Option<String> {
    /// A longer answer is no report.
    const LOOK_AT_BYTES: usize = 1 << 20;
    let lists = payload.len() <= LOOK_AT_BYTES && lists_failures(payload);
    lists.then(|| {
        format!(
            "the function reports {KEY}, but the mapping has no ReportBatchItemFailures: \
             everything is deleted, as on AWS"
        )
    })
}

fn lists_failures(payload: &[u8]) -> bool {
    // Most answers have no such word and need not be parsed.
    payload.windows(KEY.len()).any(|word| word == KEY.as_bytes())
        && serde_json::from_slice::<Value>(payload).is_ok_and(|answer| {
            answer.get(KEY).and_then(Value::as_array).is_some_and(|l| !l.is_empty())
        })
}

/// The beginning of an answer, for the log.
pub(super) fn excerpt(payload: &[u8]) -> String {
    const CHARS: usize = 300;
    let text = String::from_utf8_lossy(payload.get(..CHARS * 4).unwrap_or(payload)).into_owned();
    text.chars().take(CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of_abc(payload: &str) -> Report {
        read(payload.as_bytes(), |id| ["a", "b", "c"].contains(&id))
    }

    #[test]
    fn every_row_of_the_contracts_table_is_read_as_it_says() {
        let failed = |ids: &[&str]| Report::Failures(ids.iter().map(|&id| id.to_owned()).collect());
        let table = [
            ("", Report::Success(None)),
            (" \n", Report::Success(None)),
            ("null", Report::Success(None)),
            ("{}", Report::Success(None)),
            (r#"{"batchItemFailures":[]}"#, failed(&[])),
            (r#"{"batchItemFailures":null}"#, Report::Success(None)),
            (r#"{"statusCode":200}"#, Report::Success(None)),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, failed(&["b"])),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}]}"#,
                failed(&["b"]),
            ),
            (r#"{"batchItemFailures":[{"itemIdentifier":"c","x":1}],"y":2}"#, failed(&["c"])),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"},
                   {"itemIdentifier":"c"}]}"#,
                failed(&["a", "b", "c"]),
            ),
        ];
        for (payload, expected) in table {
            assert_eq!(read_of_abc(payload), expected, "{payload}");
        }
    }

    #[test]
    fn one_bad_entry_spoils_the_report() {
        for entry in [
            r#"{"itemIdentifier":"z"}"#,
            r#"{"itemIdentifier":""}"#,
            r#"{"itemIdentifier":null}"#,
            r#"{"itemIdentifier":7}"#,
            r#"{"itemIdentifier":"A"}"#,
            r#"{"itemidentifier":"a"}"#,
            r#"{"foo":"b"}"#,
            r#""b""#,
            "null",
            "{}",
            "[]",
        ] {
            let payload = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"b"}},{entry}]}}"#);
            assert!(matches!(read_of_abc(&payload), Report::Malformed(_)), "{entry}");
        }
        for payload in ["not JSON", "{", "\u{feff}{}", r#"{"batchItemFailures":[}"#] {
            assert!(matches!(read_of_abc(payload), Report::Malformed(_)), "{payload}");
        }
        assert!(matches!(read(&[b'"', 0xff, b'"'], |_| true), Report::Malformed(_)));
    }

    #[test]
    fn json_without_the_list_where_it_belongs_is_odd() {
        for payload in [
            r#""OK""#,
            "[]",
            "7",
            "true",
            r#"{"batchItemFailures":{"itemIdentifier":"b"}}"#,
            r#"{"batchItemFailures":"b"}"#,
            r#"{"batchItemFailures":false}"#,
        ] {
            assert!(matches!(read_of_abc(payload), Report::Odd(_)), "{payload}");
        }
    }

    #[test]
    fn a_key_in_the_wrong_case_is_a_success_with_a_warning() {
        for key in ["BatchItemFailures", "batchitemfailures", "BATCHITEMFAILURES"] {
            let payload = format!(r#"{{"{key}":[{{"itemIdentifier":"a"}}]}}"#);
            let Report::Success(Some(words)) = read_of_abc(&payload) else {
                panic!("{payload}");
            };
            assert!(words.contains(key) && words.contains("write batchItemFailures"), "{words}");
        }
    }

    #[test]
    fn a_report_nobody_asked_for_is_noticed() {
        assert!(ignored(br#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#).is_some());
        for payload in [r#"{"batchItemFailures":[]}"#, r#"["batchItemFailures"]"#, "", "x"] {
            assert_eq!(ignored(payload.as_bytes()), None, "{payload}");
        }
    }

    #[test]
    fn where_an_answer_need_not_be_a_report_only_an_object_is_read_as_one() {
        let read = |payload: &str| read_if_any(payload.as_bytes(), |id| id == "a");
        for payload in ["", "oops", "[]", "7", "{}"] {
            assert_eq!(read(payload), Report::Success(None), "{payload}");
        }
        let of = |id| format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{id}"}}]}}"#);
        assert_eq!(read(&of("a")), Report::Failures(["a".to_owned()].into()));
        assert!(matches!(read(&of("z")), Report::Malformed(_)));
        assert!(matches!(read(r#"{"batchItemFailures":7}"#), Report::Odd(_)));
        assert!(matches!(read(r#"{"batchitemfailures":[]}"#), Report::Success(Some(_))));
    }

    #[test]
    fn a_long_report_takes_time_in_proportion_to_its_length() {
        let ids: HashSet<String> = (0..100_000).map(|n| format!("{n:036}")).collect();
        let entries: Vec<_> =
            ids.iter().map(|id| format!(r#"{{"itemIdentifier":"{id}"}}"#)).collect();
        let payload = format!(r#"{{"batchItemFailures":[{}]}}"#, entries.join(","));
        let begun = std::time::Instant::now();
        let report = read(payload.as_bytes(), |id| ids.contains(id));
        assert_eq!(report, Report::Failures(ids));
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
