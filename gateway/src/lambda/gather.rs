//! Filling a batch: take what is due, until it is full, its window is over, or it is time to stop.
//!
//! Source: esm-contract §2; design §4, "Lambda side".

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::filter::Subject;
use crate::lambda::batch::{Batch, Fit, Held};
use crate::lambda::carried::{Carriage, Carried};
use crate::lambda::event::{EventSource, record};
use crate::lambda::invoke::{ANSWER_MARGIN, Target};
use crate::lambda::limits::Permits;
use crate::lambda::poller::Poller;
use crate::message_view::MessageView;
use crate::queues::{PopOptions, Popped, QueueError, ReceivedMessage};
use crate::shutdown::Shutdown;

/// What a lease has beyond the window and the function's timeout, counted from the start of the
/// pop: Lambda's cold start and the way there and back.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// What must be left of it beyond the timeout when a function starts: killing it takes a moment.
const START_MARGIN: Duration = Duration::from_secs(2);
/// A carried message is given back so long before its function would have to start: filling up
/// its batch takes a moment.
const CARRY_MARGIN: Duration = Duration::from_secs(1);
/// Who gathers goes on with less once so many messages wait to go alone.
const SUSPECTS_MAX: usize = 10;

/// From when to when messages are leased: when they were asked for, and when that ends at the
/// earliest.
#[derive(Debug, Clone, Copy)]
struct Leased {
    since: Instant,
    until: Instant,
}

/// What gathers for one mapping. There is one, so windows fill.
#[derive(Debug)]
pub(super) struct Gatherer {
    poller: Arc<Poller>,
    carriage: Carriage,
    /// Ends with the invocation that finds out whether the function can be invoked again.
    pub(super) probe: Option<oneshot::Receiver<()>>,
    /// A batch was given back because others had the function for too long. The next one goes
    /// without a window.
    in_haste: bool,
}

/// A batch in the making.
struct Gathering {
    batch: Batch,
    source: EventSource,
    /// `None`: there is no message yet.
    window_ends: Option<Instant>,
    filtered: Vec<ReceivedMessage>,
    /// To be given back.
    surplus: Vec<Held>,
}

impl Gatherer {
    pub(super) fn new(poller: Arc<Poller>) -> Self {
        let patience = poller.time_needed() + CARRY_MARGIN;
        Self { poller, carriage: Carriage::new(patience), probe: None, in_haste: false }
    }

    /// The next batch, never empty, with what it needs to run; `None` when it is time to stop.
    pub(super) async fn next(&mut self, stop: &Shutdown) -> Option<(Permits, Batch)> {
        loop {
            let permits = self.permits(stop).await?;
            match self.gather(permits, stop).await {
                Ok(Some(complete)) => return Some(complete),
                Ok(None) => {}
                Err(error) => self.poller.health.redis_failed(&self.poller.mapping, &error),
            }
        }
    }

    /// Gives back what is carried.
    pub(super) async fn give_back(&mut self) {
        self.poller.release(&self.carriage.take_all()).await;
    }

    /// Returns when a batch can be gathered: it may run, and something is there.
    async fn permits(&mut self, stop: &Shutdown) -> Option<Permits> {
        let poller = Arc::clone(&self.poller);
        let ready = poller.ready(self.probe.take(), self.carriage.is_empty());
        tokio::pin!(ready);
        loop {
            let expires = self.carriage.expires();
            tokio::select! {
                biased;
                () = stop.requested() => return None,
                permits = &mut ready => return Some(permits),
                () = until(expires) => self.release_expired().await,
            }
        }
    }

    async fn release_expired(&mut self) {
        let expired = self.carriage.take_expired(Instant::now());
        self.poller.release(&expired).await;
    }

