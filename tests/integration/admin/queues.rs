//! The pages of queues and messages.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

use super::browse;

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
fn dead_letters_that_cannot_be_brought_away_are_given_back() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let mut connection = redis.connection();
    let mut run = |words: &str| {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().expect("a command"));
        command.arg(words.collect::<Vec<_>>());
        command.exec(&mut connection).expect("it is accepted");
    };
    run("KARIN.CREATE karin:{target}");
    run("KARIN.CREATE karin:{stuck} maxReceiveCount 1 deadLetterTargetArn arn:aws:sqs:r:0:target");
    run("KARIN.SEND karin:{stuck} letter");
    // Nothing can be brought anywhere now.
    run("CONFIG SET maxmemory 1");
    run("KARIN.POPDUE karin:{stuck} VISIBILITY 0");
    run("KARIN.POPDUE karin:{stuck}");
    browse(&gateway, "messages.mjs", &["revive"]);
}
