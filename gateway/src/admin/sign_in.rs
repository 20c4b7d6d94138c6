//! Signing in and out.

use std::net::IpAddr;

use askama::Template;
use axum::body::Body;
use axum::extract;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper::header::{HeaderValue, RETRY_AFTER, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use tokio::time::sleep;

use crate::admin::State;
use crate::admin::gate::{Gate, Guest};
use crate::admin::page::{Frame, Section, Visitor, html};

/// Where the form goes.
const PATH: &str = "/admin/sign-in";
/// Where one is after signing in.
const FIRST_PAGE: &str = "/admin";
/// Longest path that is gone on to, in bytes.
const NEXT_BYTES_MAX: usize = 2_000;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/admin/sign-in", get(async || Redirect::to(FIRST_PAGE)))
        .route("/admin/sign-out", post(leave))
}

#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    frame: Frame,
    next: &'a str,
    /// What is wrong.
    problem: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "closed.html")]
struct Closed {
    frame: Frame,
}

/// What is said to who is not let in, whatever they asked for.
pub(super) async fn stranger(
    gate: &Gate,
    guest: &Guest,
    visitor: &Visitor,
    parts: &Parts,
    body: &[u8],
    peer: IpAddr,
) -> Response<Body> {
    if gate.is_closed() {
        let frame = visitor.frame(Section::None, visitor.lang.texts().sign_in.closed);
        return refused(&Closed { frame });
    }
    let t = &visitor.lang.texts().sign_in;
    if parts.method != Method::POST {
        let next = parts.uri.path_and_query().map_or(FIRST_PAGE, |target| target.as_str());
        return form(visitor, after(next), None);
    }
    if parts.uri.path() != PATH {
        return form(visitor, FIRST_PAGE, Some(t.over.to_owned()));
    }
    let next = field(body, "next");
    let next = after(&next);
    if !gate.is_meant(guest, &parts.headers, body) {
        return form(visitor, next, Some(t.stale.to_owned()));
    }
    let place = match gate.attempt(guest, &parts.headers, peer) {
        Ok(place) => place,
        Err(again) => {
            let seconds = again.as_secs() + 1;
            let mut page = form(visitor, next, Some((t.too_many)(seconds)));
            *page.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            return page;
        }
    };
    sleep(place.wait).await;
    if !gate.is_password(&field(body, "password")) {
        tracing::warn!(%peer, "a wrong password for the admin page");
        return form(visitor, next, Some(t.wrong.to_owned()));
    }
    place.succeeded();
    tracing::info!(%peer, "somebody signed in to the admin page");
    let mut response = Redirect::to(next).into_response();
    for cookie in Gate::sign_in(guest) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

fn form(visitor: &Visitor, next: &str, problem: Option<String>) -> Response<Body> {
    let frame = visitor.frame(Section::None, visitor.lang.texts().sign_in.title);
    refused(&Page { frame, next, problem })
}

fn refused(page: &impl Template) -> Response<Body> {
    let mut page = html(page);
    *page.status_mut() = StatusCode::FORBIDDEN;
    page
}

async fn leave(extract::State(state): extract::State<State>, guest: Extension<Guest>) -> Response {
    let cookie = state.0.gate.sign_out(&guest);
    let mut response = Redirect::to(FIRST_PAGE).into_response();
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// A form's field; empty if it is not there.
fn field(body: &[u8], name: &str) -> String {
    let mut fields = form_urlencoded::parse(body);
    fields.find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Where to go on: a page of ours, whatever was asked for.
fn after(next: &str) -> &str {
    let rest = next.strip_prefix(FIRST_PAGE);
    let is_page = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let is_plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && !next.contains("//")
        && !next.contains("..")
        && next.len() <= NEXT_BYTES_MAX;
    if is_page && is_plain && !next.starts_with(PATH) { next } else { FIRST_PAGE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_to_pages_of_ours_only() {
        for own in ["/admin", "/admin/queues/orders?state=due", "/admin?x=1", "/admin/q/%2F"] {
            assert_eq!(after(own), own);
        }
        let long = format!("/admin/{}", "x".repeat(NEXT_BYTES_MAX));
        for other in [
            "",
            "/",
            "//evil.example",
            "//admin/x",
            "https://evil.example/admin",
            "/administration",
            "/admin//evil.example",
            "/admin/..//evil.example",
            "/admin/\\evil.example",
            "/\\evil.example",
            "/admin/\r\nSet-Cookie: x=y",
            "/admin/é",
            "/admin/sign-in",
            "/admin/sign-out/../x",
            &long,
        ] {
            assert_eq!(after(other), FIRST_PAGE, "{other}");
        }
    }
}
