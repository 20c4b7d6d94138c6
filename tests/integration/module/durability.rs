//! Nothing is lost or told twice when copies are made under load, links are cut and roles change.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::client::{Client, SYNC_AT_ONCE, text};
use super::random_commands::{RandomCommands, check_all};
use super::registry::{assert_list_is_scan, list};

/// Keys that make a snapshot last: [`slow_snapshots`] waits at each.
const FILLERS: usize = 150;

fn fill(client: &mut Client) {
    let body = "x".repeat(1_000);
    for n in 0..FILLERS {
        client.ok(&format!("KARIN.SENDM filler-{n} 2 MSG {body} MSG y DELAY 600"));
    }
}

/// Snapshots and rewrites take this long from now on.
fn slow_snapshots(client: &mut Client, duration: Duration) {
    let per_key_us = duration.as_micros() / FILLERS as u128;
    client.ok(&format!("CONFIG SET rdb-key-save-delay {per_key_us}"));
}

/// What both have is the same, and sound.
#[track_caller]
fn assert_same(master: &RedisServer, replica: &RedisServer, what: &str) {
    let (mut client, mut copy) = (Client::new(master), Client::new(replica));
    client.ok("CLIENT PAUSE 600000 WRITE");
    replica.catch_up_with(master);
    assert_eq!(copy.digest(), client.digest(), "{what}");
    client.ok("CLIENT UNPAUSE");
    check_all(&mut copy);
    assert!(!replica.log().contains("CRITICAL"), "{what}: {}", replica.log());
}

/// Runs random commands until `done`; how many.
fn run_while<T: Send>(
    commands: &mut RandomCommands,
    client: &mut Client,
    work: impl FnOnce() -> T + Send,
) -> (usize, T) {
    thread::scope(|scope| {
        let work = scope.spawn(work);
        let mut count = 0;
        while !work.is_finished() {
            commands.step(client);
            count += 1;
        }
        (count, work.join().expect("what ran beside the commands"))
    })
}

#[test]
fn a_full_synchronization_under_load_brings_everything_with_and_without_a_disk() {
    for (diskless, load) in
        [("no", "disabled"), ("yes", "disabled"), ("yes", "on-empty-db"), ("yes", "swapdb")]
    {
        let what = format!("diskless sync {diskless}, diskless load {load}");
        let arguments = [&SYNC_AT_ONCE[..], &["--repl-diskless-sync", diskless]].concat();
        let master = RedisServer::start(&arguments);
        let mut client = Client::new(&master);
        fill(&mut client);
        let mut commands = RandomCommands::new(11);
        commands.run(&mut client, 200);
        slow_snapshots(&mut client, Duration::from_millis(200));
        let (count, replica) = run_while(&mut commands, &mut client, || {
            RedisServer::start_replica_of(&master, &["--repl-diskless-load", load])
        });
        assert!(count > 50, "{what}: only {count} commands meanwhile");
        assert_same(&master, &replica, &what);
        assert_list_is_scan(&mut Client::new(&replica), &what);
        assert_eq!(master.info_number("stats", "sync_full"), 1, "{what}");
    }
}

#[test]
fn a_link_cut_under_load_goes_on_where_it_was() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &[]);
    let mut client = Client::new(&master);
    let mut commands = RandomCommands::new(12);
    for round in 1..=8 {
        commands.run(&mut client, 50);
        // Every other time the replica cannot come back before it has missed something.
        let asleep = round % 2 == 0;
        if asleep {
            replica.freeze();
        }
        assert_eq!(client.integer("CLIENT KILL TYPE replica"), 1);
        commands.run(&mut client, 50);
        if asleep {
            replica.thaw();
        }
        wait::until(wait::PATIENCE, "the partial synchronization", || {
            master.info_number("stats", "sync_partial_ok") == round
        });
        assert_same(&master, &replica, &format!("cut {round}"));
    }
    assert_eq!(master.info_number("stats", "sync_full"), 1);
}

