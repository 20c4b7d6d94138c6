//! `/metrics`: what Prometheus and everything like it can read.
//!
//! What happens with each request is counted where it happens, by an addition to a number that is
//! there already ([`Requests`], [`Histogram`]; mappings and queues have their own). Everything else
//! is looked at when somebody asks: so nobody who does not ask pays for it. What has to be asked of
//! Redis is kept for a second, for those who ask together.
//!
//! The names and their meaning stand in docs/metrics.md; a test compares.

mod access;
mod histogram;
mod page;
mod process;
mod requests;
mod scrape;

pub(crate) use histogram::{Distribution, Histogram, LATENCY_BOUNDS_US};
pub(crate) use requests::Requests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::auth::{Auth, Entrance, Secret};
use crate::lambda::{self, Company, Control};
use crate::queues::{QueueName, Queues, RedisMemory, Statistics};
use access::{Access, Denied};
use page::Format;
use scrape::Scrape;

/// Queues that are shown at most.
const QUEUES_MAX: usize = 10_000;
/// Queues whose dead-letter queue is looked up at most.
const SOURCES_MAX: usize = 1_000;
/// How long what Redis said is shown again.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// How long it is believed where dead letters go.
const TARGETS_KEPT_FOR: Duration = Duration::from_mins(1);
/// How long Redis may take; then the page is without what it knows.
const PATIENCE: Duration = Duration::from_secs(5);

type Answer = Response<Full<Bytes>>;

/// Everything the metrics are made of. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sources: Sources,
    access: Access,
    /// Held while Redis is asked, so that those who come meanwhile wait for the same answer.
    seen: Mutex<Option<(Instant, Arc<Seen>)>>,
    targets: StdMutex<Targets>,
}

/// Where the numbers come from.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The queues.
    pub(crate) queues: Queues,
    /// The trigger.
    pub(crate) control: Control,
    /// Who knows the other gateways.
    pub(crate) company: Company,
    /// The requests of each API.
    pub(crate) requests: Vec<Arc<Requests>>,
}

/// What Redis said.
#[derive(Debug, Default)]
struct Seen {
    /// `None`: it did not answer.
    statistics: Option<Statistics>,
    /// `None`: it did not say.
    memory: Option<RedisMemory>,
}

/// Queues and their dead-letter queues.
#[derive(Debug, Default)]
struct Targets {
    pairs: Arc<Vec<(QueueName, QueueName)>>,
    /// When they were looked up, or began to be.
    asked: Option<Instant>,
}

/// What only the server knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    /// Open connections.
    pub(crate) connections: usize,
    /// How many there may be.
    pub(crate) connections_max: usize,
    /// Bytes of large bodies that are held.
    pub(crate) body_bytes: usize,
}

impl Metrics {
    /// Of these sources, for who knows the password or has what [`access`] says.
    pub(crate) fn new(sources: Sources, password: Option<&Secret>) -> Self {
        Self(Arc::new(Inner {
            sources,
            access: Access::new(password),
            seen: Mutex::new(None),
            targets: StdMutex::default(),
        }))
    }

    /// Answers a request.
    pub(crate) async fn answer(
        &self,
        auth: &Auth,
        entrance: Entrance<'_>,
        (parts, peer): (&Parts, IpAddr),
        server: Server,
    ) -> Answer {
        if let Err(denied) = self.0.access.check(auth, entrance, (parts, peer)).await {
            return denied_answer(denied);
        }
        if parts.uri.path() != "/metrics" {
            return text(StatusCode::NOT_FOUND, "not found");
        }
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "the metrics can only be read");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        let accept = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let format = Format::accepted(accept.unwrap_or_default());
        match page::write(self.scrape(server).await, format) {
            Ok(page) => {
                let mut answer = text(StatusCode::OK, page);
                set(&mut answer, CONTENT_TYPE, format.content_type());
                answer
            }
            Err(error) => {
                tracing::error!("the metrics could not be written: {error}");
                text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written")
            }
        }
    }

    async fn scrape(&self, server: Server) -> Scrape {
        let Sources { queues, control, company, requests } = &self.0.sources;
        let seen = self.seen().await;
        Scrape {
            seen,
            targets: self.targets(),
            is_redis_up: queues.are_connected(),
            redis_connections: queues.connections(),
            command_times: queues.command_times(),
            long_polls: queues.long_polls(),
            mappings: control.measures(),
            sync: control.status().sync,
            gateways: company.others() + 1,
            requests: requests.iter().flat_map(|requests| requests.read()).collect(),
            server,
            process: process::Process::read(),
        }
    }

    /// What Redis says, or said a moment ago.
    async fn seen(&self) -> Arc<Seen> {
        let mut kept = self.0.seen.lock().await;
        if let Some((at, seen)) = &*kept
            && at.elapsed() < KEPT_FOR
        {
            return Arc::clone(seen);
        }
        let queues = &self.0.sources.queues;
        let ask = async { tokio::join!(queues.statistics(QUEUES_MAX), queues.redis_memory()) };
        let seen = match timeout(PATIENCE, ask).await {
            Ok((statistics, memory)) => {
                let statistics = statistics.inspect_err(|error| {
                    tracing::debug!("the metrics are without queues: {error}");
                });
                Arc::new(Seen { statistics: statistics.ok(), memory: memory.ok() })
            }
            Err(_late) => Arc::default(),
        };
        *kept = Some((Instant::now(), Arc::clone(&seen)));
        seen
    }

    /// Where dead letters go, as far as is known; looked up behind the back of who asks, since it
    /// takes a command for each queue.
    fn targets(&self) -> Arc<Vec<(QueueName, QueueName)>> {
        let mut targets = self.0.lock_targets();
        if targets.asked.is_none_or(|at| at.elapsed() >= TARGETS_KEPT_FOR) {
            targets.asked = Some(Instant::now());
            let this = self.clone();
            tokio::spawn(async move { this.look_up_targets().await });
        }
        Arc::clone(&targets.pairs)
    }

    async fn look_up_targets(&self) {
        let found = self.0.sources.queues.dead_letter_targets(SOURCES_MAX).await;
        let mut targets = self.0.lock_targets();
        match found {
            Ok(pairs) => targets.pairs = Arc::new(pairs),
            // The next one asks again.
            Err(error) => {
                targets.asked = None;
                tracing::debug!("it is not known where dead letters go: {error}");
            }
        }
    }
}

impl Inner {
    fn lock_targets(&self) -> std::sync::MutexGuard<'_, Targets> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sources {
    /// The requests of both APIs, and of the admin page.
    pub(crate) fn requests(
        sqs: &crate::actions::Sqs,
        lambda: &lambda::Api,
        admin: &Arc<Requests>,
    ) -> Vec<Arc<Requests>> {
        [sqs.requests(), lambda.requests(), admin].map(Arc::clone).to_vec()
    }
}

fn denied_answer(denied: Denied) -> Answer {
    let mut answer = text(denied.status(), denied.text());
    match denied {
        Denied::NoCredentials => {
            set(&mut answer, WWW_AUTHENTICATE, "Basic realm=\"karin\", charset=\"UTF-8\"");
        }
        Denied::TooManyAttempts(again) => {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(again.as_secs() + 1));
        }
        Denied::NotAllowed => {}
    }
    answer
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE, "text/plain; charset=utf-8");
    set(&mut answer, CACHE_CONTROL, "no-store");
    answer
}

fn set(answer: &mut Answer, name: HeaderName, value: &'static str) {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
}
