//! What a local function sees of the world, what it may use of it, and where it comes from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};

use super::{Function, counts, is_alive, send, wait_until_empty};

#[test]
fn a_function_gets_exactly_the_documented_variables() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("tr '\\0' '\\n' < /proc/$$/environ > environment; answer null");
    let settings = "[environment]\nTABLE = 'a=b c'\nAWS_ACCESS_KEY_ID = 'of its own'\n";
    fs::write(function.file("function.toml"), settings).unwrap();
    let option = format!("{},memory=1024", function.option("f"));
    let url = redis.url();
    let mut arguments = vec!["--redis-url", &url, "--function", &option, "--map", "q=f"];
    arguments.extend(["--sync-interval", "off", "--region", "eu-west-1"]);
    let secrets = [
        ("KARIN_KEY", "AKID:hunter2"),
        ("KARIN_TOKEN", "hunter2hunter2hunter2hunter2"),
        ("AWS_ACCESS_KEY_ID", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "hunter2"),
        ("ANYTHING", "hunter2"),
    ];
    let _gateway = Gateway::start_with(&arguments, &secrets);
    redis.cli(&["KARIN.SEND", "karin:{q}", "x"]);
    function.wait_for(1, PATIENCE);
    until(PATIENCE, "its environment", || function.lines("environment").len() >= 20);
    let environment = function.lines("environment");
    assert!(!environment.concat().contains("hunter2"), "{environment:?}");
    let mut names: Vec<&str> =
        environment.iter().map(|line| line.split_once('=').unwrap().0).collect();
    names.sort_unstable();
    let documented = [
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL_LAMBDA",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "LAMBDA_TASK_ROOT",
        "LANG",
        "PATH",
        "TABLE",
        "TZ",
        "_HANDLER",
    ];
    assert_eq!(names, documented);
    for line in [
        "TABLE=a=b c",
        "AWS_ACCESS_KEY_ID=of its own",
        "AWS_SECRET_ACCESS_KEY=karin",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024",
        "AWS_REGION=eu-west-1",
        "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/f",
    ] {
        assert!(environment.iter().any(|seen| seen == line), "{line} in {environment:?}");
    }
}

#[test]
fn a_deadline_holds_while_the_gateway_is_stopped_and_what_has_moved_on_lives() {
    let redis = RedisServer::start(&[]);
    let slow = Function::new("tail -f /dev/null & echo $! >> pids; wait");
    let quick = Function::new("answer null");
    let slow_option = format!("{},timeout=3", slow.option("slow"));
    let quick_option = format!("{},timeout=1", quick.option("quick"));
    let gateway = Gateway::start(
        &redis,
        &[
            "--function",
            &slow_option,
            "--function",
            &quick_option,
            "--map",
            "slow=slow",
            "--map",
            "quick=quick",
        ],
    );
    send(&gateway, "slow", "x");
    until(PATIENCE, "the function to run", || slow.lines("pids").len() == 2);
    let begun = slow.wait_for(1, PATIENCE)[0].at;
    send(&gateway, "quick", "x");
    wait_until_empty(&gateway, "quick");
    gateway.freeze();
    let processes = slow.lines("pids");
    until(PATIENCE, "the function and its child to be gone", || {
        !processes.iter().any(|process| is_alive(process))
    });
    let ran = super::now().saturating_sub(begun);
    assert!(ran >= Duration::from_secs(3), "not before its time: {ran:?}");
    assert!(ran < Duration::from_secs(6), "at its time: {ran:?}");
    let waits = quick.lines("pids").pop().unwrap();
    assert!(is_alive(&waits), "its invocation was over in time");
    gateway.thaw();
    until(PATIENCE, "the word", || gateway.log().contains("Task timed out after 3.00 seconds"));
    send(&gateway, "quick", "y");
    quick.wait_for(2, PATIENCE);
    assert_eq!(quick.lines("pids").pop().unwrap(), waits, "the same process");
}

#[test]
fn a_function_that_takes_more_memory_than_it_has_fails_and_the_next_event_runs() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(
        "if [[ $body == *greedy* ]]; then
           all=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#all} > took
         fi
         answer null",
    );
    let option = format!("{},memory=128", function.option("f"));
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    send(&gateway, "q", "greedy");
    until(PATIENCE, "the failure", || gateway.log().contains("Runtime.ExitError"));
    assert!(!function.file("took").exists());
    assert_eq!(counts(&gateway, "q"), (0, 1, 0), "the message stays");
    send(&gateway, "q", "modest");
    assert_eq!(function.wait_for(2, PATIENCE)[1].bodies(), ["modest"]);
}

