//! SQS on the wire: bytes → typed request, typed response → bytes. Pure: no clock, no Redis.
//!
//! Nothing outside this folder knows JSON, forms or XML.

mod access_error;
mod error;
mod json;
mod json_writer;
pub mod limits;
pub mod md5;
mod members;
pub mod policy;
mod query;
mod query_json;
mod queue_url;
mod read;
pub mod redrive;
pub mod request;
pub mod response;
mod text;
mod xml;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

pub use access_error::AccessError;
pub(crate) use error::echo;
pub use error::{ErrorCode, SqsError};
pub(crate) use json::same_json;
pub(crate) use queue_url::name_in_path;
pub use text::is_sqs_text;
pub(crate) use text::is_sqs_utf8;

use json::JsonMembers;
use query::QueryMembers;
use read::Surroundings;
use request::{Action, Request};
use response::Response;

/// The two protocols of SQS, and a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON 1.0.
    Json,
    /// The Query protocol: forms and URLs in, XML out.
    Query,
    /// The Query protocol with `Accept: application/json`: JSON out, not that of AWS JSON.
    QueryJson,
}

/// A request whose protocol and action are known and whose members are not yet read.
#[derive(Debug)]
pub struct Incoming<'a> {
    parts: &'a Parts,
    protocol: Protocol,
    action: Result<Action, SqsError>,
    body: &'a Bytes,
    parameters: Option<QueryMembers<'a>>,
    only_account: Option<&'a str>,
}

impl<'a> Incoming<'a> {
    /// Finds out protocol and action.
    ///
    /// Source: sqs-contract §1.1.
    pub fn new(parts: &'a Parts, body: &'a Bytes) -> Self {
        let protocol = protocol_of(parts);
        let mut parameters = None;
        let action = match protocol {
            Protocol::Json => action_of_target(parts),
            Protocol::Query | Protocol::QueryJson => QueryMembers::parse(body, parts.uri.query())
                .and_then(|mut read| {
                    let action = action_of_parameters(parts, &mut read);
                    parameters = Some(read);
                    action
                }),
        };
        Self { parts, protocol, action, body, parameters, only_account: None }
    }

    /// Lets only this account's QueueUrls name queues; `None`: any account names the same queues.
    #[must_use]
    pub fn only_account(self, only_account: Option<&'a str>) -> Self {
        Self { only_account, ..self }
    }

    /// The protocol, in which the answer goes out too.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The action.
    ///
    /// # Errors
    /// [`SqsError::MissingAction`], [`SqsError::UnknownOperation`],
    /// [`SqsError::MalformedQueryString`].
    pub fn action(&self) -> Result<Action, &SqsError> {
        self.action.as_ref().copied()
    }

    /// Reads the members.
    ///
    /// # Errors
    /// Those of [`Self::action`], [`SqsError::Serialization`],
    /// [`SqsError::MissingParameter`].
    pub fn read(self) -> Result<Request, SqsError> {
        let action = self.action?;
        let around = Surroundings {
            path: self.parts.uri.path(),
            only_account: self.only_account,
            trace_header: trace_header(self.parts),
        };
        match self.parameters {
            Some(parameters) => read::read(action, parameters, around),
            None => read::read(action, JsonMembers::parse(self.body)?, around),
        }
    }
}

/// The protocol of a request, which its body has no part in.
///
/// Source: sqs-contract §1.1.
pub fn protocol_of(parts: &Parts) -> Protocol {
    let is_json = |value: &HeaderValue| {
        value.as_bytes().windows(4).any(|part| part.eq_ignore_ascii_case(b"json"))
    };
    let is_json = parts.headers.get(CONTENT_TYPE).is_some_and(is_json);
    let has_target = parts.headers.contains_key(&TARGET);
    if parts.method == Method::POST && (has_target || is_json) {
        Protocol::Json
    } else if wants_json(parts) {
        Protocol::QueryJson
    } else {
        Protocol::Query
    }
}

/// Whether JSON is among the types of `Accept`, and XML is not.
fn wants_json(parts: &Parts) -> bool {
    let accepts = |wanted: &str| {
        let values = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut names = values
            .flat_map(|value| value.split(','))
            .map(|name| name.split(';').next().unwrap_or_default().trim());
        names.any(|name| name.eq_ignore_ascii_case(wanted))
    };
    accepts("application/json") && !accepts("text/xml") && !accepts("application/xml")
}

