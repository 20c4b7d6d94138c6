//! Styles and scripts, which are part of the program.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use crate::hex;

/// What stands before the names in a URL.
const PREFIX: &str = "/admin/assets/";

/// All of them: name, type, content.
const ASSETS: [(&str, &str, &str); 3] = [
    ("admin.css", "text/css", include_str!("../../assets/admin.css")),
    ("admin.js", "text/javascript", include_str!("../../assets/admin.js")),
    ("htmx.min.js", "text/javascript", include_str!("../../assets/htmx.min.js")),
];

/// What stands between prefix and name: with other contents other URLs, so that browsers may keep
/// what they have for ever.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (_, _, content) in ASSETS {
        hash.update(content);
    }
    let mut digits = hex::text(&hash.finalize());
    digits.truncate(12);
    digits
});

/// The URL of an asset.
pub(super) fn url(name: &str) -> String {
    format!("{PREFIX}{}/{name}", *VERSION)
}

/// The asset at this path; those of other versions are answered with what is there now.
pub(super) fn answer(path: &str) -> Option<Response<Full<Bytes>>> {
    let (version, name) = path.strip_prefix(PREFIX)?.split_once('/')?;
    let (_, kind, content) = ASSETS.into_iter().find(|(known, ..)| *known == name)?;
    let mut response = Response::new(Full::new(Bytes::from_static(content.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if version == *VERSION {
        let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(CACHE_CONTROL, keep);
    }
    Some(response)
}
