//! A long run: functions that fail, hang and crash by chance, and two gateways killed in turn.
//!
//! What must come out: every message is deleted after a run that was done with it, or lies in the
//! dead-letter queue, once; none is lost, and none ran twice at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::until;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::endpoint::{Endpoint, Invocation, Reply};
use super::{action, counts, queue_url};

/// Between two kills.
const KILL_EVERY: Duration = Duration::from_secs(4);
/// Between two looks at the queue.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long everything may take, whatever the machine.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long a function behind the endpoint runs.
const RUN: Duration = Duration::from_millis(20);
/// Every so many messages one fails whatever happens.
const POISON_EVERY: usize = 50;
const MAP: &str = "work=f,batch_size=10,concurrency=4,report_batch_item_failures=true";

/// What the function has noted.
#[derive(Debug, Default)]
struct Notes {
    /// Runs begun, by message.
    started: BTreeMap<String, usize>,
    /// Runs the function was done with the message in, by message.
    done: BTreeMap<String, usize>,
    overlaps: Vec<String>,
    crashes: usize,
    hangs: usize,
}

impl Notes {
    fn read(directory: &Path) -> Self {
        let mut notes = Self::default();
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with("log.") {
                let text = fs::read_to_string(entry.path()).unwrap();
                text.lines().for_each(|line| notes.note(line));
            }
        }
        notes
    }

    fn note(&mut self, line: &str) {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["start", body, _] => *self.started.entry((*body).to_owned()).or_default() += 1,
            ["done", body] => *self.done.entry((*body).to_owned()).or_default() += 1,
            ["OVERLAP", body] => self.overlaps.push((*body).to_owned()),
            ["crash"] => self.crashes += 1,
            ["hang"] => self.hangs += 1,
            // Cut off by a kill.
            _ => {}
        }
    }
}

fn function() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("locks")).unwrap();
    fs::write(directory.path().join("function.py"), include_str!("function.py")).unwrap();
    directory
}

/// A function behind an endpoint that throttles, breaks, fails and cuts connections by chance.
#[derive(Default)]
struct Rough {
    notes: Mutex<Notes>,
    running: Mutex<BTreeSet<String>>,
    /// Invocations that were refused: they ran nothing.
    refused: AtomicUsize,
    asked: AtomicUsize,
}

impl Rough {
    fn answer(&self, invocation: &Invocation) -> Reply {
        // Any spread of 0 to 999 is chance enough.
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let chance = (asked.wrapping_mul(2_654_435_761) >> 16) % 1_000;
        if chance < 60 {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return match chance {
                0..40 => Reply::error(429, "TooManyRequestsException"),
                _ => Reply::error(500, "ServiceException"),
            };
        }
        let bodies: Vec<String> = invocation.bodies().iter().map(|b| (*b).to_owned()).collect();
        self.run(&bodies);
        if chance < 80 {
            self.notes.lock().unwrap().crashes += 1;
            return Reply::Cut;
        }
        if chance < 120 {
            let failed = ("X-Amz-Function-Error", "Unhandled".to_owned());
            return Reply::Http(200, vec![failed], r#"{"errorMessage":"no luck"}"#.to_owned());
        }
        let records = invocation.event["Records"].as_array().unwrap();
        let is_poison = |record: &&Value| record["body"].as_str().unwrap().ends_with("-poison");
        let failures: Vec<Value> = records
            .iter()
            .filter(is_poison)
            .map(|record| json!({"itemIdentifier": record["messageId"]}))
            .collect();
        let mut notes = self.notes.lock().unwrap();
        for body in bodies.iter().filter(|body| !body.ends_with("-poison")) {
            notes.note(&format!("done {body}"));
        }
        Reply::ok(&json!({"batchItemFailures": failures}).to_string())
    }

    /// Takes its time, and notes what runs already.
    fn run(&self, bodies: &[String]) {
        let mut running = self.running.lock().unwrap();
        let mut notes = self.notes.lock().unwrap();
        for body in bodies {
            notes.note(&format!("start {body} 0"));
            if !running.insert(body.clone()) {
                notes.note(&format!("OVERLAP {body}"));
            }
        }
        drop((running, notes));
        std::thread::sleep(RUN);
        let mut running = self.running.lock().unwrap();
        for body in bodies {
            running.remove(body);
        }
    }
}

fn create_queues(gateway: &Gateway) {
    action(gateway, "CreateQueue", &json!({"QueueName": "dead"}));
    let redrive = json!({
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 5,
    });
    let attributes = json!({"VisibilityTimeout": "1", "RedrivePolicy": redrive.to_string()});
    let input = json!({"QueueUrl": queue_url(gateway, "work"), "Attributes": attributes});
    action(gateway, "SetQueueAttributes", &input);
}

fn send_all(gateway: &Gateway, messages: usize) -> BTreeSet<String> {
    let body = |n: usize| format!("m{n}{}", if n % POISON_EVERY == 7 { "-poison" } else { "" });
    let bodies: Vec<String> = (0..messages).map(body).collect();
    for chunk in bodies.chunks(10) {
        let entries: Vec<Value> = chunk
            .iter()
            .enumerate()
            .map(|(n, body)| json!({"Id": n.to_string(), "MessageBody": body}))
            .collect();
        let input = json!({"QueueUrl": queue_url(gateway, "work"), "Entries": entries});
        let answer = action(gateway, "SendMessageBatch", &input);
        assert_eq!(answer["Successful"].as_array().map(Vec::len), Some(chunk.len()));
    }
    bodies.into_iter().collect()
}

/// All bodies in the dead-letter queue, which is emptied.
fn dead_letters(gateway: &Gateway) -> Vec<String> {
    let url = queue_url(gateway, "dead");
    let mut bodies = Vec::new();
    loop {
        let input = json!({
            "QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600,
        });
        let answer = action(gateway, "ReceiveMessage", &input);
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            return bodies;
        }
        bodies.extend(messages.iter().map(|m| m["Body"].as_str().unwrap().to_owned()));
    }
}

