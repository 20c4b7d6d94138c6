//! What is different about the tools that answer Lambda's Invoke: how a function is named there,
//! what its failure looks like, what else they can do. Pure.
//!
//! Source: esm-contract §8, and what the tools answer.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::config::LambdaProfile;
use crate::lambda::invoke::Kind;
use crate::lambda::mapping::function_name;
use crate::lambda::outcome::{Answer, Fault, Refusal, fault};

/// What one tool does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Profile {
    /// Its name, for people.
    pub(super) name: &'static str,
    naming: Naming,
    /// Whether it can run only one function at a time, all together.
    pub(super) is_serial: bool,
    signs: &'static [Sign],
    /// Whether an invocation of type `DryRun` runs nothing.
    pub(super) has_dry_run: bool,
    /// Whether ListEventSourceMappings and ListFunctions answer.
    pub(super) lists: bool,
}

/// What Invoke is to be given for a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// What the mapping says, with its qualifier.
    Whole,
    /// The bare name: it knows neither ARNs nor aliases.
    Bare,
    /// Always the same.
    Fixed(&'static str),
}

/// What a tool tells in a way of its own, besides by X-Amz-Function-Error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// 500 with a description, and 408, without Lambda's error header: the function failed.
    Status,
    /// 502: the function's process ended.
    Exit,
    /// 200 with the description of a failure, or with the words for a timeout.
    Body,
    /// 200 with nothing: a timeout.
    Silence,
    /// 200 with what is no JSON: not to be trusted.
    NoJson,
    /// 400 with nothing: it is busy.
    Busy,
}

/// AWS, and what answers as it does: LocalStack, ministack. The body is never looked at, where a
/// function may answer with what looks like a failure's description.
static AWS: Profile = Profile {
    name: "aws",
    naming: Naming::Whole,
    is_serial: false,
    signs: &[],
    has_dry_run: true,
    lists: true,
};
static LOCALSTACK: Profile = Profile { name: "localstack", ..aws_like() };
static MINISTACK: Profile = Profile { name: "ministack", ..aws_like() };
/// It takes the bare name of a binary, ignores the type of an invocation (so that a DryRun runs),
/// and tells failures by the status.
static CARGO_LAMBDA: Profile = Profile {
    name: "cargo-lambda",
    naming: Naming::Bare,
    signs: &[Sign::Status],
    has_dry_run: false,
    lists: false,
    ..aws_like()
};
static SERVERLESS_OFFLINE: Profile = Profile {
    name: "serverless-offline",
    naming: Naming::Bare,
    has_dry_run: false,
    lists: false,
    ..aws_like()
};
/// A function that timed out leaves an empty answer.
static SAM: Profile = Profile {
    name: "sam",
    naming: Naming::Bare,
    signs: &[Sign::Silence],
    has_dry_run: false,
    lists: false,
    ..aws_like()
};
/// It has one function, called `function`, one at a time, and no header for failures.
static RIE: Profile = Profile {
    name: "rie",
    naming: Naming::Fixed("function"),
    is_serial: true,
    signs: &[Sign::Exit, Sign::Body, Sign::Busy],
    has_dry_run: false,
    lists: false,
};
/// An endpoint nothing is known about: whatever one of the others calls a failure is one, so that
/// a message rather comes again than is lost.
static UNKNOWN: Profile = Profile {
    name: "unknown",
    naming: Naming::Whole,
    signs: &[Sign::Status, Sign::Body, Sign::NoJson],
    has_dry_run: false,
    lists: false,
    ..aws_like()
};

const fn aws_like() -> Profile {
    Profile {
        name: "",
        naming: Naming::Whole,
        is_serial: false,
        signs: &[],
        has_dry_run: true,
        lists: true,
    }
}

/// An endpoint's answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// X-Amz-Function-Error.
    pub(super) function_error: Option<String>,
    /// X-Amzn-ErrorType.
    pub(super) error_type: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) location: Option<String>,
    pub(super) retry_after: Option<Duration>,
    /// X-Amzn-RequestId.
    pub(super) request_id: Option<String>,
    /// `None`: it is larger than an answer of Lambda's can be.
    pub(super) body: Option<Bytes>,
}

impl Reply {
    /// Retry-After, if it is a number of seconds.
    pub(super) fn seconds(retry_after: &str) -> Option<Duration> {
        retry_after.trim().parse().ok().map(Duration::from_secs)
    }

    fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    /// A page for people. No function's answer is one: those are JSON, or at least not so called.
    fn is_page(&self) -> bool {
        let called_so =
            self.content_type.as_deref().is_some_and(|kind| kind.trim().starts_with("text/html"));
        let body = self.body().trim_ascii_start();
        called_so && !body.is_empty() || body.get(..9).is_some_and(is_doctype)
    }

