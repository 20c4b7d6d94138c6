//! The first page: how everything is, and what somebody should look at first.

use std::collections::HashSet;

use askama::Template;
use axum::Router;
use axum::extract;
use axum::response::{Redirect, Response};
use axum::routing::get;

use crate::admin::State;
use crate::admin::page::{Frame, HOME, Section, Visitor, html};
use crate::admin::shown;
use crate::admin::texts::overview::Texts;
use crate::lambda::{MappingStatus, StateStatus, TriggerStatus};
use crate::queues::{QueueCounts, QueueName};

/// Queues that are counted: one command for each thousand.
const QUEUES_MAX: usize = 10_000;
/// Queues in the table of those where the most waits.
const BUSIEST: usize = 10;
/// Concerns shown of each kind.
const CONCERNS_MAX: usize = 10;
/// How much of a reason is shown, in characters.
const REASON_CHARACTERS: usize = 300;

/// The badges of concerns, those first that cannot wait.
const CLASSES: [&str; 3] = ["bad", "warn", "info"];

pub(super) fn routes() -> Router<State> {
    Router::new().route("/admin", get(show)).route("/admin/", get(async || Redirect::to(HOME)))
}

#[derive(Debug, Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    t: &'static Texts,
    /// Why Redis does not answer.
    away: Option<String>,
    totals: Totals,
    mappings: Mappings,
    concerns: Vec<Concern>,
    busiest: Vec<QueueCounts>,
}

/// All queues together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    queues: u64,
    has_more: bool,
    ready: u64,
    delayed: u64,
    in_flight: u64,
}

/// How many mappings are in which state.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mappings {
    running: u64,
    waiting: u64,
    paused: u64,
    disabled: u64,
    elsewhere: u64,
}

/// Something to look at.
#[derive(Debug, PartialEq, Eq)]
struct Concern {
    /// The class of its badge.
    class: &'static str,
    /// What kind it is.
    kind: &'static str,
    /// Where it is: the words, and the page.
    place: Option<(String, String)>,
    /// What there is to say.
    text: String,
    /// Since when, epoch milliseconds.
    since_ms: Option<u64>,
}

async fn show(visitor: Visitor, extract::State(state): extract::State<State>) -> Response {
    let inner = &*state.0;
    let trigger = inner.control.fleet_status().await.trigger;
    let (counts, has_more, away) = match inner.queues.counts("", None, QUEUES_MAX).await {
        Ok((counts, has_more)) => (counts, has_more, None),
        Err(error) => (Vec::new(), false, Some(error.to_string())),
    };
    let dead_letter_queues = inner.dead_letter_queues.get(&inner.queues).await;
    let t = &visitor.lang.texts().overview;
    let of_queues = queue_concerns(&counts, &dead_letter_queues, t);
    let mut concerns: Vec<Concern> = trigger_concerns(&trigger, t).chain(of_queues).collect();
    concerns.sort_by_key(|concern| CLASSES.iter().position(|class| *class == concern.class));
    html(&Page {
        frame: visitor.frame(Section::Overview, t.title),
        t,
        away,
        totals: Totals::of(&counts, has_more),
        mappings: Mappings::of(&trigger.mappings),
        concerns,
        busiest: busiest(counts),
    })
}

impl Totals {
    fn of(counts: &[QueueCounts], has_more: bool) -> Self {
        let queues = u64::try_from(counts.len()).unwrap_or(u64::MAX);
        let sum = |of: fn(&QueueCounts) -> u64| counts.iter().map(of).sum();
        Self {
            queues,
            has_more,
            ready: sum(|counts| counts.ready),
            delayed: sum(|counts| counts.delayed),
            in_flight: sum(|counts| counts.in_flight),
        }
    }
}

impl Mappings {
    fn of(all: &[MappingStatus]) -> Self {
        let mut mappings = Self::default();
        for mapping in all {
            let state = match mapping.state {
                StateStatus::Running => &mut mappings.running,
                StateStatus::Waiting { .. } => &mut mappings.waiting,
                StateStatus::Paused { .. } => &mut mappings.paused,
                StateStatus::Disabled => &mut mappings.disabled,
                StateStatus::Elsewhere => &mut mappings.elsewhere,
            };
            *state += 1;
        }
        mappings
    }

    fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

fn trigger_concerns<'a>(
    trigger: &'a TriggerStatus,
    t: &'a Texts,
) -> impl Iterator<Item = Concern> + 'a {
    let paused = trigger.mappings.iter().filter_map(|mapping| match &mapping.state {
        StateStatus::Paused { reason, since_ms, .. } => Some(Concern {
            since_ms: Some(*since_ms),
            ..Concern::at_mapping(mapping, "bad", t.paused, reason)
        }),
        _ => None,
    });
    let waiting = trigger.mappings.iter().filter_map(|mapping| match &mapping.state {
        StateStatus::Waiting { reason, .. } => {
            Some(Concern::at_mapping(mapping, "warn", t.waiting, reason))
        }
        _ => None,
    });
    let failed = match &trigger.sync.last {
        Some(Err(why)) => {
            Some(Concern { since_ms: trigger.sync.last_ms, ..Concern::new("bad", t.sync, why) })
        }
        _ => None,
    };
    let not_served = trigger.not_served.iter().map(|why| Concern::new("warn", t.not_served, why));
    let remarks = trigger.remarks.iter().map(|remark| Concern::new("info", t.remark, remark));
    paused
        .take(CONCERNS_MAX)
        .chain(failed)
        .chain(waiting.take(CONCERNS_MAX))
        .chain(not_served.take(CONCERNS_MAX))
        .chain(remarks.take(CONCERNS_MAX))
}

