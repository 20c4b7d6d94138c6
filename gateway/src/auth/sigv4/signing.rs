//! Keys derived from a secret, and what they sign.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::TERMINATOR;
use crate::hex;

/// An HMAC that has taken in its key; a clone of it signs.
type Signer = Hmac<Sha256>;

/// Derived keys kept for one access key: each holds for a day, a region and a service.
const DERIVED_MAX: usize = 32;

/// What a derived key holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    /// `yyyymmdd`.
    pub(super) date: &'a str,
    /// Any region.
    pub(super) region: &'a str,
    /// Such as `sqs`.
    pub(super) service: &'a str,
}

/// A secret's derived keys. One is kept once a request has been signed with it, so that requests
/// with wrong signatures displace none.
pub(in crate::auth) struct SigningKeys {
    /// The first key of the chain, which the secret is in. HMAC takes keys of any length; without
    /// one nothing would be right.
    root: Option<Signer>,
    derived: RwLock<Vec<Derived>>,
}

struct Derived {
    date: String,
    region: String,
    service: String,
    signer: Signer,
}

impl Derived {
    fn is_for(&self, scope: Scope<'_>) -> bool {
        self.date == scope.date && self.region == scope.region && self.service == scope.service
    }
}

impl SigningKeys {
    /// The keys of a secret.
    pub(in crate::auth) fn of(secret: &str) -> Self {
        let root = signer(format!("AWS4{secret}").as_bytes());
        Self { root, derived: RwLock::default() }
    }

    /// Whether this is the signature of the text; compared in constant time.
    pub(super) fn verify(&self, scope: Scope<'_>, text: &[u8], signature: &[u8]) -> bool {
        let kept = self.kept(scope);
        let is_new = kept.is_none();
        let Some(signer) = kept.or_else(|| self.derive(scope)) else { return false };
        let is_right = signer.clone().chain_update(text).verify_slice(signature).is_ok();
        if is_right && is_new {
            self.keep(scope, signer);
        }
        is_right
    }

    fn kept(&self, scope: Scope<'_>) -> Option<Signer> {
        let derived = self.derived.read().unwrap_or_else(PoisonError::into_inner);
        derived.iter().find(|kept| kept.is_for(scope)).map(|kept| kept.signer.clone())
    }

    fn keep(&self, scope: Scope<'_>, signer: Signer) {
        let mut derived = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        if derived.iter().any(|kept| kept.is_for(scope)) {
            return;
        }
        if derived.len() >= DERIVED_MAX {
            derived.remove(0);
        }
        let Scope { date, region, service } = scope;
        let [date, region, service] = [date, region, service].map(str::to_owned);
        derived.push(Derived { date, region, service, signer });
    }

    fn derive(&self, scope: Scope<'_>) -> Option<Signer> {
        let steps = [scope.date, scope.region, scope.service, TERMINATOR];
        steps.iter().try_fold(self.root.clone()?, |key, step| {
            signer(&key.chain_update(step.as_bytes()).finalize().into_bytes())
        })
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let derived = self.derived.read().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("SigningKeys").field("derived", &derived).finish_non_exhaustive()
    }
}

fn signer(key: &[u8]) -> Option<Signer> {
    Signer::new_from_slice(key).ok()
}

/// Appends the SHA-256 of `bytes` in lower-case hexadecimal digits.
pub(super) fn push_sha256(out: &mut Vec<u8>, bytes: &[u8]) {
    hex::push(out, &Sha256::digest(bytes));
}

/// The 32 bytes that 64 hexadecimal digits stand for.
pub(super) fn signature_bytes(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let digits = digits.iter().map(|&digit| char::from(digit).to_digit(16));
        let value = digits.reduce(|high, low| Some(high? << 4 | low?))??;
        *byte = u8::try_from(value).ok()?;
    }
    Some(bytes)
}
