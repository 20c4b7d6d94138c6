//! karin's command line beside a karin that runs.

mod check;
mod papers;
mod status;
mod tail;

use std::process::{Command, Output};

use karin_tests::artifact;
use karin_tests::gateway::Gateway;
use serde_json::{Value, json};

/// Runs karin with these arguments; a clean environment but for these variables.
fn karin_with(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(artifact::gateway());
    command.args(arguments).env_clear().current_dir(directory.path());
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(environment.iter().copied()).output().unwrap()
}

fn karin(arguments: &[&str]) -> Output {
    karin_with(arguments, &[])
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// Runs karin on a terminal; returns all it printed.
fn on_terminal(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let quoted: Vec<_> = arguments.iter().map(|a| format!("'{a}'")).collect();
    let command = format!("'{}' {}", artifact::gateway().display(), quoted.join(" "));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    script.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm");
    let output = script.envs(environment.iter().copied()).output().expect("script (util-linux)");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn call(gateway: &Gateway, action: &str, body: &Value) -> Value {
    let response = gateway.http().json(action, &body.to_string());
    assert_eq!(response.status, 200, "{action}: {response:?}");
    if response.body.is_empty() { Value::Null } else { response.json() }
}

fn create(gateway: &Gateway, queue: &str) {
    call(gateway, "CreateQueue", &json!({"QueueName": queue}));
}

fn send(gateway: &Gateway, queue: &str, body: &str) {
    call(gateway, "SendMessage", &json!({"QueueUrl": queue, "MessageBody": body}));
}
