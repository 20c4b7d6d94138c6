//! `karin check`.

use karin_tests::artifact;
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use serde_json::Value;

use super::{karin, karin_with, on_terminal, out, parsed};

/// The texts found of a subject, each with its level.
fn found<'a>(report: &'a Value, subject: &str) -> Vec<(&'a str, &'a str)> {
    let all = report["findings"].as_array().unwrap().iter();
    let text = |finding: &'a Value, name: &str| finding[name].as_str().unwrap();
    let of = all.filter(|finding| finding["subject"] == subject);
    of.map(|finding| (text(finding, "level"), text(finding, "text"))).collect()
}

#[test]
fn what_would_run_is_told_and_the_code_is_0() {
    let module = artifact::module().display().to_string();
    let output = karin(&["check", "--module", &module, "--listen", "127.0.0.1:0"]);
    let text = out(&output);
    assert!(output.status.success(), "{text}");
    for part in ["redis-server, version ", "libkarin", "./karin-data, which will be made"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("karin would run, 0 warnings"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours where there is no terminal: {text}");
}

#[test]
fn every_wrong_option_is_told_and_the_code_is_2() {
    let wrong = ["check", "--max-hops", "x", "--map", "q", "--key", "k", "--listen", "0.0.0.0:1"];
    let output = karin(&wrong);
    assert_eq!(output.status.code(), Some(2));
    let text = out(&output);
    for option in ["--max-hops", "--map", "--key"] {
        assert!(text.contains(option), "{option}: {text}");
    }
    assert!(text.contains("3 problems"), "a key that is wrong is no missing key: {text}");
    let unprotected = karin(&["check", "--listen", "0.0.0.0:1", "--functions", "nowhere"]);
    assert!(out(&unprotected).contains("2 problems"), "{unprotected:?}");
    let file = karin(&["check", "--config", "nowhere.toml", "--json"]);
    assert_eq!((file.status.code(), &parsed(&file)["ok"]), (Some(2), &Value::Bool(false)));
    assert_eq!(karin(&["check", "--no-such-option"]).status.code(), Some(2));
}

#[test]
fn what_is_missing_is_told_and_the_code_is_1() {
    let arguments = ["check", "--redis-server", "nothing-here", "--module", "/nowhere.so"];
    let file = tempfile::NamedTempFile::new().unwrap();
    let data = format!("{}/data", file.path().display());
    let output = karin(&[&arguments[..], &["--data-dir", &data, "--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let report = parsed(&output);
    for (subject, words) in [
        ("redis-server", "not installed"),
        ("module", "/nowhere.so"),
        ("data directory", "is not a directory"),
    ] {
        let [("problem", text)] = found(&report, subject)[..] else { panic!("{report}") };
        assert!(text.contains(words), "{text}");
    }
    let unloadable = karin(&["check", "--module", file.path().to_str().unwrap()]);
    assert!(out(&unloadable).contains("is not executable"), "{unloadable:?}");
}

#[test]
fn functions_and_mappings_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let (functions, module) = (folder.path().display().to_string(), artifact::module());
    let module = module.display().to_string();
    let output = karin(&[
        "check",
        "--json",
        "--module",
        &module,
        "--listen",
        "127.0.0.1:0",
        "--functions",
        &functions,
        "--function",
        &format!("f={functions},command=true"),
        "--map",
        "q=f,filter={\"body\":{\"a\":[{\"numeric\":[\"=\",1.12345678]}]}}",
        "--map",
        "q=elsewhere",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let report = parsed(&output);
    assert_eq!(found(&report, "function f"), [("ok", "can be run")]);
    let [("problem", text)] = found(&report, "function empty")[..] else { panic!("{report}") };
    assert!(text.contains("bootstrap does not exist"), "{text}");
    assert_eq!(found(&report, "mapping q=f")[0].0, "ok");
    let [("problem", text)] = found(&report, "mapping q=elsewhere")[..] else { panic!("{report}") };
    assert!(text.contains("no AWS credentials"), "{text}");
}

#[test]
fn the_redis_that_is_named_is_looked_at() {
    let redis = RedisServer::start(&["--maxmemory-policy", "allkeys-lru"]);
    let arguments = ["check", "--json", "--listen", "127.0.0.1:0", "--redis-url"];
    let output = karin(&[&arguments[..], &[&redis.url()]].concat());
    let report = parsed(&output);
    assert!(output.status.success(), "warnings are no problems: {report}");
    let told = found(&report, "redis");
    let is_told = |level: &str, words: &str| {
        told.iter().any(|(of, text)| *of == level && text.contains(words))
    };
    assert!(is_told("ok", "answers, version"), "{report}");
    assert!(is_told("warning", "allkeys-lru"), "{report}");
    assert!(is_told("warning", "appendonly is off"), "{report}");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(found(&report, "module"), [("ok", &*format!("loaded, version {version}"))]);

    let without = RedisServer::start_without_module(&[]);
    let output = karin(&[&arguments[..], &[&without.url()]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(found(&parsed(&output), "redis")[0].1.contains("has not loaded karin's module"));
    let output = karin(&[&arguments[..], &["redis://127.0.0.1:1"]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_karin_that_runs_is_recognized() {
    let gateway = Gateway::start_embedded(&[]);
    let data = gateway.directory().join("data").display().to_string();
    let listen = format!("127.0.0.1:{}", gateway.port());
    let module = artifact::module().display().to_string();
    let arguments = ["check", "--json", "--module", &module, "--data-dir", &data];
    let output = karin_with(&arguments, &[("KARIN_LISTEN", &listen)]);
    let report = parsed(&output);
    assert!(output.status.success(), "{report}");
    assert!(found(&report, "address")[0].1.contains("a karin listens"), "{report}");
    let holder = format!("(process {})", gateway.process_id());
    assert!(found(&report, "data directory")[0].1.contains(&holder), "{report}");
    assert!(found(&report, "redis")[0].1.contains("answers"), "{report}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    drop(taken.try_clone().unwrap());
    std::thread::spawn(move || while taken.accept().is_ok() {});
    let output = karin(&["check", "--json", "--listen", &listen, "--module", &module]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn colours_are_for_terminals_and_for_who_wants_them() {
    let problem = ["check", "--max-hops", "x"];
    assert!(on_terminal(&problem, &[]).contains("\u{1b}[31mPROBLEM\u{1b}[0m"));
    for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let text = on_terminal(&problem, &[plain]);
        assert!(text.contains("PROBLEM") && !text.contains('\u{1b}'), "{plain:?}: {text}");
    }
}
