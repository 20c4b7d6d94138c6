//! Who waits for which queue, and when to look there: a state machine that reads no clock.
//!
//! Each queue somebody waits for has a line. The first in line is woken when a message may be
//! due, takes what there is, and its answer ([`Lines::outlook`]) says when to wake the next. So
//! one message costs one POPDUE, however many wait.
//!
//! Hint numbers order what is heard on two connections: an answer that knows hint n already
//! counts what the hint n said. A hint is taken as stale only shortly after such an answer, and
//! never if its number is not above the last hint's: then the queue is another one of the same
//! name, which starts at 1.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::{QueueName, reply::Outlook};

/// How long the one who was woken has until the next one is: a wake-up must not get lost with
/// one who was busy elsewhere.
const WOKEN_GRACE: Duration = Duration::from_millis(100);
/// How much later than an answer a hint that the answer knew can still come in.
const CROSSING_MAX: Duration = Duration::from_secs(1);
/// When to look again after a POPDUE that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Nothing is awaited longer than this: what a line expects further away, the sweep tells anew.
const HORIZON: Duration = Duration::from_hours(24);

/// Whether hints for a queue arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscription {
    Wanted,
    Live,
}

/// One who waits, in the order of arrival.
pub(super) type Ticket = u64;

/// The line of one queue. `W` wakes one who waits.
#[derive(Debug)]
struct Line<W> {
    /// When a message may be due; past: somebody must look.
    due: Option<Instant>,
    /// Who looks at this moment, since when.
    woken: Option<(Ticket, Instant)>,
    waiting: BTreeMap<Ticket, W>,
    /// How many hold a ticket, waiting or not.
    tickets: usize,
    /// The highest number known, from hints and answers, and when it was noted.
    seen: (u64, Option<Instant>),
    /// The number of the last hint.
    hinted: u64,
    subscription: Subscription,
    /// Nobody had a ticket at the last sweep.
    idle: bool,
    /// What stands in the table's timers for this line.
    timer: Option<Instant>,
}

/// All lines. See the module's head.
#[derive(Debug)]
pub(super) struct Lines<W> {
    by_queue: HashMap<QueueName, Line<W>>,
    timers: BTreeSet<(Instant, QueueName)>,
    next_ticket: Ticket,
    woken: Vec<W>,
}

impl<W> Default for Lines<W> {
    fn default() -> Self {
        Self {
            by_queue: HashMap::new(),
            timers: BTreeSet::new(),
            next_ticket: 1,
            woken: Vec::new(),
        }
    }
}

