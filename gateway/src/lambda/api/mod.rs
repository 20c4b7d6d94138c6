//! Lambda's API on our own endpoint: mappings are managed and local functions invoked as on AWS.
//!
//! Source: esm-contract §7. The protocol is rest-json; signatures are scoped to `lambda`.

mod access;
mod changes;
mod create;
mod delete;
mod error;
mod functions;
mod invoke;
mod json;
mod list;
mod names;
mod operation;
mod pages;
mod settings;
mod show;
mod tags;
mod update;

pub(crate) use operation::{Operation, is_api_path};

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::actions::RequestIds;
use crate::auth::{Caller, Entrance};
use crate::body::Place;
use crate::identity::Identity;
use crate::lambda::api::error::{ApiError, ErrorKind};
use crate::lambda::api::json::Query;
use crate::lambda::api::operation::Route;
use crate::lambda::control::Control;
use crate::lambda::local::LocalFunctions;
use crate::lambda::switching::{self, Wish};
use crate::metrics::Requests;
use crate::queues::{QueueError, Queues};

/// The header with the request's id.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// Longest body of anything but Invoke, in bytes: many times what ten patterns and fifty tags
/// need.
const BODY_BYTES_MAX: usize = 256 * 1_024;
/// How long one who changed a mapping waits until that counts.
const NOTICE_MAX: Duration = Duration::from_secs(5);

/// Lambda's API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queues: Queues,
    identity: Identity,
    functions: Arc<LocalFunctions>,
    control: Control,
    /// Whether functions may be on AWS, or behind an endpoint, that nothing was read of.
    knows_others: bool,
    request_ids: RequestIds,
    requests: Arc<Requests>,
    started: SystemTime,
    /// Held while a mapping is read, changed and written.
    writing: Mutex<()>,
}

/// A request that may be made, as far as that can be said without knowing the queue.
#[derive(Debug, Clone)]
struct Ask<'a> {
    operation: Operation,
    /// The function, mapping or ARN in the path.
    resource: String,
    caller: Caller<'a>,
    query: Query,
    parts: &'a Parts,
    body: Bytes,
    /// What the body takes.
    place: Arc<Place>,
}

type Answer = Response<Full<Bytes>>;

impl Api {
    pub(super) fn new(
        queues: Queues,
        identity: Identity,
        functions: Arc<LocalFunctions>,
        control: Control,
        knows_others: bool,
    ) -> Self {
        Self(Arc::new(Inner {
            queues,
            identity,
            functions,
            control,
            knows_others,
            request_ids: RequestIds::seeded(),
            requests: Arc::new(Requests::new("lambda", Operation::ALL.map(Operation::permission))),
            started: SystemTime::now(),
            writing: Mutex::new(()),
        }))
    }

    /// The requests that were answered, for the metrics.
    pub(crate) fn requests(&self) -> &Arc<Requests> {
        &self.0.requests
    }

    /// Answers one request that came in by `entrance`; its body takes `place`.
    pub async fn answer(
        &self,
        entrance: Entrance<'_>,
        parts: &Parts,
        body: Bytes,
        place: Place,
    ) -> Answer {
        let begun = Instant::now();
        let (action, answer) = match self.read(entrance, parts, body, place) {
            Ok(ask) => (ask.operation.permission(), self.perform(ask).await),
            Err((action, error)) => (action, Err(error)),
        };
        self.finish(action, answer, begun.elapsed())
    }

    /// Answers a request whose body is larger than any may be.
    pub fn body_too_large(&self, entrance: Entrance<'_>, parts: &Parts) -> Answer {
        let error = access::refusal_before_body(entrance, parts);
        let is_invoke = Route::of(&parts.method, parts.uri.path())
            .is_some_and(|route| route.operation == Operation::Invoke);
        let error = error.unwrap_or_else(|| too_large(is_invoke, parts));
        self.finish("-", Err(error), Duration::ZERO)
    }

    /// Answers a request whose body was not read, because its sender may not do anything or there
    /// is no room for it.
    pub fn body_refused(&self, entrance: Entrance<'_>, parts: &Parts) -> Answer {
        let crowded = || ApiError::unavailable("too many large requests");
        let error = access::refusal_before_body(entrance, parts).unwrap_or_else(crowded);
        self.finish("-", Err(error), Duration::ZERO)
    }

