//! Who moves messages from queue to queue is killed in the middle, and each arrives once.

use std::collections::BTreeSet;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:";
/// Longer than any lease a dead gateway leaves behind.
const LEASES_END: &str = "61";

struct Scene {
    // Dropped first, so that they never miss their Redis.
    gateways: [Gateway; 2],
    redis: RedisServer,
}

impl Scene {
    /// Two gateways, a queue whose messages die after one receive, and where they go.
    fn new(suffix: &str) -> Self {
        let redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
        let gateways = [Gateway::start(&redis, &[]), Gateway::start(&redis, &[])];
        let scene = Self { gateways, redis };
        let arn = format!("{ARN}dlq{suffix}");
        let source = [&key("q", suffix), "maxReceiveCount", "1", "deadLetterTargetArn", &arn];
        let fifo: &[&str] = if suffix.is_empty() { &[] } else { &["FIFO"] };
        scene.cli(&[&["KARIN.CREATE"], &source[..], fifo].concat());
        scene.cli(&[&["KARIN.CREATE", &key("dlq", suffix)], fifo].concat());
        scene
    }

    fn cli(&self, command: &[&str]) -> String {
        self.redis.cli(command)
    }

    fn info(&self, key: &str, field: &str) -> u64 {
        let info = self.cli(&["KARIN.INFO", key]);
        let number = info.lines().skip_while(|line| *line != field).nth(1);
        number.and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("no {field} in {info}"))
    }

    fn send(&self, key: &str, from: u64, count: u64) {
        let numbers: Vec<String> = (from..from + count).map(|n| n.to_string()).collect();
        let (total, is_fifo) = (count.to_string(), key.contains(".fifo"));
        let mut command = vec!["KARIN.SENDM", key, &total];
        for number in &numbers {
            command.extend(["MSG", number]);
            if is_fifo {
                command.extend(["GROUP", "g", "DEDUP", number]);
            }
        }
        let answer = self.cli(&command);
        assert!(!answer.contains("KARIN"), "{answer}");
    }

    /// Every message from 0 up to `count`, each once, and in order where that is promised.
    fn check(&self, key: &str, count: u64) {
        let mut bodies = Vec::new();
        let mut after = "0".to_owned();
        while !after.is_empty() {
            let page = self.cli(&["KARIN.PEEK", key, "AFTER", &after, "COUNT", "1000"]);
            let lines: Vec<&str> = page.lines().collect();
            let states = lines.iter().enumerate().filter(|(_, line)| **line == "ready");
            bodies.extend(states.map(|(at, _)| lines[at + 1].parse::<u64>().unwrap()));
            // Nothing stands for nil.
            let next = lines.iter().skip_while(|line| **line != "after").nth(1);
            next.copied().unwrap_or_default().clone_into(&mut after);
        }
        if key.contains(".fifo") {
            assert_eq!(bodies, (0..count).collect::<Vec<_>>());
        }
        let twice = bodies.len() - bodies.iter().collect::<BTreeSet<_>>().len();
        assert_eq!((bodies.len() as u64, twice), (count, 0), "{key}");
        assert_eq!(self.cli(&["KARIN.DEBUG", "CHECK", key]), "OK");
    }

    fn call(&self, gateway: usize, action: &str, members: &Value) -> Option<Value> {
        let response = self.gateways[gateway].http().json(action, &members.to_string());
        (response.status == 200).then(|| response.json())
    }
}

fn key(queue: &str, suffix: &str) -> String {
    format!("karin:{{{queue}{suffix}}}")
}

fn rounds() -> u64 {
    if std::env::var_os("KARIN_TEST_LONG").is_some() { 30 } else { 6 }
}

