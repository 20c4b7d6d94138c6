//! What becomes of messages that a function got, by what it did: the tables of esm-contract §3.

use std::collections::BTreeSet;
use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};

use super::{Event, Function, action, queue_url, send, wait_until_empty};

/// What a machine under load adds to a delay.
pub(super) const SLACK: Duration = Duration::from_secs(3);

/// `sqs ACTION JSON`: an action on the record's queue, from within a function. `$handle` is the
/// first record's receipt handle, `$url` the queue's.
const SQS: &str = r#"
field() { grep -o "\"$1\":\"[^\"]*\"" <<<"$event" | head -1 | cut -d'"' -f4; }
sqs() {
  local connection host=${AWS_ENDPOINT_URL_SQS#http://}
  exec {connection}<>"/dev/tcp/${host%:*}/${host##*:}"
  {
    printf 'POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n'
    printf 'X-Amz-Target: AmazonSQS.%s\r\n' "$1"
    printf 'Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s' \
      "${#2}" "$2"
  } >&"$connection"
  cat <&"$connection" >> replies
  exec {connection}>&-
}
event=$body
handle=$(field receiptHandle)
url=$AWS_ENDPOINT_URL_SQS/000000000000/$(field eventSourceARN | sed 's/.*://')
"#;

/// A function that also has `sqs`.
pub(super) fn with_sqs(handler: &str) -> Function {
    Function::new(&format!("{SQS}{handler}"))
}

pub(super) fn set(gateway: &Gateway, queue: &str, attributes: &Value) {
    let url = queue_url(gateway, queue);
    action(gateway, "SetQueueAttributes", &json!({"QueueUrl": url, "Attributes": attributes}));
}

/// Dead letters go to `dead`, which is made, after two receives.
pub(super) fn with_dead_letters(gateway: &Gateway, queue: &str, dead: &str) {
    action(gateway, "CreateQueue", &json!({"QueueName": dead}));
    let policy = json!({
        "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:000000000000:{dead}"),
        "maxReceiveCount": 2,
    });
    set(gateway, queue, &json!({"RedrivePolicy": policy.to_string()}));
}

fn is_fifo(queue: &str) -> bool {
    queue.strip_suffix(".fifo").is_some()
}

/// Sends them at once; to a FIFO queue as one group.
pub(super) fn send_all(gateway: &Gateway, queue: &str, bodies: &[&str]) {
    let entry = |(n, body): (usize, &&str)| {
        let mut entry = json!({"Id": n.to_string(), "MessageBody": body});
        if is_fifo(queue) {
            entry["MessageGroupId"] = "g".into();
            entry["MessageDeduplicationId"] = (*body).into();
        }
        entry
    };
    let entries: Vec<Value> = bodies.iter().enumerate().map(entry).collect();
    let input = json!({"QueueUrl": queue_url(gateway, queue), "Entries": entries});
    action(gateway, "SendMessageBatch", &input);
}

/// When a message was first received, by Redis's clock, which is the machine's.
pub(super) fn first_received(event: &Event) -> Duration {
    let attribute = &event.records[0]["attributes"]["ApproximateFirstReceiveTimestamp"];
    Duration::from_millis(attribute.as_str().unwrap().parse().unwrap())
}

/// The bodies of the messages in a queue.
pub(super) fn left(redis: &RedisServer, queue: &str) -> BTreeSet<String> {
    let peeked = redis.cli(&["-3", "--json", "KARIN.PEEK", &format!("karin:{{{queue}}}")]);
    let peeked: Value = serde_json::from_str(&peeked).unwrap();
    let messages = peeked["messages"].as_array().unwrap();
    messages.iter().map(|message| message[2].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_failed_message_comes_again_when_the_visibility_timeout_since_its_receive_has_passed() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("fail '{}'");
    let option = function.option("f");
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    set(&gateway, "q", &json!({"VisibilityTimeout": "2"}));
    send(&gateway, "q", "x");
    let events = function.wait_for(3, PATIENCE);
    for (place, event) in events.iter().take(3).enumerate() {
        assert_eq!(event.receive_count(), (place + 1).to_string());
        let since = event.at.saturating_sub(first_received(event));
        let expected = Duration::from_secs(2) * u32::try_from(place).unwrap();
        assert!(since + Duration::from_millis(20) >= expected, "{place}: {since:?}");
        assert!(since < expected + SLACK, "{place}: {since:?}");
    }
}

#[test]
fn a_function_that_fails_after_the_visibility_timeout_gets_its_message_again_at_once() {
    let redis = RedisServer::start(&[]);
    let function =
        Function::new("sleep 1.5; [[ -e tried ]] && answer null; touch tried; fail '{}'");
    let option = format!("{},timeout=20", function.option("f"));
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    set(&gateway, "q", &json!({"VisibilityTimeout": "1"}));
    send(&gateway, "q", "x");
    let events = function.wait_for(2, PATIENCE);
    let gap = events[1].at.saturating_sub(events[0].at);
    assert!(gap >= Duration::from_millis(1_400), "not while the first runs: {gap:?}");
    assert!(gap < Duration::from_millis(1_500) + SLACK, "{gap:?}");
    assert_eq!(events[1].receive_count(), "2");
}

#[test]
fn a_backoff_grows_with_each_receive_up_to_its_bound() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("fail '{}'");
    let option = function.option("f");
    let map = "q=f,retry=backoff:1:3";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    send(&gateway, "q", "x");
    let events = function.wait_for(5, PATIENCE);
    for (pair, seconds) in events.windows(2).zip([1, 2, 3, 3]) {
        let gap = pair[1].at.saturating_sub(pair[0].at);
        let longest = Duration::from_secs(seconds);
        assert!(gap >= longest * 79 / 100, "{gap:?} of {longest:?}");
        assert!(gap < longest + SLACK, "{gap:?} of {longest:?}");
    }
}

