//! The lines of [`super::waiting`], shared: a lock, a clock, a timer.
//!
//! The timer is a thread of its own that sleeps on a condition variable: tokio's timers count
//! whole milliseconds and round up twice, which would make every message that becomes due a
//! millisecond or two later than it need be. It wakes only when somebody waits for a time.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tokio::sync::{Notify, oneshot};

use super::{
    QueueName,
    reply::Outlook,
    waiting::{Lines, Source, Ticket, Turn},
};

type Waker = oneshot::Sender<()>;

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines<Waker>>,
    /// Told when the first timer became another one.
    timer: Condvar,
    /// Told when a line without a subscription exists.
    wanted: Notify,
    closed: AtomicBool,
}

/// The lines of all queues somebody waits for.
#[derive(Debug)]
pub(super) struct Table(Arc<Shared>);

/// A place in a queue's line; dropping it passes a wake-up on to the next.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    queue: QueueName,
    ticket: Ticket,
    turn: Turn,
}

impl Table {
    /// An empty table and its timer thread. Errors: the thread cannot be started.
    pub(super) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("karin-timer".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || ours.run_timer())?;
        Ok(Self(shared))
    }

    /// Changes the lines at this moment's time and wakes whom the change wakes.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Lines<Waker>, Instant) -> T) -> T {
        self.0.with(change)
    }

    /// Takes a place in the line of a queue; the line is made if there is none.
    pub(super) fn join(&self, queue: &QueueName, outlook: Option<Outlook>) -> Place {
        let ticket = self.with(|lines, now| lines.join(queue, outlook, now));
        self.0.wanted.notify_one();
        Place { shared: Arc::clone(&self.0), queue: queue.clone(), ticket, turn: Turn::PassOn }
    }

    /// A POPDUE answered.
    pub(super) fn popped(&self, queue: &QueueName, outlook: Outlook) {
        self.with(|lines, now| lines.outlook(queue, outlook, Source::Pop, now));
    }

    /// Returns queues that want a subscription, once there are any.
    pub(super) async fn wanted(&self) -> Vec<QueueName> {
        loop {
            let wanted = self.0.lock().unsubscribed();
            if !wanted.is_empty() {
                return wanted;
            }
            self.0.wanted.notified().await;
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        // The lock makes sure that the thread is either waiting or about to look at the flag.
        let _lines = self.0.lock();
        self.0.timer.notify_one();
    }
}

impl Place {
    /// Leaves to look: the next one is woken by the answer, not by the leaving.
    pub(super) fn keep_turn(mut self) {
        self.turn = Turn::Keep;
    }

    /// Returns when it is this one's turn to look. Each call stands in line at the same place.
    pub(super) async fn woken(&self) {
        let (waker, woken) = oneshot::channel();
        self.shared.with(|lines, now| lines.wait(&self.queue, self.ticket, waker, now));
        if woken.await.is_err() {
            // The line is gone, which cannot be while we hold a ticket; never spin on it.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.with(|lines, now| lines.leave(&self.queue, self.ticket, self.turn, now));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines<Waker>> {
        // No change leaves the lines half done, so a panic elsewhere does not spoil them.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Lines<Waker>, Instant) -> T) -> T {
        let (result, woken, sooner) = {
            let mut lines = self.lock();
            let before = lines.next_timer();
            let result = change(&mut lines, Instant::now());
            let after = lines.next_timer();
            let sooner = after.is_some_and(|after| before.is_none_or(|before| after < before));
            (result, lines.take_woken(), sooner)
        };
        if sooner {
            self.timer.notify_one();
        }
        wake(woken);
        result
    }

    fn run_timer(&self) {
        let mut lines = self.lock();
        while !self.closed.load(Ordering::Acquire) {
            let now = Instant::now();
            lines.advance(now);
            let woken = lines.take_woken();
            if !woken.is_empty() {
                drop(lines);
                wake(woken);
                lines = self.lock();
                continue;
            }
            lines = match lines.next_timer() {
                None => self.timer.wait(lines).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let pause = at.saturating_duration_since(Instant::now());
                    self.timer.wait_timeout(lines, pause).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// Outside of the lock: the woken may run at once. One who left meanwhile has passed it on.
fn wake(woken: Vec<Waker>) {
    for waker in woken {
        let _ = waker.send(());
    }
}
