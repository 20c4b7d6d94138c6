//! Links between the documents lead somewhere.

use std::path::{Component, Path, PathBuf};

use karin_tests::artifact::repository;

/// The targets of a Markdown document's links and pictures, outside of code.
fn targets(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut targets = Vec::new();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let starts = line.match_indices("](").map(|(at, mark)| &line[at + mark.len()..]);
        let found = starts.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
        targets.extend(found.filter(|_| !is_code));
    }
    targets
}

/// A heading as its link names it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What is wrong with a link, if anything.
fn fault(document: &Path, target: &str) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let folder = document.parent().expect("a folder");
    let file = if path.is_empty() { document.to_owned() } else { normal(&folder.join(path)) };
    if !file.exists() {
        return Some(format!("{}: {target} does not exist", document.display()));
    }
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let has = |line: &str| line.starts_with('#') && anchor(line) == heading;
    (!heading.is_empty() && !text.lines().any(has))
        .then(|| format!("{}: {target} has no such heading", document.display()))
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = Vec::new();
    let folders = ["", "docs", "examples", "tests/golden"].map(|name| repository().join(name));
    let examples = repository().join("examples").read_dir().unwrap().flatten().map(|e| e.path());
    for folder in folders.into_iter().chain(examples.filter(|path| path.is_dir())) {
        let files = folder.read_dir().unwrap().flatten().map(|entry| entry.path());
        documents.extend(files.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    assert!(documents.len() > 15, "{documents:?}");
    let faults = |document: &PathBuf| {
        let text = std::fs::read_to_string(document).unwrap();
        targets(&text).iter().filter_map(|target| fault(document, target)).collect::<Vec<_>>()
    };
    let faults: Vec<_> = documents.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
