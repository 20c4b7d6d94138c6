//! StartMessageMoveTask, CancelMessageMoveTask and ListMessageMoveTasks.
//!
//! Source: sqs-contract §4.11.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use karin_tests::gateway::Gateway;
use karin_tests::wait;
use serde_json::{Value, json};

use super::dead_letters::{ARN, attribute};
use super::{Refusal, Sqs, text};

const NO_SOURCE: Refusal = Refusal::new(
    "ResourceNotFoundException",
    "ResourceNotFoundException",
    404,
    "The resource that you specified for the SourceArn parameter doesn't exist.",
);

impl Sqs {
    /// Two queues, the second being the first one's dead-letter queue, and messages in it that
    /// died, each after one receive.
    fn with_letters(bodies: &[String]) -> Self {
        let sqs = Self::start();
        sqs.create("dlq", &[]);
        sqs.create_source("q", "dlq", 1);
        sqs.let_die("q", "dlq", bodies);
        sqs
    }

    fn let_die(&self, source: &str, target: &str, bodies: &[String]) {
        for body in bodies {
            self.send(source, body);
        }
        let number = |queue, field| self.info_of(queue, field).parse::<u64>().unwrap();
        let expected = number(target, "sequence") + number(source, "ready");
        for _ in 0..2 {
            let key = format!("karin:{{{source}}}");
            self.redis.cli(&["KARIN.POPDUE", &key, "COUNT", "1000", "VISIBILITY", "0"]);
        }
        // Only the answer to a gateway tells it at once.
        assert!(self.receive(source).is_empty());
        wait::until(wait::PATIENCE, "the letters", || {
            number(target, "sequence") == expected && number(source, "dead") == 0
        });
    }

    #[track_caller]
    fn start_task(&self, members: &Value) -> String {
        let mut all = json!({ "SourceArn": format!("{ARN}dlq") });
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        text(&self.json("StartMessageMoveTask", &all), "TaskHandle").to_owned()
    }

