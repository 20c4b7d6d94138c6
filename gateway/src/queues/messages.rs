//! Messages in and out of a queue.

use std::time::Duration;

use redis::Cmd;
use tokio::{sync::oneshot, time::Instant};

use super::{
    Demand, DropOutcome, OutgoingMessage, PopOptions, Popped, QueueError, QueueName, Queues,
    ReceiptOutcome, ReceivedMessage, Sent,
    pipeline::Large,
    reply::{self, Outlook},
    unclaimed::Unclaimed,
};

/// What one RELEASE by holder gives back at most (docs/commands.md).
const RELEASE_HOLDER_PAGE: u64 = 1_000;
/// What one REDRIVE gives back at most (docs/commands.md).
const REDRIVE_PAGE: u64 = 1_000;

/// A body of so many bytes goes to the socket on its own: below that a copy costs less than a
/// write more.
const LARGE_BYTES: usize = 64 * 1024;

impl Queues {
    /// Sends one message; wakes who waits for it.
    pub async fn send(
        &self,
        queue: &QueueName,
        message: OutgoingMessage,
    ) -> Result<Sent, QueueError> {
        let mut command = self.command_of_size("KARIN.SEND", queue, size_in_command(&message));
        let large = body_argument(&mut command, &message);
        send_options(&mut command, &message);
        command.arg("NOMKQUEUE");
        let answer = self.0.client.call_with(&command, large.as_slice()).await;
        let (sent, hint) = self.heard(queue, answer).and_then(reply::sent)?;
        self.sent(queue, hint, message.delay_seconds);
        self.0.traffic.sent(queue, 1);
        Ok(sent)
    }

    /// Sends several in one command; the results stand in the order of the messages.
    pub async fn send_batch(
        &self,
        queue: &QueueName,
        messages: Vec<OutgoingMessage>,
    ) -> Result<Vec<Result<Sent, QueueError>>, QueueError> {
        let size = messages.iter().map(size_in_command).sum();
        let mut command = self.command_of_size("KARIN.SENDM", queue, size);
        command.arg(messages.len()).arg("NOMKQUEUE");
        let mut large = Vec::new();
        for message in &messages {
            command.arg("MSG");
            large.extend(body_argument(&mut command, message));
            send_options(&mut command, message);
        }
        let answer = self.0.client.call_with(&command, &large).await;
        let answer = self.heard(queue, answer)?;
        let (hint, results) = reply::sent_batch(answer, messages.len())?;
        let accepted = messages.iter().zip(&results).filter(|(_, result)| result.is_ok());
        self.0.traffic.sent(queue, accepted.clone().count());
        if let Some(soonest) = accepted.map(|(m, _)| m.delay_seconds.unwrap_or(0)).min() {
            self.sent(queue, hint, Some(soonest));
        }
        Ok(results)
    }

    /// Takes what is due now and does not wait. Dropping the future gives back, uncounted, what
    /// was taken meanwhile, unless the attempt can be repeated.
    pub async fn pop_due(
        &self,
        queue: &QueueName,
        options: PopOptions,
    ) -> Result<Popped, QueueError> {
        let popped = self.take(queue, options).await?;
        self.0.traffic.popped(queue, &popped);
        Ok(popped)
    }

    async fn take(&self, queue: &QueueName, options: PopOptions) -> Result<Popped, QueueError> {
        let (sender, receiver) = oneshot::channel();
        let (queues, queue) = (self.clone(), queue.clone());
        let repeatable = options.attempt.is_some();
        tokio::spawn(async move {
            let result = queues.pop(&queue, options).await;
            let unclaimed = |popped| Unclaimed::new(queues, queue, popped, repeatable);
            // If nobody takes it, dropping it gives the messages back.
            let _ = sender.send(result.map(unclaimed));
        });
        match receiver.await {
            Ok(result) => result.map(Unclaimed::claim),
            Err(_) => Err(QueueError::Unavailable("karin is stopping".to_owned())),
        }
    }

