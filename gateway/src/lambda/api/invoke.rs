//! Invoke, of local functions.
//!
//! Source: esm-contract §7.2.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde::de::IgnoredAny;

use crate::lambda::api::error::{ApiError, ErrorKind};
use crate::lambda::api::names::LATEST;
use crate::lambda::api::{Answer, Api, Ask, REQUEST_ID};
use crate::lambda::local::{ClientContext, LocalAnswer, LocalCall};
use crate::lambda::outcome::{Answer as Outcome, Fault, Refusal, Told};
use crate::protocol::echo;

/// Largest event of a call whose answer is waited for, in bytes.
const EVENT_BYTES_MAX: usize = 6_291_456;
/// Largest event that is run in the background.
const BACKGROUND_EVENT_BYTES_MAX: usize = 1_048_576;
/// How long a call waits for a process: longer than most starts take, shorter than SDKs wait.
const PATIENCE: Duration = Duration::from_secs(10);

static INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
static LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
static CLIENT_CONTEXT: HeaderName = HeaderName::from_static("x-amz-client-context");
static TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
static FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
static LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
static EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");

/// What is to be done with the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RequestResponse,
    Event,
    DryRun,
}

pub(super) async fn handle(api: &Api, ask: Ask<'_>) -> Result<Answer, ApiError> {
    let parts = ask.parts;
    let (kind, wants_log) = (kind(parts)?, wants_log(parts)?);
    let (function, _name) = api.local(&ask)?;
    let place = Arc::clone(&ask.place);
    let call = call(kind, ask)?;
    match kind {
        Kind::DryRun => Ok(empty(StatusCode::NO_CONTENT)),
        Kind::Event => {
            let request_id = function.run_later(call).map_err(|refusal| refused(&refusal))?;
            let mut answer = empty(StatusCode::ACCEPTED);
            insert(&mut answer, &REQUEST_ID, &request_id);
            Ok(answer)
        }
        Kind::RequestResponse => {
            // As on Lambda, the function goes on if nobody waits for its answer any more.
            let records = api.0.control.records().clone();
            let running = tokio::spawn(async move {
                let (begun, event) = (Instant::now(), call.event.clone());
                let LocalAnswer { answer, request_id, log_tail } = function.run(call).await;
                drop(place);
                let told = Told { answer, request_id, log_tail };
                records.add_call(function.name(), &event, &told, begun);
                told
            });
            let told = running.await.map_err(|e| ApiError::unavailable(e.to_string()))?;
            answer(told, wants_log)
        }
    }
}

/// The words for an event that is too large. Source: esm-contract §1.
pub(super) fn too_large(parts: &Parts) -> String {
    let max = match kind(parts) {
        Ok(Kind::Event) => BACKGROUND_EVENT_BYTES_MAX,
        _ => EVENT_BYTES_MAX,
    };
    format!("Request must be smaller than {max} bytes for the InvokeFunction operation")
}

fn kind(parts: &Parts) -> Result<Kind, ApiError> {
    match header(parts, &INVOCATION_TYPE) {
        None | Some("RequestResponse") => Ok(Kind::RequestResponse),
        Some("Event") => Ok(Kind::Event),
        Some("DryRun") => Ok(Kind::DryRun),
        Some(other) => Err(not_one_of(other, "invocationType", "[Event, RequestResponse, DryRun]")),
    }
}

fn wants_log(parts: &Parts) -> Result<bool, ApiError> {
    match header(parts, &LOG_TYPE) {
        None | Some("None") => Ok(false),
        Some("Tail") => Ok(true),
        Some(other) => Err(not_one_of(other, "logType", "[None, Tail]")),
    }
}

fn not_one_of(value: &str, at: &str, values: &str) -> ApiError {
    let value = echo(value);
    ApiError::constraints(&[format!(
        "Value '{value}' at '{at}' failed to satisfy constraint: Member must satisfy enum value \
         set: {values}"
    )])
}

/// A header that is not empty; one that is no text has a value nothing has.
fn header<'a>(parts: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    let value = parts.headers.get(name)?.to_str().unwrap_or("?");
    Some(value).filter(|value| !value.is_empty())
}

