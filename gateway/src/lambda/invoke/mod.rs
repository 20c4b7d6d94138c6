//! Running a function with an event, wherever it is.

mod endpoint;
mod sdk;
mod signer;
mod wire;

pub(super) use endpoint::Endpoint;
pub(super) use signer::Signer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::lambda::aws::Aws;
use crate::lambda::local::LocalFunction;
use crate::lambda::outcome::{Answer, Fault, Refusal, Told};

/// What an answer may take longer than the function's timeout: Lambda's own cold start, and the
/// way. Less than what a lease adds, so that no lease ends before its invocation.
pub(super) const ANSWER_MARGIN: Duration = Duration::from_secs(8);

/// How long an answer may take that runs nothing.
const ASK_MAX: Duration = Duration::from_secs(10);

/// What the trace header is called on the way to a function.
const TRACE_HEADER: &str = "x-amzn-trace-id";

/// An event on its way to a function.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The event, JSON.
    pub(super) event: Bytes,
    /// How long the function may run.
    pub(super) timeout: Duration,
    /// It starts before this or not at all.
    pub(super) start_by: Instant,
    /// What the function gets as its trace header.
    pub(super) trace_header: Option<String>,
    /// Whether anybody waits for the outcome.
    pub(super) kind: Kind,
    /// Whether somebody wants to see what the function logs, and it may cost something.
    pub(super) wants_log: bool,
}

/// Whether anybody waits for the outcome of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The answer decides about the messages: `RequestResponse`.
    Wait,
    /// The event is handed over and what becomes of it is the function's business: `Event`.
    Handover,
}

/// What is answered instead of starting a function after its [`Call::start_by`]: somebody else may
/// soon get its messages, even while it runs.
pub(super) fn too_late() -> Answer {
    let reason = "its messages came too slowly: their leases would end before it does".into();
    Answer::Refused(Refusal { fault: Fault::Transient, reason, retry_after: None })
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
    pub(super) async fn invoke(&self, call: Call) -> Told {
        match self {
            Self::Aws { aws, function } => {
                if let Some(endpoint) = aws.endpoint().await {
                    return endpoint.invoke(function, call).await;
                }
                let client = aws.invoker(function).await;
                sdk::invoke(&client, function, call, aws.profile()).await
            }
            Self::Local(function) => function.invoke(call).await,
        }
    }

    /// Whether asking it costs nobody anything: it is on this machine or at an endpoint of one's
    /// own.
    pub(super) fn is_near(&self) -> bool {
        match self {
            Self::Aws { aws, .. } => aws.is_custom(),
            Self::Local(_) => true,
        }
    }

    /// Looks whether the function can be invoked, without invoking it: why not, if it tells. AWS,
    /// and endpoints that run nothing then, are asked with a `DryRun`; on this machine its program
    /// is looked for. Source: esm-contract §7.4.
    pub(super) async fn probe(&self) -> Option<Refusal> {
        match self {
            Self::Aws { aws, function } => match aws.endpoint().await {
                Some(endpoint) => endpoint.probe(function).await,
                None => sdk::probe(&aws.invoker(function).await, function, aws.profile()).await,
            },
            Self::Local(function) => {
                let fault = Fault::Operator;
                function.problem().map(|reason| Refusal { fault, reason, retry_after: None })
            }
        }
    }
}
