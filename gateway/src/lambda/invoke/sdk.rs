//! Invoke through AWS's SDK: on AWS itself, and at endpoints with TLS.

use std::error::Error as StdError;
use std::time::Instant;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::http::HttpResponse;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::RequestId as _;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper_util::client::legacy::Error as Connection;

use crate::lambda::invoke::{ANSWER_MARGIN, ASK_MAX, Call, Kind, TRACE_HEADER, too_late};
use crate::lambda::outcome::{Answer, Fault, Refusal, Told};
use crate::lambda::profile::{Profile, Reply};
use crate::lambda::sync::call::chain;

/// Runs a function, a name or an ARN.
pub(super) async fn invoke(client: &Client, function: &str, call: Call, profile: &Profile) -> Told {
    // To make the client may have taken a while.
    if Instant::now() >= call.start_by {
        return too_late().into();
    }
    let (kind, patience) = (call.kind, call.timeout + ANSWER_MARGIN);
    let invocation_type = match kind {
        Kind::Wait => InvocationType::RequestResponse,
        Kind::Handover => InvocationType::Event,
    };
    let patience = TimeoutConfig::builder().operation_timeout(patience).build();
    let log_type = (call.wants_log && profile.has_logs()).then_some(LogType::Tail);
    let trace_header = call.trace_header.filter(|header| HeaderValue::from_str(header).is_ok());
    let result = client
        .invoke()
        .function_name(profile.name_of(function))
        .invocation_type(invocation_type)
        .set_log_type(log_type)
        .payload(Blob::new(call.event))
        .customize()
        .config_override(aws_sdk_lambda::Config::builder().timeout_config(patience))
        .mutate_request(move |request| {
            if let Some(header) = &trace_header {
                request.headers_mut().insert(TRACE_HEADER, header.clone());
            }
        })
        .send()
        .await;
    match result {
        Ok(output) => {
            let log_tail =
                output.log_result().map(|tail| STANDARD.decode(tail).unwrap_or_default());
            let request_id = output.request_id().unwrap_or_default().to_owned();
            let answer = profile.answer(reply(output), kind);
            Told { answer, request_id, log_tail: log_tail.unwrap_or_default().into() }
        }
        Err(SdkError::ServiceError(context)) => {
            let reply = error_reply(context.raw());
            let request_id = reply.request_id.clone().unwrap_or_default();
            Told { request_id, ..profile.answer(reply, kind).into() }
        }
        Err(error) => unanswered(&error).into(),
    }
}

/// Looks whether a function can be invoked, without invoking it.
pub(super) async fn probe(client: &Client, function: &str, profile: &Profile) -> Option<Refusal> {
    if !profile.has_dry_run {
        return None;
    }
    let patience = TimeoutConfig::builder().operation_timeout(ASK_MAX).build();
    let result = client
        .invoke()
        .function_name(profile.name_of(function))
        .invocation_type(InvocationType::DryRun)
        .customize()
        .config_override(aws_sdk_lambda::Config::builder().timeout_config(patience))
        .send()
        .await;
    let answer = match result {
        Ok(_) => return None,
        Err(SdkError::ServiceError(context)) => {
            profile.answer(error_reply(context.raw()), Kind::Wait)
        }
        Err(error) => unanswered(&error),
    };
    match answer {
        Answer::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

fn reply(output: InvokeOutput) -> Reply {
    let status = match output.status_code {
        0 => 200,
        status => u16::try_from(status).unwrap_or(0),
    };
    let body: Bytes = output.payload.map(Blob::into_inner).unwrap_or_default().into();
    Reply { status, function_error: output.function_error, body: Some(body), ..Reply::default() }
}

fn error_reply(raw: &HttpResponse) -> Reply {
    let header = |name: &str| raw.headers().get(name).map(str::to_owned);
    Reply {
        status: raw.status().as_u16(),
        function_error: None,
        error_type: header("x-amzn-errortype"),
        content_type: header("content-type"),
        location: header("location"),
        retry_after: header("retry-after").as_deref().and_then(Reply::seconds),
        request_id: header("x-amzn-requestid"),
        body: raw.body().bytes().map(Bytes::copy_from_slice),
    }
}

/// No answer came, or none that can be read.
fn unanswered(error: &SdkError<InvokeError>) -> Answer {
    let fault = match error {
        SdkError::ConstructionFailure(_) => Some(Fault::Operator),
        SdkError::DispatchFailure(_) if misses_credentials(error) => Some(Fault::Operator),
        SdkError::DispatchFailure(_) if was_never_sent(error) => Some(Fault::Transient),
        _ => None,
    };
    let reason = chain(error);
    match fault {
        Some(fault) => Answer::Refused(Refusal { fault, reason, retry_after: None }),
        None => Answer::Unknown { reason },
    }
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
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::lambda::aws::Aws;

    // Without TLS, for which there are keys without asking anybody: the SDK's errors are the same.
    #[tokio::test]
    async fn where_nobody_listens_nothing_can_have_run() {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let answer = invoke_at(&format!("http://{unused}")).await;
        let Answer::Refused(Refusal { fault: Fault::Transient, reason, .. }) = answer else {
            panic!("{answer:?}");
        };
        assert!(reason.contains("refused"), "{reason}");
    }

    #[tokio::test]
    async fn when_the_connection_breaks_after_the_request_nothing_is_known() {
        let (answer, request) = invoke_answered("").await;
        assert!(matches!(&answer, Answer::Unknown { .. }), "{answer:?}");
        assert!(request.to_lowercase().contains("x-amzn-trace-id: root=1\r\n"), "{request}");
    }

    #[tokio::test]
    async fn what_the_sdk_hands_over_is_judged_as_any_other_answer() {
        let answer = "HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\n\
                      Content-Length: 2\r\n\r\n{}";
        let (answer, _) = invoke_answered(answer).await;
        let unhandled =
            Answer::Ran { function_error: Some("Unhandled".into()), payload: "{}".into() };
        assert_eq!(answer, unhandled);
        let answer = "HTTP/1.1 429 X\r\nX-Amzn-ErrorType: TooManyRequestsException\r\n\
                      Retry-After: 3\r\nContent-Length: 18\r\n\r\n{\"message\":\"slow\"}";
        let refusal = Refusal {
            fault: Fault::Throttled,
            reason: "429 TooManyRequestsException slow".into(),
            retry_after: Some(Duration::from_secs(3)),
        };
        assert_eq!(invoke_answered(answer).await.0, Answer::Refused(refusal));
    }

    /// Invokes an endpoint that answers so, and then closes. Returns the beginning of the request.
    async fn invoke_answered(reply: &'static str) -> (Answer, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with("{}") {
                let mut bytes = [0; 4_096];
                let count = stream.read(&mut bytes).await.unwrap();
                request.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
            stream.write_all(reply.as_bytes()).await.unwrap();
            request
        });
        let answer = invoke_at(&url).await;
        (answer, server.await.unwrap())
    }

    async fn invoke_at(url: &str) -> Answer {
        let aws = Arc::new(Aws::at(url));
        let call = Call {
            event: "{}".into(),
            timeout: Duration::from_secs(5),
            start_by: Instant::now() + Duration::from_secs(30),
            trace_header: Some("Root=1".into()),
            kind: Kind::Wait,
            wants_log: false,
        };
        invoke(&aws.invoker("f").await, "f", call, Profile::unknown()).await.answer
    }
}
