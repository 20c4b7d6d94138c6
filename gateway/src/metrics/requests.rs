//! Requests: how many of each action, how they ended, and how long they took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::histogram::{Distribution, Histogram, LATENCY_BOUNDS_US};

/// What stands for an action nobody knows.
const UNKNOWN: &str = "-";
/// The code of a request that was served.
const OK: &str = "OK";

/// The requests of one API. A request that is served costs three additions.
#[derive(Debug)]
pub(crate) struct Requests {
    api: &'static str,
    /// One for each action, and one for all others.
    actions: Box<[Counted]>,
}

#[derive(Debug)]
struct Counted {
    action: &'static str,
    served: AtomicU64,
    /// By their codes, of which there are few.
    refused: Mutex<Vec<(&'static str, u64)>>,
    durations: Histogram<{ LATENCY_BOUNDS_US.len() }>,
}

/// What is known of one action's requests.
#[derive(Debug, Clone)]
pub(crate) struct ActionRequests {
    /// The API.
    pub(crate) api: &'static str,
    /// The action; `-` for what is none.
    pub(crate) action: &'static str,
    /// How many ended with each code.
    pub(crate) codes: Vec<(&'static str, u64)>,
    /// How long they took, in microseconds.
    pub(crate) durations: Distribution,
}

impl Requests {
    /// None yet, of these actions.
    pub(crate) fn new(api: &'static str, actions: impl IntoIterator<Item = &'static str>) -> Self {
        let actions = actions.into_iter().chain([UNKNOWN]).map(Counted::new).collect();
        Self { api, actions }
    }

    /// One was answered; `action` is its place among the actions of [`Requests::new`], `refused`
    /// the code if it was not served.
    pub(crate) fn answered(
        &self,
        action: Option<usize>,
        refused: Option<&'static str>,
        took: Duration,
    ) {
        let last = self.actions.len().saturating_sub(1);
        let Some(counted) = self.actions.get(action.unwrap_or(last).min(last)) else { return };
        counted.durations.add_us(took);
        match refused {
            None => {
                counted.served.fetch_add(1, Ordering::Relaxed);
            }
            Some(code) => counted.refuse(code),
        }
    }

    /// The same where only the action's name is known.
    pub(crate) fn answered_by_name(
        &self,
        action: &str,
        refused: Option<&'static str>,
        took: Duration,
    ) {
        let place = self.actions.iter().position(|counted| counted.action == action);
        self.answered(place, refused, took);
    }

    /// What is known of each action that was asked for.
    pub(crate) fn read(&self) -> Vec<ActionRequests> {
        let read = self.actions.iter().map(|counted| counted.read(self.api));
        read.filter(|action| action.durations.count() > 0).collect()
    }
}

impl Counted {
    fn new(action: &'static str) -> Self {
        let durations = Histogram::new(&LATENCY_BOUNDS_US);
        Self { action, served: AtomicU64::new(0), refused: Mutex::default(), durations }
    }

    fn refuse(&self, code: &'static str) {
        let mut refused = self.refused();
        match refused.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => refused.push((code, 1)),
        }
    }

    fn read(&self, api: &'static str) -> ActionRequests {
        let mut codes = vec![(OK, self.served.load(Ordering::Relaxed))];
        codes.extend(self.refused().iter().copied());
        ActionRequests { api, action: self.action, codes, durations: self.durations.read() }
    }

    fn refused(&self) -> MutexGuard<'_, Vec<(&'static str, u64)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::request::Action;

    #[test]
    fn an_actions_number_is_its_place_among_all() {
        let numbers = Action::ALL.map(|action| action as usize);
        assert_eq!(numbers.to_vec(), (0..Action::ALL.len()).collect::<Vec<_>>());
    }

    #[test]
    fn requests_are_counted_by_action_and_code() {
        let requests = Requests::new("sqs", ["A", "B"]);
        let took = Duration::from_millis(3);
        requests.answered(Some(1), None, took);
        requests.answered_by_name("B", Some("Broken"), took);
        requests.answered(Some(1), Some("Broken"), took);
        requests.answered(None, Some("Unknown"), took);
        requests.answered_by_name("C", Some("Unknown"), took);
        let read = requests.read();
        assert_eq!(read.len(), 2, "nobody asked for A");
        assert_eq!((read[0].api, read[0].action), ("sqs", "B"));
        assert_eq!(read[0].codes, [("OK", 1), ("Broken", 2)]);
        assert_eq!((read[0].durations.count(), read[0].durations.sum), (3, 9_000));
        assert_eq!((read[1].action, &read[1].codes[1]), ("-", &("Unknown", 2)));
    }
}
