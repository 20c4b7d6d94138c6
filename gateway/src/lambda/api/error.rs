//! The errors of Lambda's API.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::json;

use crate::auth::Refused;
use crate::protocol::echo;
use crate::queues::QueueError;

/// The header that names the error.
static ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// An error as Lambda names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) kind: ErrorKind,
    pub(super) text: String,
    /// Why a request was throttled.
    pub(super) reason: Option<&'static str>,
    /// For the log only.
    pub(super) cause: Option<String>,
}

/// Which error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorKind {
    AccessDenied,
    IncompleteSignature,
    InvalidParameterValue,
    InvalidRequestContent,
    InvalidSignature,
    MissingAuthenticationToken,
    RequestTooLarge,
    ResourceConflict,
    ResourceNotFound,
    Serialization,
    Service,
    ServiceUnavailable,
    TooManyRequests,
    UnknownOperation,
    UnrecognizedClient,
    UnsupportedMediaType,
    Validation,
}

impl ErrorKind {
    /// Its name, its status, and what its text is called, which is not always the same.
    ///
    /// Source: esm-contract §§7 to 7.4; names of errors about credentials: sqs-contract §2.3.
    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::AccessDenied => ("AccessDeniedException", 403, "Message"),
            Self::IncompleteSignature => ("IncompleteSignatureException", 400, "message"),
            Self::InvalidParameterValue => ("InvalidParameterValueException", 400, "message"),
            Self::InvalidRequestContent => ("InvalidRequestContentException", 400, "message"),
            Self::InvalidSignature => ("InvalidSignatureException", 403, "message"),
            Self::MissingAuthenticationToken => {
                ("MissingAuthenticationTokenException", 403, "message")
            }
            Self::RequestTooLarge => ("RequestTooLargeException", 413, "message"),
            Self::ResourceConflict => ("ResourceConflictException", 409, "message"),
            Self::ResourceNotFound => ("ResourceNotFoundException", 404, "Message"),
            Self::Serialization => ("SerializationException", 400, "message"),
            Self::Service => ("ServiceException", 500, "Message"),
            Self::ServiceUnavailable => ("ServiceUnavailableException", 503, "message"),
            Self::TooManyRequests => ("TooManyRequestsException", 429, "message"),
            Self::UnknownOperation => ("UnknownOperationException", 404, "message"),
            Self::UnrecognizedClient => ("UnrecognizedClientException", 403, "message"),
            Self::UnsupportedMediaType => ("UnsupportedMediaTypeException", 415, "message"),
            Self::Validation => ("ValidationException", 400, "message"),
        }
    }
}

impl ApiError {
    pub(super) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), reason: None, cause: None }
    }

    /// InvalidParameterValueException.
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidParameterValue, text)
    }

    /// ValidationException, with all that is wrong.
    pub(super) fn constraints(broken: &[String]) -> Self {
        let (count, s) = (broken.len(), if broken.len() == 1 { "" } else { "s" });
        let list = broken.join("; ");
        Self::new(ErrorKind::Validation, format!("{count} validation error{s} detected: {list}"))
    }

    /// No mapping with this UUID. Source: esm-contract §7.1.
    pub(super) fn no_mapping() -> Self {
        Self::new(ErrorKind::ResourceNotFound, "The resource you requested does not exist.")
    }

    /// No function with this ARN.
    pub(super) fn no_function(arn: &str) -> Self {
        Self::new(ErrorKind::ResourceNotFound, format!("Function not found: {}", echo(arn)))
    }

    /// Too many at once. Source: esm-contract §3.
    pub(super) fn throttled() -> Self {
        Self {
            reason: Some("ReservedFunctionConcurrentInvocationLimitExceeded"),
            ..Self::new(ErrorKind::TooManyRequests, "Rate Exceeded.")
        }
    }

    /// Something is away for a moment; clients repeat the request.
    pub(super) fn unavailable(cause: impl Into<String>) -> Self {
        let text = "The request has failed due to a temporary failure of the server.";
        Self { cause: Some(cause.into()), ..Self::new(ErrorKind::ServiceUnavailable, text) }
    }

    /// What to log it as.
    pub(super) fn name(&self) -> &'static str {
        self.kind.row().0
    }

    pub(super) fn is_user_fault(&self) -> bool {
        self.kind.row().1 < 500
    }

    /// The answer.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let (name, status, key) = self.kind.row();
        let fault = if self.is_user_fault() { "User" } else { "Service" };
        let mut body = json!({"Type": fault, key: self.text});
        if let (Some(reason), Some(body)) = (self.reason, body.as_object_mut()) {
            body.insert("Reason".to_owned(), reason.into());
        }
        let mut response = Response::new(Full::new(body.to_string().into()));
        // All in the table are statuses.
        *response.status_mut() = status.try_into().unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(&ERROR_TYPE, HeaderValue::from_static(name));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Unavailable(_) | QueueError::Full(_) => {
                Self::unavailable(error.to_string())
            }
            other => Self {
                cause: Some(other.to_string()),
                ..Self::new(ErrorKind::Service, "An internal error occurred. Please retry later.")
            },
        }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        const MISMATCH: &str = "The request signature we calculated does not match the signature \
            you provided. Check your AWS Secret Access Key and signing method. Consult the \
            service documentation for details.";
        match refused {
            Refused::NoCredentials => {
                Self::new(ErrorKind::MissingAuthenticationToken, "Missing Authentication Token")
            }
            Refused::UnknownCredentials => Self::new(
                ErrorKind::UnrecognizedClient,
                "The security token included in the request is invalid.",
            ),
            Refused::Malformed(text) => Self::new(ErrorKind::IncompleteSignature, echo(&text)),
            Refused::Invalid(text) => Self::new(ErrorKind::InvalidSignature, echo(&text)),
            Refused::Mismatch(_) => Self::new(ErrorKind::InvalidSignature, MISMATCH),
        }
    }
}