    /// Lambda's name for what went wrong: the header's, or the body's. SAM leaves out the end of
    /// the names, others put a namespace before or an address after them.
    fn code(&self) -> Option<String> {
        let told = |member| self.member(&[member]);
        let code = self.error_type.clone().or_else(|| told("__type")).or_else(|| told("code"))?;
        let code = code.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        let whole = code.ends_with("Exception") || code.is_empty();
        Some(if whole { code.to_owned() } else { format!("{code}Exception") })
    }

    /// The first of these members of the body that is there and is text.
    fn member(&self, names: &[&str]) -> Option<String> {
        let json: Value = serde_json::from_slice(self.body()).ok()?;
        names.iter().find_map(|name| json.get(name)?.as_str().map(str::to_owned))
    }

    fn reason(&self) -> String {
        let message = self.member(&["message", "Message", "detail", "title", "errorMessage"]);
        let message = message.unwrap_or_else(|| beginning(self.body()));
        let code = self.code().unwrap_or_default();
        format!("{} {code} {message}", self.status).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn is_doctype(start: &[u8]) -> bool {
    start.eq_ignore_ascii_case(b"<!doctype")
}

fn beginning(body: &[u8]) -> String {
    const BYTES: usize = 200;
    String::from_utf8_lossy(body.get(..BYTES).unwrap_or(body)).into_owned()
}

impl Profile {
    /// Whether it shows logs; tools that are no AWS refuse to.
    pub(super) fn has_logs(&self) -> bool {
        std::ptr::eq(self, &raw const AWS)
    }

    /// The profile of this name; `None` if it is to be found out.
    pub(super) fn of(name: LambdaProfile) -> Option<&'static Self> {
        Some(match name {
            LambdaProfile::Auto => return None,
            LambdaProfile::Aws => &AWS,
            LambdaProfile::CargoLambda => &CARGO_LAMBDA,
            LambdaProfile::ServerlessOffline => &SERVERLESS_OFFLINE,
            LambdaProfile::Sam => &SAM,
            LambdaProfile::Rie => &RIE,
            LambdaProfile::Localstack => &LOCALSTACK,
            LambdaProfile::Ministack => &MINISTACK,
        })
    }

    /// The one for an endpoint that cannot be asked.
    pub(super) fn unknown() -> &'static Self {
        &UNKNOWN
    }

    /// What Invoke is to be given for a mapping's function, a name or an ARN.
    pub(super) fn name_of<'a>(&self, function: &'a str) -> &'a str {
        match self.naming {
            Naming::Whole => function,
            Naming::Bare => function_name(function),
            Naming::Fixed(name) => name,
        }
    }

    /// What an answer to Invoke means.
    pub(super) fn answer(&self, reply: Reply, kind: Kind) -> Answer {
        if let Some(refusal) = no_endpoint(&reply) {
            return Answer::Refused(refusal);
        }
        match reply.status {
            // Tools that know no asynchronous invocations have run it by now.
            200..=299 if kind == Kind::Handover => Answer::HandedOver,
            200 => self.ran(reply),
            201..=299 => {
                let reason = format!("status {} instead of an answer", reply.status);
                Answer::Unknown { reason }
            }
            _ => self.failed(reply),
        }
    }

    fn tells(&self, sign: Sign) -> bool {
        self.signs.contains(&sign)
    }

    fn ran(&self, reply: Reply) -> Answer {
        let Some(payload) = reply.body else { return too_large() };
        let function_error = reply.function_error.filter(|kind| !kind.is_empty());
        if function_error.is_some() {
            return Answer::Ran { function_error, payload };
        }
        if self.tells(Sign::Body) && (describes_failure(&payload) || is_timeout(&payload)) {
            return unhandled(payload);
        }
        if self.tells(Sign::Silence) && payload.is_empty() {
            return failure("Sandbox.Timedout", "the endpoint answered nothing: a timeout?");
        }
        if self.tells(Sign::NoJson) && !is_json_or_empty(&payload) {
            let start = beginning(&payload);
            let words = format!(
                "the answer is no JSON: {start}. If the function means it, say what the endpoint \
                 is with --lambda-profile"
            );
            return failure("NoJson", &words);
        }
        Answer::Ran { function_error: None, payload }
    }

    fn failed(&self, reply: Reply) -> Answer {
        let code = reply.code();
        if code.as_deref() == Some("SnapStartException") {
            return unhandled(reply.body.unwrap_or_default());
        }
        if reply.error_type.is_none() {
            let failed = match reply.status {
                500 => {
                    self.tells(Sign::Status)
                        && reply.member(&["errorType", "errorMessage"]).is_some()
                }
                408 => self.tells(Sign::Status),
                502 => self.tells(Sign::Exit),
                _ => false,
            };
            if failed {
                return unhandled(reply.body.unwrap_or_default());
            }
        }
        if reply.status == 504 && reply.error_type.is_none() {
            // A proxy has given up waiting: behind it the function may be running.
            return Answer::Unknown { reason: reply.reason() };
        }
        let busy = self.tells(Sign::Busy) && reply.status == 400 && reply.body().is_empty();
        let fault = if busy { Fault::Throttled } else { fault(reply.status, code.as_deref()) };
        let (reason, retry_after) = (reply.reason(), reply.retry_after);
        Answer::Refused(Refusal { fault, reason, retry_after })
    }
}

