//! The pages of queues and messages.

use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::Connection;

use super::browse;
use super::visitor::{Visitor, field};

/// A task of a gateway that died goes on when its lease has ended; a message that it had received
/// and not kept comes back a minute later.
const TAKEN_OVER_WITHIN: Duration = Duration::from_mins(2);

/// Runs a command given as words.
fn run<T: redis::FromRedisValue>(connection: &mut Connection, words: &str) -> T {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().expect("a command"));
    command.arg(words.collect::<Vec<_>>());
    command.query(connection).expect("it is accepted")
}

#[test]
fn queues_are_made_changed_emptied_and_deleted() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--queue-cooldown", "0"]);
    browse(&gateway, "queues.mjs", &[]);
    let mapped = Gateway::start(&redis, &["--map", "mapped=worker"]);
    browse(&mapped, "queues.mjs", &["mapped"]);
}

#[test]
fn messages_are_sent_seen_changed_moved_and_deleted() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--queue-cooldown", "0"]);
    let mut connection = redis.connection();
    let mut send = redis::cmd("KARIN.SEND");
    send.arg("karin:{raw}").arg(b"\xff\x00<b>");
    send.exec(&mut connection).expect("a message of bytes");
    browse(&gateway, "messages.mjs", &[]);
}

#[test]
fn a_form_that_is_older_than_the_queue_empties_and_deletes_nothing() {
    let redis = RedisServer::start(&[]);
    let options = ["--queue-cooldown", "0", "--admin-password", "correct horse"];
    let gateway = Gateway::start(&redis, &options);
    let mut connection = redis.connection();
    let mut run = |words| run::<redis::Value>(&mut connection, words);
    let mut visitor = Visitor::signed_in(&gateway, "correct horse");
    run("KARIN.CREATE karin:{orders}");
    for page in ["purge", "delete"] {
        let path = format!("/admin/queues/orders/{page}");
        let uid = field(visitor.get(&path).text(), "uid").expect("the queue's uid");
        let fields = [("uid", uid.as_str()), ("name", "orders")];
        run("UNLINK karin:{orders}");
        run("KARIN.CREATE karin:{orders}");
        run("KARIN.SEND karin:{orders} new");
        for fields in [&fields[..], &fields[1..]] {
            assert_eq!(visitor.post(&path, fields).status, 404, "{page} {fields:?}");
        }
        let list = visitor.get("/admin/queues/orders/messages");
        assert!(list.text().contains("/messages/1\""), "{page}: {}", list.text());
        let uid = field(visitor.get(&path).text(), "uid").expect("the queue's uid");
        let fields = [("uid", uid.as_str()), ("name", "orders")];
        assert_eq!(visitor.post(&path, &fields).status, 303, "{page}");
    }
}

#[test]
fn dead_letters_that_cannot_be_brought_away_are_given_back() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let mut connection = redis.connection();
    let mut run = |words| run::<redis::Value>(&mut connection, words);
    run("KARIN.CREATE karin:{target}");
    run("KARIN.CREATE karin:{stuck} maxReceiveCount 1 deadLetterTargetArn arn:aws:sqs:r:0:target");
    run("KARIN.SEND karin:{stuck} letter");
    // Nothing can be brought anywhere now.
    run("CONFIG SET maxmemory 1");
    run("KARIN.POPDUE karin:{stuck} VISIBILITY 0");
    run("KARIN.POPDUE karin:{stuck}");
    browse(&gateway, "messages.mjs", &["revive"]);
}

#[test]
fn chosen_messages_arrive_once_also_if_the_gateway_dies() {
    let redis = RedisServer::start(&[]);
    let mut gateway = Gateway::start(&redis, &[]);
    let mut connection = redis.connection();
    let arn = "arn:aws:sqs:us-east-1:000000000000:failed";
    let created =
        format!("KARIN.CREATE karin:{{jobs}} maxReceiveCount 1 deadLetterTargetArn {arn}");
    let _ok: redis::Value = run(&mut connection, &created);
    for n in 0..20 {
        let _sent: redis::Value = run(&mut connection, &format!("KARIN.SEND karin:{{failed}} {n}"));
    }
    browse(&gateway, "messages.mjs", &["move"]);
    gateway.kill();
    let _successor = Gateway::start(&redis, &[]);
    let bodies = |connection: &mut Connection, queue: &str| -> Vec<String> {
        let peek = format!("KARIN.PEEK karin:{{{queue}}} COUNT 100");
        let (_, messages, ..): (String, Vec<Vec<redis::Value>>, String, redis::Value) =
            run(connection, &peek);
        let body = |message: Vec<redis::Value>| redis::from_redis_value(message[2].clone());
        messages.into_iter().map(|message| body(message).expect("a body")).collect()
    };
    wait::until(TAKEN_OVER_WITHIN, "all that were chosen are moved", || {
        bodies(&mut connection, "failed").len() == 5
    });
    assert_eq!(bodies(&mut connection, "failed"), ["0", "1", "2", "3", "4"]);
    let mut moved = bodies(&mut connection, "jobs");
    moved.sort_by_key(|body| body.parse::<u32>().expect("a number"));
    assert_eq!(moved, (5..20).map(|n: u32| n.to_string()).collect::<Vec<_>>());
}
