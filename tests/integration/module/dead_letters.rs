//! Dead letters: how messages die, and how a mover brings them elsewhere exactly once.

use karin_tests::redis::RedisServer;
use redis::Value;

use super::client::{Client, bytes, fields, integer, items, text};
use super::pair::{Pair, check_all};

/// A letter or message as DEAD and PEEK show it.
#[derive(Debug)]
struct Look {
    id: String,
    state: String,
    body: String,
    receive_count: i64,
    sent_ms: i64,
    first_received_ms: i64,
    group: String,
    number: i64,
}

impl Look {
    fn read(value: &Value) -> Self {
        let fields = items(value);
        assert_eq!(fields.len(), 14, "{value:?}");
        let string = |at: usize| String::from_utf8(bytes(&fields[at])).unwrap();
        Self {
            id: string(0),
            state: string(1),
            body: string(2),
            receive_count: integer(&fields[4]),
            sent_ms: integer(&fields[5]),
            first_received_ms: integer(&fields[6]),
            group: string(9),
            number: integer(&fields[12]),
        }
    }
}

#[track_caller]
fn letters(client: &mut Client, arguments: &str) -> Vec<Look> {
    items(&client.ok(&format!("KARIN.DEAD {arguments}"))).iter().map(Look::read).collect()
}

/// Sends messages and lets them die at their second receive.
#[track_caller]
fn let_die(client: &mut Client, key: &str, bodies: &[&str]) {
    for body in bodies {
        client.ok(&format!("KARIN.SEND {key} {body}"));
    }
    assert_eq!(client.pop(&format!("{key} COUNT 100 VISIBILITY 0")).bodies(), bodies);
    assert_eq!(client.pop(&format!("{key} COUNT 100")).messages.len(), 0);
}

const CREATE: &str = "KARIN.CREATE q maxReceiveCount 1 deadLetterTargetArn target";

#[test]
fn a_message_dies_when_it_would_be_received_too_often_and_has_somewhere_to_go() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.CREATE q maxReceiveCount 2");
    client.ok("KARIN.SENDM q 2 MSG a MSG b DELAY 60");
    for count in 1..=3 {
        assert_eq!(client.pop_one("q VISIBILITY 0").receive_count, count);
    }
    client.ok("KARIN.SET q deadLetterTargetArn target");
    let popped = client.pop("q COUNT 10");
    assert_eq!((popped.messages.len(), popped.dead), (0, 1));
    let found = letters(&mut client, "q");
    let [letter] = &found[..] else { panic!("{found:?}") };
    assert_eq!((letter.body.as_str(), letter.state.as_str(), letter.number), ("a", "dead", 1));
    assert_eq!(letter.receive_count, 3);
    assert_eq!(integer(&client.info("q")["dead"]), 1);
    assert_eq!(client.counts("q"), (0, 1, 0));
    pair.assert_same();
    // Without a target nothing dies.
    client.call(&[b"KARIN.SET", b"q", b"deadLetterTargetArn", b""]).unwrap();
    client.ok("KARIN.DEBUG CLOCK 60");
    for _ in 0..4 {
        assert_eq!(client.pop_one("q VISIBILITY 0").body, b"b");
    }
    // Nor without a count.
    client.ok("KARIN.SET q deadLetterTargetArn target maxReceiveCount 0");
    assert_eq!(client.pop("q").dead, 1);
    pair.assert_same();
}

#[test]
fn a_dead_letter_is_out_of_the_reach_of_receipts_and_holds_no_group_back() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok(&format!("{CREATE} FIFO ContentBasedDeduplication true"));
    client.ok("KARIN.SENDM q 2 MSG a GROUP g MSG b GROUP g");
    let receipt = client.pop_one("q VISIBILITY 0").receipt;
    let popped = client.pop("q COUNT 10");
    assert_eq!((popped.bodies(), popped.dead), (vec!["b".to_owned()], 1));
    assert_eq!(client.answers(&format!("KARIN.ACK q {receipt}")), ["0"]);
    assert_eq!(client.answers(&format!("KARIN.EXTEND q {receipt} 1")), ["KARINGONE"]);
    assert_eq!(client.answers(&format!("KARIN.RELEASE q {receipt}")), ["KARINGONE"]);
    assert_eq!(letters(&mut client, "q")[0].group, "g");
    pair.assert_same();
}

