//! Who may see the pages, and whether what a form asks for is what its visitor wants.

use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::admin::Access;
use crate::admin::attempts::{Attempts, Place, Who};
use crate::admin::cookies::{self, Jar};
use crate::admin::csrf;
use crate::admin::key::{Key, Purpose, Signer};
use crate::admin::session::{self, Revoked, Session};
use crate::auth::Secret;
use crate::browser;

/// The cookie of who is signed in.
const SESSION: &str = "karin_session";
/// The cookie of a browser nobody is signed in with: it only ties forms to it.
const VISIT: &str = "karin_visit";
/// The cookie of a browser somebody has signed in with.
const KNOWN: &str = "karin_known";

/// Lets in, or does not.
#[derive(Debug)]
pub(super) struct Gate {
    access: Access,
    key: Key,
    revoked: Revoked,
    attempts: Attempts,
    base_url: Option<String>,
}

/// Who sent a request.
#[derive(Clone)]
pub(super) struct Guest {
    /// What ties forms to the visitor.
    id: String,
    /// Set if they are signed in.
    session: Option<Session>,
    /// Whether they may see the pages.
    pub(super) is_let_in: bool,
    /// For cookies.
    pub(super) jar: Jar,
    /// A cookie to set in any case.
    pub(super) cookie: Option<HeaderValue>,
    signer: Signer,
}

impl Guest {
    /// The value of the field `csrf` of their forms.
    pub(super) fn token(&self) -> String {
        csrf::token(&self.signer, &self.id)
    }

    /// Whether they can sign out.
    pub(super) fn is_signed_in(&self) -> bool {
        self.session.is_some()
    }
}

impl Gate {
    pub(super) fn new(access: Access, base_url: Option<String>) -> Self {
        let key = Key::of(match &access {
            Access::Password(password) => Some(password.clone()),
            Access::Open | Access::Closed => None,
        });
        let (revoked, attempts) = (Revoked::default(), Attempts::default());
        Self { access, key, revoked, attempts, base_url }
    }

    /// Whether nobody can sign in at all.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.access, Access::Closed)
    }

    /// For the cookies of who sent these headers.
    pub(super) fn jar(&self, headers: &HeaderMap) -> Jar {
        Jar::of(headers, self.base_url.as_deref())
    }

    /// Who sent a request with these headers.
    pub(super) async fn guest(&self, headers: &HeaderMap) -> Guest {
        let (signer, jar) = (self.key.ready().await, self.jar(headers));
        if let Some(session) = self.session(headers, &signer) {
            let id = session.id().to_owned();
            let session = Some(session);
            return Guest { id, session, is_let_in: true, jar, cookie: None, signer };
        }
        let known = cookies::read(headers, VISIT).filter(|id| session::is_id(id));
        let id = known.map_or_else(session::new_id, str::to_owned);
        let cookie = known.is_none().then(|| jar.cookie(VISIT, &id, None));
        let is_let_in = matches!(self.access, Access::Open);
        Guest { id, session: None, is_let_in, jar, cookie, signer }
    }

    fn session(&self, headers: &HeaderMap, signer: &Signer) -> Option<Session> {
        // With no password the key is no secret.
        matches!(self.access, Access::Password(_)).then_some(())?;
        let cookie = cookies::read(headers, SESSION)?;
        let session = Session::read(cookie, Purpose::Session, signer, SystemTime::now())?;
        (!self.revoked.has(&session)).then_some(session)
    }

    /// Whether a form was sent from a page we made for this guest.
    pub(super) fn is_meant(&self, guest: &Guest, headers: &HeaderMap, body: &[u8]) -> bool {
        browser::is_own_form(headers, self.base_url.as_deref())
            && csrf::is_given(&guest.signer, &guest.id, body)
    }

    /// A place in the line of those who try passwords. Errors: in how long to come again.
    pub(super) fn attempt(
        &self,
        guest: &Guest,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Place, std::time::Duration> {
        let known = cookies::read(headers, KNOWN).and_then(|cookie| {
            Session::read(cookie, Purpose::Known, &guest.signer, SystemTime::now())
        });
        let who = match known {
            Some(browser) => Who::Browser(browser.id().to_owned()),
            None => Who::at(peer, headers),
        };
        self.attempts.admit(who, Instant::now())
    }

    /// Whether this is the password; compared in constant time.
    pub(super) fn is_password(&self, given: &str) -> bool {
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        match &self.access {
            Access::Password(password) => digest(password.reveal()).ct_eq(&digest(given)).into(),
            Access::Open | Access::Closed => false,
        }
    }

    /// The cookies of a new session.
    pub(super) fn sign_in(guest: &Guest) -> [HeaderValue; 2] {
        let cookie = |name, lasts, purpose| {
            let session = Session::new(lasts, SystemTime::now());
            let keep = time::Duration::try_from(lasts).ok();
            guest.jar.cookie(name, &session.cookie(purpose, &guest.signer), keep)
        };
        [
            cookie(SESSION, session::LASTS, Purpose::Session),
            cookie(KNOWN, session::KNOWN_LASTS, Purpose::Known),
        ]
    }

    /// Ends the guest's session. Returns the cookie that says so.
    pub(super) fn sign_out(&self, guest: &Guest) -> HeaderValue {
        if let Some(session) = &guest.session {
            self.revoked.add(session, SystemTime::now());
        }
        guest.jar.cookie(SESSION, "", Some(time::Duration::ZERO))
    }
}

impl Access {
    /// With a password everybody needs it, also where everything else is open.
    pub(crate) fn new(password: Option<Secret>, is_open: bool) -> Self {
        match password {
            Some(password) => Self::Password(password),
            None if is_open => Self::Open,
            None => Self::Closed,
        }
    }
}
