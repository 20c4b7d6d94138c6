//! The admin page at `/admin`: to see what the queues, mappings and functions do, and to act on
//! them. Design §4, "Admin".
//!
//! A request passes, in this order: the assets (for everybody), the choice of a language, the gate
//! ([`gate`]: who is let in, and whether a form is one of ours), and then its page. Every page is
//! whole HTML that works without scripts; with them its part `#live` is fetched again now and then
//! while somebody looks. What fails is a [`Failure`], which becomes a page like the others.

mod assets;
pub(crate) mod attempts;
mod chart;
mod charts;
mod cookies;
mod csrf;
mod dead_letter_queues;
mod drawing;
mod failure;
mod functions;
mod gate;
mod health;
mod in_force;
mod invocation;
mod invocations;
mod invoke_again;
mod key;
mod language;
mod listing;
mod map;
mod mapping;
mod mapping_state;
mod mappings;
mod overview;
mod page;
mod pretty;
mod queues;
mod session;
mod settings;
mod shown;
mod sign_in;
mod texts;
mod try_filter;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tower::ServiceExt as _;

use crate::actions::Sqs;
use crate::admin::dead_letter_queues::DeadLetterQueues;
use crate::admin::failure::Failure;
use crate::admin::gate::{Gate, Guest};
pub(crate) use crate::admin::in_force::InForce;
use crate::admin::page::Visitor;
use crate::auth::Secret;
use crate::history::Recorder;
use crate::lambda::{self, Control};
use crate::queues::Queues;

/// What each answer says to the browser: nothing from elsewhere, no script and no style within the
/// page, no frame around it.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

type Answer = Response<Full<Bytes>>;

/// What all pages need. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct State(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queues: Queues,
    /// The actions of SQS: what is changed here is checked and worded as there.
    sqs: Sqs,
    control: Control,
    lambda: lambda::Api,
    gate: Gate,
    dead_letter_queues: DeadLetterQueues,
    in_force: InForce,
    started: Instant,
    /// What mappings did.
    history: Recorder,
}

/// What there is to look into and to act on.
#[derive(Debug)]
pub(crate) struct Inside {
    /// All queues.
    pub(crate) queues: Queues,
    /// The actions of SQS.
    pub(crate) sqs: Sqs,
    /// The trigger.
    pub(crate) control: Control,
    /// Lambda's API.
    pub(crate) lambda: lambda::Api,
    /// What was before.
    pub(crate) history: Recorder,
    /// The configuration, without its secrets.
    pub(crate) in_force: InForce,
}

/// The admin page.
#[derive(Debug)]
pub(crate) struct Admin {
    state: State,
    pages: Router,
}

/// Who may see the page.
#[derive(Debug)]
pub(crate) enum Access {
    /// Everybody who reaches it; web pages from elsewhere were turned away before.
    Open,
    /// Who knows the password.
    Password(Secret),
    /// Nobody: there are keys or tokens, and no password.
    Closed,
}

impl Admin {
    /// The page over all this, for who has `access`; `base_url` is where browsers reach it, if
    /// that is known.
    pub(crate) fn new(inside: Inside, access: Access, base_url: Option<String>) -> Self {
        let Inside { queues, sqs, control, lambda, history, in_force } = inside;
        let state = State(Arc::new(Inner {
            queues,
            sqs,
            control,
            lambda,
            gate: Gate::new(access, base_url),
            dead_letter_queues: DeadLetterQueues::default(),
            in_force,
            started: Instant::now(),
            history,
        }));
        let pages = Router::new()
            .merge(functions::routes())
            .merge(map::routes())
            .merge(mapping::routes())
            .merge(mappings::routes())
            .merge(try_filter::routes())
            .merge(overview::routes())
            .merge(settings::routes())
            .merge(charts::routes())
            .merge(sign_in::routes())
            .merge(queues::routes())
            .merge(invocations::routes())
            .merge(invocation::routes())
            .merge(invoke_again::routes())
            .fallback(async || Failure::NoPage)
            .with_state(state.clone());
        Self { state, pages }
    }

    /// Answers one request of `peer`, whose body was read.
    pub(crate) async fn answer(&self, parts: Parts, body: Bytes, peer: IpAddr) -> Answer {
        Self::protected(match assets::answer(parts.uri.path()) {
            Some(asset) => asset,
            None => self.find(parts, body, peer).await,
        })
    }

    /// Whether who sent this may see the pages.
    pub(crate) async fn lets_in(&self, parts: &Parts) -> bool {
        self.state.0.gate.guest(&parts.headers).await.is_let_in
    }

    /// An answer with what every answer under our path says to the browser.
    pub(crate) fn protected(mut answer: Answer) -> Answer {
        let headers = answer.headers_mut();
        for (name, value) in &HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        answer
    }

    async fn find(&self, parts: Parts, body: Bytes, peer: IpAddr) -> Answer {
        let gate = &self.state.0.gate;
        if let Some(way_back) = language::choose(&parts, gate.jar(&parts.headers)) {
            return whole(way_back).await;
        }
        let guest = gate.guest(&parts.headers).await;
        let visitor = Visitor::new(&parts, &guest);
        let cookie = guest.cookie.clone();
        let response = if guest.is_let_in {
            self.page(parts, body, guest, &visitor).await
        } else {
            sign_in::stranger(gate, &guest, &visitor, &parts, &body, peer).await
        };
        let mut answer = whole(response).await;
        if let Some(cookie) = cookie {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        answer
    }

    async fn page(
        &self,
        parts: Parts,
        body: Bytes,
        guest: Guest,
        visitor: &Visitor,
    ) -> Response<Body> {
        let is_safe = matches!(parts.method, Method::GET | Method::HEAD);
        if !is_safe && !self.state.0.gate.is_meant(&guest, &parts.headers, &body) {
            return Failure::Forged.page(visitor);
        }
        let mut request = Request::from_parts(parts, Body::from(body));
        request.extensions_mut().insert(visitor.clone());
        request.extensions_mut().insert(guest);
        let Ok(response) = self.pages.clone().oneshot(request).await;
        let told = response.extensions().get::<Arc<Failure>>().cloned();
        // What the router refuses has no page yet.
        let is_page = response.headers().contains_key(header::CONTENT_DISPOSITION)
            || response.headers().get(header::CONTENT_TYPE).is_some_and(is_html);
        let told = told.or_else(|| {
            let untold = Failure::of_status(response.status()).filter(|_| !is_page);
            untold.map(Arc::new)
        });
        let Some(failure) = told else { return response };
        let mut page = failure.page(visitor);
        if let Some(allowed) = response.headers().get(header::ALLOW) {
            page.headers_mut().insert(header::ALLOW, allowed.clone());
        }
        page
    }
}

fn is_html(kind: &HeaderValue) -> bool {
    kind.as_bytes().starts_with(b"text/html")
}

/// The answer with its body in one piece.
async fn whole(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    if let Ok(body) = body.collect().await {
        return Response::from_parts(parts, Full::new(body.to_bytes()));
    }
    // No page of ours is made while it is sent.
    let mut broken = Response::new(Full::new(Bytes::from_static(b"the page broke off")));
    *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    broken
}
