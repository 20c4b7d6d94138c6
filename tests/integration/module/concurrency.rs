//! Many clients at one queue, some of which die, and a server that is full.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::client::{Client, Delivery, SYNC_AT_ONCE, fields, integer, items};
use super::durability::Stop;

const CLIENTS: usize = 16;
const BATCH: usize = 500;

/// Messages of one run, a multiple of [`BATCH`]; more with `KARIN_TEST_LONG` (`make test-long`).
fn messages() -> usize {
    if std::env::var_os("KARIN_TEST_LONG").is_some() { 100_000 } else { 20_000 }
}

fn send(client: &mut Client, queue: &str, count: usize) {
    let batch = format!("KARIN.SENDM {queue} {BATCH}{}", " MSG 0123456789".repeat(BATCH));
    for _ in 0..count / BATCH {
        client.ok(&batch);
    }
}

/// All sequence numbers that are given to `count` messages of a new queue.
fn all(count: usize) -> BTreeSet<i64> {
    (1..=i64::try_from(count).unwrap()).collect()
}

fn sequences<'a>(deliveries: impl IntoIterator<Item = &'a Delivery>) -> Vec<i64> {
    deliveries.into_iter().map(|delivery| delivery.sequence).collect()
}

#[track_caller]
fn acknowledge(client: &mut Client, queue: &str, deliveries: &[Delivery]) {
    let receipts: Vec<&str> = deliveries.iter().map(|d| d.receipt.as_str()).collect();
    let answers = client.answers(&format!("KARIN.ACK {queue} CURRENT {}", receipts.join(" ")));
    assert!(answers.iter().all(|answer| answer == "1"), "{answers:?}");
}

/// Pops until nothing is left of a queue that is `filled`; every other batch is acknowledged.
fn drain(server: &RedisServer, seed: usize, filled: &AtomicBool) -> Vec<i64> {
    let mut client = Client::new(server);
    let mut mine = Vec::new();
    for round in seed.. {
        let was_filled = filled.load(Ordering::Relaxed);
        let deliveries = client.pop(&format!("q COUNT {} VISIBILITY 600", round % 7 + 1)).messages;
        assert!(deliveries.iter().all(|delivery| delivery.receive_count == 1), "{deliveries:?}");
        mine.extend(sequences(&deliveries));
        if round % 2 == 0 && !deliveries.is_empty() {
            acknowledge(&mut client, "q", &deliveries);
        }
        if deliveries.is_empty() && was_filled {
            break;
        }
    }
    mine
}

