//! A request in the one form that both sides sign.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::http::request::Parts;
use percent_encoding::percent_decode;

use super::signing::push_sha256;

/// Room for a request without a query and with the headers SDKs sign.
const USUAL_BYTES: usize = 512;
/// What RFC 3986 calls unreserved, besides letters and digits.
const UNRESERVED: &[u8] = b"-_.~";
const HEX_DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Method, path, query, the signed headers, their names, and the hash of the body.
///
/// `signed_headers` are names in lower case; `without` is a parameter that is not signed.
pub(super) fn request(
    parts: &Parts,
    signed_headers: &str,
    without: Option<&str>,
    body: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL_BYTES);
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b'\n');
    push_path(&mut out, parts.uri.path());
    out.push(b'\n');
    push_query(&mut out, parts.uri.query().unwrap_or_default(), without);
    out.push(b'\n');
    for name in signed_headers.split(';') {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        push_header(&mut out, parts, name);
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.as_bytes());
    out.push(b'\n');
    push_sha256(&mut out, body);
    out
}

/// The path without dot segments and doubled slashes, each segment encoded once more than it came.
pub(super) fn push_path(out: &mut Vec<u8>, path: &str) {
    let start = out.len();
    // Where each segment began, so that `..` can take it back.
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => out.truncate(segments.pop().unwrap_or(start)),
            segment => {
                segments.push(out.len());
                out.push(b'/');
                push_encoded(out, segment.as_bytes());
            }
        }
    }
    if out.len() == start || path.ends_with('/') {
        out.push(b'/');
    }
}

/// The parameters sorted, encoded the one way RFC 3986 prefers.
pub(super) fn push_query(out: &mut Vec<u8>, query: &str, without: Option<&str>) {
    if query.is_empty() {
        return;
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let encoded = |text: &str| {
        let mut out = Vec::with_capacity(text.len());
        push_encoded(&mut out, &decode(text));
        out
    };
    let mut pairs: Vec<_> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .filter(|(name, _)| without.map(str::as_bytes) != Some(name))
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

/// Decodes `+` and `%XX`.
pub(super) fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text.as_bytes());
    }
    let spaced: Vec<u8> = text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

fn push_encoded(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || UNRESERVED.contains(&byte) {
            out.push(byte);
        } else {
            let digit = |n: u8| HEX_DIGITS.get(usize::from(n)).copied().unwrap_or_default();
            out.extend([b'%', digit(byte >> 4), digit(byte & 0xF)]);
        }
    }
}

/// The values of a header, trimmed, runs of spaces made one, joined with commas. A client that
/// speaks without Host says its host in the target.
fn push_header(out: &mut Vec<u8>, parts: &Parts, name: &str) {
    if name == "host" && !parts.headers.contains_key(name) {
        let authority = parts.uri.authority().map_or("", |authority| authority.as_str());
        out.extend_from_slice(authority.as_bytes());
        return;
    }
    push_values(out, &parts.headers, name);
}

pub(super) fn push_values(out: &mut Vec<u8>, headers: &HeaderMap, name: &str) {
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let mut after_space = false;
        for &byte in value.as_bytes().trim_ascii() {
            let is_space = byte == b' ';
            if !(is_space && after_space) {
                out.push(byte);
            }
            after_space = is_space;
        }
    }
}
