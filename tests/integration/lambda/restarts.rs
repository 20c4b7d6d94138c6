//! What becomes of functions and their messages when the gateway or Redis goes, or fails them.

use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};

use super::{Function, action, counts, is_alive, send, wait_until_empty};

#[test]
fn a_killed_gateway_takes_its_functions_along_and_its_successor_delivers_at_once() {
    let redis = RedisServer::start(&[]);
    // The first event blocks, with a child in the same group and one in the background.
    let function = Function::new(
        "if [[ ! -e tried ]]; then
           touch tried; tail -f /dev/null & echo $! >> pids; wait
         fi
         answer null",
    );
    let option = format!("{},timeout=300", function.option("f"));
    let mut gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    send(&gateway, "q", "x");
    until(PATIENCE, "the function to run", || function.lines("pids").len() == 2);
    let processes = function.lines("pids");
    assert!(processes.iter().all(|process| is_alive(process)));

    gateway.kill();
    until(Duration::from_secs(5), "the function and its child to be gone", || {
        !processes.iter().any(|process| is_alive(process))
    });
    let start = Instant::now();
    gateway.restart();
    let events = function.wait_for(2, PATIENCE);
    assert!(start.elapsed() < Duration::from_secs(10), "at once, not when the lease ends");
    assert_eq!(events[1].receive_count(), "1", "what never ran to its end costs no receive");
    wait_until_empty(&gateway, "q");
}

#[test]
fn a_gateway_that_is_asked_to_stop_lets_the_running_function_finish() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("while [[ ! -e go ]]; do sleep 0.02; done; answer null");
    let option = function.option("f");
    let mut gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    action(&gateway, "CreateQueue", &serde_json::json!({"QueueName": "other"}));
    send(&gateway, "q", "x");
    function.wait_for(1, PATIENCE);
    gateway.ask_to_stop();
    until(PATIENCE, "the word that it stops", || gateway.log().contains("stopping"));
    send(&gateway, "other", "a function that finishes may still send");
    std::fs::write(function.file("go"), "").unwrap();
    let status = until_some(PATIENCE, "its end", || gateway.ended());
    assert!(status.success(), "{status}");
    gateway.restart();
    wait_until_empty(&gateway, "q");
    assert_eq!(function.events().len(), 1, "it was deleted before the end");
    let processes = function.lines("pids");
    assert!(!processes.iter().any(|process| is_alive(process)), "none is left behind");
}

#[test]
fn what_a_window_gathered_is_leased_beyond_it_and_given_back_uncounted_at_a_stop() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = format!("{},timeout=5", function.option("f"));
    let arguments = ["--function", &option, "--map", "q=f,window=60"];
    let mut gateway = Gateway::start(&redis, &arguments);
    let message = || {
        let peeked = redis.cli(&["-3", "--json", "KARIN.PEEK", "karin:{q}"]);
        let peeked: serde_json::Value = serde_json::from_str(&peeked).unwrap();
        peeked["messages"][0].clone()
    };
    send(&gateway, "q", "x");
    until(PATIENCE, "the window to open", || message()[1] == "inflight");
    let leased = message();
    let lease_ms = leased[7].as_u64().unwrap() - leased[6].as_u64().unwrap();
    assert_eq!(lease_ms, (60 + 5 + 10) * 1_000, "the window, the timeout and a margin");
    assert!(gateway.terminate().success());
    let given_back = message();
    assert_eq!((&given_back[1], &given_back[4]), (&"ready".into(), &0.into()), "{given_back}");
    assert_eq!(function.events().len(), 0);
}