fn write(directory: &Path, name: &str, text: &str, mode: u32) {
    fs::create_dir_all(directory).unwrap();
    let new = directory.join("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(new, directory.join(name)).unwrap();
}

#[test]
fn a_folder_of_functions_is_served_and_one_that_comes_later_is_found() {
    let redis = RedisServer::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str| {
        let source = Function::new("echo \"$AWS_LAMBDA_FUNCTION_NAME got it\"; answer null");
        let text = fs::read_to_string(source.file("bootstrap")).unwrap();
        write(&folder.path().join(name), "bootstrap", &text, 0o755);
    };
    program("one");
    let command = "command = 'exec bash ../one/bootstrap'\ntimeout = 5\n";
    write(&folder.path().join("two"), "function.toml", command, 0o644);
    let path = folder.path().display().to_string();
    let maps = ["--map", "a=one", "--map", "b=two", "--map", "c=three"];
    let gateway = Gateway::start(&redis, &[&["--functions", &path][..], &maps].concat());
    for (queue, name) in [("a", "one"), ("b", "two")] {
        send(&gateway, queue, "x");
        let words = format!("{name} got it");
        until(PATIENCE, &words, || gateway.log().contains(&words));
        wait_until_empty(&gateway, queue);
    }
    send(&gateway, "c", "x");
    until(PATIENCE, "the reason", || gateway.log().contains("three is no directory"));
    assert_eq!(counts(&gateway, "c").0 + counts(&gateway, "c").1, 1, "its message stays");
    program("three");
    until(PATIENCE, "the function that came", || gateway.log().contains("three got it"));
    wait_until_empty(&gateway, "c");
}

#[test]
fn what_is_wrong_with_a_function_is_said_clearly_and_its_messages_stay() {
    let redis = RedisServer::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let directory = |name: &str| folder.path().join(name);
    fs::create_dir(directory("empty")).unwrap();
    write(&directory("plain"), "bootstrap", "#!/bin/sh\n", 0o644);
    write(&directory("strange"), "bootstrap", "#!/no/such/interpreter\n", 0o755);
    write(&directory("lost"), "function.toml", "command = 'no-such-command'\n", 0o644);
    write(&directory("typo"), "function.toml", "\ncomand = 'true'\n", 0o644);
    write(&directory("silent"), "function.toml", "command = 'true'\n", 0o644);
    let path = directory("").display().to_string();
    let names = ["empty", "plain", "strange", "lost", "typo", "silent"];
    let maps: Vec<String> = names.iter().map(|name| format!("{name}={name}")).collect();
    let mut arguments = vec!["--functions", &path];
    arguments.extend(maps.iter().flat_map(|map| ["--map", map]));
    let gateway = Gateway::start(&redis, &arguments);
    for (name, words) in [
        ("empty", "empty/bootstrap does not exist, and neither function.toml nor"),
        ("plain", "plain/bootstrap is not executable"),
        ("strange", "strange/bootstrap: No such file or directory"),
        ("lost", "no-such-command: not found"),
        ("typo", "typo/function.toml: line 2: unknown field `comand`"),
        ("silent", "Runtime exited without providing a reason"),
    ] {
        send(&gateway, name, "x");
        until(PATIENCE, words, || gateway.log().contains(words));
        until(PATIENCE, "its message to stay", || {
            let (visible, in_flight, _) = counts(&gateway, name);
            visible + in_flight == 1
        });
    }
    let log = gateway.log();
    assert_eq!(log.matches("Runtime.InvalidEntrypoint").count(), 2, "{log}");
}

#[test]
fn a_function_without_work_ends_and_starts_again_with_the_next_message() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = format!("{},idle=1", function.option("f"));
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    let begun = Instant::now();
    send(&gateway, "q", "x");
    function.wait_for(1, PATIENCE);
    let first = function.lines("pids").pop().unwrap();
    until(PATIENCE, "its end", || !is_alive(&first));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    send(&gateway, "q", "y");
    function.wait_for(2, PATIENCE);
    assert_ne!(function.lines("pids").pop().unwrap(), first);
    wait_until_empty(&gateway, "q");
}

#[test]
fn a_functions_new_timeout_counts_for_its_mapping_at_once() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("sleep 2; answer null");
    std::fs::write(function.file("function.toml"), "timeout = 1").unwrap();
    let option = function.option("f");
    let map = "q=f,retry=backoff:1:1";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    send(&gateway, "q", "x");
    function.wait_for(1, PATIENCE);
    std::fs::write(function.file("function.toml"), "timeout = 60").unwrap();
    wait_until_empty(&gateway, "q");
    assert!(gateway.log().contains("timed out after 1.00 seconds"), "the first time");
}
