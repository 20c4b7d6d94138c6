//! The HTTP server: connections, limits, and which part answers which path.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{CONNECTION, CONTENT_TYPE, HeaderValue},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{
    actions::Sqs, browser::BrowserRule, protocol::limits::REQUEST_BYTES_MAX, shutdown::Shutdown,
};

/// Connections at the same time; more wait in the kernel's queue. Each long poll holds one.
pub(crate) const CONNECTIONS_MAX: usize = 10_000;
/// Headers of one request; SDKs send about a dozen.
const HEADERS_MAX: usize = 100;
/// How long a connection may be idle, or take to send the head of a request. Above the 60 s
/// after which load balancers give up idle connections, so that they do it first.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How long the body of one request may take.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// How much of a body that is too large is still read, so that the client hears the answer
/// instead of a broken connection.
const DISCARDED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long requests may take to finish when karin stops; long polls end at once.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after the system refused a connection for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

/// What answers requests.
#[derive(Debug)]
pub(crate) struct App {
    sqs: Sqs,
    browsers: Option<BrowserRule>,
}

impl App {
    /// `browsers`: the rule for web pages, where there is one.
    pub(crate) fn new(sqs: Sqs, browsers: Option<BrowserRule>) -> Self {
        Self { sqs, browsers }
    }

    async fn handle(&self, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        if parts.uri.path() == "/healthz" {
            return plain(StatusCode::OK, "ok");
        }
        if let Some(refusal) = self.browsers.as_ref().and_then(|b| b.check(&parts.headers).err()) {
            tracing::info!(%refusal, "refused");
            return plain(StatusCode::FORBIDDEN, refusal.to_string());
        }
        if is_reserved(parts.uri.path()) {
            return plain(StatusCode::NOT_FOUND, "not found");
        }
        self.sqs(&parts, body).await
    }

    async fn sqs(&self, parts: &Parts, body: Incoming) -> Answer {
        match timeout(BODY_TIMEOUT, read(body)).await {
            Ok(Ok(body)) => self.sqs.answer(parts, body).await,
            Ok(Err(BodyError::TooLarge)) => closing(self.sqs.body_too_large(parts)),
            // Nobody is left to hear the answer.
            Ok(Err(BodyError::Broken)) => {
                closing(plain(StatusCode::BAD_REQUEST, "incomplete body"))
            }
            Err(_) => closing(plain(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
        }
    }
}

/// Serves until `shutdown`, then lets running requests finish within a bound.
pub(crate) async fn serve(listener: TcpListener, app: App, shutdown: Shutdown) {
    let app = Arc::new(app);
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let stream = select! {
            accepted = accept(&listener) => accepted,
            () = shutdown.requested() => break,
        };
        let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, app, shutdown).await {
                tracing::debug!("a connection ended: {error}");
            }
            drop(permit);
        });
    }
    drop(listener);
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    if timeout(DRAIN_TIMEOUT, free.acquire_many(all)).await.is_err() {
        tracing::warn!("requests are cut off: they did not finish within {DRAIN_TIMEOUT:?}");
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The client left before it was let in.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!("no connection can be accepted: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    app: Arc<App>,
    shutdown: Shutdown,
) -> Result<(), hyper::Error> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("no TCP_NODELAY: {error}");
    }
    let service = service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(app.handle(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    select! {
        result = connection.as_mut() => return result,
        () = shutdown.requested() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

enum BodyError {
    TooLarge,
    Broken,
}

/// Reads a body; one frame's bytes are not copied.
async fn read(body: Incoming) -> Result<Bytes, BodyError> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).is_ok_and(|length| length <= REQUEST_BYTES_MAX) {
        let mut limited = Limited::new(body, REQUEST_BYTES_MAX);
        return match (&mut limited).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
            Err(_) => Err(BodyError::Broken),
        };
    }
    discard(body).await;
    Err(BodyError::TooLarge)
}

async fn discard(mut body: Incoming) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > DISCARDED_BYTES_MAX {
            return;
        }
    }
}

/// Paths of parts that are not there yet, so that no queue's URL can take their place: metrics,
/// the admin pages, and the Lambda API (`/20dd-dd-dd/`).
fn is_reserved(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    matches!(first, "metrics" | "admin") || is_api_version(first)
}

fn is_api_version(segment: &str) -> bool {
    let segment = segment.as_bytes();
    segment.len() == 10
        && segment.starts_with(b"20")
        && segment.iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

/// What is left of the request's body is not read, so nothing can follow on this connection.
fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

#[cfg(test)]
mod tests {
    use super::is_reserved;

    #[test]
    fn paths_of_later_parts_are_kept_free() {
        for path in ["/metrics", "/admin", "/admin/queues", "/2015-03-31/functions/f/invocations"] {
            assert!(is_reserved(path), "{path}");
        }
        for path in ["/", "/000000000000/orders", "/queue/orders", "/administration", "/2015-3-31"]
        {
            assert!(!is_reserved(path), "{path}");
        }
    }
}
