//! What browsers keep for us.

use cookie::{Cookie, SameSite};
use hyper::HeaderMap;
use hyper::header::{COOKIE, HOST, HeaderValue};
use time::Duration;

/// What all paths of the admin page start with; nothing else is to get the cookies.
const PATH: &str = "/admin";
/// How a proxy says that the browser came by https.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The first cookie of that name.
pub(super) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim())
}

/// Makes cookies for the browser that sent a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jar {
    /// Whether they are for https only.
    pub(super) is_secure: bool,
}

impl Jar {
    /// `base_url` says how people reach us where no proxy does.
    pub(super) fn of(headers: &HeaderMap, base_url: Option<&str>) -> Self {
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_ascii_lowercase();
        let is_secure = match headers.get(FORWARDED_PROTO) {
            // The first one is the proxy the browser talked to.
            Some(proto) => text(proto).split(',').next().is_some_and(|p| p.trim() == "https"),
            None => base_url.and_then(|url| url.strip_prefix("https://")).is_some_and(|place| {
                let own = place.split('/').next().unwrap_or_default();
                headers.get(HOST).is_some_and(|host| text(host) == own.to_ascii_lowercase())
            }),
        };
        Self { is_secure }
    }

    /// A cookie kept for so long; `None`: as long as the browser runs; zero: not any more.
    ///
    /// SameSite is Lax, not Strict: with Strict, somebody who follows a link to a queue from a chat
    /// or an alert would have to sign in again. GET changes nothing here, and POST from elsewhere
    /// comes without the cookie either way.
    pub(super) fn cookie(self, name: &str, value: &str, keep: Option<Duration>) -> HeaderValue {
        let mut cookie = Cookie::build((name, value))
            .path(PATH)
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.is_secure);
        if let Some(keep) = keep {
            cookie = cookie.max_age(keep);
        }
        // Names and values of ours are ASCII.
        let text = cookie.build().to_string();
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let header = |name| hyper::header::HeaderName::from_static(name);
        all.iter().map(|(name, value)| (header(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = headers(&[("cookie", "a=1; karin=x.y.z;b=; karin=second")]);
        assert_eq!(read(&headers, "karin"), Some("x.y.z"));
        assert_eq!(read(&headers, "b"), Some(""));
        assert_eq!(read(&headers, "kari"), None);
    }

    #[test]
    fn what_came_by_https_is_kept_for_https() {
        let base = Some("https://queues.example.org");
        for (all, base_url, is_secure) in [
            (&[("x-forwarded-proto", "https")][..], None, true),
            (&[("x-forwarded-proto", "HTTPS, http")], None, true),
            (&[("x-forwarded-proto", "http")], base, false),
            (&[("host", "queues.example.org")], base, true),
            (&[("host", "127.0.0.1:9324")], base, false),
            (&[("host", "queues.example.org")], Some("http://queues.example.org"), false),
            (&[], None, false),
        ] {
            assert_eq!(Jar::of(&headers(all), base_url).is_secure, is_secure, "{all:?}");
        }
        let jar = Jar { is_secure: true };
        let cookie = jar.cookie("n", "v", Some(Duration::hours(1)));
        let text = cookie.to_str().unwrap();
        assert_eq!(text, "n=v; HttpOnly; SameSite=Lax; Secure; Path=/admin; Max-Age=3600");
        assert_eq!(
            Jar { is_secure: false }.cookie("n", "v", None),
            "n=v; HttpOnly; SameSite=Lax; Path=/admin"
        );
    }
}
