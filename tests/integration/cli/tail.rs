//! `karin tail`.

use karin_tests::gateway::{Follower, Gateway};
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};

use super::{call, create, send};

fn events(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn messages_counts_and_queues_are_followed() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    create(&gateway, "orders");
    send(&gateway, "orders", "before");
    let url = redis.url();
    let tail = Follower::start(&["tail", "--json", "--redis-url", &url]);
    let heard = |is: &dyn Fn(&Value) -> bool| events(&tail.output()).iter().any(is);
    // It looks when it begins, and what is there then is no news.
    let mut number = 0;
    until(PATIENCE, "the first message that is followed", || {
        number += 1;
        send(&gateway, "orders", &format!("after {number}"));
        heard(&|event| event["event"] == "message" && event["queue"] == "orders")
    });
    assert!(!heard(&|event| event["body"] == "before"));
    let ready = |event: &Value| event["ready"].as_u64();
    until(PATIENCE, "the counts", || heard(&|event| ready(event) == Some(number + 1)));

    create(&gateway, "new");
    until(PATIENCE, "the queue", || heard(&|e| e["event"] == "created" && e["queue"] == "new"));
    let received = call(&gateway, "ReceiveMessage", &json!({"QueueUrl": "orders"}));
    let handle = &received["Messages"][0]["ReceiptHandle"];
    call(&gateway, "DeleteMessage", &json!({"QueueUrl": "orders", "ReceiptHandle": handle}));
    until(PATIENCE, "the deletion", || heard(&|event| event["gone"] == 1));
    call(&gateway, "DeleteQueue", &json!({"QueueUrl": "new"}));
    until(PATIENCE, "the end", || heard(&|e| e["event"] == "deleted" && e["queue"] == "new"));
    tail.interrupt();
}

#[test]
fn only_the_named_queues_are_followed_and_a_line_is_harmless() {
    let redis = RedisServer::start(&[]);
    for queue in ["karin:{one}", "karin:{two}"] {
        redis.cli(&["KARIN.CREATE", queue]);
    }
    let url = redis.url();
    let tail = Follower::start(&["tail", "two", "--redis-url", &url]);
    until(PATIENCE, "a message", || {
        redis.cli(&["KARIN.SEND", "karin:{one}", "unheard"]);
        redis.cli(&["KARIN.SEND", "karin:{two}", "a\u{202E}b\nc"]);
        tail.output().contains(" message ")
    });
    let text = tail.interrupt();
    assert!(text.contains(r"a\u{202e}b\nc"), "{text}");
    assert!(!text.contains("unheard") && !text.contains('\u{202E}'), "{text}");
}

#[test]
fn invocations_are_followed() {
    let redis = RedisServer::start(&[]);
    let code = tempfile::tempdir().unwrap();
    let function = format!("f={},command=false", code.path().display());
    let gateway = Gateway::start(&redis, &["--function", &function, "--map", "q=f"]);
    let url = redis.url();
    let tail = Follower::start(&["tail", "--json", "--redis-url", &url]);
    until(PATIENCE, "an invocation that failed", || {
        send(&gateway, "q", "x");
        let is = |event: &Value| event["event"] == "invoked" && event["errors"].as_u64() > Some(0);
        events(&tail.output()).iter().any(is)
    });
    tail.interrupt();
}

#[test]
fn it_waits_for_a_redis_that_is_away() {
    let mut redis = RedisServer::start(&["--appendonly", "yes"]);
    redis.cli(&["KARIN.CREATE", "karin:{q}"]);
    let url = redis.url();
    let tail = Follower::start(&["tail", "--redis-url", &url]);
    until(PATIENCE, "the first look", || {
        redis.cli(&["KARIN.SEND", "karin:{q}", "one"]);
        tail.output().contains("one")
    });
    redis.kill();
    until(PATIENCE, "the loss", || tail.output().contains("waiting for Redis"));
    redis.restart();
    until(PATIENCE, "what comes later", || {
        redis.cli(&["KARIN.SEND", "karin:{q}", "two"]);
        tail.output().contains("two")
    });
    let text = tail.interrupt();
    assert!(text.contains("Redis is back") && !text.contains("created"), "{text}");
}
