//! Whatever answer is lost while messages are moved, each is moved once.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait;
use serde_json::{Value, json};

use super::Queue;
use super::never_twice::Relay;

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:";
const COUNT: u64 = 120;
/// Longer than any lease that an unheard answer gave.
const LEASES_END: &str = "61";

struct Scene {
    relay: Relay,
    gateway: Gateway,
    redis: RedisServer,
}

impl Scene {
    /// A queue `q` whose messages go to `dlq` after one receive, and a queue `to`.
    fn new() -> Self {
        let redis = RedisServer::start(&[]);
        let relay = Relay::start(&redis);
        let url = format!("unix://{}", relay.path().display());
        let gateway = Gateway::start_with(&["--redis-url", &url], &[]);
        let arn = format!("{ARN}dlq");
        let source = ["karin:{q}", "maxReceiveCount", "1", "deadLetterTargetArn", &arn];
        for create in [&source[..], &["karin:{dlq}"], &["karin:{to}"]] {
            assert_eq!(redis.cli(&[&["KARIN.CREATE"], create].concat()), "OK");
        }
        Self { relay, gateway, redis }
    }

    fn fill(&self, queue: &str) {
        let numbers: Vec<String> = (0..COUNT).map(|n| n.to_string()).collect();
        let (key, count) = (format!("karin:{{{queue}}}"), COUNT.to_string());
        let messages = numbers.iter().flat_map(|number| ["MSG", number]);
        let command: Vec<&str> =
            ["KARIN.SENDM", &key, &count].into_iter().chain(messages).collect();
        self.redis.cli(&command);
    }

    fn info(&self, queue: &str, field: &str) -> u64 {
        let info = self.redis.cli(&["KARIN.INFO", &format!("karin:{{{queue}}}")]);
        let number = info.lines().skip_while(|line| *line != field).nth(1);
        number.and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("no {field} in {info}"))
    }

    /// In `queue` is each message once.
    #[track_caller]
    fn check(&self, queue: &str) {
        let look = self.redis.cli(&["KARIN.PEEK", &format!("karin:{{{queue}}}"), "COUNT", "1000"]);
        let lines: Vec<&str> = look.lines().collect();
        let states = lines.iter().enumerate().filter(|(_, line)| **line == "ready");
        let mut bodies: Vec<u64> = states.map(|(at, _)| lines[at + 1].parse().unwrap()).collect();
        bodies.sort_unstable();
        assert_eq!(bodies, (0..COUNT).collect::<Vec<_>>());
    }

    fn call(&self, action: &str, members: &Value) -> Option<Value> {
        let response = self.gateway.http().json(action, &members.to_string());
        (response.status == 200).then(|| response.json())
    }
}

#[test]
fn letters_arrive_once_whatever_answer_is_lost() {
    for command in ["KARIN.DEAD", "KARIN.SENDM", "KARIN.DEADACK"] {
        let scene = Scene::new();
        scene.fill("q");
        for _ in 0..2 {
            scene.redis.cli(&["KARIN.POPDUE", "karin:{q}", "COUNT", "1000", "VISIBILITY", "0"]);
        }
        scene.relay.lose_answer_to(command);
        let queue = Queue { http: scene.gateway.http(), name: "q" };
        assert_eq!(queue.call("ReceiveMessage", json!({})).status, 200);
        wait::until(wait::PATIENCE, "no letters left", || scene.info("q", "dead") == 0);
        assert!(scene.relay.has_lost(), "{command} was given");
        assert_eq!(scene.info("dlq", "sequence"), COUNT, "{command}");
        scene.check("dlq");
    }
}

#[test]
fn a_task_moves_each_message_once_whatever_answer_is_lost() {
    for command in [
        "HGETALL",
        "HINCRBY",
        "KARIN.POPDUE",
        "HSETNX",
        "HDEL",
        "KARIN.EXTEND",
        "KARIN.SENDM",
        "KARIN.ACK",
        "HSET",
        "EXEC",
    ] {
        let scene = Scene::new();
        scene.fill("dlq");
        let task = json!({
            "SourceArn": format!("{ARN}dlq"), "DestinationArn": format!("{ARN}to"),
            "MaxNumberOfMessagesPerSecond": 100,
        });
        // That one is given at the beginning only.
        let first = command == "HINCRBY";
        if first {
            scene.relay.lose_answer_to(command);
        }
        scene.call("StartMessageMoveTask", &task).expect("a task");
        if !first {
            wait::until(wait::PATIENCE, "the first messages", || scene.info("to", "sequence") > 0);
            scene.relay.lose_answer_to(command);
        }
        wait::until(wait::PATIENCE, command, || scene.relay.has_lost());
        scene.redis.cli(&["KARIN.DEBUG", "CLOCK", LEASES_END]);
        wait::until(wait::PATIENCE, "the end of the task", || {
            let list = json!({ "SourceArn": format!("{ARN}dlq") });
            let tasks = scene.call("ListMessageMoveTasks", &list);
            tasks.is_some_and(|tasks| tasks["Results"][0]["Status"] == "COMPLETED")
        });
        assert_eq!(scene.info("to", "sequence"), COUNT, "{command}");
        assert_eq!(["ready", "in_flight"].map(|field| scene.info("dlq", field)), [0, 0]);
        scene.check("to");
    }
}
