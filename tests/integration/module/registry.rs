//! `KARIN.LIST`: always the queues there are.

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::Value;

use super::client::{Client, Random, SYNC_AT_ONCE, fields, integer, items, text};

/// One call of KARIN.LIST: names and where to go on.
fn page(client: &mut Client, arguments: &str) -> (Vec<String>, Option<String>) {
    let reply = fields(&client.ok(&format!("KARIN.LIST {arguments}")));
    let names = items(&reply["queues"]).iter().map(|row| text(&items(row)[0])).collect();
    let after = match &reply["after"] {
        Value::Nil => None,
        name => Some(text(name)),
    };
    (names, after)
}

/// All pages.
pub(super) fn list(client: &mut Client, arguments: &str) -> Vec<String> {
    let (mut names, mut after) = page(client, arguments);
    while let Some(name) = after {
        let (more, next) = page(client, &format!("{arguments} AFTER {name}"));
        names.extend(more);
        after = next;
    }
    names
}

fn scan(client: &mut Client) -> Vec<String> {
    let mut names = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.ok(&format!("SCAN {cursor} TYPE karinmq-q COUNT 1000"));
        cursor = text(&items(&reply)[0]);
        names.extend(items(&items(&reply)[1]).iter().map(text));
        if cursor == "0" {
            names.sort();
            return names;
        }
    }
}

#[track_caller]
pub(super) fn assert_list_is_scan(client: &mut Client, what: &str) {
    for db in 0..3 {
        client.ok(&format!("SELECT {db}"));
        assert_eq!(list(client, "COUNT 7"), scan(client), "database {db} after {what}");
    }
}

fn server_ms(client: &mut Client) -> u64 {
    let reply = client.ok("TIME");
    let [seconds, microseconds] = items(&reply) else { panic!("{reply:?}") };
    let number = |value| text(value).parse::<u64>().unwrap();
    number(seconds) * 1_000 + number(microseconds) / 1_000
}

#[test]
fn list_is_what_scan_finds_whatever_happens_to_keys() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let mut random = Random::new(7);
    let names: Vec<String> = (0..30).map(|n| format!("k{n}")).collect();
    client.ok("KARIN.SEND dumped x");
    let dump = super::client::bytes(&client.ok("DUMP dumped"));
    // Keys then expire only where somebody meets them, LIST among others.
    client.ok("DEBUG SET-ACTIVE-EXPIRE 0");
    for _ in 0..1_500 {
        let (a, b, db) = (random.of(&names), random.of(&names), random.below(3));
        let command = match random.below(22) {
            0..=2 => format!("KARIN.SEND {a} x"),
            3 => format!("KARIN.SENDM {a} 1 MSG x"),
            4..=6 => format!("KARIN.CREATE {a}"),
            7 => format!("DEL {a}"),
            8 => format!("UNLINK {a} {b}"),
            9 => format!("SET {a} string"),
            10 => format!("RENAME {a} {b}"),
            11 => format!("RENAMENX {a} {b}"),
            12 => format!("COPY {a} {b} DB {db} REPLACE"),
            13 => format!("MOVE {a} {db}"),
            14 => format!("SWAPDB {db} {}", random.below(3)),
            15 => format!("SELECT {db}"),
            16 => {
                client.words(&format!("PEXPIRE {a} 1")).unwrap();
                let before = server_ms(&mut client);
                wait::until(wait::PATIENCE, "the clock", || server_ms(&mut client) > before + 1);
                "PING".to_owned()
            }
            17 if random.below(20) == 0 => "FLUSHDB".to_owned(),
            18 if random.below(30) == 0 => "FLUSHALL ASYNC".to_owned(),
            19 if random.below(20) == 0 => "DEBUG RELOAD".to_owned(),
            20 => format!("RPUSH {a} x"),
            _ => {
                let _may_be_refused =
                    client.call(&[b"RESTORE", a.as_bytes(), b"0", &dump, b"REPLACE"]);
                "PING".to_owned()
            }
        };
        let _may_be_refused = client.words(&command);
        assert_list_is_scan(&mut client, &command);
    }
}