/// An answer that no Lambda endpoint gives.
fn no_endpoint(reply: &Reply) -> Option<Refusal> {
    let operator = |reason| Some(Refusal { fault: Fault::Operator, reason, retry_after: None });
    if (300..400).contains(&reply.status) {
        let place = reply.location.as_deref().unwrap_or("nowhere");
        return operator(format!("the endpoint sends elsewhere ({} to {place})", reply.status));
    }
    if reply.is_page() {
        let status = reply.status;
        return match status {
            // A proxy's page: what is behind it may come back.
            429 | 500..=599 => Some(Refusal {
                fault: fault(status, None),
                reason: format!("{status} with a web page"),
                retry_after: reply.retry_after,
            }),
            _ => operator(format!(
                "the endpoint answers with a web page (status {status}): it is no Lambda endpoint"
            )),
        };
    }
    None
}

fn describes_failure(payload: &[u8]) -> bool {
    let json: Option<Value> = serde_json::from_slice(payload).ok();
    let has = |name| json.as_ref().and_then(|json| json.get(name)).is_some_and(Value::is_string);
    has("errorType") && has("errorMessage")
}

/// "Task timed out after 3.00 seconds", all there is.
fn is_timeout(payload: &[u8]) -> bool {
    let text = std::str::from_utf8(payload).unwrap_or_default().trim();
    let seconds = text.strip_prefix("Task timed out after ");
    let seconds = seconds.and_then(|rest| rest.strip_suffix(" seconds"));
    seconds.is_some_and(|seconds| seconds.parse::<f64>().is_ok())
}

fn is_json_or_empty(payload: &[u8]) -> bool {
    payload.trim_ascii().is_empty()
        || serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_ok()
}

fn unhandled(payload: Bytes) -> Answer {
    Answer::Ran { function_error: Some("Unhandled".into()), payload }
}

fn failure(kind: &str, message: &str) -> Answer {
    let description = serde_json::json!({"errorType": kind, "errorMessage": message});
    unhandled(description.to_string().into())
}

/// Source: esm-contract §1.
fn too_large() -> Answer {
    let words = format!(
        "Response payload size exceeded maximum allowed payload size ({ANSWER_BYTES_MAX} bytes)."
    );
    failure("Function.ResponseSizeTooLarge", &words)
}

/// The largest answer of a function, bytes. Source: esm-contract §1.
pub(super) const ANSWER_BYTES_MAX: usize = 6_291_556;

/// The name of a function that nobody has, to ask an endpoint what it is.
pub(super) const NO_FUNCTION: &str = "karin-asks-what-this-is";

/// What is behind an endpoint that answered so to a `DryRun` of [`NO_FUNCTION`]. No tool runs
/// anything for that; at a GET, cargo-lambda runs the function it has. Errors: it is no endpoint,
/// or not now.
pub(super) fn recognise(reply: &Reply) -> Result<&'static Profile, Refusal> {
    if let Some(refusal) = no_endpoint(reply) {
        return Err(refusal);
    }
    let message = reply.member(&["Message", "message"]).unwrap_or_default();
    let error_type = reply.error_type.as_deref();
    match reply.status {
        404 if error_type == Some("ResourceNotFound") => Ok(&SAM),
        404 if error_type.is_some() && message.ends_with(&format!(": {NO_FUNCTION}")) => {
            Ok(&SERVERLESS_OFFLINE)
        }
        404 if reply.member(&["title"]).as_deref() == Some("Missing function") => Ok(&CARGO_LAMBDA),
        404 if reply.body().trim_ascii() == b"404 page not found" => Ok(&RIE),
        // It may know the function, or that it may not be looked at.
        _ if reply.status == 204 || error_type.is_some() => Ok(&AWS),
        404 if reply.code().as_deref() == Some("ResourceNotFoundException") => Ok(&AWS),
        429 | 502..=504 => Err(Refusal {
            fault: fault(reply.status, None),
            reason: reply.reason(),
            retry_after: reply.retry_after,
        }),
        _ => Ok(&UNKNOWN),
    }
}

/// A function's name as it stands in a path.
pub(super) fn in_path(function: &str) -> Cow<'_, str> {
    percent_encoding::utf8_percent_encode(function, &IN_PATH).into()
}

/// What RFC 3986 does not call unreserved.
const IN_PATH: percent_encoding::AsciiSet =
    percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests;
