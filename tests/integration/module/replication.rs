//! Replicas hold what their master holds, and so does each append-only file.

use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::client::{Client, Random, SYNC_AT_ONCE, items, text};

/// Runs random commands of all kinds on one queue or another.
struct Workload {
    random: Random,
    receipts: Vec<String>,
}

impl Workload {
    fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), receipts: vec!["no-receipt".to_owned()] }
    }

    fn step(&mut self, client: &mut Client) {
        let random = &mut self.random;
        let queue = *random.of(&["a", "b", "c.fifo"]);
        let n = random.below(30);
        let receipt = random.of(&self.receipts).clone();
        let other = random.of(&self.receipts).clone();
        let current = *random.of(&["", "CURRENT"]);
        let words = match random.below(24) {
            0..=3 => format!("KARIN.SEND {queue} body-{n}"),
            4 => format!("KARIN.SEND {queue} body-{n} DELAY 0.{n} ATTRS attributes-{n}"),
            5 => format!("KARIN.SEND {queue} body DELAY {n}"),
            6 => format!("KARIN.SENDM {queue} 3 MSG x MSG y DELAY 3 MSG z ATTRS {n}"),
            7..=12 => {
                let visibility = random.below(4);
                let reply = client.words(&format!(
                    "KARIN.POPDUE {queue} COUNT {} VISIBILITY {visibility} HOLDER {}",
                    n + 1,
                    n % 2 + 1
                ));
                if let Ok(reply) = reply {
                    let messages = super::client::fields(&reply)["messages"].clone();
                    let new = items(&messages).iter().map(|message| text(&items(message)[1]));
                    self.receipts.extend(new);
                }
                return;
            }
            13..=15 => format!("KARIN.ACK {queue} {current} {receipt} {other}"),
            16 | 17 => format!("KARIN.EXTEND {queue} {current} {receipt} {n} {other} 0"),
            18 => format!("KARIN.RELEASE {queue} {current} {receipt} {other}"),
            19 => format!("KARIN.RELEASE {queue} DELAY 2 {receipt}"),
            20 => format!("KARIN.RELEASE {queue} HOLDER 1"),
            21 => format!("KARIN.SET {queue} MessageRetentionPeriod {}", n + 1),
            22 if n == 0 => format!("KARIN.PURGE {queue}"),
            22 if n == 1 => format!("COPY {queue} b REPLACE"),
            22 if n == 2 => format!("RENAME {queue} a"),
            22 if n == 3 => format!("DEL {queue}"),
            22 => "KARIN.CREATE c.fifo VisibilityTimeout 2".to_owned(),
            _ => format!("KARIN.DEBUG CLOCK {}", random.below(3)),
        };
        let _may_be_refused = client.words(&words);
    }
}

fn check_all(client: &mut Client) {
    for key in items(&client.ok("KEYS *")) {
        client.check(&text(key));
    }
}

#[test]
fn replica_and_append_only_files_hold_what_the_master_holds() {
    let files = [&SYNC_AT_ONCE[..], &["--appendonly", "yes", "--appendfsync", "always"]].concat();
    for seed in [1, 2, 3] {
        let mut master = RedisServer::start(&files);
        let mut client = Client::new(&master);
        let mut workload = Workload::new(seed);
        for _ in 0..200 {
            workload.step(&mut client);
        }
        let mut replica = RedisServer::start_replica_of(&master, &files);
        for _ in 0..2_000 {
            workload.step(&mut client);
        }
        assert_eq!(client.integer("WAIT 1 10000"), 1);
        check_all(&mut client);
        let digest = client.digest();
        let mut copy = Client::new(&replica);
        assert_eq!(copy.digest(), digest, "the replica, seed {seed}");
        check_all(&mut copy);
        assert!(!replica.log().contains("CRITICAL"), "{}", replica.log());
        // Its own file, without a master that could tell it again.
        master.kill();
        replica.restart();
        assert_eq!(Client::new(&replica).digest(), digest, "the replica's file, seed {seed}");
        master.restart();
        assert_eq!(Client::new(&master).digest(), digest, "the master's file, seed {seed}");
    }
}

