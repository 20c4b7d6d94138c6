//! When AWS is read.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::details::Details;
use super::{Reading, SyncError};
use crate::lambda::backoff::Backoff;

/// Shortest wait before AWS is asked again after a failure; the longest is the sync interval.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// How often functions without a mapping are asked about: each costs two calls of AWS's quota.
const DETAILS_INTERVAL: Duration = Duration::from_hours(1);

/// How soon AWS is read again while a mapping is being changed there, and how often in a row.
const HURRY: (Duration, u32) = (Duration::from_secs(10), 6);
/// Functions without a mapping of which is read before the catalog is renewed.
const DETAILS_AT_ONCE: usize = 100;

/// Who asked for a reading, and is told what came of it.
pub(in crate::lambda) type Asker = oneshot::Sender<Result<String, String>>;

/// When AWS is read, and what is being read.
#[derive(Debug)]
pub(in crate::lambda) struct Schedule {
    interval: Option<Duration>,
    next: Option<Instant>,
    failures: Backoff,
    /// Readings in a row that were due sooner.
    hurried: u32,
    reading: Option<JoinHandle<Result<Reading, SyncError>>>,
    details: Option<JoinHandle<Details>>,
    /// Functions that are to be asked about first.
    urgent: Vec<String>,
    /// The others, in lists of which each is one task.
    others: VecDeque<Vec<String>>,
    details_due: Option<Instant>,
    askers: Vec<Asker>,
    last: Option<(SystemTime, Result<String, String>)>,
}

/// What is to be done about AWS.
#[derive(Debug)]
pub(in crate::lambda) enum Due {
    /// It is time to read.
    ToRead,
    /// It was read, or not.
    WasRead(Result<Reading, SyncError>),
    /// It is time to read about these functions.
    ToAsk(Vec<String>),
    /// They were read about.
    WasTold(Details),
}

impl Schedule {
    /// At once, and then at this interval; `None`: never.
    pub(in crate::lambda) fn new(interval: Option<Duration>) -> Self {
        let longest = interval.unwrap_or(RETRY_MIN);
        Self {
            interval,
            next: interval.map(|_| Instant::now()),
            failures: Backoff::new(RETRY_MIN.min(longest), longest),
            hurried: 0,
            reading: None,
            details: None,
            urgent: Vec::new(),
            others: VecDeque::new(),
            details_due: None,
            askers: Vec::new(),
            last: None,
        }
    }

    /// Whether AWS is read at all.
    pub(in crate::lambda) fn is_on(&self) -> bool {
        self.interval.is_some()
    }

    /// Whether it is being read.
    pub(in crate::lambda) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// What came of the last reading, and when.
    pub(in crate::lambda) fn last(&self) -> Option<&(SystemTime, Result<String, String>)> {
        self.last.as_ref()
    }

    /// Somebody wants a reading now, of all there is.
    pub(in crate::lambda) fn ask(&mut self, asker: Asker) {
        self.askers.push(asker);
        self.details_due = None;
    }

    /// A reading has begun.
    pub(in crate::lambda) fn begun(&mut self, reading: JoinHandle<Result<Reading, SyncError>>) {
        self.reading = Some(reading);
    }

    /// It is to be asked about `urgent` functions, and now and then about `others`.
    pub(in crate::lambda) fn want_details(&mut self, urgent: Vec<String>, others: &[String]) {
        let now = Instant::now();
        self.urgent = urgent;
        if self.details_due.is_none_or(|due| due <= now) {
            self.details_due = Some(now + DETAILS_INTERVAL);
            self.others = others.chunks(DETAILS_AT_ONCE).map(<[String]>::to_vec).collect();
        }
    }

    /// Asking about functions has begun.
    pub(in crate::lambda) fn begun_asking(&mut self, details: JoinHandle<Details>) {
        self.details = Some(details);
    }

    /// Notes what came of a reading, and tells those who asked. A failure makes the next one due
    /// sooner than the interval has it.
    pub(in crate::lambda) fn ended(&mut self, result: Result<String, String>) {
        let wait = if result.is_ok() {
            self.failures.succeed();
            self.interval
        } else {
            self.failures.fail(None);
            self.interval.map(|_| self.failures.remaining())
        };
        self.next = wait.map(|wait| Instant::now() + wait);
        for asker in self.askers.drain(..) {
            let _left = asker.send(result.clone());
        }
        self.last = Some((SystemTime::now(), result));
    }

