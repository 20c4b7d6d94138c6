//! Who is signed in.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use hyper::http::request::Parts;

use crate::admin::Access;

/// Who is signed in, if anybody has to be.
#[derive(Debug)]
pub(super) struct Sessions {
    access: Access,
}

/// One visitor's, from signing in to signing out.
#[derive(Debug, Clone)]
pub(super) struct Session {
    id: String,
}

impl Session {
    /// What tells it from others.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Sessions {
    pub(super) fn new(access: Access) -> Self {
        Self { access }
    }

    /// The session a request belongs to. Errors: the answer to one that belongs to none.
    pub(super) fn of(&self, _parts: &Parts) -> Result<Session, Response<Body>> {
        match &self.access {
            Access::Open => Ok(Session { id: "open".to_owned() }),
            Access::Password(_) | Access::Closed => {
                Err((StatusCode::FORBIDDEN, "access denied").into_response())
            }
        }
    }
}
