//! Bytes → typed request, typed answer → bytes, with the contract's literals.

mod answers;
mod lists;
mod query_json;
mod requests;

use bytes::Bytes;
use hyper::Request as HttpRequest;

use super::*;

/// The head and body of an HTTP request.
fn http(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> (Parts, Bytes) {
    let mut request = HttpRequest::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    (parts, Bytes::copy_from_slice(body.as_bytes()))
}

fn form(uri: &str, body: &str) -> (Parts, Bytes) {
    let content_type = "application/x-www-form-urlencoded; charset=utf-8";
    http("POST", uri, &[("content-type", content_type)], body)
}

fn json(action: &str, body: &str) -> (Parts, Bytes) {
    let target = format!("AmazonSQS.{action}");
    let content_type = "application/x-amz-json-1.0";
    http("POST", "/", &[("content-type", content_type), ("X-Amz-Target", &target)], body)
}

fn parse((parts, body): &(Parts, Bytes)) -> Result<Request, SqsError> {
    Incoming::new(parts, body).read()
}
