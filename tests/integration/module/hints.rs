//! Hints: who listens hears when a queue is due earlier than they know.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::{Connection, PubSub};

use super::client::{Client, Random, SYNC_AT_ONCE, items, text};

/// Hints of one channel.
struct Listener<'a>(PubSub<'a>);

impl<'a> Listener<'a> {
    fn new(connection: &'a mut Connection, channels: &[&str]) -> Self {
        let mut pubsub = connection.as_pubsub();
        pubsub.subscribe(channels).unwrap();
        pubsub.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(pubsub)
    }

    /// (channel, ms until due, number).
    #[track_caller]
    fn next(&mut self) -> (String, u64, u64) {
        let message = self.0.get_message().expect("a hint");
        let payload: String = message.get_payload().unwrap();
        let (due, number) = payload.split_once(' ').unwrap();
        let channel = message.get_channel_name().to_owned();
        (channel, due.parse().unwrap(), number.parse().unwrap())
    }
}

#[test]
fn a_hint_is_published_when_the_earliest_due_time_becomes_earlier_and_only_then() {
    let server = RedisServer::start(&[]);
    let mut connection = server.connection();
    let mut listener = Listener::new(&mut connection, &["karin:due:{q}"]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q");
    client.ok("KARIN.SEND q late DELAY 60");
    let (_, due_ms, number) = listener.next();
    assert!((59_000..=60_000).contains(&due_ms), "{due_ms}");
    assert_eq!(number, 1);
    client.ok("KARIN.SEND q later DELAY 90");
    client.ok("KARIN.SEND q soon DELAY 5");
    assert_eq!(listener.next().2, 2);
    client.ok("KARIN.SEND q now");
    assert_eq!(listener.next(), ("karin:due:{q}".to_owned(), 0, 3));
    client.ok("KARIN.SEND q now");
    let popped = client.pop("q COUNT 10");
    assert_eq!(popped.hint, 3);
    let receipt = &popped.messages[0].receipt;
    client.ok(&format!("KARIN.EXTEND q {receipt} 600"));
    client.ok(&format!("KARIN.EXTEND q {receipt} 0"));
    assert_eq!(listener.next().1, 0);
    let again = client.pop_one("q");
    client.ok(&format!("KARIN.RELEASE q {}", again.receipt));
    let (_, due_ms, number) = listener.next();
    assert_eq!((due_ms, number), (0, 5));
    assert_eq!(client.pop("q").hint, 5);
}

#[test]
fn send_answers_with_the_number_of_the_hint_it_made() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for expected in ["1", "1"] {
        assert_eq!(text(&items(&client.ok("KARIN.SEND q x"))[2]), expected);
    }
    assert_eq!(text(&items(&client.ok("KARIN.SENDM q 2 MSG a MSG b"))[0]), "1");
    client.pop("q COUNT 4");
    assert_eq!(text(&items(&client.ok("KARIN.SENDM q 2 MSG a MSG b"))[0]), "2");
}

#[test]
fn the_channel_has_the_hash_tag_of_the_key() {
    let server = RedisServer::start(&[]);
    let mut connection = server.connection();
    let channels =
        ["karin:due:{plain}", "karin:due:karin:{orders}", "karin:due:{a{b}", "karin:due:{a}b"];
    let mut listener = Listener::new(&mut connection, &channels);
    let mut client = Client::new(&server);
    for key in ["plain", "karin:{orders}", "a{b", "{a}b"] {
        client.ok(&format!("KARIN.SEND {key} x"));
    }
    for channel in channels {
        assert_eq!(listener.next(), (channel.to_owned(), 0, 1));
    }
}

