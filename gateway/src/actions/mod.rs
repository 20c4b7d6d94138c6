//! The actions of SQS, one file each: checks in SQS's order, then one call to the queues.

mod access;
mod add_permission;
mod batch;
mod cancel_message_move_task;
mod change_message_visibility;
mod change_message_visibility_batch;
mod copied_queue;
mod create_queue;
mod delete_message;
mod delete_message_batch;
mod delete_queue;
mod failure;
mod get_queue_attributes;
mod get_queue_url;
mod identifier;
mod list_dead_letter_source_queues;
mod list_message_move_tasks;
mod list_queue_tags;
mod list_queues;
mod message;
mod message_attributes;
mod move_task;
mod number;
mod pages;
mod permissions;
mod purge_queue;
mod queue_attributes;
mod receipt_handle;
mod receive_message;
mod redrive_target;
mod remove_permission;
mod request_id;
mod send_message;
mod send_message_batch;
mod set_queue_attributes;
mod shown_attributes;
mod start_message_move_task;
mod tag_queue;
mod tags;
mod untag_queue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_LENGTH, HOST};
use hyper::http::request::Parts;

use crate::auth::Entrance;
use crate::body::Place;
use crate::identity::Identity;
use crate::metrics::Requests;
use crate::protocol::request::{Action, Request, StartMessageMoveTask};
use crate::protocol::response::Response;
use crate::protocol::{self, Incoming, SqsError, limits};
use crate::queues::{QueueError, QueueName, Queues};
pub(crate) use access::SERVICE;
pub(crate) use copied_queue::CopiedQueue;
pub(crate) use request_id::RequestIds;

/// The host in QueueUrls for a client that sent no Host header (HTTP/1.0).
const HOST_DEFAULT: &str = "localhost";

/// SQS. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sqs {
    queues: Queues,
    identity: Identity,
    /// How long a deleted queue cannot be created and a purged one not be purged; zero: not at
    /// all.
    queue_cooldown: Duration,
    request_ids: Arc<RequestIds>,
    requests: Arc<Requests>,
}

impl Sqs {
    /// SQS on these queues, in the name of `identity`.
    pub fn new(queues: Queues, identity: Identity, queue_cooldown: Duration) -> Self {
        let request_ids = Arc::new(RequestIds::seeded());
        let requests = Arc::new(Requests::new("sqs", Action::ALL.map(Action::name)));
        Self { queues, identity, queue_cooldown, request_ids, requests }
    }

