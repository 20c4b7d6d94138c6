//! Who may read the metrics.
//!
//! Everybody where everybody may do everything. Else who brings the admin page's password (HTTP
//! Basic, under any user name), an endpoint token (before the path, or as a bearer), or signs with
//! a key; of the last two those that may do `GetMetrics`.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::actions::SERVICE;
use crate::auth::{Auth, Entrance, Moment, Secret};

/// Wrong passwords that may come one right after the other.
const ATTEMPTS_MAX: u32 = 10;
/// After how long there may be another one.
const ATTEMPT_EVERY: Duration = Duration::from_secs(6);

/// Why somebody may not read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// It brought nothing, or nothing that is right.
    NoCredentials,
    /// It may do other things.
    NotAllowed,
    /// Too many wrong passwords came.
    TooManyAttempts,
}

impl Denied {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::NoCredentials => StatusCode::UNAUTHORIZED,
            Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoCredentials => "the metrics need the admin password, a token or a key",
            Self::NotAllowed => "this key or token may not do GetMetrics",
            Self::TooManyAttempts => "too many wrong passwords; wait a minute",
        }
    }
}

/// Who may read the metrics.
#[derive(Debug)]
pub(super) struct Access {
    /// Digests are compared, which are equally long.
    password: Option<[u8; 32]>,
    attempts: Mutex<Attempts>,
}

impl Access {
    pub(super) fn new(password: Option<&Secret>) -> Self {
        let password = password.map(|password| digest(password.reveal().as_bytes()));
        Self { password, attempts: Mutex::new(Attempts::new(Instant::now())) }
    }

    /// Whether this request may. Errors: why not.
    pub(super) fn check(
        &self,
        auth: &Auth,
        entrance: Entrance<'_>,
        parts: &Parts,
    ) -> Result<(), Denied> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let scheme = header.and_then(|header| header.split_once(' '));
        match (entrance, scheme) {
            (Entrance::Token(token), _) => allowed(token.permissions().allow_metrics()),
            (Entrance::Closed, _) => Err(Denied::NoCredentials),
            (_, Some((scheme, given))) if scheme.eq_ignore_ascii_case("basic") => {
                self.check_password(given)
            }
            (_, Some((scheme, given))) if scheme.eq_ignore_ascii_case("bearer") => {
                allowed(auth.token_allows_metrics(given.trim()).ok_or(Denied::NoCredentials)?)
            }
            (Entrance::Open, _) if self.password.is_none() => Ok(()),
            (Entrance::Open, _) => Err(Denied::NoCredentials),
            (entrance, _) => {
                let caller = entrance.caller(SERVICE, parts, b"", Moment::now());
                let caller = caller.map_err(|_refused| Denied::NoCredentials)?;
                allowed(caller.limits().is_none_or(|limits| limits.allow_metrics()))
            }
        }
    }

    fn check_password(&self, given: &str) -> Result<(), Denied> {
        let Some(password) = &self.password else { return Err(Denied::NoCredentials) };
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        // Before it is looked at, or guessing would go on unhindered.
        if !attempts.are_left(Instant::now()) {
            return Err(Denied::TooManyAttempts);
        }
        let given = STANDARD.decode(given.trim()).unwrap_or_default();
        let colon = given.iter().position(|byte| *byte == b':');
        let given = colon.and_then(|colon| given.get(colon + 1..)).unwrap_or_default();
        if bool::from(digest(given).ct_eq(password)) {
            return Ok(());
        }
        attempts.one_less();
        Err(Denied::NoCredentials)
    }
}

fn allowed(is_allowed: bool) -> Result<(), Denied> {
    if is_allowed { Ok(()) } else { Err(Denied::NotAllowed) }
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// How many wrong passwords may still come.
#[derive(Debug)]
struct Attempts {
    left: u32,
    since: Instant,
}

impl Attempts {
    fn new(now: Instant) -> Self {
        Self { left: ATTEMPTS_MAX, since: now }
    }

    fn are_left(&mut self, now: Instant) -> bool {
        while self.left < ATTEMPTS_MAX && now.duration_since(self.since) >= ATTEMPT_EVERY {
            self.left += 1;
            self.since += ATTEMPT_EVERY;
        }
        if self.left == ATTEMPTS_MAX {
            self.since = now;
        }
        self.left > 0
    }

    fn one_less(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
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

    fn check(access: &Access, auth: &Auth, token: &str, header: &str) -> Result<(), Denied> {
        let mut request = Request::builder().uri("/metrics");
        if !header.is_empty() {
            request = request.header(AUTHORIZATION, header);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let token = (!token.is_empty()).then(|| Secret::from(token.to_owned()));
        access.check(auth, auth.entrance(token.as_ref()), &parts)
    }

    fn basic(password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("anybody:{password}")))
    }

    #[test]
    fn each_credential_is_as_good_as_what_it_may_do() {
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
            assert_eq!(check(&access, &auth, token, &header), expected, "{token} {header}");
        }
    }

    #[test]
    fn where_everybody_may_do_everything_everybody_may_read_unless_there_is_a_password() {
        let open = Auth::default();
        assert_eq!(check(&Access::new(None), &open, "", ""), Ok(()));
        assert_eq!(check(&access(), &open, "", ""), Err(Denied::NoCredentials));
        assert_eq!(check(&access(), &open, "", &basic("right:er")), Ok(()));
    }

    #[test]
    fn after_ten_wrong_passwords_not_even_the_right_one_is_looked_at_for_a_while() {
        let (access, auth) = (access(), auth());
        for _ in 0..ATTEMPTS_MAX {
            assert_eq!(check(&access, &auth, "", &basic("x")), Err(Denied::NoCredentials));
        }
        let right = basic("right:er");
        assert_eq!(check(&access, &auth, "", &right), Err(Denied::TooManyAttempts));
        let mut attempts = access.attempts.lock().unwrap();
        let later = attempts.since + ATTEMPT_EVERY;
        assert!(attempts.are_left(later));
        drop(attempts);
        assert_eq!(check(&access, &auth, "", &right), Ok(()));
    }
}
