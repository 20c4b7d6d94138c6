//! A queue.

use askama::Template;
use axum::extract;
use axum::response::Response;
use hyper::HeaderMap;
use hyper::header::HOST;

use super::redrive::{Task, tasks};
use super::{Named, ROWS_MAX, attributes, change, page_of, under, words};
use crate::admin::State;
use crate::admin::charts::{Charts, queue_charts};
use crate::admin::failure::Failure;
use crate::admin::mapping_state::{self, ShownState};
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::admin::shown;
use crate::epoch::now_ms;
use crate::lambda::MappingStatus;
use crate::queues::{MessageState, QueueInfo, QueueName};

/// The header by which htmx says that it wants only what changes.
const PART_ONLY: &str = "hx-request";
/// Characters of an attribute's value that are shown.
const VALUE_CHARACTERS_MAX: usize = 4_096;

#[derive(Debug, Template)]
#[template(path = "queue.html")]
struct Page {
    frame: Frame,
    queue: QueueName,
    info: QueueInfo,
    now_ms: u64,
    attributes: Vec<Attribute>,
    mappings: Vec<MappingStatus>,
    tasks: Vec<Task>,
    /// `None`: nobody asked.
    sources: Option<Vec<QueueName>>,
    url: String,
    charts: Charts,
}

#[derive(Debug)]
struct Attribute {
    name: &'static str,
    label: &'static str,
    value: String,
    words: String,
    /// The dead-letter queue's page, where it is the RedrivePolicy.
    link: Option<String>,
}

impl Page {
    fn to(&self, page: &str) -> String {
        under(&self.queue, page)
    }

    /// Whether others let their dead letters come here.
    fn is_dead_letter_queue(&self) -> bool {
        self.sources.as_ref().is_some_and(|sources| !sources.is_empty())
    }

    /// What is counted, how many, and where they are seen.
    fn figures(&self) -> [(&'static str, u64, String); 4] {
        let t = &self.frame.t.queues;
        let QueueInfo { ready, delayed, in_flight, dead, .. } = self.info;
        let figure = |state: MessageState, word, count| {
            (word, count, self.to(&format!("messages?state={}", state.word())))
        };
        [
            figure(MessageState::Ready, t.ready, ready),
            figure(MessageState::Delayed, t.delayed, delayed),
            figure(MessageState::InFlight, t.in_flight, in_flight),
            figure(MessageState::Dead, t.dead, dead),
        ]
    }

    #[allow(clippy::unused_self, reason = "templates call methods of what they show")]
    fn shown(&self, text: &str) -> String {
        shown::text(text, VALUE_CHARACTERS_MAX).0
    }

    #[allow(clippy::unused_self, reason = "templates call methods of what they show")]
    fn page_of(&self, queue: &QueueName) -> String {
        page_of(queue)
    }

    fn next_due(&self) -> Option<String> {
        let t = &self.frame.t.queues;
        let ms = self.info.next_due_ms?.saturating_sub(self.now_ms);
        Some(match ms {
            0 => t.due_now.to_owned(),
            ms => (t.due_in)(&words::about(self.frame.lang, ms)),
        })
    }

    fn oldest(&self) -> Option<String> {
        let age = self.now_ms.saturating_sub(self.info.oldest_sent_ms?);
        Some(words::about(self.frame.lang, age))
    }

    fn bytes(&self) -> String {
        words::bytes(self.info.bytes)
    }

    fn tags(&self) -> Vec<(String, String)> {
        let shown = |text: &String| shown::text(text, VALUE_CHARACTERS_MAX).0;
        self.info.tags.iter().map(|(key, value)| (shown(key), shown(value))).collect()
    }

    fn state_of(&self, mapping: &MappingStatus) -> ShownState {
        mapping_state::of(mapping, self.frame.t)
    }
}

impl Attribute {
    fn is_time(&self) -> bool {
        self.name.ends_with("Timestamp")
    }
}

/// The mappings of a queue, whichever gateways serve them.
pub(super) async fn mappings_of(state: &State, queue: &QueueName) -> Vec<MappingStatus> {
    let mut mappings = state.0.control.fleet_status().await.trigger.mappings;
    mappings.retain(|mapping| mapping.queue == queue.as_str());
    mappings
}

pub(super) async fn page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let info = state.0.queues.info(&queue).await?;
    let attributes = change::shown(&state, &queue).await?;
    let attributes = attributes.into_iter().filter(|(name, _)| !is_count(name));
    let attributes = attributes.map(|(name, value)| attribute(&visitor, name, &value)).collect();
    // All queues are looked at for them, which is too much for every few seconds.
    let sources = if headers.contains_key(PART_ONLY) {
        None
    } else {
        Some(state.0.queues.sources(&queue, None, ROWS_MAX).await?.0)
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let identity = state.identity();
    let frame = visitor.frame(Section::Queues, queue.as_str());
    Ok(html(&Page {
        charts: queue_charts(&state, &queue, &frame).await?,
        frame,
        now_ms: now_ms(),
        attributes,
        mappings: mappings_of(&state, &queue).await,
        tasks: tasks(&state, &queue, visitor.lang).await?,
        sources,
        url: identity.queue_url(&identity.base_url(host, ""), &queue),
        info,
        queue,
    }))
}

/// What stands above the table already.
fn is_count(name: &str) -> bool {
    name.starts_with("ApproximateNumberOf")
}

fn attribute(visitor: &Visitor, name: &'static str, value: &str) -> Attribute {
    let seconds = || value.parse::<u64>().ok().filter(|_| name.ends_with("Timestamp"));
    let words = match seconds() {
        Some(seconds) => shown::when(seconds.saturating_mul(1_000)),
        None => attributes::in_words(visitor.lang, name, value),
    };
    let link = attributes::target_in(name, value).map(|target| page_of(&target));
    let (label, _hint) = (visitor.lang.texts().queue.attribute)(name);
    Attribute { name, label, value: shown::text(value, VALUE_CHARACTERS_MAX).0, words, link }
}
