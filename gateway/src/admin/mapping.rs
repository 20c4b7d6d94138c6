//! One mapping: all about it, and starting and stopping it.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{self, Path};
use axum::response::Response;
use axum::routing::{get, post};

use crate::admin::State;
use crate::admin::charts::{Charts, mapping_charts};
use crate::admin::failure::Failure;
use crate::admin::invocations::{Rows, recent};
use crate::admin::mapping_state::{self, ShownState, duration, plain};
use crate::admin::mappings::{Fleet, origin};
use crate::admin::page::{Confirm, Frame, Section, Visitor, done, html};
use crate::admin::shown;
use crate::admin::texts::Texts;
use crate::lambda::{FleetStatus, MappingStatus, StateStatus, Wish};
use crate::queues::{QueueError, QueueInfo, QueueName};

/// Invocations on a mapping's page; the others have a page of their own.
const INVOCATIONS_SHOWN: usize = 10;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/admin/mappings/{uuid}", get(show))
        .route("/admin/mappings/{uuid}/start", post(start))
        .route("/admin/mappings/{uuid}/stop", get(ask_to_stop).post(stop))
        .route("/admin/mappings/{uuid}/drain", get(ask_to_drain).post(drain))
        .route("/admin/mappings/{uuid}/look-again", post(look_again))
}

