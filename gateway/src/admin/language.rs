//! The language somebody has chosen, kept in a cookie.

use axum::response::{IntoResponse as _, Redirect, Response};
use hyper::Method;
use hyper::header::SET_COOKIE;
use hyper::http::request::Parts;
use time::Duration;

use crate::admin::cookies::Jar;
use crate::admin::page;
use crate::admin::texts::Lang;

/// The name of the cookie.
pub(super) const COOKIE: &str = "karin_lang";
/// The parameter of a page's URL that chooses.
const PARAMETER: &str = "lang";
/// How long the choice is kept.
const KEPT: Duration = Duration::days(365);

/// A page in that language, from then on.
pub(super) fn url(page: &str, lang: Lang) -> String {
    let joint = if page.contains('?') { '&' } else { '?' };
    format!("{page}{joint}{PARAMETER}={}", lang.code())
}

/// If a language is chosen: the way back to the page.
pub(super) fn choose(parts: &Parts, jar: Jar) -> Option<Response> {
    let query = parts.uri.query().filter(|_| parts.method == Method::GET)?;
    let mut chosen = form_urlencoded::parse(query.as_bytes());
    let lang =
        chosen.find_map(|(name, code)| (name == PARAMETER).then(|| Lang::parse(&code))?)?;
    let mut response = Redirect::to(&page::without(&parts.uri, PARAMETER)).into_response();
    response.headers_mut().append(SET_COOKIE, jar.cookie(COOKIE, lang.code(), Some(KEPT)));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(target: &str) -> Option<(String, String)> {
        let (parts, ()) = hyper::Request::get(target).body(()).unwrap().into_parts();
        let response = choose(&parts, Jar { is_secure: false })?;
        let text = |name| response.headers()[name].to_str().unwrap().to_owned();
        Some((text(hyper::header::LOCATION), text(SET_COOKIE)))
    }

    #[test]
    fn one_comes_back_to_the_same_page() {
        let (location, cookie) = chosen("/admin/queues?after=a%20b&lang=ko&x").unwrap();
        assert_eq!(location, "/admin/queues?after=a%20b&x");
        assert!(cookie.starts_with("karin_lang=ko; HttpOnly;"), "{cookie}");
        assert_eq!(chosen(&url("/admin", Lang::En)).unwrap().0, "/admin");
        assert_eq!(chosen(&url("/admin?a=b", Lang::En)).unwrap().0, "/admin?a=b");
        assert_eq!(chosen("//admin/x?lang=ko").unwrap().0, "/admin", "that would be a host");
        for none in ["/admin", "/admin?lang=", "/admin?lang=xx", "/admin?language=ko"] {
            assert_eq!(chosen(none), None, "{none}");
        }
    }
}
