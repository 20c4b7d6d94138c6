//! What mappings do, as their gateways tell it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{Event, What, event};
use crate::{
    cli::states::{reason_of, word_for},
    lambda::{self, CounterValues, MappingStatus},
    queues::{QueueName, Queues},
};

/// How often gateways tell anew.
const PAUSE: Duration = Duration::from_secs(2);

/// What is known of the mappings.
#[derive(Default)]
pub(super) struct Mappings {
    /// By uuid; `None` before the first look.
    seen: Option<BTreeMap<String, Seen>>,
    looked: Option<Instant>,
    is_unknown: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct Seen {
    state: &'static str,
    reason: String,
    counters: CounterValues,
}

impl Mappings {
    /// Adds what happened since the last look, if it is time for one.
    pub(super) async fn look(
        &mut self,
        queues: &Queues,
        wanted: &BTreeSet<QueueName>,
        events: &mut Vec<Event>,
    ) {
        if self.looked.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        let fleet = match lambda::read_fleet(queues).await {
            Ok(fleet) => fleet,
            Err(error) => {
                if !std::mem::replace(&mut self.is_unknown, true) {
                    eprintln!("karin: what mappings do is not known: {error}");
                }
                return;
            }
        };
        self.looked = Some(Instant::now());
        // Gateways that do not answer know more than is told here.
        if fleet.gateways.is_empty() {
            return;
        }
        let mut mappings = fleet.trigger.mappings;
        let is_wanted = |name: &str| wanted.iter().any(|queue| queue.as_str() == name);
        mappings.retain(|mapping| wanted.is_empty() || is_wanted(&mapping.queue));
        self.note(&mappings, events);
    }

    fn note(&mut self, mappings: &[MappingStatus], events: &mut Vec<Event>) {
        let before = self.seen.take();
        let mut seen = BTreeMap::new();
        for mapping in mappings {
            let now = Seen {
                state: word_for(mapping),
                reason: reason_of(mapping).to_owned(),
                counters: mapping.counters.clone(),
            };
            if let Some(before) = &before {
                let nothing = CounterValues::default();
                let known = before.get(&mapping.uuid);
                let counters = known.map_or(&nothing, |known| &known.counters);
                events.extend(invoked(mapping, counters));
                if known.is_none_or(|k| (k.state, &k.reason) != (now.state, &now.reason)) {
                    events.push(changed(mapping, &now));
                }
            }
            seen.insert(mapping.uuid.clone(), now);
        }
        self.seen = Some(seen);
    }
}

fn changed(mapping: &MappingStatus, now: &Seen) -> Event {
    let (function, reason) = (mapping.function_name.clone(), now.reason.clone());
    event(&mapping.queue, What::Mapping { function, state: now.state.to_owned(), reason })
}

/// What was invoked since then. A gateway that is new, or gone, counts from the beginning.
fn invoked(mapping: &MappingStatus, before: &CounterValues) -> Option<Event> {
    let (now, nothing) = (&mapping.counters, CounterValues::default());
    let before = if now.invocations < before.invocations { &nothing } else { before };
    let since = |of: fn(&CounterValues) -> u64| of(now).saturating_sub(of(before));
    let what = What::Invoked {
        function: mapping.function_name.clone(),
        invocations: since(|c| c.invocations),
        errors: since(|c| c.errors),
        throttles: since(|c| c.throttles),
        deleted: since(|c| c.deleted),
    };
    let is_something = since(|c| c.invocations) + since(|c| c.throttles) + since(|c| c.deleted) > 0;
    is_something.then(|| event(&mapping.queue, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::StateStatus;

    fn mapping(state: StateStatus, invocations: u64) -> MappingStatus {
        MappingStatus {
            uuid: "1".to_owned(),
            queue: "q".to_owned(),
            function_name: "f".to_owned(),
            state,
            counters: CounterValues { invocations, ..CounterValues::default() },
            ..MappingStatus::default()
        }
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut mappings = Mappings::default();
        let mut told = |state, invocations| {
            let mut events = Vec::new();
            mappings.note(&[mapping(state, invocations)], &mut events);
            events.into_iter().map(|event| event.what).collect::<Vec<_>>()
        };
        let invoked = |invocations| What::Invoked {
            function: "f".to_owned(),
            invocations,
            errors: 0,
            throttles: 0,
            deleted: 0,
        };
        assert_eq!(told(StateStatus::Running, 5), [], "what was before is no news");
        assert_eq!(told(StateStatus::Running, 5), []);
        assert_eq!(told(StateStatus::Running, 7), [invoked(2)]);
        assert_eq!(told(StateStatus::Running, 1), [invoked(1)], "another gateway counts anew");
        let reason = "gone".to_owned();
        let paused = StateStatus::Paused { reason: reason.clone(), since_ms: 0, next_probe_ms: 0 };
        let (function, state) = ("f".to_owned(), "paused".to_owned());
        assert_eq!(told(paused, 1), [What::Mapping { function, state, reason }]);
    }
}