    /// Takes what is due; if nothing is, waits up to `wait` (`None`: the queue's
    /// ReceiveMessageWaitTimeSeconds) for something. Dropping the future gives back, uncounted,
    /// what was taken meanwhile, unless the attempt can be repeated.
    pub async fn receive(
        &self,
        queue: &QueueName,
        options: PopOptions,
        wait: Option<Duration>,
    ) -> Result<Popped, QueueError> {
        let start = Instant::now();
        let mut popped = self.take(queue, options.clone()).await?;
        let wait = wait.unwrap_or(Duration::from_millis(popped.wait_ms));
        if popped.messages.is_empty() && !wait.is_zero() {
            self.wait_for(queue, options, start + wait, &mut popped).await?;
        }
        self.0.traffic.popped(queue, &popped);
        Ok(popped)
    }

    /// Waits until messages come, or for nothing until the deadline.
    async fn wait_for(
        &self,
        queue: &QueueName,
        options: PopOptions,
        deadline: Instant,
        popped: &mut Popped,
    ) -> Result<(), QueueError> {
        let _present = self.0.long_polls.enter();
        let place = self.0.table.join(queue, Some(Outlook::of(popped)));
        while popped.messages.is_empty() {
            tokio::select! {
                () = place.woken() => *popped = self.take(queue, options.clone()).await?,
                () = tokio::time::sleep_until(deadline) => break,
                () = self.0.shutdown.requested() => break,
            }
        }
        Ok(())
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
        let answer = self.0.client.call_idempotent(&command).await?;
        let outcomes = reply::outcomes(answer, receipts.len())?;
        self.0.traffic.deleted(queue, &outcomes);
        Ok(outcomes)
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
            self.returned(queue, seconds(soonest));
        }
        reply::outcomes(answer, receipts.len())
    }

    /// Makes received messages due after a delay, each (receipt, delay), but for those whose
    /// visibility was changed since: who is not due at `due_ms`. Only the current lease can.
    /// At most 1,000.
    pub async fn extend_unless_changed(
        &self,
        queue: &QueueName,
        receipts: &[(&str, Duration)],
        due_ms: u64,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let mut command = self.command("KARIN.EXTEND", queue);
        demand_option(&mut command, Demand::Current);
        command.arg("UNLESSCHANGED").arg(due_ms);
        for (receipt, delay) in receipts {
            // Never early: a part of a millisecond counts as a whole one.
            let ms = delay.as_nanos().div_ceil(1_000_000);
            command.arg(receipt).arg(format!("{}.{:03}", ms / 1_000, ms % 1_000));
        }
        let answer = self.0.client.call_idempotent(&command).await?;
        if let Some(soonest) = receipts.iter().map(|(_, delay)| *delay).min() {
            self.returned(queue, soonest);
        }
        reply::outcomes(answer, receipts.len())
    }

    /// Gives messages back without counting their receive. Only the current lease can.
    pub async fn release(
        &self,
        queue: &QueueName,
        receipts: &[&str],
        delay_seconds: u32,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let mut command = self.command("KARIN.RELEASE", queue);
        demand_option(&mut command, Demand::Current);
        if delay_seconds > 0 {
            command.arg("DELAY").arg(delay_seconds);
        }
        command.arg(receipts);
        let answer = self.0.client.call(&command).await?;
        self.returned(queue, seconds(delay_seconds));
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
                self.returned(queue, Duration::ZERO);
            }
            if released < RELEASE_HOLDER_PAGE {
                return Ok(total);
            }
        }
    }

    /// Deletes messages by their sequence numbers; those in flight only with `force`. The answers
    /// stand in the order of the numbers, at most 1,000.
    pub async fn drop_messages(
        &self,
        queue: &QueueName,
        sequences: &[u64],
        force: bool,
    ) -> Result<Vec<DropOutcome>, QueueError> {
        let mut command = self.command("KARIN.DROP", queue);
        if force {
            command.arg("FORCE");
        }
        command.arg(sequences);
        reply::drops(self.0.client.call_idempotent(&command).await?)
    }

    /// Receives the message of a sequence number, whoever's turn it is; `None`: it is in flight, a
    /// dead letter, or not there.
    pub async fn lease(
        &self,
        queue: &QueueName,
        sequence: u64,
        seconds: u32,
    ) -> Result<Option<ReceivedMessage>, QueueError> {
        let mut command = self.command("KARIN.LEASE", queue);
        command.arg("VISIBILITY").arg(seconds).arg(sequence);
        let leased = reply::leased(self.0.client.call(&command).await?)?;
        Ok(leased.into_iter().next())
    }

    /// Gives all letters of the dead list another life in the same queue. Returns how many.
    pub async fn revive(&self, queue: &QueueName) -> Result<u64, QueueError> {
        let mut total = 0;
        loop {
            let command = self.command("KARIN.REDRIVE", queue);
            let revived = reply::number(&self.0.client.call(&command).await?)?;
            total += revived;
            if revived > 0 {
                self.returned(queue, Duration::ZERO);
            }
            if revived < REDRIVE_PAGE {
                return Ok(total);
            }
        }
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
        if let Some(groups) = options.groups {
            command.arg("GROUPS").arg(groups);
        }
        if let Some(holder) = options.holder {
            command.arg("HOLDER").arg(holder);
        }
        if let Some(attempt) = &options.attempt {
            command.arg("ATTEMPT").arg(attempt);
        }
        let answer = self.0.client.call(&command).await.and_then(reply::popped);
        match &answer {
            Ok(popped) => {
                self.0.table.popped(queue, Outlook::of(popped));
                if popped.dead > 0 {
                    self.0.dead_letters.found(queue);
                }
            }
            Err(QueueError::NoQueue) => {
                self.0.table.with(|lines, now| lines.missing(queue, now));
            }
            Err(_) => self.0.table.with(|lines, now| lines.failed(queue, now)),
        }
        answer
    }

    fn sent(&self, queue: &QueueName, hint: u64, delay_seconds: Option<u32>) {
        // Without a delay of its own the message has the queue's, which is not known here: to
        // look now is never too late.
        let delay_ms = u64::from(delay_seconds.unwrap_or(0)) * 1_000;
        self.0.table.with(|lines, now| lines.sent(queue, hint, delay_ms, now));
    }
}

