//! Who may do what: access keys, endpoint tokens, and the rules where there are neither.
//!
//! Pure but for the clock in [`Moment::now`]. What a refusal looks like on the wire is the
//! protocols' business.

mod keys;
mod moment;
mod permissions;
mod secret;
pub mod sigv4;
mod tokens;

use hyper::http::request::Parts;

pub use keys::{AccessKey, AccessKeys, KeySpec};
pub use moment::Moment;
pub use permissions::{GET_METRICS, Permissions, permitted_as};
pub use secret::Secret;
pub use sigv4::Claim;
pub use tokens::{Token, TokenSpec, Tokens, take_from};

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It brings nothing, or a token that is none.
    NoCredentials,
    /// No such access key, or a session token, of which there are none.
    UnknownCredentials,
    /// What it brings cannot be read; holds the text.
    Malformed(String),
    /// Signed for another time, region or service, or too little of it; holds the text.
    Invalid(String),
    /// Signed with another secret, or changed since; holds what was expected.
    Mismatch(Box<Calculated>),
}

/// What the client should have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calculated {
    /// The request in its canonical form.
    pub canonical_request: String,
    /// What is signed.
    pub string_to_sign: String,
}

/// All keys and tokens; without any, everybody is let in.
#[derive(Debug, Default)]
pub struct Auth {
    keys: AccessKeys,
    tokens: Tokens,
}

impl Auth {
    /// Lets in who has one of these.
    pub fn new(keys: &[KeySpec], tokens: &[TokenSpec]) -> Self {
        Self { keys: AccessKeys::new(keys), tokens: Tokens::new(tokens) }
    }

    /// Whether there are neither keys nor tokens.
    pub fn is_open(&self) -> bool {
        self.keys.is_empty() && self.tokens.is_empty()
    }

    /// Whether this is the text of a token, and one that may read the metrics; `None`: of no token.
    pub fn token_allows_metrics(&self, given: &str) -> Option<bool> {
        self.tokens.find(given).map(|token| token.permissions().allow_metrics())
    }

    /// How a request comes in that had this token in front of its path. With a wrong one nothing
    /// else counts, so that one that was revoked is noticed.
    pub fn entrance(&self, token: Option<&Secret>) -> Entrance<'_> {
        match token {
            Some(given) => {
                self.tokens.find(given.reveal()).map_or(Entrance::Closed, Entrance::Token)
            }
            None if self.is_open() => Entrance::Open,
            None => Entrance::Signature(&self.keys),
        }
    }
}

/// How a request comes in.
#[derive(Debug, Clone, Copy)]
pub enum Entrance<'a> {
    /// Everybody may.
    Open,
    /// With this token; a signature does not matter.
    Token(&'a Token),
    /// It must be signed with one of these keys.
    Signature(&'a AccessKeys),
    /// Its token is none.
    Closed,
}

impl<'a> Entrance<'a> {
    /// Who a request is from, as far as that can be seen before its body has come.
    ///
    /// Errors: all of [`Refused`] but [`Refused::Mismatch`].
    pub fn before_body(self, service: &str, parts: &Parts, now: Moment) -> Result<(), Refused> {
        match self {
            Self::Open | Self::Token(_) => Ok(()),
            Self::Signature(keys) => {
                Claim::read(parts)?.key(parts, keys, service, now).map(|_key| ())
            }
            Self::Closed => Err(Refused::NoCredentials),
        }
    }

    /// Who a request is from. `service` is what signatures must be scoped to.
    ///
    /// Errors: all of [`Refused`].
    pub fn caller(
        self,
        service: &str,
        parts: &Parts,
        body: &[u8],
        now: Moment,
    ) -> Result<Caller<'a>, Refused> {
        match self {
            Self::Open => Ok(Caller::Anybody),
            Self::Token(token) => Ok(Caller::Token(token)),
            Self::Signature(keys) => {
                let claim = Claim::read(parts)?;
                let key = claim.key(parts, keys, service, now)?;
                claim.verify(key, parts, body)?;
                Ok(Caller::Key(key))
            }
            Self::Closed => Err(Refused::NoCredentials),
        }
    }

    /// What stands before the paths of this client's QueueUrls.
    pub fn prefix(self) -> &'a str {
        match self {
            Self::Token(token) => token.prefix(),
            Self::Open | Self::Signature(_) | Self::Closed => "",
        }
    }
}

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub enum Caller<'a> {
    /// Where there are no keys.
    Anybody,
    /// Who has this key.
    Key(&'a AccessKey),
    /// Who has this token.
    Token(&'a Token),
}

impl Caller<'_> {
    /// A name for texts; never a secret.
    pub fn name(&self) -> &str {
        match self {
            Self::Anybody => "anybody",
            Self::Key(key) => key.id(),
            Self::Token(_) => "endpoint-token",
        }
    }

    /// The limits of what it may do, if there are any.
    pub fn limits(&self) -> Option<&Permissions> {
        let permissions = match self {
            Self::Anybody => return None,
            Self::Key(key) => key.permissions(),
            Self::Token(token) => token.permissions(),
        };
        permissions.are_limited().then_some(permissions)
    }
}
