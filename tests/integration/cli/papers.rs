//! Completions, manual pages, versions.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use super::{karin, out};

/// Gives this to the standard input of a program. `None`: there is no such program here.
fn read_by(program: &str, arguments: &[&str], input: &[u8]) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(input).unwrap();
    Some(child.wait_with_output().unwrap())
}

#[test]
fn completions_are_what_the_shells_understand() {
    let shells = [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])];
    let mut understood = 0;
    for (shell, arguments) in shells {
        let script = karin(&["completions", shell]);
        assert!(script.status.success());
        let text = out(&script);
        for word in ["try-filter", "status", "shutdown-grace"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
        assert!(!text.contains("internal-exec"), "{shell}");
        if let Some(read) = read_by(shell, arguments, &script.stdout) {
            assert!(read.status.success(), "{shell}: {read:?}");
            understood += 1;
        }
    }
    assert!(understood > 0, "there is not even bash");
    assert_eq!(karin(&["completions", "dos"]).status.code(), Some(2));
}

#[test]
fn bash_completes_a_command() {
    let script = karin(&["completions", "bash"]);
    let mut text = script.stdout.clone();
    let ask =
        "\nCOMP_WORDS=(karin sta); COMP_CWORD=1; _karin karin sta karin; echo \"$COMPREPLY\"\n";
    text.extend_from_slice(ask.as_bytes());
    let answer = read_by("bash", &["--norc"], &text).unwrap();
    assert_eq!(out(&answer), "status\n", "{answer:?}");
}

#[test]
fn manual_pages_are_made_of_the_tree() {
    let page = karin(&["man"]);
    let text = out(&page);
    for part in [".TH karin 1", "shutdown\\-grace", "karin\\-status(1)"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let directory = tempfile::tempdir().unwrap();
    let written = karin(&["man", "--directory", directory.path().to_str().unwrap()]);
    assert!(written.status.success(), "{written:?}");
    for name in ["karin", "karin-check", "karin-status", "karin-tail", "karin-try-filter"] {
        let page = std::fs::read(directory.path().join(format!("{name}.1"))).unwrap();
        let arguments = ["-man", "-Tutf8", "-ww", "-z"];
        if let Some(read) = read_by("groff", &arguments, &page) {
            let complaints = String::from_utf8_lossy(&read.stderr).into_owned();
            assert!(read.status.success() && complaints.is_empty(), "{name}: {complaints}");
        }
    }
    let nowhere = karin(&["man", "--directory", "/nowhere"]);
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn the_version_is_that_of_the_workspace() {
    let version = out(&karin(&["--version"]));
    let expected = format!("karin {}", env!("CARGO_PKG_VERSION"));
    assert!(version.trim_end() == expected || version.starts_with(&(expected + " (")), "{version}");
}

#[test]
fn each_command_has_its_own_help() {
    for command in ["check", "status", "tail", "try-filter", "health", "completions", "man"] {
        let help = out(&karin(&[command, "--help"]));
        assert!(help.contains(&format!("karin {command}")), "{help}");
        assert!(!help.contains("Every option can also be given"), "{command}: {help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
}
