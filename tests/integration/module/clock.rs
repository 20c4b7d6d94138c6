//! What happens by itself, as time goes on or jumps.

use std::time::{Duration, Instant};

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::Value;

use super::client::{Client, SYNC_AT_ONCE, bytes, fields, info_number, items};
use super::pair::Pair;

/// The module looks at the clock once a second; some room for a slow machine.
const SOON: Duration = Duration::from_secs(2);

/// Starts a POPDUE that waits; returns its thread once it does.
fn block(
    server: &RedisServer,
    observer: &mut Client,
    key: &str,
) -> std::thread::JoinHandle<(usize, Instant)> {
    let before = info_number(observer, "karin_blocked_clients");
    let words = format!("KARIN.POPDUE {key} COUNT 10 BLOCK 60");
    let mut client = Client::new(server);
    let thread = std::thread::spawn(move || match client.ok(&words) {
        Value::Nil => (0, Instant::now()),
        reply => (items(&fields(&reply)["messages"]).len(), Instant::now()),
    });
    wait::until(wait::PATIENCE, "a client that waits", || {
        info_number(observer, "karin_blocked_clients") == before + 1
    });
    thread
}

fn until_zero(client: &mut Client, name: &str) {
    wait::until(wait::PATIENCE, name, || info_number(client, name) == 0);
}

/// Sends a message that lives for a second, without anybody ever asking for it.
fn send_mayfly(client: &mut Client, key: &str) {
    client.ok(&format!("KARIN.CREATE {key} MessageRetentionPeriod 1"));
    client.ok(&format!("KARIN.SEND {key} x"));
}

fn until_empty(client: &mut Client, key: &str) {
    wait::until(wait::PATIENCE, "the expired message's end", || {
        client.counts(key) == (0, 0, 0) && super::client::integer(&client.info(key)["bytes"]) == 0
    });
}

#[test]
fn a_clock_that_is_set_forward_wakes_who_waits_within_a_second() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q x DELAY 3600");
    let thread = block(&server, &mut client, "q");
    let set = Instant::now();
    client.ok("KARIN.DEBUG CLOCK 3600");
    let (count, ended) = thread.join().unwrap();
    assert_eq!(count, 1);
    assert!(ended - set < SOON, "{:?}", ended - set);
}

#[test]
fn a_clock_that_was_wrong_for_a_while_delays_nobody_by_two_seconds_once_it_is_right() {
    for hour in [3_600, -3_600] {
        let server = RedisServer::start(&[]);
        let mut client = Client::new(&server);
        client.ok("KARIN.SEND q x DELAY 1");
        let thread = block(&server, &mut client, "q");
        client.ok(&format!("KARIN.DEBUG CLOCK {hour}"));
        if hour < 0 {
            wait::until(wait::PATIENCE, "the step to be seen", || {
                info_number(&mut client, "karin_clock_steps") == 1
            });
        }
        let right = Instant::now();
        client.ok(&format!("KARIN.DEBUG CLOCK {}", -hour));
        let (count, ended) = thread.join().unwrap();
        assert_eq!(count, 1);
        assert!(ended.saturating_duration_since(right) < SOON, "{hour}");
        // What was sent in the wrong hour and what is sent after it is looked after.
        send_mayfly(&mut client, "p");
        until_empty(&mut client, "p");
    }
}