#[test]
fn a_visibility_the_function_set_itself_is_left_alone() {
    let redis = RedisServer::start(&[]);
    let change = |seconds: u32| {
        with_sqs(&format!(
            "if [[ -e tried ]]; then answer null; else touch tried
             sqs ChangeMessageVisibility \\
               '{{\"QueueUrl\":\"'$url'\",\"ReceiptHandle\":\"'$handle'\",\
             \"VisibilityTimeout\":{seconds}}}'
             fail '{{}}'; fi"
        ))
    };
    // Longer than the queue's, shorter than the queue's, and at once.
    let (longer, shorter, now) = (change(4), change(3), change(0));
    let options = [("longer", &longer), ("shorter", &shorter), ("now", &now)];
    let mut arguments = Vec::new();
    for (name, function) in options {
        arguments.extend(["--function".to_owned(), function.option(name)]);
        arguments.extend(["--map".to_owned(), format!("{name}={name}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let gateway = Gateway::start(&redis, &arguments);
    set(&gateway, "longer", &json!({"VisibilityTimeout": "1"}));
    for (name, _) in options {
        send(&gateway, name, "x");
    }
    for ((name, function), seconds) in options.into_iter().zip([4, 3, 0]) {
        let events = function.wait_for(2, PATIENCE);
        let gap = events[1].at.saturating_sub(events[0].at);
        let expected = Duration::from_secs(seconds);
        assert!(gap + Duration::from_millis(20) >= expected, "{name}: {gap:?}");
        assert!(gap < expected + SLACK, "{name}: {gap:?}");
        assert_eq!(events[1].receive_count(), "2", "{name}");
        wait_until_empty(&gateway, name);
    }
}

#[test]
fn what_somebody_else_got_meanwhile_is_not_deleted() {
    let redis = RedisServer::start(&[]);
    let function = with_sqs(
        r#"sqs ChangeMessageVisibility \
  '{"QueueUrl":"'$url'","ReceiptHandle":"'$handle'","VisibilityTimeout":0}'
touch released
while [[ ! -e go ]]; do sleep 0.02; done
answer null"#,
    );
    let option = function.option("f");
    let arguments = ["--function", &option, "--map", "q=f,concurrency=1"];
    let gateway = Gateway::start(&redis, &arguments);
    send(&gateway, "q", "x");
    until(PATIENCE, "the function to let go", || function.file("released").exists());
    let url = queue_url(&gateway, "q");
    let input = json!({"QueueUrl": url, "VisibilityTimeout": 600});
    let received = action(&gateway, "ReceiveMessage", &input);
    assert_eq!(received["Messages"][0]["Body"], "x");
    std::fs::write(function.file("go"), "").unwrap();
    let told = "messages were done after somebody else got them";
    until(PATIENCE, "the word of it", || gateway.log().contains(told));
    assert_eq!(left(&redis, "q"), BTreeSet::from(["x".to_owned()]));
}

/// (name, options of the mapping, the function's answer, what is left of 1, 2 and 3). In the
/// answer ID1, ID2 and ID3 stand for the messages' ids; FAIL fails.
const REPORTS: [(&str, &str, &str, &str); 29] = [
    ("whole-ok", "", "null", ""),
    ("whole-error", "", r#"FAIL {"batchItemFailures":[{"itemIdentifier":"ID2"}]}"#, "123"),
    ("whole-report", "", r#"{"batchItemFailures":[{"itemIdentifier":"ID2"}]}"#, ""),
    ("whole-text", "", "OK", ""),
    ("empty", "true", "", ""),
    ("null", "true", "null", ""),
    ("object", "true", "{}", ""),
    ("no-failures", "true", r#"{"batchItemFailures":[]}"#, ""),
    ("null-list", "true", r#"{"batchItemFailures":null}"#, ""),
    ("other-object", "true", r#"{"statusCode":200}"#, ""),
    ("wrong-case", "true", r#"{"BatchItemFailures":[{"itemIdentifier":"ID1"}]}"#, ""),
    ("one", "true", r#"{"batchItemFailures":[{"itemIdentifier":"ID2"}]}"#, "2"),
    (
        "twice",
        "true",
        r#"{"batchItemFailures":[{"itemIdentifier":"ID1","x":1},{"itemIdentifier":"ID1"}],"y":2}"#,
        "1",
    ),
    (
        "all",
        "true",
        r#"{"batchItemFailures":[{"itemIdentifier":"ID3"},{"itemIdentifier":"ID2"},
            {"itemIdentifier":"ID1"}]}"#,
        "123",
    ),
    (
        "unknown",
        "true",
        r#"{"batchItemFailures":[{"itemIdentifier":"ID1"},{"itemIdentifier":"?"}]}"#,
        "123",
    ),
    ("empty-id", "true", r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, "123"),
    ("null-id", "true", r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, "123"),
    ("wrong-key", "true", r#"{"batchItemFailures":[{"foo":"ID1"}]}"#, "123"),
    ("no-json", "true", "oops", "123"),
    ("text", "true", r#""OK""#, "123"),
    ("list", "true", "[]", "123"),
    ("no-list", "true", r#"{"batchItemFailures":"ID1"}"#, "123"),
    ("error", "true", r#"FAIL {"batchItemFailures":[]}"#, "123"),
    ("text-success", "true,malformed_report=success", r#""OK""#, ""),
    ("no-json-success", "true,malformed_report=success", "oops", "123"),
    ("auto-report", "auto", r#"{"batchItemFailures":[{"itemIdentifier":"ID3"}]}"#, "3"),
    ("auto-text", "auto", "oops", ""),
    ("reported.fifo", "true", r#"{"batchItemFailures":[{"itemIdentifier":"ID2"}]}"#, "2"),
    (
        "rest.fifo",
        "true,fifo_failure=rest_of_group",
        r#"{"batchItemFailures":[{"itemIdentifier":"ID2"}]}"#,
        "23",
    ),
];

#[test]
fn the_answer_decides_about_each_message_row_by_row() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(
        r#"
event=$body
queue=$(grep -o '"eventSourceARN":"[^"]*' <<<"$event" | head -1 | sed 's/.*://')
told=$(<"answers/$queue")
ids=$(grep -o '"messageId":"[^"]*"' <<<"$event" | cut -d'"' -f4)
for n in 1 2 3; do told=${told//ID$n/$(sed -n ${n}p <<<"$ids")}; done
case $told in FAIL*) fail "${told#FAIL }" ;; *) answer "$told" ;; esac"#,
    );
    std::fs::create_dir(function.file("answers")).unwrap();
    let mut arguments = vec!["--function".to_owned(), function.option("f")];
    for (queue, options, told, _) in REPORTS {
        std::fs::write(function.file("answers").join(queue), told).unwrap();
        let window = if is_fifo(queue) { "" } else { ",window=20" };
        let options = match options {
            "" => String::new(),
            options => format!(",report_batch_item_failures={options}"),
        };
        arguments.push("--map".to_owned());
        arguments.push(format!("{queue}=f,batch_size=3{window}{options}"));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let gateway = Gateway::start(&redis, &arguments);
    for (queue, ..) in REPORTS {
        send_all(&gateway, queue, &["1", "2", "3"]);
    }
    for (queue, _, _, expected) in REPORTS {
        let expected: BTreeSet<String> = expected.chars().map(String::from).collect();
        until(PATIENCE, &format!("{expected:?} left of {queue}"), || {
            left(&redis, queue) == expected
        });
    }
    let events = function.events();
    assert_eq!(events.len(), REPORTS.len(), "one invocation each");
    assert!(events.iter().all(|event| event.records.len() == 3));
    let log = gateway.log();
    for words in ["write batchItemFailures", "has no ReportBatchItemFailures", "has a bad entry"] {
        assert!(log.contains(words), "{words}");
    }
}

#[test]
fn a_group_that_failed_comes_again_in_its_order_and_nothing_overtakes_it() {
    let redis = RedisServer::start(&[]);
    let function =
        Function::new("if [[ -e tried ]]; then answer null; else touch tried; fail '{}'; fi");
    let option = function.option("f");
    let map = "q.fifo=f,retry=backoff:1:1";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    send_all(&gateway, "q.fifo", &["1", "2", "3"]);
    function.wait_for(1, PATIENCE);
    send_all(&gateway, "q.fifo", &["4"]);
    wait_until_empty(&gateway, "q.fifo");
    let events = function.events();
    assert_eq!(events[0].bodies(), ["1", "2", "3"]);
    let again: Vec<&str> = events.iter().skip(1).flat_map(Event::bodies).collect();
    assert_eq!(again, ["1", "2", "3", "4"]);
    let gap = events[1].at.saturating_sub(events[0].at);
    assert!(gap >= Duration::from_millis(790), "{gap:?}");
}
