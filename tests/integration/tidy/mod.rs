//! The rules of the tree that no compiler and no lint holds, as a test (CONTRIBUTING.md).

mod compatibility;
mod contract;
mod korean;
mod manifests;
mod rules;

use std::path::Path;

use karin_tests::artifact::repository;

/// A text file of the repository.
struct File {
    /// From the top of the repository, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.has_extension(&["rs"])
    }

    fn has_extension(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension().and_then(|e| e.to_str());
        extension.is_some_and(|e| extensions.contains(&e))
    }

    fn is_test(&self) -> bool {
        self.path.starts_with("tests/integration/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

type Rule = fn(&[File]) -> Vec<String>;

const RULES: [Rule; 17] = [
    manifests::core_and_module_and_gateway_depend_in_one_direction,
    manifests::versions_stand_only_in_the_workspace_table,
    manifests::every_package_takes_the_lints_of_the_workspace,
    manifests::an_allowed_lint_carries_its_reason,
    rules::files_have_at_most_500_lines,
    rules::lines_have_at_most_100_columns,
    rules::unsafe_stands_only_in_ffi,
    rules::nothing_is_left_unfinished,
    rules::no_test_is_switched_off,
    rules::tests_wait_for_conditions,
    rules::no_path_of_one_machine_is_named,
    rules::an_allow_carries_its_reason,
    rules::every_option_is_in_the_readme,
    rules::tests_named_in_the_docs_exist,
    contract::every_fact_about_sqs_is_proved,
    compatibility::the_compatibility_page_is_what_the_facts_make,
    korean::both_readmes_are_in_step,
];

#[test]
fn the_tree_is_tidy() {
    let mut files = Vec::new();
    collect(&repository(), "", &mut files);
    assert!(files.iter().any(|f| f.path == "core/src/lib.rs"), "the tree was not found");
    let violations = RULES.iter().flat_map(|rule| rule(&files)).collect::<Vec<_>>();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

/// Reads every text file but those that are built, installed or git's own.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    const SKIPPED: [&str; 5] = [".git", "target", "node_modules", "karin-data", "__pycache__"];
    for entry in folder.read_dir().expect("a readable folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if SKIPPED.contains(&name.as_str()) || name.starts_with(".venv") {
            continue;
        }
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{path}/"), files);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            files.push(File { path, text });
        }
    }
}

/// Each rule finds what it is for, in a tree of one or two seeded files.
#[test]
fn every_rule_finds_its_seed() {
    check_manifest_seeds();
    check_text_seeds();
    check_contract_seeds();
    check_readme_seeds();
    let long = "//!\n".repeat(501);
    check(&[("gateway/src/a.rs", &long)], "gateway/src/a.rs: 501 lines");
    let tested =
        format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "//!\n".repeat(498), "\n".repeat(90));
    check(&[("gateway/src/a.rs", &tested)], "");
    let wide = format!("// {}\n", "é".repeat(98));
    check(&[("core/src/a.rs", &wide)], "core/src/a.rs:1: 101 columns");
}

fn check_manifest_seeds() {
    let manifest = |dependencies: &str| {
        format!("[package]\n[dependencies]\n{dependencies}\n[lints]\nworkspace = true\n")
    };
    let shared = |name: &str| manifest(&format!("{name}.workspace = true"));
    check(&[("core/Cargo.toml", &shared("tokio"))], "core/Cargo.toml: must not depend on tokio");
    check(&[("core/Cargo.toml", &shared("thiserror"))], "");
    check(&[("module/Cargo.toml", &shared("karin-gateway"))], "must not depend on karin-gateway");
    check(&[("gateway/Cargo.toml", &shared("karin-module"))], "must not depend on karin-module");
    check(&[("bench/Cargo.toml", &manifest("bytes = \"1\""))], "bytes: its version stands");
    check(&[("bench/Cargo.toml", "[package]\n")], "takes no lints from the workspace");
    let workspace = "[workspace.lints.clippy]\na = \"allow\"\n";
    check(&[("Cargo.toml", workspace)], "Cargo.toml:2: an allow without its reason");
    check(&[("Cargo.toml", &workspace.replace("\"\n", "\" # noise\n"))], "");
}