/// Makes messages due while the clock is an hour ahead, also if the module does not see the step.
fn comes_in_time(is_seen: bool) {
    let server = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&server, &[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE redriven deadLetterTargetArn other maxReceiveCount 1");
    client.ok("KARIN.SEND redriven x");
    client.pop_one("redriven VISIBILITY 0");
    assert_eq!(client.pop("redriven").dead, 1);
    let receipts = ["extended", "released"].map(|key| {
        client.ok(&format!("KARIN.SEND {key} x"));
        client.pop_one(&format!("{key} VISIBILITY 7200")).receipt
    });
    let waiting =
        ["extended", "released", "sent"].map(|key| (key, block(&server, &mut client, key)));
    client.ok("KARIN.DEBUG CLOCK 3600");
    if is_seen {
        wait::until(wait::PATIENCE, "the step to be seen", || {
            info_number(&mut client, "karin_clock_steps") == 1
        });
    }
    client.ok(&format!("KARIN.EXTEND extended {} 1", receipts[0]));
    client.ok(&format!("KARIN.RELEASE released DELAY 1 {}", receipts[1]));
    client.ok("KARIN.SEND sent x DELAY 1");
    assert_eq!(client.integer("KARIN.REDRIVE redriven"), 1);
    client.ok("KARIN.DEBUG CLOCK -3600");
    let right = Instant::now();
    client.pop_one("redriven BLOCK 60");
    assert!(right.elapsed() < SOON, "redriven: {:?}", right.elapsed());
    for (key, thread) in waiting {
        let (count, ended) = thread.join().unwrap();
        let late = ended.saturating_duration_since(right);
        assert!(count == 1 && late < SOON, "{key}: {count} after {late:?}");
    }
    for key in ["redriven", "extended", "released", "sent"] {
        client.check(key);
    }
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    assert_eq!(Client::new(&replica).digest(), client.digest());
}

#[test]
fn what_a_clock_an_hour_ahead_made_due_comes_within_two_seconds_after_it_is_right_again() {
    comes_in_time(true);
}

#[test]
fn what_a_clock_made_due_that_was_an_hour_ahead_for_a_moment_comes_within_two_seconds() {
    comes_in_time(false);
}

#[test]
fn a_step_of_the_clock_is_logged_once_and_told_to_listeners_of_queues_that_have_something() {
    let server = RedisServer::start(&[]);
    let mut connection = server.connection();
    let mut listener = connection.as_pubsub();
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE empty");
    for n in 0..1_200 {
        client.ok(&format!("KARIN.SEND q{n} x DELAY 7200"));
    }
    client.ok("SELECT 2");
    client.ok("KARIN.SEND other x DELAY 7200");
    // The tick runs, so that it has a time to compare with.
    wait::until(wait::PATIENCE, "the visits after the sends", || {
        server.log().contains("Ready")
            && info_number(&mut client, "karin_scheduled_queues") == 1_201
    });
    listener.psubscribe("karin:due:*").unwrap();
    let hints = info_number(&mut client, "karin_hints");
    client.ok("KARIN.DEBUG CLOCK 3600");
    wait::until(wait::PATIENCE, "a hint for each queue", || {
        info_number(&mut client, "karin_hints") == hints + 1_201
    });
    let mut channels = std::collections::BTreeSet::new();
    for _ in 0..1_201 {
        let message = listener.get_message().unwrap();
        let payload: String = message.get_payload().unwrap();
        let due_ms: u64 = payload.split_once(' ').unwrap().0.parse().unwrap();
        assert!((3_500_000..=3_600_000).contains(&due_ms), "{payload}");
        channels.insert(message.get_channel_name().to_owned());
    }
    assert_eq!(channels.len(), 1_201);
    assert!(channels.contains("karin:due:{q1199}") && channels.contains("karin:due:{other}"));
    assert_eq!(info_number(&mut client, "karin_clock_steps"), 1);
    wait::until(wait::PATIENCE, "the line in the log", || {
        server.log().matches("karin: the clock was set, by ").count() == 1
    });
}

#[test]
fn what_expires_goes_without_a_command_and_from_replicas_too() {
    let mut pair = Pair::start();
    let mut client = pair.client();
    send_mayfly(&mut client, "q");
    client.ok("CLIENT PAUSE 1500 WRITE");
    until_empty(&mut client, "q");
    assert_eq!(info_number(&mut client, "karin_expired"), 1);
    until_zero(&mut client, "karin_scheduled_queues");
    pair.assert_kept();
}

#[test]
fn a_server_goes_on_after_a_restart_or_as_the_new_master() {
    for preamble in ["yes", "no"] {
        let mut master = RedisServer::start(
            &[&SYNC_AT_ONCE[..], &["--appendonly", "yes", "--aof-use-rdb-preamble", preamble]]
                .concat(),
        );
        let replica = RedisServer::start_replica_of(&master, &[]);
        let mut client = Client::new(&master);
        client.ok("KARIN.CREATE q MessageRetentionPeriod 3");
        client.ok("KARIN.SEND q x");
        client.ok("BGREWRITEAOF");
        wait::until(wait::PATIENCE, "the rewrite", || {
            let persistence = master.info("persistence");
            persistence.contains("aof_rewrite_in_progress:0")
                && persistence.contains("aof_rewrite_scheduled:0")
        });
        assert_eq!(client.integer("WAIT 1 10000"), 1);
        master.kill();
        let mut copy = Client::new(&replica);
        copy.ok("REPLICAOF NO ONE");
        until_empty(&mut copy, "q");
        master.restart();
        until_empty(&mut Client::new(&master), "q");
    }
}

#[test]
fn a_queue_that_arrives_by_another_command_is_looked_after() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for n in 0..5 {
        send_mayfly(&mut client, &format!("q{n}"));
    }
    let dump = bytes(&client.ok("DUMP q1"));
    client.ok("RENAME q0 renamed");
    client.call(&[b"RESTORE", b"restored", b"0", &dump]).unwrap();
    client.ok("COPY q2 copied");
    client.ok("MOVE q3 4");
    client.ok("SWAPDB 0 7");
    client.ok("SELECT 7");
    for key in ["renamed", "restored", "copied", "q1", "q2", "q4"] {
        until_empty(&mut client, key);
    }
    client.ok("SELECT 4");
    until_empty(&mut client, "q3");
    until_zero(&mut client, "karin_scheduled_queues");
    // Names that are gone are forgotten.
    client.ok("KARIN.SEND gone x");
    client.ok("KARIN.SEND renamed x");
    client.ok("DEL gone");
    client.ok("RENAME renamed back");
    client.ok("SET renamed string");
    wait::until(wait::PATIENCE, "one queue", || {
        info_number(&mut client, "karin_scheduled_queues") == 1
    });
    client.ok("FLUSHALL");
    assert_eq!(info_number(&mut client, "karin_scheduled_queues"), 0);
}

