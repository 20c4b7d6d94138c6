//! The queues: every `KARIN.*` call, and waiting for messages.
//!
//! Nothing outside this folder knows Redis. Nothing is cached but due times (ARCHITECTURE,
//! "Waiting"): attributes are the module's business at each command.

pub mod attributes;
mod bulletin;
mod carrier;
mod client;
mod dead_letters;
mod hints;
mod history;
mod looking;
mod management;
mod map;
mod messages;
mod move_tasks;
mod naming;
mod pipeline;
mod redis_url;
mod redrive;
mod reply;
mod resp;
mod runs;
mod server;
mod snapshots;
mod statistics;
mod sweep;
mod table;
mod traffic;
mod types;
mod unclaimed;
mod waiting;

pub use bulletin::{Bulletin, Notice, TellError};
pub use carrier::ArnMaker;
pub use client::ConnectError;
pub(crate) use history::QueueNow;
pub use looking::{Peeked, Seen};
pub use move_tasks::{
    CHOSEN_MAX, MoveTask, MoveTaskFailure, MoveTaskStatus, MoveTasks, NewMoveTask,
};
pub use redis_url::RedisUrl;
pub use redrive::RedrivePolicy;
pub use runs::KeptRun;
pub use server::ServerInfo;
pub use snapshots::SNAPSHOT_BYTES_MAX;
pub(crate) use statistics::{QueueStatistics, RedisMemory, Statistics};
pub(crate) use traffic::QueueTraffic;
pub use types::*;

use std::{path::PathBuf, sync::Arc, time::Duration};

