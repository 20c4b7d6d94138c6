//! Moving one batch of messages, each once.

use std::collections::HashMap;
use std::time::Duration;

use super::record::{Batch, MoveTaskFailure};
use crate::queues::carrier::{Carrier, Parcel, Waybill};
use crate::queues::reply::{self, Outlook};
use crate::queues::{
    Popped, QueueError, QueueName, ReceiptOutcome, ReceivedMessage, StoredMessage,
};

/// Bytes of one batch at most, unless a single message has more.
const BATCH_BYTES: u64 = 4 * 1_048_576;
/// How long a message stays out of sight before its batch is kept, in seconds.
const RECEIVED_SECONDS: u32 = 60;
/// The same: so long after its end a run's messages are in sight again.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// How long a message of a batch stays out of sight, in seconds: until whoever goes on has moved
/// it. Half of what a message can be in flight, since it was received a while ago already.
const HELD_SECONDS: u32 = 21_600;
/// Turns the uid of a queue into the one its moved messages are numbered under, which are others
/// than its dead letters.
const NAMESPACE: u64 = 0x6D6F_7665_2D74_736B;

/// A message on its way.
#[derive(Debug)]
pub(super) struct Passenger {
    pub(super) message: StoredMessage,
    pub(super) receipt: String,
    pub(super) number: u64,
}

/// What is known of a queue to move to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination {
    is_fifo: bool,
    /// The last number it took from us.
    pub(super) watermark: u64,
}

/// How a batch was moved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    /// Messages that were given back.
    pub(super) returned: usize,
    /// Why they were.
    pub(super) failure: Option<MoveTaskFailure>,
}

impl Delivery {
    pub(super) fn and(self, other: Self) -> Self {
        let returned = self.returned + other.returned;
        Self { returned, failure: self.failure.or(other.failure) }
    }
}

/// Moves messages out of one queue.
#[derive(Debug)]
pub(super) struct Ferry {
    carrier: Carrier,
    source: QueueName,
    is_fifo: bool,
    uid: String,
    known: HashMap<QueueName, Destination>,
}

impl Ferry {
    /// One for the queue `source` of that uid.
    pub(super) fn new(carrier: Carrier, source: QueueName, uid: &str, is_fifo: bool) -> Self {
        let uid = u64::from_str_radix(uid, 16).unwrap_or_default() ^ NAMESPACE;
        Self { carrier, source, is_fifo, uid: format!("{uid:016x}"), known: HashMap::new() }
    }

    /// Where a message goes. Errors: what makes the task fail.
    pub(super) fn destination(
        fixed: Option<&str>,
        source_arn: &str,
    ) -> Result<QueueName, MoveTaskFailure> {
        match fixed {
            Some(name) => QueueName::parse(name).ok_or(MoveTaskFailure::NoDestination),
            None if source_arn.is_empty() => Err(MoveTaskFailure::NoSource),
            None => QueueName::of_arn(source_arn).ok_or(MoveTaskFailure::NoDestination),
        }
    }

    /// What is known of a queue, after a look if need be.
    pub(super) async fn look_at(
        &mut self,
        queue: &QueueName,
    ) -> Result<Result<Destination, MoveTaskFailure>, QueueError> {
        if let Some(known) = self.known.get(queue) {
            return Ok(Ok(*known));
        }
        let Some(info) = self.carrier.info(queue).await? else {
            return Ok(Err(MoveTaskFailure::NoDestination));
        };
        if info.is_fifo != self.is_fifo {
            return Ok(Err(MoveTaskFailure::OtherType));
        }
        let watermark = info.watermarks.iter().find(|(uid, _)| *uid == self.uid);
        let watermark = watermark.map_or(0, |(_, number)| *number);
        let known = Destination { is_fifo: info.is_fifo, watermark };
        self.known.insert(queue.clone(), known);
        Ok(Ok(known))
    }

    /// Receives what is due.
    pub(super) async fn receive(&self, count: u32) -> Result<Popped, QueueError> {
        let mut command = self.carrier.command("KARIN.POPDUE", &self.source);
        command.arg("COUNT").arg(count).arg("MAXBYTES").arg(BATCH_BYTES);
        command.arg("VISIBILITY").arg(RECEIVED_SECONDS);
        let popped = reply::popped(self.carrier.call(&command).await?)?;
        self.carrier.table.popped(&self.source, Outlook::of(&popped));
        Ok(popped)
    }

    /// Receives chosen messages, as far as they are there and nobody else has them.
    pub(super) async fn receive_chosen(
        &self,
        sequences: &[u64],
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let mut command = self.carrier.command("KARIN.LEASE", &self.source);
        command.arg("VISIBILITY").arg(RECEIVED_SECONDS).arg("MAXBYTES").arg(BATCH_BYTES);
        command.arg(sequences);
        reply::leased(self.carrier.call(&command).await?)
    }

