//! Commands that work on any key: what they carry is whole, what they remove is gone.

use std::collections::BTreeMap;

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::Value;

use super::client::{Client, Delivery, Random, SYNC_AT_ONCE, bytes, integer, text};
use super::registry::{assert_list_is_scan, list};

/// Makes a queue with attributes, tags and messages in every state; two receipts of messages in
/// flight.
fn fill(client: &mut Client, key: &str) -> [String; 2] {
    client.ok(&format!(
        "KARIN.CREATE {key} VisibilityTimeout 100 MessageRetentionPeriod 9000 Policy policy \
         TAG team a TAG stage b"
    ));
    for n in 0..40 {
        if n == 5 {
            client.pop(&format!("{key} COUNT 4 VISIBILITY 0"));
        }
        client.ok(&format!("KARIN.SEND {key} body-{n} ATTRS attributes-{n}"));
    }
    client.ok(&format!("KARIN.SENDM {key} 3 MSG d DELAY 60 MSG e DELAY 70.5 MSG f DELAY 60"));
    client.call(&[b"KARIN.SEND", key.as_bytes(), &Random::new(3).bytes(300_000)]).unwrap();
    let held = client.pop(&format!("{key} COUNT 5 HOLDER 3")).messages;
    let other = client.pop(&format!("{key} COUNT 5 VISIBILITY 200")).messages;
    let back = client.pop(&format!("{key} COUNT 2")).messages;
    client.ok(&format!("KARIN.RELEASE {key} {}", back[0].receipt));
    client.ok(&format!("KARIN.RELEASE {key} DELAY 30 {}", back[1].receipt));
    client.ok(&format!("KARIN.ACK {key} {}", held[1].receipt));
    client.ok(&format!("KARIN.EXTEND {key} {} 50", held[2].receipt));
    [held[0].receipt.clone(), other[0].receipt.clone()]
}

/// What KARIN.INFO tells, but for the number of hints, which moves with the key.
fn info(client: &mut Client, key: &str) -> BTreeMap<String, Value> {
    let mut info = client.info(key);
    info.remove("hint");
    info
}

fn value_digest(client: &mut Client, key: &str) -> Value {
    client.ok(&format!("DEBUG DIGEST-VALUE {key}"))
}

/// Everything a delivery tells of a message that does not change by the delivery.
type Row = (i64, String, Vec<u8>, Vec<u8>, i64, i64);

/// Pops all messages, as late as need be; in the order they come.
fn drain(client: &mut Client, key: &str) -> Vec<(Row, i64)> {
    client.ok("KARIN.DEBUG CLOCK 1000");
    let row = |m: Delivery| {
        let row = (m.sequence, m.id, m.body, m.attributes, m.receive_count, m.sent_ms);
        // Of a message never received before, this is the first time.
        (row, if m.receive_count == 1 { 0 } else { m.first_received_ms })
    };
    client.pop(&format!("{key} COUNT 1000")).messages.into_iter().map(row).collect()
}

/// Both are the same queue with the same messages; `receipts` are good for the second.
#[track_caller]
fn assert_carried(from: &mut Client, to: &mut Client, key: &str, receipts: &[String; 2]) {
    assert_eq!(info(to, key), info(from, key));
    assert_eq!(value_digest(to, key), value_digest(from, key));
    to.check(key);
    for client in [&mut *from, &mut *to] {
        let [first, second] = receipts;
        let answers = client.answers(&format!("KARIN.ACK {key} CURRENT {first} {second}"));
        assert_eq!(answers, ["1", "1"]);
        let sent = client.ok(&format!("KARIN.SEND {key} next"));
        assert_eq!(integer(&super::client::items(&sent)[1]), 45, "the sequence goes on");
        assert_eq!(client.integer(&format!("KARIN.RELEASE {key} HOLDER 3")), 3);
    }
    let (expected, rows) = (drain(from, key), drain(to, key));
    assert_eq!(expected.len(), 42);
    let skip = |rows: &[(Row, i64)]| rows.iter().filter(|(row, _)| row.0 != 45).cloned().collect();
    let (expected, rows): (Vec<_>, Vec<_>) = (skip(&expected), skip(&rows));
    assert_eq!(rows, expected);
}

