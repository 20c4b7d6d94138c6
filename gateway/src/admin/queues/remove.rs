//! Deleting a queue, and purging it.

use askama::Template;
use axum::extract;
use axum::response::Response;
use hyper::StatusCode;

use super::form::Form;
use super::show::mappings_of;
use super::{Named, QUEUES, ROWS_MAX, page_of, under};
use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Confirm, Frame, Section, Visitor, done, html};
use crate::protocol::request::Request;
use crate::queues::{QueueInfo, QueueName};

#[derive(Debug, Template)]
#[template(path = "queue_delete.html")]
struct Page {
    frame: Frame,
    queue: QueueName,
    /// Messages that would be lost.
    messages: u64,
    /// Functions that would get nothing any more.
    functions: Vec<String>,
    /// Queues whose dead letters would have nowhere to go.
    sources: Vec<QueueName>,
    /// Whether something else than the name was typed.
    is_mistyped: bool,
}

impl Page {
    fn back(&self) -> String {
        page_of(&self.queue)
    }

    fn text(&self) -> String {
        (self.frame.t.queue.delete_text)(self.messages)
    }

    fn action(&self) -> String {
        under(&self.queue, "delete")
    }
}

fn all_messages(info: &QueueInfo) -> u64 {
    info.ready + info.delayed + info.in_flight + info.dead
}

async fn asked(
    visitor: &Visitor,
    state: &State,
    queue: QueueName,
    is_mistyped: bool,
) -> Result<Page, Failure> {
    let info = state.0.queues.info(&queue).await?;
    let (sources, _more) = state.0.queues.sources(&queue, None, ROWS_MAX).await?;
    let functions =
        mappings_of(state, &queue).await.into_iter().map(|mapping| mapping.function_name);
    Ok(Page {
        frame: visitor
            .frame(Section::Queues, (visitor.lang.texts().queue.delete_title)(queue.as_str())),
        messages: all_messages(&info),
        functions: functions.collect(),
        sources,
        is_mistyped,
        queue,
    })
}

pub(super) async fn delete_page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
) -> Result<Response, Failure> {
    Ok(html(&asked(&visitor, &state, queue, false).await?))
}

pub(super) async fn delete(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Form(form): Form,
) -> Result<Response, Failure> {
    if form.get("name").trim() != queue.as_str() {
        let mut page = html(&asked(&visitor, &state, queue, true).await?);
        *page.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(page);
    }
    state.sqs(Request::DeleteQueue(Ok(queue))).await?;
    Ok(done(QUEUES, "queue-deleted"))
}

pub(super) async fn purge_page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
) -> Result<Response, Failure> {
    let info = state.0.queues.info(&queue).await?;
    let t = &visitor.lang.texts().queue;
    let frame = visitor.frame(Section::Queues, (t.purge_title)(queue.as_str()));
    Ok(html(&Confirm {
        frame,
        text: (t.purge_text)(all_messages(&info)),
        action: under(&queue, "purge"),
        fields: Vec::new(),
        button: t.purge,
        back: page_of(&queue),
    }))
}

pub(super) async fn purge(
    extract::State(state): extract::State<State>,
    Named(queue): Named,
) -> Result<Response, Failure> {
    state.sqs(Request::PurgeQueue(Ok(queue.clone()))).await?;
    Ok(done(&page_of(&queue), "queue-purged"))
}