/// Whether this is the long run.
fn is_long() -> bool {
    std::env::var_os("KARIN_TEST_LONG").is_some()
}

fn messages() -> usize {
    if is_long() { 20_000 } else { 2_000 }
}

/// Kills the gateways in turn until the queue is empty. Returns how often.
fn kill_in_turn(gateways: &mut [Gateway; 2]) -> usize {
    let started = Instant::now();
    let mut kills = 0;
    let mut next_look = started;
    let mut next_kill = started + KILL_EVERY / 2;
    until(PATIENCE, "the queue to be empty", || {
        if Instant::now() >= next_kill && (is_long() || kills < 4) {
            gateways[kills % 2].restart();
            kills += 1;
            next_kill = Instant::now() + KILL_EVERY;
        }
        // Looking more often would be a load of its own.
        let looks = Instant::now() >= next_look;
        if looks {
            next_look = Instant::now() + LOOK_EVERY;
        }
        looks && counts(&gateways[0], "work") == (0, 0, 0)
    });
    eprintln!("{} messages in {:?}, {kills} kills", messages(), started.elapsed());
    kills
}

#[test]
fn nothing_is_lost_and_nothing_runs_twice_at_once_while_functions_and_gateways_die() {
    let redis = RedisServer::start(&[]);
    let code = function();
    let function =
        format!("f={},timeout=2,concurrency=4,command=python3 function.py", code.path().display());
    let arguments = ["--function", &function, "--map", MAP];
    let mut gateways = [Gateway::start(&redis, &arguments), Gateway::start(&redis, &arguments)];
    create_queues(&gateways[0]);
    let sent = send_all(&gateways[0], messages());
    let kills = kill_in_turn(&mut gateways);
    let dead = dead_letters(&gateways[0]);
    let notes = Notes::read(code.path());
    check(&sent, &dead, &notes, kills);
    let trials = notes.crashes + notes.hangs;
    assert!(kills > 0 && trials > 0, "the run was no trial");
    assert!(!is_long() || notes.crashes > 0 && notes.hangs > 0, "the run was no trial");
}

#[test]
fn nothing_is_lost_and_nothing_runs_twice_at_once_while_an_endpoint_throttles_fails_and_cuts() {
    let redis = RedisServer::start(&[]);
    let rough = Arc::new(Rough::default());
    let ours = Arc::clone(&rough);
    let endpoint = Endpoint::start(move |invocation| ours.answer(invocation));
    let map = format!("{MAP},timeout=2");
    let arguments = ["--lambda-endpoint", endpoint.url(), "--sync-interval", "off", "--map", &map];
    let mut gateways = [Gateway::start(&redis, &arguments), Gateway::start(&redis, &arguments)];
    create_queues(&gateways[0]);
    let sent = send_all(&gateways[0], messages());
    let kills = kill_in_turn(&mut gateways);
    let dead = dead_letters(&gateways[0]);
    let notes = std::mem::take(&mut *rough.notes.lock().unwrap());
    check(&sent, &dead, &notes, kills);
    let refused = rough.refused.load(Ordering::Relaxed);
    let cuts = notes.crashes;
    assert!(kills > 0 && refused > 0 && cuts > 0, "no trial: {kills}, {refused}, {cuts}");
}

fn check(sent: &BTreeSet<String>, dead: &[String], notes: &Notes, kills: usize) {
    let buried: BTreeSet<String> = dead.iter().cloned().collect();
    assert_eq!(buried.len(), dead.len(), "a letter lies there twice");
    assert!(buried.is_subset(sent));
    let lost: Vec<&String> =
        sent.iter().filter(|m| !buried.contains(*m) && !notes.done.contains_key(*m)).collect();
    assert!(lost.is_empty(), "deleted without a run that was done with them: {lost:?}");
    let healed: Vec<&String> =
        sent.iter().filter(|m| m.ends_with("-poison") && !buried.contains(*m)).collect();
    assert!(healed.is_empty(), "these can only die: {healed:?}");
    assert_eq!(notes.overlaps, Vec::<String>::new(), "ran twice at the same time");
    // Only what a gateway was about to delete when it was killed runs again.
    let twice = notes.done.values().filter(|&&runs| runs > 1).count();
    assert!(twice <= kills * 4 * 10, "{twice} messages were done twice, with {kills} kills");
}
