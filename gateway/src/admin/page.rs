//! What all pages have in common: who looks, in which language, and the frame around.

use std::convert::Infallible;

use askama::Template;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Redirect, Response};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Uri};

use crate::admin::gate::Guest;
use crate::admin::texts::{Lang, Texts};
use crate::admin::{assets, language};

/// The parameter of a page's URL that says what was done before it.
const DONE: &str = "done";
/// The first page.
pub(super) const HOME: &str = "/admin";
/// The longest URL of a page that is repeated in it, in bytes.
const URL_BYTES_MAX: usize = 2_000;

/// Who looks at a page, and what they asked for.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// Their language.
    pub(super) lang: Lang,
    /// The token their forms must have.
    csrf: String,
    is_let_in: bool,
    is_signed_in: bool,
    /// The page's own path and query, without what is for one time only.
    url: String,
    /// Whether the request is one that changes nothing.
    pub(super) only_looks: bool,
    /// The code of what was done before.
    done: Option<String>,
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
    /// Queues and mappings over time.
    Charts,
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
    /// Whether they may see more than this page.
    pub(super) is_let_in: bool,
    /// Whether they can sign out.
    pub(super) is_signed_in: bool,
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
    pub(super) fn new(parts: &Parts, guest: &Guest) -> Self {
        Self {
            csrf: guest.token(),
            is_let_in: guest.is_let_in,
            is_signed_in: guest.is_signed_in(),
            ..Self::unknown(parts)
        }
    }

    fn unknown(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let done = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == DONE);
        let only_looks = matches!(parts.method, Method::GET | Method::HEAD);
        Self {
            only_looks,
            lang: Lang::of(&parts.headers),
            csrf: String::new(),
            is_let_in: false,
            is_signed_in: false,
            // What was posted cannot be had again.
            url: if only_looks { without(&parts.uri, DONE) } else { HOME.to_owned() },
            done: done.map(|(_, code)| code.into_owned()),
        }
    }

    /// The frame of a page of this title.
    pub(super) fn frame(&self, here: Section, title: impl Into<String>) -> Frame {
        let t = self.lang.texts();
        Frame {
            lang: self.lang,
            t,
            title: title.into(),
            here,
            csrf: self.csrf.clone(),
            url: self.url.clone(),
            notice: self.done.as_deref().and_then(t.notices.of),
            is_let_in: self.is_let_in,
            is_signed_in: self.is_signed_in,
        }
    }
}

/// Path and query without this parameter. Where they could lead elsewhere, or are too long to be
/// repeated, the first page's.
pub(super) fn without(uri: &Uri, parameter: &str) -> String {
    let path = uri.path();
    let is_own = path == HOME || path.starts_with("/admin/");
    let query = uri.query().unwrap_or_default();
    if !is_own || path.len() + query.len() > URL_BYTES_MAX {
        return HOME.to_owned();
    }
    let named = |pair: &&str| pair.split('=').next() != Some(parameter);
    let rest: Vec<&str> = query.split('&').filter(|p| !p.is_empty()).filter(named).collect();
    if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) }
}

impl Frame {
    /// The URL of an asset, which changes with its content.
    #[allow(clippy::unused_self, reason = "templates call methods of what they show")]
    pub(super) fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    /// The same page in the other language.
    pub(super) fn language_url(&self) -> String {
        language::url(&self.url, self.lang.other())
    }

    /// The version of karin.
    #[allow(clippy::unused_self, reason = "templates call methods of what they show")]
    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
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
        Ok(known.unwrap_or_else(|| Self::unknown(parts)))
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
