//! The Lambda Runtime API, 2018-06-01, for one process: how it gets events and answers them.
//!
//! Source: esm-contract §8. The listener is on loopback, with a port of its own, so that a process
//! can only take what is meant for it.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, ORIGIN};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::lambda::local::call::ClientContext;

/// The largest answer of a function, bytes: 6 MiB + 100. Source: esm-contract §1.
pub(super) const RESPONSE_BYTES_MAX: usize = 6_291_556;
const PREFIX: &str = "/2018-06-01/runtime/";
const ERROR_TYPE_TRAILER: &str = "lambda-runtime-function-error-type";
const ERROR_BODY_TRAILER: &str = "lambda-runtime-function-error-body";

/// An event on its way to a process.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) deadline_ms: u64,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) client_context: Option<ClientContext>,
    pub(super) event: Bytes,
    pub(super) answer: oneshot::Sender<Reply>,
}

/// What a process answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Success(Bytes),
    Error(Bytes),
    TooLarge,
}

/// What a process is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not asked for its first event.
    Starting,
    /// It said why it cannot start.
    InitFailed(Bytes),
    /// It waits for an event, or is about to ask for one.
    Waiting,
    /// It has the event with this request id.
    Running(String),
    /// It has answered and not asked for the next event.
    Answered,
}

/// One process's side of the Runtime API; its listener ends when this is dropped.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    pub(super) address: SocketAddr,
    pub(super) invocations: mpsc::Sender<Invocation>,
    pub(super) phase: watch::Receiver<Phase>,
    listener: tokio::task::JoinHandle<()>,
}

impl RuntimeApi {
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (invocations, queue) = mpsc::channel(1);
        let (phase, observed) = watch::channel(Phase::Starting);
        let state = Arc::new(State {
            phase,
            answer: Mutex::default(),
            queue: tokio::sync::Mutex::new(queue),
        });
        let listener = tokio::spawn(accept(listener, state));
        Ok(Self { address, invocations, phase: observed, listener })
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

struct State {
    phase: watch::Sender<Phase>,
    answer: Mutex<Option<oneshot::Sender<Reply>>>,
    queue: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Dropped with this task, and its connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&state)));
                }
                // Out of descriptors, most likely; others will close some.
                Err(error) => {
                    tracing::warn!(%error, "a function's connection was not accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let _as_usual = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(state.handle(request).await) }
    });
    // A client that goes away while it waits for an event must not get one: no half-open reads.
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A broken connection is seen by the process's side of it, or by its exit.
    let _broken = connection.await;
}

