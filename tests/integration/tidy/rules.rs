//! What the files must and must not contain.

use std::collections::BTreeSet;

use super::File;

const MAX_FILE_LINES: usize = 500;
const MAX_LINE_COLUMNS: usize = 100;
/// Tests wait for conditions; a pause between two looks at one is shorter than this.
const MIN_FIXED_SLEEP_MS: f64 = 100.0;

/// A message for every line that `is_bad`.
fn lines(files: &[File], what: &str, is_bad: impl Fn(&File, &str) -> bool) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        for (number, line) in file.lines().filter(|(_, line)| is_bad(file, line)) {
            violations.push(format!("{}:{number}: {what}: {}", file.path, line.trim()));
        }
    }
    violations
}

pub(super) fn files_have_at_most_500_lines(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|f| f.is_rust() && !f.is_test()) {
        let code = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let count = code.lines().count();
        if count > MAX_FILE_LINES {
            violations.push(format!("{}: {count} lines", file.path));
        }
    }
    violations
}

pub(super) fn lines_have_at_most_100_columns(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|f| f.has_extension(&["rs", "py", "mjs", "sh"])) {
        for (number, line) in file.lines() {
            let columns = line.chars().count();
            // A link cannot be broken.
            if columns > MAX_LINE_COLUMNS && !line.contains("https://") {
                violations.push(format!("{}:{number}: {columns} columns", file.path));
            }
        }
    }
    violations
}

pub(super) fn unsafe_stands_only_in_ffi(files: &[File]) -> Vec<String> {
    let mut violations = lines(files, "unsafe outside module/src/ffi.rs", |file, line| {
        let code = line.split("//").next().unwrap_or_default();
        file.is_rust()
            && file.path != "module/src/ffi.rs"
            && !file.path.starts_with("tests/integration/tidy/")
            && has_word(code, "unsafe")
    });
    let safe = ["core/src/lib.rs", "gateway/src/lib.rs", "tests/src/lib.rs"];
    for file in files.iter().filter(|f| safe.contains(&f.path.as_str())) {
        if !file.text.contains("#![forbid(unsafe_code)]") {
            violations.push(format!("{}: lacks #![forbid(unsafe_code)]", file.path));
        }
    }
    violations
}

pub(super) fn nothing_is_left_unfinished(files: &[File]) -> Vec<String> {
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("not imple", "mented"),
        concat!("not yet imple", "mented"),
    ];
    lines(files, "left unfinished", |file, line| {
        let read = ["rs", "py", "mjs", "sh", "md", "toml", "yml", "html"];
        file.has_extension(&read) && marks.iter().any(|mark| line.contains(mark))
    })
}

pub(super) fn no_test_is_switched_off(files: &[File]) -> Vec<String> {
    let marks = [
        concat!("#[ig", "nore"),
        concat!("#[should_", "panic"),
        concat!("pytest.mark.", "skip"),
        concat!("unittest.", "skip"),
        concat!("xf", "ail"),
    ];
    lines(files, "a test switched off, or one that any panic passes", |file, line| {
        file.has_extension(&["rs", "py", "mjs"]) && marks.iter().any(|mark| line.contains(mark))
    })
}

pub(super) fn tests_wait_for_conditions(files: &[File]) -> Vec<String> {
    let units = [
        ("rs", "sleep(Duration::from_millis(", 1.0),
        ("rs", "sleep(Duration::from_secs(", 1000.0),
        ("py", "time.sleep(", 1000.0),
        ("sh", "sleep ", 1000.0),
    ];
    lines(files, "sleeps instead of waiting for a condition", |file, line| {
        file.path.starts_with("tests/")
            && !file.path.starts_with("tests/integration/tidy/")
            // What a slow function is made of says so.
            && !line.contains("# slow")
            && units.iter().any(|(extension, call, unit_ms)| {
                let argument = line.split_once(call).map(|(_, rest)| leading_number(rest));
                file.has_extension(&[extension])
                    && argument.flatten().is_some_and(|n| n * unit_ms >= MIN_FIXED_SLEEP_MS)
            })
    })
}

pub(super) fn no_path_of_one_machine_is_named(files: &[File]) -> Vec<String> {
    let folders = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")];
    let mut violations = lines(files, "a path of one machine", |_, line| {
        folders.iter().any(|folder| {
            line.match_indices(folder).any(|(at, _)| {
                let before = line.get(..at).and_then(|b| b.chars().next_back());
                !before.is_some_and(|c| c.is_ascii_alphanumeric() || ".}_-".contains(c))
            })
        })
    });
    violations.extend(lines(files, "names a registry", |file, line| {
        file.path.ends_with("package-lock.json") && line.contains("\"resolved\"")
    }));
    violations
}

pub(super) fn an_allow_carries_its_reason(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    let seeds = |f: &&File| f.path.starts_with("tests/integration/tidy/");
    for file in files.iter().filter(|f| f.is_rust() && !seeds(f)) {
        for opening in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
            for (at, _) in file.text.match_indices(opening) {
                let (before, rest) = file.text.split_at(at);
                let attribute = rest.split(")]").next().unwrap_or_default();
                if !attribute.contains("reason = ") {
                    let number = before.matches('\n').count() + 1;
                    let path = &file.path;
                    violations.push(format!("{path}:{number}: an allow without its reason"));
                }
            }
        }
    }
    violations
}

pub(super) fn every_option_is_in_the_readme(files: &[File]) -> Vec<String> {
    let Some(readme) = files.iter().find(|f| f.path == "README.md") else {
        return Vec::new();
    };
    let sources = files.iter().filter(|f| f.is_rust() && f.path.starts_with("gateway/src/"));
    let used = sources.flat_map(|f| options(&f.text)).collect::<BTreeSet<_>>();
    let explained = options(&readme.text).collect::<BTreeSet<_>>();
    let missing = used.difference(&explained);
    missing.map(|option| format!("README.md: {option} is not explained")).collect()
}

/// What a table of the docs says is backed by tests: names of tests there stand in backticks.
pub(super) fn tests_named_in_the_docs_exist(files: &[File]) -> Vec<String> {
    const WORDS_MIN: usize = 5;
    let names = |line: &str| {
        let code: Vec<String> = line.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let is_name = |text: &String| {
            text.split('_').count() >= WORDS_MIN
                && !text.starts_with("karin_") // a metric's
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        code.into_iter().filter(is_name).collect::<Vec<_>>()
    };
    let sources: Vec<&File> = files.iter().filter(|f| f.is_rust()).collect();
    let exists = |name: &str| sources.iter().any(|f| f.text.contains(&format!("fn {name}(")));
    let documents = files.iter().filter(|f| f.path.starts_with("docs/"));
    let lines = documents.flat_map(|f| f.lines().map(move |(number, line)| (f, number, line)));
    let missing = lines.flat_map(|(file, number, line)| {
        let missing = names(line).into_iter().filter(|name| !exists(name));
        missing.map(move |name| format!("{}:{number}: no test {name}", file.path))
    });
    missing.collect()
}

/// The `KARIN_…` words of a text.
fn options(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|w| w.strip_prefix("KARIN_").is_some_and(|rest| !rest.is_empty()))
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|w| w == word)
}

/// The decimal number a text starts with.
fn leading_number(text: &str) -> Option<f64> {
    let digits = |c: &char| c.is_ascii_digit() || *c == '.' || *c == '_';
    let number: String = text.chars().take_while(digits).filter(|c| *c != '_').collect();
    number.parse().ok()
}