/// Returns when the tick has visited all queues that had something before.
fn until_visited(client: &mut Client) {
    send_mayfly(client, "mayfly");
    until_empty(client, "mayfly");
    client.ok("DEL mayfly");
}

fn number(client: &mut Client, key: &str, field: &str) -> i64 {
    super::client::integer(&client.info(key)[field])
}

#[test]
fn a_shorter_retention_ends_what_is_there_without_a_command() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q x");
    until_visited(&mut client);
    client.ok("KARIN.SET q MessageRetentionPeriod 1");
    until_empty(&mut client, "q");
}

/// In real time, five minutes, with `KARIN_TEST_LONG` only: a clock that is set has the module look
/// after all queues.
#[test]
fn ids_and_moved_messages_end_in_time_also_in_queues_that_were_looked_after_long_before() {
    if std::env::var_os("KARIN_TEST_LONG").is_none() {
        return;
    }
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q FIFO");
    client.ok("KARIN.SEND q x GROUP a DEDUP 1");
    client.ok("KARIN.SENDM p 2 MSG x MSG x");
    client.ok("KARIN.CREATE m MessageRetentionPeriod 3600");
    client.ok("KARIN.DEBUG CLOCK 301");
    client.ok("KARIN.SEND m x");
    wait::until(wait::PATIENCE, "no ids", || number(&mut client, "q", "dedup_ids") == 0);
    until_visited(&mut client);
    // Nothing of that is a hint: something is due already.
    client.ok("KARIN.SEND q x GROUP a DEDUP 2");
    client.ok("KARIN.POPDUE p ATTEMPT 2");
    let sent_ms = client.pop_one("m VISIBILITY 0").sent_ms - 3_550_000;
    client.ok(&format!("KARIN.SEND m old FROM 0123456789abcdef 1 SENT {sent_ms}"));
    assert_eq!(client.counts("m"), (2, 0, 0));
    wait::until(Duration::from_mins(2), "the end of the moved message", || {
        client.counts("m") == (1, 0, 0)
    });
    wait::until(Duration::from_secs(310), "no ids", || {
        number(&mut client, "q", "dedup_ids") == 0 && number(&mut client, "p", "attempts") == 0
    });
}