/// Letters die, and while they are brought away a gateway is killed, or Redis.
fn check_letters(suffix: &str) {
    const LETTERS: u64 = 1_000;
    let mut scene = Scene::new(suffix);
    let (source, target) = (key("q", suffix), key("dlq", suffix));
    for round in 0..rounds() {
        let before = round * LETTERS;
        scene.send(&source, before, LETTERS);
        for _ in 0..2 {
            scene.cli(&["KARIN.POPDUE", &source, "COUNT", "1000", "VISIBILITY", "0"]);
        }
        assert_eq!(scene.info(&source, "dead"), LETTERS);
        let receive = json!({ "QueueUrl": format!("q{suffix}") });
        for gateway in 0..2 {
            scene.call(gateway, "ReceiveMessage", &receive).expect("an answer");
        }
        let some = before + (round * 389) % LETTERS;
        wait::until(wait::PATIENCE, "the first letters", || scene.info(&target, "sequence") > some);
        match round % 3 {
            0 => scene.redis.restart(),
            victim => {
                let victim = usize::try_from(victim - 1).unwrap();
                scene.gateways[victim].kill();
                scene.gateways[victim].restart();
            }
        }
        wait::until(wait::PATIENCE, "no letters left", || scene.info(&source, "dead") == 0);
        assert_eq!(scene.info(&target, "sequence"), before + LETTERS, "each once");
    }
    scene.check(&target, rounds() * LETTERS);
}

#[test]
fn every_letter_arrives_once_whoever_is_killed() {
    check_letters("");
}

#[test]
fn every_letter_of_a_fifo_queue_arrives_once_and_in_order_whoever_is_killed() {
    check_letters(".fifo");
}

/// All gateways are killed while a task is at work; the leases they leave behind end at once.
#[test]
fn every_message_of_a_task_is_moved_once_whoever_is_killed() {
    const MESSAGES_OF_A_ROUND: u64 = 300;
    let mut scene = Scene::new("");
    let (source, target) = (key("dlq", ""), "karin:{to}");
    scene.cli(&["KARIN.CREATE", target]);
    let total = rounds() * MESSAGES_OF_A_ROUND;
    for from in (0..total).step_by(300) {
        scene.send(&source, from, MESSAGES_OF_A_ROUND);
    }
    let task = json!({ "SourceArn": format!("{ARN}dlq"), "DestinationArn": format!("{ARN}to") });
    scene.call(0, "StartMessageMoveTask", &task).expect("a task");
    for round in 0..rounds() {
        let some = round * MESSAGES_OF_A_ROUND / 2 + round * 7;
        wait::until(wait::PATIENCE, "some messages", || scene.info(target, "sequence") > some);
        for gateway in &mut scene.gateways {
            gateway.kill();
        }
        let moved = scene.info(target, "sequence");
        let left = ["ready", "in_flight"].map(|field| scene.info(&source, field));
        assert!(moved + left[0] + left[1] >= total, "{moved} moved, {left:?} left");
        scene.cli(&["KARIN.DEBUG", "CLOCK", LEASES_END]);
        for gateway in &mut scene.gateways {
            gateway.restart();
        }
    }
    wait::until(wait::PATIENCE, "the end of the task", || {
        let list = json!({ "SourceArn": format!("{ARN}dlq") });
        let tasks = scene.call(1, "ListMessageMoveTasks", &list).expect("a list");
        tasks["Results"][0]["Status"] == "COMPLETED"
    });
    assert_eq!(scene.info(target, "sequence"), total, "each once");
    assert_eq!(["ready", "in_flight"].map(|field| scene.info(&source, field)), [0, 0]);
    scene.check(target, total);
}

#[test]
fn a_task_goes_on_when_its_redis_was_killed() {
    let mut scene = Scene::new("");
    let (source, target) = (key("dlq", ""), "karin:{to}");
    scene.cli(&["KARIN.CREATE", target]);
    scene.send(&source, 0, 1_000);
    let task = json!({ "SourceArn": format!("{ARN}dlq"), "DestinationArn": format!("{ARN}to") });
    scene.call(0, "StartMessageMoveTask", &task).expect("a task");
    for some in [10, 200, 500] {
        wait::until(wait::PATIENCE, "some messages", || scene.info(target, "sequence") > some);
        scene.redis.restart();
    }
    let patience = wait::PATIENCE * 4;
    wait::until(patience, "all messages", || scene.info(target, "sequence") == 1_000);
    wait::until(wait::PATIENCE, "an empty source", || scene.info(&source, "in_flight") == 0);
    assert_eq!(scene.info(&source, "ready"), 0);
    scene.check(target, 1_000);
}