    /// The messages of a batch somebody kept, as far as they are still there.
    pub(super) async fn find(&self, batch: &Batch) -> Result<Vec<Passenger>, QueueError> {
        let mut found = Vec::with_capacity(batch.entries.len());
        for (number, (sequence, receipt)) in (batch.first..).zip(&batch.entries) {
            let mut command = self.carrier.command("KARIN.PEEK", &self.source);
            command.arg("AFTER").arg(sequence.saturating_sub(1)).arg("COUNT").arg(1);
            let messages = reply::peeked(self.carrier.call_idempotent(&command).await?)?;
            let message = messages.into_iter().find(|message| message.sequence == *sequence);
            let receipt = receipt.clone();
            found.extend(message.map(|message| Passenger { message, receipt, number }));
        }
        Ok(found)
    }

    /// Moves the messages of a batch that was kept, however far it was moved before. A queue that
    /// is missing does not get its messages; they are given back, and the task fails.
    ///
    /// Errors: nothing is known; the batch is to be moved again.
    pub(super) async fn deliver(
        &mut self,
        batch: &Batch,
        passengers: Vec<Passenger>,
    ) -> Result<Delivery, QueueError> {
        let held = self.hold(passengers).await?;
        let mut groups: Vec<(QueueName, Vec<&Passenger>)> = Vec::new();
        let mut delivery = Delivery::default();
        for passenger in &held {
            let source_arn = &passenger.message.source_arn;
            match Self::destination(batch.destination.as_deref(), source_arn) {
                Ok(queue) => match groups.iter_mut().find(|(other, _)| *other == queue) {
                    Some((_, group)) => group.push(passenger),
                    None => groups.push((queue, vec![passenger])),
                },
                Err(why) => delivery = delivery.and(self.turn_back(&[passenger], why).await?),
            }
        }
        for (queue, group) in groups {
            delivery = delivery.and(self.deliver_to(&queue, &group).await?);
        }
        Ok(delivery)
    }

    async fn deliver_to(
        &mut self,
        queue: &QueueName,
        group: &[&Passenger],
    ) -> Result<Delivery, QueueError> {
        let destination = match self.look_at(queue).await? {
            Ok(destination) => destination,
            Err(why) => return self.turn_back(group, why).await,
        };
        let waybill = Waybill { uid: &self.uid, is_fifo: destination.is_fifo, died_in: None };
        let load: Vec<Parcel<'_>> =
            group.iter().map(|p| Parcel { message: &p.message, number: p.number }).collect();
        let arrival = match self.carrier.bring(queue, waybill, &load).await {
            Err(QueueError::NoQueue) => {
                self.known.remove(queue);
                return self.turn_back(group, MoveTaskFailure::NoDestination).await;
            }
            arrival => arrival?,
        };
        let mut command = self.carrier.command("KARIN.ACK", &self.source);
        let arrived = group.iter().take(arrival.arrived);
        command.arg(arrived.map(|p| p.receipt.as_str()).collect::<Vec<_>>());
        if arrival.arrived > 0 {
            self.carrier.call(&command).await?;
        }
        arrival.refused.map_or(Ok(Delivery::default()), Err)
    }

    /// Keeps messages out of sight until they are moved. Those that are not ours any more are
    /// left out: they were moved and deleted, or came back and are somebody else's.
    async fn hold(&self, passengers: Vec<Passenger>) -> Result<Vec<Passenger>, QueueError> {
        if passengers.is_empty() {
            return Ok(passengers);
        }
        let mut command = self.carrier.command("KARIN.EXTEND", &self.source);
        command.arg("CURRENT");
        for passenger in &passengers {
            command.arg(&passenger.receipt).arg(HELD_SECONDS);
        }
        let answer = self.carrier.call_idempotent(&command).await?;
        let outcomes = reply::outcomes(answer, passengers.len())?;
        let is_ours = |outcome| matches!(outcome, ReceiptOutcome::Done | ReceiptOutcome::TooLong);
        let held = passengers.into_iter().zip(outcomes);
        Ok(held.filter(|(_, outcome)| is_ours(*outcome)).map(|(p, _)| p).collect())
    }

    /// Gives messages back because they cannot be moved.
    async fn turn_back(
        &self,
        group: &[&Passenger],
        why: MoveTaskFailure,
    ) -> Result<Delivery, QueueError> {
        let receipts: Vec<&str> = group.iter().map(|p| p.receipt.as_str()).collect();
        self.release(&receipts).await?;
        Ok(Delivery { returned: group.len(), failure: Some(why) })
    }

    /// Gives messages back as if they had not been received.
    pub(super) async fn release(&self, receipts: &[&str]) -> Result<(), QueueError> {
        if receipts.is_empty() {
            return Ok(());
        }
        let mut command = self.carrier.command("KARIN.RELEASE", &self.source);
        command.arg(receipts);
        self.carrier.call(&command).await?;
        self.carrier.table.with(|lines, now| lines.returned(&self.source, 0, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_where_the_task_says_or_back_to_where_it_died() {
        let arn = "arn:aws:sqs:eu-west-1:123456789012:orders";
        let name = |result: Result<QueueName, _>| result.map(|queue| queue.to_string());
        assert_eq!(name(Ferry::destination(Some("other"), arn)), Ok("other".to_owned()));
        assert_eq!(name(Ferry::destination(None, arn)), Ok("orders".to_owned()));
        assert_eq!(Ferry::destination(None, ""), Err(MoveTaskFailure::NoSource));
        assert_eq!(Ferry::destination(None, "arn:…"), Err(MoveTaskFailure::NoDestination));
    }
}
