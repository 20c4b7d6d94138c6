//! Against requests that a page from elsewhere has a visitor's browser send: every form of ours has
//! a token that only our pages know.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::admin::session::Session;
use crate::hex;

/// The name of the field in forms.
pub(super) const FIELD: &str = "csrf";

/// Makes tokens, and knows them again.
#[derive(Debug)]
pub(super) struct Csrf {
    key: [u8; 32],
}

impl Csrf {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        // Without randomness nothing of karin starts, so this cannot fail after that.
        let _filled = getrandom::fill(&mut key);
        Self { key }
    }

    /// The token of this session's forms.
    pub(super) fn token(&self, session: &Session) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(session.id().as_bytes());
        hex::text(&mac.finalize().into_bytes())
    }

    /// Whether a form's body brings the token of this session.
    pub(super) fn is_given(&self, session: &Session, body: &[u8]) -> bool {
        let given = form_urlencoded::parse(body).find(|(name, _)| name == FIELD);
        let token = self.token(session);
        given.is_some_and(|(_, given)| {
            !token.is_empty() && given.as_bytes().ct_eq(token.as_bytes()).into()
        })
    }
}