// Names made once: to look up a text costs reading and hashing it as a name each time.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
static TARGET: HeaderName = HeaderName::from_static("x-amz-target");
static TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The action in the header X-Amz-Target.
///
/// Errors: [`SqsError::UnknownOperation`].
pub(crate) fn action_of_target(parts: &Parts) -> Result<Action, SqsError> {
    let target = parts.headers.get(&TARGET).and_then(|value| value.to_str().ok());
    let target = target.unwrap_or_default();
    let name = target.strip_prefix("AmazonSQS.").unwrap_or(target);
    let action = target.strip_prefix("AmazonSQS.").and_then(Action::parse);
    action.ok_or_else(|| SqsError::UnknownOperation(name.to_owned()))
}

fn action_of_parameters(
    parts: &Parts,
    parameters: &mut QueryMembers<'_>,
) -> Result<Action, SqsError> {
    use members::Members as _;
    let name = parameters.text("Action")?.ok_or(SqsError::MissingAction)?;
    let at_queue = name_in_path(parts.uri.path()).is_some();
    let action = Action::parse(&name).filter(|action| !(at_queue && action.is_refused_at_queue()));
    action.ok_or(SqsError::UnknownOperation(name))
}

fn trace_header(parts: &Parts) -> Option<&str> {
    parts.headers.get(&TRACE_ID)?.to_str().ok().filter(|value| is_trace_header(value))
}

/// Longest trace header that is taken from a request, bytes.
pub const TRACE_HEADER_BYTES_MAX: usize = 1_024;

/// Whether a text is a trace header of X-Ray's that can be sent on: visible, not too long, and with
/// a `Root`.
pub fn is_trace_header(text: &str) -> bool {
    let root = |field: &str| field.trim().strip_prefix("Root=").is_some_and(|id| !id.is_empty());
    text.len() <= TRACE_HEADER_BYTES_MAX
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.split(';').any(root)
}

/// Writes an answer or an error.
pub fn write(
    protocol: Protocol,
    request_id: &str,
    answer: &Result<Response, SqsError>,
) -> hyper::Response<Full<Bytes>> {
    let (status, body) = match (answer, protocol) {
        (Ok(response), Protocol::Json) => (200, json_writer::write(response).ok()),
        (Ok(response), Protocol::Query) => (200, xml::write(response, request_id).ok()),
        (Ok(response), Protocol::QueryJson) => (200, query_json::write(response, request_id).ok()),
        (Err(SqsError::MissingAction), _) => return missing_action(request_id),
        (Err(error), Protocol::Json) => (error.code().status, json_writer::write_error(error).ok()),
        (Err(error), Protocol::Query) => {
            (error.code().status, xml::write_error(error, request_id).ok())
        }
        (Err(error), Protocol::QueryJson) => {
            (error.code().status, query_json::write_error(error, request_id).ok())
        }
    };
    // Writing into memory does not fail; if it did, an empty 500 would be the truth.
    let status = if body.is_some() { status } else { 500 };
    let mut response = respond(status, request_id, body.unwrap_or_default());
    let content_type = match protocol {
        Protocol::Json => "application/x-amz-json-1.0",
        Protocol::Query => "text/xml",
        Protocol::QueryJson => "application/json",
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let (Err(error), Protocol::Json) = (answer, protocol) {
        let code = error.code();
        let legacy = format!("{};{}", code.query, code.fault());
        if let Ok(value) = HeaderValue::try_from(legacy) {
            response.headers_mut().insert("x-amzn-query-error", value);
        }
    }
    response
}

/// What AWS answers where no action is named, to a browser for instance: recorded to the byte.
///
/// Source: sqs-contract §1.1.
fn missing_action(request_id: &str) -> hyper::Response<Full<Bytes>> {
    respond(404, request_id, b"<UnknownOperationException/>\n".to_vec())
}

fn respond(status: u16, request_id: &str, body: Vec<u8>) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(&REQUEST_ID, value);
    }
    response
}