#[test]
fn the_channel_of_any_key_has_the_key_s_slot() {
    let server = RedisServer::start(&["--cluster-enabled", "yes"]);
    let mut client = Client::new(&server);
    client.ok("CLUSTER ADDSLOTSRANGE 0 16383");
    wait::until(wait::PATIENCE, "the cluster", || {
        server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    });
    let mut monitor = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    monitor.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    let mut lines = BufReader::new(monitor.try_clone().unwrap()).lines().map(Result::unwrap);
    let mut random = Random::new(5);
    for n in 0..200 {
        let mut key: String = (0..random.below(6)).map(|_| *random.of(&['{', '}', 'a'])).collect();
        if n >= 10 {
            key.push_str(&n.to_string());
        }
        if client.integer(&format!("EXISTS {key}x")) == 1 {
            continue;
        }
        key.push('x');
        // The lowest number in the key's slot, as the documentation says.
        let slot =
            |client: &mut Client, key: &str| client.integer(&format!("CLUSTER KEYSLOT {key}"));
        let of_key = slot(&mut client, &key);
        let candidates = [format!("karin:due:{key}"), format!("karin:due:{{{key}}}")];
        let found = candidates.into_iter().find(|channel| slot(&mut client, channel) == of_key);
        let channel = found.unwrap_or_else(|| {
            let n = (0..1_000_000).find(|n| slot(&mut client, &n.to_string()) == of_key).unwrap();
            format!("karin:due:{{{n}}}{key}")
        });
        monitor.write_all(format!("SSUBSCRIBE {channel}\r\n").as_bytes()).unwrap();
        assert!(lines.any(|line| line == channel), "subscribed");
        client.ok(&format!("KARIN.SEND {key} x"));
        assert!(lines.any(|line| line == "smessage"), "{key}");
        assert_eq!(lines.nth(1).unwrap(), channel);
    }
}

#[test]
fn a_key_that_comes_without_a_send_is_hinted_at() {
    let server = RedisServer::start(&[]);
    let mut connection = server.connection();
    let channels = ["karin:due:{q}", "karin:due:{new}", "karin:due:{copy}", "karin:due:{back}"];
    let mut listener = Listener::new(&mut connection, &channels);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q x");
    assert_eq!(listener.next().0, "karin:due:{q}");
    client.ok("RENAME q new");
    assert_eq!(listener.next(), ("karin:due:{new}".to_owned(), 0, 2));
    client.ok("COPY new copy");
    assert_eq!(listener.next().0, "karin:due:{copy}");
    let dump = super::client::bytes(&client.ok("DUMP new"));
    client.call(&[b"RESTORE", b"back", b"0", &dump]).unwrap();
    assert_eq!(listener.next().0, "karin:due:{back}");
    client.ok("MOVE new 1");
    assert_eq!(listener.next().0, "karin:due:{new}");
    client.ok("DEBUG RELOAD");
    let mut reloaded = [listener.next().0, listener.next().0, listener.next().0];
    reloaded.sort();
    assert_eq!(reloaded, ["karin:due:{back}", "karin:due:{copy}", "karin:due:{new}"]);
    // Valkey 8.1 tells of loaded keys on the connection that asked for the reload.
    client.ok("SELECT 0");
    client.check("copy");
}

#[test]
fn a_replica_publishes_nothing() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let mut connection = replica.connection();
    let mut listener = Listener::new(&mut connection, &["karin:due:{q}", "marker"]);
    let mut client = Client::new(&master);
    client.ok("KARIN.SEND q x");
    client.ok("RENAME q p");
    client.ok("RENAME p q");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    Client::new(&replica).ok("PUBLISH marker 0");
    let message = listener.0.get_message().unwrap();
    assert_eq!(message.get_channel_name(), "marker");
}

#[test]
fn a_cluster_gets_sharded_hints() {
    let server = RedisServer::start(&["--cluster-enabled", "yes"]);
    let mut client = Client::new(&server);
    client.ok("CLUSTER ADDSLOTSRANGE 0 16383");
    wait::until(wait::PATIENCE, "the cluster", || {
        server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    });
    let mut subscriber = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    subscriber.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    subscriber.write_all(b"SSUBSCRIBE karin:due:{q}\r\n").unwrap();
    let mut lines = BufReader::new(subscriber).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == ":1"), "subscribed");
    client.ok("KARIN.SEND q x");
    assert!(lines.any(|line| line == "smessage"));
    assert!(lines.any(|line| line == "0 1"));
}
