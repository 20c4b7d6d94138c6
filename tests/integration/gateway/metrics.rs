//! /metrics: who may read it, what it costs, and that it can always be read.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use karin_tests::clients::{Packages, run};
use karin_tests::gateway::Gateway;
use karin_tests::http::Response;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};
use serde_json::json;

const TOKEN: &str = "0123456789abcdefABCD-_";
const PASSWORD: &str = "correct horse battery staple";

fn get(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Response {
    gateway.http().request("GET", path, headers, b"")
}

fn basic(password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("prometheus:{password}")))
}

fn page(gateway: &Gateway) -> String {
    let answer = get(gateway, "/metrics", &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().to_owned()
}

fn has(page: &str, line: &str) -> bool {
    page.lines().any(|other| other == line)
}

/// How often Redis ran LIST.
fn lists(redis: &RedisServer) -> u64 {
    let stats = redis.info("commandstats");
    let line = stats.lines().find(|line| line.starts_with("cmdstat_karin.list:"));
    let calls = line.and_then(|line| line.split("calls=").nth(1)?.split(',').next()?.parse().ok());
    calls.unwrap_or(0)
}

#[test]
fn a_thousand_queues_and_names_nobody_can_have_are_read_by_prometheus_own_parsers() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let mut connection = redis.connection();
    let mut all = redis::pipe();
    for n in 0..1_000 {
        all.cmd("KARIN.CREATE").arg(format!("karin:{{queue-{n:04}}}")).ignore();
    }
    for hostile in ["a\"b", "a\\b", "a\nb 1", "a}b", "ü", "\u{202e}a", "a{b=\"c\"} 7", ""] {
        all.cmd("KARIN.CREATE").arg(format!("karin:{{{hostile}}}")).ignore();
    }
    all.cmd("KARIN.CREATE").arg(&b"karin:{\xff\xfe}"[..]).ignore();
    all.query::<()>(&mut connection).unwrap();
    let page = page(&gateway);
    assert!(has(&page, "karin_queues 1000"), "only names of queues count");
    assert!(has(&page, "karin_queues_left_out 0"));
    assert!(has(&page, "karin_queue_messages_visible{queue=\"queue-0999\"} 0"));
    run(Packages::BotoJson, "metrics.py", &[&gateway.url()]);
}

#[test]
fn many_scrapers_cost_redis_as_little_as_one() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    page(&gateway);
    let (before, begun) = (lists(&redis), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert_eq!(gateway.http().get("/metrics").status, 200);
                }
            });
        }
    });
    let seconds = begun.elapsed().as_secs();
    // The background's own, and where dead letters go, are among them.
    assert!(lists(&redis) - before <= seconds + 4, "{} in {seconds} s", lists(&redis) - before);
}

