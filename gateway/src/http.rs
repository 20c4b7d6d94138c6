//! The HTTP server: connections, limits, and which part answers which path.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{ACCEPT, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION},
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

use tracing::Instrument as _;

use crate::{
    actions::{RequestIds, Sqs},
    admin::Admin,
    auth::{self, Auth, Entrance},
    body::{BodyError, Room},
    browser::BrowserRule,
    lambda,
    metrics::{Metrics, Requests, Server},
    shutdown::Shutdown,
};

/// Connections at the same time; more wait in the kernel's queue. Each long poll holds one.
pub(crate) const CONNECTIONS_MAX: usize = 10_000;
/// Headers of one request; SDKs send about a dozen.
const HEADERS_MAX: usize = 100;
/// How long a connection may be idle, or take to send the head of a request. Above the 60 s
/// after which load balancers give up idle connections, so that they do it first.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a client may leave an answer unread before its connection is cut and the memory comes
/// back.
#[cfg(target_os = "linux")]
const UNREAD_TIMEOUT_MS: u32 = 60_000;
/// What is read from a connection ahead of what is asked for, in bytes: the head of a request, of
/// which the target may have half, or a piece of its body. Every connection may keep that much.
const BUFFER_BYTES_MAX: usize = 128 * 1024;
/// How long Redis may take to answer before karin does not count as ready; shorter than those who
/// ask wait.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long requests may take to finish when karin stops; long polls end at once.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that has not asked anything yet may still ask when karin stops: its
/// request may be on the way.
const FRESH_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause after the system refused a connection for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The header with the id that the log has of a request for the admin page.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

type Answer = Response<Full<Bytes>>;

/// What answers requests.
#[derive(Debug)]
pub(crate) struct App {
    sqs: Sqs,
    lambda: lambda::Api,
    admin: Admin,
    /// Requests for the admin page.
    admin_requests: Arc<Requests>,
    request_ids: RequestIds,
    metrics: Metrics,
    auth: Auth,
    browsers: Option<BrowserRule>,
    room: Room,
    /// Connections that may still come.
    free: Arc<Semaphore>,
}

impl App {
    /// `browsers`: the rule for web pages. Where there are keys or tokens a page has none of them,
    /// and there need be no other rule.
    pub(crate) fn new(
        sqs: Sqs,
        lambda: lambda::Api,
        (admin, admin_requests): (Admin, Arc<Requests>),
        metrics: Metrics,
        auth: Auth,
        browsers: BrowserRule,
    ) -> Self {
        let browsers = auth.is_open().then_some(browsers);
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Self {
            sqs,
            lambda,
            admin,
            admin_requests,
            request_ids: RequestIds::seeded(),
            metrics,
            auth,
            browsers,
            room: Room::default(),
            free,
        }
    }