fn queue_concerns<'a>(
    counts: &'a [QueueCounts],
    dead_letter_queues: &'a HashSet<QueueName>,
    t: &'a Texts,
) -> impl Iterator<Item = Concern> + 'a {
    let filled = counts.iter().filter_map(|counts| {
        let messages = counts.ready + counts.delayed + counts.in_flight;
        let is_filled = messages > 0 && dead_letter_queues.contains(&counts.queue);
        is_filled.then(|| Concern::at_queue(counts, "bad", t.dead_letters, (t.messages)(messages)))
    });
    let stranded = counts.iter().filter(|counts| counts.dead > 0).map(|counts| {
        Concern::at_queue(counts, "warn", t.stranded, (t.stranded_text)(counts.dead))
    });
    filled.take(CONCERNS_MAX).chain(stranded.take(CONCERNS_MAX))
}

impl Concern {
    fn new(class: &'static str, kind: &'static str, text: &str) -> Self {
        let (text, _is_all) = shown::text(text, REASON_CHARACTERS);
        Self { class, kind, place: None, text, since_ms: None }
    }

    fn at_mapping(
        mapping: &MappingStatus,
        class: &'static str,
        kind: &'static str,
        text: &str,
    ) -> Self {
        let name = format!("{} → {}", mapping.queue, mapping.function_name);
        let page = format!("/admin/mappings/{}", mapping.uuid);
        Self { place: Some((name, page)), ..Self::new(class, kind, text) }
    }

    fn at_queue(
        counts: &QueueCounts,
        class: &'static str,
        kind: &'static str,
        text: String,
    ) -> Self {
        let page = format!("/admin/queues/{}", counts.queue);
        let place = Some((counts.queue.to_string(), page));
        Self { class, kind, place, text, since_ms: None }
    }
}

/// The queues where the most waits, those first.
fn busiest(mut counts: Vec<QueueCounts>) -> Vec<QueueCounts> {
    counts.retain(|counts| counts.ready + counts.in_flight + counts.delayed > 0);
    let order = |counts: &QueueCounts| {
        let more = std::cmp::Reverse((counts.ready, counts.in_flight, counts.delayed));
        (more, counts.queue.clone())
    };
    counts.sort_by_cached_key(order);
    counts.truncate(BUSIEST);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::texts::Lang;

    fn counts(name: &str, ready: u64, dead: u64) -> QueueCounts {
        let queue = QueueName::parse(name).unwrap();
        QueueCounts {
            queue,
            ready,
            delayed: 1,
            in_flight: 0,
            dead,
            next_ms: None,
            hint: 0,
            oldest_sent_ms: None,
            sequence: 0,
        }
    }

    #[test]
    fn queues_are_added_up_and_the_fullest_come_first() {
        let all: Vec<_> = (0..20).map(|n| counts(&format!("q{n}"), n, 0)).collect();
        let totals = Totals::of(&all, false);
        assert_eq!((totals.queues, totals.ready, totals.delayed), (20, 190, 20));
        let busiest = busiest(all);
        assert_eq!(busiest.len(), BUSIEST);
        assert_eq!(busiest[0].queue.as_str(), "q19");
    }

    #[test]
    fn filled_dead_letter_queues_and_stranded_letters_are_concerns() {
        let all = [counts("failed", 2, 0), counts("orders", 5, 0), counts("lost", 0, 3)];
        let dead_letter_queues = HashSet::from([QueueName::parse("failed").unwrap()]);
        let t = &Lang::En.texts().overview;
        let concerns: Vec<_> = queue_concerns(&all, &dead_letter_queues, t).collect();
        let places = concerns.iter().map(|concern| concern.place.as_ref().unwrap().0.as_str());
        assert_eq!(places.collect::<Vec<_>>(), ["failed", "lost"]);
        assert_eq!(concerns[0].text, "3 messages");
    }

    #[test]
    fn a_failed_reading_of_aws_and_each_remark_is_a_concern() {
        let mut trigger = TriggerStatus::default();
        trigger.sync.last = Some(Err("no \u{202E}credentials".to_owned()));
        trigger.remarks.extend((0..50).map(|number| format!("remark {number}")));
        let t = &Lang::En.texts().overview;
        let concerns: Vec<_> = trigger_concerns(&trigger, t).collect();
        assert_eq!(concerns.len(), 1 + CONCERNS_MAX);
        assert_eq!(concerns[0].text, "no \u{27E8}U+202E\u{27E9}credentials");
    }
}
