//! What karin sends again when the connection to Redis breaks under it, and what it never does.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Queue;

/// More than any command of these tests is long.
const BUFFER_BYTES: usize = 16 * 1_024;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stands between karin and its Redis, and on demand loses the answer to one command together with
/// the connection.
pub(super) struct Relay {
    directory: TempDir,
    wanted: Arc<Mutex<Option<&'static str>>>,
}

impl Relay {
    pub(super) fn start(redis: &RedisServer) -> Self {
        let relay = Self { directory: tempfile::tempdir().unwrap(), wanted: Arc::default() };
        let listener = UnixListener::bind(relay.path()).unwrap();
        let (target, wanted) = (redis.socket_path(), Arc::clone(&relay.wanted));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, wanted) = (target.clone(), Arc::clone(&wanted));
                std::thread::spawn(move || serve(client, &target, &wanted));
            }
        });
        relay
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("relay.sock")
    }

    /// The answer to the next command of this name is lost.
    pub(super) fn lose_answer_to(&self, command: &'static str) {
        *lock(&self.wanted) = Some(command);
    }

    pub(super) fn has_lost(&self) -> bool {
        lock(&self.wanted).is_none()
    }
}

/// One connection: commands go through, and what answers them until one is to be lost.
fn serve(mut client: UnixStream, target: &Path, wanted: &Mutex<Option<&'static str>>) {
    let Ok(mut redis) = UnixStream::connect(target) else { return };
    let losing = Arc::new(Mutex::new(false));
    let (from, to) = (redis.try_clone().unwrap(), client.try_clone().unwrap());
    let told = Arc::clone(&losing);
    std::thread::spawn(move || answer(from, to, &told));
    let mut buffer = [0; BUFFER_BYTES];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        let is_wanted = |command: &&str| text.contains(&format!("\r\n{command}\r\n"));
        if lock(wanted).take_if(|command| is_wanted(command)).is_some() {
            *lock(&losing) = true;
        }
        if redis.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _gone_is_fine = redis.shutdown(std::net::Shutdown::Both);
}

/// Passes answers on until one is to be lost: Redis has done the work by the time it answers.
fn answer(mut redis: UnixStream, mut client: UnixStream, losing: &Mutex<bool>) {
    let mut buffer = [0; BUFFER_BYTES];
    while let Ok(count @ 1..) = redis.read(&mut buffer) {
        if *lock(losing) || client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _gone_is_fine = client.shutdown(std::net::Shutdown::Both);
}

struct Scene {
    relay: Relay,
    queue: Queue,
    /// Dropped before its Redis.
    _gateway: Gateway,
    redis: RedisServer,
}

impl Scene {
    fn new() -> Self {
        let redis = RedisServer::start(&[]);
        let relay = Relay::start(&redis);
        let url = format!("unix://{}", relay.path().display());
        let gateway = Gateway::start_with(&["--redis-url", &url], &[]);
        let queue = Queue::create(gateway.http(), "orders");
        Self { relay, queue, _gateway: gateway, redis }
    }

    /// Calls an action whose command's answer is lost; its status, and how often Redis was given
    /// that command in all.
    fn lose(&self, command: &'static str, action: &str, input: Value) -> (u16, usize) {
        self.relay.lose_answer_to(command);
        let status = self.queue.call(action, input).status;
        assert!(self.relay.has_lost(), "{command} was given");
        wait::until(wait::PATIENCE, "the connection", || {
            self.queue.call("GetQueueAttributes", json!({})).status == 200
        });
        let given = self.redis.info("commandstats");
        let prefix = format!("cmdstat_{}:calls=", command.to_ascii_lowercase());
        let line = given.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next());
        (status, line.map_or(0, |calls| calls.parse().unwrap()))
    }
}

#[test]
fn a_message_and_a_batch_whose_answers_are_lost_are_not_sent_again() {
    let scene = Scene::new();
    let message = json!({ "MessageBody": "one" });
    assert_eq!(scene.lose("KARIN.SEND", "SendMessage", message), (503, 1));
    let entries = ["a", "b"].map(|id| json!({ "Id": id, "MessageBody": id }));
    let batch = json!({ "Entries": entries });
    assert_eq!(scene.lose("KARIN.SENDM", "SendMessageBatch", batch), (503, 1));
    assert_eq!(scene.queue.bodies(json!({ "MaxNumberOfMessages": 10 })), ["one", "a", "b"]);
}

#[test]
fn a_receive_whose_answer_is_lost_is_not_repeated() {
    let scene = Scene::new();
    scene.queue.send("one");
    scene.queue.send("two");
    // With its key, and not counted: karin looks for move tasks with the same command.
    let command = "KARIN.POPDUE\r\n$14\r\nkarin:{orders}";
    assert_eq!(scene.lose(command, "ReceiveMessage", json!({})).0, 503);
    assert_eq!(scene.queue.bodies(json!({ "MaxNumberOfMessages": 10 })), ["two"]);
}

#[test]
fn a_deletion_and_a_change_whose_answers_are_lost_are_repeated() {
    let scene = Scene::new();
    scene.queue.send("one");
    let message = scene.queue.receive(json!({})).remove(0);
    let handle = &message["ReceiptHandle"];
    let change = |id: &str| json!({ "Id": id, "ReceiptHandle": handle, "VisibilityTimeout": 60 });
    let batch = json!({ "Entries": [change("a"), change("b")] });
    assert_eq!(scene.lose("KARIN.EXTEND", "ChangeMessageVisibilityBatch", batch), (200, 2));
    let delete = json!({ "ReceiptHandle": handle });
    assert_eq!(scene.lose("KARIN.ACK", "DeleteMessage", delete), (200, 2));
    let counts = scene.queue.call("GetQueueAttributes", json!({ "AttributeNames": ["All"] }));
    assert_eq!(counts.json()["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "0");
}
