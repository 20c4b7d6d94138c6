//! `KARIN.POPDUE … BLOCK`: a client waits, and is woken by whatever makes something due.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::Value;

use super::client::{Client, SYNC_AT_ONCE, bytes, fields, info_number, items, text};
use super::pair::Pair;

/// No wake-up takes that long: what takes the second between two looks at the clock fails.
const AT_ONCE: Duration = Duration::from_millis(700);

/// A client that waits in a command.
struct Blocked {
    thread: JoinHandle<(Result<Value, String>, Instant)>,
}

impl Blocked {
    /// Starts the command; returns when the client is blocked, unless it need not wait.
    fn start(server: &RedisServer, words: &str) -> Self {
        let mut client = Client::new(server);
        Self::start_on(server, &mut client, words, "")
    }

    /// The same in another database, or after any other command.
    fn start_on(server: &RedisServer, observer: &mut Client, words: &str, before: &str) -> Self {
        let blocked = info_number(observer, "karin_blocked_clients");
        let mut client = Client::new(server);
        if !before.is_empty() {
            client.ok(before);
        }
        let words = words.to_owned();
        let thread = std::thread::spawn(move || (client.words(&words), Instant::now()));
        wait::until(wait::PATIENCE, "a client that waits, or is served already", || {
            thread.is_finished() || info_number(observer, "karin_blocked_clients") == blocked + 1
        });
        Self { thread }
    }

    fn end(self) -> (Result<Value, String>, Instant) {
        self.thread.join().unwrap()
    }

    /// The bodies it was answered with.
    #[track_caller]
    fn bodies(self) -> Vec<String> {
        let reply = self.end().0.unwrap();
        let messages = fields(&reply)["messages"].clone();
        items(&messages).iter().map(|message| text(&items(message)[2])).collect()
    }

    /// The bodies; they must come soon after `since`.
    #[track_caller]
    fn bodies_soon(self, since: Instant) -> Vec<String> {
        let (reply, ended) = self.end();
        let took = ended.saturating_duration_since(since);
        assert!(took < AT_ONCE, "{took:?}");
        let messages = fields(&reply.unwrap())["messages"].clone();
        items(&messages).iter().map(|message| text(&items(message)[2])).collect()
    }
}

fn until_blocked(client: &mut Client, count: u64) {
    wait::until(wait::PATIENCE, "the number of blocked clients", || {
        info_number(client, "karin_blocked_clients") == count
    });
}

/// Nobody waits any more as far as the module knows.
fn assert_nobody_waits(server: &RedisServer) {
    let mut client = Client::new(server);
    until_blocked(&mut client, 0);
    assert_eq!(info_number(&mut client, "karin_blocked_keys"), 0);
}

#[test]
fn a_waiting_client_gets_a_message_as_soon_as_it_is_sent() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for key in ["missing", "empty"] {
        client.words("KARIN.CREATE empty").ok();
        let blocked = Blocked::start(&server, &format!("KARIN.POPDUE {key} COUNT 5 BLOCK 0"));
        let sent = Instant::now();
        client.ok(&format!("KARIN.SEND {key} hello"));
        assert_eq!(blocked.bodies_soon(sent), ["hello"]);
        assert_eq!(client.counts(key), (0, 0, 1));
        client.check(key);
    }
    assert_nobody_waits(&server);
    assert_eq!(info_number(&mut client, "karin_received"), 2);
}

#[test]
fn whatever_makes_a_message_due_wakes_who_waits() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 3 MSG a MSG b MSG c");
    let popped = client.pop("q COUNT 3 VISIBILITY 600 HOLDER 7");
    let receipts: Vec<_> = popped.messages.iter().map(|m| m.receipt.as_str()).collect();
    for (command, expected) in [
        ("KARIN.SENDM q 1 MSG new".to_owned(), "new"),
        (format!("KARIN.EXTEND q {} 0", receipts[0]), "a"),
        (format!("KARIN.RELEASE q {}", receipts[1]), "b"),
        ("KARIN.RELEASE q HOLDER 7".to_owned(), "c"),
    ] {
        let blocked = Blocked::start(&server, "KARIN.POPDUE q VISIBILITY 600 BLOCK 60");
        let woken = Instant::now();
        client.ok(&command);
        assert_eq!(blocked.bodies_soon(woken), [expected], "{command}");
    }
}