    /// Whether a request's body is worth reading.
    pub fn wants_body(entrance: Entrance<'_>, parts: &Parts) -> bool {
        access::refusal_before_body(entrance, parts).is_none()
    }

    /// Has the trigger take notice of a change in Redis, should that be away by now: later.
    async fn changed(&self) {
        let _late = timeout(NOTICE_MAX, self.0.control.changed()).await;
    }

    /// Waits a moment after the start until it is known which mappings there are.
    async fn load(&self) -> Result<(), ApiError> {
        if !self.0.control.view().is_loaded {
            let _late = timeout(NOTICE_MAX, self.0.control.reload()).await;
        }
        if self.0.control.view().is_loaded {
            return Ok(());
        }
        Err(ApiError::unavailable("the mappings were not read from Redis yet"))
    }

    /// Starts, stops or drains a mapping, whoever serves it. Returns once this gateway has taken
    /// notice.
    pub(crate) async fn switch(&self, uuid: &str, wish: Wish) -> Result<(), QueueError> {
        let _writing = self.0.writing.lock().await;
        switching::switch(&self.0.queues, uuid, wish).await?;
        self.changed().await;
        Ok(())
    }

    async fn perform(&self, ask: Ask<'_>) -> Result<Answer, ApiError> {
        if !ask.operation.is_about_function() {
            self.load().await?;
        }
        match ask.operation {
            Operation::CreateEventSourceMapping => create::handle(self, &ask).await,
            Operation::DeleteEventSourceMapping => delete::handle(self, &ask).await,
            Operation::GetAccountSettings => functions::account_settings(self, &ask),
            Operation::GetEventSourceMapping => list::get(self, &ask).await,
            Operation::GetFunction => functions::get(self, &ask),
            Operation::GetFunctionConcurrency => functions::concurrency(self, &ask),
            Operation::GetFunctionConfiguration => functions::configuration(self, &ask),
            Operation::Invoke => invoke::handle(self, ask).await,
            Operation::ListEventSourceMappings => list::list(self, &ask),
            Operation::ListFunctionUrlConfigs => functions::urls(self, &ask),
            Operation::ListFunctions => functions::list(self, &ask),
            Operation::ListTags => tags::list(self, &ask).await,
            Operation::TagResource => tags::tag(self, &ask).await,
            Operation::UntagResource => tags::untag(self, &ask).await,
            Operation::UpdateEventSourceMapping => update::handle(self, &ask).await,
        }
    }

    /// Counts a request; one event in the log, never with bodies.
    fn finish(&self, action: &str, answer: Result<Answer, ApiError>, took: Duration) -> Answer {
        let refused = answer.as_ref().err().map(ApiError::name);
        self.0.requests.answered_by_name(action, refused, took);
        let mut response = answer.unwrap_or_else(|error| {
            let request_id = self.0.request_ids.next();
            log_refusal(action, &request_id, &error);
            let mut response = error.response();
            name(&mut response, &request_id);
            response
        });
        if !response.headers().contains_key(&REQUEST_ID) {
            name(&mut response, &self.0.request_ids.next());
        }
        if refused.is_none() {
            let id = response.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
            tracing::debug!(action, request_id = id.unwrap_or("-"), "done");
        }
        response
    }
}

fn log_refusal(action: &str, request_id: &str, error: &ApiError) {
    let (code, cause) = (error.name(), error.cause.as_deref().unwrap_or("-"));
    if error.is_user_fault() {
        tracing::info!(action, request_id, code, "refused");
    } else {
        tracing::warn!(action, request_id, code, cause, "failed");
    }
}

fn name(response: &mut Answer, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(&REQUEST_ID, id);
    }
}

/// 413 in the words of esm-contract §1.
fn too_large(is_invoke: bool, parts: &Parts) -> ApiError {
    let text = if is_invoke {
        invoke::too_large(parts)
    } else {
        format!("Request must be smaller than {BODY_BYTES_MAX} bytes")
    };
    ApiError::new(ErrorKind::RequestTooLarge, text)
}

fn json_answer(status: u16, body: &serde_json::Value) -> Answer {
    let mut response = Response::new(Full::new(body.to_string().into()));
    // All that are given are statuses.
    *response.status_mut() = status.try_into().unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Epoch seconds with milliseconds.
pub(super) fn epoch_seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1_000.0).floor() / 1_000.0
}
