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
    actions::{SERVICE as SQS_SERVICE, Sqs},
    auth::{self, Auth, Entrance, Moment, Refused},
    browser::BrowserRule,
    protocol::limits::REQUEST_BYTES_MAX,
    shutdown::Shutdown,
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
/// Largest body of somebody whose credentials cannot be right, whatever is in it: enough to say
/// what else is wrong with a request, and no way to fill the memory.
const STRANGERS_BYTES_MAX: usize = 64 * 1024;
/// How much of a body that is too large is still read, so that the client hears the answer
/// instead of a broken connection.
const DISCARDED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long Redis may take to answer before karin does not count as ready; shorter than those who
/// ask wait.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);
/// What signatures for the Lambda API are scoped to.
const LAMBDA_SERVICE: &str = "lambda";
/// How long requests may take to finish when karin stops; long polls end at once.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after the system refused a connection for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

/// What answers requests.
#[derive(Debug)]
pub(crate) struct App {
    sqs: Sqs,
    auth: Auth,
    browsers: Option<BrowserRule>,
}

impl App {
    /// `browsers`: the rule for web pages. Where there are keys or tokens a page has none of them,
    /// and there need be no other rule.
    pub(crate) fn new(sqs: Sqs, auth: Auth, browsers: BrowserRule) -> Self {
        let browsers = auth.is_open().then_some(browsers);
        Self { sqs, auth, browsers }
    }

    async fn handle(&self, request: Request<Incoming>) -> Answer {
        let (mut parts, body) = request.into_parts();
        let token = auth::take_from(&mut parts.uri);
        match parts.uri.path() {
            "/healthz" => return plain(StatusCode::OK, "ok"),
            "/readyz" => return self.readiness().await,
            _ => {}
        }
        if let Some(refusal) = self.browsers.as_ref().and_then(|b| b.check(&parts.headers).err()) {
            tracing::info!(%refusal, "refused");
            return plain(StatusCode::FORBIDDEN, refusal.to_string());
        }
        let entrance = self.auth.entrance(token.as_ref());
        match reserved_for(parts.uri.path()) {
            Some(service) => nothing_here(entrance, service, &parts, body).await,
            None => self.sqs(entrance, &parts, body).await,
        }
    }

    async fn readiness(&self) -> Answer {
        match timeout(READINESS_TIMEOUT, self.sqs.check_readiness()).await {
            Ok(Ok(())) => plain(StatusCode::OK, "ok"),
            Ok(Err(error)) => {
                tracing::info!("not ready: {error}");
                plain(StatusCode::SERVICE_UNAVAILABLE, "Redis is away")
            }
            Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "Redis does not answer"),
        }
    }

    async fn sqs(&self, entrance: Entrance<'_>, parts: &Parts, body: Incoming) -> Answer {
        let bytes_max = body_bytes_max(entrance, parts, &body);
        match timeout(BODY_TIMEOUT, read(body, bytes_max)).await {
            Ok(Ok(body)) => self.sqs.answer(entrance, parts, body).await,
            Ok(Err(BodyError::TooLarge)) => closing(self.sqs.body_too_large(entrance, parts)),
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

/// How much of the body may be read. Most are so small that it does not matter whose they are.
fn body_bytes_max(entrance: Entrance<'_>, parts: &Parts, body: &Incoming) -> usize {
    let announced = body.size_hint().upper().and_then(|length| usize::try_from(length).ok());
    let is_small = announced.is_some_and(|length| length <= STRANGERS_BYTES_MAX);
    if is_small || entrance.before_body(SQS_SERVICE, parts, Moment::now()).is_ok() {
        REQUEST_BYTES_MAX
    } else {
        STRANGERS_BYTES_MAX
    }
}

/// Reads a body; one frame's bytes are not copied.
async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).is_ok_and(|length| length <= bytes_max) {
        let mut limited = Limited::new(body, bytes_max);
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
/// the admin pages, and the Lambda API (`/20dd-dd-dd/`). Returns what a signature for them is
/// scoped to.
fn reserved_for(path: &str) -> Option<&'static str> {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match first {
        "metrics" | "admin" => Some(SQS_SERVICE),
        version if is_api_version(version) => Some(LAMBDA_SERVICE),
        _ => None,
    }
}

/// The answer at a reserved path: who has no credentials does not learn what is there.
async fn nothing_here(
    entrance: Entrance<'_>,
    service: &str,
    parts: &Parts,
    body: Incoming,
) -> Answer {
    let mut seen = entrance.before_body(service, parts, Moment::now());
    if let (Ok(()), Entrance::Signature(_)) = (&seen, entrance) {
        seen = match timeout(BODY_TIMEOUT, read(body, REQUEST_BYTES_MAX)).await {
            Ok(Ok(body)) => entrance.caller(service, parts, &body, Moment::now()).map(|_caller| ()),
            Ok(Err(_)) | Err(_) => Err(Refused::NoCredentials),
        };
    }
    match seen {
        Ok(()) => plain(StatusCode::NOT_FOUND, "not found"),
        Err(_) => plain(StatusCode::FORBIDDEN, "access denied"),
    }
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
    use super::{LAMBDA_SERVICE, SQS_SERVICE, reserved_for};

    #[test]
    fn paths_of_later_parts_are_kept_free() {
        for path in ["/metrics", "/admin", "/admin/queues"] {
            assert_eq!(reserved_for(path), Some(SQS_SERVICE), "{path}");
        }
        let invocation = "/2015-03-31/functions/f/invocations";
        assert_eq!(reserved_for(invocation), Some(LAMBDA_SERVICE));
        for path in ["/", "/000000000000/orders", "/queue/orders", "/administration", "/2015-3-31"]
        {
            assert_eq!(reserved_for(path), None, "{path}");
        }
    }
}