#[test]
fn a_message_whose_function_ends_while_redis_is_down_is_deleted_once_it_is_back() {
    let mut redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let function = Function::new("while [[ ! -e go ]]; do sleep 0.02; done; answer null");
    let option = function.option("f");
    let mut gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    gateway.tolerate_errors();
    send(&gateway, "q", "x");
    function.wait_for(1, PATIENCE);
    redis.kill();
    std::fs::write(function.file("go"), "").unwrap();
    redis.restart();
    until(PATIENCE, "the gateway to be back", || {
        let input = serde_json::json!({"QueueName": "q"}).to_string();
        gateway.http().json("GetQueueUrl", &input).status == 200
    });
    wait_until_empty(&gateway, "q");
    send(&gateway, "q", "y");
    assert_eq!(function.wait_for(2, PATIENCE)[1].bodies(), ["y"]);
    wait_until_empty(&gateway, "q");
    assert_eq!(function.events().len(), 2, "each ran once");
}

#[test]
fn a_process_that_was_killed_while_it_waited_is_replaced() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    for n in 1..=10 {
        send(&gateway, "q", "x");
        function.wait_for(n, PATIENCE);
        wait_until_empty(&gateway, "q");
        // Gone from /proc means that karin has noticed; before that, an event may go to the dead.
        let process = function.lines("pids").pop().unwrap();
        let killed = std::process::Command::new("kill").args(["-9", &process]).status();
        assert!(killed.unwrap().success());
        let trace = std::path::Path::new("/proc").join(process);
        until(PATIENCE, "karin to notice", || !trace.exists());
    }
}

#[test]
fn a_function_does_not_start_when_its_messages_leases_would_end_before_it() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = format!("{},timeout=1", function.option("f"));
    let gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f,window=2"]);
    send(&gateway, "q", "a process that waits");
    function.wait_for(1, PATIENCE);
    wait_until_empty(&gateway, "q");
    send(&gateway, "q", "x");
    until(PATIENCE, "the window to open", || counts(&gateway, "q") == (0, 1, 0));
    // Redis tells of another message, and hands it out when the first one's lease is nearly over.
    let mut pipeline = redis::pipe();
    pipeline.atomic().cmd("KARIN.SEND").arg("karin:{q}").arg("y");
    pipeline.cmd("CLIENT").arg("PAUSE").arg(11_500);
    pipeline.exec(&mut redis.connection()).unwrap();
    let starts = || {
        let events = function.events();
        events.iter().filter(|event| event.bodies().contains(&"x")).count()
    };
    until(PATIENCE, "the message", || starts() > 0);
    assert!(gateway.log().contains("came too slowly"), "the first lease was not used");
    wait_until_empty(&gateway, "q");
    // Whether it was given back or its lease ended first, Redis being away, is not told.
    assert_eq!(starts(), 1);
}

#[test]
fn without_hints_a_message_is_found_within_a_minute() {
    let redis = RedisServer::start(&[]);
    redis.cli(&["ACL", "SETUSER", "deaf", "on", ">secret", "~*", "+@all", "resetchannels"]);
    let url = format!("redis://deaf:secret@127.0.0.1:{}", redis.port());
    let function = Function::new("answer null");
    let arguments = ["--redis-url", &url, "--function", &function.option("f"), "--map", "q=f"];
    let gateway = Gateway::start_with(&arguments, &[]);
    until(PATIENCE, "the warning", || gateway.log().contains("no hints from Redis"));
    redis.cli(&["KARIN.SEND", "karin:{q}", "x"]);
    function.wait_for(1, Duration::from_secs(75));
}

#[test]
fn a_queue_that_is_lost_with_a_redis_that_keeps_nothing_is_made_again() {
    let mut redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let option = function.option("f");
    let mut gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    gateway.tolerate_errors();
    send(&gateway, "q", "before");
    function.wait_for(1, PATIENCE);
    wait_until_empty(&gateway, "q");
    redis.kill();
    redis.restart();
    until(PATIENCE, "the queue to be there again", || {
        redis.cli(&["EXISTS", "karin:{q}"]).trim() == "1"
    });
    send(&gateway, "q", "after");
    let events = function.wait_for(2, PATIENCE);
    assert_eq!(events[1].bodies(), ["after"]);
}
