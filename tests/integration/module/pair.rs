//! A master with a replica and append-only files, all of which must hold the same.

use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::client::{Client, SYNC_AT_ONCE, items, text};

/// See the head of the file.
pub(super) struct Pair {
    pub(super) master: RedisServer,
    pub(super) replica: RedisServer,
}

impl Pair {
    /// Starts both; the replica has the master's (empty) data.
    pub(super) fn start() -> Self {
        let files = ["--appendonly", "yes", "--appendfsync", "always"];
        // So that a rewritten file is our own commands.
        let rewrite = ["--aof-use-rdb-preamble", "no"];
        let arguments = [&SYNC_AT_ONCE[..], &files, &rewrite].concat();
        let master = RedisServer::start(&arguments);
        let replica = RedisServer::start_replica_of(&master, &arguments);
        Self { master, replica }
    }

    /// A client of the master.
    pub(super) fn client(&self) -> Client {
        Client::new(&self.master)
    }

    /// The replica and the master's files hold what the master does, and all indexes are sound.
    #[track_caller]
    pub(super) fn assert_same(&self) {
        let mut client = self.client();
        // Nothing expires meanwhile.
        client.ok("CLIENT PAUSE 60000 WRITE");
        self.let_replica_catch_up();
        check_all(&mut client);
        let digest = client.digest();
        let mut copy = Client::new(&self.replica);
        assert_eq!(copy.digest(), digest, "the replica");
        check_all(&mut copy);
        client.ok("DEBUG LOADAOF");
        assert_eq!(client.digest(), digest, "the master's append-only file");
        client.ok("DEBUG RELOAD");
        assert_eq!(client.digest(), digest, "the master's RDB");
        check_all(&mut client);
        client.ok("CLIENT UNPAUSE");
    }

    /// The replica holds what the master does, and the master does after it was killed.
    #[track_caller]
    pub(super) fn assert_kept(&mut self) {
        self.let_replica_catch_up();
        let digest = self.client().digest();
        assert_eq!(Client::new(&self.replica).digest(), digest, "the replica");
        self.master.kill();
        self.master.restart();
        assert_eq!(self.client().digest(), digest, "the master, killed and started again");
    }

    fn let_replica_catch_up(&self) {
        self.replica.catch_up_with(&self.master);
    }

    /// The same once the master has written its append-only file anew.
    #[track_caller]
    pub(super) fn assert_rewritten_same(&self) {
        self.client().ok("BGREWRITEAOF");
        wait_for_rewrite(&self.master);
        self.assert_same();
    }

    /// The replica follows again, after the master was restarted, and has written its own file
    /// anew, as it does then.
    pub(super) fn wait_for_link(&self) {
        wait::until(wait::PATIENCE, "the replica's link", || {
            self.replica.info("replication").contains("master_link_status:up")
        });
        wait_for_rewrite(&self.replica);
    }

    /// Kills the master; the replica takes its place. A client of it.
    #[track_caller]
    pub(super) fn fail_over(&mut self) -> Client {
        self.let_replica_catch_up();
        self.master.kill();
        let mut client = Client::new(&self.replica);
        client.ok("REPLICAOF NO ONE");
        client
    }
}

#[track_caller]
fn wait_for_rewrite(server: &RedisServer) {
    wait::until(wait::PATIENCE, "the rewrite of the append-only file", || {
        let persistence = server.info("persistence");
        persistence.contains("aof_rewrite_in_progress:0")
            && persistence.contains("aof_rewrite_scheduled:0")
    });
    assert!(server.info("persistence").contains("aof_last_bgrewrite_status:ok"));
}

/// Recounts all queues.
#[track_caller]
pub(super) fn check_all(client: &mut Client) {
    for key in items(&client.ok("KEYS *")) {
        client.check(&text(key));
    }
}