use redis::{Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use tokio::{sync::watch, task::JoinHandle};

use crate::shutdown::Shutdown;
use bulletin::Board;
use carrier::Carrier;
use client::Client;
use dead_letters::DeadLetters;
use hints::Listener;
use history::ServerClock;
use naming::Naming;
use sweep::Sweeper;
use table::Table;
use traffic::{CommandTimes, Present, Traffic};

/// Which Redis to talk to.
#[derive(Debug)]
pub enum RedisAddress {
    /// One that somebody else runs.
    Url(RedisUrl),
    /// Our own, on a Unix socket.
    Socket(PathBuf),
}

/// How to reach the queues.
#[derive(Debug)]
pub struct QueuesOptions {
    /// The Redis.
    pub address: RedisAddress,
    /// What stands before `{queue}` in a key.
    pub key_prefix: String,
    /// Where the module's file probably is, for the error that says it is not loaded.
    pub module: PathBuf,
    /// How queues are called where a dead letter says where it came from.
    pub arns: ArnMaker,
}

/// The queues of one Redis. Cheap to clone; all clones share one connection and one table of
/// waiters.
#[derive(Debug, Clone)]
pub struct Queues(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Arc<Client>,
    table: Arc<Table>,
    board: Arc<Board>,
    naming: Naming,
    dead_letters: Arc<DeadLetters>,
    clock: Arc<ServerClock>,
    swept: watch::Sender<u64>,
    traffic: Traffic,
    long_polls: Present,
    command_times: Arc<CommandTimes>,
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
}

impl Inner {
    /// Without a connection, and nothing running. Errors: [`ConnectError::Refused`].
    fn new(options: QueuesOptions, shutdown: Shutdown) -> Result<Self, ConnectError> {
        let refused = |error: &dyn std::fmt::Display| ConnectError::Refused(error.to_string());
        let target = connection_info(&options.address).map_err(|e| refused(&e))?;
        let command_times = Arc::<CommandTimes>::default();
        let times = Arc::clone(&command_times);
        let client = Arc::new(Client::new(target, remedy(&options.module), times));
        let table = Arc::new(Table::start().map_err(|e| refused(&e))?);
        let board = Arc::default();
        let naming = Naming::new(&options.key_prefix);
        let carrier = carrier(&client, &table, &naming);
        let dead_letters = Arc::new(DeadLetters::new(carrier, options.arns));
        Ok(Self {
            client,
            table,
            board,
            naming,
            dead_letters,
            clock: Arc::default(),
            swept: watch::Sender::default(),
            traffic: Traffic::default(),
            long_polls: Present::default(),
            command_times,
            shutdown,
            tasks: Vec::new(),
        })
    }

    fn carrier(&self) -> Carrier {
        carrier(&self.client, &self.table, &self.naming)
    }

    fn sweeper(&self) -> Sweeper {
        let dead_letters = Arc::clone(&self.dead_letters);
        Sweeper::new(self.carrier(), dead_letters, Arc::clone(&self.clock), self.swept.clone())
    }
}

fn carrier(client: &Arc<Client>, table: &Arc<Table>, naming: &Naming) -> Carrier {
    let (client, table, naming) = (Arc::clone(client), Arc::clone(table), naming.clone());
    Carrier { client, table, naming, pinned: None }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Queues {
    /// Connects. A Redis that is away is no error: calls fail until it comes.
    ///
    /// Errors: [`ConnectError::Refused`] if Redis answers and cannot do the work.
    pub async fn connect(options: QueuesOptions, shutdown: Shutdown) -> Result<Self, ConnectError> {
        let mut inner = Inner::new(options, shutdown)?;
        match inner.client.connect_first().await {
            Err(ConnectError::Away(why)) => tracing::warn!("no Redis yet: {why}"),
            result => result?,
        }
        let listener = Listener {
            client: Arc::clone(&inner.client),
            table: Arc::clone(&inner.table),
            board: Arc::clone(&inner.board),
            naming: inner.naming.clone(),
        };
        inner.tasks = vec![
            tokio::spawn(Arc::clone(&inner.client).keep()),
            tokio::spawn(listener.listen()),
            tokio::spawn(inner.sweeper().sweep()),
        ];
        Ok(Self(Arc::new(inner)))
    }

    /// Returns when the connection there is now, or the next one, was replaced by another: Redis
    /// may have been started anew, and have forgotten everything.
    pub async fn reconnected(&self) {
        let client = &self.0.client;
        let generation = client.up().await;
        client.left(generation).await;
        client.up().await;
    }

    /// What movers of messages need.
    fn carrier(&self) -> Carrier {
        self.0.carrier()
    }

    fn command(&self, name: &str, queue: &QueueName) -> Cmd {
        self.command_of_size(name, queue, 0)
    }

    /// With room for `content_bytes`, so that a large body is not moved again while it grows.
    fn command_of_size(&self, name: &str, queue: &QueueName, content_bytes: usize) -> Cmd {
        const ROOM_FOR_OPTIONS: usize = 256;
        const ARGUMENTS: usize = 10;
        let mut command = Cmd::with_capacity(ARGUMENTS, content_bytes + ROOM_FOR_OPTIONS);
        command.arg(name).arg(self.0.naming.key(queue));
        command
    }

    /// Lets the table know when a queue turns out to be gone.
    fn heard<T>(&self, queue: &QueueName, answer: Result<T, QueueError>) -> Result<T, QueueError> {
        if matches!(answer, Err(QueueError::NoQueue)) {
            self.0.table.with(|lines, now| lines.missing(queue, now));
        }
        answer
    }

    fn returned(&self, queue: &QueueName, delay: Duration) {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.0.table.with(|lines, now| lines.returned(queue, delay_ms, now));
    }
}

fn connection_info(address: &RedisAddress) -> redis::RedisResult<ConnectionInfo> {
    let info = match address {
        RedisAddress::Url(url) => url.expose().into_connection_info(),
        RedisAddress::Socket(path) => ConnectionAddr::Unix(path.clone()).into_connection_info(),
    }?;
    // Its name in CLIENT LIST costs a command that Redis 7.0 does not know and our minimal user may
    // not use.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

fn remedy(module: &std::path::Path) -> String {
    let module = std::path::absolute(module).unwrap_or_else(|_| module.to_owned());
    let module = module.display();
    format!(
        "put \"loadmodule {module}\" into its redis.conf and restart it, \
         or run: redis-cli MODULE LOAD {module}"
    )
}
