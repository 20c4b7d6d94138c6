//! One invocation: what it was, with its event, answer and log.

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{self, Path};
use axum::response::Response;
use axum::routing::get;
use futures_util::future::join_all;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};

use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::invocations::{badge, took};
use crate::admin::mapping::function_url;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::admin::pretty::pretty;
use crate::admin::shown;
use crate::admin::texts::Lang;
use crate::lambda::{NamedMessage, Outcome, Payload, Run, RunId};
use crate::queues::{QueueName, Queues};

/// Characters of an event, an answer or a log that are shown.
const CHARACTERS_MAX: usize = 6_000;
/// Characters of all other texts.
const TEXT_CHARACTERS: usize = 1_000;

#[derive(Debug, Template)]
#[template(path = "invocation.html")]
struct Page {
    frame: Frame,
    facts: Facts,
    messages: Vec<Message>,
    /// How many more there were.
    more_messages: u64,
    parts: Vec<Part>,
    /// Why it cannot be invoked again.
    no_again: Option<&'static str>,
}

/// What is known of it, for people.
#[derive(Debug)]
struct Facts {
    id: String,
    at: String,
    duration: String,
    label: &'static str,
    badge: &'static str,
    meaning: &'static str,
    reason: String,
    kind: &'static str,
    mapping: String,
    queue: String,
    function: String,
    function_url: String,
    request_id: String,
    trace: String,
    repeats: String,
    messages: u64,
    failed: String,
    is_running: bool,
}

#[derive(Debug)]
struct Message {
    id: String,
    sequence: u64,
    failed: bool,
    /// Whether it is in the queue now; `None`: Redis did not tell.
    is_there: Option<bool>,
}

/// An event, an answer or a log on the page.
#[derive(Debug)]
struct Part {
    /// Its name in URLs.
    name: &'static str,
    title: &'static str,
    text: String,
    /// What else is to be said about it.
    remark: String,
    /// Empty: there is nothing to download.
    download: String,
}

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/admin/invocations/{id}", get(show))
        .route("/admin/invocations/{id}/download/{part}", get(download))
}

/// The invocation with this id, if it is known.
pub(super) async fn find(state: &State, id: &str) -> Result<Run, Failure> {
    let id: RunId = id.parse().map_err(|()| Failure::NoInvocation)?;
    state.0.control.records().find(id).await?.ok_or(Failure::NoInvocation)
}

/// Why an invocation cannot be had again, if it cannot.
pub(super) fn why_not_again(run: &Run, lang: Lang) -> Option<&'static str> {
    let t = &lang.texts().invocations;
    if run.event.is_cut() {
        Some(t.again_cut)
    } else if run.event.is_whole() {
        None
    } else {
        Some(t.again_not_kept)
    }
}

async fn show(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let Path(id) = id.map_err(|_| Failure::NoInvocation)?;
    let run = find(&state, &id).await?;
    let lang = visitor.lang;
    let t = &lang.texts().invocations;
    let named = run.named.iter().map(|named| message(&state.0.queues, &run.source.queue, named));
    let named: Vec<Message> = join_all(named).await;
    let shown_messages = u64::try_from(named.len()).unwrap_or(u64::MAX);
    let parts = [
        part("event", t.event, &run.event, lang),
        part("answer", t.answer, &run.answer, lang),
        part("log", t.log, &run.log, lang),
    ];
    Ok(html(&Page {
        frame: visitor.frame(Section::Invocations, t.invocation),
        facts: Facts::of(&run, lang),
        messages: named,
        more_messages: run.messages.saturating_sub(shown_messages),
        parts: parts.into(),
        no_again: why_not_again(&run, lang),
    }))
}

impl Facts {
    fn of(run: &Run, lang: Lang) -> Self {
        let t = &lang.texts().invocations;
        let text = |text: &str| shown::text(text, TEXT_CHARACTERS).0;
        Self {
            id: run.id.to_string(),
            at: shown::when(run.at_ms),
            duration: took(run),
            label: (t.label)(run.outcome),
            badge: badge(run.outcome),
            meaning: (t.meaning)(run.outcome),
            reason: text(&run.reason),
            kind: (t.kind)(run.kind),
            mapping: text(&run.source.mapping),
            queue: text(&run.source.queue),
            function: text(&run.source.function),
            function_url: function_url(run.source.function_name()),
            request_id: text(&run.request_id),
            trace: text(&run.trace),
            repeats: run.repeats.map(|id| id.to_string()).unwrap_or_default(),
            messages: run.messages,
            failed: match run.failed {
                0 => String::new(),
                failed => (t.of_them_failed)(failed),
            },
            is_running: run.outcome == Outcome::Running,
        }
    }
}

/// A message, and whether its queue still has it.
async fn message(queues: &Queues, queue: &str, named: &NamedMessage) -> Message {
    let is_there = match QueueName::parse(queue) {
        Some(queue) => {
            let looked = queues.peek(&queue, named.sequence.saturating_sub(1), 1).await;
            let has = |peeked: crate::queues::Peeked| {
                peeked.messages.iter().any(|message| *message.id == *named.id)
            };
            match looked {
                Ok(peeked) => Some(has(peeked)),
                Err(crate::queues::QueueError::NoQueue) => Some(false),
                Err(_) => None,
            }
        }
        None => Some(false),
    };
    let id = shown::text(&named.id, TEXT_CHARACTERS).0;
    Message { id, sequence: named.sequence, failed: named.failed, is_there }
}

fn part(name: &'static str, title: &'static str, payload: &Payload, lang: Lang) -> Part {
    let t = &lang.texts().invocations;
    let content = &payload.content;
    let readable = String::from_utf8_lossy(content);
    let readable = pretty(&readable).unwrap_or_else(|| readable.into_owned());
    let (text, is_all) = shown::text(&readable, CHARACTERS_MAX);
    let remark = match payload.kept {
        _ if payload.length == 0 => t.nothing.to_owned(),
        None => (t.not_kept)(payload.length),
        Some(_) if payload.is_cut() => (t.cut)(payload.length),
        Some(_) if !is_all => t.shown_partly.to_owned(),
        Some(_) => String::new(),
    };
    let download = match payload.kept {
        Some(kept) if kept > 0 => (t.download)(kept),
        _ => String::new(),
    };
    Part { name, title, text, remark, download }
}

/// What is kept, byte for byte. Never shown by the browser: it is a stranger's.
async fn download(
    extract::State(state): extract::State<State>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Failure> {
    let Path((id, part)) = path.map_err(|_| Failure::NoInvocation)?;
    let run = find(&state, &id).await?;
    let (payload, ending) = match part.as_str() {
        "event" => (run.event, "json"),
        "answer" => (run.answer, "json"),
        "log" => (run.log, "txt"),
        _ => return Err(Failure::NoPage),
    };
    let name = format!("attachment; filename=\"invocation-{}-{part}.{ending}\"", run.id);
    let mut response = Response::new(Body::from(payload.content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.extend(HeaderValue::from_str(&name).ok().map(|name| (CONTENT_DISPOSITION, name)));
    Ok(response)
}
