//! What all pages have in common: who looks, in which language, and the frame around.

use std::convert::Infallible;

use askama::Template;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Redirect, Response};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};

use crate::admin::assets;
use crate::admin::texts::{Lang, Texts};

/// The parameter of a page's URL that says what was done before it.
const DONE: &str = "done";

/// Who looks at a page, and what they asked for.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// Their language.
    pub(super) lang: Lang,
    /// The token their forms must have.
    csrf: String,
    uri: Uri,
}

/// The parts of the admin page, as the navigation has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// None of them.
    None,
    /// The first page.
    Overview,
    /// Queues and their messages.
    Queues,
    /// Mappings.
    Mappings,
    /// Functions.
    Functions,
    /// Invocations.
    Invocations,
    /// Settings and health.
    Settings,
}

/// What stands around every page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The language of all texts.
    pub(super) lang: Lang,
    /// All texts.
    pub(super) t: &'static Texts,
    /// What the page is called.
    pub(super) title: String,
    /// Where in the navigation it stands.
    pub(super) here: Section,
    /// The value of each form's field `csrf`.
    pub(super) csrf: String,
    /// Where the page itself is: path and query, to have it again.
    pub(super) url: String,
    /// What was done before this page.
    pub(super) notice: Option<&'static str>,
}

/// A page that asks before something is done that cannot be undone.
#[derive(Debug, Template)]
#[template(path = "confirm.html")]
pub(super) struct Confirm {
    pub(super) frame: Frame,
    /// What will happen.
    pub(super) text: String,
    /// Where the form goes.
    pub(super) action: String,
    /// Its hidden fields, `csrf` excepted.
    pub(super) fields: Vec<(String, String)>,
    /// What the button says.
    pub(super) button: &'static str,
    /// Where one goes who does not want it.
    pub(super) back: String,
}

impl Visitor {
    pub(super) fn new(parts: &Parts, csrf: String) -> Self {
        Self { lang: Lang::of(&parts.headers), csrf, uri: parts.uri.clone() }
    }

    /// The frame of a page of this title.
    pub(super) fn frame(&self, here: Section, title: impl Into<String>) -> Frame {
        let query = form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes());
        let done = query.into_iter().find(|(name, _)| name == DONE);
        let notice = done.and_then(|(_, code)| (self.lang.texts().notices.of)(&code));
        let url = self.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let t = self.lang.texts();
        Frame {
            lang: self.lang,
            t,
            title: title.into(),
            here,
            csrf: self.csrf.clone(),
            url,
            notice,
        }
    }
}

impl Frame {
    /// The URL of an asset, which changes with its content.
    #[allow(clippy::unused_self, reason = "templates call methods of what they show")]
    pub(super) fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    /// For `aria-current` in the navigation.
    pub(super) fn is_at(&self, section: Section) -> bool {
        self.here == section
    }
}

/// Every handler may ask who looks.
impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self::new(parts, String::new())))
    }
}

/// After something was done: on to the page at `path` (which has no query), which tells by this
/// code (see `texts/notices.rs`) what it was.
pub(super) fn done(path: &str, code: &'static str) -> Response {
    Redirect::to(&format!("{path}?{DONE}={code}")).into_response()
}

/// A page as an answer.
pub(super) fn html(page: &impl Template) -> Response<Body> {
    match page.render() {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        // Texts go into memory, which does not fail.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
