//! PEEK, TAG, UNTAG, and the limits of what may be in flight.

use karin_tests::redis::RedisServer;
use redis::Value;

use super::client::{Client, bytes, fields, integer, items, text};
use super::pair::Pair;

/// (body, state) of a page, and where to go on.
#[track_caller]
fn peek(client: &mut Client, arguments: &str) -> (Vec<(String, String)>, Option<i64>) {
    let reply = fields(&client.ok(&format!("KARIN.PEEK {arguments}")));
    let look = |message: &Value| {
        let fields = items(message);
        assert_eq!(fields.len(), 14);
        (String::from_utf8(bytes(&fields[2])).unwrap(), text(&fields[1]))
    };
    let after = &reply["after"];
    let after = if *after == Value::Nil { None } else { Some(integer(after)) };
    (items(&reply["messages"]).iter().map(look).collect(), after)
}

#[test]
fn peek_pages_through_messages_of_all_states_and_touches_none() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q maxReceiveCount 1 deadLetterTargetArn target");
    client.ok("KARIN.SEND q dead");
    client.pop_one("q VISIBILITY 0");
    assert_eq!(client.pop("q").dead, 1);
    client.ok("KARIN.SENDM q 4 MSG held MSG late DELAY 60 MSG ready MSG last ATTRS blob");
    client.pop_one("q VISIBILITY 600");
    let digest = client.digest();
    let all = [
        ("dead", "dead"),
        ("held", "inflight"),
        ("late", "delayed"),
        ("ready", "ready"),
        ("last", "ready"),
    ]
    .map(|(body, state)| (body.to_owned(), state.to_owned()));
    assert_eq!(peek(&mut client, "q"), (all.to_vec(), None));
    let (mut paged, mut after) = (Vec::new(), Some(0));
    while let Some(sequence) = after {
        let (page, next) = peek(&mut client, &format!("q COUNT 2 AFTER {sequence}"));
        assert!(page.len() <= 2);
        paged.extend(page);
        after = next;
    }
    assert_eq!(paged, all);
    for (state, bodies) in [
        ("ready", &["ready", "last"][..]),
        ("DELAYED", &["late"]),
        ("inflight", &["held"]),
        ("dead", &["dead"]),
    ] {
        let (page, _) = peek(&mut client, &format!("q STATE {state}"));
        assert_eq!(page.iter().map(|(body, _)| body.as_str()).collect::<Vec<_>>(), bodies);
    }
    assert_eq!(client.digest(), digest);
    for bad in ["STATE none", "STATE", "AFTER x", "AFTER -1", "COUNT 0", "COUNT 1001", "x"] {
        assert!(client.error(&format!("KARIN.PEEK q {bad}")).starts_with("ERR "), "{bad}");
    }
}

#[test]
fn peek_looks_at_no_more_than_a_thousand_messages_and_says_where_to_go_on() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let messages = " MSG x".repeat(1_000);
    client.ok(&format!("KARIN.SENDM q 1000{messages}"));
    client.ok("KARIN.SEND q late DELAY 60");
    assert_eq!(peek(&mut client, "q STATE delayed"), (vec![], Some(1_000)));
    let (page, after) = peek(&mut client, "q STATE delayed AFTER 1000");
    assert_eq!((page.len(), after), (1, None));
    assert_eq!(peek(&mut client, "q COUNT 1000").0.len(), 1_000);
}

#[test]
fn peek_brings_no_more_of_each_message_than_was_asked_for() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG hello ATTRS attributes MSG hi");
    let mut look = |bytes: &str| -> Vec<(String, String, i64)> {
        let reply = fields(&client.ok(&format!("KARIN.PEEK q BYTES {bytes}")));
        let messages = items(&reply["messages"]).iter().map(|message| {
            let fields = items(message);
            (text(&fields[2]), text(&fields[3]), integer(&fields[13]))
        });
        messages.collect()
    };
    let row = |body: &str, attributes: &str, bytes| (body.to_owned(), attributes.to_owned(), bytes);
    assert_eq!(look("3"), [row("hel", "att", 5), row("hi", "", 2)]);
    assert_eq!(look("0"), [row("", "", 5), row("", "", 2)]);
    assert_eq!(look("10"), [row("hello", "attributes", 5), row("hi", "", 2)]);
}

#[test]
fn tags_are_added_replaced_and_removed_all_or_none() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.CREATE q TAG a 1");
    let modified = client.info("q")["modified_ms"].clone();
    client.ok("KARIN.TAG q a 2 b 3");
    let tags = |client: &mut Client| {
        let tags = fields(&client.info("q")["tags"]);
        tags.iter().map(|(name, value)| (name.clone(), text(value))).collect::<Vec<_>>()
    };
    let both = [("a".to_owned(), "2".to_owned()), ("b".to_owned(), "3".to_owned())];
    assert_eq!(tags(&mut client), both);
    let many: Vec<String> = (0..49).map(|n| format!("t{n} x")).collect();
    assert!(
        client.error(&format!("KARIN.TAG q {}", many.join(" "))).starts_with("KARINATTRIBUTE ")
    );
    assert_eq!(tags(&mut client), both);
    pair.assert_same();
    assert_eq!(client.integer("KARIN.UNTAG q a none a"), 1);
    assert_eq!(client.integer("KARIN.UNTAG q none"), 0);
    assert_eq!(tags(&mut client), both[1..]);
    assert_eq!(client.info("q")["modified_ms"], modified);
    pair.assert_same();
    for bad in ["TAG q a", "TAG q a 1 b", "TAG q", "UNTAG q"] {
        assert!(client.error(&format!("KARIN.{bad}")).starts_with("ERR "), "{bad}");
    }
    for missing in ["TAG none a 1", "UNTAG none a"] {
        assert!(client.error(&format!("KARIN.{missing}")).starts_with("KARINNOQUEUE "));
    }
}

#[test]
fn a_message_is_in_flight_for_twelve_hours_in_all_at_most() {
    let pair = Pair::start();
    let mut client = pair.client();
    client.ok("KARIN.SEND q a");
    let receipt = client.pop_one("q VISIBILITY 43200").receipt;
    client.ok("KARIN.DEBUG CLOCK 3600");
    let extend = |seconds: u64| format!("KARIN.EXTEND q {receipt} {seconds}");
    assert_eq!(client.answers(&extend(39_601)), ["KARINTOOLONG"]);
    assert_eq!(client.answers(&extend(39_590)), ["1"]);
    assert_eq!(client.answers(&extend(315_360_000)), ["KARINTOOLONG"]);
    pair.assert_same();
    client.ok("KARIN.DEBUG CLOCK 39500");
    assert_eq!(client.answers(&extend(600)), ["KARINTOOLONG"]);
    // It lapses when it must, and the next receive has its own twelve hours.
    client.ok("KARIN.DEBUG CLOCK 100");
    let receipt = client.pop_one("q VISIBILITY 1").receipt;
    assert_eq!(client.answers(&format!("KARIN.EXTEND q {receipt} 43199")), ["1"]);
    assert!(client.error("KARIN.POPDUE q VISIBILITY 43201").starts_with("ERR VISIBILITY "));
    client.check("q");
}

#[test]
fn a_queue_far_from_its_limits_says_so() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG a MSG b");
    assert_eq!(client.pop("q").limited, 0);
    assert_eq!(client.pop("q COUNT 10").limited, 0);
    assert_eq!(client.pop("q").limited, 0);
}
