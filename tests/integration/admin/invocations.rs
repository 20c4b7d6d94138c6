//! Invocations: what is kept of them, within which bounds, and running a function again.

use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::http::{Response, form};
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};

use super::browse;
use crate::lambda::endpoint::{Endpoint, Reply};
use crate::lambda::{Function, counts, send, wait_until_empty};

/// Fails with messages that say so, reports those that want it, and answers all others.
const HANDLER: &str = r#"
echo "the log of it"
case $body in
  *please-fail*) fail '{"errorMessage":"boom hunter2","errorType":"Boom"}' ;;
  *please-report*)
    [[ $body =~ '"messageId":"'([^\"]*) ]]
    answer "{\"batchItemFailures\":[{\"itemIdentifier\":\"${BASH_REMATCH[1]}\"}]}" ;;
  *) answer '{"well":"done"}' ;;
esac"#;

const MAP: &str = "q=f,batch_size=1,report_batch_item_failures=true";

/// What ties the forms of an open page to one browser.
const BROWSER: (&str, &str) = ("Cookie", "karin_visit=00112233445566778899aabbccddeeff");

fn start(redis: &RedisServer, function: &Function, more: &[&str]) -> Gateway {
    let option = function.option("f");
    let arguments = [&["--function", &option, "--map", MAP], more].concat();
    Gateway::start(redis, &arguments)
}

/// A page, which is there.
#[track_caller]
fn page(gateway: &Gateway, path: &str) -> String {
    let response = gateway.http().request("GET", path, &[BROWSER], b"");
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    response.text().to_owned()
}

/// The ids of the invocations on a page of the list, the newest first.
fn ids(page: &str) -> Vec<String> {
    let rows = page.split("<tr id=\"run-").skip(1);
    rows.map(|row| row.split('"').next().unwrap().to_owned()).collect()
}

/// The ids of all with this outcome, once there are so many.
#[track_caller]
fn wait_for(gateway: &Gateway, outcome: &str, count: usize) -> Vec<String> {
    let path = format!("/admin/invocations?outcome={outcome}");
    until_some(PATIENCE, &format!("{count} of {outcome}"), || {
        Some(ids(&page(gateway, &path))).filter(|ids| ids.len() == count)
    })
}

fn details(gateway: &Gateway, id: &str) -> String {
    page(gateway, &format!("/admin/invocations/{id}"))
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
    rest.split('"').next().unwrap().to_owned()
}

/// Sends the form of a page that was got so.
fn post(gateway: &Gateway, id: &str, asked: &Response, run: &str) -> Response {
    let path = format!("/admin/invocations/{id}/again");
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), BROWSER];
    let csrf = field(asked.text(), "csrf");
    let form = form(&[("csrf", &csrf), ("run", run)]);
    gateway.http().request("POST", &path, &headers, form.as_bytes())
}

/// Invokes again as the button does. Returns the new one's id.
#[track_caller]
fn invoke_again(gateway: &Gateway, id: &str) -> String {
    let path = format!("/admin/invocations/{id}/again");
    let asked = gateway.http().request("GET", &path, &[BROWSER], b"");
    assert_eq!(asked.status, 200, "{}", asked.text());
    let response = post(gateway, id, &asked, &field(asked.text(), "run"));
    assert_eq!(response.status, 303, "{}", response.text());
    let location = response.header("location").unwrap();
    location.strip_prefix("/admin/invocations/").unwrap().to_owned()
}

/// Everything Redis has of records.
fn kept(redis: &RedisServer) -> String {
    let hash = |key| redis.cli(&["HGETALL", key]);
    hash("karin:runs") + &hash("karin:runs:payloads")
}

#[test]
fn invocations_are_looked_at_and_invoked_again() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(HANDLER);
    let gateway = start(&redis, &function, &[]);
    let directory = function.file("").display().to_string();
    browse(&gateway, "invocations.mjs", &[&directory]);
}

#[test]
fn hostile_events_and_answers_are_shown_harmless() {
    let redis = RedisServer::start(&[]);
    // Markup, what turns the text around, no UTF-8, and more than fits anywhere.
    let function = Function::new(
        r#"
case $body in
  *markup*) fail '<script>alert(1)</script><img src=x onerror=alert(2)>' ;;
  *bidi*) fail $'{"a":"\xe2\x80\xae<b>\xe2\x80\x8b"}' ;;
  *bytes*) fail $'\xff\xfe\x00<i>' ;;
  *) fail "\"$(head -c 6000000 /dev/zero | tr '\0' '<')\"" ;;
esac"#,
    );
    let gateway = start(&redis, &function, &[]);
    browse(&gateway, "invocations_hostile.mjs", &[]);
}

