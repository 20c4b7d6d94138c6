//! What is kept of the past, and what charts show of it. Time is the server's clock, which
//! KARIN.DEBUG CLOCK sets forward; a sweep comes with each new connection.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};

/// The summaries of the charts of a page, which say what a picture shows.
pub(crate) fn summaries(gateway: &Gateway, path: &str) -> Vec<String> {
    let answer = gateway.http().get(path);
    assert_eq!(answer.status, 200, "{answer:?}");
    let page = String::from_utf8(answer.body).unwrap();
    let labels = page.split("role=\"img\" aria-label=\"").skip(1);
    labels.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// What is said of a curve.
fn curve(gateway: &Gateway, path: &str, name: &str) -> String {
    let all = summaries(gateway, path).join(" ");
    let from = all.find(&format!("{name}: ")).unwrap_or_else(|| panic!("{name} in {all}"));
    all[from..].split_inclusive('.').next().unwrap().to_owned()
}

/// The highest value of a curve.
fn highest(gateway: &Gateway, path: &str, name: &str) -> f64 {
    let curve = curve(gateway, path, name);
    let all = summaries(gateway, path).join(" ");
    // Numbers have dots of their own.
    let rest = &all[all.find(&curve).unwrap()..];
    let value = rest.split("highest ").nth(1).unwrap().split(". ").next().unwrap();
    value.trim_end_matches('.').parse().unwrap_or_else(|_| panic!("{value} in {rest}"))
}

fn number(redis: &RedisServer, command: &[&str]) -> u64 {
    redis.cli(command).parse().unwrap()
}

fn length(redis: &RedisServer, queue: &str) -> u64 {
    number(redis, &["STRLEN", &format!("karin:{{{queue}}}:hist")])
}

/// How often a command ran.
fn calls(redis: &RedisServer, command: &str) -> u64 {
    let stats = redis.info("commandstats");
    let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| {
        let calls = line.split("calls=").nth(1).unwrap().split(',').next().unwrap();
        calls.parse().unwrap()
    })
}

/// A minute passes, and every gateway sweeps.
pub(crate) fn minute(redis: &RedisServer, gateways: &[&Gateway]) {
    redis.cli(&["KARIN.DEBUG", "CLOCK", "60"]);
    sweep(redis, gateways);
}

fn sweep(redis: &RedisServer, gateways: &[&Gateway]) {
    let connected = |gateway: &Gateway| gateway.log().matches("connected to Redis").count();
    let before: Vec<usize> = gateways.iter().map(|gateway| connected(gateway)).collect();
    let lists = calls(redis, "karin.list");
    redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    until(PATIENCE, "new connections", || {
        gateways.iter().zip(&before).all(|(gateway, before)| connected(gateway) > *before)
    });
    until(PATIENCE, "the sweeps", || calls(redis, "karin.list") >= lists + gateways.len() as u64);
    // What a sweep writes goes out before what is asked after it.
    for gateway in gateways {
        assert_eq!(gateway.http().json("ListQueues", "{}").status, 200);
    }
}

fn send(redis: &RedisServer, queue: &str, count: usize) {
    for _ in 0..count {
        redis.cli(&["KARIN.SEND", &format!("karin:{{{queue}}}"), "x"]);
    }
}

const PAGE: &str = "/admin/queues/orders/charts";

#[test]
fn what_happened_outlives_the_gateway() {
    let redis = RedisServer::start(&[]);
    let mut gateway = Gateway::start(&redis, &[]);
    send(&redis, "orders", 12);
    minute(&redis, &[&gateway]);
    until(PATIENCE, "a record", || length(&redis, "orders") > 0);
    redis.cli(&["KARIN.PURGE", "karin:{orders}"]);
    minute(&redis, &[&gateway]);
    minute(&redis, &[&gateway]);
    gateway.restart();
    assert_eq!(curve(&gateway, PAGE, "ready"), "ready: now 0, lowest 0, highest 12.");
    // 12 within about a minute, which may be parts of two minutes of the chart, or three.
    assert!(highest(&gateway, PAGE, "sent") >= 5.0);
    assert!(highest(&gateway, PAGE, "gone") >= 5.0);
    let ttl_s = number(&redis, &["TTL", "karin:{orders}:hist"]);
    assert!((7 * 86_400..9 * 86_400).contains(&ttl_s), "{ttl_s}");
    for span in ["day", "week"] {
        let path = format!("{PAGE}?span={span}");
        assert!(curve(&gateway, &path, "ready").ends_with("highest 12."), "{span}");
    }
}

#[test]
fn only_queues_in_which_something_changed_are_written_of() {
    let redis = RedisServer::start(&[]);
    for n in 0..40 {
        send(&redis, &format!("q{n}"), 1);
    }
    for n in 0..40 {
        redis.cli(&["KARIN.CREATE", &format!("karin:{{empty{n}}}")]);
    }
    let gateway = Gateway::start(&redis, &[]);
    until(PATIENCE, "the first records", || calls(&redis, "append") == 40);
    for _ in 0..3 {
        minute(&redis, &[&gateway]);
    }
    let before = calls(&redis, "expire");
    assert_eq!(calls(&redis, "append"), 40, "nothing changed");
    send(&redis, "q7", 1);
    minute(&redis, &[&gateway]);
    until(PATIENCE, "its record", || calls(&redis, "append") == 41);
    assert_eq!(calls(&redis, "expire"), before, "one command for one queue");
    assert_eq!(calls(&redis, "getrange"), 0);
}

