//! Giving messages that failed another life: those of a dead-letter queue, by a move task, and
//! those in a queue's own dead list.

use askama::Template;
use axum::extract;
use axum::response::Response;
use hyper::StatusCode;

use super::form::{Fields, Form, Query};
use super::{Named, ROWS_MAX, fault, page_of, under};
use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Confirm, Frame, Section, Visitor, done, html};
use crate::protocol::SqsError;
use crate::protocol::request::{
    CancelMessageMoveTask, ListMessageMoveTasks, Request, StartMessageMoveTask,
};
use crate::protocol::response::{self, MoveTask};
use crate::queues::{QueueInfo, QueueName};

/// Tasks shown, newest first; SQS lists no more.
const TASKS_MAX: i64 = 10;
/// The destination that is each message's own source.
const BACK: &str = "";
/// The destination that is written beside; no queue can be called so.
const OTHER: &str = "other queue";

/// A move task as pages show it.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) shown: MoveTask,
    /// The badge's class and word.
    pub(super) badge: (&'static str, &'static str),
    /// Where messages go; empty: each to where it came from.
    pub(super) destination: String,
    /// How far it is, in words.
    pub(super) progress: String,
    /// When it was started, as `<time>` has it.
    pub(super) started: String,
    /// Where it is cancelled, while it runs.
    pub(super) cancel: Option<String>,
}

impl Task {
    /// What a bar of its progress ends at.
    pub(super) fn most(&self) -> u64 {
        let MoveTask {
            approximate_number_of_messages_moved: moved,
            approximate_number_of_messages_to_move: to_move,
            ..
        } = self.shown;
        moved.max(to_move).max(1)
    }
}

/// The tasks of a queue, newest first.
pub(super) async fn tasks(
    state: &State,
    queue: &QueueName,
    lang: crate::admin::texts::Lang,
) -> Result<Vec<Task>, SqsError> {
    let source_arn = state.identity().queue_arn(queue);
    let input = ListMessageMoveTasks { source_arn, max_results: Some(TASKS_MAX) };
    let tasks = match state.sqs(Request::ListMessageMoveTasks(input)).await {
        Ok(response::Response::ListMessageMoveTasks(tasks)) => tasks.results,
        Ok(_) => Vec::new(),
        // The queue went away.
        Err(SqsError::ResourceNotFound(_)) => return Err(SqsError::QueueDoesNotExist),
        Err(error) => return Err(error),
    };
    let t = &lang.texts().queue;
    let task = |task: MoveTask| Task {
        badge: match task.status {
            "RUNNING" => ("info", t.task_running),
            "CANCELLING" => ("warn", t.task_cancelling),
            "COMPLETED" => ("good", t.task_completed),
            "CANCELLED" => ("warn", t.task_cancelled),
            _ => ("bad", t.task_failed),
        },
        destination: task
            .destination_arn
            .as_deref()
            .map(|arn| QueueName::of_arn(arn).map_or_else(|| arn.to_owned(), |q| q.to_string()))
            .unwrap_or_default(),
        progress: (t.of_about)(
            task.approximate_number_of_messages_moved,
            task.approximate_number_of_messages_to_move,
        ),
        started: crate::admin::shown::when(task.started_timestamp),
        cancel: task.task_handle.as_deref().map(|handle| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("task", handle);
            under(queue, &format!("redrive/cancel?{}", query.finish()))
        }),
        shown: task,
    };
    Ok(tasks.into_iter().map(task).collect())
}

#[derive(Debug, Template)]
#[template(path = "queue_redrive.html")]
struct Page {
    frame: Frame,
    queue: QueueName,
    info: QueueInfo,
    error: Option<String>,
    sources: Vec<QueueName>,
    /// Only these messages; empty: all.
    sequences: Vec<u64>,
    destination: String,
    other: String,
    rate: String,
}

impl Page {
    fn action(&self) -> String {
        under(&self.queue, "redrive")
    }

    fn back(&self) -> String {
        page_of(&self.queue)
    }

    fn text(&self) -> String {
        let t = &self.frame.t.queue;
        match self.sequences.len() {
            0 => (t.redrive_text)(self.info.ready),
            count => (t.redrive_chosen)(count),
        }
    }