impl<W> Lines<W> {
    /// Draws a ticket. `outlook` is the answer that made the caller wait, if there was one.
    pub(super) fn join(
        &mut self,
        queue: &QueueName,
        outlook: Option<Outlook>,
        now: Instant,
    ) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let line = self.by_queue.entry(queue.clone()).or_insert_with(|| {
            let mut line = Line::new();
            if let Some(outlook) = outlook {
                line.note(outlook, now);
            }
            line
        });
        line.tickets += 1;
        line.idle = false;
        self.settle(queue, now);
        ticket
    }

    /// Stands in line until woken.
    pub(super) fn wait(&mut self, queue: &QueueName, ticket: Ticket, waker: W, now: Instant) {
        if let Some(line) = self.by_queue.get_mut(queue) {
            line.waiting.insert(ticket, waker);
            self.settle(queue, now);
        }
    }

    /// Gives the ticket back.
    pub(super) fn leave(&mut self, queue: &QueueName, ticket: Ticket, turn: Turn, now: Instant) {
        if let Some(line) = self.by_queue.get_mut(queue) {
            line.tickets = line.tickets.saturating_sub(1);
            line.waiting.remove(&ticket);
            if turn == Turn::PassOn {
                line.woken.take_if(|(woken, _)| *woken == ticket);
            }
            self.settle(queue, now);
        }
    }

    /// A hint came: something is due in `in_ms`.
    pub(super) fn hint(&mut self, queue: &QueueName, number: u64, in_ms: u64, now: Instant) {
        let Some(line) = self.by_queue.get_mut(queue) else { return };
        let anew = number <= line.hinted;
        line.hinted = number;
        if !anew && number <= line.seen.0 && line.seen_lately(now) {
            return;
        }
        line.seen = (number, Some(now));
        line.sooner(later(now, in_ms));
        self.settle(queue, now);
    }

    /// A send of our own was accepted, deliverable after `delay_ms`.
    pub(super) fn sent(&mut self, queue: &QueueName, number: u64, delay_ms: u64, now: Instant) {
        let Some(line) = self.by_queue.get_mut(queue) else { return };
        if number <= line.seen.0 && line.seen_lately(now) {
            // The earliest time is as it was when the number was noted.
            return;
        }
        // Whose message raised the number is not known. If ours is due now, somebody looks now
        // and sees all; if later, the other's hint must still count, so the number stays.
        if delay_ms == 0 {
            line.seen = (number, Some(now));
        }
        line.sooner(later(now, delay_ms));
        self.settle(queue, now);
    }

    /// A message was made due in `delay_ms` by ourselves.
    pub(super) fn returned(&mut self, queue: &QueueName, delay_ms: u64, now: Instant) {
        if let Some(line) = self.by_queue.get_mut(queue) {
            line.sooner(later(now, delay_ms));
            self.settle(queue, now);
        }
    }

    /// A POPDUE or LIST answered. After a POPDUE whoever was woken has looked.
    pub(super) fn outlook(
        &mut self,
        queue: &QueueName,
        outlook: Outlook,
        by: Source,
        now: Instant,
    ) {
        if let Some(line) = self.by_queue.get_mut(queue) {
            line.note(outlook, now);
            if by == Source::Pop {
                line.woken = None;
            }
            self.settle(queue, now);
        }
    }

    /// There is no such queue; its successor starts at 1.
    pub(super) fn missing(&mut self, queue: &QueueName, now: Instant) {
        if let Some(line) = self.by_queue.get_mut(queue) {
            (line.due, line.woken, line.seen, line.hinted) = (None, None, (0, None), 0);
            self.settle(queue, now);
        }
    }

    /// A POPDUE failed.
    pub(super) fn failed(&mut self, queue: &QueueName, now: Instant) {
        if let Some(line) = self.by_queue.get_mut(queue) {
            line.woken = None;
            line.due = Some(now + RETRY_AFTER);
            self.settle(queue, now);
        }
    }

    /// The queue was deleted: all who wait for it shall hear of it.
    pub(super) fn deleted(&mut self, queue: &QueueName, now: Instant) {
        if let Some(line) = self.by_queue.get_mut(queue) {
            self.woken.extend(std::mem::take(&mut line.waiting).into_values());
        }
        self.missing(queue, now);
    }

    /// The subscriptions are gone, and with them the meaning of numbers.
    pub(super) fn forget(&mut self) {
        for line in self.by_queue.values_mut() {
            line.subscription = Subscription::Wanted;
            (line.seen, line.hinted) = ((0, None), 0);
        }
    }

    /// The queues that want a subscription.
    pub(super) fn unsubscribed(&self) -> Vec<QueueName> {
        let wanted = |line: &Line<W>| line.subscription == Subscription::Wanted;
        self.by_queue
            .iter()
            .filter(|(_, line)| wanted(line))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Their hints arrive from now on. What was due before nobody told, so somebody looks.
    pub(super) fn subscribed(&mut self, queues: &[QueueName], now: Instant) {
        for queue in queues {
            if let Some(line) = self.by_queue.get_mut(queue) {
                line.subscription = Subscription::Live;
                line.due = Some(now);
                self.settle(queue, now);
            }
        }
    }

    /// Whether there is any line.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_queue.is_empty()
    }

    /// Drops the lines nobody stood in since the last call. Returns their names.
    pub(super) fn tidy(&mut self) -> Vec<QueueName> {
        let unused = |line: &Line<W>| line.tickets == 0 && line.idle;
        let gone: Vec<QueueName> =
            self.by_queue.iter().filter(|(_, l)| unused(l)).map(|(name, _)| name.clone()).collect();
        for queue in &gone {
            if let Some(timer) = self.by_queue.remove(queue).and_then(|line| line.timer) {
                self.timers.remove(&(timer, queue.clone()));
            }
        }
        for line in self.by_queue.values_mut() {
            line.idle = line.tickets == 0;
        }
        gone
    }

    /// When [`Self::advance`] wants to be called.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Time has passed.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some((at, _)) = self.timers.first()
            && *at <= now
        {
            if let Some((_, queue)) = self.timers.pop_first() {
                if let Some(line) = self.by_queue.get_mut(&queue) {
                    line.timer = None;
                }
                self.settle(&queue, now);
            }
        }
    }

    /// Those to wake now.
    pub(super) fn take_woken(&mut self) -> Vec<W> {
        std::mem::take(&mut self.woken)
    }

    /// Wakes who is to be woken in one line and sets its timer.
    fn settle(&mut self, queue: &QueueName, now: Instant) {
        let Some(line) = self.by_queue.get_mut(queue) else { return };
        if line.due.is_some_and(|due| due <= now) {
            line.woken.take_if(|(_, since)| now >= *since + WOKEN_GRACE);
            if line.woken.is_none()
                && let Some((ticket, waker)) = line.waiting.pop_first()
            {
                line.woken = Some((ticket, now));
                self.woken.push(waker);
            }
        }
        let timer = line.timer();
        if line.timer != timer {
            if let Some(old) = line.timer {
                self.timers.remove(&(old, queue.clone()));
            }
            if let Some(new) = timer {
                self.timers.insert((new, queue.clone()));
            }
            line.timer = timer;
        }
    }
}

/// What becomes of the turn of one who leaves after being woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The next one is woken in place of this one.
    PassOn,
    /// This one is about to look.
    Keep,
}

/// What an outlook was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The minute's LIST.
    List,
    /// A POPDUE: somebody has looked.
    Pop,
}

impl<W> Line<W> {
    fn new() -> Self {
        Self {
            due: None,
            woken: None,
            waiting: BTreeMap::new(),
            tickets: 0,
            seen: (0, None),
            hinted: 0,
            subscription: Subscription::Wanted,
            idle: false,
            timer: None,
        }
    }

    fn note(&mut self, outlook: Outlook, now: Instant) {
        let due = outlook.next_ms.map(|ms| later(now, ms));
        if outlook.hint >= self.seen.0 || !self.seen_lately(now) {
            self.seen = (outlook.hint, Some(now));
            self.due = due;
        } else if let Some(due) = due {
            // The answer is older than the last hint; both may be right.
            self.sooner(due);
        }
    }

    fn sooner(&mut self, due: Instant) {
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
    }

    fn seen_lately(&self, now: Instant) -> bool {
        self.seen.1.is_some_and(|at| now.saturating_duration_since(at) < CROSSING_MAX)
    }

    /// When this line wants to be looked at, if anybody stands in it.
    fn timer(&self) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        let due = self.due?;
        Some(self.woken.map_or(due, |(_, since)| due.max(since + WOKEN_GRACE)))
    }
}

fn later(now: Instant, ms: u64) -> Instant {
    now + Duration::from_millis(ms).min(HORIZON)
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
