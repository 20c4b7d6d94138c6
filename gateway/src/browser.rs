//! Open is still closed to web pages (design §5).
//!
//! A page from anywhere can send requests to 127.0.0.1 through its reader's browser. What a
//! browser adds to such a request, and what a name that was pointed at 127.0.0.1 leaves in `Host`,
//! gives it away. SDKs send none of it.

use std::net::{IpAddr, SocketAddr};

use hyper::{
    HeaderMap, Method, Uri,
    header::{self, HeaderName},
    http::{request::Parts, uri::Authority},
};

/// Headers of proxies: what comes through one does not come from this machine.
const FORWARDED: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What a browser sends with a page somebody goes to, as opposed to what pages load.
const VISIT: [(&str, &str); 2] = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It was sent by a page from elsewhere.
    #[error("a web page of another origin may not use this server")]
    ForeignPage,
    /// It asks for a name that is not ours.
    #[error("the Host is neither a loopback name, nor an IP address, nor that of --base-url")]
    ForeignHost,
    /// It came through a proxy.
    #[error("forwarded requests need keys")]
    Forwarded,
}

/// The rule for a server without keys.
#[derive(Debug)]
pub(crate) struct BrowserRule {
    reach: Reach,
    /// The host of the base URL; a name people were told to use.
    own_host: Option<String>,
}

/// From where the server can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// From this machine: other names and proxies are attempts.
    Loopback,
    /// From elsewhere, as somebody wanted: names and proxies are theirs. Pages are not.
    Beyond,
}

impl BrowserRule {
    /// The rule where `base_url` is what QueueUrls start with.
    pub(crate) fn new(reach: Reach, base_url: Option<&str>) -> Self {
        let uri: Option<Uri> = base_url.and_then(|url| url.parse().ok());
        Self { reach, own_host: uri.and_then(|uri| uri.host().map(str::to_owned)) }
    }

    /// Whether a request may pass.
    pub(crate) fn check(&self, parts: &Parts) -> Result<(), Refusal> {
        self.check_headers(&parts.headers, is_visit(parts))
    }

    fn check_headers(&self, headers: &HeaderMap, is_visit: bool) -> Result<(), Refusal> {
        let host = headers.get(header::HOST);
        if let (Some(host), Reach::Loopback) = (host, self.reach) {
            // Mostly it is an address; then nothing need be taken apart.
            let is_own = |host: &str| {
                let parse = || host.parse::<Authority>();
                host.parse::<SocketAddr>().is_ok()
                    || parse().is_ok_and(|authority| self.is_own(authority.host()))
            };
            if !host.to_str().is_ok_and(is_own) {
                return Err(Refusal::ForeignHost);
            }
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            let (_, place) = origin.to_str().ok().and_then(|o| o.split_once("://")).unzip();
            if place.is_none()
                || place.map(str::as_bytes) != host.map(header::HeaderValue::as_bytes)
            {
                return Err(Refusal::ForeignPage);
            }
        }
        if let Some(site) = headers.get(&SEC_FETCH_SITE)
            && site != "same-origin"
            && site != "none"
            && !is_visit
        {
            return Err(Refusal::ForeignPage);
        }
        let is_forwarded = headers.keys().any(|name| FORWARDED.contains(&name.as_str()));
        if is_forwarded && self.reach == Reach::Loopback {
            return Err(Refusal::Forwarded);
        }
        Ok(())
    }

    fn is_own(&self, host: &str) -> bool {
        let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        address.parse::<IpAddr>().is_ok()
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.own_host.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(&host))
    }
}

/// Whether somebody follows a link to the admin page, wherever that link stands. Looking changes
/// nothing, and the page with the link does not see what is answered.
fn is_visit(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let is_page = path == "/admin"
        || path.starts_with("/admin/")
        || (path == "/" && parts.uri.query().is_none());
    is_page
        && parts.method == Method::GET
        && VISIT.iter().all(|(name, value)| parts.headers.get(*name).is_some_and(|v| v == value))
}