#[test]
fn list_is_sorted_and_paged_and_filtered_by_prefix() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for name in ["b", "a1", "a2", "a3", "c", "a"] {
        client.ok(&format!("KARIN.CREATE {name}"));
    }
    client.ok("SET a22 string");
    assert_eq!(list(&mut client, ""), ["a", "a1", "a2", "a3", "b", "c"]);
    assert_eq!(list(&mut client, "PREFIX a"), ["a", "a1", "a2", "a3"]);
    assert_eq!(
        page(&mut client, "prefix a count 2"),
        (vec!["a".to_owned(), "a1".to_owned()], Some("a1".to_owned()))
    );
    assert_eq!(page(&mut client, "PREFIX a AFTER a2"), (vec!["a3".to_owned()], None));
    assert_eq!(page(&mut client, "PREFIX a AFTER 0 COUNT 1").0, ["a"]);
    assert_eq!(page(&mut client, "PREFIX a AFTER b"), (Vec::new(), None));
    assert_eq!(page(&mut client, "PREFIX a COUNT 4").1, None);
    assert_eq!(page(&mut client, "AFTER c"), (Vec::new(), None));
    client.ok("SELECT 1");
    assert_eq!(list(&mut client, ""), Vec::<String>::new());
}

#[test]
fn list_finds_the_queues_whose_dead_letters_go_to_another() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for (name, target) in [
        ("a", "arn:aws:sqs:us-east-1:000000000000:dead"),
        ("b", "arn:aws:sqs:eu-west-1:123456789012:dead"),
        ("c", "arn:aws:sqs:us-east-1:000000000000:undead"),
        ("d", "dead"),
    ] {
        client.ok(&format!("KARIN.CREATE {name} deadLetterTargetArn {target} maxReceiveCount 1"));
    }
    client.ok("KARIN.CREATE none");
    assert_eq!(list(&mut client, "TARGET :dead"), ["a", "b"]);
    assert_eq!(list(&mut client, "TARGET dead PREFIX d"), ["d"]);
    assert_eq!(list(&mut client, "TARGET :dead COUNT 1"), ["a", "b"]);
    // Switched off, it is a source still.
    client.ok("KARIN.SET a maxReceiveCount 0");
    assert_eq!(list(&mut client, "TARGET :dead"), ["a", "b"]);
    client.ok("KARIN.SEND b x");
    assert_eq!(list(&mut client, "TARGET :dead DUE 1"), ["b"]);
    client.call(&[b"KARIN.SET", b"b", b"deadLetterTargetArn", b""]).unwrap();
    assert_eq!(list(&mut client, "TARGET :dead"), ["a"]);
    assert_eq!(list(&mut client, "TARGET :none"), Vec::<String>::new());
}

#[test]
fn a_row_has_the_counts_and_times_of_its_queue() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q ReceiveMessageWaitTimeSeconds 20");
    client.ok("KARIN.SENDM q 4 MSG a MSG b MSG c MSG d DELAY 60");
    client.pop("q");
    client.ok("KARIN.CREATE empty");
    let reply = fields(&client.ok("KARIN.LIST"));
    let rows: Vec<Vec<String>> =
        items(&reply["queues"]).iter().map(|row| items(row).iter().map(text).collect()).collect();
    let info = |client: &mut Client, key: &str, name: &str| text(&client.info(key)[name]);
    let mut tail =
        |key: &str| ["uid", "created_ms"].map(|name| info(&mut client, key, name)).join(" ");
    let [empty, q] = ["empty", "q"].map(&mut tail);
    let oldest = info(&mut client, "q", "oldest_sent_ms");
    assert_eq!(rows[0].join(" "), format!("empty 0 0 0 0 -1 0 0 0 -1 {empty}"));
    assert_eq!(rows[1].join(" "), format!("q 2 1 1 0 0 1 20000 4 {oldest} {q}"));
    let now_ms = u64::try_from(integer(&reply["now_ms"])).unwrap();
    assert!(server_ms(&mut client).abs_diff(now_ms) < 10_000, "{now_ms}");
}

