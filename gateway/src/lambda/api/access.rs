//! Who may ask for what.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;

use crate::auth::{Entrance, Moment};
use crate::body::Place;
use crate::lambda::api::error::{ApiError, ErrorKind};
use crate::lambda::api::json::Query;
use crate::lambda::api::operation::{Operation, Route};
use crate::lambda::api::{Api, Ask, BODY_BYTES_MAX, too_large};
use crate::protocol::echo;
use crate::queues::QueueName;

/// What a signature must be scoped to.
const SERVICE: &str = "lambda";
/// What a web page's form can send without asking first (design §5).
const FORM_TYPES: [&str; 3] =
    ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

impl Api {
    /// Reads a request whose sender may make it: credentials, then the operation, then its size.
    /// Errors come with the operation's name for the log.
    pub(super) fn read<'a>(
        &self,
        entrance: Entrance<'a>,
        parts: &'a Parts,
        body: Bytes,
        place: Place,
    ) -> Result<Ask<'a>, (&'static str, ApiError)> {
        let caller = entrance.caller(SERVICE, parts, &body, Moment::now());
        let caller = caller.map_err(|refused| ("-", refused.into()))?;
        let route = Route::of(&parts.method, parts.uri.path());
        let Some(Route { operation, resource }) = route else {
            return Err(("-", unknown_operation(parts)));
        };
        let ask = Ask {
            operation,
            resource,
            caller,
            query: Query::of(parts.uri.query()),
            parts,
            body,
            place: Arc::new(place),
        };
        match self.check(entrance, &ask) {
            Ok(()) => Ok(ask),
            Err(error) => Err((operation.permission(), error)),
        }
    }

    fn check(&self, entrance: Entrance<'_>, ask: &Ask<'_>) -> Result<(), ApiError> {
        let operation = ask.operation;
        if let Some(limits) = ask.caller.limits()
            && !limits.allow_action(operation.permission())
        {
            return Err(self.denied(ask));
        }
        if matches!(entrance, Entrance::Open) && operation.is_write() && is_form(ask.parts) {
            return Err(ApiError::new(
                ErrorKind::UnsupportedMediaType,
                "Without keys, the Content-Type of a request that changes or invokes something \
                 may not be one that web pages can send unasked; send application/json.",
            ));
        }
        let is_invoke = operation == Operation::Invoke;
        if !is_invoke && ask.body.len() > BODY_BYTES_MAX {
            return Err(too_large(false, ask.parts));
        }
        Ok(())
    }

    /// Whether the sender may reach this queue; `None`: what is asked for is about no queue, or
    /// about one that cannot be.
    pub(super) fn permit(&self, ask: &Ask<'_>, queue: Option<&QueueName>) -> Result<(), ApiError> {
        match ask.caller.limits() {
            Some(limits) if !limits.allow_queue(queue.map(QueueName::as_str)) => {
                Err(self.denied(ask))
            }
            _ => Ok(()),
        }
    }

    /// The same for what exists and what does not.
    fn denied(&self, ask: &Ask<'_>) -> ApiError {
        let identity = &self.0.identity;
        let user = identity.user_arn(ask.caller.name());
        let action = ask.operation.permission();
        let resource = match ask.operation {
            Operation::DeleteEventSourceMapping
            | Operation::GetEventSourceMapping
            | Operation::UpdateEventSourceMapping => identity.mapping_arn(echo(&ask.resource)),
            Operation::GetFunction
            | Operation::GetFunctionConcurrency
            | Operation::GetFunctionConfiguration
            | Operation::Invoke
            | Operation::ListFunctionUrlConfigs => identity.function_arn(echo(&ask.resource)),
            Operation::ListTags | Operation::TagResource | Operation::UntagResource => {
                echo(&ask.resource).to_owned()
            }
            Operation::CreateEventSourceMapping
            | Operation::GetAccountSettings
            | Operation::ListEventSourceMappings
            | Operation::ListFunctions => "*".to_owned(),
        };
        let text = format!(
            "User: {user} is not authorized to perform: lambda:{action} on resource: {resource} \
             because no identity-based policy allows the lambda:{action} action"
        );
        ApiError::new(ErrorKind::AccessDenied, text)
    }
}

/// What to answer, if anything, to a request whose body is not read.
pub(super) fn refusal_before_body(entrance: Entrance<'_>, parts: &Parts) -> Option<ApiError> {
    entrance.before_body(SERVICE, parts, Moment::now()).err().map(ApiError::from)
}

fn unknown_operation(parts: &Parts) -> ApiError {
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    ApiError::new(
        ErrorKind::UnknownOperation,
        format!("karin has no operation {} {}", echo(method), echo(path)),
    )
}

fn is_form(parts: &Parts) -> bool {
    parts.headers.get_all(CONTENT_TYPE).iter().any(|value| {
        let text = value.to_str().unwrap_or_default();
        let kind = text.split(';').next().unwrap_or_default().trim();
        FORM_TYPES.iter().any(|form| form.eq_ignore_ascii_case(kind))
    })
}
