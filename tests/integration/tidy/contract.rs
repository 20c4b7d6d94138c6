//! What SQS does (`tests/contract.toml`), and which tests prove it.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::File;
use super::compatibility::is_subject;

pub(super) const PATH: &str = "tests/contract.toml";
const SOURCES: [&str; 6] = ["R", "M", "D", "P", "E", "?"];

/// A fact about SQS.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    /// Who says so: one of [`SOURCES`].
    pub(super) source: String,
    /// Actions, attributes and topics.
    pub(super) about: Vec<String>,
    pub(super) says: String,
    /// Why we do not do it.
    pub(super) left_out: Option<String>,
    /// How we do better.
    pub(super) stronger: Option<String>,
}

/// The rows in the order of the file. Errors: what is wrong with each.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, Vec<String>> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| vec![e.to_string()])?;
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for (id, entry) in &table {
        match row(id, entry) {
            Ok(row) => rows.push(row),
            Err(error) => errors.push(format!("{id}: {error}")),
        }
    }
    let place = |row: &Row| text.find(&format!("[\"{}\"]", row.id));
    rows.sort_by_key(place);
    if errors.is_empty() { Ok(rows) } else { Err(errors) }
}

fn row(id: &str, entry: &Value) -> Result<Row, String> {
    let mut row = Row { id: id.to_owned(), ..Row::default() };
    for (name, value) in entry.as_table().ok_or("is no table")? {
        let text = || {
            let text = value.as_str().filter(|text| !text.trim().is_empty());
            text.map(str::to_owned).ok_or_else(|| format!("{name} is no text"))
        };
        match name.as_str() {
            "source" => row.source = text()?,
            "says" => row.says = text()?,
            "left_out" => row.left_out = Some(text()?),
            "stronger" => row.stronger = Some(text()?),
            "about" => {
                let list = value.as_array().ok_or("about is no list")?;
                row.about = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            }
            _ => return Err(format!("what is {name}?")),
        }
    }
    if !SOURCES.contains(&row.source.as_str()) {
        return Err(format!("source {:?} is none of {SOURCES:?}", row.source));
    }
    if row.says.is_empty() {
        return Err("says nothing".to_owned());
    }
    match row.about.iter().find(|about| !is_subject(about)) {
        Some(unknown) => Err(format!("is about {unknown}, which nobody knows")),
        None if row.about.is_empty() => Err("is about nothing".to_owned()),
        None => Ok(row),
    }
}

/// Where a test names rows: `// contract: id, id` or `# contract: id`, on a line of its own.
pub(super) fn named(files: &[File]) -> BTreeMap<&str, Vec<String>> {
    let mut named = BTreeMap::<&str, Vec<String>>::new();
    for file in files.iter().filter(|f| names_rows(f)) {
        for (number, line) in file.lines() {
            let comment = line.trim_start().trim_start_matches(['/', '#']).trim_start();
            let is_comment = comment.len() < line.trim_start().len();
            let Some(ids) = comment.strip_prefix("contract:").filter(|_| is_comment) else {
                continue;
            };
            for id in ids.split(',').map(str::trim).filter(|id| !id.is_empty()) {
                named.entry(id).or_default().push(format!("{}:{number}", file.path));
            }
        }
    }
    named
}

fn names_rows(file: &File) -> bool {
    let test = file.path.starts_with("tests/") || file.path.starts_with("core/tests/");
    let unit_test = file.text.contains("#[test]") || file.text.contains("::test]");
    file.has_extension(&["http", "py", "mjs", "rs"]) && (test || unit_test)
}

pub(super) fn every_fact_about_sqs_is_proved(files: &[File]) -> Vec<String> {
    let Some(contract) = files.iter().find(|f| f.path == PATH) else { return Vec::new() };
    let rows = match rows(&contract.text) {
        Ok(rows) => rows,
        Err(errors) => return errors.iter().map(|error| format!("{PATH}: {error}")).collect(),
    };
    let named = named(files);
    let mut violations = Vec::new();
    for row in &rows {
        match (named.get(row.id.as_str()), &row.left_out) {
            (None, None) => violations.push(format!("{PATH}: no test names {}", row.id)),
            (Some(places), Some(_)) => {
                violations.push(format!("{}: {} is left out", places.join(" "), row.id));
            }
            _ => {}
        }
    }
    let known: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    for (id, places) in named {
        if !known.contains(id) {
            violations.push(format!("{}: {id:?} is no row of {PATH}", places.join(" ")));
        }
    }
    violations
}