/// A replica that serves its old data while it loads the new, until the load is whole.
#[test]
fn a_replica_left_far_behind_shows_its_old_queues_until_it_has_loaded_the_new_ones() {
    let backlog = ["--repl-diskless-sync", "yes", "--repl-backlog-size", "16384"];
    // The snapshot arrives in many pieces, between which the replica answers.
    let pieces = ["--rdbcompression", "no"];
    let master = RedisServer::start(&[&SYNC_AT_ONCE[..], &backlog, &pieces].concat());
    let mut client = Client::new(&master);
    fill(&mut client);
    let behind = ["--repl-diskless-load", "swapdb", "--loading-process-events-interval-bytes"];
    let replica = RedisServer::start_replica_of(&master, &[&behind[..], &["1024"]].concat());
    let mut copy = Client::new(&replica);
    let old = (copy.digest(), list(&mut copy, ""));
    let miss_much = |client: &mut Client| {
        replica.freeze();
        client.ok("CLIENT KILL TYPE replica");
        let body = "z".repeat(1_000);
        for n in 0..FILLERS {
            client.ok(&format!("KARIN.SEND new-{n} {body}"));
        }
        slow_snapshots(client, Duration::from_millis(500));
        replica.thaw();
        wait::until(wait::PATIENCE, "the load behind the old data", || {
            replica.info_number("persistence", "async_loading") == 1
        });
        client.ok("CONFIG SET rdb-key-save-delay 0");
    };
    // Cut in the middle of the load, it has what it had.
    miss_much(&mut client);
    assert_eq!(list(&mut copy, ""), old.1, "while it loads");
    assert_eq!(text(&copy.ok("KARIN.DEBUG CHECK filler-1")), "OK");
    client.ok("CLIENT PAUSE 600000 WRITE");
    client.ok("CONFIG SET repl-diskless-sync-delay 600");
    client.ok("CLIENT KILL TYPE replica");
    wait::until(wait::PATIENCE, "the end of the load", || {
        replica.info_number("persistence", "async_loading") == 0
    });
    assert_eq!(copy.digest(), old.0, "after the load was cut");
    assert_list_is_scan(&mut copy, "a load that was cut");
    copy.ok("SELECT 0");
    assert_eq!(list(&mut copy, ""), old.1);
    client.ok("CONFIG SET repl-diskless-sync-delay 0");
    client.ok("CLIENT UNPAUSE");
    replica.wait_for_link();
    assert_same(&master, &replica, "the second load");
    assert_list_is_scan(&mut copy, "the second load");
    // Not cut.
    client.ok("FLUSHALL");
    fill(&mut client);
    replica.catch_up_with(&master);
    miss_much(&mut client);
    assert_list_is_scan(&mut copy, "while it loads");
    replica.wait_for_link();
    assert_same(&master, &replica, "the third load");
    assert_list_is_scan(&mut copy, "the third load");
}

#[test]
fn a_rewrite_of_the_append_only_file_under_load_loses_nothing_with_a_preamble_or_without() {
    for preamble in ["yes", "no"] {
        let files = ["--appendonly", "yes", "--appendfsync", "always"];
        let preamble = ["--aof-use-rdb-preamble", preamble];
        let mut server = RedisServer::start(&[&files[..], &preamble].concat());
        let mut client = Client::new(&server);
        fill(&mut client);
        let mut commands = RandomCommands::new(13);
        commands.run(&mut client, 200);
        slow_snapshots(&mut client, Duration::from_millis(200));
        client.ok("BGREWRITEAOF");
        let (count, ()) = run_while(&mut commands, &mut client, || server.wait_for_rewrite());
        assert!(count > 50, "{preamble:?}: only {count} commands meanwhile");
        commands.run(&mut client, 50);
        client.ok("CLIENT PAUSE 600000 WRITE");
        let digest = client.digest();
        server.restart();
        let mut client = Client::new(&server);
        assert_eq!(client.digest(), digest, "{preamble:?}");
        check_all(&mut client);
    }
}

#[test]
fn a_chain_of_replicas_goes_on_when_its_first_server_is_gone() {
    let mut master = RedisServer::start(&SYNC_AT_ONCE);
    let middle = RedisServer::start_replica_of(&master, &SYNC_AT_ONCE);
    let files = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut last = RedisServer::start_replica_of(&middle, &files);
    let mut commands = RandomCommands::new(14);
    commands.run(&mut Client::new(&master), 300);
    assert_same(&master, &middle, "the middle");
    last.catch_up_with(&middle);
    master.kill();
    let mut client = Client::new(&middle);
    client.ok("REPLICAOF NO ONE");
    commands.run(&mut client, 300);
    assert_same(&middle, &last, "the last, once the middle is a master");
    assert_list_is_scan(&mut Client::new(&last), "a promotion above it");
    assert_eq!(middle.info_number("stats", "sync_full"), 1, "it had no need of a second");
    last.wait_for_own_file();
    let digest = Client::new(&last).digest();
    // Its own file, without a master that could tell it again.
    drop(client);
    drop(middle);
    last.restart();
    assert_eq!(Client::new(&last).digest(), digest);
}

#[test]
fn what_becomes_due_while_writes_are_paused_is_handed_out_after_the_pause() {
    let files = ["--appendonly", "yes", "--appendfsync", "always"];
    let master = RedisServer::start(&[&SYNC_AT_ONCE[..], &files].concat());
    let replica = RedisServer::start_replica_of(&master, &[]);
    let (mut client, mut popper) = (Client::new(&master), Client::new(&master));
    client.ok("KARIN.SENDM q 3 MSG leased MSG delayed DELAY 0.2 MSG late DELAY 600");
    client.pop_one("q VISIBILITY 0.2");
    client.ok("CLIENT PAUSE 600000 WRITE");
    let (digest, offset) =
        (client.digest(), master.info_number("replication", "master_repl_offset"));
    wait::until(wait::PATIENCE, "messages due", || client.counts("q") == (2, 1, 0));
    let bodies = thread::scope(|scope| {
        let waiting = scope.spawn(move || popper.pop("q COUNT 10").bodies());
        wait::until(wait::PATIENCE, "the paused POPDUE", || {
            let clients = client.text("CLIENT LIST");
            clients.lines().any(|c| c.contains("flags=b") && c.contains("cmd=karin.popdue"))
        });
        assert!(!waiting.is_finished());
        assert_eq!(client.digest(), digest, "something was changed in a pause");
        assert_eq!(master.info_number("replication", "master_repl_offset"), offset);
        client.ok("CLIENT UNPAUSE");
        waiting.join().unwrap()
    });
    let bodies: BTreeSet<_> = bodies.iter().map(String::as_str).collect();
    assert_eq!(bodies, BTreeSet::from(["delayed", "leased"]));
    assert_same(&master, &replica, "after the pause");
}