#[test]
fn letters_are_paged_by_numbers_that_only_grow_also_over_restarts_and_failovers() {
    let mut pair = Pair::start();
    let mut client = pair.client();
    client.ok(CREATE);
    let_die(&mut client, "q", &["a", "b", "c"]);
    let numbers = |letters: &[Look]| letters.iter().map(|l| l.number).collect::<Vec<_>>();
    assert_eq!(numbers(&letters(&mut client, "q")), [1, 2, 3]);
    assert_eq!(numbers(&letters(&mut client, "q COUNT 1")), [1]);
    assert_eq!(numbers(&letters(&mut client, "q AFTER 1 COUNT 1")), [2]);
    assert_eq!(numbers(&letters(&mut client, "q AFTER 3")), Vec::<i64>::new());
    assert_eq!(client.integer("KARIN.DEADACK q UPTO 2"), 2);
    assert_eq!(client.integer("KARIN.DEADACK q UPTO 2"), 0);
    assert_eq!(numbers(&letters(&mut client, "q")), [3]);
    pair.assert_same();
    assert_eq!(client.integer("KARIN.DEADACK q upto 1000000"), 1);
    pair.assert_same();
    pair.master.restart();
    let mut client = pair.client();
    let_die(&mut client, "q", &["d"]);
    assert_eq!(numbers(&letters(&mut client, "q")), [4]);
    client.ok("KARIN.DEADACK q UPTO 4");
    pair.wait_for_link();
    let mut client = pair.fail_over();
    let_die(&mut client, "q", &["e"]);
    assert_eq!(numbers(&letters(&mut client, "q")), [5]);
    assert_eq!(client.integer("KARIN.PURGE q"), 1);
    let_die(&mut client, "q", &["f"]);
    assert_eq!(numbers(&letters(&mut client, "q")), [6]);
    check_all(&mut client);
}

#[test]
fn redriven_letters_live_again_in_the_same_queue() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok(CREATE);
    let_die(&mut client, "q", &["a", "b", "c"]);
    assert_eq!(client.integer("KARIN.REDRIVE q COUNT 1"), 1);
    assert_eq!(letters(&mut client, "q").len(), 2);
    pair.assert_same();
    let a = client.pop_one("q");
    assert_eq!((a.body.as_slice(), a.receive_count), (&b"a"[..], 1));
    assert_eq!(client.answers(&format!("KARIN.ACK q {}", a.receipt)), ["1"]);
    // With their counts they die again at the next receive, unless the queue lets them live.
    assert_eq!(client.integer("KARIN.REDRIVE q KEEPCOUNT"), 2);
    pair.assert_same();
    assert_eq!(client.pop("q COUNT 10").dead, 2);
    assert_eq!(client.integer("KARIN.REDRIVE q keepcount count 2"), 2);
    client.call(&[b"KARIN.SET", b"q", b"deadLetterTargetArn", b""]).unwrap();
    let popped = client.pop("q COUNT 10");
    assert_eq!(popped.bodies(), ["b", "c"]);
    assert!(popped.messages.iter().all(|m| m.receive_count == 2), "{popped:?}");
    assert_eq!(client.integer("KARIN.REDRIVE q"), 0);
    pair.assert_same();
}

#[test]
fn a_redrive_tells_those_who_wait() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok(CREATE);
    let_die(&mut client, "q", &["a"]);
    let hint = client.pop("q").hint;
    client.ok("KARIN.REDRIVE q");
    assert!(client.pop("q").hint > hint);
}

#[test]
fn list_shows_dead_letters_and_with_due_the_queues_that_have_some() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok(CREATE);
    client.ok("KARIN.CREATE empty");
    let_die(&mut client, "q", &["a", "b"]);
    let list = fields(&client.ok("KARIN.LIST DUE 60"));
    let [row] = items(&list["queues"]) else { panic!("{list:?}") };
    assert_eq!((text(&items(row)[0]).as_str(), integer(&items(row)[4])), ("q", 2));
    client.ok("KARIN.DEADACK q UPTO 2");
    assert!(items(&fields(&client.ok("KARIN.LIST DUE 60"))["queues"]).is_empty());
}

#[test]
fn a_letter_is_taken_once_and_only_in_the_order_of_its_numbers() {
    const UID: &str = "00000000deadbeef";
    let mut pair = Pair::start();
    let mut client = pair.client();
    client.ok(&format!("KARIN.SEND target a FROM {UID} 3"));
    for number in [1, 3] {
        let error = client.error(&format!("KARIN.SEND target x FROM {UID} {number}"));
        assert!(error.starts_with("KARINMOVED ") && error.ends_with(" 3"), "{error}");
    }
    // Every source has its own.
    client.ok("KARIN.SEND target b FROM 0000000000000001 1");
    let reply = client.ok(&format!(
        "KARIN.SENDM target 3 MSG x FROM {UID} 2 MSG c FROM {UID} 5 MSG d FROM {} 9",
        UID.to_uppercase()
    ));
    let results = items(&items(&reply)[1]).to_vec();
    assert_eq!(text(&items(&results[0])[0]), "KARINMOVED");
    assert_eq!(integer(&items(&results[0])[1]), 3);
    let watermarks = |client: &mut Client| {
        let marks = fields(&client.info("target")["watermarks"]);
        marks.iter().map(|(uid, n)| (uid.clone(), integer(n))).collect::<Vec<_>>()
    };
    let expected = [("0000000000000001".to_owned(), 1), (UID.to_owned(), 9)];
    assert_eq!(watermarks(&mut client), expected);
    assert_eq!(client.pop("target COUNT 10").bodies(), ["a", "b", "c", "d"]);
    pair.assert_rewritten_same();
    // It has no time limit, and a purge does not forget it.
    client.ok("KARIN.PURGE target");
    client.ok("KARIN.DEBUG CLOCK 100000000");
    assert!(client.error(&format!("KARIN.SEND target x FROM {UID} 9")).starts_with("KARINMOVED "));
    pair.assert_same();
    let mut client = pair.fail_over();
    assert!(client.error(&format!("KARIN.SEND target x FROM {UID} 9")).starts_with("KARINMOVED "));
    assert_eq!(watermarks(&mut client), expected);
    for bad in ["x 1", "00000000deadbeef 0", "00000000deadbeef x", "deadbeef 1", "1"] {
        assert!(client.error(&format!("KARIN.SEND target x FROM {bad}")).starts_with("ERR "));
    }
}

