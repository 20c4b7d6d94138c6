//! Everything is killed under load, again and again, and no acknowledged message is lost.

mod movers;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::http::Connection;
use karin_tests::redis::RedisServer;
use karin_tests::{http, wait};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::json;
use tempfile::TempDir;

const QUEUE: &str = "faults";
/// A killed function's messages come back when their lease ends: this and ten seconds.
const FUNCTION_TIMEOUT_SECONDS: u32 = 3;
const SENDERS: u64 = 3;
/// What must be acknowledged between two kills, so that each hits a system at work.
const MESSAGES_BETWEEN_KILLS: usize = 60;
/// Senders wait while more than this is sent and not seen: the function is a shell script.
const BACKLOG_MAX: usize = 400;

/// The function, and the files it writes.
struct Recorder {
    directory: TempDir,
}

impl Recorder {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bootstrap = directory.path().join("bootstrap");
        std::fs::write(&bootstrap, include_str!("record")).unwrap();
        std::fs::set_permissions(&bootstrap, PermissionsExt::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Every line of `file`, but for a last one that is still being written.
    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path().join(file)).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(str::to_owned).collect()
    }

    fn seen(&self) -> BTreeSet<String> {
        self.lines("seen").into_iter().collect()
    }

    /// How many records it got, the same one twice counted twice.
    fn runs(&self) -> usize {
        let bytes = std::fs::read(self.path().join("seen")).unwrap_or_default();
        bytes.into_iter().filter(|byte| *byte == b'\n').count()
    }

    /// The processes of the function that are alive.
    fn alive(&self) -> Vec<Pid> {
        let lives = self.lines("lives");
        let pids = lives.iter().filter_map(|line| Pid::from_raw(line.parse().ok()?));
        pids.filter(|pid| test_kill_process(*pid).is_ok()).collect()
    }
}

/// Senders that note what was acknowledged.
struct Load<'a> {
    port: u16,
    recorder: &'a Recorder,
    acknowledged: Mutex<BTreeSet<String>>,
    attempts: AtomicU64,
    done: AtomicBool,
}