    /// Whether mappings are being changed on AWS, so that it is worth to read them again soon.
    pub(in crate::lambda) fn note_changes(&mut self, are_going_on: bool) {
        self.hurried = if are_going_on { self.hurried.saturating_add(1) } else { 0 };
        if (1..=HURRY.1).contains(&self.hurried) {
            self.next = self.next.map(|next| next.min(Instant::now() + HURRY.0));
        }
    }

    /// Returns when something is to be done.
    pub(in crate::lambda) async fn event(&mut self) -> Due {
        let next = self.next;
        let timer = async move {
            match next {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        let may_ask = self.details.is_none() && !(self.urgent.is_empty() && self.others.is_empty());
        let event = tokio::select! {
            read = ended(&mut self.reading) => Due::WasRead(
                read.unwrap_or_else(|error| Err(SyncError(error.to_string())))
            ),
            told = ended(&mut self.details) => Due::WasTold(told.unwrap_or_default()),
            () = timer, if self.reading.is_none() => Due::ToRead,
            () = std::future::ready(()), if may_ask => Due::ToAsk(self.take_names()),
        };
        match event {
            Due::WasRead(_) => self.reading = None,
            Due::WasTold(_) => self.details = None,
            Due::ToRead | Due::ToAsk(_) => {}
        }
        event
    }
}

impl Schedule {
    fn take_names(&mut self) -> Vec<String> {
        if self.urgent.is_empty() {
            return self.others.pop_front().unwrap_or_default();
        }
        std::mem::take(&mut self.urgent)
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
        }
        if let Some(details) = &self.details {
            details.abort();
        }
    }
}

async fn ended<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[tokio::test]
    async fn functions_of_mappings_come_first_and_the_others_once_an_hour_or_on_demand() {
        let mut schedule = Schedule::new(None);
        assert!(!schedule.is_on());
        schedule.want_details(names(&["a"]), &names(&["b"]));
        for expected in ["a", "b"] {
            let Due::ToAsk(asked) = schedule.event().await else { panic!("nothing due") };
            assert_eq!(asked, [expected]);
        }
        schedule.want_details(names(&["a"]), &names(&["b"]));
        assert_eq!((schedule.take_names(), schedule.take_names()), (names(&["a"]), vec![]));
        schedule.ask(oneshot::channel().0);
        schedule.want_details(vec![], &names(&["b"]));
        assert_eq!(schedule.take_names(), names(&["b"]));
    }

    #[tokio::test]
    async fn a_failure_makes_the_next_reading_due_sooner_and_tells_who_asked() {
        let mut schedule = Schedule::new(Some(Duration::from_hours(1)));
        assert!(matches!(schedule.event().await, Due::ToRead), "at start");
        let (asker, told) = oneshot::channel();
        schedule.ask(asker);
        schedule.ended(Err("away".into()));
        assert_eq!(told.await.unwrap(), Err("away".to_owned()));
        let wait = |schedule: &Schedule| schedule.next.unwrap() - Instant::now();
        assert!(wait(&schedule) <= RETRY_MIN);
        schedule.ended(Ok("fine".into()));
        assert!(wait(&schedule) > Duration::from_mins(59));
        assert_eq!(schedule.last().unwrap().1, Ok("fine".to_owned()));
    }

    #[test]
    fn while_a_mapping_changes_aws_is_read_sooner_but_not_for_ever() {
        let mut schedule = Schedule::new(Some(Duration::from_hours(1)));
        for number in 1..=HURRY.1 + 2 {
            schedule.ended(Ok(String::new()));
            schedule.note_changes(true);
            let soon = schedule.next.unwrap() <= Instant::now() + HURRY.0;
            assert_eq!(soon, number <= HURRY.1, "{number}");
        }
        schedule.note_changes(false);
        schedule.note_changes(true);
        assert!(schedule.next.unwrap() <= Instant::now() + HURRY.0);
    }
}