#[test]
fn a_moved_message_keeps_what_its_mover_says_and_a_fifo_queue_counts_from_now() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.CREATE target");
    client.ok("KARIN.CREATE target.fifo FIFO");
    let id = "0b58d7a1-97a5-4c2e-8d1c-1f0e7d2c3b4a";
    let now_ms = integer(&client.info("target")["created_ms"]);
    let (sent_ms, first_ms) = (now_ms - 50_000, now_ms - 40_000);
    let options = format!("ID {id} SOURCE arn:q SENT {sent_ms} RECEIVED 4 {first_ms} ATTRS blob");
    let reply = client.ok(&format!("KARIN.SEND target a {options} GROUP g"));
    assert_eq!(text(&items(&reply)[0]), id);
    client.ok(&format!("KARIN.SEND target.fifo a {options} GROUP g DEDUP {id}"));
    pair.assert_same();
    let moved = client.pop_one("target");
    assert_eq!((moved.id.as_str(), moved.source.as_slice()), (id, &b"arn:q"[..]));
    assert_eq!((moved.sent_ms, moved.first_received_ms), (sent_ms, first_ms));
    assert_eq!((moved.receive_count, moved.attributes.as_slice()), (5, &b"blob"[..]));
    assert_eq!(moved.group, b"g");
    let moved = client.pop_one("target.fifo");
    assert_eq!((moved.id.as_str(), moved.receive_count), (id, 5));
    assert!(moved.sent_ms >= now_ms, "{moved:?}");
    assert_eq!(moved.dedup, id.as_bytes());
    // Its retention goes on from the first sending.
    client.ok("KARIN.CREATE short MessageRetentionPeriod 60");
    client.ok(&format!("KARIN.SEND short a SENT {sent_ms}"));
    client.ok("KARIN.DEBUG CLOCK 11");
    assert_eq!(client.pop("short").messages.len(), 0);
    // One that was never received has no time of it.
    client.ok("KARIN.SEND target never RECEIVED 0 5");
    pair.assert_same();
    for bad in ["ID short", "SOURCE", "SENT -1", "RECEIVED 1", "RECEIVED x 1", "RECEIVED 1 x"] {
        assert!(client.error(&format!("KARIN.SEND target x {bad}")).starts_with("ERR "), "{bad}");
    }
    let long = "x".repeat(1_025);
    assert!(client.error(&format!("KARIN.SEND target x SOURCE {long}")).starts_with("ERR "));
}

/// Moves the letters of `q` to `target` in at most so many steps; each is a command.
fn move_letters(client: &mut Client, mut steps: usize) {
    let uid = text(&client.info("q")["uid"]);
    for letter in letters(client, "q COUNT 1000") {
        let Look { id, body, receive_count, sent_ms, first_received_ms, number, .. } = letter;
        let kept = format!("SENT {sent_ms} RECEIVED {receive_count} {first_received_ms}");
        let from = format!("FROM {uid} {number} ID {id} SOURCE q {kept}");
        let send = format!("KARIN.SEND target {body} {from}");
        for command in [send, format!("KARIN.DEADACK q UPTO {number}")] {
            if steps == 0 {
                return;
            }
            steps -= 1;
            if let Err(error) = client.words(&command) {
                assert!(error.starts_with("KARINMOVED "), "{error}");
            }
        }
    }
}

#[test]
fn a_mover_killed_anywhere_and_restarted_hours_later_loses_and_doubles_nothing() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    for steps in 0..=6 {
        let mut client = Client::new(&server);
        client.ok(CREATE);
        client.ok("KARIN.CREATE target");
        let_die(&mut client, "q", &["a", "b", "c"]);
        let ids: Vec<String> = letters(&mut client, "q").into_iter().map(|l| l.id).collect();
        move_letters(&mut client, steps);
        drop(client);
        server.restart();
        let mut client = Client::new(&server);
        client.ok("KARIN.DEBUG CLOCK 36000");
        move_letters(&mut client, usize::MAX);
        let popped = client.pop("target COUNT 10");
        assert_eq!(popped.bodies(), ["a", "b", "c"], "killed after {steps} steps");
        let moved: Vec<&String> = popped.messages.iter().map(|m| &m.id).collect();
        assert_eq!(moved, ids.iter().collect::<Vec<_>>());
        assert_eq!(letters(&mut client, "q").len(), 0);
        check_all(&mut client);
        client.ok("FLUSHALL");
    }
}
