//! Bringing messages from one queue into another so that each arrives once.
//!
//! A message travels under a number of its source, and the target takes only numbers above the
//! last one it took from there (docs/commands.md, `FROM`). So bringing one twice is no harm, and
//! nobody has to know whether it arrived.
//!
//! All that belongs together, from reading a message and its number to deleting it where it was,
//! runs on one connection or not at all. So all of it stands in this order in the log of one
//! server, and a crash, a power loss or a failover can only cut it off at its end: never is a
//! message deleted that did not arrive, and never a number used that a promoted replica will give
//! to another message.

use std::sync::Arc;

use redis::Cmd;

use super::{
    QueueError, QueueInfo, QueueName, StoredMessage, client::Client, naming::Naming, reply,
    table::Table,
};

/// Makes the ARN of a queue, which the queues themselves know nothing about.
#[derive(Clone)]
pub struct ArnMaker(Arc<dyn Fn(&QueueName) -> String + Send + Sync>);

impl ArnMaker {
    /// One that asks `make`.
    pub fn new(make: impl Fn(&QueueName) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The queue's ARN.
    pub(super) fn arn(&self, queue: &QueueName) -> String {
        (self.0)(queue)
    }
}

impl std::fmt::Debug for ArnMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ArnMaker")
    }
}

/// What movers need of the queues.
#[derive(Debug, Clone)]
pub(super) struct Carrier {
    pub(super) client: Arc<Client>,
    pub(super) table: Arc<Table>,
    pub(super) naming: Naming,
    /// The connection everything runs on; `None`: whichever there is.
    pub(super) pinned: Option<u64>,
}

/// A message on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parcel<'a> {
    pub(super) message: &'a StoredMessage,
    /// Its number at its source.
    pub(super) number: u64,
}

/// How a load travels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waybill<'a> {
    /// The uid the numbers belong to, 16 hex digits.
    pub(super) uid: &'a str,
    /// Whether the target is a FIFO queue. Two messages that had one deduplication id both
    /// survive, so their message ids take its place (sqs-contract §8).
    pub(super) is_fifo: bool,
    /// The ARN of the queue they died in: they keep id, times and receive count. `None`: they
    /// arrive as new messages.
    pub(super) died_in: Option<&'a str>,
}

/// What became of a load.
#[derive(Debug)]
pub(super) struct Arrival {
    /// So many of the first ones are in the target, brought now or before.
    pub(super) arrived: usize,
    /// Why the next one is not.
    pub(super) refused: Option<QueueError>,
}

impl Carrier {
    /// One that works on the connection there is, and never on another. Errors: `Unavailable`,
    /// then and for every command once that connection is gone.
    pub(super) fn pin(&self) -> Result<Self, QueueError> {
        Ok(Self { pinned: Some(self.client.generation()?), ..self.clone() })
    }

    /// Runs a command once.
    pub(super) async fn call(&self, command: &Cmd) -> Result<redis::Value, QueueError> {
        match self.pinned {
            Some(generation) => self.client.call_on(generation, command).await,
            None => self.client.call(command).await,
        }
    }

    /// Runs a command that may run twice.
    pub(super) async fn call_idempotent(&self, command: &Cmd) -> Result<redis::Value, QueueError> {
        match self.pinned {
            Some(generation) => self.client.call_on(generation, command).await,
            None => self.client.call_idempotent(command).await,
        }
    }

    /// Runs commands in one transaction.
    pub(super) async fn transaction(
        &self,
        commands: Vec<Cmd>,
    ) -> Result<Vec<redis::Value>, QueueError> {
        self.client.transaction(self.pinned, commands).await
    }

    pub(super) fn command(&self, name: &str, queue: &QueueName) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(self.naming.key(queue));
        command
    }

    /// Attributes and counts; `None`: no such queue.
    pub(super) async fn info(&self, queue: &QueueName) -> Result<Option<QueueInfo>, QueueError> {
        match self.call_idempotent(&self.command("KARIN.INFO", queue)).await {
            Ok(answer) => reply::info(answer).map(Some),
            Err(QueueError::NoQueue) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Brings a load, in the order of its numbers. Errors: nothing is known of it.
    pub(super) async fn bring(
        &self,
        target: &QueueName,
        waybill: Waybill<'_>,
        load: &[Parcel<'_>],
    ) -> Result<Arrival, QueueError> {
        let bytes = load.iter().map(|p| p.message.body.len() + p.message.attributes.len()).sum();
        let mut command = Cmd::with_capacity(load.len() * ARGUMENTS_OF_A_PARCEL, bytes);
        command.arg("KARIN.SENDM").arg(self.naming.key(target)).arg(load.len()).arg("NOMKQUEUE");
        for parcel in load {
            add_parcel(&mut command, waybill, *parcel);
        }
        let (hint, results) = reply::sent_batch(self.call(&command).await?, load.len())?;
        if results.iter().any(Result::is_ok) {
            self.table.with(|lines, now| lines.sent(target, hint, 0, now));
        }
        let mut arrived = 0;
        for result in results {
            match result {
                Ok(_) | Err(QueueError::Moved { .. }) => arrived += 1,
                // What refuses one refuses all after it: sizes are not looked at, types are the
                // same, and a place among the deduplication ids does not become free meanwhile.
                Err(error) => return Ok(Arrival { arrived, refused: Some(error) }),
            }
        }
        Ok(Arrival { arrived, refused: None })
    }
}

/// About as many words and numbers as one message takes.
const ARGUMENTS_OF_A_PARCEL: usize = 20;

fn add_parcel(command: &mut Cmd, waybill: Waybill<'_>, Parcel { message, number }: Parcel<'_>) {
    // A queue takes what was accepted elsewhere, be it larger than its MaximumMessageSize: the
    // message would be lost, or stay where nobody can receive it.
    command.arg("MSG").arg(&*message.body).arg("SIZE").arg(0);
    if !message.attributes.is_empty() {
        command.arg("ATTRS").arg(&*message.attributes);
    }
    if !message.group.is_empty() {
        command.arg("GROUP").arg(&*message.group);
    }
    if waybill.is_fifo {
        command.arg("DEDUP").arg(&message.id);
    }
    command.arg("FROM").arg(waybill.uid).arg(number);
    let Some(died_in) = waybill.died_in else { return };
    command.arg("ID").arg(&message.id).arg("SOURCE").arg(died_in);
    command.arg("SENT").arg(message.sent_ms);
    if message.receive_count > 0 {
        command.arg("RECEIVED").arg(message.receive_count).arg(message.first_received_ms);
    }
}
