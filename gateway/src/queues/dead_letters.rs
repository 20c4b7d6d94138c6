//! Brings dead letters to the queues they are meant for.
//!
//! A letter stays in the dead list of its queue until it is in its target. Any number of gateways
//! may bring the same letters at once, and each may die at any time (see [`super::carrier`]).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::sleep};

use super::{
    QueueError, QueueInfo, QueueName, StoredMessage,
    carrier::{ArnMaker, Arrival, Carrier, Parcel, Waybill},
    redrive::{COUNT, POLICY, RedrivePolicy, TARGET},
    reply,
};

/// Letters of one batch at most.
const BATCH_LETTERS: usize = 100;
/// A batch of so many bytes gets no more letters. With the last page one has a few MiB more.
const BATCH_BYTES: usize = 2 * 1_048_576;
/// Letters read at once while their sizes are unknown: each may have a MiB.
const PAGE_MIN: usize = 4;
/// Letters read at once where the last ones were small.
const PAGE_MAX: usize = 25;
/// What "small" means: the bytes of a page.
const SMALL_PAGE_BYTES: usize = 65_536;
/// Letters one REDRIVE gives back at most (docs/commands.md).
const REDRIVE_PAGE: u64 = 1_000;
/// Queues whose letters are brought at the same time.
const QUEUES_AT_ONCE: usize = 8;
/// The first pause after a failure; each is twice the one before.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Who brings letters for which queue, and what for.
#[derive(Debug)]
pub(super) struct DeadLetters {
    carrier: Carrier,
    arns: ArnMaker,
    /// The queues somebody is busy with, and whether more letters were heard of since.
    busy: Mutex<HashMap<QueueName, More>>,
    places: Semaphore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Unheard,
    Heard,
}

impl DeadLetters {
    pub(super) fn new(carrier: Carrier, arns: ArnMaker) -> Self {
        let places = Semaphore::new(QUEUES_AT_ONCE);
        Self { carrier, arns, busy: Mutex::default(), places }
    }