/// `FAILOVER` to the replica; returns when both have their new roles and data.
fn fail_over(master: &RedisServer, replica: &RedisServer) {
    wait::until(wait::PATIENCE, "the replica to be online", || {
        master.info("replication").contains("state=online")
    });
    let to = format!("FAILOVER TO 127.0.0.1 {}", replica.port());
    Client::new(master).ok(&to);
    wait::until(wait::PATIENCE, "the failover", || {
        replica.info("replication").contains("role:master")
            && master.info("replication").contains("role:slave")
    });
    master.catch_up_with(replica);
}

#[test]
fn a_failover_keeps_receipts_and_times() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &SYNC_AT_ONCE);
    let mut client = Client::new(&master);
    client.ok("KARIN.SENDM q 3 MSG held MSG stale MSG delayed DELAY 1.5");
    let held = client.pop_one("q VISIBILITY 600");
    let stale = client.pop_one("q VISIBILITY 0");
    let stale_again = client.pop_one("q VISIBILITY 600");
    assert_eq!(stale.id, stale_again.id);
    client.ok("KARIN.SEND q lapsing");
    let lapsing = client.pop_one("q VISIBILITY 1");
    fail_over(&master, &replica);
    let mut client = Client::new(&replica);
    assert_list_is_scan(&mut client, "a promotion");
    client.ok("SELECT 0");
    let acks = format!("KARIN.ACK q CURRENT {} {}", held.receipt, stale.receipt);
    assert_eq!(client.answers(&acks), ["1", "KARINSTALE"]);
    for (body, due_ms) in [("lapsing", lapsing.due_ms), ("delayed", held.sent_ms + 1_500)] {
        let message = wait::until_some(wait::PATIENCE, body, || client.pop("q").messages.pop());
        assert_eq!(message.body, body.as_bytes());
        let popped_ms = message.due_ms - 30_000;
        assert!((due_ms..due_ms + 2_000).contains(&popped_ms), "{body}: {}", popped_ms - due_ms);
    }
    assert_eq!(client.counts("q"), (0, 0, 3));
    assert_eq!(replica.info_number("stats", "sync_full"), 0, "the old master goes on");
    // And back again.
    fail_over(&replica, &master);
    let mut client = Client::new(&master);
    let extend = format!("KARIN.EXTEND q CURRENT {} 0", stale_again.receipt);
    assert_eq!(client.answers(&extend), ["1"]);
    assert_eq!(client.pop_one("q").receive_count, 3);
    assert_same(&master, &replica, "back");
}

/// Says "stop" when dropped, also by a panic, so that nobody waits for a thread that goes on.
pub(super) struct Stop<'a>(pub(super) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_failover_loses_and_doubles_nothing_that_is_sent_meanwhile() {
    let master = RedisServer::start(&SYNC_AT_ONCE);
    let replica = RedisServer::start_replica_of(&master, &SYNC_AT_ONCE);
    let done = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        let stop = Stop(&done);
        let sender = scope.spawn(|| {
            let mut client = Client::new(&master);
            let mut acknowledged = Vec::new();
            for n in 0.. {
                match client.words(&format!("KARIN.SEND q {n} DELAY 0.00{}", n % 9)) {
                    Ok(_) => acknowledged.push(n.to_string()),
                    // A refusal, so it was not sent.
                    Err(error) if error.starts_with("READONLY ") => client = Client::new(&replica),
                    Err(error) => panic!("{error}"),
                }
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
            acknowledged
        });
        let sent = |server: &RedisServer, count| {
            wait::until(wait::PATIENCE, "what is sent", || {
                let info = Client::new(server).words("KARIN.INFO q");
                info.is_ok_and(|info| {
                    super::client::integer(&super::client::fields(&info)["sequence"]) >= count
                })
            });
        };
        sent(&master, 200);
        fail_over(&master, &replica);
        let before = super::client::integer(&Client::new(&replica).info("q")["sequence"]);
        sent(&replica, before + 200);
        drop(stop);
        sender.join().unwrap()
    });
    let mut client = Client::new(&replica);
    client.ok("KARIN.DEBUG CLOCK 1");
    let mut received = client.pop("q COUNT 1000").bodies();
    while received.len() < acknowledged.len() {
        let more = client.pop("q COUNT 1000").bodies();
        assert!(!more.is_empty(), "{} of {}", received.len(), acknowledged.len());
        received.extend(more);
    }
    assert!(client.pop("q").messages.is_empty(), "more than was acknowledged");
    assert_eq!(received.iter().collect::<BTreeSet<_>>(), acknowledged.iter().collect());
    assert_same(&replica, &master, "after the failover");
}
