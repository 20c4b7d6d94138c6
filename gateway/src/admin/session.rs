//! Who is signed in.
//!
//! A session is a signed cookie and nothing else, so every gateway of the same password knows it,
//! also after a restart. It ends 12 hours after signing in, not after the last look: a page left
//! open looks every few seconds and would never end.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::admin::key::{Purpose, Signer, random};
use crate::hex;

/// How long somebody is signed in.
pub(super) const LASTS: Duration = Duration::from_hours(12);
/// How long a browser is known for one that somebody has signed in with.
pub(super) const KNOWN_LASTS: Duration = Duration::from_hours(24 * 180);
/// Sessions that were signed out and not over, at most; then those go that would end first.
const REVOKED_MAX: usize = 4_096;
/// Random bytes of an id.
const ID_BYTES: usize = 16;

/// One visitor's: from signing in to signing out, or where nobody has to, of one browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    id: String,
    /// When it ends, epoch seconds.
    ends: u64,
}

impl Session {
    /// A new one.
    pub(super) fn new(lasts: Duration, now: SystemTime) -> Self {
        let ends = epoch_seconds(now).saturating_add(lasts.as_secs());
        Self { id: new_id(), ends }
    }

    /// The one in a cookie. `None`: it is none of ours, or over.
    pub(super) fn read(
        cookie: &str,
        purpose: Purpose,
        signer: &Signer,
        now: SystemTime,
    ) -> Option<Self> {
        let (text, signature) = cookie.rsplit_once('.')?;
        let (id, ends) = text.split_once('.')?;
        if !signer.is_signed(purpose, text, signature) {
            return None;
        }
        let ends = ends.parse().ok().filter(|ends| *ends > epoch_seconds(now))?;
        Some(Self { id: id.to_owned(), ends })
    }

    /// The text of its cookie.
    pub(super) fn cookie(&self, purpose: Purpose, signer: &Signer) -> String {
        let text = format!("{}.{}", self.id, self.ends);
        let signature = signer.sign(purpose, &text);
        format!("{text}.{signature}")
    }

    /// What tells it from others.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

/// An id nobody can guess.
pub(super) fn new_id() -> String {
    hex::text(&random::<ID_BYTES>())
}

/// Whether a text has the form of an id.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 2 * ID_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn epoch_seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The sessions that were signed out here and are not over. Other gateways do not hear of it: there
/// a copy of such a cookie is good until its end (the browser itself has dropped it).
#[derive(Debug, Default)]
pub(super) struct Revoked(Mutex<HashMap<String, u64>>);

impl Revoked {
    /// From now on this session counts for nothing.
    pub(super) fn add(&self, session: &Session, now: SystemTime) {
        let now = epoch_seconds(now);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, ends| *ends > now);
        if all.len() >= REVOKED_MAX {
            let first = all.iter().min_by_key(|(_, ends)| **ends).map(|(id, _)| id.clone());
            first.and_then(|id| all.remove(&id));
        }
        all.insert(session.id.clone(), session.ends);
    }

    /// Whether it does.
    pub(super) fn has(&self, session: &Session) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&session.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::key::Key;

    #[tokio::test]
    async fn a_cookie_is_good_until_its_end_and_unchanged() {
        let signer = Key::of(None).ready().await;
        let now = SystemTime::now();
        let session = Session::new(LASTS, now);
        let cookie = session.cookie(Purpose::Session, &signer);
        let read = |cookie: &str, now| Session::read(cookie, Purpose::Session, &signer, now);
        assert_eq!(read(&cookie, now), Some(session.clone()));
        assert_eq!(read(&cookie, now + LASTS + Duration::from_secs(1)), None);
        for index in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[index] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(read(&changed, now), None, "{changed}");
        }
        for bad in ["", ".", "..", "a.b", &cookie[..cookie.len() - 2], &format!("{cookie}00")] {
            assert_eq!(read(bad, now), None, "{bad}");
        }
        assert_eq!(Session::read(&cookie, Purpose::Known, &signer, now), None);
        assert!(is_id(session.id()) && !is_id("") && !is_id(&session.id().replace('0', "g")[1..]));
    }

    #[test]
    fn what_was_signed_out_stays_so_until_its_end() {
        let (revoked, now) = (Revoked::default(), SystemTime::now());
        let session = Session::new(LASTS, now);
        assert!(!revoked.has(&session));
        revoked.add(&session, now);
        assert!(revoked.has(&session));
        for _ in 0..2 * REVOKED_MAX {
            revoked.add(&Session::new(2 * LASTS, now), now);
        }
        assert!(revoked.0.lock().unwrap().len() <= REVOKED_MAX);
        revoked.add(&Session::new(4 * LASTS, now), now + 3 * LASTS);
        assert_eq!(revoked.0.lock().unwrap().len(), 1, "what is over is forgotten");
    }
}