fn check_text_seeds() {
    let seeds = [
        ("core/src/a.rs", "fn f() { unsafe { g() } }", "unsafe outside module/src/ffi.rs"),
        ("module/src/ffi.rs", "fn f() { unsafe { g() } }", ""),
        ("core/src/a.rs", "// nothing unsafe\n#![forbid(unsafe_code)]", ""),
        ("gateway/src/lib.rs", "fn f() {}", "gateway/src/lib.rs: lacks #![forbid(unsafe_code)]"),
        ("core/src/a.rs", concat!("to", "do!()"), "core/src/a.rs:1: left unfinished"),
        ("docs/a.md", concat!("FIX", "ME: later"), "left unfinished"),
        ("core/src/a.rs", concat!("#[ig", "nore]"), "switched off"),
        ("tests/a.py", concat!("@pytest.mark.", "skip"), "switched off"),
        ("tests/integration/a.rs", "sleep(Duration::from_millis(100));", "sleeps"),
        ("tests/integration/a.rs", "sleep(Duration::from_secs(1)).await;", "sleeps"),
        ("tests/integration/a.rs", "sleep(Duration::from_millis(10));", ""),
        ("tests/clients/a.py", "time.sleep(0.5)", "sleeps"),
        ("tests/clients/a.py", "time.sleep(5)  # slow on purpose", ""),
        ("Makefile", concat!("ls /ro", "ot/x"), "a path of one machine"),
        ("README.md", concat!("see /home", "/me/karin"), "a path of one machine"),
        ("core/src/a.rs", "#[allow(dead_code)]\nfn f() {}", "core/src/a.rs:1: an allow without"),
        ("core/src/a.rs", "#![allow(\n  x,\n  reason = \"y\"\n)]", ""),
        ("tests/clients/package-lock.json", "\"resolved\": \"https://x\"", "names a registry"),
    ];
    for (path, text, expected) in seeds {
        check(&[(path, text)], expected);
    }
    let told = ("docs/a.md", "| a | `one_two_three_four_five` |");
    check(&[told], "docs/a.md:1: no test one_two_three_four_five");
    check(&[told, ("tests/integration/a.rs", "fn one_two_three_four_five() {}")], "");
    let option = ("gateway/src/config/a.rs", "env = \"KARIN_NEW\"");
    check(&[option, ("README.md", "KARIN_OLD")], "README.md: KARIN_NEW is not explained");
    check(&[option, ("README.md", "`KARIN_NEW`")], "");
    check(&[option, ("README.md", "KARIN_NEWER")], "README.md: KARIN_NEW is not explained");
}

fn check_readme_seeds() {
    let english = "# karin\n## Run it\n```sh\n# x\nmake run\n```\n| `--a` | b |\n|---|---|\n";
    let with = |from: &str, to: &str, expected: &str| {
        check(&[("README.md", english), ("README.ko.md", &english.replace(from, to))], expected);
    };
    with("Run it", "실행하기", "");
    with("## Run", "Run", "other headings");
    with("make run", "make  run", "other blocks of code");
    with("`--a`", "`--b`", "other rows of tables");
    with(" b |", " b | c |", "other rows of tables");
    with("|---|---|", "| `--c` | d |", "other rows of tables");
}

fn check_contract_seeds() {
    let fact = "[\"1-a\"]\nsource = \"R\"\nabout = [\"TagQueue\"]\nsays = \"It tags.\"\n";
    let left_out = format!("{fact}left_out = \"no\"\n");
    let test = "// contract: 1-a\n#[test]\nfn f() {}\n";
    let with = |facts: &str, test: &str, expected: &str| {
        check(&[("tests/contract.toml", facts), ("tests/integration/a.rs", test)], expected);
    };
    with(fact, "", "no test names 1-a");
    with(fact, "let x = \"contract: 1-a\";", "no test names 1-a");
    with(&left_out, test, "tests/integration/a.rs:1: 1-a is left out");
    with(fact, &test.replace("1-a", "1-a, 1-b"), "\"1-b\" is no row");
    with(&format!("{fact}{fact}"), test, "duplicate");
    with(&fact.replace("TagQueue", "Tags"), test, "1-a: is about Tags");
    with(&fact.replace("\"R\"", "\"Q\""), test, "1-a: source");
    with(&fact.replace("says", "sais"), test, "1-a: what is sais?");
    with(fact, test, "docs/sqs-compatibility.md: make it anew");
}

/// These files violate what `expected` says (a part of the message); "" means nothing.
#[track_caller]
fn check(files: &[(&str, &str)], expected: &str) {
    let file = |&(path, text): &(&str, &str)| File { path: path.into(), text: text.into() };
    let files = files.iter().map(file).collect::<Vec<_>>();
    let violations = RULES.iter().flat_map(|rule| rule(&files)).collect::<Vec<_>>();
    if expected.is_empty() {
        assert!(violations.is_empty(), "{violations:?}");
    } else {
        let found = violations.iter().any(|v| v.contains(expected));
        assert!(found, "{expected:?} is not in {violations:?}");
    }
}