#[test]
fn a_queue_filled_and_emptied_between_two_sweeps_is_seen() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    send(&redis, "orders", 1);
    minute(&redis, &[&gateway]);
    redis.cli(&["KARIN.PURGE", "karin:{orders}"]);
    minute(&redis, &[&gateway]);
    let before = length(&redis, "orders");
    send(&redis, "orders", 30);
    redis.cli(&["KARIN.PURGE", "karin:{orders}"]);
    minute(&redis, &[&gateway]);
    until(PATIENCE, "its record", || length(&redis, "orders") > before);
    assert!(curve(&gateway, PAGE, "ready").starts_with("ready: now 0"));
    assert!(highest(&gateway, PAGE, "gone") >= 19.0);
}

#[test]
fn two_gateways_do_not_count_twice() {
    let redis = RedisServer::start(&[]);
    let gateways = [Gateway::start(&redis, &[]), Gateway::start(&redis, &[])];
    let both: Vec<&Gateway> = gateways.iter().collect();
    for _ in 0..4 {
        send(&redis, "orders", 10);
        minute(&redis, &both);
    }
    until(PATIENCE, "the records of both", || calls(&redis, "append") >= 8);
    for gateway in both {
        assert_eq!(curve(gateway, PAGE, "ready"), "ready: now 40, lowest 0, highest 40.");
        let most = highest(gateway, PAGE, "sent");
        assert!((9.0..12.0).contains(&most), "{most}");
    }
}

#[test]
fn a_deleted_queue_loses_its_past() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--queue-cooldown", "0"]);
    send(&redis, "orders", 500);
    minute(&redis, &[&gateway]);
    until(PATIENCE, "a record", || length(&redis, "orders") > 0);
    let url = format!("{}/000000000000/orders", gateway.url());
    let answer = gateway.http().json("DeleteQueue", &format!("{{\"QueueUrl\":\"{url}\"}}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(length(&redis, "orders"), 0);
    send(&redis, "orders", 400);
    minute(&redis, &[&gateway]);
    until(PATIENCE, "a record", || length(&redis, "orders") > 0);
    // Whoever deletes the key alone is no harm either.
    redis.cli(&["DEL", "karin:{orders}"]);
    assert_eq!(gateway.http().get(PAGE).status, 404);
    send(&redis, "orders", 2);
    let shown = curve(&gateway, PAGE, "ready");
    assert!(shown.starts_with("ready: now 2, ") && shown.ends_with("highest 2."), "{shown}");
}

#[test]
fn what_others_wrote_into_a_history_does_no_harm() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    send(&redis, "orders", 3);
    for garbage in ["\u{9}\u{1}abcdefgh", "\u{7f}", "0", "\u{10}\u{1}\u{2}"] {
        redis.cli(&["SET", "karin:{orders}:hist", garbage]);
        assert_eq!(curve(&gateway, PAGE, "ready").split(',').next(), Some("ready: now 3"));
        assert_eq!(gateway.http().get("/admin/charts").status, 200);
        send(&redis, "orders", 1);
        redis.cli(&["KARIN.DEBUG", "CLOCK", "60"]);
        minute(&redis, &[&gateway]);
        redis.cli(&["KARIN.PURGE", "karin:{orders}"]);
        send(&redis, "orders", 3);
    }
    redis.cli(&["DEL", "karin:{orders}:hist"]);
    redis.cli(&["LPUSH", "karin:{orders}:hist", "a", "b"]);
    minute(&redis, &[&gateway]);
    assert_eq!(curve(&gateway, PAGE, "ready").split(',').next(), Some("ready: now 3"));
    assert_eq!(redis.cli(&["TYPE", "karin:{orders}:hist"]), "list", "nobody's list is dropped");
}

#[test]
fn a_long_history_is_made_shorter() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    send(&redis, "orders", 3);
    minute(&redis, &[&gateway]);
    until(PATIENCE, "a record", || length(&redis, "orders") > 0);
    redis.cli(&[
        "EVAL",
        "redis.call('SET', KEYS[1], string.rep(redis.call('GET', KEYS[1]), 800))",
        "1",
        "karin:{orders}:hist",
    ]);
    assert!(length(&redis, "orders") > 6_144);
    send(&redis, "orders", 3);
    minute(&redis, &[&gateway]);
    until(PATIENCE, "the shorter one", || length(&redis, "orders") < 200);
    assert!(number(&redis, &["TTL", "karin:{orders}:hist"]) > 7 * 86_400);
    assert_eq!(curve(&gateway, PAGE, "ready"), "ready: now 6, lowest 0, highest 6.");
}

#[test]
fn a_full_redis_costs_the_past_only() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    send(&redis, "orders", 5);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    minute(&redis, &[&gateway]);
    assert_eq!(length(&redis, "orders"), 0);
    assert_eq!(curve(&gateway, PAGE, "ready").split(',').next(), Some("ready: now 5"));
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    minute(&redis, &[&gateway]);
    until(PATIENCE, "the record it still owes", || length(&redis, "orders") > 0);
}
