//! The one connection all commands share.
//!
//! A keeper task holds it up. While Redis is away every call fails at once; nobody queues up
//! behind a dead server. No command is resent by itself once its bytes may have left, but for
//! those that change nothing when they run twice ([`Client::call_idempotent`]).

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, ConnectionAddr, ConnectionInfo, ServerError, Value, aio::PubSub};
use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    QueueError,
    pipeline::{Large, Lost, Pipeline},
    reply,
    traffic::CommandTimes,
};

/// How long a command may take before Redis counts as away (design §4).
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to connect, sign in and check, all together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The first pause between two attempts to connect; each is twice the one before.
const RECONNECT_PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest pause: how late a Redis that came back may be noticed.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long an idempotent command waits for the connection that broke under it to come back.
const RETRY_PATIENCE: Duration = Duration::from_millis(500);
/// How long a connection is silent before the system asks whether the other side is still there,
/// how often it asks, and how many questions may go unanswered: a minute in all.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
/// See [`KEEPALIVE_AFTER`].
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// See [`KEEPALIVE_AFTER`].
const KEEPALIVE_PROBES: u32 = 3;
/// The class of error with which a replica refuses to be written to.
const READ_ONLY: &str = "READONLY";

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Redis answers and will not do: trying again helps nobody before somebody changes it.
    #[error("{0}")]
    Refused(String),
    /// Redis does not answer, or not yet.
    #[error("{0}")]
    Away(String),
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

#[derive(Clone)]
enum Link {
    Up { connection: Pipeline, generation: u64 },
    Down { why: Arc<str> },
}

/// The shared connection. See the module's head.
pub(super) struct Client {
    target: ConnectionInfo,
    /// What to do about a missing module; part of that error's text.
    remedy: String,
    times: Arc<CommandTimes>,
    connections: AtomicU64,
    link: watch::Sender<Link>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("target", self.target.addr()).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(target: ConnectionInfo, remedy: String, times: Arc<CommandTimes>) -> Self {
        let (link, _) = watch::channel(Link::Down { why: "not connected yet".into() });
        Self { target, remedy, times, connections: AtomicU64::new(0), link }
    }

    /// Connects for the first time, so that a Redis that will not do is told at the start.
    pub(super) async fn connect_first(self: &Arc<Self>) -> Result<(), ConnectError> {
        let connection = self.connect(1).await?;
        self.warn_of_eviction(&connection).await;
        self.link.send_replace(Link::Up { connection, generation: 1 });
        Ok(())
    }

