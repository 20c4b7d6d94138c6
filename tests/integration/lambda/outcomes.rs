//! What becomes of messages, by what came of their invocation: the two tables of esm-contract §3
//! and the classes of §7.4.

use std::collections::BTreeSet;
use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::{Value, json};

use super::endpoint::{Endpoint, Invocation, Reply};
use super::{Event, Function, action, counts, queue_url, send, wait_until_empty};

/// What a machine under load adds to a delay.
const SLACK: Duration = Duration::from_secs(3);

/// `sqs ACTION JSON`: an action on the record's queue, from within a function. `$handle` is the
/// first record's receipt handle, `$url` the queue's.
const SQS: &str = r#"
field() { grep -o "\"$1\":\"[^\"]*\"" <<<"$event" | head -1 | cut -d'"' -f4; }
sqs() {
  local connection host=${AWS_ENDPOINT_URL_SQS#http://}
  exec {connection}<>"/dev/tcp/${host%:*}/${host##*:}"
  printf 'POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Amz-Target: AmazonSQS.%s\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "${#2}" "$2" >&"$connection"
  cat <&"$connection" >> replies
  exec {connection}>&-
}
event=$body
handle=$(field receiptHandle)
url=$AWS_ENDPOINT_URL_SQS/000000000000/$(field eventSourceARN | sed 's/.*://')
"#;

/// A function that also has `sqs`.
fn with_sqs(handler: &str) -> Function {
    Function::new(&format!("{SQS}{handler}"))
}

fn set(gateway: &Gateway, queue: &str, attributes: &Value) {
    let url = queue_url(gateway, queue);
    action(gateway, "SetQueueAttributes", &json!({"QueueUrl": url, "Attributes": attributes}));
}

/// Dead letters go to `dead`, which is made, after two receives.
fn with_dead_letters(gateway: &Gateway, queue: &str, dead: &str) {
    action(gateway, "CreateQueue", &json!({"QueueName": dead}));
    let policy = json!({
        "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:000000000000:{dead}"),
        "maxReceiveCount": 2,
    });
    set(gateway, queue, &json!({"RedrivePolicy": policy.to_string()}));
}

fn send_all(gateway: &Gateway, queue: &str, bodies: &[&str]) {
    let entry = |(n, body): (usize, &&str)| json!({"Id": n.to_string(), "MessageBody": body});
    let entries: Vec<Value> = bodies.iter().enumerate().map(entry).collect();
    let input = json!({"QueueUrl": queue_url(gateway, queue), "Entries": entries});
    action(gateway, "SendMessageBatch", &input);
}

/// When a message was first received, by Redis's clock, which is the machine's.
fn first_received(event: &Event) -> Duration {
    let attribute = &event.records[0]["attributes"]["ApproximateFirstReceiveTimestamp"];
    Duration::from_millis(attribute.as_str().unwrap().parse().unwrap())
}

