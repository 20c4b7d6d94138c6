//! The list of queues.

use askama::Template;
use axum::extract;
use axum::response::Response;
use futures_util::future::join_all;

use super::form::Query;
use super::{QUEUES, ROWS_MAX, page_of, words};
use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::admin::texts::Lang;
use crate::queues::{QueueCounts, QueueName, Queues};

/// The attribute that names where dead letters go.
const TARGET: &str = "deadLetterTargetArn";

#[derive(Debug, Template)]
#[template(path = "queues.html")]
struct Page {
    frame: Frame,
    prefix: String,
    is_continued: bool,
    rows: Vec<Row>,
    /// Where the list goes on.
    next: Option<String>,
}

#[derive(Debug)]
struct Row {
    counts: QueueCounts,
    url: String,
    next_due: String,
    /// Its dead-letter queue, and where the page of that is.
    target: Option<(String, String)>,
}

impl Page {
    /// Where the list begins.
    fn first(&self) -> String {
        if self.prefix.is_empty() { QUEUES.to_owned() } else { link(&self.prefix, None) }
    }
}

fn next_due(lang: Lang, counts: &QueueCounts) -> String {
    let t = &lang.texts().queues;
    match counts.next_ms {
        None => String::new(),
        Some(0) => t.due_now.to_owned(),
        Some(ms) => (t.due_in)(&words::about(lang, ms)),
    }
}

pub(super) async fn page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Query(query): Query,
) -> Result<Response, Failure> {
    let prefix = query.get("prefix").trim().to_owned();
    let after = Some(query.get("after")).filter(|after| !after.is_empty());
    let queues = &state.0.queues;
    let (counts, more) = queues.counts(&prefix, after, ROWS_MAX).await?;
    let last = counts.last().map(|counts| counts.queue.clone()).filter(|_| more);
    let rows = join_all(counts.into_iter().map(|counts| row(visitor.lang, queues, counts))).await;
    let next = last.map(|last| link(&prefix, Some(&last)));
    let frame = visitor.frame(Section::Queues, visitor.lang.texts().queues.title);
    Ok(html(&Page { frame, prefix, is_continued: after.is_some(), rows, next }))
}

async fn row(lang: Lang, queues: &Queues, counts: QueueCounts) -> Row {
    // A queue that went away meanwhile has no target.
    let info = queues.info(&counts.queue).await.ok();
    let target = info.and_then(|info| QueueName::of_arn(info.attribute(TARGET)?));
    let target = target.map(|target| (target.to_string(), page_of(&target)));
    let next_due = next_due(lang, &counts);
    Row { url: page_of(&counts.queue), next_due, counts, target }
}

fn link(prefix: &str, after: Option<&QueueName>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !prefix.is_empty() {
        query.append_pair("prefix", prefix);
    }
    if let Some(after) = after {
        query.append_pair("after", after.as_str());
    }
    format!("{QUEUES}?{}", query.finish())
}
