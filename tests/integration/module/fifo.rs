//! FIFO queues: what is offered and when (sqs-contract §9.1), and what they demand of messages;
//! fair turns of standard queues.

use karin_tests::redis::RedisServer;

use super::client::{Client, fields, integer, items, text};
use super::pair::Pair;

const CREATE: &str = "KARIN.CREATE q FIFO ContentBasedDeduplication true";

/// Sends messages given as `group:body`.
#[track_caller]
fn send(client: &mut Client, messages: &str) {
    for message in messages.split_whitespace() {
        let (group, body) = message.split_once(':').unwrap();
        client.ok(&format!("KARIN.SEND q {body} GROUP {group}"));
    }
}

/// Acknowledges; each receipt must be good.
#[track_caller]
fn acknowledge(client: &mut Client, receipts: &[&str]) {
    let answers = client.answers(&format!("KARIN.ACK q {}", receipts.join(" ")));
    assert!(answers.iter().all(|answer| answer == "1"), "{answers:?}");
}

#[test]
fn a_receive_takes_what_it_can_of_one_group_and_then_of_the_next() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok(CREATE);
    send(&mut client, "g1:a g2:b g1:c g1:d g3:e");
    let popped = client.pop("q COUNT 10 VISIBILITY 0");
    assert_eq!(popped.bodies(), ["a", "c", "d", "b", "e"]);
    assert_eq!(popped.messages[0].group, b"g1");
    assert_eq!(popped.messages[0].dedup.len(), 64);
    assert_eq!(popped.more, 3);
    assert_eq!(client.pop("q COUNT 10 GROUPS 2").bodies(), ["a", "c", "d", "b"]);
    assert_eq!(client.pop("q COUNT 10").bodies(), ["e"]);
    assert_eq!(client.counts("q"), (0, 0, 5));
    pair.assert_same();
}

#[test]
fn a_message_in_flight_holds_back_its_group_and_no_other() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok(CREATE);
    send(&mut client, "g1:a g1:b g2:c");
    let a = client.pop_one("q");
    assert_eq!(a.body, b"a");
    assert_eq!(client.counts("q"), (2, 0, 1));
    assert_eq!(client.pop("q COUNT 10").bodies(), ["c"]);
    let empty = client.pop("q COUNT 10");
    assert_eq!((empty.messages.len(), empty.more, empty.limited), (0, 0, 0));
    assert!(empty.next_ms > 0, "{empty:?}");
    acknowledge(&mut client, &[&a.receipt]);
    assert_eq!(client.pop("q COUNT 10").bodies(), ["b"]);
    client.check("q");
}

#[test]
fn a_group_goes_on_at_the_end_of_the_line_once_all_its_messages_in_flight_are_deleted() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok(CREATE);
    send(&mut client, "g1:g1-m1 g1:g1-m2 g1:g1-m3 g1:g1-m4 g2:g2-m1 g2:g2-m2");
    let popped = client.pop("q COUNT 2");
    assert_eq!(popped.bodies(), ["g1-m1", "g1-m2"]);
    let [one, two] = &popped.messages[..] else { panic!("{popped:?}") };
    acknowledge(&mut client, &[&two.receipt]);
    send(&mut client, "g1:g1-m5");
    assert_eq!(client.pop("q COUNT 10 VISIBILITY 0").bodies(), ["g2-m1", "g2-m2"]);
    acknowledge(&mut client, &[&one.receipt]);
    send(&mut client, "g3:g3-m1");
    let popped = client.pop("q COUNT 10");
    assert_eq!(popped.bodies(), ["g2-m1", "g2-m2", "g1-m3", "g1-m4", "g1-m5", "g3-m1"]);
    client.check("q");
}

