//! Deduplication and receive attempts: what is remembered for five minutes (sqs-contract §9).

use karin_tests::redis::RedisServer;
use redis::Value;

use super::client::{Client, integer, items, text};
use super::pair::Pair;

/// Id and sequence number of what is sent.
#[track_caller]
fn send(client: &mut Client, arguments: &str) -> (String, i64) {
    read(&client.ok(&format!("KARIN.SEND q {arguments}")))
}

#[track_caller]
fn read(reply: &Value) -> (String, i64) {
    (text(&items(reply)[0]), integer(&items(reply)[1]))
}

#[test]
fn a_duplicate_gets_the_answer_of_the_first_for_five_minutes_even_if_that_is_deleted() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.CREATE q FIFO");
    let first = send(&mut client, "a GROUP g DEDUP d");
    let receipt = client.pop_one("q").receipt;
    client.ok(&format!("KARIN.ACK q {receipt}"));
    client.ok("KARIN.DEBUG CLOCK 299");
    assert_eq!(send(&mut client, "another GROUP g DEDUP d"), first);
    assert_eq!(client.counts("q"), (0, 0, 0));
    pair.assert_same();
    // The duplicate has not made the five minutes longer.
    client.ok("KARIN.DEBUG CLOCK 2");
    let next = send(&mut client, "b GROUP g DEDUP d");
    assert_eq!(next.1, first.1 + 1);
    assert_eq!(client.pop("q COUNT 10").bodies(), ["b"]);
    pair.assert_same();
}

#[test]
fn duplicates_in_a_batch_are_told_too() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q FIFO");
    let reply = client
        .ok("KARIN.SENDM q 3 MSG a GROUP g DEDUP 1 MSG b GROUP g DEDUP 1 MSG c GROUP h DEDUP 2");
    let results: Vec<_> = items(&items(&reply)[1]).iter().map(read).collect();
    assert_eq!(results[0], results[1]);
    assert_eq!((results[0].1, results[2].1), (1, 2));
    assert_eq!(client.pop("q COUNT 10").bodies(), ["a", "c"]);
}

#[test]
fn duplicates_are_told_within_the_queue_or_within_each_group() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for (scope, sent) in [("queue", 1), ("messageGroup", 2)] {
        client.ok("DEL q");
        client.ok(&format!("KARIN.CREATE q FIFO DeduplicationScope {scope}"));
        for group in ["g", "h", "g", "h"] {
            client.ok(&format!("KARIN.SEND q x GROUP {group} DEDUP d"));
        }
        assert_eq!(client.counts("q").0, sent, "{scope}");
    }
}

#[test]
fn the_hash_of_the_body_stands_for_a_missing_id() {
    /// SHA-256 of "abc" (FIPS 180-4, example B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q FIFO ContentBasedDeduplication true");
    let first = send(&mut client, "abc GROUP g");
    assert_eq!(send(&mut client, "abc GROUP h"), first);
    assert_eq!(send(&mut client, &format!("abc GROUP g SHA256 {ABC}")), first);
    assert_eq!(send(&mut client, &format!("abc GROUP g SHA256 {}", ABC.to_uppercase())), first);
    assert_eq!(send(&mut client, &format!("other GROUP g DEDUP {ABC}")), first);
    assert_ne!(send(&mut client, "abc GROUP g DEDUP own"), first);
    assert_eq!(client.pop("q COUNT 10").messages[0].dedup, ABC.as_bytes());
    for hash in ["x", &ABC[1..], &format!("{ABC}0"), &ABC.replace('b', "g")] {
        let error = client.error(&format!("KARIN.SEND q x GROUP g SHA256 {hash}"));
        assert_eq!(error, "ERR SHA256 must be 64 hexadecimal digits");
    }
}

#[test]
fn purge_forgets_what_was_sent_and_received() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.CREATE q FIFO");
    let first = send(&mut client, "a GROUP g DEDUP d");
    client.pop("q ATTEMPT once");
    assert_eq!(integer(&client.info("q")["dedup_ids"]), 1);
    assert_eq!(integer(&client.info("q")["attempts"]), 1);
    let receipt = client.pop("q ATTEMPT once").messages[0].receipt.clone();
    client.ok(&format!("KARIN.ACK q {receipt}"));
    // There is nothing to drop any more.
    assert_eq!(client.integer("KARIN.PURGE q"), 0);
    pair.assert_same();
    assert_eq!(integer(&client.info("q")["dedup_ids"]), 0);
    assert_eq!(integer(&client.info("q")["attempts"]), 0);
    assert_eq!(send(&mut client, "a GROUP g DEDUP d").1, first.1 + 1);
    assert_eq!(client.pop("q ATTEMPT once").messages.len(), 1);
    pair.assert_same();
}

#[test]
fn a_duplicate_replicates_nothing() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.CREATE q FIFO");
    send(&mut client, "a GROUP g DEDUP d");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    Client::new(&pair.replica).ok("CONFIG RESETSTAT");
    send(&mut client, "a GROUP g DEDUP d");
    client.ok("KARIN.SENDM q 2 MSG a GROUP g DEDUP d MSG b GROUP h DEDUP d");
    client.ok("SET marker x");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    let statistics = pair.replica.info("commandstats");
    assert!(statistics.contains("cmdstat_set:"), "{statistics}");
    assert!(!statistics.contains("cmdstat_karin"), "{statistics}");
}

