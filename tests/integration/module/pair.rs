//! A master with a replica and append-only files, all of which must hold the same.

use karin_tests::redis::RedisServer;

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
        let arguments = [&SYNC_AT_ONCE[..], &files].concat();
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
        assert_eq!(client.integer("WAIT 1 10000"), 1);
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
    }

    /// Kills the master; the replica takes its place. A client of it.
    #[track_caller]
    pub(super) fn fail_over(&mut self) -> Client {
        assert_eq!(self.client().integer("WAIT 1 10000"), 1);
        self.master.kill();
        let mut client = Client::new(&self.replica);
        client.ok("REPLICAOF NO ONE");
        client
    }
}

/// Recounts all queues.
#[track_caller]
pub(super) fn check_all(client: &mut Client) {
    for key in items(&client.ok("KEYS *")) {
        client.check(&text(key));
    }
}
