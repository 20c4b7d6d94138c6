//! All mappings, and reading AWS.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract;
use axum::response::Response;
use axum::routing::{get, post};
use hyper::Uri;

use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::listing::{Place, Wanted};
use crate::admin::mapping_state::{self, ShownState, duration, plain};
use crate::admin::page::{Frame, Section, Visitor, done, html};
use crate::admin::shown;
use crate::admin::texts::Texts;
use crate::lambda::{FleetStatus, MappingStatus, StateStatus, SyncStatus};

/// Where the list is.
const PATH: &str = "/admin/mappings";
/// Remarks that are shown at most, and mappings that are not served.
const REMARKS_MAX: usize = 50;

pub(super) fn routes() -> Router<State> {
    Router::new().route(PATH, get(show)).route("/admin/mappings/sync", post(sync))
}

#[derive(Debug, Template)]
#[template(path = "mappings.html")]
struct Page {
    frame: Frame,
    /// How many mappings have which state.
    counts: Vec<(ShownState, usize)>,
    is_any: bool,
    rows: Vec<Row>,
    place: Place,
    q: String,
    sync: ShownSync,
    remarks: Texted,
    not_served: Texted,
    fleet: Fleet,
}

/// A mapping in the list.
#[derive(Debug)]
struct Row {
    uuid: String,
    queue: String,
    function: String,
    origin: &'static str,
    state: ShownState,
    batch: String,
    status: MappingStatus,
    median: String,
    last_result: String,
}

/// Some texts, and how many more there are.
#[derive(Debug, Default)]
struct Texted {
    texts: Vec<String>,
    more: usize,
}

/// How reading AWS fares.
#[derive(Debug)]
pub(super) struct ShownSync {
    pub(super) is_on: bool,
    pub(super) is_reading: bool,
    pub(super) at: String,
    pub(super) summary: Option<Result<String, String>>,
}

/// What is not known of other gateways.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) silent: usize,
    pub(super) problem: Option<String>,
}

impl Fleet {
    pub(super) fn of(fleet: &FleetStatus) -> Self {
        Self { silent: fleet.silent.len(), problem: fleet.problem.as_deref().map(plain) }
    }
}

impl ShownSync {
    pub(super) fn of(sync: SyncStatus) -> Self {
        let SyncStatus { is_on, is_reading, last_ms, last } = sync;
        let summary = last.map(|last| last.map(|text| plain(&text)).map_err(|text| plain(&text)));
        Self { is_on, is_reading, at: last_ms.map(shown::when).unwrap_or_default(), summary }
    }
}

impl Texted {
    fn of(mut texts: Vec<String>) -> Self {
        let more = texts.len().saturating_sub(REMARKS_MAX);
        texts.truncate(REMARKS_MAX);
        Self { texts: texts.iter().map(|text| plain(text)).collect(), more }
    }
}

/// Where a mapping comes from.
pub(super) fn origin(mapping: &MappingStatus, texts: &Texts) -> &'static str {
    match mapping.origin.as_str() {
        "aws" => texts.mappings.aws,
        "created" => texts.mappings.created,
        _ => texts.mappings.configured,
    }
}

/// The last result, where it does not only repeat why the mapping is paused.
fn news(status: &MappingStatus) -> String {
    let is_told = match &status.state {
        StateStatus::Paused { reason, .. } | StateStatus::Waiting { reason, .. } => {
            status.last_result.ends_with(reason)
        }
        StateStatus::Disabled | StateStatus::Running | StateStatus::Elsewhere => false,
    };
    if is_told { String::new() } else { plain(&status.last_result) }
}

impl Row {
    fn of(status: MappingStatus, texts: &Texts) -> Self {
        let window = status.window_seconds;
        let size = status.batch_size.to_string();
        let batch = if window == 0 {
            size
        } else {
            format!("{size} / {}", (texts.mappings.seconds)(window))
        };
        let median = status.counters.duration_percentile(0.5).map(duration);
        Self {
            uuid: status.uuid.clone(),
            queue: plain(&status.queue),
            function: plain(&status.function_name),
            origin: origin(&status, texts),
            state: mapping_state::of(&status, texts),
            batch,
            median: median.unwrap_or_default(),
            last_result: news(&status),
            status,
        }
    }
}

async fn show(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Response, Failure> {
    let frame = visitor.frame(Section::Mappings, visitor.lang.texts().frame.mappings);
    let fleet = state.0.control.fleet_status().await;
    let (known, wanted) = (Fleet::of(&fleet), Wanted::of(&uri));
    let mappings = fleet.trigger.mappings;
    let is_any = !mappings.is_empty();
    let mut counts: BTreeMap<&str, (ShownState, usize)> = BTreeMap::new();
    for mapping in &mappings {
        let state = mapping_state::of(mapping, frame.t);
        counts.entry(state.word).or_insert_with(|| (state, 0)).1 += 1;
    }
    let found = mappings.into_iter().filter(|m| wanted.finds(&[&m.queue, &m.function, &m.uuid]));
    let mut found: Vec<MappingStatus> = found.collect();
    found.sort_by(|a, b| (&a.queue, &a.function, &a.uuid).cmp(&(&b.queue, &b.function, &b.uuid)));
    let (found, place) = wanted.cut(found, PATH);
    Ok(html(&Page {
        rows: found.into_iter().map(|mapping| Row::of(mapping, frame.t)).collect(),
        frame,
        counts: counts.into_values().collect(),
        is_any,
        place,
        q: wanted.q,
        sync: ShownSync::of(fleet.trigger.sync),
        remarks: Texted::of(fleet.trigger.remarks),
        not_served: Texted::of(fleet.trigger.not_served),
        fleet: known,
    }))
}

/// Begins to read AWS; the list shows how that goes and what came of it.
async fn sync(extract::State(state): extract::State<State>) -> Response {
    let control = state.0.control.clone();
    // Nobody waits for it: it may take minutes.
    tokio::spawn(async move { control.sync().await });
    done(PATH, "sync-started")
}
