//! Handing out, receipts and leases, seen from outside.

use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::client::{Client, SYNC_AT_ONCE, integer};

#[test]
fn messages_come_in_the_order_they_are_due_and_count_their_receives() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q VisibilityTimeout 30");
    client.ok("KARIN.SENDM q 4 MSG late DELAY 9 MSG early DELAY 3 MSG now MSG then ATTRS blob");
    assert_eq!(client.counts("q"), (2, 2, 0));
    let popped = client.pop("q COUNT 10");
    assert_eq!(popped.bodies(), ["now", "then"]);
    assert_eq!(popped.more, 0);
    assert!((1..=3_000).contains(&popped.next_ms), "{popped:?}");
    assert_eq!(popped.messages[0].attributes, b"");
    assert_eq!(popped.messages[1].attributes, b"blob");
    client.ok("KARIN.DEBUG CLOCK 9");
    assert_eq!(client.pop("q COUNT 10").bodies(), ["early", "late"]);
    client.ok("KARIN.DEBUG CLOCK 30");
    let again = client.pop("q COUNT 10");
    // Received at one time, the last two are due at one time: the sequence number decides.
    assert_eq!(again.bodies(), ["now", "then", "late", "early"]);
    for message in &again.messages {
        assert_eq!(message.receive_count, 2);
        assert_eq!(message.receipt.len(), 36);
        assert!(message.sent_ms <= message.first_received_ms);
        assert!(message.first_received_ms < message.due_ms);
    }
    let sequences: Vec<i64> = again.messages.iter().map(|m| m.sequence).collect();
    assert_eq!(sequences, [3, 4, 1, 2]);
    client.check("q");
}

#[test]
fn ids_are_uuids_that_stay_with_their_messages() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let reply = client.ok("KARIN.SEND q x");
    let sent = super::client::text(&super::client::items(&reply)[0]);
    let first = client.pop_one("q VISIBILITY 0");
    let second = client.pop_one("q VISIBILITY 0");
    assert_eq!(first.id, sent);
    assert_eq!(second.id, sent);
    assert_ne!(first.receipt, second.receipt);
    let dashes: Vec<usize> = sent.match_indices('-').map(|(at, _)| at).collect();
    assert_eq!(dashes, [8, 13, 18, 23]);
}

#[test]
fn a_receive_stops_at_its_count_and_at_its_bytes_but_hands_out_one() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 5 MSG 1234567890 MSG 1234567890 ATTRS 12345 MSG x MSG y MSG z");
    let popped = client.pop("q COUNT 10 MAXBYTES 5");
    assert_eq!(popped.bodies(), ["1234567890"]);
    assert_eq!(popped.more, 4);
    assert_eq!(popped.next_ms, 0);
    assert_eq!(client.pop("q COUNT 10 MAXBYTES 16").messages.len(), 2);
    let popped = client.pop("q");
    assert_eq!((popped.messages.len(), popped.more), (1, 1));
    assert_eq!(client.pop("q COUNT 1000").messages.len(), 1);
    let popped = client.pop("q COUNT 1000");
    assert_eq!((popped.messages.len(), popped.more), (0, 0));
}

#[test]
fn expired_messages_are_dropped_and_never_handed_out() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q MessageRetentionPeriod 60");
    client.ok("KARIN.SENDM q 2 MSG old MSG older");
    client.ok("KARIN.DEBUG CLOCK 59");
    client.ok("KARIN.SEND q new");
    client.ok("KARIN.DEBUG CLOCK 2");
    assert_eq!(client.pop("q COUNT 10").bodies(), ["new"]);
    assert_eq!(client.counts("q"), (0, 0, 1));
    client.check("q");
}

#[test]
fn acknowledging_deletes_once_and_says_what_became_of_each_receipt() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG a MSG b");
    client.ok("KARIN.SEND other c");
    let (a, b) = (client.pop_one("q"), client.pop_one("q VISIBILITY 0"));
    let newer = client.pop_one("q");
    assert_eq!(newer.id, b.id);
    let foreign = client.pop_one("other").receipt;
    let answers =
        client.answers(&format!("KARIN.ACK q current {} {} {foreign} no", a.receipt, b.receipt));
    assert_eq!(answers, ["1", "KARINSTALE", "KARINFOREIGN", "KARINRECEIPT"]);
    let answers = client.answers(&format!("KARIN.ACK q {} {}", a.receipt, b.receipt));
    assert_eq!(answers, ["0", "1"]);
    assert_eq!(client.counts("q"), (0, 0, 0));
    client.check("q");
}

#[test]
fn extending_moves_the_due_time_and_says_what_became_of_each_receipt() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG a MSG b");
    client.ok("KARIN.SEND other c");
    let foreign = client.pop_one("other").receipt;
    let (a, b) = (client.pop_one("q"), client.pop_one("q"));
    let (ra, rb) = (&a.receipt, &b.receipt);
    assert_eq!(client.answers(&format!("KARIN.EXTEND q {ra} 0 {rb} 100.5")), ["1", "1"]);
    let newer = client.pop_one("q");
    assert_eq!((newer.id, newer.receive_count), (a.id, 2));
    assert_eq!(
        client.answers(&format!("KARIN.EXTEND q CURRENT {ra} 5 {rb} 5 {foreign} 5 no 5")),
        ["KARINSTALE", "1", "KARINFOREIGN", "KARINRECEIPT"]
    );
    let due_ms = newer.due_ms;
    let known = format!("KARIN.EXTEND q UNLESSCHANGED {due_ms} {} 7", newer.receipt);
    assert_eq!(client.answers(&known), ["1"]);
    assert_eq!(client.answers(&known), ["KARINCHANGED"]);
    client.answers(&format!("KARIN.ACK q {rb}"));
    assert_eq!(client.answers(&format!("KARIN.EXTEND q {rb} 5")), ["KARINGONE"]);
    client.check("q");
}

