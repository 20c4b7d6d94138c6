//! RDB, append-only file, DUMP, COPY: what comes back is what was there.

use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::client::{Client, Random, bytes, integer};

/// Fills queues with messages in all states, large ones among them.
fn fill(client: &mut Client) {
    client.ok("KARIN.CREATE empty DelaySeconds 5 Policy {} TAG team a TAG stage b");
    client.ok("KARIN.CREATE q VisibilityTimeout 100 MaximumMessageSize 10000000");
    let mut random = Random::new(42);
    for n in 0..3_000_usize {
        let body = random.bytes(n % 700);
        match n % 3 {
            0 => client.call(&[b"KARIN.SEND", b"q", &body]),
            1 => client.call(&[b"KARIN.SEND", b"q", &body, b"DELAY", b"50.25"]),
            _ => client.call(&[b"KARIN.SEND", b"q", &body, b"ATTRS", &body]),
        }
        .unwrap();
    }
    client.call(&[b"KARIN.SEND", b"q", &random.bytes(3_000_000)]).unwrap();
    client.pop("q COUNT 300 HOLDER 3");
    let popped = client.pop("q COUNT 300 VISIBILITY 7");
    for (n, message) in popped.messages.iter().enumerate() {
        match n % 3 {
            0 => client.ok(&format!("KARIN.ACK q {}", message.receipt)),
            1 => client.ok(&format!("KARIN.RELEASE q {}", message.receipt)),
            _ => client.ok(&format!("KARIN.EXTEND q {} 30", message.receipt)),
        };
    }
    client.ok("KARIN.SEND other x");
}

#[test]
fn an_rdb_brings_back_every_queue_with_every_state() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    fill(&mut client);
    let (digest, counts) = (client.digest(), client.counts("q"));
    client.ok("DEBUG RELOAD");
    assert_eq!(client.digest(), digest);
    assert_eq!(client.counts("q"), counts);
    for key in ["q", "empty", "other"] {
        client.check(key);
    }
    let held = client.pop("q COUNT 1");
    assert_eq!(client.answers(&format!("KARIN.ACK q {}", held.messages[0].receipt)), ["1"]);
    assert_eq!(client.integer("KARIN.RELEASE q HOLDER 3"), 300);
}

#[test]
fn receipts_are_good_after_a_restart() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG a MSG b");
    let receipt = client.pop_one("q").receipt;
    let stale = client.pop_one("q VISIBILITY 0").receipt;
    client.pop_one("q");
    let digest = client.digest();
    server.kill();
    server.restart();
    let mut client = Client::new(&server);
    assert_eq!(client.digest(), digest);
    let answers = client.answers(&format!("KARIN.ACK q CURRENT {receipt} {stale}"));
    assert_eq!(answers, ["1", "KARINSTALE"]);
}

#[test]
fn the_append_only_file_brings_back_every_queue_rewritten_or_not_with_preamble_or_without() {
    for preamble in ["yes", "no"] {
        let mut server = RedisServer::start(&[
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--aof-use-rdb-preamble",
            preamble,
        ]);
        let mut client = Client::new(&server);
        fill(&mut client);
        let digest = client.digest();
        server.restart();
        let mut client = Client::new(&server);
        assert_eq!(client.digest(), digest, "replayed");
        client.ok("BGREWRITEAOF");
        server.wait_for_rewrite();
        server.restart();
        let mut client = Client::new(&server);
        assert_eq!(client.digest(), digest, "rewritten, preamble {preamble}");
        for key in ["q", "empty", "other"] {
            client.check(key);
        }
        client.ok("KARIN.SEND q after");
        let digest = client.digest();
        server.restart();
        assert_eq!(Client::new(&server).digest(), digest, "and written to again");
    }
}

#[test]
fn a_transaction_in_the_append_only_file_comes_back_whole() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut client = Client::new(&server);
    client.ok("MULTI");
    client.ok("KARIN.SENDM q 2 MSG a MSG b");
    client.ok("KARIN.POPDUE q");
    client.ok("SELECT 3");
    client.ok("KARIN.SEND p c DELAY 50");
    client.ok("KARIN.SET p VisibilityTimeout 4");
    client.ok("KARIN.SENDM p 2 MSG d MSG e ATTRS f");
    client.ok("KARIN.PURGE p");
    client.ok("EXEC");
    let digest = client.digest();
    server.restart();
    let mut client = Client::new(&server);
    assert_eq!(client.digest(), digest);
    assert_eq!(client.counts("q"), (1, 0, 1));
}

#[test]
fn dump_and_restore_carry_a_queue_and_its_receipts() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 3 MSG a MSG b MSG c DELAY 60");
    let receipt = client.pop_one("q").receipt;
    let dump = bytes(&client.ok("DUMP q"));
    client.ok("DEL q");
    client.call(&[b"RESTORE", b"again", b"0", &dump]).unwrap();
    assert_eq!(client.counts("again"), (1, 1, 1));
    client.check("again");
    assert_eq!(client.answers(&format!("KARIN.ACK again {receipt}")), ["1"]);
}

#[test]
fn a_copy_has_the_messages_and_takes_no_receipts_of_the_original() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG a MSG b");
    let receipt = client.pop_one("q").receipt;
    client.ok("COPY q copy");
    client.ok("COPY q second DB 0");
    assert_eq!(client.counts("copy"), (1, 0, 1));
    assert_eq!(client.answers(&format!("KARIN.ACK copy {receipt}")), ["KARINFOREIGN"]);
    assert_eq!(client.answers(&format!("KARIN.ACK q {receipt}")), ["1"]);
    let (one, other) = (client.info("copy"), client.info("second"));
    assert_ne!(one["uid"], other["uid"]);
    client.check("copy");
}

#[test]
fn large_queues_are_freed_by_unlink_and_flush_and_their_memory_is_told() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let messages = " MSG 0123456789012345678901234567890123456789".repeat(1_000);
    for _ in 0..20 {
        client.ok(&format!("KARIN.SENDM q 1000{messages}"));
    }
    let bytes = client.integer("MEMORY USAGE q");
    assert!((20_000 * 100..20_000 * 300).contains(&bytes), "{bytes}");
    assert_eq!(integer(&client.info("q")["bytes"]), 20_000 * 40);
    client.ok("COPY q copy");
    client.ok("UNLINK q");
    client.ok("FLUSHALL ASYNC");
    wait::until(wait::PATIENCE, "freeing in the background", || {
        server.info("memory").contains("lazyfreed_objects:2")
    });
    assert_eq!(client.integer("DBSIZE"), 0);
}

#[test]
fn a_queue_with_an_expiry_expires_as_any_key() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q x");
    client.ok("PEXPIRE q 20");
    wait::until(wait::PATIENCE, "the expiry", || client.words("KARIN.INFO q").is_err());
    client.ok("KARIN.SEND q y");
    assert_eq!(client.pop_one("q").body, b"y");
    assert_eq!(client.integer("TTL q"), -1);
}
