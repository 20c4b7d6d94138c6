//! Mappings, pollers, Lambda endpoints and local functions.

mod api;
mod batching;
pub(crate) mod endpoint;
mod endpoints;
mod failures;
mod filters;
mod functions;
mod gateways;
mod handover;
mod history;
mod local;
mod metrics;
mod ministack;
mod oracle;
mod outcomes;
mod overview;
mod refusals;
mod restarts;
mod runtimes;
mod snapshots;
mod soak;
pub(crate) mod sync;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use karin_tests::gateway::Gateway;
use karin_tests::wait::{PATIENCE, until_some};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The Runtime API for bash.
const CLIENT: &str = include_str!("../../../gateway/src/lambda/local/client.bash");

/// A local function, written in bash, that notes what happens to it.
pub(crate) struct Function {
    directory: TempDir,
}

/// An event a function got.
#[derive(Debug)]
pub(crate) struct Event {
    /// When, by the machine's clock.
    at: Duration,
    pub(crate) records: Vec<Value>,
}

impl Event {
    fn bodies(&self) -> Vec<&str> {
        self.records.iter().map(|record| record["body"].as_str().unwrap()).collect()
    }

    fn receive_count(&self) -> &str {
        self.records[0]["attributes"]["ApproximateReceiveCount"].as_str().unwrap()
    }
}

impl Function {
    /// A function that notes each event, then runs `handler`: bash, with `next`, `answer`, `fail`,
    /// `$body` and `$id` as client.bash has them.
    pub(crate) fn new(handler: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bootstrap = directory.path().join("bootstrap");
        let script = format!(
            "#!/usr/bin/env bash\n{CLIENT}\nwhile next && [[ $body ]]; do\n\
             echo $$ >> pids\necho \"$EPOCHREALTIME $body\" >> events.$$\n{handler}\ndone\n"
        );
        fs::write(&bootstrap, script).unwrap();
        fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    /// NAME=DIRECTORY for `--function`.
    pub(crate) fn option(&self, name: &str) -> String {
        format!("{name}={}", self.directory.path().display())
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The lines that are complete in one of its files.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.file(name)).unwrap_or_default();
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        // An event without a body is the end of a connection, on which its gateway died.
        complete.lines().filter(|line| !line.ends_with(' ')).map(str::to_owned).collect()
    }

    /// The events it got so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        let parse = |line: String| {
            let (at, event) = line.split_once(' ').unwrap();
            let at = Duration::from_secs_f64(at.parse().unwrap());
            let event: Value = serde_json::from_str(event).unwrap();
            Event { at, records: event["Records"].as_array().unwrap().clone() }
        };
        // A file for each process: bash writes a long line in pieces.
        let pids: BTreeSet<String> = self.lines("pids").into_iter().collect();
        let lines = pids.iter().flat_map(|pid| self.lines(&format!("events.{pid}")));
        let mut events: Vec<Event> = lines.map(parse).collect();
        events.sort_by_key(|event| event.at);
        events
    }

    /// The events, once there are `count`.
    pub(crate) fn wait_for(&self, count: usize, deadline: Duration) -> Vec<Event> {
        until_some(deadline, &format!("{count} events"), || {
            let events = self.events();
            (events.len() >= count).then_some(events)
        })
    }
}

fn queue_url(gateway: &Gateway, queue: &str) -> String {
    format!("{}/000000000000/{queue}", gateway.url())
}

fn action(gateway: &Gateway, action: &str, input: &Value) -> Value {
    let response = gateway.http().json(action, &input.to_string());
    assert_eq!(response.status, 200, "{action} {input}: {}", response.text());
    if response.body.is_empty() { Value::Null } else { response.json() }
}

pub(crate) fn send(gateway: &Gateway, queue: &str, body: &str) {
    let url = queue_url(gateway, queue);
    action(gateway, "SendMessage", &json!({"QueueUrl": url, "MessageBody": body}));
}

/// (visible, in flight, delayed)
pub(crate) fn counts(gateway: &Gateway, queue: &str) -> (u64, u64, u64) {
    let url = queue_url(gateway, queue);
    let input = json!({"QueueUrl": url, "AttributeNames": ["All"]});
    let attributes = &action(gateway, "GetQueueAttributes", &input)["Attributes"];
    let count = |name: &str| attributes[name].as_str().unwrap().parse().unwrap();
    (
        count("ApproximateNumberOfMessages"),
        count("ApproximateNumberOfMessagesNotVisible"),
        count("ApproximateNumberOfMessagesDelayed"),
    )
}

/// Returns once the queue holds nothing.
pub(crate) fn wait_until_empty(gateway: &Gateway, queue: &str) {
    until_some(PATIENCE, &format!("{queue} to be empty"), || {
        (counts(gateway, queue) == (0, 0, 0)).then_some(())
    });
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Whether a process runs; one that nobody has reaped yet does not.
fn is_alive(process_id: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