#[test]
fn a_waiting_client_gets_a_message_when_it_becomes_due() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q late DELAY 1.5");
    let blocked = Blocked::start(&server, "KARIN.POPDUE q VISIBILITY 0.4 BLOCK 60");
    // A shorter delay overtakes a longer one.
    let sent = Instant::now();
    client.ok("KARIN.SEND q soon DELAY 0.3");
    let (reply, ended) = blocked.end();
    let message = items(&items(&fields(&reply.unwrap())["messages"])[0]).to_vec();
    assert_eq!(text(&message[2]), "soon");
    let took = ended - sent;
    assert!(took >= Duration::from_millis(299), "{took:?}");
    assert!(took < Duration::from_millis(300) + AT_ONCE, "{took:?}");
    // The lease that lapses is a message that becomes due.
    let again = Blocked::start(&server, "KARIN.POPDUE q VISIBILITY 60 BLOCK 60");
    let (reply, _) = again.end();
    let message = items(&items(&fields(&reply.unwrap())["messages"])[0]).to_vec();
    assert_eq!((text(&message[2]), text(&message[4])), ("soon".to_owned(), "2".to_owned()));
    let late = Blocked::start(&server, "KARIN.POPDUE q BLOCK 60").bodies();
    assert_eq!(late, ["late"]);
}

#[test]
fn who_waited_first_is_served_first_and_two_messages_serve_two() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let first = Blocked::start(&server, "KARIN.POPDUE q BLOCK 60");
    let second = Blocked::start(&server, "KARIN.POPDUE q BLOCK 60");
    let third = Blocked::start(&server, "KARIN.POPDUE q BLOCK 60");
    client.ok("KARIN.SEND q a");
    assert_eq!(first.bodies(), ["a"]);
    let sent = Instant::now();
    client.ok("KARIN.SENDM q 2 MSG b MSG c");
    assert_eq!(second.bodies_soon(sent), ["b"]);
    assert_eq!(third.bodies_soon(sent), ["c"]);
    let four: Vec<_> = (0..4).map(|_| Blocked::start(&server, "KARIN.POPDUE q BLOCK 60")).collect();
    client.ok("KARIN.SENDM q 4 MSG 0 DELAY 0.1 MSG 1 DELAY 0.1 MSG 2 DELAY 0.2 MSG 3 DELAY 0.2");
    for (n, blocked) in four.into_iter().enumerate() {
        assert_eq!(blocked.bodies(), [n.to_string()]);
    }
}

#[test]
fn a_visibility_timeout_of_zero_serves_everyone_who_waits() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let all: Vec<_> =
        (0..3).map(|_| Blocked::start(&server, "KARIN.POPDUE q VISIBILITY 0 BLOCK 60")).collect();
    client.ok("KARIN.SEND q x");
    for blocked in all {
        assert_eq!(blocked.bodies(), ["x"]);
    }
    assert_eq!(client.pop_one("q").receive_count, 4);
}

#[test]
fn when_the_time_is_over_the_answer_is_nil() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q x DELAY 60");
    for (key, seconds) in [("q", "0.05"), ("missing", "0.05"), ("q", "0.0001"), ("q", ".001")] {
        let reply = client.ok(&format!("KARIN.POPDUE {key} BLOCK {seconds}"));
        assert_eq!(reply, Value::Nil, "{key} {seconds}");
    }
    client.ok("HELLO 3");
    assert_eq!(client.ok("KARIN.POPDUE q BLOCK 0.01"), Value::Nil);
    assert_eq!(client.integer("EXISTS missing"), 0);
    assert_nobody_waits(&server);
}

