//! A Lambda endpoint that answers at once and notes when which message arrived.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// One message in one invocation.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// The message's body.
    pub(crate) body: String,
    /// When the message was accepted, epoch milliseconds.
    pub(crate) sent_ms: f64,
    /// When the invocation was here whole.
    pub(crate) at: Instant,
    /// The same, epoch milliseconds.
    pub(crate) at_ms: f64,
}

/// A running endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// `http://127.0.0.1:…`
    pub(crate) url: String,
    /// Its port.
    pub(crate) port: u16,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl Endpoint {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let arrivals = Arc::default();
        tokio::spawn(serve(listener, Arc::clone(&arrivals)));
        Self { url: format!("http://127.0.0.1:{port}"), port, arrivals }
    }

    /// What arrived since the last call.
    pub(crate) fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.arrivals.lock().expect("arrivals"))
    }

    /// How many messages arrived since the last [`Endpoint::take`].
    pub(crate) fn count(&self) -> usize {
        self.arrivals.lock().expect("arrivals").len()
    }
}

async fn serve(listener: TcpListener, arrivals: Arc<Mutex<Vec<Arrival>>>) {
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let arrivals = Arc::clone(&arrivals);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let arrivals = Arc::clone(&arrivals);
                async move {
                    let body = request.into_body().collect().await.expect("body").to_bytes();
                    note(&body, &arrivals);
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"null"))))
                }
            });
            let io = TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

fn note(event: &[u8], arrivals: &Mutex<Vec<Arrival>>) {
    let (at, at_ms) = (Instant::now(), epoch_ms());
    let event: serde_json::Value = serde_json::from_slice(event).unwrap_or_default();
    let records = event["Records"].as_array().cloned().unwrap_or_default();
    let mut arrivals = arrivals.lock().expect("arrivals");
    for record in records {
        let sent = record["attributes"]["SentTimestamp"].as_str().and_then(|ms| ms.parse().ok());
        arrivals.push(Arrival {
            body: record["body"].as_str().unwrap_or_default().to_owned(),
            sent_ms: sent.unwrap_or(0.0),
            at,
            at_ms,
        });
    }
}

fn epoch_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    since.as_secs_f64() * 1_000.0
}

/// An endpoint that answers at once and only counts, so that it costs little itself.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    /// `http://127.0.0.1:…`
    pub(crate) url: String,
    /// Its port.
    pub(crate) port: u16,
    counted: Arc<Mutex<Counted>>,
}

#[derive(Debug, Default)]
struct Counted {
    records: usize,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Counter {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let counted: Arc<Mutex<Counted>> = Arc::default();
        let ours = Arc::clone(&counted);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accept");
                stream.set_nodelay(true).expect("TCP_NODELAY");
                tokio::spawn(count_requests(stream, Arc::clone(&ours)));
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), port, counted }
    }

    /// How many records arrived.
    pub(crate) fn count(&self) -> usize {
        self.counted.lock().expect("counted").records
    }

    /// Records per second from the first event to the last.
    pub(crate) fn rate(&self) -> f64 {
        let counted = self.counted.lock().expect("counted");
        let (first, last) = counted.first.zip(counted.last).expect("events");
        counted.records as f64 / (last - first).as_secs_f64()
    }
}

async fn count_requests(stream: tokio::net::TcpStream, counted: Arc<Mutex<Counted>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let counted = Arc::clone(&counted);
        async move {
            let body = request.into_body().collect().await.expect("body").to_bytes();
            let records = crate::http_load::between(&body, br#""messageId":"#, b',').len();
            let mut counted = counted.lock().expect("counted");
            let now = Instant::now();
            counted.first.get_or_insert(now);
            counted.last = Some(now);
            counted.records += records;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"null"))))
        }
    });
    let io = TokioIo::new(stream);
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
}
