//! What the module shows to whoever runs the server, and what it spares the server.

use std::time::{Duration, Instant};

use karin_tests::artifact;
use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::client::{Client, SYNC_AT_ONCE, info_number, integer, items, text};

#[track_caller]
fn setting(client: &mut Client, name: &str) -> String {
    let reply = client.ok(&format!("CONFIG GET {name}"));
    match &reply {
        redis::Value::Map(pairs) => text(&pairs[0].1),
        other => text(&items(other)[1]),
    }
}

#[test]
fn settings_have_defaults_and_are_given_by_arguments_and_by_the_configuration() {
    let module = artifact::module();
    let module = module.display();
    let all = ["karin.debug", "karin.max-dedup-ids", "karin.max-in-flight"];
    for (config, expected) in [
        (format!("loadmodule {module}"), ["no", "1000000", "120000"]),
        (
            format!("loadmodule {module} max-dedup-ids 5 DEBUG YES max-in-flight 7"),
            ["yes", "5", "7"],
        ),
        (
            format!("loadmodule {module} max-dedup-ids 5\nkarin.max-dedup-ids 6\nkarin.debug yes"),
            ["yes", "6", "120000"],
        ),
    ] {
        let server = RedisServer::start_with_config(&config, &[]);
        let mut client = Client::new(&server);
        for (name, value) in all.into_iter().zip(expected) {
            assert_eq!(setting(&mut client, name), value, "{name}: {config}");
        }
        assert_eq!(info_number(&mut client, "karin_max_dedup_ids").to_string(), expected[1]);
        assert_eq!(info_number(&mut client, "karin_max_in_flight").to_string(), expected[2]);
        assert_eq!(client.words("KARIN.DEBUG CLOCK 0").is_ok(), expected[0] == "yes");
    }
}

#[test]
fn settings_change_at_run_time_within_their_ranges_and_debug_does_not() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("CONFIG SET karin.max-in-flight 10 karin.max-dedup-ids 0");
    assert_eq!(info_number(&mut client, "karin_max_in_flight"), 10);
    for refused in [
        "karin.max-in-flight 0",
        "karin.max-in-flight 1000000001",
        "karin.max-in-flight x",
        "karin.max-dedup-ids -1",
        "karin.max-dedup-ids 100000001",
        "karin.debug no",
    ] {
        client.error(&format!("CONFIG SET {refused}"));
    }
    assert_eq!(setting(&mut client, "karin.max-in-flight"), "10");
    assert_eq!(setting(&mut client, "karin.max-dedup-ids"), "0");
    assert_eq!(setting(&mut client, "karin.debug"), "yes");
}

#[test]
fn a_module_argument_out_of_range_refuses_the_load() {
    let server = RedisServer::start_without_module(&[]);
    let mut client = Client::new(&server);
    let module = artifact::module();
    for arguments in ["max-in-flight 0", "max-dedup-ids -1", "max-dedup-ids 1e6", "max-dedup-ids"] {
        client.error(&format!("MODULE LOAD {} {arguments}", module.display()));
    }
    client.ok(&format!("MODULE LOAD {} max-dedup-ids 0", module.display()));
}

#[test]
fn info_karin_counts_what_was_done() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 4 MSG a MSG b MSG c MSG d");
    client.ok("KARIN.SEND p x");
    let popped = client.pop("q COUNT 3");
    let receipts: Vec<_> = popped.messages.iter().map(|m| m.receipt.as_str()).collect();
    client.ok(&format!("KARIN.ACK q {} {} no-receipt", receipts[0], receipts[0]));
    client.ok(&format!("KARIN.RELEASE q {}", receipts[1]));
    client.ok("KARIN.PURGE q");
    client.ok("KARIN.CREATE d FIFO maxReceiveCount 1 deadLetterTargetArn elsewhere");
    client.ok("KARIN.SENDM d 2 MSG x GROUP g DEDUP 1 MSG x GROUP g DEDUP 1");
    client.ok("KARIN.SEND d x GROUP g DEDUP 1");
    client.pop("d VISIBILITY 0");
    client.pop("d");
    for (name, expected) in [
        ("queues", 3),
        ("blocked_clients", 0),
        ("sent", 6),
        ("received", 4),
        ("deleted", 1),
        ("released", 1),
        ("purged", 3),
        ("expired", 0),
        ("duplicates", 2),
        ("dead_lettered", 1),
        ("clock_steps", 0),
        ("panics", 0),
    ] {
        assert_eq!(info_number(&mut client, &format!("karin_{name}")), expected, "{name}");
    }
    assert!(info_number(&mut client, "karin_hints") >= 2);
    let info = text(&client.ok("INFO karin"));
    assert!(info.starts_with("# karin\r\n"), "{info}");
    assert_eq!(text(&client.ok("INFO everything")).matches("# karin\r\n").count(), 1);
    assert!(!text(&client.ok("INFO clients")).contains("karin"));
}

