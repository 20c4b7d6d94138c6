//! Invocations that never ran, or of which nothing is known: the classes of esm-contract §7.4.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::json;

use super::endpoint::{Endpoint, Invocation, Reply};
use super::outcomes::{SLACK, left, send_all, set, with_dead_letters};
use super::{Function, action, counts, now, queue_url, send, wait_until_empty};

fn function_error() -> Reply {
    let headers = vec![("X-Amz-Function-Error", "Unhandled".to_owned())];
    Reply::Http(200, headers, r#"{"errorType":"E"}"#.to_owned())
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

/// A gateway on which each of these is a queue, mapped to the function of its name.
fn mapped(redis: &RedisServer, endpoint: &Endpoint, names: &[&str]) -> Gateway {
    let mut arguments = vec!["--lambda-endpoint".to_owned(), endpoint.url().to_owned()];
    for name in names {
        arguments.extend(["--map".to_owned(), format!("{name}={name}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Gateway::start(redis, &arguments)
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
    let gateway = mapped(&redis, &endpoint, &ERRORS);
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
    let gateway = mapped(&redis, &endpoint, &ERRORS);
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
fn after_trouble_one_invocation_finds_out_whether_it_is_over() {
    const TROUBLES: usize = 7;
    let (running, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let noted = Arc::clone(&most);
    let endpoint = Endpoint::start(move |invocation| {
        let at_once = running.fetch_add(1, Ordering::SeqCst) + 1;
        // The first five come together.
        if (5..TROUBLES).contains(&invocation.before) {
            noted.fetch_max(at_once, Ordering::SeqCst);
        }
        std::thread::sleep(Duration::from_millis(100)); // # slow on purpose
        running.fetch_sub(1, Ordering::SeqCst);
        if invocation.before < TROUBLES { Reply::error(503, "") } else { Reply::ok("null") }
    });
    let redis = RedisServer::start(&[]);
    redis.cli(&["KARIN.CREATE", "karin:{q}"]);
    let bodies = ["1", "2", "3", "4", "5"];
    let mut send = vec!["KARIN.SENDM", "karin:{q}", "5"];
    send.extend(bodies.iter().flat_map(|body| ["MSG", body]));
    redis.cli(&send);
    let arguments = ["--lambda-endpoint", endpoint.url(), "--map", "q=f,batch_size=1"];
    let gateway = Gateway::start(&redis, &arguments);
    let invocations = endpoint.wait_for("f", TROUBLES + bodies.len(), PATIENCE);
    wait_until_empty(&gateway, "q");
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert!(invocations.iter().all(|invocation| invocation.receive_count() == "1"));
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
        _ => function_error(),
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
fn what_redis_was_away_for_is_settled_when_it_is_back() {
    const QUEUES: [&str; 3] = ["throttled", "failing", "working"];
    let (may_answer, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (may, has) = (Arc::clone(&may_answer), Arc::clone(&answered));
    let endpoint = Endpoint::start(move |invocation| {
        until(PATIENCE, "the word to answer", || may.load(Ordering::Acquire));
        has.fetch_add(1, Ordering::AcqRel);
        match (invocation.before, &*invocation.function) {
            (0, "throttled") => Reply::error(429, "TooManyRequestsException"),
            (0, "failing") => function_error(),
            _ => Reply::ok("null"),
        }
    });
    let mut redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let maps = QUEUES.map(|queue| format!("{queue}={queue}"));
    let mut arguments = vec!["--lambda-endpoint", endpoint.url()];
    for map in &maps {
        arguments.extend(["--map", map]);
    }
    let gateway = Gateway::start(&redis, &arguments);
    for queue in QUEUES {
        set(&gateway, queue, &json!({"VisibilityTimeout": "1"}));
        send(&gateway, queue, "x");
        endpoint.wait_for(queue, 1, PATIENCE);
    }
    redis.kill();
    may_answer.store(true, Ordering::Release);
    until(PATIENCE, "the answers", || answered.load(Ordering::Acquire) == QUEUES.len());
    redis.restart();
    // Long before the leases of 15 minutes end.
    assert_eq!(endpoint.wait_for("throttled", 2, PATIENCE)[1].receive_count(), "1");
    assert_eq!(endpoint.wait_for("failing", 2, PATIENCE)[1].receive_count(), "2");
    for queue in QUEUES {
        wait_until_empty(&gateway, queue);
    }
    assert_eq!(endpoint.invocations("working").len(), 1);
}

#[test]
fn a_group_waits_for_its_message_that_is_refused() {
    let endpoint = Endpoint::start(|invocation| {
        if invocation.bodies().contains(&"bad") {
            return Reply::error(413, "RequestTooLargeException");
        }
        Reply::ok("null")
    });
    let redis = RedisServer::start(&[]);
    let arguments = ["--lambda-endpoint", endpoint.url(), "--map", "q.fifo=f"];
    let gateway = Gateway::start(&redis, &arguments);
    set(&gateway, "q.fifo", &json!({"VisibilityTimeout": "1"}));
    send_all(&gateway, "q.fifo", &["1", "bad", "3", "4"]);
    // All together, the first half, both alone; then the rest is given back.
    let invocations = endpoint.wait_for("f", 6, PATIENCE);
    let batches: Vec<String> = invocations.iter().map(|i| i.bodies().concat()).take(6).collect();
    assert_eq!(batches, ["1bad34", "1bad", "1", "bad", "bad34", "bad"]);
    assert!(left(&redis, "q.fifo").is_superset(&["bad", "3", "4"].map(str::to_owned).into()));
}

#[test]
fn a_group_waits_for_its_message_that_went_in_circles() {
    let endpoint = Endpoint::start(|_| Reply::ok("null"));
    let redis = RedisServer::start(&[]);
    let arguments = ["--lambda-endpoint", endpoint.url(), "--map", "q.fifo=f", "--max-hops", "1"];
    let mut gateway = Gateway::start(&redis, &arguments);
    gateway.tolerate_errors();
    set(&gateway, "q.fifo", &json!({"VisibilityTimeout": "1"}));
    let policy = json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead.fifo",
        "maxReceiveCount": 2});
    let dead = json!({"QueueName": "dead.fifo", "Attributes": {"FifoQueue": "true"}});
    action(&gateway, "CreateQueue", &dead);
    set(&gateway, "q.fifo", &json!({"RedrivePolicy": policy.to_string()}));
    send_all(&gateway, "q.fifo", &["first"]);
    let trace = endpoint.wait_for("f", 1, PATIENCE)[0].trace.clone();
    wait_until_empty(&gateway, "q.fifo");
    let entry = |body: &str| {
        json!({"Id": body, "MessageBody": body, "MessageGroupId": "g",
            "MessageDeduplicationId": body})
    };
    let mut circling = entry("circling");
    circling["MessageSystemAttributes"] =
        json!({"AWSTraceHeader": {"DataType": "String", "StringValue": trace}});
    let url = queue_url(&gateway, "q.fifo");
    let batch = json!({"QueueUrl": url, "Entries": [circling, entry("next")]});
    let sent = now();
    action(&gateway, "SendMessageBatch", &batch);
    let invocation = endpoint.wait_for("f", 2, PATIENCE).remove(1);
    assert_eq!(invocation.bodies(), ["next"]);
    let waited = invocation.at.saturating_sub(sent);
    assert!(waited > Duration::from_millis(1_900), "two receives of the other: {waited:?}");
    until(PATIENCE, "the dead letter", || {
        left(&redis, "dead.fifo") == ["circling".to_owned()].into()
    });
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
        let popdue = |line: &&str| line.starts_with("cmdstat_karin.popdue:");
        let (_, calls) = stats.lines().find(popdue).unwrap().split_once("calls=").unwrap();
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