    #[track_caller]
    fn tasks(&self, count: usize) -> Vec<Value> {
        let members = json!({ "SourceArn": format!("{ARN}dlq"), "MaxResults": count });
        let answer = self.json("ListMessageMoveTasks", &members);
        answer["Results"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until the newest task has this status.
    #[track_caller]
    fn await_status(&self, status: &str) -> Value {
        let what = format!("a task that is {status}");
        wait::until_some(wait::PATIENCE, &what, || {
            self.tasks(1).into_iter().find(|task| task["Status"] == status)
        })
    }
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

fn moved(task: &Value) -> u64 {
    task["ApproximateNumberOfMessagesMoved"].as_u64().unwrap_or_else(|| panic!("{task}"))
}

// contract: 4.11-back-to-source, 4.11-moved-is-new, 4.11-members
#[test]
fn messages_return_to_where_they_came_from_as_new_ones() {
    let sqs = Sqs::with_letters(&[]);
    sqs.create_source("other", "dlq", 1);
    let sent = sqs.json(
        "SendMessage",
        &json!({
            "QueueUrl": "q", "MessageBody": "mine", "MessageGroupId": "g",
            "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "7"}},
        }),
    );
    sqs.let_die("q", "dlq", &[]);
    sqs.let_die("q", "dlq", &["mine too".to_owned()]);
    sqs.let_die("other", "dlq", &["theirs".to_owned()]);
    sqs.pass_seconds(100);
    let started = Instant::now();
    sqs.start_task(&json!({}));
    let task = sqs.await_status("COMPLETED");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(moved(&task), 3);
    assert_eq!(task["ApproximateNumberOfMessagesToMove"], 3);
    assert_eq!(task["SourceArn"], format!("{ARN}dlq"));
    for absent in ["DestinationArn", "MaxNumberOfMessagesPerSecond", "FailureReason", "TaskHandle"]
    {
        assert!(task.get(absent).is_none(), "{absent} in {task}");
    }
    assert!(task["StartedTimestamp"].as_u64().unwrap() > 1_700_000_000_000, "{task}");
    assert!(sqs.receive("dlq").is_empty());
    let queues = sqs.json("ListQueues", &json!({}))["QueueUrls"].as_array().map(Vec::len);
    assert_eq!(queues, Some(3), "nobody sees what gateways tell each other");
    assert_eq!(text(&sqs.receive_one("other"), "Body"), "theirs");
    let messages = sqs.receive("q");
    assert_eq!(messages.iter().map(|m| text(m, "Body")).collect::<BTreeSet<_>>().len(), 2);
    let mine = messages.iter().find(|message| text(message, "Body") == "mine").unwrap();
    assert_ne!(mine["MessageId"], sent["MessageId"]);
    assert_eq!(mine["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    assert_eq!(attribute(mine, "ApproximateReceiveCount"), "1");
    assert_eq!(attribute(mine, "MessageGroupId"), "g");
    let first = attribute(mine, "ApproximateFirstReceiveTimestamp").parse::<u64>().unwrap();
    let sent_ms = attribute(mine, "SentTimestamp").parse::<u64>().unwrap();
    assert!(first - sent_ms < 60_000, "the time of sending is new: {mine}");
    assert!(mine["Attributes"].get("DeadLetterQueueSourceArn").is_none(), "{mine}");
}

#[test]
fn a_task_moves_to_the_destination_it_is_given_and_a_second_one_as_well() {
    let sqs = Sqs::with_letters(&numbers(120));
    sqs.create("elsewhere", &["MaximumMessageSize", "1024"]);
    let destination = "arn:aws:sqs:eu-central-1:123456789012:elsewhere";
    sqs.start_task(&json!({ "DestinationArn": destination }));
    let task = sqs.await_status("COMPLETED");
    assert_eq!((moved(&task), &task["DestinationArn"]), (120, &json!(destination)));
    assert_eq!(sqs.info_of("elsewhere", "sequence"), "120");
    // Larger than the destination takes, and sent there directly: moved all the same.
    let large = "x".repeat(3_000);
    sqs.send("dlq", &large);
    sqs.start_task(&json!({ "DestinationArn": destination }));
    wait::until(wait::PATIENCE, "the second task", || {
        sqs.tasks(2).iter().all(|task| task["Status"] == "COMPLETED") && sqs.tasks(2).len() == 2
    });
    let bodies: BTreeSet<String> = sqs.await_bodies("elsewhere", 121).into_iter().collect();
    assert_eq!(bodies, numbers(120).into_iter().chain([large]).collect());
    assert_eq!(sqs.info_of("dlq", "in_flight"), "0");
}

#[test]
fn a_fifo_queue_is_emptied_in_order() {
    let sqs = Sqs::start();
    sqs.create("dlq.fifo", &[]);
    sqs.create_source("q.fifo", "dlq.fifo", 1);
    sqs.create("to.fifo", &[]);
    for n in 0..130 {
        let (group, n) = (format!("g{}", n % 3), n.to_string());
        sqs.redis.cli(&["KARIN.SEND", "karin:{dlq.fifo}", &n, "GROUP", &group, "DEDUP", &n]);
    }
    let source = json!({ "SourceArn": format!("{ARN}dlq.fifo") });
    let task = json!({
        "SourceArn": format!("{ARN}dlq.fifo"), "DestinationArn": format!("{ARN}to.fifo"),
    });
    sqs.json("StartMessageMoveTask", &task);
    wait::until(wait::PATIENCE, "the end of the task", || {
        sqs.json("ListMessageMoveTasks", &source)["Results"][0]["Status"] == "COMPLETED"
    });
    let mut groups = [const { Vec::new() }; 3];
    let popped = sqs.redis.cli(&["KARIN.PEEK", "karin:{to.fifo}", "COUNT", "1000"]);
    let lines: Vec<&str> = popped.lines().collect();
    let states = lines.iter().enumerate().filter(|(_, line)| **line == "ready");
    for n in states.map(|(at, _)| lines[at + 1].parse::<usize>().unwrap()) {
        groups[n % 3].push(n);
    }
    for (group, numbers) in groups.iter().enumerate() {
        assert_eq!(*numbers, (0..130).filter(|n| n % 3 == group).collect::<Vec<_>>());
    }
    assert_eq!(sqs.info_of("dlq.fifo", "ready"), "0");
}

// contract: 4.11-rate
#[test]
fn a_task_keeps_to_its_rate() {
    let sqs = Sqs::with_letters(&numbers(30));
    let start = Instant::now();
    sqs.start_task(&json!({ "MaxNumberOfMessagesPerSecond": 20 }));
    let task = sqs.tasks(1).remove(0);
    assert_eq!(
        (&task["Status"], &task["MaxNumberOfMessagesPerSecond"]),
        (&json!("RUNNING"), &json!(20))
    );
    assert!(task["TaskHandle"].is_string(), "{task}");
    assert_eq!(moved(&sqs.await_status("COMPLETED")), 30);
    let took = start.elapsed();
    assert!(took > Duration::from_millis(1_300) && took < Duration::from_secs(10), "{took:?}");
}

// contract: 4.11-cancel, 4.11-status
#[test]
fn a_cancelled_task_leaves_the_rest() {
    let sqs = Sqs::with_letters(&numbers(100));
    let handle = sqs.start_task(&json!({ "MaxNumberOfMessagesPerSecond": 10 }));
    assert_eq!(sqs.tasks(1)[0]["TaskHandle"], json!(handle));
    wait::until(wait::PATIENCE, "the first messages", || moved(&sqs.tasks(1)[0]) > 1);
    let cancel = json!({ "TaskHandle": handle });
    let answer = sqs.json("CancelMessageMoveTask", &cancel);
    assert!(moved(&answer) > 1, "{answer}");
    let again = Refusal::invalid_parameter("Only active tasks can be cancelled.");
    sqs.refused("CancelMessageMoveTask", &cancel, &[("TaskHandle", &handle)], again);
    let task = sqs.await_status("CANCELLED");
    assert!(task.get("TaskHandle").is_none(), "{task}");
    assert!(moved(&task) >= moved(&answer) && moved(&task) < 90, "{task}");
    let left = 100 - moved(&task);
    assert_eq!(sqs.info_of("dlq", "ready"), left.to_string());
    assert_eq!(sqs.info_of("q", "ready"), moved(&task).to_string());
    sqs.refused("CancelMessageMoveTask", &cancel, &[("TaskHandle", &handle)], again);
}

// contract: 4.11-no-source, 4.11-status
#[test]
fn a_message_that_did_not_die_has_nowhere_to_return_to() {
    let sqs = Sqs::with_letters(&numbers(3));
    sqs.send("dlq", "sent directly");
    sqs.start_task(&json!({}));
    let task = sqs.await_status("FAILED");
    assert_eq!(task["FailureReason"], "CouldNotDetermineMessageSource");
    assert_eq!(moved(&task), 3);
    let left = sqs.receive_one("dlq");
    assert_eq!(text(&left, "Body"), "sent directly");
    assert_eq!(attribute(&left, "ApproximateReceiveCount"), "1", "given back uncounted");
}

// contract: 4.11-destination-deleted
#[test]
fn a_task_fails_when_its_destination_is_deleted() {
    let sqs = Sqs::with_letters(&numbers(50));
    sqs.create("elsewhere", &[]);
    let destination = format!("{ARN}elsewhere");
    sqs.start_task(&json!({ "DestinationArn": destination, "MaxNumberOfMessagesPerSecond": 10 }));
    wait::until(wait::PATIENCE, "the first messages", || moved(&sqs.tasks(1)[0]) > 1);
    sqs.json("DeleteQueue", &json!({ "QueueUrl": "elsewhere" }));
    let task = sqs.await_status("FAILED");
    assert_eq!(task["FailureReason"], "AWS.SimpleQueueService.NonExistentQueue");
    let left = 50 - moved(&task);
    assert_eq!(sqs.info_of("dlq", "ready"), left.to_string());
    for message in sqs.receive("dlq") {
        assert_eq!(attribute(&message, "ApproximateReceiveCount"), "2", "given back uncounted");
    }
}

#[test]
fn a_task_goes_on_after_a_restart_and_after_a_kill() {
    let mut sqs = Sqs::with_letters(&numbers(60));
    sqs.start_task(&json!({ "MaxNumberOfMessagesPerSecond": 10 }));
    wait::until(wait::PATIENCE, "the first messages", || moved(&sqs.tasks(1)[0]) > 1);
    assert!(sqs.gateway.terminate().success());
    let restarted = Instant::now();
    sqs.gateway.restart();
    let before = moved(&sqs.tasks(1)[0]);
    wait::until(wait::PATIENCE, "more messages", || moved(&sqs.tasks(1)[0]) > before);
    assert!(restarted.elapsed() < Duration::from_secs(10), "who stops gives its tasks back");
    sqs.gateway.kill();
    sqs.gateway.restart();
    let task = sqs.await_status("COMPLETED");
    assert_eq!(moved(&task), 60);
    assert_eq!(sqs.info_of("q", "sequence"), "120", "each moved once");
}

#[test]
fn another_gateway_goes_on_with_the_task_of_one_that_died_or_hangs() {
    let mut sqs = Sqs::with_letters(&numbers(200));
    let first = Gateway::start(&sqs.redis, &[]);
    // Whichever gateway runs the task, the other one takes over.
    sqs.start_task(&json!({ "MaxNumberOfMessagesPerSecond": 10 }));
    wait::until(wait::PATIENCE, "the first messages", || moved(&sqs.tasks(1)[0]) > 1);
    let moved_in_redis = |sqs: &Sqs| sqs.info_of("q", "ready").parse::<u64>().unwrap();
    first.freeze();
    let before = moved_in_redis(&sqs);
    wait::until(wait::PATIENCE, "the task to go on", || moved_in_redis(&sqs) > before + 10);
    first.thaw();
    sqs.gateway.kill();
    let before = moved_in_redis(&sqs);
    wait::until(wait::PATIENCE, "the task to go on", || moved_in_redis(&sqs) > before + 10);
    sqs.gateway.restart();
    assert_eq!(moved(&sqs.await_status("COMPLETED")), 200);
    assert_eq!(sqs.info_of("q", "sequence"), "400", "each moved once");
    assert_eq!(sqs.info_of("dlq", "in_flight"), "0");
}

// contract: 4.11-list
#[test]
fn the_last_ten_tasks_are_listed_newest_first() {
    let sqs = Sqs::with_letters(&[]);
    assert!(sqs.tasks(10).is_empty());
    for rate in 1..=12 {
        sqs.start_task(&json!({ "MaxNumberOfMessagesPerSecond": rate }));
        wait::until(wait::PATIENCE, "its end", || sqs.tasks(1)[0]["Status"] == "COMPLETED");
    }
    let rates = |tasks: Vec<Value>| -> Vec<Value> {
        tasks.iter().map(|task| task["MaxNumberOfMessagesPerSecond"].clone()).collect()
    };
    assert_eq!(rates(sqs.tasks(10)), (3..=12).rev().map(Value::from).collect::<Vec<_>>());
    let one = sqs.json("ListMessageMoveTasks", &json!({ "SourceArn": format!("{ARN}dlq") }));
    assert_eq!(rates(one["Results"].as_array().unwrap().clone()), [json!(12)]);
    // They are those of this queue, not of the next one of that name.
    sqs.redis.cli(&["DEL", "karin:{dlq}"]);
    sqs.create("dlq", &[]);
    assert!(sqs.tasks(10).is_empty());
    sqs.start_task(&json!({}));
    assert_eq!(sqs.await_status("COMPLETED")["ApproximateNumberOfMessagesMoved"], 0);
    assert_eq!(sqs.tasks(10).len(), 1);
}

// contract: 4.11-already-running
#[test]
fn only_one_task_runs_in_a_queue() {
    let sqs = Sqs::with_letters(&numbers(30));
    sqs.start_task(&json!({ "MaxNumberOfMessagesPerSecond": 1 }));
    let text = "There is already a task running. Only one active task is allowed for a source \
                queue arn at a given time.";
    let arn = format!("{ARN}dlq");
    sqs.refused(
        "StartMessageMoveTask",
        &json!({ "SourceArn": arn }),
        &[("SourceArn", &arn)],
        Refusal::invalid_parameter(text),
    );
}

/// A start that is refused, in both protocols.
#[track_caller]
fn start_refused(sqs: &Sqs, members: &[(&str, &str)], expected: Refusal) {
    let is_number = |name: &str| name == "MaxNumberOfMessagesPerSecond";
    let value = |(name, value): &(&str, &str)| {
        let value =
            if is_number(name) { json!(value.parse::<i64>().unwrap()) } else { json!(value) };
        ((*name).to_owned(), value)
    };
    let json = Value::Object(members.iter().map(value).collect());
    sqs.refused("StartMessageMoveTask", &json, members, expected);
}

// contract: 4.11-source-no-dlq
#[test]
fn a_start_is_refused_for_what_is_wrong_first() {
    let sqs = Sqs::with_letters(&[]);
    sqs.create("plain", &[]);
    sqs.create("other.fifo", &[]);
    let invalid = Refusal::invalid_parameter;
    let arn = |name: &str| format!("{ARN}{name}");
    let (dlq, plain, fifo, missing) = (arn("dlq"), arn("plain"), arn("other.fifo"), arn("missing"));
    let form = "You must use this format to specify the SourceArn: \
                arn:<partition>:<service>:<region>:<account-id>:<resource-id>";
    for bad in ["dlq", "arn:aws:sqs:us-east-1:dlq", "arn:aws:sqs:us-east-1:000000000000:"] {
        start_refused(&sqs, &[("SourceArn", bad), ("DestinationArn", "x")], invalid(form));
    }
    let form = "You must use this format to specify the DestinationArn: \
                arn:<partition>:<service>:<region>:<account-id>:<resource-id>";
    start_refused(&sqs, &[("SourceArn", &missing), ("DestinationArn", "x")], invalid(form));
    let rate = "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must \
                enter a number that's between 1 and 500.";
    for bad in ["0", "501", "-1"] {
        let members = [("SourceArn", missing.as_str()), ("MaxNumberOfMessagesPerSecond", bad)];
        start_refused(&sqs, &members, invalid(rate));
    }
    let same = "Source queue arn and destination queue arn cannot be the same.";
    start_refused(&sqs, &[("SourceArn", &dlq), ("DestinationArn", &dlq)], invalid(same));
    start_refused(&sqs, &[("SourceArn", &missing), ("DestinationArn", &plain)], NO_SOURCE);
    start_refused(&sqs, &[("SourceArn", "arn:aws:sns:us-east-1:1:dlq")], NO_SOURCE);
    let source = "Source queue must be configured as a Dead Letter Queue.";
    start_refused(&sqs, &[("SourceArn", &plain), ("DestinationArn", &missing)], invalid(source));
    let no_destination = Refusal {
        text: "The resource that you specified for the DestinationArn parameter doesn't exist.",
        text_in_query: "The resource that you specified for the DestinationArn parameter doesn't \
                        exist.",
        ..NO_SOURCE
    };
    start_refused(&sqs, &[("SourceArn", &dlq), ("DestinationArn", &missing)], no_destination);
    let kind = "The source queue and destination queue must be of the same queue type.";
    start_refused(&sqs, &[("SourceArn", &dlq), ("DestinationArn", &fifo)], invalid(kind));
    start_refused(
        &sqs,
        &[],
        Refusal::missing_parameter("The request must contain the parameter SourceArn."),
    );
    assert!(sqs.tasks(10).is_empty());
}

#[test]
fn lists_and_cancellations_are_refused() {
    let sqs = Sqs::with_letters(&[]);
    let (dlq, missing) = (format!("{ARN}dlq"), format!("{ARN}missing"));
    let results = Refusal::invalid_parameter(
        "Value for parameter MaxResults is invalid. Reason: You must enter a number that's between \
         1 and 10.",
    );
    for count in [0, 11, -1] {
        let members = json!({ "SourceArn": missing, "MaxResults": count });
        let count = count.to_string();
        let parameters = [("SourceArn", missing.as_str()), ("MaxResults", count.as_str())];
        sqs.refused("ListMessageMoveTasks", &members, &parameters, results);
    }
    let members = json!({ "SourceArn": missing });
    sqs.refused("ListMessageMoveTasks", &members, &[("SourceArn", &missing)], NO_SOURCE);
    let handle = |arn: &str| {
        let json = format!(
            "{{\"taskId\":\"0b7b9f0e-1d45-4d6b-8a39-0d8c4c9ce5f1\",\"sourceArn\":\"{arn}\"}}"
        );
        STANDARD.encode(json)
    };
    let cancel = |handle: &str, expected: Refusal| {
        let members = json!({ "TaskHandle": handle });
        sqs.refused("CancelMessageMoveTask", &members, &[("TaskHandle", handle)], expected);
    };
    let no_task = Refusal {
        text: "Task does not exist.",
        text_in_query: "Task does not exist.",
        ..NO_SOURCE
    };
    cancel("x", Refusal::invalid_parameter("Value for parameter TaskHandle is invalid."));
    cancel(&handle(&missing), NO_SOURCE);
    cancel(&handle("nonsense"), NO_SOURCE);
    cancel(&handle(&dlq), no_task);
}

// contract: 3.3-list-tasks
#[test]
fn query_shows_a_task_with_its_elements() {
    let sqs = Sqs::with_letters(&numbers(2));
    let arn = format!("{ARN}dlq");
    let started = sqs.query("StartMessageMoveTask", &[("SourceArn", &arn)]);
    assert!(started.contains("<TaskHandle>"), "{started}");
    sqs.await_status("COMPLETED");
    let listed = sqs.query("ListMessageMoveTasks", &[("SourceArn", &arn), ("MaxResults", "10")]);
    assert_eq!(super::elements(&listed, "Status"), ["COMPLETED"]);
    assert_eq!(super::element(&listed, "ApproximateNumberOfMessagesMoved"), "2");
}
