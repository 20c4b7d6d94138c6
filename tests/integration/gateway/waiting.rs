//! Long polls: who is woken, when, and at what cost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait;
use serde_json::{Value, json};

use super::Queue;

const KEY: &str = "karin:{orders}";

/// So long nobody has asked: then nobody is about to.
const QUIET: Duration = Duration::from_millis(100);

struct Scene {
    redis: RedisServer,
    gateway: Gateway,
    queue: Queue,
}

impl Scene {
    /// A client asks for messages, which it would hide for long, and is gone before the answer.
    fn ask_and_leave(&self, mut input: Value) {
        // Redis holds still, so that the client is gone when it answers.
        self.redis.freeze();
        let mut client = TcpStream::connect(("127.0.0.1", self.gateway.port())).unwrap();
        input["QueueUrl"] = self.queue.url().into();
        input["VisibilityTimeout"] = 600.into();
        let body = input.to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.0\r\n\
             X-Amz-Target: AmazonSQS.ReceiveMessage\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        client.write_all(format!("{head}{body}").as_bytes()).unwrap();
        assert_eq!(self.gateway.http().get("/healthz").status, 200);
        client.shutdown(Shutdown::Write).unwrap();
        // The gateway ends the connection once it has noticed.
        assert_eq!(client.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
        self.redis.thaw();
        // Goes the same way to Redis as what was asked, if it was, and behind it.
        let answer = self.queue.call("GetQueueAttributes", json!({"AttributeNames": ["All"]}));
        assert_eq!(answer.status, 200);
    }

    fn new() -> Self {
        let redis = RedisServer::start(&[]);
        let gateway = Gateway::start(&redis, &[]);
        let queue = Queue::create(gateway.http(), "orders");
        Self { redis, gateway, queue }
    }

    fn queue(&self) -> Queue {
        Queue { http: self.gateway.http(), name: "orders" }
    }

    /// The same on a FIFO queue, which redis-cli makes.
    fn fifo() -> Self {
        let redis = RedisServer::start(&[]);
        let gateway = Gateway::start(&redis, &[]);
        let key = "karin:{orders.fifo}";
        redis.cli(&["KARIN.CREATE", key, "FIFO", "ContentBasedDeduplication", "true"]);
        let queue = Queue { http: gateway.http(), name: "orders.fifo" };
        Self { redis, gateway, queue }
    }

    /// A client is served and has left. One who leaves very early is not served at all.
    fn until_served(&self, input: &Value) {
        wait::until(wait::PATIENCE, "one who is served and has left", || {
            self.ask_and_leave(input.clone());
            // The gateway itself looks for move tasks, and there is no queue of them.
            self.calls("popdue") > self.failed_calls("popdue")
        });
    }

    /// A long poll of 20 s in a thread; gives the messages and when they came.
    fn poll(&self) -> JoinHandle<(Vec<Value>, Instant)> {
        let queue = self.queue();
        std::thread::spawn(move || {
            let messages = queue.receive(json!({ "WaitTimeSeconds": 20 }));
            (messages, Instant::now())
        })
    }

    /// Returns when somebody waits and all is quiet: the look after the subscription is over.
    fn until_quiet(&self, polls: u64) {
        wait::until(wait::PATIENCE, "the subscription", || {
            self.redis.cli(&["PUBSUB", "NUMSUB", "karin:due:karin:{orders}"]).ends_with('1')
        });
        let mut last = (0, Instant::now());
        wait::until(wait::PATIENCE, "quiet", || {
            let calls = self.calls("popdue");
            if calls != last.0 {
                last = (calls, Instant::now());
            }
            calls > polls && last.1.elapsed() > QUIET
        });
    }

    fn calls(&self, command: &str) -> u64 {
        self.count(command, "calls")
    }

    fn failed_calls(&self, command: &str) -> u64 {
        self.count(command, "failed_calls")
    }

    fn count(&self, command: &str, what: &str) -> u64 {
        let stats = self.redis.info("commandstats");
        let prefix = format!("cmdstat_karin.{command}:");
        let line = stats.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default();
        let numbers = line.split(',').filter_map(|field| field.split_once('='));
        let number = numbers.into_iter().find(|(name, _)| *name == what);
        number.map_or(0, |(_, number)| number.trim().parse().unwrap())
    }
}

#[test]
fn a_message_from_redis_cli_wakes_a_poll_at_once() {
    let scene = Scene::new();
    let poll = scene.poll();
    scene.until_quiet(1);
    let sent = Instant::now();
    scene.redis.cli(&["KARIN.SEND", KEY, "hi"]);
    let (messages, came) = poll.join().unwrap();
    assert_eq!(messages[0]["Body"], "hi");
    assert!(came - sent < Duration::from_secs(1), "{:?}", came - sent);
}

// contract: 7.2-wakes-send
#[test]
fn a_message_of_our_own_wakes_a_poll_at_once() {
    let scene = Scene::new();
    let poll = scene.poll();
    scene.until_quiet(1);
    let sent = Instant::now();
    scene.queue.send("hi");
    let (messages, came) = poll.join().unwrap();
    assert_eq!(messages[0]["Body"], "hi");
    assert!(came - sent < Duration::from_secs(1), "{:?}", came - sent);
}

// contract: 7.2-wakes-delay
#[test]
fn a_delayed_message_comes_when_it_is_due_and_not_before() {
    let scene = Scene::new();
    let poll = scene.poll();
    scene.until_quiet(1);
    let sent = Instant::now();
    scene.redis.cli(&["KARIN.SEND", KEY, "hi", "DELAY", "0.7"]);
    let accepted = Instant::now();
    let (messages, came) = poll.join().unwrap();
    assert_eq!(messages[0]["Body"], "hi");
    assert!(came - sent >= Duration::from_millis(700), "{:?} is early", came - sent);
    assert!(came - accepted < Duration::from_millis(900), "{:?} is late", came - accepted);
}

// contract: 7.2-wakes-lapse
#[test]
fn a_message_that_was_not_deleted_comes_back_to_a_poll_when_its_lease_ends() {
    let scene = Scene::new();
    scene.queue.send("hi");
    let taken = Instant::now();
    assert_eq!(scene.queue.bodies(json!({ "VisibilityTimeout": 1 })), ["hi"]);
    let (messages, came) = scene.poll().join().unwrap();
    assert_eq!(messages[0]["Attributes"]["ApproximateReceiveCount"], "2");
    assert!(came - taken >= Duration::from_millis(990), "{:?}", came - taken);
    assert!(came - taken < Duration::from_secs(3), "{:?}", came - taken);
}

// contract: 7.2-wakes-change, 7.1-change
#[test]
fn visibility_0_wakes_a_poll() {
    let scene = Scene::new();
    scene.queue.send("hi");
    let message = scene.queue.receive(json!({})).remove(0);
    let poll = scene.poll();
    scene.until_quiet(2);
    let input = json!({ "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0 });
    let changed = Instant::now();
    assert_eq!(scene.queue.call("ChangeMessageVisibility", input).status, 200);
    let (messages, came) = poll.join().unwrap();
    assert_eq!(messages[0]["MessageId"], message["MessageId"]);
    assert!(came - changed < Duration::from_secs(1));
}

// contract: 7.2-long-poll, 7.2-in-time
#[test]
fn a_poll_that_gets_nothing_ends_empty_at_its_time() {
    let scene = Scene::new();
    let start = Instant::now();
    assert!(scene.queue.receive(json!({ "WaitTimeSeconds": 1 })).is_empty());
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
}

// contract: 7.2-effective-wait
#[test]
fn the_queues_own_wait_counts_where_none_is_given() {
    let scene = Scene::new();
    scene.redis.cli(&["KARIN.SET", KEY, "ReceiveMessageWaitTimeSeconds", "1"]);
    let start = Instant::now();
    assert!(scene.queue.receive(json!({})).is_empty());
    assert!(start.elapsed() >= Duration::from_secs(1));
    let start = Instant::now();
    assert!(scene.queue.receive(json!({ "WaitTimeSeconds": 0 })).is_empty());
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
}

#[test]
fn of_many_polls_one_is_woken_for_one_message() {
    let scene = Scene::new();
    let polls: Vec<_> = (0..8).map(|_| scene.poll()).collect();
    scene.until_quiet(8);
    let before = scene.calls("popdue");
    scene.redis.cli(&["KARIN.SEND", KEY, "one"]);
    wait::until(wait::PATIENCE, "the first answer", || polls.iter().any(JoinHandle::is_finished));
    assert_eq!(scene.calls("popdue"), before + 1);
    for _ in 0..7 {
        scene.redis.cli(&["KARIN.SEND", KEY, "more"]);
    }
    for poll in polls {
        assert_eq!(poll.join().unwrap().0.len(), 1);
    }
}

#[test]
fn a_batch_wakes_as_many_polls_as_it_has_messages() {
    let scene = Scene::new();
    let polls: Vec<_> = (0..5).map(|_| scene.poll()).collect();
    scene.until_quiet(5);
    let entries: Vec<Value> =
        (0..5).map(|n| json!({ "Id": n.to_string(), "MessageBody": "x" })).collect();
    let answer = scene.queue.call("SendMessageBatch", json!({ "Entries": entries }));
    assert_eq!(answer.status, 200, "{answer:?}");
    for poll in polls {
        assert_eq!(poll.join().unwrap().0.len(), 1);
    }
}

#[test]
fn who_waits_asks_nothing() {
    let scene = Scene::new();
    let queue = scene.queue();
    let poll = std::thread::spawn(move || queue.receive(json!({ "WaitTimeSeconds": 3 })));
    scene.until_quiet(1);
    let commands = || -> u64 {
        let info = scene.redis.info("stats");
        let field = "total_commands_processed:";
        info.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim().parse().unwrap()
    };
    let (before, after_one_look) = (commands(), commands());
    assert!(poll.join().unwrap().is_empty());
    assert_eq!(commands() - after_one_look, after_one_look - before, "only we have asked");
}

// contract: 7.2-queue-deleted
#[test]
fn a_queue_deleted_during_a_poll_ends_it() {
    let scene = Scene::new();
    let queue = scene.queue();
    let poll =
        std::thread::spawn(move || queue.call("ReceiveMessage", json!({ "WaitTimeSeconds": 20 })));
    scene.until_quiet(1);
    let start = Instant::now();
    assert_eq!(scene.queue.call("DeleteQueue", json!({})).status, 200);
    let answer = poll.join().unwrap();
    assert!(answer.text().contains("QueueDoesNotExist"), "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_queue_that_was_deleted_and_made_again_still_wakes_its_polls() {
    let scene = Scene::new();
    let poll = scene.poll();
    scene.until_quiet(1);
    scene.redis.cli(&["DEL", KEY]);
    scene.redis.cli(&["KARIN.SEND", KEY, "reborn"]);
    let (messages, _) = poll.join().unwrap();
    assert_eq!(messages[0]["Body"], "reborn");
}

// contract: 7.2-client-gone
#[test]
fn what_was_taken_for_one_who_left_comes_back_uncounted() {
    let scene = Scene::new();
    scene.queue.send("hi");
    scene.until_served(&json!({}));
    wait::until(wait::PATIENCE, "the return", || scene.calls("release") == 1);
    let messages = scene.queue.receive(json!({}));
    assert_eq!(messages[0]["Attributes"]["ApproximateReceiveCount"], "1");
}

#[test]
fn what_was_taken_of_a_group_for_one_who_left_comes_back_in_order_and_uncounted() {
    let scene = Scene::fifo();
    for body in ["a", "b", "c"] {
        let message = json!({ "MessageBody": body, "MessageGroupId": "g" });
        assert_eq!(scene.queue.call("SendMessage", message).status, 200);
    }
    scene.until_served(&json!({ "MaxNumberOfMessages": 2 }));
    wait::until(wait::PATIENCE, "the return", || scene.calls("release") == 1);
    let messages = scene.queue.receive(json!({ "MaxNumberOfMessages": 10 }));
    let seen = messages.iter().map(|m| (&m["Body"], &m["Attributes"]["ApproximateReceiveCount"]));
    let seen: Vec<String> = seen.map(|(body, count)| format!("{body} {count}")).collect();
    assert_eq!(seen, ["\"a\" \"1\"", "\"b\" \"1\"", "\"c\" \"1\""]);
}

#[test]
fn what_was_taken_in_an_attempt_for_one_who_left_waits_for_the_repetition() {
    let scene = Scene::fifo();
    let message = json!({ "MessageBody": "a", "MessageGroupId": "g" });
    assert_eq!(scene.queue.call("SendMessage", message).status, 200);
    let attempt = json!({ "ReceiveRequestAttemptId": "A" });
    scene.until_served(&attempt);
    assert!(scene.queue.receive(json!({})).is_empty(), "it waits");
    let again = scene.queue.receive(attempt);
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "1");
    // Its receipt is good: nothing was given back under it.
    let input = json!({ "ReceiptHandle": again[0]["ReceiptHandle"] });
    assert_eq!(scene.queue.call("DeleteMessage", input).status, 200);
    assert_eq!(scene.calls("release"), 0);
}
