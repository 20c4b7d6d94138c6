//! The queues: every `KARIN.*` call, and waiting for messages.
//!
//! Nothing outside this folder knows Redis. Nothing is cached but due times (ARCHITECTURE,
//! "Waiting"): attributes are the module's business at each command.

pub mod attributes;
mod client;
mod gathering;
mod hints;
mod naming;
mod redis_url;
mod reply;
mod table;
mod types;
mod unclaimed;
mod waiting;

pub use client::ConnectError;
pub use redis_url::RedisUrl;
pub use types::*;

use std::{path::PathBuf, sync::Arc, time::Duration};

use redis::{Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};

use crate::shutdown::Shutdown;
use client::Client;
use naming::Naming;
use reply::Outlook;
use table::Table;
use unclaimed::Unclaimed;

/// What one RELEASE by holder gives back at most (docs/commands.md).
const RELEASE_HOLDER_PAGE: u64 = 1_000;
/// Queues of one LIST at most (docs/commands.md).
const LIST_PAGE_MAX: usize = 1_000;

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
}

/// The queues of one Redis. Cheap to clone; all clones share one connection and one table of
/// waiters.
#[derive(Debug, Clone)]
pub struct Queues(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Arc<Client>,
    table: Arc<Table>,
    naming: Naming,
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
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
        let refused = |error: &dyn std::fmt::Display| ConnectError::Refused(error.to_string());
        let target = connection_info(&options.address).map_err(|e| refused(&e))?;
        let client = Arc::new(Client::new(target, remedy(&options.module)));
        match client.connect_first().await {
            Err(ConnectError::Away(why)) => tracing::warn!("no Redis yet: {why}"),
            result => result?,
        }
        let table = Arc::new(Table::start().map_err(|e| refused(&e))?);
        let naming = Naming::new(&options.key_prefix);
        let tasks = vec![
            tokio::spawn(Arc::clone(&client).keep()),
            tokio::spawn(hints::listen(Arc::clone(&client), Arc::clone(&table), naming.clone())),
            tokio::spawn(hints::sweep(Arc::clone(&client), Arc::clone(&table), naming.clone())),
        ];
        Ok(Self(Arc::new(Inner { client, table, naming, shutdown, tasks })))
    }

    /// Makes a queue. Errors: [`QueueError::Exists`], [`QueueError::Attribute`].
    pub async fn create(
        &self,
        queue: &QueueName,
        attributes: &[(String, String)],
        tags: &[(String, String)],
    ) -> Result<(), QueueError> {
        let mut command = self.command("KARIN.CREATE", queue);
        for (name, value) in attributes {
            command.arg(name).arg(value);
        }
        for (name, value) in tags {
            command.arg("TAG").arg(name).arg(value);
        }
        self.0.client.call(&command).await?;
        self.0.table.with(|lines, now| lines.missing(queue, now));
        Ok(())
    }

    /// Attributes, tags and counts.
    pub async fn info(&self, queue: &QueueName) -> Result<QueueInfo, QueueError> {
        let command = self.command("KARIN.INFO", queue);
        reply::info(self.0.client.call_idempotent(&command).await?)
    }

    /// Names of queues under our key prefix that start with `prefix`, sorted by key, after
    /// `after`. Returns the page and whether more may follow.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<(Vec<QueueName>, bool), QueueError> {
        let naming = &self.0.naming;
        let mut names = Vec::new();
        let mut after = after.map(|name| format!("{}}}", naming.key_start(name)).into_bytes());
        while names.len() < count {
            let mut command = redis::cmd("KARIN.LIST");
            command.arg("PREFIX").arg(naming.key_start(prefix));
            command.arg("COUNT").arg((count - names.len()).min(LIST_PAGE_MAX));
            if let Some(after) = &after {
                command.arg("AFTER").arg(after);
            }
            let page = reply::page(self.0.client.call_idempotent(&command).await?)?;
            let keys = page.rows.into_iter().filter_map(|row| String::from_utf8(row.key).ok());
            names.extend(keys.filter_map(|key| naming.queue_of_key(&key)));
            match page.after {
                Some(next) => after = Some(next),
                None => return Ok((names, false)),
            }
        }
        Ok((names, true))
    }

    /// Sends one message; wakes who waits for it.
    pub async fn send(
        &self,
        queue: &QueueName,
        message: OutgoingMessage,
    ) -> Result<Sent, QueueError> {
        let size = message.body.len() + message.attributes.len();
        let mut command = self.command_of_size("KARIN.SEND", queue, size);
        command.arg(&*message.body);
        send_options(&mut command, &message);
        command.arg("NOMKQUEUE");
        let answer = self.0.client.call(&command).await;
        let (sent, hint) = self.heard(queue, answer).and_then(reply::sent)?;
        self.sent(queue, hint, message.delay_seconds);
        Ok(sent)
    }

    /// Sends several in one command; the results stand in the order of the messages.
    pub async fn send_batch(
        &self,
        queue: &QueueName,
        messages: Vec<OutgoingMessage>,
    ) -> Result<Vec<Result<Sent, QueueError>>, QueueError> {
        let size = messages.iter().map(|m| m.body.len() + m.attributes.len()).sum();
        let mut command = self.command_of_size("KARIN.SENDM", queue, size);
        command.arg(messages.len()).arg("NOMKQUEUE");
        for message in &messages {
            command.arg("MSG").arg(&*message.body);
            send_options(&mut command, message);
        }
        let answer = self.0.client.call(&command).await;
        let answer = self.heard(queue, answer)?;
        let (hint, results) = reply::sent_batch(answer, messages.len())?;
        let accepted = messages.iter().zip(&results).filter(|(_, result)| result.is_ok());
        if let Some(soonest) = accepted.map(|(m, _)| m.delay_seconds.unwrap_or(0)).min() {
            self.sent(queue, hint, Some(soonest));
        }
        Ok(results)
    }

    /// Takes what is due now and does not wait. Dropping the future gives back, uncounted, what
    /// was taken meanwhile.
    pub async fn pop_due(
        &self,
        queue: &QueueName,
        options: PopOptions,
    ) -> Result<Popped, QueueError> {
        let (sender, receiver) = oneshot::channel();
        let (queues, queue) = (self.clone(), queue.clone());
        tokio::spawn(async move {
            let result = queues.pop(&queue, options).await;
            // If nobody takes it, dropping it gives the messages back.
            let _ = sender.send(result.map(|popped| Unclaimed::new(queues, queue, popped)));
        });
        match receiver.await {
            Ok(result) => result.map(Unclaimed::claim),
            Err(_) => Err(QueueError::Unavailable("karin is stopping".to_owned())),
        }
    }

    /// Takes what is due; if nothing is, waits up to `wait` (`None`: the queue's
    /// ReceiveMessageWaitTimeSeconds) for something. Dropping the future gives back, uncounted,
    /// what was taken meanwhile.
    pub async fn receive(
        &self,
        queue: &QueueName,
        options: PopOptions,
        wait: Option<Duration>,
    ) -> Result<Popped, QueueError> {
        let start = Instant::now();
        let mut popped = self.pop_due(queue, options).await?;
        let wait = wait.unwrap_or(Duration::from_millis(popped.wait_ms));
        if !popped.messages.is_empty() || wait.is_zero() {
            return Ok(popped);
        }
        let deadline = start + wait;
        let place = self.0.table.join(queue, Some(Outlook::of(&popped)));
        while popped.messages.is_empty() {
            tokio::select! {
                () = place.woken() => popped = self.pop_due(queue, options).await?,
                () = tokio::time::sleep_until(deadline) => break,
                () = self.0.shutdown.requested() => break,
            }
        }
        Ok(popped)
    }

    /// Returns when a message of the queue may be due (or at once, if one is), for pollers that
    /// take their permit before they pop. Never returns for a queue that stays empty. May return
    /// too often, never too late. Dropping the future costs nothing.
    pub async fn due(&self, queue: &QueueName) {
        let place = self.0.table.join(queue, None);
        place.woken().await;
        place.keep_turn();
    }

    /// Deletes messages.
    pub async fn acknowledge(
        &self,
        queue: &QueueName,
        receipts: &[&str],
        demand: Demand,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let mut command = self.command("KARIN.ACK", queue);
        demand_option(&mut command, demand);
        command.arg(receipts);
        reply::outcomes(self.0.client.call_idempotent(&command).await?, receipts.len())
    }

    /// Makes messages due `seconds` from now (0: now), each (receipt, seconds).
    pub async fn extend(
        &self,
        queue: &QueueName,
        receipts: &[(&str, u32)],
        demand: Demand,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let mut command = self.command("KARIN.EXTEND", queue);
        demand_option(&mut command, demand);
        for (receipt, seconds) in receipts {
            command.arg(receipt).arg(seconds);
        }
        let answer = self.0.client.call_idempotent(&command).await?;
        if let Some(soonest) = receipts.iter().map(|(_, seconds)| *seconds).min() {
            self.returned(queue, soonest);
        }
        reply::outcomes(answer, receipts.len())
    }

    /// Gives messages back without counting their receive.
    pub async fn release(
        &self,
        queue: &QueueName,
        receipts: &[&str],
        delay_seconds: u32,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let mut command = self.command("KARIN.RELEASE", queue);
        if delay_seconds > 0 {
            command.arg("DELAY").arg(delay_seconds);
        }
        command.arg(receipts);
        let answer = self.0.client.call(&command).await?;
        self.returned(queue, delay_seconds);
        reply::outcomes(answer, receipts.len())
    }

    /// Gives back all that `holder` has in flight in the queue. Returns how many.
    pub async fn release_holder(&self, queue: &QueueName, holder: u32) -> Result<u64, QueueError> {
        let mut total = 0;
        loop {
            let mut command = self.command("KARIN.RELEASE", queue);
            command.arg("HOLDER").arg(holder);
            let released = reply::number(&self.0.client.call(&command).await?)?;
            total += released;
            if released > 0 {
                self.returned(queue, 0);
            }
            if released < RELEASE_HOLDER_PAGE {
                return Ok(total);
            }
        }
    }

    /// Drops all messages.
    pub async fn purge(&self, queue: &QueueName) -> Result<(), QueueError> {
        let command = self.command("KARIN.PURGE", queue);
        self.0.client.call_idempotent(&command).await.map(|_| ())
    }

    /// Deletes the queue with everything in it.
    pub async fn delete(&self, queue: &QueueName) -> Result<(), QueueError> {
        let command = self.command("UNLINK", queue);
        let deleted = reply::number(&self.0.client.call(&command).await?)?;
        self.0.table.with(|lines, now| lines.deleted(queue, now));
        if deleted == 0 { Err(QueueError::NoQueue) } else { Ok(()) }
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

    async fn pop(&self, queue: &QueueName, options: PopOptions) -> Result<Popped, QueueError> {
        let mut command = self.command("KARIN.POPDUE", queue);
        command.arg("COUNT").arg(options.count);
        if let Some(seconds) = options.visibility_timeout_seconds {
            command.arg("VISIBILITY").arg(seconds);
        }
        if let Some(bytes) = options.max_bytes {
            command.arg("MAXBYTES").arg(bytes);
        }
        if let Some(holder) = options.holder {
            command.arg("HOLDER").arg(holder);
        }
        let answer = self.0.client.call(&command).await.and_then(reply::popped);
        match &answer {
            Ok(popped) => self.0.table.popped(queue, Outlook::of(popped)),
            Err(QueueError::NoQueue) => {
                self.0.table.with(|lines, now| lines.missing(queue, now));
            }
            Err(_) => self.0.table.with(|lines, now| lines.failed(queue, now)),
        }
        answer
    }

    /// Lets the table know when a queue turns out to be gone.
    fn heard<T>(&self, queue: &QueueName, answer: Result<T, QueueError>) -> Result<T, QueueError> {
        if matches!(answer, Err(QueueError::NoQueue)) {
            self.0.table.with(|lines, now| lines.missing(queue, now));
        }
        answer
    }

    fn sent(&self, queue: &QueueName, hint: u64, delay_seconds: Option<u32>) {
        // Without a delay of its own the message has the queue's, which is not known here: to
        // look now is never too late.
        let delay_ms = u64::from(delay_seconds.unwrap_or(0)) * 1_000;
        self.0.table.with(|lines, now| lines.sent(queue, hint, delay_ms, now));
    }

    fn returned(&self, queue: &QueueName, delay_seconds: u32) {
        let delay_ms = u64::from(delay_seconds) * 1_000;
        self.0.table.with(|lines, now| lines.returned(queue, delay_ms, now));
    }
}

fn send_options(command: &mut Cmd, message: &OutgoingMessage) {
    command.arg("SIZE").arg(message.size_bytes);
    if let Some(seconds) = message.delay_seconds {
        command.arg("DELAY").arg(seconds);
    }
    if !message.attributes.is_empty() {
        command.arg("ATTRS").arg(&*message.attributes);
    }
}

fn demand_option(command: &mut Cmd, demand: Demand) {
    match demand {
        Demand::Any => {}
        Demand::Current => {
            command.arg("CURRENT");
        }
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
