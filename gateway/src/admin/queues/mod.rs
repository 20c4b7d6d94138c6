//! The pages of queues and of the messages in them. Design §4, "Admin".
//!
//! What is changed is changed by SQS's own actions, so its checks and texts are the same here. What
//! SQS has no action for (looking, deleting and moving single messages, giving dead letters another
//! life) is told in ARCHITECTURE, "The pages of queues".

mod attributes;
mod change;
mod create;
mod edit;
mod form;
mod list;
mod message;
mod messages;
mod outgoing;
mod redrive;
mod remove;
mod send;
mod show;
mod tags;
mod words;

use std::collections::HashMap;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::routing::{get, post};
use hyper::http::request::Parts;

use crate::admin::State;
use crate::admin::failure::Failure;
use crate::identity::Identity;
use crate::protocol::SqsError;
use crate::protocol::request::Request;
use crate::protocol::response::Response;
use crate::queues::{QueueInfo, QueueName};

/// Where the list is.
const QUEUES: &str = "/admin/queues";
/// Rows on one page.
const ROWS_MAX: usize = 50;
/// The name a queue can have that is also the page on which queues are made.
const NEW: &str = "new";

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route(QUEUES, get(list::page))
        .route("/admin/queues/new", get(create::page).post(create::act))
        .route("/admin/queues/{name}", get(show::page))
        .route("/admin/queues/{name}/queue", get(show::page))
        .route("/admin/queues/{name}/change", get(change::page).post(change::act))
        .route("/admin/queues/{name}/tags", post(change::act_on_tags))
        .route("/admin/queues/{name}/delete", get(remove::delete_page).post(remove::delete))
        .route("/admin/queues/{name}/purge", get(remove::purge_page).post(remove::purge))
        .route("/admin/queues/{name}/send", get(send::page).post(send::act))
        .route("/admin/queues/{name}/messages", get(messages::page))
        .route(
            "/admin/queues/{name}/messages/delete",
            get(messages::delete_page).post(messages::delete),
        )
        .route("/admin/queues/{name}/messages/{sequence}", get(message::page))
        .route("/admin/queues/{name}/messages/{sequence}/body", get(message::download))
        .route("/admin/queues/{name}/messages/{sequence}/edit", get(edit::page).post(edit::act))
        .route("/admin/queues/{name}/redrive", get(redrive::page).post(redrive::act))
        .route(
            "/admin/queues/{name}/redrive/cancel",
            get(redrive::cancel_page).post(redrive::cancel),
        )
        .route("/admin/queues/{name}/revive", get(redrive::revive_page).post(redrive::revive))
}

/// The queue that a page's path names. Rejected: one that cannot be.
struct Named(QueueName);

/// The queue and the message that a page's path names.
struct NamedMessage(QueueName, u64);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let names = names(parts, state).await?;
        let queue = names.get("name").and_then(|name| QueueName::parse(name));
        queue.map(Self).ok_or(Failure::NoQueue)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NamedMessage {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Named(queue) = Named::from_request_parts(parts, state).await?;
        let names = names(parts, state).await?;
        let sequence = names.get("sequence").and_then(|text| form::number(text));
        sequence.map(|sequence| Self(queue, sequence)).ok_or(Failure::NoPage)
    }
}

async fn names<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<HashMap<String, String>, Failure> {
    let Path(names) =
        Path::from_request_parts(parts, state).await.map_err(|_rejection| Failure::NoPage)?;
    Ok(names)
}

/// Where a queue's page is.
fn page_of(queue: &QueueName) -> String {
    // The one name that is a page already.
    if queue.as_str() == NEW { under(queue, "queue") } else { format!("{QUEUES}/{queue}") }
}

/// Where one of a queue's further pages is.
fn under(queue: &QueueName, page: &str) -> String {
    format!("{QUEUES}/{queue}/{page}")
}

/// Where a message's page is.
fn message_page(queue: &QueueName, sequence: u64) -> String {
    under(queue, &format!("messages/{sequence}"))
}

impl State {
    /// Does what SQS does when it is asked for that.
    async fn sqs(&self, request: Request) -> Result<Response, SqsError> {
        let (action, queue) = (request.action().name(), request.queue());
        let answer = self.0.sqs.perform("", request).await;
        let queue = queue.as_ref().map_or("-", QueueName::as_str);
        match &answer {
            Ok(_) => tracing::debug!(action, queue, "done for the admin page"),
            Err(error) => {
                let (code, cause) = (error.code().json, error.cause().unwrap_or("-"));
                tracing::info!(action, queue, code, cause, "refused to the admin page");
            }
        }
        answer
    }

    fn identity(&self) -> &Identity {
        self.0.sqs.identity()
    }

    /// A queue, if there is one of that name and it is the one of that uid: a form may be older
    /// than a queue that was made anew, whose numbers are other messages'.
    async fn same_queue(&self, queue: &QueueName, uid: &str) -> Result<QueueInfo, Failure> {
        let info = self.0.queues.info(queue).await?;
        if info.uid == uid { Ok(info) } else { Err(Failure::NoQueue) }
    }
}

/// What a form is refused for, to be told beside it. Errors: what is no fault of the form.
fn fault(error: SqsError) -> Result<String, Failure> {
    match Failure::from(error) {
        Failure::Refused(text) => Ok(text),
        other => Err(other),
    }
}