#[test]
fn what_is_due_is_handed_out_without_waiting_and_bad_arguments_wait_for_nothing() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q x");
    assert_eq!(client.pop("q BLOCK 0 COUNT 10").bodies(), ["x"]);
    client.ok("SET string x");
    assert!(client.error("KARIN.POPDUE string BLOCK 0").starts_with("WRONGTYPE "));
    for bad in ["BLOCK", "BLOCK -1", "BLOCK x", "BLOCK 1 BLOCK 1", "BLOCK 99999999999", "BLOCK 1e3"]
    {
        assert!(client.error(&format!("KARIN.POPDUE q {bad}")).starts_with("ERR "), "{bad}");
    }
    assert!(client.error("KARIN.POPDUE missing").starts_with("KARINNOQUEUE "));
    // The longest wait there is does not overflow into none.
    let blocked = Blocked::start(&server, "KARIN.POPDUE q BLOCK 315360000");
    client.ok("KARIN.SEND q y");
    assert_eq!(blocked.bodies(), ["y"]);
}

#[test]
fn a_string_in_place_of_the_queue_leaves_clients_waiting() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let blocked = Blocked::start(&server, "KARIN.POPDUE q BLOCK 60");
    client.ok("SET q string");
    client.ok("DEL q");
    client.ok("RPUSH q list");
    client.ok("DEL q");
    client.ok("KARIN.SEND q x");
    assert_eq!(blocked.bodies(), ["x"]);
}

#[test]
fn in_a_transaction_or_a_script_nothing_due_is_nil() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q");
    client.ok("MULTI");
    client.ok("KARIN.POPDUE q BLOCK 0");
    client.ok("KARIN.POPDUE missing BLOCK 0");
    client.ok("KARIN.SEND q x");
    client.ok("KARIN.POPDUE q BLOCK 0");
    let replies = client.ok("EXEC");
    let replies = items(&replies);
    assert_eq!(replies[..2], [Value::Nil, Value::Nil]);
    assert_eq!(items(&fields(&replies[3])["messages"]).len(), 1);
    let script = b"return redis.call('KARIN.POPDUE', KEYS[1], 'BLOCK', '0')";
    let reply = client.call(&[b"EVAL", script, b"1", b"q"]).unwrap();
    assert_eq!(reply, Value::Nil);
    client.ok("KARIN.SEND q y");
    let reply = client.call(&[b"EVAL", script, b"1", b"q"]).unwrap();
    assert_eq!(items(&fields(&reply)["messages"]).len(), 1);
    assert_nobody_waits(&server);
}

#[test]
fn who_waits_sees_a_transaction_and_a_script_whole() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let blocked = Blocked::start(&server, "KARIN.POPDUE q COUNT 10 BLOCK 60");
    client.ok("MULTI");
    client.ok("KARIN.SEND q a");
    client.ok("KARIN.SEND q b");
    client.ok("EXEC");
    assert_eq!(blocked.bodies(), ["a", "b"]);
    let blocked = Blocked::start(&server, "KARIN.POPDUE q COUNT 10 BLOCK 60");
    let script = b"for n = 1, 3 do redis.call('KARIN.SEND', KEYS[1], n) end";
    client.call(&[b"EVAL", script, b"1", b"q"]).unwrap();
    assert_eq!(blocked.bodies(), ["1", "2", "3"]);
    // What is sent and taken again in between was never there.
    let blocked = Blocked::start(&server, "KARIN.POPDUE q BLOCK 60");
    client.ok("MULTI");
    client.ok("KARIN.SEND q gone");
    client.ok("KARIN.PURGE q");
    client.ok("EXEC");
    client.ok("KARIN.SEND q left");
    assert_eq!(blocked.bodies(), ["left"]);
}