/// How many bytes of a message are copied into its command.
fn size_in_command(message: &OutgoingMessage) -> usize {
    let body = Some(message.body.len()).filter(|length| *length < LARGE_BYTES);
    message.attributes.len() + body.unwrap_or(0)
}

/// Adds the body, or an empty argument in the place of a large one.
fn body_argument(command: &mut Cmd, message: &OutgoingMessage) -> Option<Large> {
    let is_large = message.body.len() >= LARGE_BYTES;
    let place = command.args_iter().len();
    command.arg(if is_large { &[] } else { &*message.body });
    is_large.then(|| (place, message.body.clone()))
}

fn send_options(command: &mut Cmd, message: &OutgoingMessage) {
    command.arg("SIZE").arg(message.size_bytes);
    if let Some(seconds) = message.delay_seconds {
        command.arg("DELAY").arg(seconds);
    }
    if !message.attributes.is_empty() {
        command.arg("ATTRS").arg(&*message.attributes);
    }
    for (option, value) in [
        ("GROUP", &message.group),
        ("DEDUP", &message.deduplication_id),
        ("SHA256", &message.body_sha256),
    ] {
        if let Some(value) = value {
            command.arg(option).arg(value);
        }
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn demand_option(command: &mut Cmd, demand: Demand) {
    match demand {
        Demand::Any => {}
        Demand::Current => {
            command.arg("CURRENT");
        }
    }
}
