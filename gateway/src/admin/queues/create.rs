//! Making a queue.

use askama::Template;
use axum::extract;
use axum::response::Response;
use hyper::StatusCode;

use super::attributes::{self, Field, Kind};
use super::form::{Fields, Form};
use super::{fault, page_of, tags};
use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Frame, Section, Visitor, done, html};
use crate::protocol::request::{CreateQueue, Request};
use crate::queues::{FIFO_SUFFIX, QueueError, QueueName};

/// The attribute of FIFO queues.
const FIFO: &str = "FifoQueue";

#[derive(Debug, Template)]
#[template(path = "queue_new.html")]
struct Page {
    frame: Frame,
    error: Option<String>,
    name: String,
    is_fifo: bool,
    fields: Vec<Field>,
    tags: Vec<(String, String)>,
}

pub(super) async fn page(visitor: Visitor) -> Response {
    html(&filled(&visitor, &Fields::default(), None))
}

pub(super) async fn act(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Form(form): Form,
) -> Result<Response, Failure> {
    match create(&visitor, &state, &form).await? {
        Ok(queue) => Ok(done(&page_of(&queue), "queue-created")),
        Err(error) => {
            let mut page = html(&filled(&visitor, &form, Some(error)));
            *page.status_mut() = StatusCode::BAD_REQUEST;
            Ok(page)
        }
    }
}

fn filled(visitor: &Visitor, form: &Fields, error: Option<String>) -> Page {
    let frame = visitor.frame(Section::Queues, visitor.lang.texts().queue.new_title);
    Page {
        frame,
        error,
        name: form.get("name").to_owned(),
        is_fifo: form.get("kind") == "fifo",
        fields: attributes::filled(visitor.lang, form, None),
        tags: tags::rows(form.rows("tag-key", "tag-value")),
    }
}

/// The name of what is to be made: a FIFO queue's ends as it must.
fn name_of(form: &Fields) -> String {
    let name = form.get("name").trim();
    let lacks_suffix = form.get("kind") == "fifo" && !name.ends_with(FIFO_SUFFIX);
    if lacks_suffix { format!("{name}{FIFO_SUFFIX}") } else { name.to_owned() }
}

/// Errors within: what to tell beside the form.
async fn create(
    visitor: &Visitor,
    state: &State,
    form: &Fields,
) -> Result<Result<QueueName, String>, Failure> {
    let queue_name = name_of(form);
    if let Some(queue) = QueueName::parse(&queue_name) {
        match state.0.queues.info(&queue).await {
            // SQS takes a repetition for a success; here it would hide what is there already.
            Ok(_) => return Ok(Err((visitor.lang.texts().queue.exists)(&queue_name))),
            Err(QueueError::NoQueue) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let is_fifo = form.get("kind") == "fifo";
    let fields = attributes::filled(visitor.lang, form, Some(is_fifo));
    let mut given = attributes::changed(&fields, |name| state.identity().sqs_arn(name));
    if is_fifo {
        given.push((FIFO.to_owned(), "true".to_owned()));
    }
    let tags = tags::written(form.rows("tag-key", "tag-value"));
    let input = CreateQueue { queue_name: queue_name.clone(), attributes: given, tags };
    match state.sqs(Request::CreateQueue(input)).await {
        Ok(_) => Ok(QueueName::parse(&queue_name).ok_or(queue_name)),
        Err(error) => fault(error).map(Err),
    }
}