#[test]
fn an_empty_popdue_does_not_abort_a_watch_and_a_send_does() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let mut other = Client::new(&server);
    client.ok("KARIN.CREATE q");
    for (command, aborts) in [
        ("KARIN.POPDUE q", false),
        ("KARIN.POPDUE q BLOCK 0.01", false),
        ("KARIN.PURGE q", false),
        ("KARIN.SEND q x", true),
        ("KARIN.POPDUE q BLOCK 0.01", true),
    ] {
        client.ok("WATCH q");
        other.ok(command);
        client.ok("MULTI");
        client.ok("PING");
        assert_eq!(client.ok("EXEC") == Value::Nil, aborts, "{command}");
    }
}

/// Fills `from` with what `options` say, and gets it to the key others wait for.
fn arrive(client: &mut Client, how: &str, options: &str) {
    match how {
        "RENAME" => {
            client.ok(&format!("KARIN.SEND other x {options}"));
            client.ok("RENAME other q");
        }
        "COPY" => {
            client.ok(&format!("KARIN.SEND other x {options}"));
            client.ok("COPY other q");
        }
        "RESTORE" => {
            client.ok(&format!("KARIN.SEND other x {options}"));
            let dump = bytes(&client.ok("DUMP other"));
            client.call(&[b"RESTORE", b"q", b"0", &dump]).unwrap();
        }
        "MOVE" => {
            client.ok("SELECT 1");
            client.ok(&format!("KARIN.SEND q x {options}"));
            client.ok("MOVE q 0");
            client.ok("SELECT 0");
        }
        "SWAPDB" => {
            client.ok("SELECT 1");
            client.ok(&format!("KARIN.SEND q x {options}"));
            client.ok("SELECT 0");
            client.ok("SWAPDB 0 1");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_queue_that_arrives_at_a_waited_key_serves_who_waits_at_once_and_later() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for how in ["RENAME", "COPY", "RESTORE", "MOVE", "SWAPDB"] {
        for options in ["", "DELAY 0.2"] {
            client.ok("FLUSHALL");
            let blocked = Blocked::start(&server, "KARIN.POPDUE q BLOCK 60");
            arrive(&mut client, how, options);
            let arrived = Instant::now();
            assert_eq!(blocked.bodies_soon(arrived), ["x"], "{how} {options}");
        }
    }
    assert_nobody_waits(&server);
}

#[test]
fn rename_keeps_receipts_valid_and_moves_waiters() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM old 2 MSG a MSG b DELAY 0.3");
    let held = client.pop_one("old VISIBILITY 600");
    let at_old = Blocked::start(&server, "KARIN.POPDUE old BLOCK 60");
    let at_new = Blocked::start(&server, "KARIN.POPDUE new BLOCK 60");
    client.ok("RENAME old new");
    // The message goes to those who wait for the key it has become due in.
    assert_eq!(at_new.bodies(), ["b"]);
    assert_eq!(client.answers(&format!("KARIN.ACK new CURRENT {}", held.receipt)), ["1"]);
    let sent = Instant::now();
    client.ok("KARIN.SEND old c");
    assert_eq!(at_old.bodies_soon(sent), ["c"]);
    assert_nobody_waits(&server);
}

#[test]
fn a_queue_that_went_and_comes_back_serves_who_waits() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for gone in
        ["FLUSHALL", "FLUSHDB ASYNC", "DEL q", "UNLINK q", "RENAME q elsewhere", "PEXPIRE q 1"]
    {
        client.ok("KARIN.SEND q old DELAY 0.3");
        let blocked = Blocked::start(&server, "KARIN.POPDUE q BLOCK 60");
        client.ok(gone);
        wait::until(wait::PATIENCE, "the queue's end", || client.integer("EXISTS q") == 0);
        let sent = Instant::now();
        client.ok("KARIN.SEND q new DELAY 0.1");
        assert_eq!(blocked.bodies_soon(sent), ["new"], "{gone}");
        client.ok("FLUSHALL");
    }
}