/// The queue is filled and drained at once, so that empty and full take turns.
#[test]
fn sixteen_clients_at_one_queue_get_each_message_once() {
    let server = RedisServer::start(&[]);
    let count = messages();
    let filled = AtomicBool::new(false);
    Client::new(&server).ok("KARIN.CREATE q");
    let mut each = thread::scope(|scope| {
        let stop = Stop(&filled);
        let (server, filled) = (&server, &filled);
        let poppers: Vec<_> =
            (0..CLIENTS).map(|seed| scope.spawn(move || drain(server, seed, filled))).collect();
        send(&mut Client::new(server), "q", count);
        drop(stop);
        poppers.into_iter().flat_map(|popper| popper.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(each.len(), count, "a message came twice, or not at all");
    each.sort_unstable();
    assert!(each.iter().copied().eq(all(count)));
    let mut client = Client::new(&server);
    client.check("q");
    let (ready, delayed, in_flight) = client.counts("q");
    assert_eq!((ready, delayed), (0, 0));
    // What was not acknowledged comes back once, when its visibility ends.
    client.ok("KARIN.DEBUG CLOCK 601");
    let mut again = Vec::new();
    loop {
        let deliveries = client.pop("q COUNT 1000").messages;
        if deliveries.is_empty() {
            break;
        }
        assert!(deliveries.iter().all(|delivery| delivery.receive_count == 2));
        again.extend(sequences(&deliveries));
    }
    assert_eq!(again.len(), usize::try_from(in_flight).unwrap());
    assert_eq!(again.iter().collect::<BTreeSet<_>>().len(), again.len());
    client.check("q");
}

/// Pops until its connection is killed, or it is told to stop; what it got.
fn pop_until_killed(client: &mut Client, popped: &AtomicUsize, stop: &AtomicBool) -> Vec<i64> {
    let mut mine = Vec::new();
    while let Ok(reply) = client.words("KARIN.POPDUE q COUNT 5 VISIBILITY 30") {
        let reply = fields(&reply);
        let messages = items(&reply["messages"]);
        mine.extend(messages.iter().map(|message| integer(&items(message)[8])));
        popped.fetch_add(messages.len(), Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    mine
}

/// Asks for messages and is gone before the answer, again and again.
fn pop_and_vanish(server: &RedisServer, times: usize) {
    for _ in 0..times {
        let mut stream = UnixStream::connect(server.socket_path()).unwrap();
        stream.write_all(b"KARIN.POPDUE q COUNT 3 VISIBILITY 30\r\n").unwrap();
    }
}

#[test]
fn messages_of_killed_clients_come_back_when_their_visibility_ends_and_no_others_do() {
    const VICTIMS: usize = 4;
    let server = RedisServer::start(&[]);
    let count = messages();
    let mut client = Client::new(&server);
    send(&mut client, "q", count);
    let popped: [AtomicUsize; VICTIMS] = std::array::from_fn(|_| AtomicUsize::new(0));
    let stop = AtomicBool::new(false);
    let (held, lost) = thread::scope(|scope| {
        let _stops_victims = Stop(&stop);
        let (server, stop) = (&server, &stop);
        let mut ids = Vec::new();
        let mut victims = Vec::new();
        for popped in &popped {
            let mut client = Client::new(server);
            ids.push(client.integer("CLIENT ID"));
            victims.push(scope.spawn(move || pop_until_killed(&mut client, popped, stop)));
        }
        for popped in &popped {
            wait::until(wait::PATIENCE, "a victim at work", || {
                popped.load(Ordering::Relaxed) >= 10
            });
        }
        let vanishing = scope.spawn(move || pop_and_vanish(server, 100));
        let survivors: Vec<_> =
            (VICTIMS..CLIENTS).map(|n| scope.spawn(move || survive(server, n % 2 == 0))).collect();
        for id in ids {
            assert_eq!(client.integer(&format!("CLIENT KILL ID {id}")), 1);
        }
        vanishing.join().unwrap();
        let lost: Vec<_> = victims.into_iter().flat_map(|v| v.join().unwrap()).collect();
        let held: Vec<_> = survivors.into_iter().flat_map(|s| s.join().unwrap()).collect();
        (held, lost)
    });
    assert!(lost.len() >= VICTIMS * 10);
    // A connection that vanished may be served a little later.
    wait::until(wait::PATIENCE, "the end of all connections", || {
        server.info("clients").contains("connected_clients:2\r")
    });
    let held_set: BTreeSet<i64> = held.iter().copied().collect();
    assert_eq!(held_set.len(), held.len(), "a message came twice");
    assert!(lost.iter().all(|sequence| !held_set.contains(sequence)), "a message came twice");
    assert!(client.pop("q").messages.is_empty(), "something came back too early");
    client.ok("KARIN.DEBUG CLOCK 31");
    let mut back = BTreeSet::new();
    loop {
        let deliveries = client.pop("q COUNT 1000").messages;
        if deliveries.is_empty() {
            break;
        }
        assert!(deliveries.iter().all(|delivery| delivery.receive_count == 2), "{deliveries:?}");
        for sequence in sequences(&deliveries) {
            assert!(back.insert(sequence), "{sequence} came back twice");
        }
    }
    let expected: BTreeSet<i64> = all(count).difference(&held_set).copied().collect();
    assert_eq!(back, expected, "what comes back is what the dead had");
    assert!(lost.iter().all(|sequence| back.contains(sequence)));
    client.check("q");
}

/// Takes messages until there are none; acknowledges them, or holds them for longer than the
/// killed would have. Which ones.
fn survive(server: &RedisServer, acknowledges: bool) -> Vec<i64> {
    let mut client = Client::new(server);
    let mut mine = Vec::new();
    loop {
        let deliveries = client.pop("q COUNT 4 VISIBILITY 600").messages;
        if deliveries.is_empty() {
            return mine;
        }
        mine.extend(sequences(&deliveries));
        if acknowledges {
            acknowledge(&mut client, "q", &deliveries);
        }
    }
}

#[test]
fn a_full_server_is_drained_and_takes_messages_again_and_its_replica_follows() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let mut client = Client::new(&master);
    client.ok("KARIN.CREATE q");
    let limit = master.info_number("memory", "used_memory") + 4_000_000;
    client.ok(&format!("CONFIG SET maxmemory {limit}"));
    let body = "x".repeat(20_000);
    let mut sent = 0;
    let refusal = loop {
        match client.words(&format!("KARIN.SEND q {body}")) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 1_000, "maxmemory does not hold");
    };
    assert!(refusal.starts_with("OOM "), "{refusal}");
    assert!(sent > 20, "{sent}");
    client.ok(&format!("CONFIG SET maxmemory {}", limit - 500_000));
    assert!(client.error("KARIN.SENDM q 1 MSG x").starts_with("OOM "));
    // Everything that gives room, or asks, works.
    let first = client.pop_one("q");
    client.ok("KARIN.INFO q");
    assert_eq!(client.answers(&format!("KARIN.EXTEND q {} 600", first.receipt)), ["1"]);
    let second = client.pop_one("q");
    assert_eq!(client.answers(&format!("KARIN.RELEASE q {}", second.receipt)), ["1"]);
    let mut drained = 1;
    while drained < sent / 2 {
        let deliveries = client.pop("q COUNT 10").messages;
        acknowledge(&mut client, "q", &deliveries);
        drained += deliveries.len();
    }
    wait::until(wait::PATIENCE, "room for messages", || {
        client.words(&format!("KARIN.SEND q {body}")).is_ok()
    });
    client.check("q");
    replica.catch_up_with(&master);
    assert_eq!(Client::new(&replica).digest(), client.digest());
}