#[test]
fn a_moved_message_deep_in_a_long_queue_expires_within_seconds() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q MessageRetentionPeriod 3600");
    for _ in 0..4 {
        client.ok(&format!("KARIN.SENDM q 1000{}", " MSG x".repeat(1_000)));
    }
    let sent_ms = client.pop_one("q VISIBILITY 0").sent_ms - 3_000_000;
    client.ok(&format!("KARIN.SEND q old FROM 0123456789abcdef 1 SENT {sent_ms}"));
    until_visited(&mut client);
    client.ok("KARIN.DEBUG CLOCK 1200");
    wait::until(wait::PATIENCE, "the end of the moved one", || client.counts("q") == (4_000, 0, 0));
}

#[test]
fn a_replica_notes_the_queues_it_has_and_no_others() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &SYNC_AT_ONCE);
    let (mut client, mut copy) = (Client::new(&master), Client::new(&replica));
    for n in 0..5 {
        client.ok(&format!("KARIN.SEND q{n} x"));
    }
    client.ok("DEL q0");
    client.ok("UNLINK q1");
    client.ok("RENAME q2 renamed");
    client.ok("KARIN.CREATE q3-renamed");
    client.ok("RENAME q3 q3-renamed");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    assert_eq!(info_number(&mut copy, "karin_scheduled_queues"), 3);
    client.ok("MOVE q4 2");
    client.ok("COPY renamed copied DB 3");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    assert_eq!(info_number(&mut copy, "karin_scheduled_queues"), 4);
    client.ok("FLUSHALL");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    assert_eq!(info_number(&mut copy, "karin_scheduled_queues"), 0);
}

#[test]
fn a_clock_that_is_wrong_for_less_than_a_second_is_seen_to_be() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q x DELAY 7200");
    wait::until(wait::PATIENCE, "the first visit", || {
        info_number(&mut client, "karin_scheduled_queues") == 1
    });
    let start = Instant::now();
    for (step, hour) in (1..=6).zip([3_600, -3_600].into_iter().cycle()) {
        client.ok(&format!("KARIN.DEBUG CLOCK {hour}"));
        wait::until(wait::PATIENCE, "the step to be seen", || {
            info_number(&mut client, "karin_clock_steps") == step
        });
    }
    assert!(start.elapsed() < 2 * SOON, "{:?}", start.elapsed());
}

#[test]
fn many_queues_are_right_soon_after_the_clock_is() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND other x DELAY 7200");
    client.ok("KARIN.DEBUG CLOCK 3600");
    wait::until(wait::PATIENCE, "the step to be seen", || {
        info_number(&mut client, "karin_clock_steps") == 1
    });
    for n in 1_000..2_000 {
        client.ok(&format!("KARIN.SEND q{n} x DELAY 1"));
    }
    let right = Instant::now();
    client.ok("KARIN.DEBUG CLOCK -3600");
    assert_eq!(client.pop("q1999 BLOCK 60").messages.len(), 1);
    assert!(right.elapsed() < SOON + Duration::from_secs(3), "{:?}", right.elapsed());
}
