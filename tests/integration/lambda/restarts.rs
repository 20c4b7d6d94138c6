//! What becomes of functions and their messages when the gateway goes.

use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};

use super::{Function, is_alive, send, wait_until_empty};

#[test]
fn a_killed_gateway_takes_its_functions_along_and_its_successor_delivers_at_once() {
    let redis = RedisServer::start(&[]);
    // The first event blocks, with a child in the same group and one in the background.
    let function = Function::new(
        "if [[ ! -e tried ]]; then touch tried; sleep 600 & echo $! >> pids; wait; fi; answer null",
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
    let function = Function::new("sleep 1; answer null; echo done >> done");
    let option = function.option("f");
    let mut gateway = Gateway::start(&redis, &["--function", &option, "--map", "q=f"]);
    send(&gateway, "q", "x");
    function.wait_for(1, PATIENCE);
    let status = gateway.terminate();
    assert!(status.success(), "{status}");
    gateway.restart();
    wait_until_empty(&gateway, "q");
    assert_eq!(function.events().len(), 1, "it was deleted before the end");
    let processes = function.lines("pids");
    assert!(!processes.iter().any(|process| is_alive(process)), "none is left behind");
}