#[test]
fn dump_and_restore_on_another_server_carry_everything() {
    let (here, there) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let (mut client, mut other) = (Client::new(&here), Client::new(&there));
    let receipts = fill(&mut client, "q");
    let dump = bytes(&client.ok("DUMP q"));
    other.call(&[b"RESTORE", b"q", b"0", &dump]).unwrap();
    assert_carried(&mut client, &mut other, "q", &receipts);
    // Over a queue that is there, only if asked; it leaves nothing of the older one.
    other.ok("KARIN.CREATE old VisibilityTimeout 7");
    other.ok("KARIN.SEND old x");
    let old = other.pop_one("old").receipt;
    let refused = other.call(&[b"RESTORE", b"old", b"0", &dump]).unwrap_err();
    assert!(refused.starts_with("BUSYKEY"), "{refused}");
    other.call(&[b"RESTORE", b"old", b"0", &dump, b"REPLACE"]).unwrap();
    assert_eq!(other.answers(&format!("KARIN.ACK old {old}")), ["KARINFOREIGN"]);
    assert_list_is_scan(&mut other, "RESTORE REPLACE");
}

#[test]
fn migrate_carries_everything_and_leaves_nothing() {
    let here = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&here, &[]);
    let there = RedisServer::start(&[]);
    let (mut client, mut other) = (Client::new(&here), Client::new(&there));
    let receipts = fill(&mut client, "q");
    client.ok("KARIN.CREATE empty DelaySeconds 5 TAG a b");
    let port = there.port().to_string();
    let migrate = |client: &mut Client, options: &[&[u8]]| {
        let to: [&[u8]; 6] = [b"MIGRATE", b"127.0.0.1", port.as_bytes(), b"", b"0", b"20000"];
        client.call(&[&to[..], options].concat())
    };
    // As a copy, which can be held against what stays; then over it.
    migrate(&mut client, &[b"COPY", b"KEYS", b"q"]).unwrap();
    assert_eq!(info(&mut other, "q"), info(&mut client, "q"));
    let busy = migrate(&mut client, &[b"KEYS", b"q"]).unwrap_err();
    assert!(busy.contains("BUSYKEY"), "{busy}");
    client.ok("COPY q original");
    let (told, digest) = (info(&mut client, "q"), value_digest(&mut client, "q"));
    migrate(&mut client, &[b"REPLACE", b"KEYS", b"q", b"empty"]).unwrap();
    assert_eq!((info(&mut other, "q"), value_digest(&mut other, "q")), (told, digest));
    assert_eq!(text(&other.info("empty")["uid"]).len(), 16);
    assert_list_is_scan(&mut other, "MIGRATE to it");
    assert_list_is_scan(&mut client, "MIGRATE from it");
    client.ok("SELECT 0");
    other.ok("SELECT 0");
    assert_eq!(list(&mut client, ""), ["original"]);
    assert_eq!(list(&mut other, ""), ["empty", "q"]);
    for receipt in &receipts {
        assert!(client.error(&format!("KARIN.ACK q {receipt}")).starts_with("KARINNOQUEUE"));
    }
    replica.catch_up_with(&here);
    assert_eq!(Client::new(&replica).digest(), client.digest());
    // And back.
    let port = here.port().to_string();
    other.call(&[b"MIGRATE", b"127.0.0.1", port.as_bytes(), b"q", b"0", b"20000"]).unwrap();
    let dump = bytes(&client.ok("DUMP q"));
    other.call(&[b"RESTORE", b"q", b"0", &dump]).unwrap();
    assert_carried(&mut client, &mut other, "q", &receipts);
}