#[test]
fn touched_gives_only_queues_whose_messages_changed_of_late() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE untouched");
    let changes: [(&str, &[&str]); 8] = [
        ("acked", &["KARIN.ACK acked RECEIPT"]),
        (
            "died",
            &["KARIN.SET died deadLetterTargetArn x:y maxReceiveCount 1", "KARIN.POPDUE died"],
        ),
        ("extended", &["KARIN.EXTEND extended RECEIPT 9"]),
        ("popped", &["KARIN.SEND popped b", "KARIN.POPDUE popped"]),
        ("purged", &["KARIN.PURGE purged"]),
        ("released", &["KARIN.RELEASE released RECEIPT"]),
        ("sent", &["KARIN.SEND sent b DELAY 900"]),
        ("sentm", &["KARIN.SENDM sentm 1 MSG a DELAY 900"]),
    ];
    for (queue, commands) in changes {
        client.ok(&format!("KARIN.SEND {queue} a"));
        let receipt = client.pop_one(&format!("{queue} VISIBILITY 900")).receipt;
        if queue == "died" {
            client.answers(&format!("KARIN.EXTEND died {receipt} 0"));
        }
        client.ok("KARIN.DEBUG CLOCK 100");
        for look in ["INFO", "PEEK", "DEAD"] {
            client.ok(&format!("KARIN.{look} {queue}"));
        }
        if queue != "died" && queue != "popped" {
            client.ok(&format!("KARIN.POPDUE {queue}"));
        }
        assert_eq!(list(&mut client, "TOUCHED 99"), Vec::<String>::new(), "looking is no change");
        for command in commands {
            client.ok(&command.replace("RECEIPT", &receipt));
        }
        assert_eq!(list(&mut client, "TOUCHED 99"), [queue]);
        client.ok("KARIN.DEBUG CLOCK 100");
    }
    client.ok("KARIN.DEADACK died UPTO 9");
    assert_eq!(list(&mut client, "TOUCHED 99 COUNT 2"), ["died"]);
    client.ok("KARIN.DEBUG CLOCK -500");
    assert!(
        list(&mut client, "TOUCHED 1").contains(&"died".to_owned()),
        "set back, and not missed"
    );
}

#[test]
fn touched_and_due_give_the_queues_of_either() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND due a");
    client.ok("KARIN.DEBUG CLOCK 100");
    client.ok("KARIN.SEND late a DELAY 900");
    client.ok("KARIN.CREATE none");
    assert_eq!(list(&mut client, "TOUCHED 60"), ["late"]);
    assert_eq!(list(&mut client, "DUE 60"), ["due"]);
    assert_eq!(list(&mut client, "DUE 60 TOUCHED 60 COUNT 1"), ["due", "late"]);
}

#[test]
fn neither_replicas_nor_files_say_when_a_queue_was_touched() {
    let mut master = RedisServer::start(&SYNC_AT_ONCE);
    let mut client = Client::new(&master);
    client.ok("KARIN.SEND q a");
    let replica = RedisServer::start_replica_of(&master, &[]);
    client.ok("KARIN.SEND q b");
    replica.catch_up_with(&master);
    let mut second = Client::new(&replica);
    assert_eq!(list(&mut second, ""), ["q"]);
    assert_eq!(list(&mut second, "TOUCHED 60"), Vec::<String>::new());
    second.ok("REPLICAOF NO ONE");
    second.pop("q");
    assert_eq!(list(&mut second, "TOUCHED 60"), ["q"], "promoted, it notes what happens");
    client.ok("SAVE");
    master.restart();
    let mut client = Client::new(&master);
    assert_eq!(list(&mut client, ""), ["q"]);
    assert_eq!(list(&mut client, "TOUCHED 60"), Vec::<String>::new());
    drop(replica);
}

