//! The key that signs sessions and forms: made of the password, so that all gateways of one
//! password have the same, also after a restart, and another password ends all sessions.

use hmac::{Hmac, KeyInit as _, Mac as _};
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use tokio::sync::OnceCell;

use crate::auth::Secret;
use crate::hex;

/// What tells this use of the password from any other.
const SALT: &[u8] = b"karin: sessions of the admin page, 1";
/// How often the hash is repeated: who has a cookie needs so long for each guess.
const ROUNDS: u32 = 100_000;

/// Signs what is given to browsers, and knows it again.
pub(super) struct Key {
    password: Option<Secret>,
    derived: OnceCell<[u8; 32]>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(key)")
    }
}

/// What a signature is for; one of another purpose counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The cookie of who is signed in.
    Session,
    /// The cookie of a browser somebody has signed in with.
    Known,
    /// The hidden field of forms.
    Form,
}

impl Purpose {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Session => b"session\0",
            Self::Known => b"known\0",
            Self::Form => b"form\0",
        }
    }
}

impl Key {
    /// The key of this password. Without one it is the same everywhere and no secret: then a form's
    /// field only shows that whoever made the form could read the browser's cookie.
    pub(super) fn of(password: Option<Secret>) -> Self {
        Self { password, derived: OnceCell::new() }
    }

    /// The key, made at its first use, beside the threads that serve: it takes a while.
    pub(super) async fn ready(&self) -> Signer {
        let make = || async {
            let Some(password) = self.password.clone() else { return [0; 32] };
            let derive = move || {
                let mut key = [0; 32];
                pbkdf2_hmac::<Sha256>(password.reveal().as_bytes(), SALT, ROUNDS, &mut key);
                key
            };
            // It neither panics nor is it aborted while karin runs; random, it would let in nobody.
            tokio::task::spawn_blocking(derive).await.unwrap_or_else(|_| random())
        };
        Signer(*self.derived.get_or_init(make).await)
    }
}

/// A key at work. Cheap to copy.
#[derive(Clone, Copy)]
pub(super) struct Signer([u8; 32]);

impl Signer {
    /// The signature of a text, in hex.
    pub(super) fn sign(&self, purpose: Purpose, text: &str) -> String {
        self.mac(purpose, text)
            .map_or_else(String::new, |mac| hex::text(&mac.finalize().into_bytes()))
    }

    /// Whether this is the signature of that text; compared in constant time.
    pub(super) fn is_signed(&self, purpose: Purpose, text: &str, signature: &str) -> bool {
        let signature = hex::bytes(signature);
        self.mac(purpose, text)
            .zip(signature)
            .is_some_and(|(mac, signature)| mac.verify_slice(&signature).is_ok())
    }

    fn mac(&self, purpose: Purpose, text: &str) -> Option<Hmac<Sha256>> {
        // A key of any length will do.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(purpose.name());
        mac.update(text.as_bytes());
        Some(mac)
    }
}

/// Random bytes. Without randomness nothing of karin starts, so this does not fail after that.
pub(super) fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let _filled = getrandom::fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn signer(password: &str) -> Signer {
        Key::of(Some(password.to_owned().into())).ready().await
    }

    #[tokio::test]
    async fn a_signature_is_for_one_text_one_purpose_and_one_password() {
        let (one, other) = tokio::join!(signer("correct horse"), signer("correct horse!"));
        let signature = one.sign(Purpose::Session, "text");
        assert!(one.is_signed(Purpose::Session, "text", &signature));
        assert!(signer("correct horse").await.is_signed(Purpose::Session, "text", &signature));
        for wrong in ["", "zz", &signature[1..], &signature.replace(&signature[..2], "00")] {
            assert!(!one.is_signed(Purpose::Session, "text", wrong), "{wrong}");
        }
        assert!(!one.is_signed(Purpose::Session, "texts", &signature));
        assert!(!one.is_signed(Purpose::Form, "text", &signature));
        assert!(!other.is_signed(Purpose::Session, "text", &signature));
    }

    #[test]
    fn the_password_is_not_shown() {
        assert!(!format!("{:?}", Key::of(Some("hunter2".to_owned().into()))).contains("hunter2"));
    }
}