#[test]
fn lapsed_messages_come_in_their_order_up_to_the_first_still_in_flight() {
    let pair = Pair::start();
    let mut client = pair.client();
    for (extended, expected) in [(0, &[][..]), (1, &["a"][..]), (2, &["a", "b"][..])] {
        client.ok("DEL q");
        client.ok(CREATE);
        send(&mut client, "g:a g:b g:c");
        let popped = client.pop("q COUNT 3 VISIBILITY 10");
        let receipt = &popped.messages[extended].receipt;
        assert_eq!(client.answers(&format!("KARIN.EXTEND q {receipt} 100")), ["1"]);
        client.ok("KARIN.DEBUG CLOCK 10");
        assert_eq!(client.pop("q COUNT 10").bodies(), expected, "{extended} extended");
        pair.assert_same();
    }
    client.ok("KARIN.DEBUG CLOCK 1000");
    assert_eq!(client.pop("q COUNT 10").bodies(), ["a", "b", "c"], "all lapsed");
}

#[test]
fn a_message_given_back_is_received_again_while_those_after_it_stay_in_flight() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok(CREATE);
    send(&mut client, "g1:a g1:b g2:c");
    let popped = client.pop("q COUNT 2");
    let [a, b] = &popped.messages[..] else { panic!("{popped:?}") };
    assert_eq!(client.answers(&format!("KARIN.EXTEND q {} 0", a.receipt)), ["1"]);
    assert_eq!(client.pop("q COUNT 10").bodies(), ["c", "a"]);
    assert_eq!(client.answers(&format!("KARIN.ACK q {}", a.receipt)), ["KARINSTALE"]);
    acknowledge(&mut client, &[&b.receipt]);
    client.check("q");
}

#[test]
fn a_lapsed_receipt_can_only_give_back_in_a_fifo_queue() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok(CREATE);
    send(&mut client, "g:a");
    let receipt = client.pop_one("q VISIBILITY 10").receipt;
    client.ok("KARIN.DEBUG CLOCK 10");
    for command in ["ACK q {}", "ACK q CURRENT {}", "EXTEND q {} 10"] {
        let command = format!("KARIN.{}", command.replace("{}", &receipt));
        assert_eq!(client.answers(&command), ["KARINSTALE"], "{command}");
    }
    // But that it never came to use is still true.
    assert_eq!(client.answers(&format!("KARIN.RELEASE q {receipt}")), ["1"]);
    let again = client.pop_one("q");
    assert_eq!(again.receive_count, 1);
    let receipt = again.receipt;
    acknowledge(&mut client, &[&receipt]);
    assert_eq!(client.answers(&format!("KARIN.ACK q {receipt}")), ["0"]);
}

#[test]
fn a_fifo_queue_demands_group_and_deduplication_id_and_has_no_delay_per_message() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q FIFO");
    client.ok("KARIN.CREATE standard");
    for (arguments, class) in [
        ("q x DEDUP d", "KARINNOGROUP "),
        ("q x GROUP g", "KARINNODEDUP "),
        ("q x GROUP g DEDUP d DELAY 1", "KARINFIFODELAY "),
        ("standard x DEDUP d", "KARINNOTFIFO "),
        ("standard x GROUP g DEDUP d", "KARINNOTFIFO "),
    ] {
        let error = client.error(&format!("KARIN.SEND {arguments}"));
        assert!(error.starts_with(class), "{arguments}: {error}");
        let (key, message) = arguments.split_once(' ').unwrap();
        let good = if key == "q" { "y GROUP g DEDUP other" } else { "y" };
        let reply = client.ok(&format!("KARIN.SENDM {key} 2 MSG {message} MSG {good}"));
        let results = items(&items(&reply)[1]).to_vec();
        let refused = items(&results[0]);
        assert_eq!((text(&refused[0]).as_str(), integer(&refused[1])), (class.trim(), 0));
        assert!(integer(&items(&results[1])[1]) > 0);
    }
    client.ok("KARIN.SEND q x GROUP g DEDUP d DELAY 0");
    assert_eq!(client.counts("q").0, 2);
    client.check("q");
}