#[test]
fn the_oldest_message_is_not_looked_for_behind_many_dead_letters() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q deadLetterTargetArn x:y maxReceiveCount 1");
    let oldest = |client: &mut Client| {
        let reply = fields(&client.ok("KARIN.LIST"));
        integer(&items(&items(&reply["queues"])[0])[9])
    };
    for dead in 1..=51 {
        client.ok("KARIN.SEND q a");
        client.pop("q VISIBILITY 0");
        client.pop("q VISIBILITY 0");
        client.ok("KARIN.SEND q alive");
        assert_eq!(oldest(&mut client) >= 0, dead <= 49, "{dead} dead");
        let receipt = client.pop_one("q").receipt;
        client.answers(&format!("KARIN.ACK q {receipt}"));
    }
}

#[test]
fn due_gives_only_queues_with_something_deliverable_in_time() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE empty");
    client.ok("KARIN.SEND now x");
    client.ok("KARIN.SEND soon x DELAY 30");
    client.ok("KARIN.SEND late x DELAY 300");
    assert_eq!(list(&mut client, "DUE 0"), ["now"]);
    assert_eq!(list(&mut client, "DUE 60"), ["now", "soon"]);
    assert_eq!(list(&mut client, "DUE 1000"), ["late", "now", "soon"]);
    client.ok("KARIN.DEBUG CLOCK 31");
    assert_eq!(list(&mut client, "DUE 0.5"), ["now", "soon"]);
}

#[test]
fn one_call_looks_at_a_thousand_queues_and_says_where_to_go_on() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for n in 0..2_500 {
        client.ok(&format!("KARIN.CREATE q{n:04}"));
    }
    client.ok("KARIN.SEND q2400 x");
    let (names, after) = page(&mut client, "DUE 0");
    assert_eq!((names.len(), after.as_deref()), (0, Some("q0999")));
    assert_eq!(list(&mut client, "DUE 0"), ["q2400"]);
    assert_eq!(page(&mut client, "COUNT 1000").0.len(), 1_000);
    assert_eq!(list(&mut client, "COUNT 1000").len(), 2_500);
    assert_eq!(list(&mut client, "").len(), 2_500);
}

#[test]
fn a_replica_lists_what_its_master_lists() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let mut client = Client::new(&master);
    client.ok("KARIN.SEND before x");
    for load in ["disabled", "swapdb"] {
        let arguments = ["--repl-diskless-load", load];
        let replica = RedisServer::start_replica_of(&master, &arguments);
        let mut copy = Client::new(&replica);
        assert_list_is_scan(&mut copy, "the full synchronization");
        for command in [
            "KARIN.SEND after x",
            "RENAME after renamed",
            "COPY renamed copy",
            "KARIN.SEND gone x",
            "DEL gone",
            "MOVE copy 1",
            "SWAPDB 1 2",
        ] {
            client.ok(command);
        }
        assert_eq!(client.integer("WAIT 1 10000"), 1);
        assert_list_is_scan(&mut copy, "writes");
        assert_eq!(list(&mut copy, ""), ["copy"], "in database 2");
        copy.ok("SELECT 0");
        assert_eq!(list(&mut copy, ""), ["before", "renamed"]);
        // A second synchronization over what is there.
        copy.ok("REPLICAOF NO ONE");
        copy.ok("KARIN.CREATE own");
        client.ok("KARIN.CREATE theirs");
        copy.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
        wait::until(wait::PATIENCE, "the second synchronization", || {
            replica.info("replication").contains("master_link_status:up")
        });
        assert_list_is_scan(&mut copy, "the second synchronization");
        copy.ok("SELECT 0");
        assert_eq!(list(&mut copy, ""), ["before", "renamed", "theirs"]);
        client.ok("FLUSHALL");
        client.ok("KARIN.SEND before x");
        assert_eq!(client.integer("WAIT 1 10000"), 1);
        assert_list_is_scan(&mut copy, "FLUSHALL");
    }
    assert_eq!(integer(&client.ok("DBSIZE")), 1);
}

#[test]
fn a_replica_that_loads_behind_its_old_data_lists_the_queues_of_every_database() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let mut client = Client::new(&master);
    client.ok("KARIN.CREATE zero");
    client.ok("SELECT 1");
    client.ok("KARIN.CREATE one");
    let replica = RedisServer::start_replica_of(&master, &["--repl-diskless-load", "swapdb"]);
    assert_list_is_scan(&mut Client::new(&replica), "a load behind the old data");
}