/// Whether a form was sent by a page of ours, or by no page. `base_url` is how people reach us; a
/// proxy in between may have changed the Host.
pub(crate) fn is_own_form(headers: &HeaderMap, base_url: Option<&str>) -> bool {
    // A browser that knows this header knows better than we do.
    if let Some(site) = headers.get(&SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let place = |url: &str| url.split_once("://").map(|(_, place)| place.to_ascii_lowercase());
    let Some(origin) = origin.to_str().ok().and_then(place) else { return false };
    // No page can have a browser send the second one.
    let hosts = [headers.get(header::HOST), headers.get("x-forwarded-host")];
    let hosts = hosts.into_iter().flatten().filter_map(|host| host.to_str().ok());
    let mut own = hosts.map(str::to_ascii_lowercase).chain(base_url.and_then(place));
    own.any(|own| own == origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Result<(), Refusal>) {
        check_reached(Reach::Loopback, headers, expected);
    }

    #[track_caller]
    fn check_reached(
        reach: Reach,
        headers: &[(&'static str, &str)],
        expected: Result<(), Refusal>,
    ) {
        let rule = BrowserRule::new(reach, Some("https://queues.example.org"));
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
        assert_eq!(rule.check_headers(&headers.collect(), false), expected);
    }

    #[test]
    fn an_sdk_on_this_machine_passes() {
        check(&[], Ok(()));
        for host in
            ["127.0.0.1:9324", "localhost:9324", "[::1]:9324", "karin.localhost", "10.0.0.1"]
        {
            check(&[("host", host)], Ok(()));
        }
        check(&[("host", "queues.example.org")], Ok(()));
    }

    #[test]
    fn a_name_somebody_pointed_at_us_does_not() {
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9324", ""] {
            check(&[("host", host)], Err(Refusal::ForeignHost));
        }
    }

    #[test]
    fn a_page_passes_only_if_it_is_ours() {
        let host = ("host", "127.0.0.1:9324");
        check(&[host, ("origin", "http://127.0.0.1:9324")], Ok(()));
        check(&[host, ("origin", "http://127.0.0.1:8080")], Err(Refusal::ForeignPage));
        check(&[host, ("origin", "https://evil.example")], Err(Refusal::ForeignPage));
        check(&[host, ("origin", "null")], Err(Refusal::ForeignPage));
        check(&[host, ("sec-fetch-site", "same-origin")], Ok(()));
        check(&[host, ("sec-fetch-site", "none")], Ok(()));
        check(&[host, ("sec-fetch-site", "cross-site")], Err(Refusal::ForeignPage));
        check(&[host, ("sec-fetch-site", "same-site")], Err(Refusal::ForeignPage));
    }

    #[test]
    fn what_came_through_a_proxy_does_not_pass() {
        for name in FORWARDED {
            check(&[("host", "127.0.0.1"), (name, "8.8.8.8")], Err(Refusal::Forwarded));
        }
    }

    #[test]
    fn beyond_loopback_only_pages_of_others_are_kept_out() {
        let check = |headers: &[_], expected| check_reached(Reach::Beyond, headers, expected);
        let host = ("host", "karin.internal:9324");
        check(&[host, ("x-forwarded-for", "8.8.8.8")], Ok(()));
        check(&[host, ("origin", "http://karin.internal:9324")], Ok(()));
        check(&[host, ("origin", "https://evil.example")], Err(Refusal::ForeignPage));
        check(&[host, ("sec-fetch-site", "cross-site")], Err(Refusal::ForeignPage));
    }

    #[test]
    fn links_lead_to_the_admin_page_from_anywhere_and_to_nothing_else() {
        let rule = BrowserRule::new(Reach::Loopback, None);
        let check = |method: &str, path: &str, dest: &str| {
            let request = hyper::Request::builder().method(method).uri(path);
            let request = request.header("host", "127.0.0.1").header("sec-fetch-dest", dest);
            let request = request.header("sec-fetch-mode", "navigate");
            let request = request.header("sec-fetch-site", "cross-site").body(()).unwrap();
            rule.check(&request.into_parts().0)
        };
        for path in ["/admin", "/admin/queues/orders", "/"] {
            assert_eq!(check("GET", path, "document"), Ok(()), "{path}");
            assert_eq!(check("GET", path, "iframe"), Err(Refusal::ForeignPage), "{path}");
            assert_eq!(check("POST", path, "document"), Err(Refusal::ForeignPage), "{path}");
        }
        for path in ["/?Action=DeleteQueue", "/0/q", "/administration"] {
            assert_eq!(check("GET", path, "document"), Err(Refusal::ForeignPage), "{path}");
        }
    }

    #[test]
    fn a_form_is_ours_if_its_page_is() {
        let base = Some("https://queues.example.org");
        for (headers, is_own) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://proxied")], true),
            (&[("sec-fetch-site", "same-site"), ("host", "a"), ("origin", "http://a")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("host", "a:1"), ("origin", "http://a:1")], true),
            (&[("host", "a:1"), ("origin", "http://a:2")], false),
            (&[("host", "a"), ("origin", "null")], false),
            (&[("host", "10.0.0.1:9324"), ("origin", "https://Queues.example.org")], true),
            (&[("host", "b"), ("x-forwarded-host", "c"), ("origin", "https://c")], true),
            (&[("origin", "https://evil.example")], false),
        ] {
            let all = headers.iter().map(|(name, value): &(&'static str, &str)| {
                (HeaderName::from_static(name), value.parse().unwrap())
            });
            assert_eq!(is_own_form(&all.collect(), base), is_own, "{headers:?}");
        }
    }
}
