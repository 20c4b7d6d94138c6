//! Running a function with an event, wherever it is.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::http::HttpResponse;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use bytes::Bytes;
use hyper_util::client::legacy::Error as Connection;

use crate::lambda::aws::Aws;
use crate::lambda::local::LocalFunction;
use crate::lambda::outcome::{Answer, Fault, Refusal, fault};

/// What an answer may take longer than the function's timeout: Lambda's own cold start, and the
/// way. Less than what a lease adds, so that no lease ends before its invocation.
pub(super) const ANSWER_MARGIN: Duration = Duration::from_secs(8);

/// An event on its way to a function.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The event, JSON.
    pub(super) event: Bytes,
    /// How long the function may run.
    pub(super) timeout: Duration,
    /// A local function starts before this or not at all.
    pub(super) start_by: Instant,
    /// What the function gets as its trace header.
    pub(super) trace_header: Option<String>,
}

/// Where a function is.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// Behind AWS's Lambda API.
    Aws {
        /// The clients.
        aws: Arc<Aws>,
        /// The function's name or ARN, with qualifier.
        function: String,
    },
    /// On this machine.
    Local(LocalFunction),
}

impl Target {
    /// Runs the function and says what came of it.
    pub(super) async fn invoke(&self, call: Call) -> Answer {
        match self {
            Self::Aws { aws, function } => {
                let client = aws.invoker(function).await;
                invoke_aws(&client, function, call, aws.is_custom()).await
            }
            Self::Local(function) => function.invoke(call).await,
        }
    }
}

async fn invoke_aws(client: &Client, function: &str, call: Call, is_custom: bool) -> Answer {
    let patience = call.timeout + ANSWER_MARGIN;
    let patience = TimeoutConfig::builder().operation_timeout(patience).build();
    let result = client
        .invoke()
        .function_name(function)
        .invocation_type(InvocationType::RequestResponse)
        .payload(Blob::new(call.event))
        .customize()
        .config_override(aws_sdk_lambda::Config::builder().timeout_config(patience))
        .send()
        .await;
    match result {
        Ok(output) => returned(output),
        Err(error) => failed(&error, is_custom),
    }
}

fn returned(output: InvokeOutput) -> Answer {
    if output.status_code != 200 && output.status_code != 0 {
        let reason = format!("status {} instead of an answer", output.status_code);
        return Answer::Unknown { reason };
    }
    let payload = output.payload.map(Blob::into_inner).unwrap_or_default();
    Answer::Ran { function_error: output.function_error, payload: payload.into() }
}

fn failed(error: &SdkError<InvokeError>, is_custom: bool) -> Answer {
    match error {
        SdkError::ServiceError(context) => {
            let raw = context.raw();
            let status = raw.status().as_u16();
            if is_custom && let Some(answer) = emulated_failure(raw) {
                return answer;
            }
            if matches!(context.err(), InvokeError::SnapStartException(_)) {
                let payload = raw.body().bytes().unwrap_or_default();
                return unhandled(Bytes::copy_from_slice(payload));
            }
            let code = context.err().code();
            let retry_after = match context.err() {
                InvokeError::TooManyRequestsException(e) => {
                    let seconds = e.retry_after_seconds().and_then(|s| s.parse().ok());
                    seconds.map(Duration::from_secs)
                }
                _ => None,
            };
            let message = context.err().message().unwrap_or_default();
            let reason = format!("{status} {} {message}", code.unwrap_or_default());
            Answer::Refused(Refusal { fault: fault(status, code), reason, retry_after })
        }
        SdkError::ConstructionFailure(_) => refused(Fault::Operator, error),
        SdkError::DispatchFailure(_) if misses_credentials(error) => {
            refused(Fault::Operator, error)
        }
        SdkError::DispatchFailure(_) if was_never_sent(error) => refused(Fault::Transient, error),
        _ => Answer::Unknown { reason: DisplayErrorContext(error).to_string() },
    }
}

fn refused(fault: Fault, error: &SdkError<InvokeError>) -> Answer {
    let reason = DisplayErrorContext(error).to_string();
    Answer::Refused(Refusal { fault, reason, retry_after: None })
}

fn unhandled(payload: Bytes) -> Answer {
    Answer::Ran { function_error: Some("Unhandled".into()), payload }
}

/// A function's failure as some local endpoints tell it: a 500 or 408 that lacks the header every
/// error of Lambda's own has. Never looked for on AWS, where a fault of the platform is no fault
/// of the function. Source: esm-contract §8.
fn emulated_failure(response: &HttpResponse) -> Option<Answer> {
    if response.headers().get("x-amzn-errortype").is_some() {
        return None;
    }
    let body = response.body().bytes().unwrap_or_default();
    let told = || {
        let json: serde_json::Value = serde_json::from_slice(body).ok()?;
        json.get("errorType").or_else(|| json.get("errorMessage")).map(|_| ())
    };
    let failed = match response.status().as_u16() {
        408 => true,
        500 => told().is_some(),
        _ => false,
    };
    failed.then(|| unhandled(Bytes::copy_from_slice(body)))
}

fn misses_credentials(error: &SdkError<InvokeError>) -> bool {
    find::<aws_credential_types::provider::error::CredentialsError>(error).is_some()
}

/// Whether the connection was never made, so that nothing can have run.
fn was_never_sent(error: &SdkError<InvokeError>) -> bool {
    find::<Connection>(error).is_some_and(Connection::is_connect)
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::primitives::SdkBody;

    use super::*;

    fn emulated(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> bool {
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        match emulated_failure(&response) {
            Some(Answer::Ran { function_error, payload }) => {
                assert_eq!(
                    (function_error.as_deref(), &payload[..]),
                    (Some("Unhandled"), body.as_bytes())
                );
                true
            }
            Some(other) => panic!("{other:?}"),
            None => false,
        }
    }

    #[test]
    fn a_local_endpoints_own_way_to_tell_a_functions_failure_is_understood() {
        let failure = r#"{"errorType":"E","errorMessage":"no"}"#;
        assert!(emulated(500, &[], failure));
        assert!(emulated(408, &[], ""));
        assert!(!emulated(500, &[], r#"{"message":"internal"}"#), "the endpoint's own trouble");
        assert!(!emulated(500, &[], "oops"));
        assert!(!emulated(404, &[], failure));
        assert!(!emulated(500, &[("x-amzn-errortype", "ServiceException")], failure));
    }

    /// An endpoint that answers nothing, at a port where nobody listens.
    #[tokio::test]
    async fn where_nobody_listens_nothing_can_have_run() {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let answer = invoke_at(&format!("http://{unused}")).await;
        assert!(
            matches!(&answer, Answer::Refused(Refusal { fault: Fault::Transient, .. })),
            "{answer:?}"
        );
    }

    #[tokio::test]
    async fn when_the_connection_breaks_after_the_request_nothing_is_known() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut some = [0; 16];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut some).await.unwrap();
        });
        let answer = invoke_at(&url).await;
        assert!(matches!(&answer, Answer::Unknown { .. }), "{answer:?}");
        server.await.unwrap();
    }

    async fn invoke_at(url: &str) -> Answer {
        let aws = Arc::new(Aws::at(url));
        let target = Target::Aws { aws, function: "f".into() };
        let call = Call {
            event: "{}".into(),
            timeout: Duration::from_secs(5),
            start_by: Instant::now(),
            trace_header: None,
        };
        target.invoke(call).await
    }
}