#[test]
fn a_replica_and_a_start_beyond_maxmemory_take_all_that_was_sent() {
    let mut master = RedisServer::start(&SYNC_AT_ONCE);
    let files = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory", "1"];
    let mut replica = RedisServer::start_replica_of(&master, &files);
    let mut client = Client::new(&master);
    client.ok("KARIN.SENDM q 3 MSG a MSG b ATTRS at MSG c DELAY 60");
    client.ok("KARIN.SET q DelaySeconds 1");
    client.pop_one("q");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    let digest = client.digest();
    let mut copy = Client::new(&replica);
    assert_eq!(copy.digest(), digest);
    // A replica writes its file anew once it has synchronised.
    wait::until(wait::PATIENCE, "the replica's file", || {
        let persistence = replica.info("persistence");
        let idle = ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"];
        idle.iter().all(|state| persistence.contains(state))
            && !persistence.contains("aof_rewrites:0")
    });
    master.kill();
    replica.restart();
    let mut copy = Client::new(&replica);
    assert_eq!(copy.digest(), digest);
    copy.ok("REPLICAOF NO ONE");
    assert!(copy.error("KARIN.SEND q d").starts_with("OOM "));
}

#[test]
fn a_promoted_replica_goes_on_with_the_same_receipts_and_times() {
    let mut master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let mut client = Client::new(&master);
    client.ok("KARIN.SENDM q 3 MSG a MSG b MSG c DELAY 2");
    let held = client.pop_one("q VISIBILITY 600");
    let lapsed = client.pop_one("q VISIBILITY 0.001");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    master.kill();
    let mut client = Client::new(&replica);
    assert!(client.error("KARIN.POPDUE q").starts_with("READONLY "));
    client.ok("REPLICAOF NO ONE");
    let again = client.pop_one("q");
    assert_eq!((again.id, again.receive_count), (lapsed.id, 2));
    assert_eq!(client.answers(&format!("KARIN.ACK q CURRENT {}", held.receipt)), ["1"]);
    wait::until(wait::PATIENCE, "the delayed message", || !client.pop("q").messages.is_empty());
}

#[test]
fn commands_that_change_nothing_replicate_nothing() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let mut client = Client::new(&master);
    client.ok("KARIN.SEND q a");
    let receipt = client.pop_one("q").receipt;
    client.ok("KARIN.CREATE empty");
    client.ok("KARIN.ACK q {receipt}");
    // The stream also carries pings, so commands are counted where they arrive.
    let mut copy = Client::new(&replica);
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    copy.ok("CONFIG RESETSTAT");
    for command in [
        "KARIN.POPDUE q",
        "KARIN.POPDUE empty COUNT 10",
        "KARIN.PURGE empty",
        "KARIN.ACK q no-receipt",
        "KARIN.ACK empty {receipt}",
        "KARIN.EXTEND empty {receipt} 5",
        "KARIN.RELEASE empty {receipt}",
        "KARIN.RELEASE q HOLDER 9",
        "KARIN.INFO q",
        "KARIN.LIST",
    ] {
        client.ok(&command.replace("{receipt}", &receipt));
    }
    client.ok("SET marker x");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    let statistics = replica.info("commandstats");
    assert!(statistics.contains("cmdstat_set:"), "{statistics}");
    assert!(!statistics.contains("cmdstat_karin"), "{statistics}");
}

#[test]
fn effects_are_replicated_one_command_for_a_batch() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let mut client = Client::new(&master);
    client.ok("KARIN.CREATE q");
    let messages = " MSG x".repeat(100);
    client.ok(&format!("KARIN.SENDM q 100{messages}"));
    let popped = client.pop("q COUNT 100");
    let receipts: Vec<&str> = popped.messages.iter().map(|m| m.receipt.as_str()).collect();
    client.ok(&format!("KARIN.ACK q {}", receipts.join(" ")));
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    let statistics = replica.info("commandstats");
    for command in ["xqueue", "xput", "xlease", "xdel"] {
        let line = format!("cmdstat_karin.{command}:calls=1,");
        assert!(statistics.contains(&line), "{command}: {statistics}");
    }
}