#[test]
fn clients_wait_in_any_database_and_for_any_bytes() {
    let server = RedisServer::start(&[]);
    let mut observer = Client::new(&server);
    let blocked = Blocked::start_on(&server, &mut observer, "KARIN.POPDUE q BLOCK 60", "SELECT 3");
    observer.ok("KARIN.SEND q wrong");
    observer.ok("SELECT 3");
    observer.ok("KARIN.SEND q right DELAY 0.1");
    assert_eq!(blocked.bodies(), ["right"]);
    let key = b"\0\xff q\r\n";
    let mut client = Client::new(&server);
    let thread = std::thread::spawn(move || client.call(&[b"KARIN.POPDUE", key, b"BLOCK", b"0"]));
    until_blocked(&mut observer, 1);
    observer.ok("SELECT 0");
    observer.call(&[b"KARIN.SEND", key, b"x", b"DELAY", b"0.05"]).unwrap();
    let reply = thread.join().unwrap().unwrap();
    assert_eq!(items(&fields(&reply)["messages"]).len(), 1);
}

#[test]
fn a_client_that_leaves_waits_no_more_however_it_leaves() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q x DELAY 600");
    let start = |client: &mut Client| {
        let mut waiting = Client::new(&server);
        let id = waiting.integer("CLIENT ID");
        let thread = std::thread::spawn(move || waiting.words("KARIN.POPDUE q BLOCK 0"));
        until_blocked(client, 1);
        (id, thread)
    };
    let (id, thread) = start(&mut client);
    assert_eq!(client.integer(&format!("CLIENT UNBLOCK {id} TIMEOUT")), 1);
    assert_eq!(thread.join().unwrap(), Ok(Value::Nil));
    assert_nobody_waits(&server);
    let (id, thread) = start(&mut client);
    assert_eq!(client.integer(&format!("CLIENT UNBLOCK {id} ERROR")), 1);
    assert!(thread.join().unwrap().unwrap_err().starts_with("UNBLOCKED "));
    assert_nobody_waits(&server);
    let (id, thread) = start(&mut client);
    let other = Blocked::start(&server, "KARIN.POPDUE q BLOCK 60");
    client.ok(&format!("CLIENT KILL ID {id}"));
    thread.join().unwrap().unwrap_err();
    until_blocked(&mut client, 1);
    let sent = Instant::now();
    client.ok("KARIN.SEND q y");
    assert_eq!(other.bodies_soon(sent), ["y"], "nothing was lost to the one that was killed");
    assert_nobody_waits(&server);
    client.check("q");
}

#[test]
fn what_becomes_due_in_a_pause_is_handed_out_after_it() {
    let files = [&SYNC_AT_ONCE[..], &["--appendonly", "yes"]].concat();
    let master = RedisServer::start(&files);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let mut client = Client::new(&master);
    for mode in ["WRITE", "ALL"] {
        client.ok("KARIN.SEND q x DELAY 0.4");
        let blocked = Blocked::start(&master, "KARIN.POPDUE q VISIBILITY 600 BLOCK 60");
        let paused = Instant::now();
        client.ok(&format!("CLIENT PAUSE 1500 {mode}"));
        let (reply, ended) = blocked.end();
        assert_eq!(items(&fields(&reply.unwrap())["messages"]).len(), 1);
        assert!(ended - paused >= Duration::from_millis(1_490), "{mode}: {:?}", ended - paused);
        assert_eq!(client.integer("WAIT 1 10000"), 1);
        assert_eq!(client.digest(), Client::new(&replica).digest());
    }
}

