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
use crate::lambda::outcome::Answer;

/// What an answer may take longer than the function's timeout: Lambda's own cold start, and the
/// way. Less than what a lease adds, so that no lease ends before its invocation.
pub(super) const ANSWER_MARGIN: Duration = Duration::from_secs(8);

/// What the trace header is called on the way to a function.
const TRACE_HEADER: &str = "x-amzn-trace-id";

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
            Self::Aws { aws, function } => match aws.endpoint().await {
                Some(endpoint) => endpoint.invoke(function, call).await,
                None => {
                    let client = aws.invoker(function).await;
                    sdk::invoke(&client, function, call, aws.profile()).await
                }
            },
            Self::Local(function) => function.invoke(call).await,
        }
    }
}
