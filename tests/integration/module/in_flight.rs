//! What happens when as many messages are in flight as may be.

use std::time::Instant;

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::Value;

use super::client::{Client, Popped, fields, info_number, items, text};

/// A queue that may have two messages in flight, and has, while two more are due. The second lease
/// ends after 600 s.
fn full(create: &str, visibility: &str) -> (RedisServer, Client, Popped) {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("CONFIG SET karin.max-in-flight 2");
    client.ok(create);
    for n in 1..=4 {
        let dedup = if create.contains("FIFO") { format!("DEDUP {n}") } else { String::new() };
        client.ok(&format!("KARIN.SEND q body-{n} GROUP g{n} {dedup}"));
    }
    let mut popped = client.pop(&format!("q VISIBILITY {visibility}"));
    popped.messages.extend(client.pop("q COUNT 5 VISIBILITY 600").messages);
    assert_eq!(popped.messages.len(), 2);
    (server, client, popped)
}

/// A client that waits, held back: its thread and the bodies it gets, and when.
fn held_back(
    server: &RedisServer,
    client: &mut Client,
) -> std::thread::JoinHandle<(Vec<String>, Instant)> {
    let mut waiting = Client::new(server);
    let thread = std::thread::spawn(move || {
        let reply = waiting.ok("KARIN.POPDUE q BLOCK 60");
        let messages = fields(&reply)["messages"].clone();
        let bodies = items(&messages).iter().map(|message| text(&items(message)[2])).collect();
        (bodies, Instant::now())
    });
    wait::until(wait::PATIENCE, "a client that waits", || {
        info_number(client, "karin_blocked_clients") == 1
    });
    thread
}

#[test]
fn an_answer_that_is_limited_promises_nothing_before_a_lease_ends() {
    for create in ["KARIN.CREATE q", "KARIN.CREATE q FIFO"] {
        let (_server, mut client, popped) = full(create, "60");
        let limited = client.pop("q COUNT 5");
        assert_eq!((limited.messages.len(), limited.limited, limited.more), (0, 1, 0));
        assert!((50_000..=60_000).contains(&limited.next_ms), "{limited:?}");
        client.ok(&format!("KARIN.ACK q {}", popped.messages[0].receipt));
        let next = client.pop("q COUNT 5");
        assert_eq!((next.bodies(), next.limited), (vec!["body-3".to_owned()], 0));
    }
}

#[test]
fn whoever_is_held_back_is_served_as_soon_as_there_is_room() {
    for create in ["KARIN.CREATE q", "KARIN.CREATE q FIFO"] {
        for command in ["KARIN.ACK q {}", "KARIN.EXTEND q {} 0", "KARIN.RELEASE q {} DELAY 60"] {
            let (server, mut client, popped) = full(create, "600");
            let mut connection = server.connection();
            let mut listener = connection.as_pubsub();
            listener.subscribe("karin:due:{q}").unwrap();
            let waiting = held_back(&server, &mut client);
            let made_room = Instant::now();
            client.ok(&command.replace("{}", &popped.messages[0].receipt));
            let (received, ended) = waiting.join().unwrap();
            assert_eq!(received.len(), 1, "{command}");
            let took = ended.saturating_duration_since(made_room);
            assert!(took.as_millis() < 700, "{create} {command}: {took:?}");
            let hint: String = listener.get_message().unwrap().get_payload().unwrap();
            assert!(hint.starts_with("0 "), "{hint}");
            client.check("q");
        }
    }
}

#[test]
fn whoever_is_held_back_is_served_when_a_lease_ends_or_more_is_allowed() {
    for create in ["KARIN.CREATE q", "KARIN.CREATE q FIFO"] {
        let (server, mut client, _) = full(create, "0.5");
        let waiting = held_back(&server, &mut client);
        assert_eq!(waiting.join().unwrap().0.len(), 1, "{create}: a lease ended");
        let waiting = held_back(&server, &mut client);
        let allowed = Instant::now();
        client.ok("CONFIG SET karin.max-in-flight 3");
        let (received, ended) = waiting.join().unwrap();
        assert_eq!(received.len(), 1, "{create}: more is allowed");
        assert!(ended.saturating_duration_since(allowed).as_millis() < 2_000);
        client.check("q");
    }
}

#[test]
fn whoever_is_held_back_may_give_up_and_makes_no_hints() {
    let (server, mut client, _) = full("KARIN.CREATE q", "600");
    assert_eq!(client.ok("KARIN.POPDUE q BLOCK 0.05"), Value::Nil);
    let waiting = held_back(&server, &mut client);
    let hints = info_number(&mut client, "karin_hints");
    client.ok("CLIENT PAUSE 100 WRITE");
    // It waits for the pause's end; a blocking command that did would never time out on Redis 8 and
    // Valkey 8.1.
    client.ok("SET other x");
    assert_eq!(client.ok("KARIN.POPDUE q BLOCK 1.5"), Value::Nil);
    assert_eq!(info_number(&mut client, "karin_hints"), hints);
    client.ok("CONFIG SET karin.max-in-flight 3");
    assert_eq!(waiting.join().unwrap().0.len(), 1);
}