    fn is_to(&self, destination: &str) -> bool {
        self.destination == destination
    }
}

async fn filled(
    visitor: &Visitor,
    state: &State,
    queue: QueueName,
    fields: &Fields,
    error: Option<String>,
) -> Result<Page, Failure> {
    let info = state.0.queues.info(&queue).await?;
    let (sources, _more) = state.0.queues.sources(&queue, None, ROWS_MAX).await?;
    let title = (visitor.lang.texts().queue.redrive_title)(queue.as_str());
    Ok(Page {
        frame: visitor.frame(Section::Queues, title),
        info,
        error,
        sources,
        sequences: fields.sequences(ROWS_MAX),
        destination: fields.get("destination").to_owned(),
        other: fields.get("other").to_owned(),
        rate: fields.get("rate").to_owned(),
        queue,
    })
}

pub(super) async fn page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Query(query): Query,
) -> Result<Response, Failure> {
    Ok(html(&filled(&visitor, &state, queue, &query, None).await?))
}

pub(super) async fn act(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Form(form): Form,
) -> Result<Response, Failure> {
    state.same_queue(&queue, form.get("uid")).await?;
    match start(&state, &queue, &form).await {
        Ok(()) => Ok(done(&page_of(&queue), "moving")),
        Err(error) => {
            let page = filled(&visitor, &state, queue, &form, Some(fault(error)?)).await?;
            let mut page = html(&page);
            *page.status_mut() = StatusCode::BAD_REQUEST;
            Ok(page)
        }
    }
}

async fn start(state: &State, queue: &QueueName, form: &Fields) -> Result<(), SqsError> {
    let identity = state.identity();
    let destination_arn = match form.get("destination") {
        BACK => None,
        OTHER => Some(identity.sqs_arn(form.get("other").trim())),
        name => Some(identity.sqs_arn(name)),
    };
    let rate = Some(form.get("rate").trim()).filter(|rate| !rate.is_empty());
    let input = StartMessageMoveTask {
        source_arn: identity.queue_arn(queue),
        destination_arn,
        // What is no number is refused as one that is out of range.
        max_number_of_messages_per_second: rate.map(|rate| rate.parse().unwrap_or(0)),
    };
    state.0.sqs.move_chosen(input, form.sequences(ROWS_MAX)).await
}

pub(super) async fn cancel_page(
    visitor: Visitor,
    Named(queue): Named,
    Query(query): Query,
) -> Response {
    let t = &visitor.lang.texts().queue;
    html(&Confirm {
        frame: visitor.frame(Section::Queues, t.cancel_title),
        text: t.cancel_text.to_owned(),
        action: under(&queue, "redrive/cancel"),
        fields: vec![("task".to_owned(), query.get("task").to_owned())],
        button: t.cancel_task,
        back: page_of(&queue),
    })
}

pub(super) async fn cancel(
    extract::State(state): extract::State<State>,
    Named(queue): Named,
    Form(form): Form,
) -> Result<Response, Failure> {
    let input = CancelMessageMoveTask { task_handle: form.get("task").to_owned() };
    state.sqs(Request::CancelMessageMoveTask(input)).await?;
    Ok(done(&page_of(&queue), "task-cancelled"))
}

pub(super) async fn revive_page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Named(queue): Named,
) -> Result<Response, Failure> {
    let info = state.0.queues.info(&queue).await?;
    let t = &visitor.lang.texts().queue;
    Ok(html(&Confirm {
        frame: visitor.frame(Section::Queues, (t.revive_title)(queue.as_str())),
        text: (t.revive_text)(info.dead),
        action: under(&queue, "revive"),
        fields: Vec::new(),
        button: t.revive,
        back: page_of(&queue),
    }))
}

pub(super) async fn revive(
    extract::State(state): extract::State<State>,
    Named(queue): Named,
) -> Result<Response, Failure> {
    let count = state.0.queues.revive(&queue).await?;
    tracing::info!(%queue, count, "dead letters given back on the admin page");
    Ok(done(&page_of(&queue), "revived"))
}