    /// The requests that were answered, for the metrics.
    pub(crate) fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    /// Whether requests can be answered: whether Redis can do the work.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_readiness(&self) -> Result<(), QueueError> {
        self.queues.are_reachable().await
    }

    /// Answers one request that came in by `entrance`, whatever it is; its body takes `place`.
    /// Dropping the future is safe: what a ReceiveMessage took meanwhile is given back.
    pub async fn answer(
        &self,
        entrance: Entrance<'_>,
        parts: &Parts,
        body: Bytes,
        place: Place,
    ) -> hyper::Response<Full<Bytes>> {
        let begun = Instant::now();
        let request_id = self.request_ids.next();
        let incoming = Incoming::new(parts, &body).only_account(self.identity.only_account());
        let protocol = incoming.protocol();
        let action = incoming.action().ok();
        let (queue, answer) = match self.read(entrance, parts, &body, incoming) {
            Ok(request) => {
                // A long poll need not hold what it has read; a message is part of the body.
                drop(body);
                let place = (request.action() != Action::ReceiveMessage).then_some(place);
                let queue = request.queue();
                let base_url = self.identity.base_url(host(parts), entrance.prefix());
                let answer = self.perform(&base_url, request).await;
                drop(place);
                (queue, answer)
            }
            Err(error) => (None, Err(error)),
        };
        self.note(action, queue.as_ref(), &request_id, &answer, begun.elapsed());
        protocol::write(protocol, &request_id, &answer)
    }

    /// Answers a request whose body is longer than [`limits::REQUEST_BYTES_MAX`].
    ///
    /// Source: sqs-contract §§4.8 and 10.
    pub fn body_too_large(
        &self,
        entrance: Entrance<'_>,
        parts: &Parts,
    ) -> hyper::Response<Full<Bytes>> {
        let request_id = self.request_ids.next();
        let protocol = protocol::protocol_of(parts);
        let action = protocol::action_of_target(parts).ok();
        let error = match action {
            Some(Action::SendMessageBatch) => {
                let length = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
                let length = length.and_then(|v| v.parse().ok());
                SqsError::BatchRequestTooLong(length.unwrap_or(limits::REQUEST_BYTES_MAX as u64))
            }
            _ => failure::message_too_large(*limits::MAXIMUM_MESSAGE_SIZE_BYTES.end()),
        };
        let answer = Err(self.refusal_before_body(entrance, parts).unwrap_or(error));
        self.note(action, None, &request_id, &answer, Duration::ZERO);
        protocol::write(protocol, &request_id, &answer)
    }

    /// Answers a request whose body was not read, because its sender may not do anything or there
    /// is no room for it.
    pub fn body_refused(
        &self,
        entrance: Entrance<'_>,
        parts: &Parts,
    ) -> hyper::Response<Full<Bytes>> {
        let request_id = self.request_ids.next();
        let crowded = || SqsError::ServiceUnavailable("too many large requests".to_owned());
        let answer = Err(self.refusal_before_body(entrance, parts).unwrap_or_else(crowded));
        self.note(None, None, &request_id, &answer, Duration::ZERO);
        protocol::write(protocol::protocol_of(parts), &request_id, &answer)
    }

    /// Counts a request and logs how it ended.
    fn note(
        &self,
        action: Option<Action>,
        queue: Option<&QueueName>,
        request_id: &str,
        answer: &Result<Response, SqsError>,
        took: Duration,
    ) {
        let refused = answer.as_ref().err().map(|error| error.code().json);
        self.requests.answered(action.map(|action| action as usize), refused, took);
        let name = action.map_or("-", Action::name);
        #[cfg(feature = "otel")]
        {
            let queue = queue.map(QueueName::as_str);
            crate::otel::request(("sqs", name), queue, request_id, refused, took);
        }
        log(name, queue, request_id, answer);
    }

    /// Does what a request asks for, whoever may ask. `base_url`: what URLs of queues begin with.
    pub(crate) async fn perform(
        &self,
        base_url: &str,
        request: Request,
    ) -> Result<Response, SqsError> {
        let action = request.action();
        let void = |()| Response::Void(action);
        match request {
            Request::AddPermission(input) => add_permission::handle(self, input).await.map(void),
            Request::CancelMessageMoveTask(input) => cancel_message_move_task::handle(self, input)
                .await
                .map(Response::CancelMessageMoveTask),
            Request::ChangeMessageVisibility(input) => {
                change_message_visibility::handle(self, input).await.map(void)
            }
            Request::ChangeMessageVisibilityBatch(input) => {
                change_message_visibility_batch::handle(self, input)
                    .await
                    .map(Response::ChangeMessageVisibilityBatch)
            }
            Request::CreateQueue(input) => {
                create_queue::handle(self, base_url, input).await.map(Response::CreateQueue)
            }
            Request::DeleteMessage(input) => delete_message::handle(self, input).await.map(void),
            Request::DeleteMessageBatch(input) => {
                delete_message_batch::handle(self, input).await.map(Response::DeleteMessageBatch)
            }
            Request::DeleteQueue(input) => delete_queue::handle(self, input).await.map(void),
            Request::GetQueueAttributes(input) => {
                get_queue_attributes::handle(self, input).await.map(Response::GetQueueAttributes)
            }
            Request::GetQueueUrl(input) => {
                get_queue_url::handle(self, base_url, input).await.map(Response::GetQueueUrl)
            }
            Request::ListDeadLetterSourceQueues(input) => {
                list_dead_letter_source_queues::handle(self, base_url, input)
                    .await
                    .map(Response::ListDeadLetterSourceQueues)
            }
            Request::ListMessageMoveTasks(input) => list_message_move_tasks::handle(self, input)
                .await
                .map(Response::ListMessageMoveTasks),
            Request::ListQueueTags(input) => {
                list_queue_tags::handle(self, input).await.map(Response::ListQueueTags)
            }
            Request::ListQueues(input) => {
                list_queues::handle(self, base_url, input).await.map(Response::ListQueues)
            }
            Request::PurgeQueue(input) => purge_queue::handle(self, input).await.map(void),
            Request::ReceiveMessage(input) => {
                receive_message::handle(self, input).await.map(Response::ReceiveMessage)
            }
            Request::RemovePermission(input) => {
                remove_permission::handle(self, input).await.map(void)
            }
            Request::SendMessage(input) => {
                send_message::handle(self, input).await.map(Response::SendMessage)
            }
            Request::SendMessageBatch(input) => {
                send_message_batch::handle(self, input).await.map(Response::SendMessageBatch)
            }
            Request::SetQueueAttributes(input) => {
                set_queue_attributes::handle(self, input).await.map(void)
            }
            Request::StartMessageMoveTask(input) => {
                start_message_move_task::handle(self, input, Vec::new())
                    .await
                    .map(Response::StartMessageMoveTask)
            }
            Request::TagQueue(input) => tag_queue::handle(self, input).await.map(void),
            Request::UntagQueue(input) => untag_queue::handle(self, input).await.map(void),
        }
    }

    /// Starts a task that moves only the messages of these sequence numbers, under the rules of
    /// StartMessageMoveTask.
    pub(crate) async fn move_chosen(
        &self,
        input: StartMessageMoveTask,
        chosen: Vec<u64>,
    ) -> Result<(), SqsError> {
        start_message_move_task::handle(self, input, chosen).await.map(|_started| ())
    }

    /// A new UUID.
    pub(crate) fn new_id(&self) -> String {
        self.request_ids.next()
    }

    /// Whose queues these are.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What to answer where the request is refused for `error` before the queue was asked: that
    /// the queue is missing comes first (sqs-contract §2.5). Costs a round trip in this rare case
    /// instead of one in every case.
    async fn refusal(&self, queue: &QueueName, error: SqsError) -> SqsError {
        match self.queues.info(queue).await {
            Err(QueueError::NoQueue) => SqsError::QueueDoesNotExist,
            _ => error,
        }
    }
}

fn host(parts: &Parts) -> &str {
    let header = parts.headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = parts.uri.authority().map(hyper::http::uri::Authority::as_str);
    header.or(authority).unwrap_or(HOST_DEFAULT)
}

/// One event a request; never bodies, handles or other texts of the client.
fn log(
    action: &str,
    queue: Option<&QueueName>,
    request_id: &str,
    answer: &Result<Response, SqsError>,
) {
    let queue = queue.map_or("-", QueueName::as_str);
    match answer {
        Ok(_) => tracing::debug!(action, queue, request_id, "done"),
        Err(error) => {
            let code = error.code();
            if code.is_sender_fault() {
                tracing::info!(action, queue, request_id, code = code.json, "refused");
            } else {
                let cause = error.cause().unwrap_or("-");
                tracing::warn!(action, queue, request_id, code = code.json, cause, "failed");
            }
        }
    }
}
