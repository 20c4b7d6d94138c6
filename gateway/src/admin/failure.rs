//! What can go wrong with a page, told in words.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;

use crate::admin::page::{Frame, Section, Visitor, html};
use crate::protocol::{Protocol, SqsError};
use crate::queues::QueueError;

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is nothing at this path.
    NoPage,
    /// The queue is not there, or not any more.
    NoQueue,
    /// The message is not there, or not any more.
    NoMessage,
    /// The mapping is not there, or not any more.
    NoMapping,
    /// There is something at this path, and this cannot be done with it.
    NoMethod,
    /// The invocation is not known, or not any more.
    NoInvocation,
    /// A form with more in it than is taken.
    TooLarge,
    /// A form that was not one of ours, or of an earlier start.
    Forged,
    /// It was refused, for what was written in the form; in SQS's or Lambda's words.
    Refused(String),
    /// Redis is away, or refused.
    Redis(String),
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NoQueue => Self::NoQueue,
            error => Self::Redis(error.to_string()),
        }
    }
}

impl From<SqsError> for Failure {
    fn from(error: SqsError) -> Self {
        match error {
            SqsError::QueueDoesNotExist => Self::NoQueue,
            error if error.code().is_sender_fault() => {
                Self::Refused(error.message(Protocol::Json).into_owned())
            }
            error => Self::Redis(error.cause().unwrap_or_default().to_owned()),
        }
    }
}

/// The page comes later, where it is known for whom ([`Failure::page`]).
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[derive(Debug, Template)]
#[template(path = "failure.html")]
struct Page<'a> {
    frame: Frame,
    text: &'a str,
    detail: &'a str,
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoPage
            | Self::NoQueue
            | Self::NoMessage
            | Self::NoMapping
            | Self::NoInvocation => StatusCode::NOT_FOUND,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Forged => StatusCode::FORBIDDEN,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Redis(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What a refusal without a page means: those of the router and of what reads forms.
    pub(super) fn of_status(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::METHOD_NOT_ALLOWED => Some(Self::NoMethod),
            StatusCode::PAYLOAD_TOO_LARGE => Some(Self::TooLarge),
            status if status.is_client_error() => Some(Self::NoPage),
            _ => None,
        }
    }

    /// The page that tells.
    pub(super) fn page(&self, visitor: &Visitor) -> Response<Body> {
        if let Self::Redis(cause) = self {
            tracing::warn!(cause, "an admin page failed");
        }
        let t = &visitor.lang.texts().failures;
        let (title, text, detail) = match self {
            Self::NoPage => (t.no_page, t.no_page_text, ""),
            Self::NoQueue => (t.no_queue, t.no_queue_text, ""),
            Self::NoMessage => (t.no_message, t.no_message_text, ""),
            Self::NoMapping => (t.no_mapping, t.no_mapping_text, ""),
            Self::NoMethod => (t.no_method, t.no_method_text, ""),
            Self::NoInvocation => (t.no_invocation, t.no_invocation_text, ""),
            Self::TooLarge => (t.too_large, t.too_large_text, ""),
            Self::Forged => (t.forged, t.forged_text, ""),
            Self::Refused(detail) => (t.refused, t.refused_text, detail.as_str()),
            Self::Redis(detail) if visitor.only_looks => (t.redis, "", detail.as_str()),
            Self::Redis(detail) => (t.redis, t.redis_text, detail.as_str()),
        };
        let frame = visitor.frame(Section::None, title);
        let mut page = html(&Page { frame, text, detail });
        *page.status_mut() = self.status();
        page
    }
}