fn call(kind: Kind, ask: Ask<'_>) -> Result<LocalCall, ApiError> {
    let parts = ask.parts;
    let bytes_max = match kind {
        Kind::Event => BACKGROUND_EVENT_BYTES_MAX,
        Kind::RequestResponse | Kind::DryRun => EVENT_BYTES_MAX,
    };
    if ask.body.len() > bytes_max {
        return Err(ApiError::new(ErrorKind::RequestTooLarge, too_large(parts)));
    }
    let event = event(ask.body)?;
    let context = header(parts, &CLIENT_CONTEXT).map(ClientContext::parse).transpose();
    let client_context =
        context.map_err(|why| ApiError::new(ErrorKind::InvalidRequestContent, why))?;
    let trace_header = header(parts, &TRACE_ID).map(str::to_owned);
    let start_by = Instant::now() + PATIENCE;
    Ok(LocalCall { client_context, trace_header, ..LocalCall::new(event, start_by) })
}

/// The event, which is JSON; nothing at all is an empty object.
fn event(body: Bytes) -> Result<Bytes, ApiError> {
    if body.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<IgnoredAny>(&body) {
        Ok(_) if std::str::from_utf8(&body).is_ok() => Ok(body),
        Ok(_) => Err(not_json("it is not UTF-8")),
        Err(error) => Err(not_json(&error.to_string())),
    }
}

fn not_json(why: &str) -> ApiError {
    let text = format!("Could not parse request body into json: {why}");
    ApiError::new(ErrorKind::InvalidRequestContent, text)
}

fn answer(told: Told, wants_log: bool) -> Result<Answer, ApiError> {
    let Told { answer, request_id, log_tail } = told;
    let (function_error, payload) = match answer {
        Outcome::Ran { function_error, payload } => (function_error, payload),
        other => return Err(not_run(&other)),
    };
    let mut answer = Response::new(http_body_util::Full::new(payload));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(&EXECUTED_VERSION, HeaderValue::from_static(LATEST));
    insert(&mut answer, &REQUEST_ID, &request_id);
    if let Some(error) = function_error {
        insert(&mut answer, &FUNCTION_ERROR, &error);
    }
    if wants_log {
        insert(&mut answer, &LOG_RESULT, &STANDARD.encode(&log_tail));
    }
    Ok(answer)
}

fn not_run(outcome: &Outcome) -> ApiError {
    if let Outcome::Refused(refusal) = outcome {
        refused(refusal)
    } else {
        ApiError::unavailable(format!("{outcome:?}"))
    }
}

fn refused(refusal: &Refusal) -> ApiError {
    match refusal.fault {
        Fault::Throttled => {
            tracing::info!(reason = refusal.reason, "an invocation is throttled");
            ApiError::throttled()
        }
        Fault::Payload => ApiError::new(ErrorKind::InvalidRequestContent, echo(&refusal.reason)),
        Fault::Transient | Fault::Operator => ApiError::unavailable(refusal.reason.clone()),
    }
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer
}

/// Sets a header, unless the text cannot be one.
fn insert(answer: &mut Answer, name: &HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        answer.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = hyper::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn headers_say_what_is_wanted_and_wrong_ones_are_told() {
        assert_eq!(kind(&parts(&[])), Ok(Kind::RequestResponse));
        assert_eq!(kind(&parts(&[("X-Amz-Invocation-Type", "Event")])), Ok(Kind::Event));
        assert_eq!(kind(&parts(&[("X-Amz-Invocation-Type", "DryRun")])), Ok(Kind::DryRun));
        let error = kind(&parts(&[("X-Amz-Invocation-Type", "event")])).unwrap_err();
        assert!(error.text.contains("'invocationType'"), "{error:?}");
        assert_eq!(wants_log(&parts(&[("X-Amz-Log-Type", "Tail")])), Ok(true));
        assert!(wants_log(&parts(&[("X-Amz-Log-Type", "All")])).is_err());
    }

    #[test]
    fn an_event_is_json_and_nothing_is_an_empty_object() {
        assert_eq!(event(Bytes::new()).unwrap(), "{}");
        assert_eq!(event(Bytes::from_static(b" [1] ")).unwrap(), " [1] ");
        for bad in [&b"{"[..], b"hello", b"{} {}", b"\"\xff\"", &[b'['; 10_000]] {
            let error = event(Bytes::copy_from_slice(bad)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidRequestContent);
            assert!(error.text.starts_with("Could not parse request body into json"), "{error:?}");
        }
    }

    #[test]
    fn the_limit_of_an_event_is_told_in_lambdas_words() {
        let text = "Request must be smaller than 6291456 bytes for the InvokeFunction operation";
        assert_eq!(too_large(&parts(&[])), text);
        assert!(too_large(&parts(&[("X-Amz-Invocation-Type", "Event")])).contains("1048576"));
    }
}
