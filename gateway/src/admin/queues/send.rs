//! Sending a message.

use askama::Template;
use axum::extract;
use axum::response::{IntoResponse as _, Redirect, Response};
use hyper::StatusCode;

use super::form::{Form, Query, number};
use super::outgoing::{Draft, is_new};
use super::{Named, fault, message_page, page_of, under};
use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::protocol::SqsError;
use crate::protocol::request::{Request, SendMessage};
use crate::protocol::response::{self, SentMessage};
use crate::queues::QueueName;

/// The page with the form, for a new message or one that is changed.
#[derive(Debug, Template)]
#[template(path = "queue_send.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) queue: QueueName,
    pub(super) error: Option<String>,
    pub(super) draft: Draft,
    /// What was sent before: its id, and where it is.
    pub(super) sent: Option<SentBefore>,
    /// The message that is changed, if it is one.
    pub(super) changed: Option<Changed>,
}

/// What was sent just before.
#[derive(Debug)]
pub(super) struct SentBefore {
    pub(super) id: String,
    pub(super) url: String,
    /// What became of the message it replaces.
    pub(super) note: &'static str,
}

/// The message that is changed.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) sequence: u64,
    /// The queue's uid.
    pub(super) uid: String,
    /// Whether a form cannot keep its line ends.
    pub(super) is_mixed: bool,
}

impl Page {
    fn action(&self) -> String {
        match &self.changed {
            Some(changed) => format!("{}/edit", message_page(&self.queue, changed.sequence)),
            None => under(&self.queue, "send"),
        }
    }

    fn back(&self) -> String {
        match &self.changed {
            Some(changed) => message_page(&self.queue, changed.sequence),
            None => page_of(&self.queue),
        }
    }

    fn queue_page(&self) -> String {
        page_of(&self.queue)
    }

    /// As the answer to a form that was refused.
    pub(super) fn refused(&self) -> Response {
        let mut page = html(self);
        *page.status_mut() = StatusCode::BAD_REQUEST;
        page
    }
}

/// Sends it as SQS does.
pub(super) async fn send(state: &State, input: SendMessage) -> Result<SentMessage, SqsError> {
    match state.sqs(Request::SendMessage(input)).await? {
        response::Response::SendMessage(sent) => Ok(sent),
        other => Err(SqsError::InternalFailure(format!("{:?} for a send", other.action()))),
    }
}

/// Where it is told what was sent: the form again, for the next one.
pub(super) fn told(queue: &QueueName, sent: &SentMessage, note: &str) -> Response {
    let (id, sequence) = (&sent.message_id, sent.sequence);
    let page = under(queue, "send");
    Redirect::to(&format!("{page}?sent={id}&sequence={sequence}&old={note}")).into_response()
}

pub(super) async fn page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Query(query): Query,
) -> Result<Response, Failure> {
    state.0.queues.info(&queue).await?;
    let t = &visitor.lang.texts().messages;
    let note = match query.get("old") {
        "deleted" => t.old_deleted,
        "stays" => t.old_stays,
        "kept" => t.old_kept,
        _ => "",
    };
    let sent = number(query.get("sequence")).filter(|_| is_id(query.get("sent")));
    let sent = sent.map(|sequence| SentBefore {
        id: query.get("sent").to_owned(),
        url: message_page(&queue, sequence),
        note,
    });
    let draft = Draft::new(&queue, || state.0.sqs.new_id());
    let frame = visitor.frame(Section::Queues, (t.send_title)(queue.as_str()));
    Ok(html(&Page { frame, queue, error: None, draft, sent, changed: None }))
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

pub(super) async fn act(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Form(form): Form,
) -> Result<Response, Failure> {
    let before = state.0.queues.info(&queue).await?;
    let draft = Draft::written(&form);
    let result = match draft.request(&queue, Vec::new()) {
        Ok(input) => send(&state, input).await,
        Err(error) => Err(error),
    };
    let t = &visitor.lang.texts().messages;
    let error = match result {
        Ok(sent) if !queue.is_fifo() || is_new(&sent, &before) => {
            return Ok(told(&queue, &sent, ""));
        }
        Ok(_) => t.duplicate.to_owned(),
        Err(error) => fault(error)?,
    };
    let frame = visitor.frame(Section::Queues, (t.send_title)(queue.as_str()));
    let page = Page { frame, queue, error: Some(error), draft, sent: None, changed: None };
    Ok(page.refused())
}