/// The bodies of the messages in a queue.
fn left(redis: &RedisServer, queue: &str) -> BTreeSet<String> {
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
               '{{\"QueueUrl\":\"'$url'\",\"ReceiptHandle\":\"'$handle'\",\"VisibilityTimeout\":{seconds}}}'
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
        r#"{"batchItemFailures":[{"itemIdentifier":"ID3"},{"itemIdentifier":"ID2"},{"itemIdentifier":"ID1"}]}"#,
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
        let window = if queue.ends_with(".fifo") { "" } else { ",window=20" };
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
        let entry = |n: u32| {
            let mut entry = json!({"Id": n.to_string(), "MessageBody": n.to_string()});
            if queue.ends_with(".fifo") {
                entry["MessageGroupId"] = "g".into();
                entry["MessageDeduplicationId"] = n.to_string().into();
            }
            entry
        };
        let url = queue_url(&gateway, queue);
        let entries = json!({"QueueUrl": url, "Entries": [entry(1), entry(2), entry(3)]});
        action(&gateway, "SendMessageBatch", &entries);
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

/// An endpoint whose functions give the error their names say once, `STATUS` or `STATUS-CODE`, and
/// then work.
fn failing_once() -> Endpoint {
    Endpoint::start(|invocation| {
        if invocation.before > 0 {
            return Reply::ok("null");
        }
        let (status, code) =
            invocation.function.split_once('-').unwrap_or((&invocation.function, ""));
        Reply::error(status.parse().unwrap(), code)
    })
}

#[test]
fn what_never_ran_costs_no_receive_whatever_the_platform_says() {
    const ERRORS: [&str; 16] = [
        "429-TooManyRequestsException",
        "429",
        "502-EC2ThrottledException",
        "500-ServiceException",
        "502-ENILimitReachedException",
        "409-ResourceConflictException",
        "408-EFSMountTimeoutException",
        "503",
        "404-ResourceNotFoundException",
        "403-AccessDeniedException",
        "403-ExpiredTokenException",
        "502-KMSAccessDeniedException",
        "409-RuntimeVersionDeletedException",
        "400-RecursiveInvocationException",
        "410-EFSIOException",
        "402-ServiceQuotaExceededException",
    ];
    let endpoint = failing_once();
    let redis = RedisServer::start(&[]);
    let mut arguments = vec!["--lambda-endpoint".to_owned(), endpoint.url().to_owned()];
    for error in ERRORS {
        arguments.extend(["--map".to_owned(), format!("{error}={error}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let gateway = Gateway::start(&redis, &arguments);
    for error in ERRORS {
        send(&gateway, error, "x");
    }
    for (place, error) in ERRORS.iter().enumerate() {
        let invocations = endpoint.wait_for(error, 2, PATIENCE);
        let counts: Vec<&str> = invocations.iter().map(Invocation::receive_count).collect();
        assert_eq!(counts, ["1", "1"], "{error}");
        wait_until_empty(&gateway, error);
        let log = gateway.log();
        let is_paused = log.lines().any(|line| {
            line.contains("the mapping is paused") && line.contains(&format!("queue={error} "))
        });
        assert_eq!(is_paused, place >= 8, "{error}");
    }
    assert!(gateway.log().contains("the function can be invoked again"));
}

#[test]
fn an_event_that_is_refused_for_what_is_in_it_counts_as_failed() {
    const ERRORS: [&str; 4] = [
        "413-RequestTooLargeException",
        "400-InvalidRequestContentException",
        "400-InvalidParameterValueException",
        "415-UnsupportedMediaTypeException",
    ];
    let endpoint = failing_once();
    let redis = RedisServer::start(&[]);
    let mut arguments = vec!["--lambda-endpoint".to_owned(), endpoint.url().to_owned()];
    for error in ERRORS {
        arguments.extend(["--map".to_owned(), format!("{error}={error}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let gateway = Gateway::start(&redis, &arguments);
    for error in ERRORS {
        set(&gateway, error, &json!({"VisibilityTimeout": "1"}));
        send(&gateway, error, "x");
    }
    for error in ERRORS {
        let invocations = endpoint.wait_for(error, 2, PATIENCE);
        assert_eq!(invocations[1].receive_count(), "2", "{error}");
        let gap = invocations[1].at.saturating_sub(invocations[0].at);
        assert!(gap >= Duration::from_millis(900), "{error}: {gap:?}");
        wait_until_empty(&gateway, error);
    }
    assert!(!gateway.log().contains("the mapping is paused"));
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_only_the_message_to_blame_fails() {
    let endpoint = Endpoint::start(|invocation| {
        if invocation.bodies().contains(&"bad") {
            return Reply::error(413, "RequestTooLargeException");
        }
        Reply::ok("null")
    });
    let redis = RedisServer::start(&[]);
    let map = "q=f,batch_size=7,window=20";
    let gateway = Gateway::start(&redis, &["--lambda-endpoint", endpoint.url(), "--map", map]);
    set(&gateway, "q", &json!({"VisibilityTimeout": "1"}));
    with_dead_letters(&gateway, "q", "dead");
    send_all(&gateway, "q", &["1", "2", "3", "4", "bad", "6", "7"]);
    endpoint.wait_for("f", 7, PATIENCE);
    let batches: Vec<String> =
        endpoint.invocations("f").iter().take(7).map(|i| i.bodies().concat()).collect();
    assert_eq!(batches, ["1234bad67", "123", "4bad67", "4bad", "4", "bad", "67"]);
    until(PATIENCE, "the others to be deleted and it to be dead-lettered", || {
        left(&redis, "dead") == ["bad".to_owned()].into() && left(&redis, "q").is_empty()
    });
    assert!(gateway.log().contains("RequestTooLargeException"));
}

#[test]
fn a_throttle_is_waited_out_as_long_as_it_says() {
    let endpoint = Endpoint::start(|invocation| {
        if invocation.before > 0 {
            return Reply::ok("null");
        }
        let headers = vec![
            ("x-amzn-ErrorType", "TooManyRequestsException".to_owned()),
            (
                "Retry-After",
                if invocation.function == "ages" { "18446744073709551615" } else { "2" }.to_owned(),
            ),
        ];
        Reply::Http(429, headers, "{}".into())
    });
    let redis = RedisServer::start(&[]);
    let arguments = ["--lambda-endpoint", endpoint.url(), "--map", "q=f", "--map", "ages=ages"];
    let gateway = Gateway::start(&redis, &arguments);
    send(&gateway, "q", "x");
    send(&gateway, "ages", "x");
    let invocations = endpoint.wait_for("f", 2, PATIENCE);
    let gap = invocations[1].at.saturating_sub(invocations[0].at);
    assert!(gap >= Duration::from_millis(1_990), "{gap:?}");
    assert!(gap < Duration::from_secs(2) + SLACK, "{gap:?}");
    assert_eq!(invocations[1].receive_count(), "1");
    wait_until_empty(&gateway, "q");
    // A time nobody waits for does no harm: the message is back, and the gateway lives.
    until(PATIENCE, "the message to be given back", || counts(&gateway, "ages") == (1, 0, 0));
    assert_eq!(endpoint.invocations("ages").len(), 1);
}

#[test]
fn throttles_dead_letter_nothing_and_failures_do_when_the_receives_are_used_up() {
    let endpoint = Endpoint::start(|invocation| match invocation.before {
        0..5 if invocation.function == "throttled" => Reply::error(429, "TooManyRequestsException"),
        _ if invocation.function == "throttled" => Reply::ok("null"),
        _ => Reply::Http(
            200,
            vec![("X-Amz-Function-Error", "Unhandled".to_owned())],
            r#"{"errorType":"E"}"#.to_owned(),
        ),
    });
    let redis = RedisServer::start(&[]);
    let arguments = [
        "--lambda-endpoint",
        endpoint.url(),
        "--map",
        "throttled=throttled",
        "--map",
        "failing=failing",
    ];
    let gateway = Gateway::start(&redis, &arguments);
    for queue in ["throttled", "failing"] {
        set(&gateway, queue, &json!({"VisibilityTimeout": "1"}));
        with_dead_letters(&gateway, queue, &format!("{queue}-dead"));
        send(&gateway, queue, "x");
    }
    let invocations = endpoint.wait_for("throttled", 6, PATIENCE);
    assert!(invocations.iter().all(|invocation| invocation.receive_count() == "1"));
    wait_until_empty(&gateway, "throttled");
    assert!(left(&redis, "throttled-dead").is_empty());
    until(PATIENCE, "the failing message to be dead-lettered", || {
        left(&redis, "failing-dead") == ["x".to_owned()].into()
    });
    assert_eq!(endpoint.invocations("failing").len(), 2, "as often as maxReceiveCount says");
}

#[test]
fn when_the_connection_is_lost_its_messages_stay_leased_until_the_function_has_ended() {
    let endpoint = Endpoint::start(|invocation| match (invocation.before, &*invocation.function) {
        (0, "cut") => Reply::Cut,
        // A proxy that has waited for long enough.
        (0, _) => Reply::Http(504, vec![], "<html>Gateway Timeout</html>".to_owned()),
        _ => Reply::ok("null"),
    });
    let redis = RedisServer::start(&[]);
    let arguments = [
        "--lambda-endpoint",
        endpoint.url(),
        "--map",
        "cut=cut,timeout=2",
        "--map",
        "late=late,timeout=2",
    ];
    let gateway = Gateway::start(&redis, &arguments);
    for queue in ["cut", "late"] {
        // Nothing shortens the lease.
        set(&gateway, queue, &json!({"VisibilityTimeout": "1"}));
        send(&gateway, queue, "x");
    }
    for queue in ["cut", "late"] {
        let invocations = endpoint.wait_for(queue, 2, PATIENCE);
        let gap = invocations[1].at.saturating_sub(invocations[0].at);
        assert!(gap >= Duration::from_millis(11_900), "{queue}: {gap:?}");
        assert!(gap < Duration::from_secs(12) + SLACK, "{queue}: {gap:?}");
        assert_eq!(invocations[1].receive_count(), "2", "{queue}");
        wait_until_empty(&gateway, queue);
    }
    assert!(gateway.log().contains("it is not known whether"));
}

#[test]
fn nothing_leaves_the_queue_while_a_mapping_is_paused() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let (bootstrap, away) = (function.file("bootstrap"), function.file("away"));
    std::fs::rename(&bootstrap, &away).unwrap();
    let parent = tempfile::tempdir().unwrap();
    // A link, so that the directory can be away, too.
    let link = parent.path().join("function");
    std::os::unix::fs::symlink(function.file(""), &link).unwrap();
    let option = format!("f={}", link.display());
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    send(&gateway, "q", "x");
    until(PATIENCE, "the pause", || gateway.log().contains("the mapping is paused"));
    until(PATIENCE, "the message to be given back", || counts(&gateway, "q") == (1, 0, 0));
    let pops = || {
        let stats = redis.info("commandstats");
        let line = stats.lines().find(|line| line.starts_with("cmdstat_karin.popdue:")).unwrap();
        let (_, calls) = line.split_once("calls=").unwrap();
        calls.split(',').next().unwrap().parse::<u64>().unwrap()
    };
    let before = pops();
    std::fs::remove_file(&link).unwrap();
    until(PATIENCE, "another look at the function", || gateway.log().contains("is no directory"));
    assert_eq!(pops(), before, "looking at it takes no message");
    assert_eq!(gateway.log().matches("the mapping is paused").count(), 2, "a reason is said once");
    std::os::unix::fs::symlink(function.file(""), &link).unwrap();
    std::fs::rename(&away, &bootstrap).unwrap();
    assert_eq!(function.wait_for(1, PATIENCE)[0].receive_count(), "1");
    wait_until_empty(&gateway, "q");
    assert!(gateway.log().contains("the function can be invoked again"));
}

#[test]
fn an_endpoint_that_answers_html_pauses_the_mapping_and_loses_nothing() {
    let endpoint = Endpoint::start(|invocation| {
        let status = if invocation.function == "found" { 200 } else { 404 };
        let headers = vec![("Content-Type", "text/html".to_owned())];
        Reply::Http(status, headers, "<!DOCTYPE html><title>Hello</title>".to_owned())
    });
    let redis = RedisServer::start(&[]);
    let arguments =
        ["--lambda-endpoint", endpoint.url(), "--map", "missing=missing", "--map", "found=found"];
    let gateway = Gateway::start(&redis, &arguments);
    for queue in ["missing", "found"] {
        send(&gateway, queue, "x");
        until_some(PATIENCE, &format!("the pause of {queue}"), || {
            let log = gateway.log();
            let paused = |line: &&str| {
                line.contains("the mapping is paused") && line.contains(&format!("queue={queue} "))
            };
            log.lines().find(paused).map(drop)
        });
        until(PATIENCE, "the message to be back", || counts(&gateway, queue) == (1, 0, 0));
    }
}

#[test]
fn a_function_that_deletes_its_messages_itself_gets_those_it_did_not_delete_again() {
    let redis = RedisServer::start(&[]);
    let deleting = with_sqs(
        "answer null
         sqs DeleteMessage '{\"QueueUrl\":\"'$url'\",\"ReceiptHandle\":\"'$handle'\"}'",
    );
    let forgetful = Function::new("answer null");
    let (deletes, forgets) = (deleting.option("deletes"), forgetful.option("forgets"));
    let arguments = [
        "--function",
        &deletes,
        "--function",
        &forgets,
        "--map",
        "deletes=deletes,acknowledge=function",
        "--map",
        "forgets=forgets,acknowledge=function",
    ];
    let gateway = Gateway::start(&redis, &arguments);
    set(&gateway, "forgets", &json!({"VisibilityTimeout": "2"}));
    with_dead_letters(&gateway, "forgets", "forgotten");
    send(&gateway, "deletes", "x");
    send(&gateway, "forgets", "y");
    wait_until_empty(&gateway, "deletes");
    assert_eq!(deleting.events().len(), 1);
    until(PATIENCE, "the forgotten message to be dead-lettered", || {
        left(&redis, "forgotten") == ["y".to_owned()].into()
    });
    let events = forgetful.events();
    assert_eq!(events.len(), 2);
    let since = events[1].at.saturating_sub(first_received(&events[1]));
    assert!(since + Duration::from_millis(20) >= Duration::from_secs(2), "{since:?}");
    assert!(since < Duration::from_secs(2) + SLACK, "{since:?}");
}

#[test]
fn an_event_is_handed_over_asynchronously_and_is_at_most_a_megabyte() {
    let endpoint = Endpoint::start(|invocation| match invocation.before {
        0 => Reply::error(429, "TooManyRequestsException"),
        _ => Reply::Http(202, vec![], String::new()),
    });
    let redis = RedisServer::start(&[]);
    let map = "q=f,batch_size=3,window=2,acknowledge=function";
    let gateway = Gateway::start(&redis, &["--lambda-endpoint", endpoint.url(), "--map", map]);
    set(&gateway, "q", &json!({"VisibilityTimeout": "60"}));
    let body = "x".repeat(340_000);
    send_all(&gateway, "q", &[&body, &body, &body]);
    until(PATIENCE, "all to be handed over", || counts(&gateway, "q") == (0, 3, 0));
    let invocations = until_some(PATIENCE, "three messages in two events", || {
        let invocations = endpoint.invocations("f");
        let taken = invocations.iter().skip(1).map(|i| i.bodies().len()).sum::<usize>();
        (taken == 3).then_some(invocations)
    });
    assert!(invocations.len() >= 3);
    for invocation in &invocations {
        assert_eq!(invocation.kind, "Event");
        assert!(invocation.event_bytes <= 1_000_000, "{}", invocation.event_bytes);
        assert_eq!(invocation.receive_count(), "1", "the refusal was not counted");
    }
    assert_eq!(counts(&gateway, "q"), (0, 3, 0), "nothing is deleted here");
}
