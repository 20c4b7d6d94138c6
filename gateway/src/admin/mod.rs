//! The admin page at `/admin`: to see what the queues, mappings and functions do, and to act on
//! them. Design §4, "Admin".
//!
//! A request passes, in this order: the assets (for everybody), the session ([`session`]), the
//! CSRF token of what changes something ([`csrf`]), and then its page. Every page is whole HTML
//! that works without scripts; with them its part `#live` is fetched again now and then while
//! somebody looks. What fails is a [`Failure`], which becomes a page like the others.

mod assets;
mod csrf;
mod failure;
mod invocation;
mod invocations;
mod invoke_again;
mod overview;
mod page;
mod pretty;
mod session;
mod shown;
mod texts;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tower::ServiceExt as _;

use crate::actions::Sqs;
use crate::admin::csrf::Csrf;
use crate::admin::failure::Failure;
use crate::admin::page::Visitor;
use crate::admin::session::Sessions;
use crate::auth::Secret;
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
    sessions: Sessions,
    csrf: Csrf,
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
    /// The page over these queues and this trigger.
    pub(crate) fn new(
        queues: Queues,
        sqs: Sqs,
        control: Control,
        lambda: lambda::Api,
        access: Access,
    ) -> Self {
        let (sessions, csrf) = (Sessions::new(access), Csrf::new());
        let state = State(Arc::new(Inner { queues, sqs, control, lambda, sessions, csrf }));
        let pages = Router::new()
            .route("/admin", get(overview::show))
            .merge(invocations::routes())
            .merge(invocation::routes())
            .merge(invoke_again::routes())
            .fallback(async || Failure::NoPage)
            .with_state(state.clone());
        Self { state, pages }
    }

    /// Answers one request, whose body was read.
    pub(crate) async fn answer(&self, parts: Parts, body: Bytes) -> Answer {
        let mut answer = self.find(parts, body).await;
        for (name, value) in &HEADERS {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let headers = answer.headers_mut();
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        answer
    }

    async fn find(&self, parts: Parts, body: Bytes) -> Answer {
        if let Some(asset) = assets::answer(parts.uri.path()) {
            return asset;
        }
        let Inner { sessions, csrf, .. } = &*self.state.0;
        let session = match sessions.of(&parts) {
            Ok(session) => session,
            Err(stranger) => return whole(stranger).await,
        };
        let visitor = Visitor::new(&parts, csrf.token(&session));
        let is_safe = matches!(parts.method, Method::GET | Method::HEAD);
        let response = if is_safe || csrf.is_given(&session, &body) {
            let mut request = Request::from_parts(parts, Body::from(body));
            request.extensions_mut().insert(visitor.clone());
            let Ok(response) = self.pages.clone().oneshot(request).await;
            response
        } else {
            axum::response::IntoResponse::into_response(Failure::Forged)
        };
        match response.extensions().get::<Arc<Failure>>().cloned() {
            Some(failure) => whole(failure.page(&visitor)).await,
            None => whole(response).await,
        }
    }
}

/// The answer with its body in one piece.
async fn whole(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Response::from_parts(parts, Full::new(body.to_bytes())),
        // No page of ours is made while it is sent.
        Err(_) => {
            let mut broken = Response::new(Full::new(Bytes::from_static(b"the page broke off")));
            *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            broken
        }
    }
}
