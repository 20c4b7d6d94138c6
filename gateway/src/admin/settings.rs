//! Settings and health: what karin was told, and how it and its Redis are.

use std::time::{Duration, Instant};

use askama::Template;
use axum::Router;
use axum::extract;
use axum::response::Response;
use axum::routing::get;

use crate::admin::State;
use crate::admin::health::{self, Warning};
use crate::admin::in_force::InForce;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::admin::shown;
use crate::admin::texts::settings::Texts;
use crate::lambda::FleetStatus;
use crate::queues::ServerInfo;

/// The documents that come with karin, and what they are about.
const DOCUMENTS: [&str; 5] =
    ["README.md", "docs/lambda.md", "docs/clients.md", "docs/commands.md", "ARCHITECTURE.md"];

pub(super) fn routes() -> Router<State> {
    Router::new().route("/admin/settings", get(show))
}

#[derive(Debug, Template)]
#[template(path = "settings.html")]
struct Page<'a> {
    frame: Frame,
    t: &'static Texts,
    build: &'static str,
    uptime: String,
    process: u32,
    /// All gateways that share the queues, this one first.
    fleet: FleetStatus,
    in_force: &'a InForce,
    redis: Redis,
    documents: &'static [&'static str],
}

/// How Redis is.
#[derive(Debug)]
enum Redis {
    /// Names and values, and what to know about.
    There { facts: Vec<(&'static str, String)>, warnings: Vec<Warning> },
    /// It is there, and says nothing of itself.
    Silent,
    /// It does not answer, for this reason.
    Away(String),
}

async fn show(visitor: Visitor, extract::State(state): extract::State<State>) -> Response {
    let inner = &*state.0;
    let t = &visitor.lang.texts().settings;
    let asked = Instant::now();
    let (info, reachable) = tokio::join!(inner.queues.server_info(), inner.queues.are_reachable());
    let took = asked.elapsed();
    let redis = match (info, reachable) {
        (_, Err(error)) => Redis::Away(error.to_string()),
        (Err(_), Ok(())) => Redis::Silent,
        (Ok(info), Ok(())) => {
            Redis::There { facts: facts(&info, took, t), warnings: health::warnings(&info, t) }
        }
    };
    html(&Page {
        frame: visitor.frame(Section::Settings, t.title),
        t,
        build: if cfg!(debug_assertions) { "debug" } else { "release" },
        uptime: (t.duration)(inner.started.elapsed().as_secs()),
        process: std::process::id(),
        fleet: inner.control.fleet_status().await,
        in_force: &inner.in_force,
        redis,
        documents: &DOCUMENTS,
    })
}

fn facts(info: &ServerInfo, took: Duration, t: &Texts) -> Vec<(&'static str, String)> {
    let unknown = || t.unknown.to_owned();
    let text = |field| info.text(field).map_or_else(unknown, str::to_owned);
    let bytes = |field| info.number(field).map_or_else(unknown, shown::bytes);
    let number = |field| info.number(field).map_or_else(unknown, shown::number);
    let delayed = info.number("aof_delayed_fsync");
    let maximum = match info.number("maxmemory") {
        Some(0) => t.no_limit.to_owned(),
        _ => bytes("maxmemory"),
    };
    let mode = match info.text("redis_mode").or(info.text("server_mode")) {
        Some(mode) => format!("{mode}, {}", text("role")),
        None => text("role"),
    };
    let kept = match info.number("aof_enabled") {
        Some(0) => t.no_file.to_owned(),
        Some(_) => match info.number("aof_current_size") {
            Some(size) => format!("{}, {}", t.file, shown::bytes(size)),
            None => t.file.to_owned(),
        },
        None => unknown(),
    };
    let mut facts = vec![
        (t.server, info.version().unwrap_or_else(unknown)),
        (t.module, info.module_version().unwrap_or_else(unknown)),
        (t.mode, mode),
        (t.uptime, info.number("uptime_in_seconds").map_or_else(unknown, t.duration)),
        (t.answers_in, format!("{}.{:03} ms", took.as_millis(), took.as_micros() % 1_000)),
        (t.memory, format!("{} / {maximum}", bytes("used_memory"))),
        (t.memory_peak, bytes("used_memory_peak")),
        (t.policy, text("maxmemory_policy")),
        (t.persistence, kept),
        (t.clients, number("connected_clients")),
        (t.replicas, number("connected_slaves")),
    ];
    facts.extend(delayed.map(|count| (t.delayed_fsyncs, shown::number(count))));
    facts
}