    /// There are letters in this queue: somebody brings them, from now on.
    pub(super) fn found(self: &Arc<Self>, queue: &QueueName) {
        let mut busy = self.lock();
        if let Some(more) = busy.get_mut(queue) {
            *more = More::Heard;
            return;
        }
        busy.insert(queue.clone(), More::Unheard);
        drop(busy);
        tokio::spawn(Arc::clone(self).work(queue.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueName, More>> {
        // Nothing is left half done in it.
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(self: Arc<Self>, queue: QueueName) {
        let mut pause = RETRY_PAUSE_MIN;
        let mut told = false;
        loop {
            match self.bring_all(&queue).await {
                Ok(()) if self.is_done(&queue) => return,
                Ok(()) => pause = RETRY_PAUSE_MIN,
                Err(error) => {
                    // That Redis is away is told by the client.
                    let is_away = matches!(error, QueueError::Unavailable(_));
                    if !is_away && !told {
                        tracing::warn!(%queue, "dead letters have to wait: {error}");
                        told = true;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(RETRY_PAUSE_MAX);
                }
            }
        }
    }

    fn is_done(&self, queue: &QueueName) -> bool {
        let mut busy = self.lock();
        if busy.get(queue) == Some(&More::Heard) {
            busy.insert(queue.clone(), More::Unheard);
            return false;
        }
        busy.remove(queue);
        true
    }

    /// Brings all letters there are. Errors: some are still there, none is lost.
    async fn bring_all(&self, queue: &QueueName) -> Result<(), QueueError> {
        // It is never closed.
        let _place = self.places.acquire().await;
        let (carrier, source_arn) = (self.carrier.pin()?, self.arns.arn(queue));
        Mover { carrier, queue, source_arn }.bring_all().await
    }
}

/// Brings the letters of one queue, on one connection.
struct Mover<'a> {
    carrier: Carrier,
    queue: &'a QueueName,
    source_arn: String,
}

impl Mover<'_> {
    async fn bring_all(&self) -> Result<(), QueueError> {
        while let Some(source) = self.carrier.info(self.queue).await?.filter(|info| info.dead > 0) {
            let Some(arn) = source.attribute(TARGET) else {
                // The policy was taken away while they died.
                self.revive().await?;
                continue;
            };
            match self.target(arn, &source).await? {
                Some(target) => self.bring_some(&source, &target).await?,
                None => self.switch_off(&source, arn).await?,
            }
        }
        Ok(())
    }

    /// Where letters of `source` go, if that is a queue that can take them.
    async fn target(&self, arn: &str, source: &QueueInfo) -> Result<Option<QueueName>, QueueError> {
        let Some(target) = QueueName::of_arn(arn) else { return Ok(None) };
        let info = self.carrier.info(&target).await?;
        let fits = info.is_some_and(|info| info.is_fifo == source.is_fifo);
        Ok(fits.then_some(target))
    }

    async fn bring_some(&self, source: &QueueInfo, target: &QueueName) -> Result<(), QueueError> {
        let letters = self.read().await?;
        // The numbers belong to that queue, and not to one that was made under its name since.
        let same = self.carrier.info(self.queue).await?.is_some_and(|info| info.uid == source.uid);
        if letters.is_empty() || !same {
            return Ok(());
        }
        let numbered = letters.iter().map(|letter| (letter, letter.dead_number));
        let load: Vec<Parcel<'_>> =
            numbered.map(|(message, number)| Parcel { message, number }).collect();
        let died_in = Some(self.source_arn.as_str());
        let waybill = Waybill { uid: &source.uid, is_fifo: source.is_fifo, died_in };
        let Arrival { arrived, refused } = match self.carrier.bring(target, waybill, &load).await {
            // It was there a moment ago: look again.
            Err(QueueError::NoQueue) => return Ok(()),
            arrival => arrival?,
        };
        if let Some(last) = arrived.checked_sub(1).and_then(|last| load.get(last)) {
            let mut command = self.carrier.command("KARIN.DEADACK", self.queue);
            command.arg("UPTO").arg(last.number);
            self.carrier.call(&command).await?;
            tracing::debug!(queue = %self.queue, %target, count = arrived, "brought dead letters");
        }
        refused.map_or(Ok(()), Err)
    }

    /// The first letters, as many as make a batch.
    async fn read(&self) -> Result<Vec<StoredMessage>, QueueError> {
        let mut letters: Vec<StoredMessage> = Vec::new();
        let (mut bytes, mut count) = (0, PAGE_MIN);
        loop {
            let mut command = self.carrier.command("KARIN.DEAD", self.queue);
            let after = letters.last().map_or(0, |letter| letter.dead_number);
            command.arg("AFTER").arg(after).arg("COUNT").arg(count);
            let page = match self.carrier.call_idempotent(&command).await {
                Err(QueueError::NoQueue) => Vec::new(),
                answer => reply::letters(answer?)?,
            };
            let is_last = page.len() < count;
            let page_bytes: usize = page.iter().map(|m| m.body.len() + m.attributes.len()).sum();
            bytes += page_bytes;
            letters.extend(page);
            if is_last || bytes >= BATCH_BYTES || letters.len() + PAGE_MAX > BATCH_LETTERS {
                return Ok(letters);
            }
            count = if page_bytes <= SMALL_PAGE_BYTES { PAGE_MAX } else { PAGE_MIN };
        }
    }

    /// A letter whose target is missing must stay receivable where it is. CreateQueue of the
    /// target switches dying on again.
    ///
    /// Source: sqs-contract §5.3.
    async fn switch_off(&self, source: &QueueInfo, arn: &str) -> Result<(), QueueError> {
        if let Some(count) = source.attribute(COUNT) {
            let policy = source.attribute(POLICY);
            let mut command = self.carrier.command("KARIN.SET", self.queue);
            command.arg("IF").arg(TARGET).arg(arn).arg("IF").arg(COUNT).arg(count);
            command.arg(COUNT).arg("");
            if let (None, Ok(max_receive_count)) = (policy, count.parse()) {
                // Set with redis-cli; the count must not be forgotten.
                let policy =
                    RedrivePolicy { dead_letter_target_arn: arn.to_owned(), max_receive_count };
                for (name, value) in RedrivePolicy::attributes(Some(&policy)) {
                    if name == POLICY {
                        command.arg(name).arg(value);
                    }
                }
            }
            match self.carrier.call(&command).await {
                // Somebody has changed something: look again.
                Err(QueueError::Changed | QueueError::NoQueue) => return Ok(()),
                done => done?,
            };
            tracing::warn!(
                queue = %self.queue, target = arn,
                "the dead-letter queue is missing or of another type; until there is one, \
                 messages stay where they are"
            );
            // Made since it was looked for: whoever made it may have found nothing to switch on.
            if self.target(arn, source).await?.is_some() {
                let mut command = self.carrier.command("KARIN.SET", self.queue);
                command.arg("IF").arg(TARGET).arg(arn).arg("IF").arg(COUNT).arg("");
                command.arg(COUNT).arg(count);
                return match self.carrier.call(&command).await {
                    Err(QueueError::Changed | QueueError::NoQueue) => Ok(()),
                    done => done.map(|_| ()),
                };
            }
        }
        self.revive().await
    }

    /// Gives all letters back to the queue they died in, their receives counted.
    async fn revive(&self) -> Result<(), QueueError> {
        loop {
            let mut command = self.carrier.command("KARIN.REDRIVE", self.queue);
            command.arg("KEEPCOUNT");
            let revived = match self.carrier.call(&command).await {
                Err(QueueError::NoQueue) => 0,
                answer => reply::number(&answer?)?,
            };
            if revived > 0 {
                self.carrier.table.with(|lines, now| lines.returned(self.queue, 0, now));
            }
            if revived < REDRIVE_PAGE {
                return Ok(());
            }
        }
    }
}
