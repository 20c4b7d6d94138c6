//! Against requests that a page from elsewhere has a visitor's browser send: every form of ours has
//! a token that only our pages know. It is made of the id in the visitor's cookie, so that every
//! gateway knows it.

use crate::admin::key::{Purpose, Signer};

/// The name of the field in forms.
const FIELD: &str = "csrf";

/// The token of the forms of who has this id.
pub(super) fn token(signer: &Signer, id: &str) -> String {
    signer.sign(Purpose::Form, id)
}

/// Whether a form's body brings the token of this id.
pub(super) fn is_given(signer: &Signer, id: &str, body: &[u8]) -> bool {
    let mut given = form_urlencoded::parse(body).filter(|(name, _)| name == FIELD);
    given.next().is_some_and(|(_, given)| signer.is_signed(Purpose::Form, id, &given))
}
