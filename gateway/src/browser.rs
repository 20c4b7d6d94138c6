//! Open is still closed to web pages (design §5).
//!
//! A page from anywhere can send requests to 127.0.0.1 through its reader's browser. What a
//! browser adds to such a request, and what a name that was pointed at 127.0.0.1 leaves in `Host`,
//! gives it away. SDKs send none of it.

use std::net::IpAddr;

use hyper::{HeaderMap, Uri, header, http::uri::Authority};

/// Headers of proxies: what comes through one does not come from this machine.
const FORWARDED: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

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

    /// Whether a request with these headers may pass.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = headers.get(header::HOST);
        if let (Some(host), Reach::Loopback) = (host, self.reach) {
            let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            if !authority.is_some_and(|authority| self.is_own(authority.host())) {
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
        if let Some(site) = headers.get("sec-fetch-site")
            && site != "same-origin"
            && site != "none"
        {
            return Err(Refusal::ForeignPage);
        }
        let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
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
        assert_eq!(rule.check(&headers.collect()), expected);
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
}