#[test]
fn what_kind_of_queue_it_is_may_be_said_anywhere_and_never_changes() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE a ContentBasedDeduplication true DeduplicationScope messageGroup FIFO");
    client.ok("KARIN.CREATE b FifoThroughputLimit perQueue fifoqueue true TAG x y");
    client.ok("KARIN.CREATE c FifoQueue true fifo");
    client.ok("KARIN.CREATE d FifoQueue false ContentBasedDeduplication false");
    for (key, fifo) in [("a", 1), ("b", 1), ("c", 1), ("d", 0)] {
        let info = client.info(key);
        assert_eq!(integer(&info["fifo"]), fifo, "{key}");
        let attributes = fields(&info["attributes"]);
        assert_eq!(attributes.contains_key("FifoQueue"), fifo == 1, "{key}");
    }
    let attributes = fields(&client.info("a")["attributes"]);
    assert_eq!(text(&attributes["DeduplicationScope"]), "messageGroup");
    assert_eq!(text(&attributes["ContentBasedDeduplication"]), "true");
    for (command, class) in [
        ("CREATE e FIFO FifoQueue false", "KARINATTRIBUTE "),
        ("CREATE e FIFO FIFO", "ERR "),
        ("CREATE e ContentBasedDeduplication true", "KARINATTRIBUTE "),
        ("CREATE e DeduplicationScope queue", "KARINATTRIBUTE "),
        ("CREATE e FifoThroughputLimit perQueue", "KARINATTRIBUTE "),
        ("CREATE e FIFO ContentBasedDeduplication maybe", "KARINATTRIBUTE "),
        ("SET a FifoQueue false", "KARINATTRIBUTE "),
        ("SET d FifoQueue true", "KARINATTRIBUTE "),
        ("SET d FIFO x", "KARINATTRIBUTE "),
    ] {
        let error = client.error(&format!("KARIN.{command}"));
        assert!(error.starts_with(class), "{command}: {error}");
    }
    client.ok("KARIN.SET a FifoQueue true DeduplicationScope queue");
    assert_eq!(client.integer("EXISTS e"), 0);
}

#[test]
fn another_delay_of_a_fifo_queue_counts_for_messages_that_wait() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.CREATE q FIFO ContentBasedDeduplication true DelaySeconds 60");
    send(&mut client, "g:a g:b h:c");
    assert_eq!(client.counts("q"), (0, 3, 0));
    client.ok("KARIN.SET q DelaySeconds 20");
    client.ok("KARIN.DEBUG CLOCK 20");
    assert_eq!(client.pop("q").bodies(), ["a"]);
    client.ok("KARIN.SET q DelaySeconds 0");
    assert_eq!(client.pop("q COUNT 10").bodies(), ["c"]);
    pair.assert_same();
}

#[test]
fn groups_of_a_standard_queue_have_fair_turns() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.CREATE q");
    send(&mut client, "loud:a loud:b loud:c loud:d quiet:e");
    client.ok("KARIN.SEND q f");
    assert_eq!(client.pop("q COUNT 2").bodies(), ["a", "e"]);
    let popped = client.pop("q COUNT 10");
    assert_eq!(popped.bodies(), ["f", "b", "c", "d"]);
    assert_eq!(
        (&popped.messages[0].group[..], &popped.messages[1].group[..]),
        (&b""[..], &b"loud"[..])
    );
    let receipts: Vec<&str> = popped.messages.iter().map(|m| m.receipt.as_str()).collect();
    acknowledge(&mut client, &receipts);
    client.ok("KARIN.DEBUG CLOCK 30");
    assert_eq!(client.pop("q COUNT 10").messages.len(), 2);
    pair.assert_same();
}

#[test]
fn ids_of_groups_and_of_duplicates_have_1_to_128_bytes() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok(CREATE);
    let (longest, longer) = (vec![0xff; 128], vec![b'x'; 129]);
    client.call(&[b"KARIN.SEND", b"q", b"x", b"GROUP", &longest, b"DEDUP", &longest]).unwrap();
    for word in [&b"GROUP"[..], b"DEDUP"] {
        for id in [&b""[..], &longer] {
            let error = client.call(&[b"KARIN.SEND", b"q", b"x", word, id]).unwrap_err();
            assert!(error.ends_with("must have 1 to 128 bytes"), "{error}");
        }
    }
    assert_eq!(client.pop_one("q").group, longest);
}
