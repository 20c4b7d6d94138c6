//! /metrics of a gateway that does everything that is counted.

use karin_tests::clients::{Packages, run};
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::json;

use super::endpoint::{Endpoint, Invocation, Reply};
use super::outcomes::{send_all, set, with_dead_letters};
use super::{Function, action, queue_url, send, wait_until_empty};

/// Fails with `bad`, reports the first of several, is throttled once, and otherwise works; `gone`
/// is not there.
fn function(invocation: &Invocation) -> Reply {
    if invocation.function == "gone" {
        return Reply::error(404, "ResourceNotFoundException");
    }
    if invocation.function == "busy" && invocation.before == 0 {
        return Reply::error(429, "TooManyRequestsException");
    }
    let bodies = invocation.bodies();
    if bodies.contains(&"bad") {
        let headers = vec![("X-Amz-Function-Error", "Unhandled".to_owned())];
        return Reply::Http(200, headers, r#"{"errorType":"E"}"#.to_owned());
    }
    if bodies.len() > 1 {
        let id = &invocation.event["Records"][0]["messageId"];
        return Reply::ok(&json!({"batchItemFailures": [{"itemIdentifier": id}]}).to_string());
    }
    Reply::ok("null")
}

/// The samples whose name and labels these are, in the classic text.
fn sample(page: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |line: &str, (label, value): &(&str, &str)| {
        let pair = format!("{label}=\"{value}\"");
        [format!("{{{pair}"), format!(",{pair}")].iter().any(|pair| line.contains(pair))
    };
    let is_it = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| has(line, label))
    };
    let values = page.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next());
    values.map(|value| value.parse::<f64>().unwrap()).reduce(|one, other| one + other)
}

fn page(gateway: &Gateway) -> String {
    let answer = gateway.http().get("/metrics");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().to_owned()
}

/// Returns once a sample has at least this value; what Redis says is kept for a second.
#[track_caller]
fn wait_for(gateway: &Gateway, name: &str, labels: &[(&str, &str)], at_least: f64) {
    until(PATIENCE, &format!("{name}{labels:?} to reach {at_least}"), || {
        sample(&page(gateway), name, labels).is_some_and(|value| value >= at_least)
    });
}

type Moved = (&'static str, &'static [(&'static str, &'static str)], f64);

/// What the test moves, and how far at least.
const MOVED: &[Moved] = &[
    ("karin_esm_paused", &[("queue", "lost"), ("reason", "ResourceNotFoundException")], 1.0),
    ("karin_esm_state", &[("queue", "lost"), ("state", "paused")], 1.0),
    ("karin_esm_state", &[("queue", "picky"), ("state", "running")], 1.0),
    ("karin_esm_filtered_events_total", &[("queue", "picky")], 1.0),
    ("karin_esm_failed_events_total", &[("queue", "orders"), ("reason", "function_error")], 1.0),
    ("karin_esm_failed_events_total", &[("queue", "lost"), ("reason", "refused")], 1.0),
    ("karin_esm_failed_events_total", &[("queue", "crowd"), ("reason", "throttled")], 1.0),
    ("karin_esm_throttle_wait_seconds_total", &[("queue", "crowd")], 0.05),
    ("karin_function_throttles_total", &[("function", "busy")], 1.0),
    ("karin_function_errors_total", &[("function", "worker")], 1.0),
    ("karin_function_duration_seconds_count", &[("queue", "crowd")], 1.0),
    ("karin_esm_deleted_events_total", &[("queue", "crowd")], 1.0),
    ("karin_esm_message_lifetime_seconds_count", &[("queue", "crowd")], 1.0),
    ("karin_esm_receive_count_count", &[("queue", "crowd")], 2.0),
    ("karin_esm_batch_size_sum", &[("queue", "crowd")], 2.0),
    ("karin_queue_messages_visible", &[("queue", "lost")], 1.0),
    ("karin_queue_messages_sent_total", &[("queue", "orders")], 3.0),
    ("karin_queue_messages_received_total", &[("queue", "orders-dead")], 1.0),
    ("karin_queue_messages_deleted_total", &[("queue", "orders-dead")], 1.0),
    ("karin_queue_dead_letter_source", &[("queue", "orders-dead"), ("source", "orders")], 1.0),
    ("karin_requests_total", &[("action", "SendMessageBatch"), ("code", "OK")], 1.0),
    ("karin_requests_total", &[("action", "-"), ("code", "UnknownOperationException")], 1.0),
    ("karin_requests_total", &[("api", "admin"), ("action", "GET")], 1.0),
    ("karin_requests_total", &[("action", "ListEventSourceMappings")], 1.0),
    ("karin_redis_command_duration_seconds_count", &[("command", "KARIN.POPDUE")], 1.0),
    ("karin_redis_memory_max_bytes", &[], 1_073_741_824.0),
    ("karin_sync_success", &[], 1.0),
    ("karin_gateways", &[], 1.0),
    ("process_resident_memory_bytes", &[], 1e6),
];

