//! Replicas hold what their master holds, and so does each append-only file.

use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::client::{Client, SYNC_AT_ONCE};
use super::random_commands::{RandomCommands, check_all};

/// Two thousand random commands, and whoever holds a copy of the data afterwards. Thirty times,
/// with `KARIN_TEST_LONG` (`make test-long`).
#[test]
fn replicas_and_files_hold_what_the_master_holds_after_two_thousand_random_commands() {
    let seeds = if std::env::var_os("KARIN_TEST_LONG").is_some() { 30 } else { 3 };
    for seed in 1..=seeds {
        let preamble = if seed % 2 == 0 { "no" } else { "yes" };
        let files = ["--appendonly", "yes", "--appendfsync", "always"];
        let preamble = ["--aof-use-rdb-preamble", preamble];
        let arguments = [&SYNC_AT_ONCE[..], &files, &preamble].concat();
        let mut master = RedisServer::start(&arguments);
        let mut client = Client::new(&master);
        let mut commands = RandomCommands::new(seed);
        commands.run(&mut client, 200);
        let mut replica = RedisServer::start_replica_of(&master, &arguments);
        let mut last = RedisServer::start_replica_of(&replica, &arguments);
        commands.run(&mut client, 2_000);
        check_all(&mut client);
        // From here on nothing is written, not even by a timer.
        client.ok("CLIENT PAUSE 600000 WRITE");
        let digest = client.digest();
        client.ok("DEBUG RELOAD");
        assert_eq!(client.digest(), digest, "the snapshot, seed {seed}");
        for (server, which) in [(&replica, "the replica"), (&last, "its replica")] {
            server.catch_up_with(&master);
            server.wait_for_own_file();
            let mut copy = Client::new(server);
            assert_eq!(copy.digest(), digest, "{which}, seed {seed}");
            check_all(&mut copy);
            assert!(!server.log().contains("CRITICAL"), "{which}, seed {seed}: {}", server.log());
        }
        // Each one's own file, without a master that could tell it again.
        master.kill();
        replica.kill();
        let servers = [(&mut last, "last"), (&mut replica, "replica"), (&mut master, "master")];
        for (server, which) in servers {
            server.restart();
            assert_eq!(Client::new(server).digest(), digest, "the {which}'s file, seed {seed}");
            server.cli(&["BGREWRITEAOF"]);
            server.wait_for_rewrite();
            server.restart();
            let mut client = Client::new(server);
            assert_eq!(client.digest(), digest, "rewritten by the {which}, seed {seed}");
            check_all(&mut client);
            server.kill();
        }
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
    replica.wait_for_own_file();
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
    let again =
        wait::until_some(wait::PATIENCE, "the end of the lease", || client.pop("q").messages.pop());
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