    async fn gather(
        &mut self,
        mut permits: Permits,
        stop: &Shutdown,
    ) -> Result<Option<(Permits, Batch)>, QueueError> {
        let poller = Arc::clone(&self.poller);
        let mut gathering = Gathering::new(&poller);
        if !self.carriage.is_empty() {
            self.release_expired().await;
            if !self.take_suspect(&mut gathering) {
                gathering.window_ends = self.carriage.fill(&mut gathering.batch);
            }
        }
        while !gathering.batch.is_full() {
            // Others have the mapping; what is leased already can run.
            if gathering.window_ends.is_some() && !poller.licence.holds() {
                break;
            }
            let more = match self.take(&mut gathering).await {
                Ok(more) => more,
                Err(error) if gathering.batch.is_empty() => return Err(error),
                // What was gathered is leased and can run.
                Err(_) => break,
            };
            let Some(window_ends) = gathering.window_ends else {
                if self.take_suspect(&mut gathering) {
                    break;
                }
                if more == 0 || stop.is_requested() {
                    return Ok(None);
                }
                // All were filtered.
                continue;
            };
            if poller.is_fifo()
                || gathering.batch.is_full()
                || self.carriage.suspects() >= SUSPECTS_MAX
                || stop.is_requested()
            {
                break;
            }
            // Messages that come slowly must not use up the leases of the first ones.
            if more > 0 && Instant::now() + CARRY_MARGIN < poller.start_by(&gathering.batch) {
                continue;
            }
            if Instant::now() >= window_ends {
                break;
            }
            permits.lend();
            tokio::select! {
                () = poller.queues.due(&poller.mapping.queue) => {}
                () = tokio::time::sleep_until(window_ends.into()) => break,
                () = stop.requested() => break,
            }
        }
        if gathering.batch.is_empty() {
            // A FIFO queue's next message is one that no event can hold.
            return Ok(None);
        }
        Ok(self.complete(permits, gathering.batch, stop).await)
    }

    /// Makes one that goes alone the batch, which is empty.
    fn take_suspect(&mut self, gathering: &mut Gathering) -> bool {
        let Some(suspect) = self.carriage.take_suspect() else { return false };
        gathering.batch.push(suspect.held, suspect.record, suspect.lease_ends);
        gathering.batch.close();
        true
    }

    /// Takes what is due. Returns how many messages another pop would get.
    async fn take(&mut self, gathering: &mut Gathering) -> Result<u64, QueueError> {
        let poller = &self.poller;
        let (popped, leased) = poller.pop(&gathering.batch, gathering.window_ends).await?;
        poller.health.redis_answered();
        self.carriage.set_patience(poller.time_needed() + CARRY_MARGIN);
        let more = if popped.messages.is_empty() { 0 } else { popped.more };
        let window = if self.in_haste { Duration::ZERO } else { poller.window() };
        for message in popped.messages {
            gathering.sort(poller, message, leased, window, &mut self.carriage);
        }
        if !gathering.filtered.is_empty() {
            let filtered = std::mem::take(&mut gathering.filtered);
            poller.put_aside(&filtered).await;
        }
        let surplus = std::mem::take(&mut gathering.surplus);
        poller.release(&surplus).await;
        Ok(more)
    }

    /// Takes back the function, if it was lent; gives the batch back if that takes too long.
    async fn complete(
        &mut self,
        mut permits: Permits,
        batch: Batch,
        stop: &Shutdown,
    ) -> Option<(Permits, Batch)> {
        if !permits.are_lent() {
            self.in_haste = false;
            return Some((permits, batch));
        }
        let start_by = self.poller.start_by(&batch);
        let patience = start_by.checked_sub(CARRY_MARGIN).unwrap_or(start_by);
        tokio::select! {
            biased;
            () = self.poller.limits.regain(&mut permits) => {}
            () = stop.requested() => {}
            () = tokio::time::sleep_until(patience.into()) => {
                self.in_haste = true;
                self.poller.release(batch.messages()).await;
                return None;
            }
        }
        self.in_haste = false;
        Some((permits, batch))
    }
}

impl Gathering {
    fn new(poller: &Poller) -> Self {
        Self {
            batch: poller.new_batch(),
            source: poller.source(),
            window_ends: None,
            filtered: Vec::new(),
            surplus: Vec::new(),
        }
    }