    /// Keeps the connection up, for ever.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut link = self.link.subscribe();
        let mut generation = 1;
        let mut pause = Duration::ZERO;
        loop {
            let since = Instant::now();
            // The sender is in `self`, so it cannot be gone.
            let _ = link.wait_for(|link| matches!(link, Link::Down { .. })).await;
            generation += 1;
            if since.elapsed() > RECONNECT_PAUSE_MAX {
                pause = Duration::ZERO;
            }
            let mut told = None;
            loop {
                // One that is lost as soon as it is made counts as an attempt that failed.
                sleep(pause).await;
                pause = (pause * 2).clamp(RECONNECT_PAUSE_MIN, RECONNECT_PAUSE_MAX);
                match self.connect(generation).await {
                    Ok(connection) => {
                        tracing::info!(redis = %self.target.addr(), "connected to Redis");
                        self.link.send_replace(Link::Up { connection, generation });
                        break;
                    }
                    Err(error) => {
                        let why: Arc<str> = error.to_string().into();
                        if told.as_ref() != Some(&why) {
                            tracing::warn!(redis = %self.target.addr(), "no Redis: {why}");
                        }
                        told = Some(Arc::clone(&why));
                        self.link.send_replace(Link::Down { why });
                    }
                }
            }
        }
    }

    /// Runs one command once. Errors: all of [`QueueError`]; `Unavailable` leaves open whether
    /// the command ran.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, QueueError> {
        self.attempt(command).await.map_err(Failure::into_error)
    }

    /// The same with arguments that are too large to be copied.
    pub(super) async fn call_with(
        &self,
        command: &Cmd,
        large: &[Large],
    ) -> Result<Value, QueueError> {
        let (connection, generation) = self.current().map_err(Failure::into_error)?;
        let answer = connection.call(command, large).await;
        self.judge(generation, answer).map_err(Failure::into_error)
    }

    /// Which connection there is. Errors: `Unavailable`.
    pub(super) fn generation(&self) -> Result<u64, QueueError> {
        self.current().map(|(_, generation)| generation).map_err(Failure::into_error)
    }

    /// Runs one command once, on the connection of that generation or not at all. Errors:
    /// `Unavailable` also if that connection is gone.
    pub(super) async fn call_on(&self, ours: u64, command: &Cmd) -> Result<Value, QueueError> {
        let link = self.current_if(Some(ours)).map_err(Failure::into_error)?;
        self.attempt_on(link, command).await.map_err(Failure::into_error)
    }

    /// Runs commands in one transaction, once, on the connection of that generation if one is
    /// given. Errors: as [`Client::call`]; if one command is refused when the transaction runs,
    /// the others may have had their effect.
    pub(super) async fn transaction(
        &self,
        ours: Option<u64>,
        commands: Vec<Cmd>,
    ) -> Result<Vec<Value>, QueueError> {
        let mut all = vec![redis::cmd("MULTI")];
        all.extend(commands);
        all.push(redis::cmd("EXEC"));
        let (connection, generation) = self.current_if(ours).map_err(Failure::into_error)?;
        let executed = match connection.call_all(&all).await {
            Ok(mut answers) => {
                let executed = answers.pop().unwrap_or(Value::Nil);
                match answers.iter().find_map(refusal).cloned() {
                    // It was refused before the transaction began, for lack of memory perhaps.
                    Some(error) if error.code() != READ_ONLY => {
                        return Err(QueueError::Full(words(&error)));
                    }
                    Some(error) => Ok(Value::ServerError(error)),
                    None => Ok(executed),
                }
            }
            Err(lost) => Err(lost),
        };
        match self.judge(generation, executed).map_err(Failure::into_error)? {
            Value::Array(answers) => match answers.iter().find_map(refusal) {
                Some(error) => Err(reply::error(error)),
                None => Ok(answers),
            },
            _ => Err(QueueError::Unexpected("no answers to a transaction".to_owned())),
        }
    }

    /// Runs a command that may run twice: if the connection breaks under it, once more.
    pub(super) async fn call_idempotent(&self, command: &Cmd) -> Result<Value, QueueError> {
        match self.attempt(command).await {
            Err(Failure::Broken(error)) => {
                if timeout(RETRY_PATIENCE, self.up()).await.is_err() {
                    return Err(error);
                }
                self.call(command).await
            }
            result => result.map_err(Failure::into_error),
        }
    }

    /// Waits until there is a connection. Returns its generation.
    pub(super) async fn up(&self) -> u64 {
        let mut link = self.link.subscribe();
        loop {
            if let Link::Up { generation, .. } = *link.borrow_and_update() {
                return generation;
            }
            // The sender is in `self`, so it cannot be gone.
            let _ = link.changed().await;
        }
    }

    /// Waits until the connection of that generation is gone.
    pub(super) async fn left(&self, ours: u64) {
        let is_other = |link: &Link| match link {
            Link::Up { generation, .. } => *generation != ours,
            Link::Down { .. } => true,
        };
        let _ = self.link.subscribe().wait_for(is_other).await;
    }

    /// Whether there is a connection.
    pub(super) fn is_up(&self) -> bool {
        matches!(*self.link.borrow(), Link::Up { .. })
    }

    /// How often Redis was connected to.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// The number of the database.
    pub(super) fn database(&self) -> i64 {
        self.target.redis_settings().db()
    }

    /// A connection of its own for subscriptions.
    pub(super) async fn subscriber(&self) -> Result<PubSub, String> {
        let connect = async {
            let socket = self.open().await.map_err(|e| e.to_string())?;
            PubSub::new(self.target.redis_settings(), socket).await.map_err(|e| e.to_string())
        };
        timeout(CONNECT_TIMEOUT, connect).await.unwrap_or_else(|_| Err("no answer".to_owned()))
    }

    async fn attempt(&self, command: &Cmd) -> Result<Value, Failure> {
        self.attempt_on(self.current()?, command).await
    }

    /// The connection there is.
    fn current(&self) -> Result<(Pipeline, u64), Failure> {
        match &*self.link.borrow() {
            Link::Up { connection, generation } => Ok((connection.clone(), *generation)),
            Link::Down { why } => Err(Failure::Final(QueueError::Unavailable(why.to_string()))),
        }
    }

    /// The connection there is, if it is that of this generation or any will do.
    fn current_if(&self, ours: Option<u64>) -> Result<(Pipeline, u64), Failure> {
        let link = self.current()?;
        match ours {
            Some(ours) if ours != link.1 => {
                let why = "the connection is another one".to_owned();
                Err(Failure::Final(QueueError::Unavailable(why)))
            }
            _ => Ok(link),
        }
    }

    async fn attempt_on(
        &self,
        (connection, generation): (Pipeline, u64),
        command: &Cmd,
    ) -> Result<Value, Failure> {
        let answer = connection.call(command, &[]).await;
        self.judge(generation, answer)
    }

    /// What an answer on that connection means, for the connection too.
    fn judge(&self, generation: u64, answer: Result<Value, Lost>) -> Result<Value, Failure> {
        match answer {
            Ok(Value::ServerError(error)) if error.code() == READ_ONLY => {
                // After a failover the same address may lead to the new master.
                self.lost(generation, "it is a read-only replica");
                Err(Failure::Broken(reply::error(&error)))
            }
            Ok(Value::ServerError(error)) => Err(Failure::Final(reply::error(&error))),
            Ok(value) => Ok(value),
            Err(lost) => {
                self.lost(generation, &lost.to_string());
                let error = QueueError::Unavailable(lost.to_string());
                Err(match lost {
                    Lost::Broken(_) => Failure::Broken(error),
                    Lost::Silent(_) => Failure::Final(error),
                })
            }
        }
    }

    /// Notes that the connection of that generation is gone; the keeper makes another.
    fn lost(&self, ours: u64, why: &str) {
        self.link.send_if_modified(|link| {
            let is_ours = matches!(link, Link::Up { generation, .. } if *generation == ours);
            if is_ours {
                let redis = self.target.addr();
                tracing::warn!(%redis, "the connection to Redis is gone: {why}");
                *link = Link::Down { why: why.into() };
            }
            is_ours
        });
    }

    async fn connect(self: &Arc<Self>, generation: u64) -> Result<Pipeline, ConnectError> {
        timeout(CONNECT_TIMEOUT, self.connect_untimed(generation)).await.unwrap_or_else(|_| {
            let target = self.target.addr();
            Err(ConnectError::Away(format!("{target} does not answer within {CONNECT_TIMEOUT:?}")))
        })
    }

    async fn connect_untimed(self: &Arc<Self>, generation: u64) -> Result<Pipeline, ConnectError> {
        let socket = self.open().await.map_err(|error| self.away(&error))?;
        let client: Weak<Self> = Arc::downgrade(self);
        let connection =
            Pipeline::start(socket, RESPONSE_TIMEOUT, Arc::clone(&self.times), move |why| {
                if let Some(client) = client.upgrade() {
                    client.lost(generation, &why.to_string());
                }
            });
        self.sign_in(&connection).await?;
        self.check(&connection).await?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        Ok(connection)
    }

    /// User, password and database, where the URL has them.
    async fn sign_in(&self, connection: &Pipeline) -> Result<(), ConnectError> {
        let settings = self.target.redis_settings();
        if let Some(password) = settings.password() {
            let mut command = redis::cmd("AUTH");
            command.arg(settings.username()).arg(password);
            if let Err(error) = self.ask(connection, &command).await? {
                return Err(ConnectError::Refused(format!(
                    "the Redis at {} does not accept the user or password: {}",
                    self.target.addr(),
                    words(&error)
                )));
            }
        }
        if settings.db() != 0 {
            let mut command = redis::cmd("SELECT");
            command.arg(settings.db());
            self.ask(connection, &command).await?.map_err(|error| self.away(&words(&error)))?;
        }
        Ok(())
    }

    /// Runs a command of the beginning.
    async fn ask(
        &self,
        connection: &Pipeline,
        command: &Cmd,
    ) -> Result<Result<Value, ServerError>, ConnectError> {
        match connection.call(command, &[]).await {
            Ok(Value::ServerError(error)) => Ok(Err(error)),
            Ok(value) => Ok(Ok(value)),
            Err(lost) => Err(self.away(&lost)),
        }
    }

    fn away(&self, why: &dyn std::fmt::Display) -> ConnectError {
        ConnectError::Away(format!("{}: {why}", self.target.addr()))
    }

    async fn open(&self) -> std::io::Result<Box<dyn Socket>> {
        match self.target.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                // A subscription only listens, and would never hear that the other side is gone.
                set_socket_keepalive(&stream, true)?;
                set_tcp_keepidle(&stream, KEEPALIVE_AFTER)?;
                set_tcp_keepintvl(&stream, KEEPALIVE_INTERVAL)?;
                set_tcp_keepcnt(&stream, KEEPALIVE_PROBES)?;
                Ok(Box::new(stream))
            }
            ConnectionAddr::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            _ => Err(std::io::Error::other("TLS is not supported by this version")),
        }
    }

    /// Whether this Redis can do the work: asked with a command a minimal user has anyway.
    async fn check(&self, connection: &Pipeline) -> Result<(), ConnectError> {
        let target = self.target.addr();
        let mut command = redis::cmd("KARIN.LIST");
        command.arg("COUNT").arg(1);
        let Err(error) = self.ask(connection, &command).await? else { return Ok(()) };
        let details = error.details().unwrap_or_default();
        match error.code() {
            "ERR" if details.starts_with("unknown command") => Err(ConnectError::Refused(format!(
                "the Redis at {target} has not loaded karin's module; {}",
                self.remedy
            ))),
            code @ ("NOAUTH" | "NOPERM" | "WRONGPASS") => Err(ConnectError::Refused(format!(
                "the Redis at {target} does not let us in: {code} {details}"
            ))),
            _ => Err(self.away(&words(&error))),
        }
    }

    /// A policy that evicts any key would evict whole queues.
    async fn warn_of_eviction(&self, connection: &Pipeline) {
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        // A minimal user may not ask; then there is nothing to say.
        let Ok(Value::BulkString(info)) = connection.call(&command, &[]).await else {
            return;
        };
        let info = String::from_utf8_lossy(&info);
        let policy = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
        if let Some(policy) = policy.filter(|policy| policy.starts_with("allkeys")) {
            tracing::warn!(
                policy,
                "this Redis deletes keys, and so whole queues, when its memory is full; \
                 run CONFIG SET maxmemory-policy noeviction"
            );
        }
    }
}

/// What an error says, its class first.
fn words(error: &ServerError) -> String {
    format!("{} {}", error.code(), error.details().unwrap_or_default())
}

fn refusal(value: &Value) -> Option<&ServerError> {
    match value {
        Value::ServerError(error) => Some(error),
        _ => None,
    }
}

/// A call that failed.
enum Failure {
    /// The connection broke under the command, or leads to the wrong server.
    Broken(QueueError),
    /// Trying again at once is of no use.
    Final(QueueError),
}

impl Failure {
    fn into_error(self) -> QueueError {
        match self {
            Self::Broken(error) | Self::Final(error) => error,
        }
    }
}