#[test]
fn releasing_gives_back_without_counting_the_receive() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG a MSG b");
    let a = client.pop_one("q").receipt;
    assert_eq!(client.answers(&format!("KARIN.RELEASE q {a}")), ["1"]);
    assert_eq!(client.answers(&format!("KARIN.RELEASE q {a}")), ["KARINSTALE"]);
    assert_eq!(
        client.answers(&format!("KARIN.RELEASE q CURRENT {a} x")),
        ["KARINSTALE", "KARINRECEIPT"]
    );
    let popped = client.pop("q COUNT 2");
    assert!(popped.messages.iter().all(|m| m.receive_count == 1), "{popped:?}");
    let receipts: Vec<&str> = popped.messages.iter().map(|m| m.receipt.as_str()).collect();
    let receipts = receipts.join(" ");
    assert_eq!(client.answers(&format!("KARIN.RELEASE q DELAY 20 {receipts}")), ["1", "1"]);
    assert_eq!(client.counts("q"), (0, 2, 0));
    client.ok("KARIN.DEBUG CLOCK 20");
    let again = client.pop("q COUNT 2");
    assert_eq!(again.messages.len(), 2);
    client.answers(&format!("KARIN.ACK q {}", again.messages[0].receipt));
    assert_eq!(
        client.answers(&format!("KARIN.RELEASE q {}", again.messages[0].receipt)),
        ["KARINGONE"]
    );
    client.check("q");
}

#[test]
fn an_old_receipt_of_a_released_message_can_neither_break_it_nor_its_replica() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let mut client = Client::new(&master);
    client.ok("KARIN.SEND q a");
    let receipt = client.pop_one("q").receipt;
    client.ok(&format!("KARIN.RELEASE q {receipt}"));
    client.ok(&format!("KARIN.EXTEND q {receipt} 5"));
    client.check("q");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    let mut copy = Client::new(&replica);
    copy.check("q");
    assert_eq!(client.digest(), copy.digest());
}

#[test]
fn a_holder_gets_back_what_it_has_in_flight_and_nothing_else() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let messages = " MSG x".repeat(1_000);
    client.ok(&format!("KARIN.SENDM q 1000{messages}"));
    client.ok("KARIN.SENDM q 3 MSG a MSG b MSG c");
    assert_eq!(client.pop("q COUNT 1000 HOLDER 7").messages.len(), 1_000);
    client.pop("q HOLDER 7");
    client.pop("q HOLDER 8");
    client.pop("q");
    assert_eq!(client.integer("KARIN.RELEASE q HOLDER 7"), 1_000);
    assert_eq!(client.integer("KARIN.RELEASE q HOLDER 7"), 1);
    assert_eq!(client.integer("KARIN.RELEASE q holder 7"), 0);
    // More than 1,000 became due at once, so the counts may lag.
    wait::until(wait::PATIENCE, "the counts", || client.counts("q") == (1_001, 0, 2));
    client.check("q");
}

#[test]
fn bodies_attributes_and_keys_hold_any_byte() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let all: Vec<u8> = (0..=255).collect();
    for body in [&all[..], b"", b"\0", b"a\r\nb", "\u{fffd}".as_bytes()] {
        client.call(&[b"KARIN.SEND", &all, body, b"ATTRS", &all]).unwrap();
        let reply = client.call(&[b"KARIN.POPDUE", &all]).unwrap();
        let reply = super::client::fields(&reply);
        let message = super::client::items(&super::client::items(&reply["messages"])[0]).to_vec();
        assert_eq!(super::client::bytes(&message[2]), body);
        assert_eq!(super::client::bytes(&message[3]), all);
    }
    client.call(&[b"KARIN.DEBUG", b"CHECK", &all]).unwrap();
    client.call(&[b"KARIN.CREATE", b"tags\0", b"TAG", &all, &all]).unwrap();
    client.call(&[b"KARIN.CREATE", b"bad", &all, b"x"]).unwrap_err();
}

#[test]
fn a_hundred_thousand_messages_are_sent_popped_and_deleted() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let messages = " MSG 0123456789".repeat(1_000);
    let batch = format!("KARIN.SENDM q 1000{messages}");
    for _ in 0..100 {
        client.ok(&batch);
    }
    assert_eq!(client.counts("q"), (100_000, 0, 0));
    client.check("q");
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let popped = client.pop("q COUNT 1000");
        if popped.messages.is_empty() {
            break;
        }
        seen.extend(popped.messages.iter().map(|m| m.sequence));
        let receipts: Vec<&str> = popped.messages.iter().map(|m| m.receipt.as_str()).collect();
        let answers = client.answers(&format!("KARIN.ACK q {}", receipts.join(" ")));
        assert!(answers.iter().all(|answer| answer == "1"));
    }
    assert_eq!(seen.len(), 100_000);
    assert_eq!(client.counts("q"), (0, 0, 0));
    assert_eq!(integer(&client.info("q")["bytes"]), 0);
    client.check("q");
}