    /// Finds a message its place: in the batch, in the carriage, with the filtered ones, or back in
    /// the queue. A FIFO queue's go back, since within a group nothing may overtake.
    fn sort(
        &mut self,
        poller: &Poller,
        message: ReceivedMessage,
        leased: Leased,
        window: Duration,
        carriage: &mut Carriage,
    ) {
        if poller.is_fifo() && self.batch.is_full() {
            return self.surplus.push(Held::new(&message, leased.since));
        }
        let view = MessageView::new(&message);
        let filters = &poller.mapping.filters;
        if !filters.is_empty() && !filters.accepts(&Subject::new(&message.id, &view)) {
            return self.filtered.push(message);
        }
        let record = record(&message, &view, &self.source);
        let fit = record.as_ref().map_or(Fit::Never, |record| self.batch.fit(record.len()));
        let (Some(record), Fit::Taken | Fit::Full) = (record, fit) else {
            // Left to its lease, as if the function had failed with it: its receives count.
            tracing::warn!(
                queue = %poller.mapping.queue, message_id = message.id, bytes = message.body.len(),
                "a message is larger than any event can be; it stays in the queue"
            );
            if poller.is_fifo() {
                self.batch.close();
            }
            return;
        };
        let is_suspect = poller.is_suspect(&message);
        let held = Held::new(&message, leased.since);
        let window_ends = self.window_ends.unwrap_or(leased.since + window);
        let ready = Carried { held, record, lease_ends: leased.until, window_ends };
        match (fit, is_suspect) {
            (Fit::Taken, false) => self.push(ready),
            _ if poller.is_fifo() => {
                if self.batch.is_empty() {
                    self.push(ready);
                } else {
                    self.surplus.push(ready.held);
                }
                self.batch.close();
            }
            (_, true) => carriage.add_suspect(ready),
            (_, false) => {
                self.batch.close();
                carriage.add(ready);
            }
        }
    }

    fn push(&mut self, ready: Carried) {
        self.window_ends = Some(ready.window_ends);
        self.batch.push(ready.held, ready.record, ready.lease_ends);
    }
}

impl Poller {
    async fn pop(
        &self,
        batch: &Batch,
        window_ends: Option<Instant>,
    ) -> Result<(Popped, Leased), QueueError> {
        let now = Instant::now();
        let window = window_ends.map_or(self.window(), |e| e.saturating_duration_since(now));
        let lease = window + self.lease_after_window(LEASE_MARGIN).await?;
        // Whole seconds, rounded up.
        let seconds = lease.as_secs() + u64::from(lease.subsec_nanos() > 0);
        let options = PopOptions {
            count: batch.wanted(),
            visibility_timeout_seconds: Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
            max_bytes: Some(batch.wanted_bytes()),
            groups: self.is_fifo().then_some(1),
            holder: self.holder(),
            attempt: None,
        };
        let popped = self.queues.pop_due(&self.mapping.queue, options).await?;
        match popped.messages.len() {
            0 => self.counters.empty_polls.one(),
            polled => self.counters.polled.add(polled),
        }
        Ok((popped, Leased { since: now, until: now + Duration::from_secs(seconds) }))
    }

    /// When the function must have started, so that it ends before its messages' leases do.
    pub(super) fn start_by(&self, batch: &Batch) -> Instant {
        let lease_ends = batch.first_lease_ends().unwrap_or_else(Instant::now);
        lease_ends.checked_sub(self.time_needed()).unwrap_or_else(Instant::now)
    }

    /// What must be left of a lease beyond the function's timeout when it starts.
    pub(super) fn start_margin(&self) -> Duration {
        match self.target {
            Target::Local(_) => START_MARGIN,
            // Lambda's cold start comes on top of the function's timeout.
            Target::Aws { .. } => ANSWER_MARGIN,
        }
    }

    /// Whether the function has failed with it so often that it goes alone.
    fn is_suspect(&self, message: &ReceivedMessage) -> bool {
        let isolate_after = self.mapping.options.isolate_after;
        self.mapping.batch_size > 1
            && isolate_after.is_some_and(|failures| message.receive_count > u64::from(failures))
    }

    fn is_fifo(&self) -> bool {
        self.mapping.queue.is_fifo()
    }

    /// A FIFO queue's batches have none.
    fn window(&self) -> Duration {
        if self.is_fifo() { Duration::ZERO } else { self.mapping.window }
    }

    fn source(&self) -> EventSource {
        let arn = self.mapping.source_arn.clone();
        EventSource::new(arn.unwrap_or_else(|| self.identity.queue_arn(&self.mapping.queue)))
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
