//! DROP and LEASE: what a person does with single messages.

use redis::Value;

use super::client::{Delivery, items, text};
use super::pair::Pair;

fn words(reply: &Value) -> Vec<String> {
    items(reply).iter().map(text).collect()
}

#[test]
fn drop_deletes_what_nobody_has_received_and_the_rest_by_force() {
    let mut pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.SENDM q 4 MSG held MSG late DELAY 60 MSG ready MSG stays");
    let held = client.pop_one("q VISIBILITY 600");
    let answers = words(&client.ok("KARIN.DROP q 1 2 3 3 9"));
    assert_eq!(answers, ["KARININFLIGHT", "1", "1", "0", "0"]);
    assert_eq!(words(&client.ok(&format!("KARIN.ACK q {}", held.receipt))), ["1"]);
    pair.assert_same();
    client.pop_one("q VISIBILITY 600");
    assert_eq!(words(&client.ok("KARIN.DROP q force 4")), ["1"]);
    assert_eq!(words(&client.ok("KARIN.DROP q FORCE 4")), ["0"]);
    pair.assert_same();
    assert_eq!(client.integer("KARIN.PURGE q"), 0);
    pair.assert_kept();
}

#[test]
fn drop_makes_room_in_a_group_and_tells_those_who_wait() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.CREATE q.fifo FIFO");
    client.ok("KARIN.SENDM q.fifo 2 MSG a GROUP g DEDUP 1 MSG b GROUP g DEDUP 2");
    let first = client.pop("q.fifo VISIBILITY 600");
    assert_eq!(client.pop("q.fifo").messages.len(), 0);
    client.ok("KARIN.DROP q.fifo FORCE 1");
    let second = client.pop("q.fifo");
    assert_eq!(second.messages.len(), 1);
    assert!(second.hint > first.hint);
    pair.assert_same();
}

#[test]
fn lease_hands_out_what_was_chosen_and_a_crash_gives_it_back() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.SENDM q 3 MSG a MSG b MSG c");
    client.pop_one("q VISIBILITY 600");
    let reply = client.ok("KARIN.LEASE q VISIBILITY 600 3 1 2 9");
    let leased: Vec<Delivery> = items(&reply).iter().map(Delivery::read).collect();
    let sequences: Vec<i64> = leased.iter().map(|message| message.sequence).collect();
    assert_eq!(sequences, [3, 2]);
    pair.assert_same();
    assert_eq!(client.pop("q").messages.len(), 0);
    let receipts = format!("{} {}", leased[0].receipt, leased[1].receipt);
    assert_eq!(words(&client.ok(&format!("KARIN.RELEASE q {receipts}"))), ["1", "1"]);
    let again = client.pop("q COUNT 9");
    let counts: Vec<i64> = again.messages.iter().map(|message| message.receive_count).collect();
    assert_eq!(counts, [1, 1], "the lease that was given back does not count");
    pair.assert_same();
}

#[test]
fn bad_numbers_are_refused_and_change_nothing() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.SEND q a");
    let many = " 1".repeat(1_001);
    for command in ["KARIN.DROP", "KARIN.LEASE"] {
        for bad in ["x", "-1", "1 x", "FORCE", "VISIBILITY 1", "VISIBILITY 43201 1", &many] {
            let error = client.error(&format!("{command} q {bad}"));
            assert!(error.starts_with("ERR "), "{command} {bad}: {error}");
        }
        assert!(client.error(&format!("{command} none 1")).starts_with("KARINNOQUEUE "));
    }
    assert_eq!(client.pop("q").messages.len(), 1);
}