#[test]
fn a_renamed_queue_keeps_its_receipts_and_leaves_none_to_its_old_name() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let receipts = fill(&mut client, "q");
    let [overwritten, _] = fill(&mut client, "target");
    let (told, digest) = (info(&mut client, "q"), value_digest(&mut client, "q"));
    assert_eq!(client.integer("RENAMENX q target"), 0);
    client.ok("RENAME q target");
    assert_eq!((info(&mut client, "target"), value_digest(&mut client, "target")), (told, digest));
    assert!(client.error(&format!("KARIN.ACK q {}", receipts[0])).starts_with("KARINNOQUEUE"));
    let acks = format!("KARIN.ACK target CURRENT {} {overwritten}", receipts[0]);
    assert_eq!(client.answers(&acks), ["1", "KARINFOREIGN"]);
    client.ok("KARIN.SEND q new");
    assert_eq!(client.answers(&format!("KARIN.ACK q {}", receipts[1])), ["KARINFOREIGN"]);
    client.check("target");
    assert_list_is_scan(&mut client, "RENAME");
}

/// A copy's original and a copy of a copy are other queues, and live on by themselves.
#[test]
fn receipts_of_a_copy_are_its_own() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let [of_original, _] = fill(&mut client, "q");
    client.ok("COPY q copy");
    client.ok("COPY copy again");
    client.ok("COPY q copy DB 1");
    client.ok("SELECT 1");
    client.ok("COPY copy moved DB 0");
    client.ok("SELECT 0");
    let mut receipts = vec![("q", of_original)];
    for key in ["again", "moved", "copy"] {
        assert_eq!(client.counts(key), client.counts("q"));
        receipts.push((key, client.pop_one(key).receipt));
    }
    for key in ["q", "again", "moved", "copy"] {
        let info = client.info(key);
        for (of, receipt) in &receipts {
            if *of != key {
                let ack = format!("KARIN.ACK {key} {receipt}");
                assert_eq!(client.answers(&ack), ["KARINFOREIGN"], "{of}'s in {key}");
            }
        }
        assert_eq!(client.info(key), info, "{key}");
    }
    for (key, receipt) in &receipts {
        assert_eq!(client.answers(&format!("KARIN.ACK {key} CURRENT {receipt}")), ["1"], "{key}");
        client.check(key);
    }
}

/// What takes the queue `q` from its name, and what is under the name then.
const REMOVERS: [&str; 15] = [
    "DEL q",
    "UNLINK q",
    "PEXPIRE q 1",
    "EXPIREAT q 1",
    "FLUSHDB",
    "FLUSHDB ASYNC",
    "FLUSHALL",
    "FLUSHALL ASYNC",
    "SWAPDB 0 1",
    "MOVE q 1",
    "RENAME q other",
    "RENAME string q",
    "COPY string q REPLACE",
    "SET q string",
    "SET q string PX 1",
];

#[test]
fn whatever_removes_a_queue_leaves_no_ghost_of_it_here_or_on_a_replica() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let (mut client, mut copy) = (Client::new(&master), Client::new(&replica));
    for remover in REMOVERS {
        client.ok("SET string x");
        let [receipt, _] = fill(&mut client, "q");
        client.ok("KARIN.CREATE stays");
        let hint = integer(&client.info("q")["hint"]);
        client.ok(remover);
        wait::until(wait::PATIENCE, remover, || {
            let gone = client.words("KARIN.INFO q").err().unwrap_or_default();
            gone.starts_with("KARINNOQUEUE") || gone.starts_with("WRONGTYPE")
        });
        replica.catch_up_with(&master);
        for client in [&mut client, &mut copy] {
            assert_list_is_scan(client, remover);
            client.ok("SELECT 0");
            assert!(!list(client, "").contains(&"q".to_owned()), "{remover}");
        }
        client.words(&format!("KARIN.ACK q {receipt}")).unwrap_err();
        // The next queue of the name begins anew.
        client.ok("DEL q");
        let sent = client.ok("KARIN.SEND q x");
        assert_eq!(integer(&super::client::items(&sent)[1]), 1, "{remover}: the sequence");
        let answers = client.answers(&format!("KARIN.ACK q {receipt}"));
        assert_eq!(answers, ["KARINFOREIGN"], "{remover}");
        let info = client.info("q");
        assert!(integer(&info["hint"]) < hint.max(2), "{remover}: {info:?}");
        assert_eq!(client.counts("q"), (1, 0, 0), "{remover}");
        assert_eq!(client.pop("q COUNT 9").bodies(), ["x"], "{remover}");
        replica.catch_up_with(&master);
        assert_eq!(copy.digest(), client.digest(), "{remover}");
        client.ok("FLUSHALL");
    }
}

