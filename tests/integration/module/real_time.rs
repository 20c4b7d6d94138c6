//! What other tests hurry by `KARIN.DEBUG CLOCK`, by the real clock: one of each, with
//! `KARIN_TEST_LONG` (`make test-long`); else only what takes a second or two.

use std::time::{Duration, Instant};

use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::client::{Client, info_number, integer, items};

/// What a machine may lose by being slow.
const SLACK: Duration = Duration::from_secs(2);

/// Pops one message with BLOCK; how long that took since `start`.
#[track_caller]
fn pop_at(client: &mut Client, words: &str, start: Instant) -> (Vec<u8>, Duration) {
    let message = client.pop_one(&format!("{words} BLOCK 30"));
    (message.body, start.elapsed())
}

#[track_caller]
fn assert_at(took: Duration, seconds: u64) {
    let due = Duration::from_secs(seconds);
    assert!(took >= due && took < due + SLACK, "{took:?} instead of {seconds} s");
}

#[test]
fn delays_leases_and_retention_end_by_the_real_clock() {
    let seconds = if std::env::var_os("KARIN_TEST_LONG").is_some() { 5 } else { 1 };
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let start = Instant::now();
    client.ok(&format!("KARIN.SEND q later DELAY {seconds}"));
    let (body, took) = pop_at(&mut client, &format!("q VISIBILITY {seconds}"), start);
    assert_eq!(body, b"later");
    assert_at(took, seconds);
    let (body, took) = pop_at(&mut client, "q", start);
    assert_eq!(body, b"later");
    assert_at(took, 2 * seconds);
    let start = Instant::now();
    client.ok(&format!("KARIN.CREATE short MessageRetentionPeriod {seconds}"));
    client.ok("KARIN.SEND short x");
    wait::until(wait::PATIENCE, "the message to expire", || {
        info_number(&mut client, "karin_expired") == 1
    });
    assert_at(start.elapsed(), seconds);
    assert_eq!(client.counts("short"), (0, 0, 0));
}

#[test]
fn duplicates_and_attempts_are_told_for_five_real_minutes() {
    if std::env::var_os("KARIN_TEST_LONG").is_none() {
        return;
    }
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q.fifo FIFO VisibilityTimeout 3600");
    let start = Instant::now();
    client.ok("KARIN.SEND q.fifo first GROUP g DEDUP d");
    let receipt = client.pop_one("q.fifo ATTEMPT a").receipt;
    let six_minutes = Duration::from_mins(6);
    wait::until(six_minutes, "the duplicate to count as new", || {
        let sent = client.ok("KARIN.SEND q.fifo x GROUP h DEDUP d");
        let is_new = integer(&items(&sent)[1]) == 2;
        // The attempt was made after the message was sent, so it is known at least as long.
        if !is_new {
            assert_eq!(client.pop_one("q.fifo ATTEMPT a").receipt, receipt);
        }
        is_new
    });
    assert_at(start.elapsed(), 300);
    // The group is in flight, and the attempt forgotten: the new message comes.
    assert_eq!(client.pop_one("q.fifo ATTEMPT a").body, b"x");
}