#[test]
fn a_promoted_replica_and_a_restarted_server_still_know_duplicates_and_attempts() {
    let mut pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.CREATE q FIFO");
    let first = send(&mut client, "a GROUP g DEDUP d");
    let second = send(&mut client, "b GROUP h DEDUP e");
    let received = client.pop("q ATTEMPT once VISIBILITY 600");
    pair.master.restart();
    let mut client = pair.client();
    assert_eq!(send(&mut client, "a GROUP g DEDUP d"), first);
    assert_eq!(client.pop("q ATTEMPT once VISIBILITY 600").messages[0].receipt, {
        received.messages[0].receipt.clone()
    });
    pair.wait_for_link();
    let mut client = pair.fail_over();
    assert_eq!(send(&mut client, "b GROUP h DEDUP e"), second);
    let again = client.pop("q ATTEMPT once");
    assert_eq!(again.messages[0].receipt, received.messages[0].receipt);
    assert_eq!(again.messages[0].receive_count, 1);
    pair.replica.restart();
    let mut client = Client::new(&pair.replica);
    client.ok("REPLICAOF NO ONE");
    assert_eq!(send(&mut client, "b GROUP h DEDUP e"), second);
    assert_eq!(client.pop_one("q ATTEMPT once").receipt, received.messages[0].receipt);
    client.check("q");
}

#[test]
fn a_repeated_attempt_gets_the_same_messages_and_starts_their_visibility_again() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.SENDM q 3 MSG a MSG b MSG c");
    let first = client.pop("q COUNT 2 VISIBILITY 30 ATTEMPT try-1");
    client.ok("KARIN.DEBUG CLOCK 20");
    let second = client.pop("q COUNT 2 VISIBILITY 30 ATTEMPT try-1");
    assert_eq!(first.bodies(), second.bodies());
    for (before, after) in first.messages.iter().zip(&second.messages) {
        assert_eq!(after.receipt, before.receipt);
        assert_eq!(after.receive_count, 1);
        assert!(after.due_ms >= before.due_ms + 20_000);
    }
    pair.assert_same();
    // It would have lapsed by now.
    client.ok("KARIN.DEBUG CLOCK 20");
    assert_eq!(client.pop("q COUNT 10 ATTEMPT try-2").bodies(), ["c"]);
    assert_eq!(client.pop("q COUNT 10 ATTEMPT try-1").bodies(), ["a", "b"]);
    pair.assert_same();
}

#[test]
fn an_attempt_is_over_once_one_of_its_messages_was_touched_or_became_visible() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for touch in ["ACK q {}", "EXTEND q {} 60", "RELEASE q {}", "DEBUG CLOCK 31"] {
        client.ok("DEL q");
        client.ok("KARIN.SENDM q 3 MSG a MSG b MSG c");
        let popped = client.pop("q COUNT 2 ATTEMPT try");
        let receipt = &popped.messages[0].receipt;
        client.ok(&format!("KARIN.{}", touch.replace("{}", receipt)));
        let again = client.pop("q COUNT 2 ATTEMPT try");
        assert!(
            again.messages.iter().all(|m| popped.messages.iter().all(|p| p.receipt != m.receipt))
        );
        assert!(!again.messages.is_empty(), "{touch}");
        // The new answer is the one that is repeated now.
        assert_eq!(client.pop("q COUNT 2 ATTEMPT try").bodies(), again.bodies(), "{touch}");
        client.check("q");
    }
}

#[test]
fn an_attempt_is_remembered_for_five_minutes_from_its_first_time() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG a MSG b");
    assert_eq!(client.pop("q VISIBILITY 3600 ATTEMPT try").bodies(), ["a"]);
    client.ok("KARIN.DEBUG CLOCK 299");
    assert_eq!(client.pop("q VISIBILITY 3600 ATTEMPT try").bodies(), ["a"]);
    client.ok("KARIN.DEBUG CLOCK 2");
    assert_eq!(client.pop("q VISIBILITY 3600 ATTEMPT try").bodies(), ["b"]);
}

#[test]
fn an_attempt_that_got_nothing_is_no_attempt() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q");
    assert_eq!(client.pop("q ATTEMPT try").messages.len(), 0);
    assert_eq!(integer(&client.info("q")["attempts"]), 0);
    client.ok("KARIN.SEND q a");
    assert_eq!(client.pop("q ATTEMPT try").bodies(), ["a"]);
}

#[test]
fn beyond_the_limit_of_remembered_ids_sends_are_refused_and_none_is_forgotten() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("CONFIG SET karin.max-dedup-ids 2");
    client.ok("KARIN.CREATE q FIFO");
    let first = send(&mut client, "a GROUP g DEDUP 1");
    send(&mut client, "b GROUP g DEDUP 2");
    assert!(client.error("KARIN.SEND q c GROUP g DEDUP 3").starts_with("KARINTHROTTLED "));
    let reply = client.ok("KARIN.SENDM q 2 MSG c GROUP g DEDUP 3 MSG a GROUP g DEDUP 1");
    let results = items(&items(&reply)[1]);
    assert_eq!(text(&items(&results[0])[0]), "KARINTHROTTLED");
    assert_eq!(read(&results[1]), first);
    client.ok("KARIN.DEBUG CLOCK 301");
    assert_eq!(send(&mut client, "c GROUP g DEDUP 3").1, 3);
}