    async fn handle(&self, request: Request<Incoming>, peer: IpAddr) -> Answer {
        let (mut parts, body) = request.into_parts();
        let token = auth::take_from(&mut parts.uri);
        match parts.uri.path() {
            "/healthz" => return plain(StatusCode::OK, "ok"),
            "/readyz" => return self.readiness().await,
            _ => {}
        }
        if let Some(refusal) = self.browsers.as_ref().and_then(|b| b.check(&parts).err()) {
            tracing::info!(%refusal, "refused");
            return plain(StatusCode::FORBIDDEN, refusal.to_string());
        }
        if token.is_none() && is_person(&parts) {
            return see_other("/admin");
        }
        let entrance = self.auth.entrance(token.as_ref());
        match part_of(parts.uri.path()) {
            Part::Lambda => self.lambda(entrance, &parts, body).await,
            Part::Admin => self.admin_counted(parts, body, peer).await,
            Part::Metrics => {
                self.metrics.answer(&self.auth, entrance, (&parts, peer), self.load()).await
            }
            Part::Sqs => self.sqs(entrance, &parts, body).await,
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

    fn load(&self) -> Server {
        Server {
            connections: CONNECTIONS_MAX.saturating_sub(self.free.available_permits()),
            connections_max: CONNECTIONS_MAX,
            body_bytes: self.room.held_bytes(),
        }
    }

    async fn admin_counted(&self, parts: Parts, body: Incoming, peer: IpAddr) -> Answer {
        let (method, begun) = (parts.method.clone(), Instant::now());
        let request_id = self.request_ids.next();
        // What is logged meanwhile bears it, too.
        let span = tracing::info_span!("admin", request_id);
        let mut answer = self.admin(parts, body, peer).instrument(span).await;
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            answer.headers_mut().insert(&REQUEST_ID, id);
        }
        let status = answer.status();
        let refused = (status.is_client_error() || status.is_server_error())
            .then(|| status.canonical_reason().unwrap_or("Error"));
        self.admin_requests.answered_by_name(method.as_str(), refused, begun.elapsed());
        answer
    }

    /// Who asks is the admin page's own business.
    async fn admin(&self, parts: Parts, body: Incoming, peer: IpAddr) -> Answer {
        // Memory is for those who may come in.
        let is_let_in = body.is_end_stream() || self.admin.lets_in(&parts).await;
        let error = match self.room.read(body, || is_let_in).await {
            Ok((body, _place)) => return self.admin.answer(parts, body, peer).await,
            Err(error) => error,
        };
        Admin::protected(closing(match error {
            BodyError::Broken => incomplete(),
            BodyError::Slow => too_slow(),
            BodyError::TooLarge => plain(StatusCode::PAYLOAD_TOO_LARGE, "the form is too large"),
            BodyError::Unwanted => plain(StatusCode::FORBIDDEN, "access denied"),
            BodyError::Crowded => plain(StatusCode::SERVICE_UNAVAILABLE, "too many large requests"),
        }))
    }

    async fn sqs(&self, entrance: Entrance<'_>, parts: &Parts, body: Incoming) -> Answer {
        let is_wanted = || self.sqs.refusal_before_body(entrance, parts).is_none();
        let error = match self.room.read(body, is_wanted).await {
            Ok((body, place)) => return self.sqs.answer(entrance, parts, body, place).await,
            Err(error) => error,
        };
        closing(match error {
            BodyError::TooLarge => self.sqs.body_too_large(entrance, parts),
            BodyError::Crowded | BodyError::Unwanted => self.sqs.body_refused(entrance, parts),
            BodyError::Broken => incomplete(),
            BodyError::Slow => too_slow(),
        })
    }

    async fn lambda(&self, entrance: Entrance<'_>, parts: &Parts, body: Incoming) -> Answer {
        let is_wanted = || lambda::Api::wants_body(entrance, parts);
        let error = match self.room.read(body, is_wanted).await {
            Ok((body, place)) => return self.lambda.answer(entrance, parts, body, place).await,
            Err(error) => error,
        };
        closing(match error {
            BodyError::TooLarge => self.lambda.body_too_large(entrance, parts),
            BodyError::Crowded | BodyError::Unwanted => self.lambda.body_refused(entrance, parts),
            BodyError::Broken => incomplete(),
            BodyError::Slow => too_slow(),
        })
    }
}

/// Nobody is left to hear it.
fn incomplete() -> Answer {
    plain(StatusCode::BAD_REQUEST, "incomplete body")
}

fn too_slow() -> Answer {
    plain(StatusCode::REQUEST_TIMEOUT, "the body took too long")
}

/// Serves until `shutdown`, then lets running requests finish within a bound.
pub(crate) async fn serve(listener: TcpListener, app: App, shutdown: Shutdown) {
    let app = Arc::new(app);
    let free = Arc::clone(&app.free);
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let (stream, peer) = select! {
            accepted = accept(&listener) => accepted,
            () = shutdown.requested() => break,
        };
        let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, peer.ip(), app, shutdown).await {
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

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
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
    peer: IpAddr,
    app: Arc<App>,
    shutdown: Shutdown,
) -> Result<(), hyper::Error> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("no TCP_NODELAY: {error}");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, UNREAD_TIMEOUT_MS) {
        tracing::debug!("no TCP_USER_TIMEOUT: {error}");
    }
    let (leaving, asked) = (shutdown.clone(), Arc::new(AtomicBool::new(false)));
    let has_asked = Arc::clone(&asked);
    let service = service_fn(move |request: Request<Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        let (app, shutdown) = (Arc::clone(&app), leaving.clone());
        async move { Ok::<_, Infallible>(answer(&app, request, peer, &shutdown).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    select! {
        result = connection.as_mut() => return result,
        () = shutdown.requested() => {}
    }
    if !asked.load(Ordering::Relaxed) {
        select! {
            result = connection.as_mut() => return result,
            () = sleep(FRESH_TIMEOUT) => {}
        }
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// The answer; of a karin that leaves one that sends the client elsewhere for the next.
async fn answer(
    app: &App,
    request: Request<Incoming>,
    peer: IpAddr,
    shutdown: &Shutdown,
) -> Answer {
    if request.uri().path() == "/readyz" && shutdown.is_announced() {
        return closing(plain(StatusCode::SERVICE_UNAVAILABLE, "stopping"));
    }
    let answer = app.handle(request, peer).await;
    if shutdown.is_announced() { closing(answer) } else { answer }
}

/// Who answers at a path.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Lambda's API (`/20dd-dd-dd/`).
    Lambda,
    /// The admin page.
    Admin,
    /// The metrics.
    Metrics,
    /// SQS.
    Sqs,
}

fn part_of(path: &str) -> Part {
    match path.trim_start_matches('/').split('/').next() {
        Some("admin") => Part::Admin,
        Some("metrics") => Part::Metrics,
        _ if lambda::is_api_path(path) => Part::Lambda,
        _ => Part::Sqs,
    }
}

/// Whether somebody opened our address in a browser: no client of SQS asks for HTML.
fn is_person(parts: &Parts) -> bool {
    let wants_html =
        |accept: &HeaderValue| accept.to_str().is_ok_and(|accept| accept.contains("text/html"));
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    parts.method == Method::GET
        && parts.uri.path() == "/"
        && parts.headers.get(ACCEPT).is_some_and(wants_html)
        && form_urlencoded::parse(query).all(|(name, _)| name != "Action")
}

fn see_other(path: &'static str) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static(path));
    answer
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

/// Nothing can follow on this connection: what is left of the request's body is not read, or karin
/// ends.
fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

#[cfg(test)]
mod tests {
    use super::{Part, part_of};

    #[test]
    fn each_path_has_its_part() {
        for path in ["/admin", "/admin/queues"] {
            assert_eq!(part_of(path), Part::Admin, "{path}");
        }
        assert_eq!(part_of("/metrics"), Part::Metrics);
        assert_eq!(part_of("/2015-03-31/functions/f/invocations"), Part::Lambda);
        for path in ["/", "/000000000000/orders", "/queue/orders", "/administration", "/2015-3-31"]
        {
            assert_eq!(part_of(path), Part::Sqs, "{path}");
        }
    }
}