#[derive(Debug, Template)]
#[template(path = "mapping.html")]
struct Page {
    frame: Frame,
    path: String,
    status: MappingStatus,
    state: ShownState,
    queue: String,
    function: String,
    function_url: String,
    origin: &'static str,
    /// Who serves it; empty: nobody.
    gateway: String,
    is_here: bool,
    report: &'static str,
    filters: Vec<String>,
    /// Since when it is paused, and in how long its function is looked at.
    pause: Option<(String, String)>,
    last_result: String,
    /// `None`: the queue is not there.
    messages: Option<QueueInfo>,
    counters: Vec<(&'static str, u64)>,
    durations: Vec<(&'static str, String)>,
    /// Its last ones.
    invocations: Rows,
    charts: Charts,
    fleet: Fleet,
}

async fn show(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(uuid): Path<String>,
) -> Result<Response, Failure> {
    let (fleet, status) = find(&state, &uuid).await?;
    let messages = match QueueName::parse(&status.queue) {
        Some(queue) => match state.0.queues.info(&queue).await {
            Ok(info) => Some(info),
            Err(QueueError::NoQueue) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let frame = visitor.frame(Section::Mappings, name(&status));
    let server = status.gateway.as_deref();
    let gateway = fleet.gateways.iter().find(|gateway| Some(gateway.id.as_str()) == server);
    Ok(html(&Page {
        path: format!("/admin/mappings/{uuid}"),
        state: mapping_state::of(&status, frame.t),
        queue: plain(&status.queue),
        function: plain(&status.function),
        function_url: function_url(&status.function_name),
        origin: origin(&status, frame.t),
        gateway: gateway.map(|gateway| plain(&gateway.listen)).unwrap_or_default(),
        is_here: server.is_some() && server == fleet.gateways.first().map(|own| own.id.as_str()),
        report: report(&status, frame.t),
        filters: status.filters.iter().map(|pattern| plain(pattern)).collect(),
        pause: pause(&status, frame.t),
        last_result: plain(&status.last_result),
        messages,
        counters: counters(&status),
        durations: durations(&status, frame.t),
        invocations: recent(&state, visitor.lang, &uuid, INVOCATIONS_SHOWN).await,
        charts: mapping_charts(&state, &uuid, &frame).await?,
        fleet: Fleet::of(&fleet),
        status,
        frame,
    }))
}

async fn find(state: &State, uuid: &str) -> Result<(FleetStatus, MappingStatus), Failure> {
    let fleet = state.0.control.fleet_status().await;
    let found = fleet.trigger.mappings.iter().find(|mapping| mapping.uuid == uuid).cloned();
    let status = found.ok_or(Failure::NoMapping)?;
    Ok((fleet, status))
}

/// Where a function is shown.
pub(super) fn function_url(name: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", name).finish();
    format!("/admin/functions?{query}")
}

/// `orders → worker`
fn name(status: &MappingStatus) -> String {
    plain(&format!("{} → {}", status.queue, status.function_name))
}

fn report(status: &MappingStatus, texts: &Texts) -> &'static str {
    match status.report.as_str() {
        "per_message" => texts.mappings.report_each,
        "auto" => texts.mappings.report_auto,
        _ => texts.mappings.report_whole,
    }
}

fn pause(status: &MappingStatus, texts: &Texts) -> Option<(String, String)> {
    let StateStatus::Paused { since_ms, next_probe_ms, .. } = status.state else { return None };
    let next = if next_probe_ms == 0 {
        texts.mappings.now.to_owned()
    } else {
        (texts.mappings.in_time)(&duration(Duration::from_millis(next_probe_ms)))
    };
    Some((shown::when(since_ms), next))
}

/// By CloudWatch's names. Source: esm-contract §6.
fn counters(status: &MappingStatus) -> Vec<(&'static str, u64)> {
    let counters = &status.counters;
    vec![
        ("PolledEventCount", counters.polled),
        ("FilteredOutEventCount", counters.filtered_out),
        ("InvokedEventCount", counters.invoked),
        ("FailedInvokeEventCount", counters.failed),
        ("DeletedEventCount", counters.deleted),
        ("EmptyPolls", counters.empty_polls),
        ("Invocations", counters.invocations),
        ("Errors", counters.errors),
        ("Throttles", counters.throttles),
    ]
}

/// Empty: nothing was invoked.
fn durations(status: &MappingStatus, texts: &Texts) -> Vec<(&'static str, String)> {
    let counters = &status.counters;
    let percentile = |share| counters.duration_percentile(share).map(duration);
    let count = counters.duration_buckets.iter().fold(0, |all: u64, n| all.saturating_add(*n));
    let mean = counters.duration_sum_us.checked_div(count);
    let mean = mean.map(|us| duration(Duration::from_micros(us)));
    let all = [("p50", percentile(0.5)), ("p99", percentile(0.99)), (texts.mappings.mean, mean)];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

async fn start(
    extract::State(state): extract::State<State>,
    Path(uuid): Path<String>,
) -> Result<Response, Failure> {
    switch(&state, &uuid, Wish::Start, "mapping-started").await
}

async fn stop(
    extract::State(state): extract::State<State>,
    Path(uuid): Path<String>,
) -> Result<Response, Failure> {
    switch(&state, &uuid, Wish::Stop, "mapping-stopped").await
}

async fn drain(
    extract::State(state): extract::State<State>,
    Path(uuid): Path<String>,
) -> Result<Response, Failure> {
    switch(&state, &uuid, Wish::Drain, "mapping-draining").await
}

async fn switch(
    state: &State,
    uuid: &str,
    wish: Wish,
    code: &'static str,
) -> Result<Response, Failure> {
    let (_, status) = find(state, uuid).await?;
    state.0.lambda.switch(&status.uuid, wish).await?;
    Ok(done(&format!("/admin/mappings/{}", status.uuid), code))
}

async fn look_again(
    extract::State(state): extract::State<State>,
    Path(uuid): Path<String>,
) -> Result<Response, Failure> {
    let (_, status) = find(&state, &uuid).await?;
    state.0.control.look_again(&status.uuid).await;
    Ok(done(&format!("/admin/mappings/{}", status.uuid), "mapping-looked"))
}

async fn ask_to_stop(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(uuid): Path<String>,
) -> Result<Response, Failure> {
    let t = &visitor.lang.texts().mappings;
    ask(&visitor, &state, &uuid, ("stop", t.stop, t.stop_text)).await
}

async fn ask_to_drain(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(uuid): Path<String>,
) -> Result<Response, Failure> {
    let t = &visitor.lang.texts().mappings;
    ask(&visitor, &state, &uuid, ("drain", t.drain, t.drain_text)).await
}

async fn ask(
    visitor: &Visitor,
    state: &State,
    uuid: &str,
    (action, button, text): (&str, &'static str, fn(&str) -> String),
) -> Result<Response, Failure> {
    let (_, status) = find(state, uuid).await?;
    let back = format!("/admin/mappings/{}", status.uuid);
    Ok(html(&Confirm {
        frame: visitor.frame(Section::Mappings, button),
        text: text(&name(&status)),
        action: format!("{back}/{action}"),
        fields: Vec::new(),
        button,
        back,
    }))
}