impl State {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        // Only a web page sends these, and no page has any business here.
        let headers = request.headers();
        if headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") {
            return problem(StatusCode::FORBIDDEN, "Forbidden", "not for web pages");
        }
        let path = request.uri().path().to_owned();
        let Some(call) = path.strip_prefix(PREFIX) else {
            return problem(StatusCode::NOT_FOUND, "NotFound", "no such path");
        };
        match (request.method(), call) {
            (&Method::GET, "invocation/next") => self.next().await,
            (&Method::POST, "init/error") => self.init_error(request).await,
            (&Method::POST, call) => {
                match call.strip_prefix("invocation/").and_then(|call| call.split_once('/')) {
                    Some((id, "response")) => self.answer(id, request, Kind::Response).await,
                    Some((id, "error")) => self.answer(id, request, Kind::Error).await,
                    _ => problem(StatusCode::NOT_FOUND, "NotFound", "no such path"),
                }
            }
            _ => problem(StatusCode::NOT_FOUND, "NotFound", "no such path"),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let mut is_running = false;
        self.phase.send_if_modified(|phase| {
            is_running = matches!(phase, Phase::Running(_));
            let changes = !is_running && *phase != Phase::Waiting;
            if changes {
                *phase = Phase::Waiting;
            }
            changes
        });
        if is_running {
            return wrong_state("the last event is not answered");
        }
        let Some(invocation) = self.queue.lock().await.recv().await else {
            return problem(StatusCode::GONE, "Runtime.Exiting", "there are no more events");
        };
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(invocation.answer);
        self.phase.send_replace(Phase::Running(invocation.request_id.clone()));
        // Runtime clients built on AWS's C++ library crash without a content type.
        let mut response = Response::builder();
        if let Some(context) = &invocation.client_context {
            response = response.header("Lambda-Runtime-Client-Context", context.header());
        }
        let response = response
            .header(CONTENT_TYPE, "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", invocation.request_id)
            .header("Lambda-Runtime-Deadline-Ms", invocation.deadline_ms)
            .header("Lambda-Runtime-Invoked-Function-Arn", invocation.function_arn)
            .header("Lambda-Runtime-Trace-Id", invocation.trace_id)
            .body(Full::new(invocation.event));
        response.unwrap_or_else(|_| {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "Runtime.Internal", "no header")
        })
    }

    async fn answer(
        &self,
        id: &str,
        request: Request<Incoming>,
        kind: Kind,
    ) -> Response<Full<Bytes>> {
        if !self.is_running(id) {
            return self.not_running(id);
        }
        let reply = match read(request.into_body()).await {
            Ok((body, _)) if kind == Kind::Error => Reply::Error(body),
            Ok((body, trailers)) => streamed_error(&trailers).unwrap_or(Reply::Success(body)),
            Err(Unread::TooLarge) => Reply::TooLarge,
            Err(Unread::Broken) => {
                return problem(StatusCode::BAD_REQUEST, "InvalidRequest", "the body broke off");
            }
        };
        // Somebody else may have answered while the body came.
        let mut taken = None;
        self.phase.send_if_modified(|phase| {
            let current = matches!(phase, Phase::Running(running) if running.as_str() == id);
            if current {
                *phase = Phase::Answered;
                taken = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            current
        });
        let Some(answer) = taken else {
            return self.not_running(id);
        };
        let too_large = reply == Reply::TooLarge;
        // Nobody listens if the deadline has just passed.
        let _late = answer.send(reply);
        if too_large {
            let words = format!("the answer is larger than {RESPONSE_BYTES_MAX} bytes");
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &words);
        }
        accepted()
    }

    async fn init_error(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Ok((body, _)) = read(request.into_body()).await else {
            return problem(StatusCode::BAD_REQUEST, "InvalidRequest", "no body");
        };
        let is_first = self.phase.send_if_modified(|phase| {
            let is_first = *phase == Phase::Starting;
            if is_first {
                *phase = Phase::InitFailed(body);
            }
            is_first
        });
        if is_first { accepted() } else { wrong_state("it has started already") }
    }

    fn is_running(&self, id: &str) -> bool {
        matches!(&*self.phase.borrow(), Phase::Running(running) if running == id)
    }

    fn not_running(&self, id: &str) -> Response<Full<Bytes>> {
        if matches!(&*self.phase.borrow(), Phase::Running(_)) {
            let words = format!("{id:?} is not the running invocation");
            return problem(StatusCode::BAD_REQUEST, "InvalidRequestID", &words);
        }
        wrong_state("no invocation is running")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Response,
    Error,
}

enum Unread {
    TooLarge,
    Broken,
}

async fn read(body: Incoming) -> Result<(Bytes, HeaderMap), Unread> {
    let collected = Limited::new(body, RESPONSE_BYTES_MAX).collect().await;
    let collected = collected.map_err(|error| {
        if error.is::<LengthLimitError>() { Unread::TooLarge } else { Unread::Broken }
    })?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok((collected.to_bytes(), trailers))
}

/// A streaming runtime tells an error that came up midway in trailers, the body base64-encoded.
fn streamed_error(trailers: &HeaderMap) -> Option<Reply> {
    use base64::Engine;
    trailers.get(ERROR_TYPE_TRAILER)?;
    let body = trailers.get(ERROR_BODY_TRAILER).map(hyper::header::HeaderValue::as_bytes);
    let body = body.unwrap_or_default();
    let decoded = base64::engine::general_purpose::STANDARD.decode(body);
    Some(Reply::Error(decoded.unwrap_or_else(|_| body.to_vec()).into()))
}

fn accepted() -> Response<Full<Bytes>> {
    json(StatusCode::ACCEPTED, &serde_json::json!({"status": "OK"}))
}

fn wrong_state(words: &str) -> Response<Full<Bytes>> {
    problem(StatusCode::FORBIDDEN, "InvalidStateTransition", words)
}

fn problem(status: StatusCode, kind: &str, words: &str) -> Response<Full<Bytes>> {
    json(status, &serde_json::json!({"errorType": kind, "errorMessage": words}))
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