#[test]
fn payloads_are_kept_of_failures_unless_told_otherwise() {
    for (option, of_failure, of_success) in
        [("none", false, false), ("failed", true, false), ("all", true, true)]
    {
        let redis = RedisServer::start(&[]);
        let function = Function::new(HANDLER);
        let gateway = start(&redis, &function, &["--keep-payloads", option]);
        send(&gateway, "q", "please-fail hunter2");
        send(&gateway, "q", "all is well hunter2");
        let failure = wait_for(&gateway, "function_error", 1).remove(0);
        let success = wait_for(&gateway, "ok", 1).remove(0);
        let has = |id: &str| details(&gateway, id).contains("hunter2");
        assert_eq!(has(&failure), of_failure, "{option}");
        assert_eq!(has(&success), of_success, "{option}");
        let logged = details(&gateway, &failure).contains("the log of it");
        assert_eq!(logged, of_failure, "{option}: the log");
        let listed = page(&gateway, "/admin/invocations").contains("hunter2");
        assert_eq!(listed, of_failure, "{option}: the reason");
        let again = gateway.http().get(&format!("/admin/invocations/{failure}/again"));
        assert_eq!(again.status, if of_failure { 200 } else { 400 }, "{option}");
        until(PATIENCE, "it to be kept", || kept(&redis).contains(&failure));
        assert_eq!(kept(&redis).contains("hunter2"), of_failure, "{option}");
        assert!(!kept(&redis).contains(&success), "{option}: only failures");
    }
}

#[test]
fn who_keeps_no_payloads_removes_those_of_an_earlier_start() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(HANDLER);
    {
        let gateway = start(&redis, &function, &[]);
        send(&gateway, "q", "please-fail hunter2");
        until(PATIENCE, "it to be kept", || kept(&redis).contains("hunter2"));
    }
    let gateway = start(&redis, &function, &["--keep-payloads", "none"]);
    until(PATIENCE, "its end", || !kept(&redis).contains("hunter2"));
    assert!(!page(&gateway, "/admin/invocations").contains("hunter2"));
}

#[test]
fn of_many_invocations_fifty_failures_and_fifty_others_stay() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(HANDLER);
    let option = function.option("f");
    let map = "q=f,batch_size=1,retry=backoff:3600:3600";
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", map]);
    for n in 0..200 {
        send(&gateway, "q", &format!("{} {n}", if n % 2 == 0 { "please-fail" } else { "fine" }));
    }
    function.wait_for(200, Duration::from_mins(1));
    until(PATIENCE, "all to be settled", || counts(&gateway, "q") == (0, 100, 0));
    wait_for(&gateway, "function_error", 50);
    wait_for(&gateway, "ok", 50);
    let [first, second] =
        [1, 2].map(|n| ids(&page(&gateway, &format!("/admin/invocations?page={n}"))));
    assert_eq!((first.len(), second.len()), (50, 50));
    assert!(first.iter().all(|id| !second.contains(id)));
    until(PATIENCE, "the last fifty in Redis", || {
        let failures = wait_for(&gateway, "function_error", 50);
        let kept = kept(&redis);
        failures.iter().all(|id| kept.contains(id))
    });
    assert_eq!(redis.cli(&["HLEN", "karin:runs"]), "50");
    assert_eq!(redis.cli(&["HLEN", "karin:runs:payloads"]), "50");
    let age: u64 = redis.cli(&["TTL", "karin:runs"]).parse().unwrap();
    assert!((604_000..=604_800).contains(&age), "{age}");
}

#[test]
fn a_long_event_is_kept_cut_and_cannot_be_invoked_again() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(HANDLER);
    let gateway = start(&redis, &function, &[]);
    redis.cli(&["KARIN.SEND", "karin:{q}", &("please-fail ".to_owned() + &"x".repeat(120_000))]);
    let id = wait_for(&gateway, "function_error", 1).remove(0);
    let page = details(&gateway, &id);
    assert!(page.contains("only the first 65536 are kept") && page.contains("cannot be invoked"));
    assert!(page.len() < 60_000, "{}", page.len());
    let event = gateway.http().get(&format!("/admin/invocations/{id}/download/event"));
    assert_eq!(event.body.len(), 65_536);
    assert!(event.header("content-disposition").unwrap().starts_with("attachment"));
    send(&gateway, "q", "please-fail");
    let both = wait_for(&gateway, "function_error", 2);
    let small = both.iter().find(|other| **other != id).unwrap();
    let path = format!("/admin/invocations/{small}/again");
    let asked = gateway.http().request("GET", &path, &[BROWSER], b"");
    let refused = post(&gateway, &id, &asked, "00000000000000ab-1");
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(function.events().len(), 2);
}