#[test]
fn who_sends_receives_and_deletes_moves_the_numbers_of_its_queue() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let call = |action: &str, mut input: serde_json::Value| {
        input["QueueUrl"] = "http://127.0.0.1/000000000000/q".into();
        let answer = gateway.http().json(action, &input.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.body.is_empty() { serde_json::Value::Null } else { answer.json() }
    };
    gateway.http().json("CreateQueue", r#"{"QueueName":"q"}"#);
    call("SendMessage", json!({"MessageBody": "a"}));
    let entry = |id: &str| json!({"Id": id, "MessageBody": "b"});
    call("SendMessageBatch", json!({"Entries": [entry("0"), entry("1")]}));
    call("SendMessage", json!({"MessageBody": "later", "DelaySeconds": 900}));
    let received = call("ReceiveMessage", json!({"MaxNumberOfMessages": 2}));
    let handle = &received["Messages"][0]["ReceiptHandle"];
    call("DeleteMessage", json!({ "ReceiptHandle": handle }));
    call("DeleteMessage", json!({ "ReceiptHandle": handle }));
    call("ReceiveMessage", json!({}));
    call("ReceiveMessage", json!({"WaitTimeSeconds": 1}));
    for (name, value) in [
        ("messages_sent_total", 4),
        ("messages_received_total", 3),
        ("messages_deleted_total", 1),
        ("empty_receives_total", 1),
        ("messages_visible", 0),
        ("messages_not_visible", 2),
        ("messages_delayed", 1),
        ("messages_dead", 0),
    ] {
        let line = format!("karin_queue_{name}{{queue=\"q\"}} {value}");
        until(PATIENCE, &line, || has(&page(&gateway), &line));
    }
    until(PATIENCE, "the oldest message to grow old", || {
        let page = page(&gateway);
        let name = "karin_queue_oldest_message_age_seconds{queue=\"q\"} ";
        let age = page.lines().find_map(|line| line.strip_prefix(name)).map(str::parse::<f64>);
        age.is_some_and(|age| (1.0..60.0).contains(&age.unwrap()))
    });
    let ok = |action: &str, count: u32| {
        format!(r#"karin_requests_total{{api="sqs",action="{action}",code="OK"}} {count}"#)
    };
    let page = page(&gateway);
    for line in [ok("SendMessage", 2), ok("ReceiveMessage", 3), ok("DeleteMessage", 2)] {
        assert!(has(&page, &line), "{line}");
    }
}

#[test]
fn while_redis_is_away_the_rest_is_said_at_once() {
    let mut redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    gateway.http().json("CreateQueue", r#"{"QueueName":"q"}"#);
    assert!(has(&page(&gateway), "karin_redis_up 1"));
    redis.kill();
    until(PATIENCE, "karin to notice", || has(&page(&gateway), "karin_redis_up 0"));
    until(PATIENCE, "the queues to go", || !page(&gateway).contains("queue=\"q\""));
    assert_eq!(gateway.http().json("ListQueues", "{}").status, 503);
    let begun = Instant::now();
    let code = r#"karin_requests_total{api="sqs",action="ListQueues",code="ServiceUnavailable"} 1"#;
    assert!(has(&page(&gateway), code), "{}", page(&gateway));
    assert!(begun.elapsed() < Duration::from_secs(2));
    redis.restart();
    until(PATIENCE, "Redis to come back", || has(&page(&gateway), "karin_redis_up 1"));
    assert!(has(&page(&gateway), "karin_redis_connections_total 2"));
}

#[test]
fn an_open_server_shows_its_metrics_to_everybody_but_web_pages() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    assert_eq!(get(&gateway, "/metrics", &[]).status, 200);
    for header in [("Origin", "https://evil.example"), ("Host", "evil.example")] {
        assert_eq!(get(&gateway, "/metrics", &[header]).status, 403, "{header:?}");
    }
    assert_eq!(get(&gateway, "/metrics/more", &[]).status, 404);
    let post = gateway.http().request("POST", "/metrics", &[], b"x");
    assert_eq!((post.status, post.header("Allow")), (405, Some("GET, HEAD")));
    let answer = get(&gateway, "/metrics", &[]);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
}

#[test]
fn a_closed_server_shows_its_metrics_to_whom_it_knows() {
    let redis = RedisServer::start(&[]);
    let sender = "senderABCDEF0123456789,actions=SendMessage";
    let scraper = "scraperABCDEF0123456789,actions=GetMetrics";
    let gateway = Gateway::start(
        &redis,
        &[
            "--key",
            "test:test",
            "--token",
            TOKEN,
            "--token",
            sender,
            "--token",
            scraper,
            "--admin-password",
            PASSWORD,
        ],
    );
    let refused = get(&gateway, "/metrics", &[]);
    assert_eq!(refused.status, 401);
    assert!(refused.header("WWW-Authenticate").unwrap().starts_with("Basic realm="));
    assert!(!refused.text().contains("karin_"));
    let status = |path: &str, header: Option<&str>| {
        let headers: Vec<_> = header.map(|header| ("Authorization", header)).into_iter().collect();
        get(&gateway, path, &headers).status
    };
    assert_eq!(status("/metrics", Some(&basic(PASSWORD))), 200);
    assert_eq!(status(&format!("/~{TOKEN}/metrics"), None), 200);
    assert_eq!(status("/~scraperABCDEF0123456789/metrics", None), 200);
    assert_eq!(status("/metrics", Some("Bearer scraperABCDEF0123456789")), 200);
    assert_eq!(status("/~senderABCDEF0123456789/metrics", None), 403);
    assert_eq!(status("/metrics", Some("Bearer senderABCDEF0123456789")), 403);
    assert_eq!(status("/~0123456789abcdefABCDEF/metrics", Some(&basic(PASSWORD))), 401);
    let all = get(&gateway, "/metrics", &[("Authorization", &basic(PASSWORD))]);
    for secret in [TOKEN, PASSWORD, "scraper", "test:test"] {
        assert!(!all.text().contains(secret) && !gateway.log().contains(secret), "{secret}");
    }
    // Each guess after the third waits longer; those that come at once are not even looked at.
    let guesses: Vec<_> = (0..40)
        .map(|_| {
            let http = gateway.http();
            let header = basic("guess");
            std::thread::spawn(move || {
                let headers = [("Authorization", header.as_str())];
                let answer = http.request("GET", "/metrics", &headers, b"");
                (answer.status, answer.header("Retry-After").is_some())
            })
        })
        .collect();
    let guesses: Vec<_> = guesses.into_iter().map(|guess| guess.join().unwrap()).collect();
    let slowed = guesses.iter().filter(|guess| **guess == (429, true)).count();
    assert!(slowed >= 30 && guesses.contains(&(401, false)), "{guesses:?}");
    assert_eq!(status(&format!("/~{TOKEN}/metrics"), None), 200, "tokens cannot be guessed");
}