#[test]
fn a_failover_sends_waiting_clients_away_and_the_new_master_serves_them() {
    let mut config = SYNC_AT_ONCE.to_vec();
    config.extend(["--repl-ping-replica-period", "1"]);
    let master = RedisServer::start(&config);
    let replica = RedisServer::start_replica_of(&master, &config);
    let mut client = Client::new(&master);
    client.ok("KARIN.SEND q x DELAY 1");
    let blocked = Blocked::start(&master, "KARIN.POPDUE q BLOCK 60");
    client.ok("FAILOVER");
    assert!(blocked.end().0.unwrap_err().starts_with("UNBLOCKED "));
    assert_nobody_waits(&master);
    wait::until(wait::PATIENCE, "the new master", || {
        replica.info("replication").contains("role:master")
    });
    let again = Blocked::start(&replica, "KARIN.POPDUE q BLOCK 60");
    assert_eq!(again.bodies(), ["x"]);
    // Back: what waits on a master that is demoted is sent away, too.
    let mut new = Client::new(&replica);
    new.ok("KARIN.SEND q y DELAY 60");
    let blocked = Blocked::start(&replica, "KARIN.POPDUE q BLOCK 0");
    new.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    assert!(blocked.end().0.unwrap_err().starts_with("UNBLOCKED "));
    assert_nobody_waits(&replica);
    assert!(new.error("KARIN.POPDUE q BLOCK 1").starts_with("READONLY "));
    new.ok("CONFIG SET replica-read-only no");
    assert_eq!(new.ok("KARIN.POPDUE nothing BLOCK 0"), Value::Nil, "nobody would wake it");
}

#[test]
fn what_waiting_clients_receive_is_replicated() {
    let mut pair = Pair::start();
    let mut client = pair.client();
    for n in 0..20 {
        let blocked = Blocked::start(&pair.master, "KARIN.POPDUE q VISIBILITY 600 BLOCK 60");
        let delay = if n % 2 == 0 { "" } else { "DELAY 0.02" };
        client.ok(&format!("KARIN.SEND q {n} {delay}"));
        assert_eq!(blocked.bodies(), [n.to_string()]);
    }
    assert_eq!(client.counts("q"), (0, 0, 20));
    pair.assert_kept();
}

#[test]
fn expired_messages_are_dropped_while_clients_wait_and_never_handed_out() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let mut client = Client::new(&master);
    client.ok("KARIN.CREATE q MessageRetentionPeriod 100");
    for _ in 0..3 {
        client.ok(&format!("KARIN.SENDM q 1000{}", " MSG old".repeat(1_000)));
    }
    client.ok("KARIN.DEBUG CLOCK 100");
    let blocked = Blocked::start(&master, "KARIN.POPDUE q COUNT 10 BLOCK 60");
    wait::until(wait::PATIENCE, "the expired messages' end", || client.counts("q") == (0, 0, 0));
    assert_eq!(info_number(&mut client, "karin_expired"), 3_000);
    let sent = Instant::now();
    client.ok("KARIN.SEND q new");
    assert_eq!(blocked.bodies_soon(sent), ["new"]);
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    assert_eq!(client.digest(), Client::new(&replica).digest());
    assert!(!replica.log().contains("CRITICAL"));
}

#[test]
fn forty_clients_on_one_queue_get_each_message_once() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let threads: Vec<_> = (0..40)
        .map(|_| {
            let mut client = Client::new(&server);
            std::thread::spawn(move || {
                let mut bodies = Vec::new();
                while let Value::Array(reply) =
                    client.ok("KARIN.POPDUE q COUNT 3 VISIBILITY 600 BLOCK 0.5")
                {
                    let reply = fields(&Value::Array(reply));
                    bodies.extend(items(&reply["messages"]).iter().map(|m| text(&items(m)[2])));
                }
                bodies
            })
        })
        .collect();
    for n in 0..1_000 {
        let delay = n % 7 * 10;
        client.ok(&format!("KARIN.SEND q {n} DELAY 0.0{delay:02}"));
    }
    let mut all: Vec<String> =
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    all.sort_by_key(|body| body.parse::<u32>().unwrap());
    assert_eq!(all, (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_nobody_waits(&server);
    client.check("q");
}