#[test]
fn failures_are_seen_from_every_gateway_and_outlive_a_restart() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(HANDLER);
    let mut gateway = start(&redis, &function, &[]);
    let other = Gateway::start(&redis, &[]);
    send(&gateway, "q", "fine");
    wait_until_empty(&gateway, "q");
    send(&gateway, "q", "please-fail for all to see");
    let id = wait_for(&other, "", 1).remove(0);
    assert!(details(&other, &id).contains("for all to see"));
    // Killed; what was written stays.
    gateway.restart();
    assert_eq!(wait_for(&gateway, "", 1), [id.as_str()]);
    let again = invoke_again(&gateway, &id);
    assert!(details(&gateway, &again).contains("boom hunter2"));
    // Told to stop; what is new is written before.
    send(&gateway, "q", "please-report");
    let reported = wait_for(&gateway, "reported", 1).remove(0);
    assert!(gateway.terminate().success());
    assert!(details(&other, &reported).contains("please-report"));
    assert!(details(&other, &again).contains("boom hunter2"), "what was asked for by hand, too");
}

#[test]
fn a_redis_that_is_away_or_full_disturbs_neither_the_trigger_nor_who_looks() {
    let mut redis = RedisServer::start(&[]);
    let function = Function::new(HANDLER);
    let gateway = start(&redis, &function, &[]);
    send(&gateway, "q", "fine, for the process to be there");
    wait_until_empty(&gateway, "q");
    send(&gateway, "q", "please-fail");
    wait_for(&gateway, "function_error", 1);
    until(PATIENCE, "it to be kept", || redis.cli(&["HLEN", "karin:runs"]) == "1");
    for body in ["please-fail a second time", "all is well"] {
        redis.cli(&["KARIN.SEND", "karin:{q}", body, "DELAY", "0.7"]);
    }
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    wait_for(&gateway, "function_error", 2);
    wait_for(&gateway, "ok", 2);
    let words = "records of failed invocations are not kept now";
    until(PATIENCE, words, || gateway.log().contains(words));
    redis.kill();
    let alone = page(&gateway, "/admin/invocations");
    assert!(alone.contains("Redis is away: only what this gateway"), "{alone}");
    assert_eq!(ids(&alone).len(), 4);
}

#[test]
fn a_function_elsewhere_is_invoked_again_in_its_turn() {
    let redis = RedisServer::start(&[]);
    let endpoint = Endpoint::start(|invocation| match invocation.before {
        0 => Reply::Http(
            200,
            vec![
                ("X-Amz-Function-Error", "Unhandled".to_owned()),
                ("x-amzn-RequestId", "the-request".to_owned()),
            ],
            r#"{"errorMessage":"not yet"}"#.to_owned(),
        ),
        _ => Reply::ok(r#"{"now":"it works"}"#),
    });
    let url = endpoint.url();
    let sync = ["--lambda-endpoint", url, "--lambda-profile", "aws", "--sync-interval", "off"];
    let map = "q=f,retry=backoff:3600:3600";
    let gateway = Gateway::start(&redis, &[&["--map", map][..], &sync].concat());
    send(&gateway, "q", "hello");
    let id = wait_for(&gateway, "function_error", 1).remove(0);
    assert!(details(&gateway, &id).contains("the-request"));
    until(PATIENCE, "its message to wait", || counts(&gateway, "q") == (0, 1, 0));
    let again = invoke_again(&gateway, &id);
    let page = details(&gateway, &again);
    assert!(page.contains("it works") && page.contains(&id), "{page}");
    let invocations = endpoint.invocations("f");
    assert_eq!(invocations.len(), 2);
    assert_eq!(invocations[0].event, invocations[1].event);
    assert_eq!(counts(&gateway, "q"), (0, 1, 0), "its message stays where it was");
}

#[test]
fn what_is_no_invocation_has_a_friendly_page() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    for path in [
        "/admin/invocations/x",
        "/admin/invocations/%ff",
        "/admin/invocations/00000000000000ab-1",
        "/admin/invocations/00000000000000ab-1/again",
        "/admin/invocations/00000000000000ab-1/download/event",
    ] {
        let response = gateway.http().get(path);
        assert_eq!(response.status, 404, "{path}");
        assert!(response.text().contains("<h1>"), "{path}: {}", response.text());
    }
    for query in
        ["page=0", "page=-1", "page=x", "outcome=%ff", "mapping=%3Cb%3E", "name=%00", "a=b&a"]
    {
        page(&gateway, &format!("/admin/invocations?{query}"));
    }
}
