//! The log: one line a failure, with its cause and the request's id, for people or for programs.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use karin_tests::artifact;
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::Value;

const TOKEN: &str = "0123456789abcdefABCD-_";
const PASSWORD: &str = "correct horse battery staple";

/// The lines of a JSON log; what is said on standard output is none of it.
fn lines(gateway: &Gateway) -> Vec<Value> {
    let log = gateway.log();
    let complete = log.rsplit_once('\n').map_or("", |(complete, _)| complete);
    let told = |line: &&str| {
        !line.starts_with("karin is listening") && !line.starts_with("A message from Redis's side")
    };
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    complete.lines().filter(told).map(parse).collect()
}

/// The lines about one request.
fn about(gateway: &Gateway, request_id: &str) -> Vec<Value> {
    until_some(PATIENCE, "the request's line", || {
        let lines = lines(gateway);
        let about: Vec<_> =
            lines.into_iter().filter(|line| line["request_id"] == request_id).collect();
        (!about.is_empty()).then_some(about)
    })
}

#[test]
fn each_line_is_a_json_object_and_each_failure_has_one_with_its_cause_and_its_requests_id() {
    let mut redis = RedisServer::start(&[]);
    let option = ["--token", TOKEN, "--admin-password", PASSWORD, "--key", "test:sesame"];
    let format = ["--log-format", "json", "--log", "debug"];
    let gateway = Gateway::start(&redis, &[&option[..], &format].concat());
    let url = format!("/~{TOKEN}/");
    let call = |action: &str| {
        let target = format!("AmazonSQS.{action}");
        let headers = [("X-Amz-Target", target.as_str())];
        let answer = gateway.http().request("POST", &url, &headers, br#"{"QueueUrl":"a\nb"}"#);
        let id = answer.header("x-amzn-RequestId").expect("an id").to_owned();
        (answer.status, id)
    };
    let (status, id) = call("ReceiveMessage");
    assert_eq!(status, 400);
    let about_it = about(&gateway, &id);
    assert_eq!(about_it.len(), 1, "{about_it:?}");
    assert_eq!(
        (&about_it[0]["level"], &about_it[0]["message"]),
        (&"INFO".into(), &"refused".into())
    );
    assert_eq!(about_it[0]["action"], "ReceiveMessage");
    assert!(about_it[0]["target"].as_str().unwrap().starts_with("karin_gateway::actions"));
    let path = format!("/~{TOKEN}/2015-03-31/event-source-mappings/nonsense");
    let answer = gateway.http().get(&path);
    assert_eq!(answer.status, 404);
    let about_it = about(&gateway, answer.header("x-amzn-RequestId").unwrap());
    assert_eq!(about_it[0]["action"], "GetEventSourceMapping");

    redis.kill();
    until(PATIENCE, "karin to notice", || gateway.http().get("/readyz").status == 503);
    let (status, id) = call("ListQueues");
    assert_eq!(status, 503);
    let about_it = about(&gateway, &id);
    assert_eq!((about_it.len(), &about_it[0]["level"]), (1, &"WARN".into()), "{about_it:?}");
    // Why the connection went, or why there is no other yet.
    let cause = about_it[0]["cause"].as_str().unwrap();
    assert!(cause.contains("redis.sock") || cause.contains("closed"), "{about_it:?}");

    let log = gateway.log();
    for secret in [TOKEN, PASSWORD, "sesame"] {
        assert!(!log.contains(secret), "{secret}");
    }
    for line in lines(&gateway) {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
}

#[test]
fn an_admin_page_that_fails_has_a_line_with_its_answers_id() {
    let mut redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--log-format", "json"]);
    assert!(gateway.http().get("/admin").header("x-request-id").is_some());
    redis.kill();
    until(PATIENCE, "karin to notice", || gateway.http().get("/readyz").status == 503);
    let answer = gateway.http().get("/admin/queues");
    assert_eq!(answer.status, 503);
    let about_it = about(&gateway, answer.header("x-request-id").unwrap());
    assert_eq!(about_it.len(), 1, "{about_it:?}");
    assert_eq!(about_it[0]["message"], "an admin page failed");
    assert!(!about_it[0]["cause"].as_str().unwrap().is_empty());
}

/// What karin logs on a terminal, without a Redis, with this in its environment.
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    let home = tempfile::tempdir().unwrap();
    let karin = artifact::gateway().display().to_string();
    let line = format!("{karin} --listen 127.0.0.1:0 --redis-url unix:///nonexistent/redis.sock");
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.current_dir(home.path()).env_clear().env("HOME", home.path()).env("TERM", "xterm");
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command.envs(variables.iter().copied());
    let mut process = command.stdout(Stdio::piped()).spawn().expect("script");
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    // It says so at once, or ends.
    let warning = lines.map_while(Result::ok).find(|line| line.contains("no Redis yet"));
    // Its terminal goes with it, and so does karin.
    process.kill().unwrap();
    process.wait().unwrap();
    warning.expect("the warning")
}

#[test]
fn there_are_colours_on_a_terminal_and_nowhere_else() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--log", "debug"]);
    assert_eq!(gateway.http().json("ReceiveMessage", "{}").status, 400);
    until(PATIENCE, "the line", || gateway.log().contains("refused"));
    assert!(!gateway.log().contains('\u{1b}'), "a file is no terminal");
    assert!(on_a_terminal(&[]).contains("\u{1b}["));
    assert!(on_a_terminal(&[("NO_COLOR", "")]).contains("\u{1b}["), "empty is as unset");
    assert!(!on_a_terminal(&[("NO_COLOR", "1")]).contains('\u{1b}'));
}
