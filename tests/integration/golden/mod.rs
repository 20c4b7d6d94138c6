//! Request bytes → answer bytes, from the files under `tests/golden` (its README says how).

mod case;
mod run;
mod template;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use karin_tests::artifact::repository;

use case::Case;
use run::{Outcome, Server};

/// Cases that share a server run in so many threads.
const THREADS: usize = 4;

/// Cases with the same options, and whether they want no others beside them: they share a server.
type Groups = BTreeMap<(bool, Vec<String>), Vec<(PathBuf, Case)>>;

#[test]
fn every_request_is_answered_as_its_file_says() {
    let write = std::env::var("KARIN_GOLDEN").is_ok_and(|mode| mode == "write");
    assert!(!write || std::env::var_os("CI").is_none(), "CI compares, it does not write");
    let groups = groups();
    let count: usize = groups.values().map(Vec::len).sum();
    assert!(count > 0, "no cases were found");
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = groups
            .iter()
            .map(|(key, cases)| scope.spawn(move || run_group(key, cases, write)))
            .collect();
        running.into_iter().flat_map(|group| group.join().expect("a group of cases")).collect()
    });
    let mut failures = Vec::new();
    for (path, outcome) in outcomes {
        if write && !outcome.rewrites.is_empty() {
            let text = std::fs::read_to_string(path).expect("a case");
            std::fs::write(path, write::rewritten(&text, outcome.rewrites)).expect("to write");
        }
        failures.extend(outcome.failures);
    }
    let text = failures.join("\n");
    assert!(text.is_empty(), "{} answers differ in {count} cases\n\n{text}", failures.len());
    assert!(!write, "nothing had to be written");
}

/// Runs cases on one server; those that want no others one after the other.
fn run_group<'a>(
    (one_by_one, options): &(bool, Vec<String>),
    cases: &'a [(PathBuf, Case)],
    write: bool,
) -> Vec<(&'a PathBuf, Outcome)> {
    let server = Server::start(options);
    let threads = if *one_by_one { 1 } else { THREADS };
    let run = |cases: &'a [(PathBuf, Case)]| -> Vec<_> {
        cases.iter().map(|(path, case)| (path, server.run(case, write))).collect()
    };
    std::thread::scope(|scope| {
        let chunks = cases.chunks(cases.len().div_ceil(threads));
        let running: Vec<_> = chunks.map(|chunk| scope.spawn(move || run(chunk))).collect();
        running.into_iter().flat_map(|chunk| chunk.join().expect("a chunk of cases")).collect()
    })
}

/// All cases, or those whose name contains `KARIN_GOLDEN_ONLY`.
fn groups() -> Groups {
    let only = std::env::var("KARIN_GOLDEN_ONLY").unwrap_or_default();
    let mut groups = Groups::new();
    for (path, case) in cases() {
        if case.name.contains(&only) {
            let key = (case.wants_no_others(), case.gateway.clone());
            groups.entry(key).or_default().push((path, case));
        }
    }
    groups
}

fn cases() -> Vec<(PathBuf, Case)> {
    let top = repository().join("tests/golden");
    let mut cases = Vec::new();
    for action in folders(&top) {
        for folder in folders(&action) {
            let path = folder.join("case.http");
            let name = folder.strip_prefix(&top).expect("inside").display().to_string();
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
            let case = Case::parse(&name, &text).unwrap_or_else(|error| panic!("{error}"));
            cases.push((path, case));
        }
    }
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = path.read_dir().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[test]
fn every_case_is_in_both_protocols_or_says_why_not() {
    for (_, case) in cases() {
        let json = case.exchanges().filter(|exchange| exchange.request.is_json()).count();
        let query = case.exchanges().count() - json;
        assert!(json + query > 0, "{}: compares nothing", case.name);
        let both = json > 0 && query > 0;
        assert!(both || case.only.is_some(), "{}: no second protocol", case.name);
    }
}

/// A runner that passes everything would pass for a good one.
#[test]
fn an_answer_that_differs_fails_its_case() {
    let server = Server::start(&[]);
    let check = |answer: &str, expected: Option<&str>| {
        let text = format!(">>> JSON ListQueues\n{{}}\n<<< {answer}\n");
        let case = Case::parse("a", &text).expect("a case");
        let failures = server.run(&case, false).failures;
        match expected {
            None => assert!(failures.is_empty(), "{failures:?}"),
            Some(expected) => {
                assert!(failures.iter().any(|text| text.contains(expected)), "{failures:?}");
            }
        }
    };
    check("200\n{}", None);
    check("200\n{\n}", None);
    check("200", Some("actual:   {}"));
    check("200\n{ }", Some("expected: { }"));
    check("400\n{}", Some("expected: 400"));
    check("200\nx-amzn-query-error: A;Sender\n{}", Some("x-amzn-query-error: A;Sender"));
    check("200\nContent-Type: -\n{}", Some("application/x-amz-json-1.0"));
    check("200\nContent-Type: text/xml\n{}", Some("application/x-amz-json-1.0"));
}
