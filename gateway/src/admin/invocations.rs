//! The list of recent invocations, of all mappings or of one.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::admin::shown;
use crate::admin::texts::Lang;
use crate::lambda::{Outcome, Run, RunKind};

/// Rows of one page.
const ROWS_MAX: usize = 50;
/// Characters of a name and of a reason in a row.
const NAME_CHARACTERS: usize = 140;
const REASON_CHARACTERS: usize = 160;
/// What stands in the filter for all failures.
const FAILURES: &str = "failures";
/// The outcomes one can ask for.
const OUTCOMES: [Outcome; 7] = [
    Outcome::Ok,
    Outcome::FunctionError,
    Outcome::Reported,
    Outcome::Throttled,
    Outcome::Refused,
    Outcome::Lost,
    Outcome::HandedOver,
];

/// An invocation in a list.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    /// When it began.
    pub(super) at: String,
    pub(super) function: String,
    /// May be empty.
    pub(super) queue: String,
    pub(super) messages: u64,
    pub(super) failed: String,
    pub(super) duration: String,
    pub(super) reason: String,
    /// How it ended.
    pub(super) label: &'static str,
    /// What colour that has.
    pub(super) badge: &'static str,
    /// Who asked for it, if not its mapping.
    pub(super) kind: &'static str,
}

/// The invocations of a list, for a page that includes `invocations_rows.html`: it needs them in a
/// field `invocations` beside its `frame`.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// Whether Redis did not tell of those of other gateways.
    pub(super) only_own: bool,
}

#[derive(Debug, Template)]
#[template(path = "invocations.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    outcomes: Vec<(&'static str, &'static str)>,
    invocations: Rows,
    number: usize,
    pages: usize,
    /// The list's query without its page.
    query: String,
    /// Its mapping, for people.
    mapping: String,
}

/// What the list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// A mapping's UUID.
    mapping: String,
    /// Part of a function's or queue's name.
    name: String,
    /// An outcome's name, or [`FAILURES`].
    outcome: String,
    page: String,
}

pub(super) fn routes() -> Router<State> {
    Router::new().route("/admin/invocations", get(show))
}

/// The last invocations of a mapping, at most `count`.
pub(super) async fn recent(state: &State, lang: Lang, mapping: &str, count: usize) -> Rows {
    let (runs, error) = state.0.control.records().all(Some(mapping)).await;
    let rows = runs.iter().take(count).map(|run| Row::of(run, lang)).collect();
    Rows { rows, only_own: error.is_some() }
}

async fn show(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    asked: Result<extract::Query<Asked>, QueryRejection>,
) -> Result<Response, Failure> {
    let asked = asked.map(|extract::Query(asked)| asked).unwrap_or_default();
    let mapping = Some(asked.mapping.as_str()).filter(|mapping| !mapping.is_empty());
    let (mut runs, error) = state.0.control.records().all(mapping).await;
    runs.retain(|run| asked.wants(run));
    let pages = runs.len().div_ceil(ROWS_MAX).max(1);
    let number = asked.page.parse().unwrap_or(1).clamp(1, pages);
    let t = &visitor.lang.texts().invocations;
    let of_page = runs.iter().skip((number - 1) * ROWS_MAX).take(ROWS_MAX);
    let rows = of_page.map(|run| Row::of(run, visitor.lang)).collect();
    let frame = visitor.frame(Section::Invocations, visitor.lang.texts().frame.invocations);
    let outcomes = OUTCOMES.iter().map(|&outcome| (name(outcome), (t.label)(outcome)));
    Ok(html(&Page {
        frame,
        outcomes: [(FAILURES, t.failures)].into_iter().chain(outcomes).collect(),
        invocations: Rows { rows, only_own: error.is_some() },
        number,
        pages,
        query: asked.query(),
        mapping: mapping_of(&asked.mapping, &runs),
        asked,
    }))
}

/// A mapping for people; empty if none was asked for.
fn mapping_of(mapping: &str, runs: &[Arc<Run>]) -> String {
    match runs.first() {
        _ if mapping.is_empty() => String::new(),
        Some(run) => {
            let (queue, function) = (&run.source.queue, &run.source.function);
            shown::text(&format!("{queue} → {function}"), NAME_CHARACTERS).0
        }
        None => shown::text(mapping, NAME_CHARACTERS).0,
    }
}

impl Asked {
    fn wants(&self, run: &Run) -> bool {
        let (source, wanted) = (&run.source, self.name.to_lowercase());
        let is_named = [&source.function, &source.queue]
            .iter()
            .any(|name| name.to_lowercase().contains(wanted.trim()));
        let is_outcome = match self.outcome.as_str() {
            "" => true,
            FAILURES => run.outcome.is_failure(),
            outcome => name(run.outcome) == outcome,
        };
        is_named && is_outcome
    }

    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let parts = [("mapping", &self.mapping), ("name", &self.name), ("outcome", &self.outcome)];
        for (name, value) in parts.iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.finish()
    }
}

impl Row {
    pub(super) fn of(run: &Run, lang: Lang) -> Self {
        let t = &lang.texts().invocations;
        let name = |name: &str| shown::text(name, NAME_CHARACTERS).0;
        Self {
            id: run.id.to_string(),
            at: shown::when(run.at_ms),
            function: name(&run.source.function),
            queue: name(&run.source.queue),
            messages: run.messages,
            failed: match run.failed {
                0 => String::new(),
                failed => (t.of_them_failed)(failed),
            },
            duration: took(run),
            reason: one_line(&run.reason),
            label: (t.label)(run.outcome),
            badge: badge(run.outcome),
            kind: if run.kind == RunKind::Queue { "" } else { (t.kind)(run.kind) },
        }
    }
}

/// The beginning of a reason.
fn one_line(reason: &str) -> String {
    let (text, is_all) = shown::text(reason, REASON_CHARACTERS);
    if is_all { text } else { text + "…" }
}

/// How long an invocation took, for people.
pub(super) fn took(run: &Run) -> String {
    let us = run.duration_us;
    match us {
        _ if run.outcome == Outcome::Running => "…".to_owned(),
        0..10_000 => format!("{}.{:02} ms", us / 1_000, us % 1_000 / 10),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
        _ => format!("{} min {} s", us / 60_000_000, us % 60_000_000 / 1_000_000),
    }
}

/// The colour of an outcome.
pub(super) fn badge(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok | Outcome::HandedOver => "good",
        Outcome::Running => "info",
        Outcome::Throttled | Outcome::Reported => "warn",
        Outcome::FunctionError | Outcome::Refused | Outcome::Lost => "bad",
    }
}

/// What an outcome is called in a URL.
fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Running => "running",
        Outcome::Ok => "ok",
        Outcome::HandedOver => "handed_over",
        Outcome::FunctionError => "function_error",
        Outcome::Reported => "reported",
        Outcome::Throttled => "throttled",
        Outcome::Refused => "refused",
        Outcome::Lost => "lost",
    }
}
