//! HTTP to an endpoint without TLS: kept connections, no second attempt at what may have been
//! sent, and a bound for what comes back.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use crate::lambda::profile::{ANSWER_BYTES_MAX, Reply};
use crate::lambda::sync::call::chain;

/// How long to connect may take.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How long a connection is kept that nobody uses: less than Node's 5 s, so that we close first and
/// no request meets an end that is being closed.
const IDLE_MAX: Duration = Duration::from_secs(3);
/// Most connections kept; as many invocations run at a time at most.
const IDLE_CONNECTIONS_MAX: usize = 1_000;
/// How often a request is offered to another connection because the last one had just closed.
const OFFERS_MAX: usize = 3;

/// Why there is no reply; the text is for people.
#[derive(Debug)]
pub(super) enum Silence {
    /// Not one byte of the request was sent.
    NotSent(String),
    /// It may have been read.
    Lost(String),
}

/// The client. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Wire {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_MAX));
        connector.set_keepalive(Some(Duration::from_secs(30)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .retry_canceled_requests(false)
            .build(connector);
        Self { client }
    }

    /// Sends a request, once, and waits for the whole answer for `patience`.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Reply, Silence> {
        let deadline = Instant::now() + patience;
        let mut offers = 0;
        loop {
            offers += 1;
            let mut offered = request.clone();
            let connection = capture_connection(&mut offered);
            let error = match timeout_at(deadline, self.client.request(offered)).await {
                Ok(Ok(response)) => return read(response, deadline).await,
                Ok(Err(error)) => error,
                Err(_) => {
                    let reason = format!("no answer within {patience:?}");
                    let connected = connection.connection_metadata().is_some();
                    let silence = if connected { Silence::Lost } else { Silence::NotSent };
                    return Err(silence(reason));
                }
            };
            if was_canceled(&error) && offers < OFFERS_MAX {
                continue;
            }
            let silence = if was_canceled(&error) || error.is_connect() {
                Silence::NotSent
            } else {
                Silence::Lost
            };
            return Err(silence(chain(&error)));
        }
    }
}

async fn read(response: Response<Incoming>, deadline: Instant) -> Result<Reply, Silence> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect();
    let body = match timeout_at(deadline, body).await {
        Ok(Ok(body)) => Some(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => None,
        Ok(Err(error)) => return Err(Silence::Lost(chain(&*error))),
        Err(_) => return Err(Silence::Lost("the answer did not end in time".into())),
    };
    let headers = &head.headers;
    Ok(Reply {
        status: head.status.as_u16(),
        function_error: text(headers, "x-amz-function-error"),
        error_type: text(headers, "x-amzn-errortype"),
        content_type: text(headers, CONTENT_TYPE.as_str()),
        location: text(headers, LOCATION.as_str()),
        retry_after: text(headers, RETRY_AFTER.as_str()).as_deref().and_then(Reply::seconds),
        request_id: text(headers, "x-amzn-requestid"),
        body,
    })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Whether the connection was closed before hyper took the request for it. hyper says so only of
/// requests it hands back untouched, so nothing can have been read of it.
fn was_canceled(error: &Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
    cause.is_some_and(hyper::Error::is_canceled)
}
