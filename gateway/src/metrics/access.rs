//! Who may read the metrics.
//!
//! Everybody where everybody may do everything. Else who brings the admin page's password (HTTP
//! Basic, under any user name), an endpoint token (before the path, or as a bearer), or signs with
//! a key; of the last two those that may do `GetMetrics`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::actions::SERVICE;
use crate::admin::attempts::{Attempts, Who};
use crate::auth::{Auth, Entrance, Moment, Permissions, Secret};

/// Why somebody may not read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// It brought nothing, or nothing that is right.
    NoCredentials,
    /// It may do other things.
    NotAllowed,
    /// Too many wrong passwords came; again after so long.
    TooManyAttempts(Duration),
}

impl Denied {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::NoCredentials => StatusCode::UNAUTHORIZED,
            Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::TooManyAttempts(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoCredentials => "the metrics need the admin password, a token or a key",
            Self::NotAllowed => "this key or token may not do GetMetrics",
            Self::TooManyAttempts(_) => "too many wrong passwords",
        }
    }
}

/// Who may read the metrics.
#[derive(Debug)]
pub(super) struct Access {
    /// Digests are compared, which are equally long.
    password: Option<[u8; 32]>,
    attempts: Attempts,
}

impl Access {
    pub(super) fn new(password: Option<&Secret>) -> Self {
        let password = password.map(|password| digest(password.reveal().as_bytes()));
        Self { password, attempts: Attempts::default() }
    }

    /// Whether this request from `peer` may; who guesses waits. Errors: why not.
    pub(super) async fn check(
        &self,
        auth: &Auth,
        entrance: Entrance<'_>,
        (parts, peer): (&Parts, IpAddr),
    ) -> Result<(), Denied> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let scheme = header.and_then(|header| header.split_once(' '));
        match (entrance, scheme) {
            (Entrance::Token(token), _) => allowed(token.permissions().allow_metrics()),
            (Entrance::Closed, _) => Err(Denied::NoCredentials),
            (_, Some((scheme, given))) if scheme.eq_ignore_ascii_case("basic") => {
                self.check_password(given, Who::at(peer, &parts.headers)).await
            }
            (_, Some((scheme, given))) if scheme.eq_ignore_ascii_case("bearer") => {
                allowed(auth.token_allows_metrics(given.trim()).ok_or(Denied::NoCredentials)?)
            }
            (Entrance::Open, _) if self.password.is_none() => Ok(()),
            (Entrance::Open, _) => Err(Denied::NoCredentials),
            (entrance, _) => {
                let caller = entrance.caller(SERVICE, parts, b"", Moment::now());
                let caller = caller.map_err(|_refused| Denied::NoCredentials)?;
                allowed(caller.limits().is_none_or(Permissions::allow_metrics))
            }
        }
    }

    async fn check_password(&self, given: &str, who: Who) -> Result<(), Denied> {
        let Some(password) = &self.password else { return Err(Denied::NoCredentials) };
        let place = self.attempts.admit(who, Instant::now()).map_err(Denied::TooManyAttempts)?;
        tokio::time::sleep(place.wait).await;
        let given = STANDARD.decode(given.trim()).unwrap_or_default();
        let colon = given.iter().position(|byte| *byte == b':');
        let given = colon.and_then(|colon| given.get(colon + 1..)).unwrap_or_default();
        if !bool::from(digest(given).ct_eq(password)) {
            return Err(Denied::NoCredentials);
        }
        place.succeeded();
        Ok(())
    }
}

fn allowed(is_allowed: bool) -> Result<(), Denied> {
    if is_allowed { Ok(()) } else { Err(Denied::NotAllowed) }
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;
    use crate::auth::{KeySpec, TokenSpec};

    const TOKEN: &str = "0123456789abcdefABCD-_";
    const SENDER: &str = "9876543210abcdefABCD-_";

    fn auth() -> Auth {
        let secret = |text: &str| Secret::from(text.to_owned());
        let key = KeySpec::parse(&secret("k:s")).unwrap();
        let token = TokenSpec::parse(&secret(TOKEN)).unwrap();
        let sender = TokenSpec::parse(&secret(&format!("{SENDER},actions=SendMessage"))).unwrap();
        Auth::new(&[key], &[token, sender])
    }

    fn access() -> Access {
        Access::new(Some(&"right:er".to_owned().into()))
    }

    async fn check(access: &Access, auth: &Auth, token: &str, header: &str) -> Result<(), Denied> {
        let mut request = Request::builder().uri("/metrics");
        if !header.is_empty() {
            request = request.header(AUTHORIZATION, header);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let token = (!token.is_empty()).then(|| Secret::from(token.to_owned()));
        let peer = IpAddr::from([127, 0, 0, 1]);
        access.check(auth, auth.entrance(token.as_ref()), (&parts, peer)).await
    }

    fn basic(password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("anybody:{password}")))
    }

    #[tokio::test]
    async fn each_credential_is_as_good_as_what_it_may_do() {
        let (access, auth) = (access(), auth());
        let bearer = |token: &str| format!("Bearer {token}");
        for (token, header, expected) in [
            ("", String::new(), Err(Denied::NoCredentials)),
            ("", basic("right:er"), Ok(())),
            ("", basic("wrong"), Err(Denied::NoCredentials)),
            ("", "Basic !".to_owned(), Err(Denied::NoCredentials)),
            ("", "AWS4-HMAC-SHA256 nonsense".to_owned(), Err(Denied::NoCredentials)),
            (TOKEN, String::new(), Ok(())),
            (SENDER, String::new(), Err(Denied::NotAllowed)),
            // A wrong token is noticed whatever else comes with it.
            ("nonsense", basic("right:er"), Err(Denied::NoCredentials)),
            ("", bearer(TOKEN), Ok(())),
            ("", bearer(SENDER), Err(Denied::NotAllowed)),
            ("", bearer("nonsense"), Err(Denied::NoCredentials)),
        ] {
            assert_eq!(check(&access, &auth, token, &header).await, expected, "{token} {header}");
        }
    }

    #[tokio::test]
    async fn where_everybody_may_do_everything_everybody_may_read_unless_there_is_a_password() {
        let open = Auth::default();
        assert_eq!(check(&Access::new(None), &open, "", "").await, Ok(()));
        assert_eq!(check(&access(), &open, "", "").await, Err(Denied::NoCredentials));
        assert_eq!(check(&access(), &open, "", &basic("right:er")).await, Ok(()));
    }

    #[tokio::test]
    async fn who_guesses_waits_and_who_knows_does_not() {
        let (access, auth) = (access(), auth());
        let begun = Instant::now();
        for _ in 0..20 {
            assert_eq!(check(&access, &auth, "", &basic("right:er")).await, Ok(()));
        }
        assert!(begun.elapsed() < Duration::from_millis(250));
        for _ in 0..4 {
            assert_eq!(check(&access, &auth, "", &basic("x")).await, Err(Denied::NoCredentials));
        }
        assert!(begun.elapsed() >= Duration::from_millis(250));
    }
}