fn fill(client: &mut Client, key: &str, thousands: usize) {
    let messages = " MSG 0123456789".repeat(1_000);
    for _ in 0..thousands {
        client.ok(&format!("KARIN.SENDM {key} 1000{messages}"));
    }
}

fn microseconds(client: &mut Client, command: &str) -> u64 {
    let statistics = text(&client.ok("INFO commandstats"));
    let line = statistics.lines().find(|line| line.contains(&format!("cmdstat_{command}:")));
    let field = line.and_then(|line| line.split(',').find_map(|f| f.strip_prefix("usec=")));
    field.unwrap_or_else(|| panic!("{command}: {statistics}")).parse().unwrap()
}

/// What a command takes of the main thread's time in microseconds, on a fresh copy of `q` under the
/// name `copy`.
fn cost(client: &mut Client, measured: &mut Client, command: &[&[u8]], name: &str) -> u64 {
    client.ok("COPY q copy REPLACE");
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    measured.ok("CONFIG RESETSTAT");
    client.call(command).unwrap();
    assert_eq!(client.integer("WAIT 1 10000"), 1);
    microseconds(measured, name)
}

#[test]
fn a_large_queue_is_purged_unlinked_and_replaced_without_a_pause() {
    // Valkey frees what DEL deletes on another thread, unless it is told not to.
    let arguments = ["--rdbcompression", "no", "--lazyfree-lazy-user-del", "no"];
    let master = RedisServer::start(&[&SYNC_AT_ONCE[..], &arguments].concat());
    let replica = RedisServer::start_replica_of(&master, &["--replica-lazy-flush", "yes"]);
    let mut client = Client::new(&master);
    let (mut here, mut there) = (Client::new(&master), Client::new(&replica));
    client.ok("KARIN.CREATE other");
    let dump = super::client::bytes(&client.ok("DUMP other"));
    let header = header_in(&dump);
    fill(&mut client, "q", 200);
    // What it takes to free the messages on the spot.
    let deleted = cost(&mut client, &mut here, &[b"DEL", b"copy"], "del");
    // A machine that does something else in between is asked again.
    let mut is_short = |measured: &mut Client, command: &[&[u8]], name| {
        (0..8).any(|_| cost(&mut client, measured, command, name) * 4 < deleted)
    };
    assert!(is_short(&mut here, &[b"UNLINK", b"copy"], "unlink"));
    assert!(is_short(&mut here, &[b"KARIN.PURGE", b"copy"], "karin.purge"));
    assert!(is_short(&mut there, &[b"KARIN.PURGE", b"copy"], "karin.xpurge"), "at a replica");
    assert!(is_short(&mut here, &[b"KARIN.XQUEUE", b"copy", &header], "karin.xqueue"));
    assert_eq!(integer(&client.info("copy")["bytes"]), 0);
    assert_eq!(client.digest(), there.digest());
    client.check("copy");
    client.ok("COPY q copy REPLACE");
    assert_eq!(client.integer("KARIN.PURGE copy"), 200_000);
    client.ok("KARIN.SEND copy x");
    assert_eq!(client.pop_one("copy").sequence, 200_001);
}

/// The header of an empty queue out of its DUMP, where it comes after the type (10 bytes), the word
/// that says "string" (1) and its length (1 or 2).
fn header_in(dump: &[u8]) -> Vec<u8> {
    let long = dump[11] & 0x40 != 0;
    let (length, start) = if long {
        ((usize::from(dump[11] & 0x3f) << 8) | usize::from(dump[12]), 13)
    } else {
        (usize::from(dump[11]), 12)
    };
    dump[start..start + length].to_vec()
}

#[test]
fn what_a_purge_took_out_is_freed_soon() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q");
    fill(&mut client, "warm", 1);
    client.ok("KARIN.PURGE warm");
    let memory = |client: &mut Client| info_number_of(client, "memory", "used_memory");
    let before = memory(&mut client);
    fill(&mut client, "q", 50);
    let full = memory(&mut client);
    client.ok("KARIN.PURGE q");
    let start = Instant::now();
    wait::until(wait::PATIENCE, "the memory", || {
        memory(&mut client) < before + (full - before) / 10
    });
    assert!(start.elapsed() < Duration::from_secs(10));
}

fn info_number_of(client: &mut Client, section: &str, name: &str) -> u64 {
    let info = text(&client.ok(&format!("INFO {section}")));
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("{name}: {info}")).parse().unwrap()
}