impl Load<'_> {
    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// Sends until done; whatever fails is not counted and not sent again.
    fn send(&self, url: &str) {
        let mut connection = None;
        while !self.is_done() {
            wait::until(Duration::from_mins(2), "the function to catch up", || {
                self.is_done() || self.acknowledged() < self.recorder.runs() + BACKLOG_MAX
            });
            for _ in 0..10 {
                if connection.is_none() {
                    connection = http::Client::new(self.port).try_connect().ok();
                }
                let Some(open) = &mut connection else { break };
                if self.send_some(open, url).is_err() {
                    connection = None;
                }
            }
        }
    }

    /// One message, a batch, or a delayed message, in turn.
    fn send_some(&self, connection: &mut Connection, url: &str) -> std::io::Result<()> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let body = |n: u64| format!("m-{attempt}-{n}");
        let (action, request, bodies) = match attempt % 4 {
            0 => {
                let entries = (0..3).map(|n| json!({"Id": n.to_string(), "MessageBody": body(n)}));
                let request = json!({"QueueUrl": url, "Entries": entries.collect::<Vec<_>>()});
                ("SendMessageBatch", request, (0..3).map(body).collect())
            }
            1 => {
                let request = json!({"QueueUrl": url, "MessageBody": body(0), "DelaySeconds": 1});
                ("SendMessage", request, vec![body(0)])
            }
            _ => {
                let request = json!({"QueueUrl": url, "MessageBody": body(0)});
                ("SendMessage", request, vec![body(0)])
            }
        };
        let target = format!("AmazonSQS.{action}");
        let headers = [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", &target)];
        let request = request.to_string();
        let response = connection.try_request("POST", "/", &headers, request.as_bytes())?;
        match response.status {
            200 => {
                assert!(!response.text().contains("\"Failed\""), "{}", response.text());
                let mut acknowledged =
                    self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
                acknowledged.extend(bodies);
            }
            503 => {}
            status => panic!("{status}: {}", response.text()),
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Victim {
    Karin,
    Function,
    Redis,
}

/// Kills one part and starts it again, if nobody else does.
fn kill(victim: Victim, gateway: &mut Gateway, redis: &mut RedisServer, recorder: &Recorder) {
    match victim {
        Victim::Karin => {
            let functions = recorder.alive();
            gateway.kill();
            wait::until(wait::PATIENCE, "the death of the functions with karin", || {
                functions.iter().all(|pid| test_kill_process(*pid).is_err())
            });
            gateway.restart();
        }
        Victim::Function => {
            for pid in recorder.alive() {
                let _gone_is_fine = kill_process(pid, Signal::KILL);
            }
        }
        Victim::Redis => redis.restart(),
    }
}

/// Waits until messages are accepted again and `MESSAGES_BETWEEN_KILLS` of them were.
fn wait_for_load(load: &Load, victim: Option<Victim>) {
    let before = load.acknowledged();
    let what = format!("messages to be accepted after the death of {victim:?}");
    wait::until(wait::PATIENCE, &what, || load.acknowledged() >= before + MESSAGES_BETWEEN_KILLS);
}

fn check(victims: &[Victim]) {
    // "always": what a killed Redis has acknowledged is in its file, whatever the disk does.
    let mut redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let recorder = Recorder::new();
    let directory = recorder.path().display();
    let function = format!("record={directory},timeout={FUNCTION_TIMEOUT_SECONDS}");
    let map = format!("{QUEUE}=record,batch_size=5");
    let mut gateway = Gateway::start(&redis, &["--function", &function, "--map", &map]);
    let url = format!("{}/000000000000/{QUEUE}", gateway.url());
    let load = Load {
        port: gateway.port(),
        recorder: &recorder,
        acknowledged: Mutex::default(),
        attempts: AtomicU64::new(0),
        done: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let stop = Stop(&load.done);
        for _ in 0..SENDERS {
            scope.spawn(|| load.send(&url));
        }
        wait_for_load(&load, None);
        for victim in victims {
            kill(*victim, &mut gateway, &mut redis, &recorder);
            wait_for_load(&load, Some(*victim));
        }
        drop(stop);
    });
    let acknowledged = load.acknowledged.into_inner().unwrap();
    let mut missing = Vec::new();
    let patience = Duration::from_secs(u64::from(FUNCTION_TIMEOUT_SECONDS) + 10) * 3;
    wait::until(patience.max(Duration::from_mins(1)), "every acknowledged message", || {
        missing = acknowledged.difference(&recorder.seen()).cloned().collect();
        missing.is_empty()
    });
    assert_eq!(missing, Vec::<String>::new());
    wait::until(wait::PATIENCE, "an empty queue", || counts(&gateway, &url) == [0, 0, 0]);
    assert_eq!(redis.cli(&["KARIN.DEBUG", "CHECK", &format!("karin:{{{QUEUE}}}")]), "OK");
    let runs = recorder.runs();
    println!("{} acknowledged, {runs} seen, {} kills", acknowledged.len(), victims.len());
}

/// Ends the senders, also when the test panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn counts(gateway: &Gateway, url: &str) -> [u64; 3] {
    let request = json!({"QueueUrl": url, "AttributeNames": ["All"]});
    let response = gateway.http().json("GetQueueAttributes", &request.to_string()).json();
    ["", "NotVisible", "Delayed"].map(|which| {
        let value = &response["Attributes"][format!("ApproximateNumberOfMessages{which}")];
        value.as_str().and_then(|v| v.parse().ok()).unwrap_or_else(|| panic!("{response}"))
    })
}

/// Twenty times, with `KARIN_TEST_LONG` (`make test-long`); else once each.
#[test]
fn no_acknowledged_message_is_lost_whatever_is_killed() {
    let long = std::env::var_os("KARIN_TEST_LONG").is_some();
    let round = [Victim::Karin, Victim::Function, Victim::Redis];
    check(&round.repeat(if long { 20 } else { 1 }));
}
