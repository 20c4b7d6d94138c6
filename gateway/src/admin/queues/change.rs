//! Changing a queue's attributes and tags.

use askama::Template;
use axum::extract;
use axum::response::Response;
use hyper::StatusCode;

use super::attributes::{self, Field, Kind};
use super::form::{Fields, Form};
use super::{Named, fault, page_of, tags, under};
use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Frame, Section, Visitor, done, html};
use crate::protocol::SqsError;
use crate::protocol::request::{
    GetQueueAttributes, Request, SetQueueAttributes, TagQueue, UntagQueue,
};
use crate::protocol::response::{self, QueueAttributes};
use crate::queues::{QueueInfo, QueueName};

#[derive(Debug, Template)]
#[template(path = "queue_change.html")]
struct Page {
    frame: Frame,
    queue: QueueName,
    error: Option<String>,
    fields: Vec<Field>,
    tags: Vec<(String, String)>,
    /// The tags there were when the form was made.
    before: Vec<(String, String)>,
}

impl Page {
    fn back(&self) -> String {
        page_of(&self.queue)
    }

    fn action(&self, page: &str) -> String {
        under(&self.queue, page)
    }
}

/// All attributes of a queue, as SQS shows them.
pub(super) async fn shown(
    state: &State,
    queue: &QueueName,
) -> Result<Vec<(&'static str, String)>, SqsError> {
    let attribute_names = vec!["All".to_owned()];
    let input = GetQueueAttributes { queue: Ok(queue.clone()), attribute_names };
    match state.sqs(Request::GetQueueAttributes(input)).await? {
        response::Response::GetQueueAttributes(QueueAttributes { attributes }) => Ok(attributes),
        _ => Ok(Vec::new()),
    }
}

pub(super) async fn page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
) -> Result<Response, Failure> {
    let info = state.0.queues.info(&queue).await?;
    let attributes = shown(&state, &queue).await?;
    let fields = attributes::fields(visitor.lang, &attributes, Some(info.is_fifo));
    Ok(html(&made(&visitor, queue, fields, info)))
}

/// `info`: the queue as it is.
fn made(visitor: &Visitor, queue: QueueName, fields: Vec<Field>, info: QueueInfo) -> Page {
    let title = (visitor.lang.texts().queue.change_title)(queue.as_str());
    let frame = visitor.frame(Section::Queues, title);
    let tags = tags::rows(info.tags.clone());
    Page { frame, queue, error: None, fields, tags, before: info.tags }
}

pub(super) async fn act(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Form(form): Form,
) -> Result<Response, Failure> {
    let info = state.0.queues.info(&queue).await?;
    let fields = attributes::filled(visitor.lang, &form, Some(info.is_fifo));
    let attributes = attributes::changed(&fields, |name| state.identity().sqs_arn(name));
    if !attributes.is_empty() {
        let input = SetQueueAttributes { queue: Ok(queue.clone()), attributes };
        if let Err(error) = state.sqs(Request::SetQueueAttributes(input)).await {
            let page = made(&visitor, queue, fields, info);
            return Ok(refused(&Page { error: Some(fault(error)?), ..page }));
        }
    }
    Ok(done(&page_of(&queue), "queue-changed"))
}

pub(super) async fn act_on_tags(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Form(form): Form,
) -> Result<Response, Failure> {
    let info = state.0.queues.info(&queue).await?;
    let written = tags::written(form.rows("tag-key", "tag-value"));
    if let Err(error) = change_tags(&state, &queue, &form, &written).await {
        let attributes = shown(&state, &queue).await?;
        let fields = attributes::fields(visitor.lang, &attributes, Some(info.is_fifo));
        let page = made(&visitor, queue, fields, info);
        let (error, tags) = (Some(fault(error)?), tags::rows(written));
        return Ok(refused(&Page { error, tags, ..page }));
    }
    Ok(done(&page_of(&queue), "tags-changed"))
}

/// Sets what was written and takes away what was there when the form was made and is not in it any
/// more; others' tags stay.
async fn change_tags(
    state: &State,
    queue: &QueueName,
    form: &Fields,
    written: &[(String, String)],
) -> Result<(), SqsError> {
    let before = form.rows("was-tag-key", "was-tag-value");
    let tags: Vec<_> = written.iter().filter(|tag| !before.contains(tag)).cloned().collect();
    if !tags.is_empty() {
        let input = TagQueue { queue: Ok(queue.clone()), tags };
        state.sqs(Request::TagQueue(input)).await?;
    }
    let is_left = |key: &String| written.iter().any(|(other, _)| other == key);
    let tag_keys: Vec<String> =
        before.into_iter().map(|(key, _)| key).filter(|key| !is_left(key)).collect();
    if !tag_keys.is_empty() {
        let input = UntagQueue { queue: Ok(queue.clone()), tag_keys };
        state.sqs(Request::UntagQueue(input)).await?;
    }
    Ok(())
}

fn refused(page: &Page) -> Response {
    let mut page = html(page);
    *page.status_mut() = StatusCode::BAD_REQUEST;
    page
}