#[test]
fn an_expiry_outlives_every_command_and_then_takes_the_queue_with_all_in_it() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut client = Client::new(&server);
    let [receipt, _] = fill(&mut client, "q");
    client.ok("EXPIRE q 1000");
    for command in [
        "KARIN.SEND q x",
        "KARIN.POPDUE q COUNT 50",
        &format!("KARIN.ACK q {receipt}"),
        "KARIN.SET q VisibilityTimeout 4",
        "KARIN.PURGE q",
        "DEBUG RELOAD",
        "RENAME q p",
        "COPY p q",
    ] {
        client.ok(command);
        let key = if command.starts_with("RENAME") { "p" } else { "q" };
        assert!((900..=1000).contains(&client.integer(&format!("TTL {key}"))), "{command}");
    }
    server.restart();
    let mut client = Client::new(&server);
    assert!((900..=1000).contains(&client.integer("TTL q")));
    client.ok("PERSIST p");
    client.ok("PEXPIRE q 30");
    // Nobody asks for it.
    wait::until(wait::PATIENCE, "the expiry", || client.integer("DBSIZE") == 1);
    assert_list_is_scan(&mut client, "EXPIRE");
    client.ok("SELECT 0");
    assert_eq!(list(&mut client, ""), ["p"]);
}

#[test]
fn every_prefix_of_a_payload_is_refused_and_costs_no_memory() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    fill(&mut client, "small");
    // Of more than one chunk, and not compressible.
    fill(&mut client, "large");
    let mut random = Random::new(17);
    for _ in 0..70 {
        client.call(&[b"KARIN.SEND", b"large", &random.bytes(10_000)]).unwrap();
    }
    client.ok("KARIN.PURGE small");
    let text = "text ".repeat(9);
    for _ in 0..60 {
        client
            .call(&[b"KARIN.SEND", b"small", text.as_bytes(), b"ATTRS", text.as_bytes()])
            .unwrap();
    }
    let mut used = 0;
    for round in 0..2 {
        for (key, stride) in [("small", 1), ("large", 9_973)] {
            let dump = bytes(&client.ok(&format!("DUMP {key}")));
            // The last ten bytes are the version and the checksum.
            let (body, footer) = dump.split_at(dump.len() - 10);
            let ends = (0..body.len())
                .filter(|end| end % stride == 0 || *end < 300 || *end > body.len() - 300);
            for end in ends {
                let cut = [&body[..end], footer].concat();
                client.call(&[b"RESTORE", b"restored", b"0", &cut]).unwrap_err();
                let raw = client.call(&[b"RESTORE", b"restored", b"0", &body[..end]]);
                raw.unwrap_err();
            }
            client.check(key);
        }
        assert_eq!(client.integer("EXISTS restored"), 0);
        assert_eq!(list(&mut client, ""), ["large", "small"]);
        let before = std::mem::replace(&mut used, server.info_number("memory", "used_memory"));
        assert!(round == 0 || used < before + 1_000_000, "{before} bytes became {used}");
    }
}

#[test]
fn a_second_copy_under_the_name_of_the_first_takes_no_receipts_of_it() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG a MSG b");
    client.ok("COPY q copy");
    client.ok("RENAME copy first");
    client.ok("COPY q copy");
    assert_ne!(client.info("first")["uid"], client.info("copy")["uid"]);
    let receipt = client.pop_one("first").receipt;
    assert_eq!(client.answers(&format!("KARIN.ACK copy {receipt}")), ["KARINFOREIGN"]);
}