#[test]
fn everything_that_happens_is_counted_under_the_names_of_the_docs() {
    let endpoint = Endpoint::start(function);
    let redis = RedisServer::start(&["--maxmemory", "1gb"]);
    let gateway = Gateway::start(
        &redis,
        &[
            "--lambda-endpoint",
            endpoint.url(),
            "--map",
            "orders=worker,batch_size=10,window=1,report_batch_item_failures=true",
            "--map",
            r#"picky=worker,filter={"body":{"kind":["order"]}}"#,
            "--map",
            "lost=gone",
            "--map",
            "crowd=busy",
        ],
    );
    with_dead_letters(&gateway, "orders", "orders-dead");
    set(&gateway, "orders", &json!({"VisibilityTimeout": "1"}));
    send(&gateway, "picky", r#"{"kind":"other"}"#);
    send(&gateway, "lost", "x");
    send(&gateway, "crowd", "x");
    send_all(&gateway, "orders", &["one", "two"]);
    send(&gateway, "orders", "bad");
    let receive = json!({"QueueUrl": queue_url(&gateway, "orders-dead"), "WaitTimeSeconds": 1});
    let received = until_some(PATIENCE, "a dead letter", || {
        let answer = action(&gateway, "ReceiveMessage", &receive);
        answer["Messages"][0]["ReceiptHandle"].as_str().map(str::to_owned)
    });
    let delete = json!({"QueueUrl": queue_url(&gateway, "orders-dead"), "ReceiptHandle": received});
    action(&gateway, "DeleteMessage", &delete);
    assert_eq!(gateway.http().json("Nonsense", "{}").status, 400);
    assert_eq!(gateway.http().get("/admin").status, 200);
    assert_eq!(gateway.http().get("/2015-03-31/event-source-mappings/").status, 200);
    wait_until_empty(&gateway, "crowd");

    for (name, labels, at_least) in MOVED {
        wait_for(&gateway, name, labels, *at_least);
    }
    run(Packages::BotoJson, "metrics.py", &[&gateway.url(), "complete"]);
}

#[test]
fn what_runs_now_is_seen_while_it_runs_and_an_empty_mapping_costs_no_polls() {
    let function =
        Function::new("while [[ ! -e go ]]; do read -rt 0.05 <> <(:) || :; done\nanswer null");
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(
        &redis,
        &["--function", &function.option("f"), "--map", "q=f", "--map", "idle=f"],
    );
    send(&gateway, "q", "x");
    wait_for(&gateway, "karin_function_concurrent_executions", &[("queue", "q")], 1.0);
    wait_for(&gateway, "karin_queue_messages_not_visible", &[("queue", "q")], 1.0);
    std::fs::write(function.file("go"), "").unwrap();
    wait_until_empty(&gateway, "q");
    until(PATIENCE, "the invocation's end", || {
        let running = "karin_function_concurrent_executions";
        sample(&page(&gateway), running, &[("queue", "q")]) == Some(0.0)
    });
    let page = page(&gateway);
    assert_eq!(sample(&page, "karin_esm_polled_events_total", &[("queue", "q")]), Some(1.0));
    assert_eq!(sample(&page, "karin_esm_invoked_events_total", &[("queue", "q")]), Some(1.0));
    assert_eq!(sample(&page, "karin_esm_polled_events_total", &[("queue", "idle")]), Some(0.0));
}
