//! What each fuzz target does with its bytes: plain functions that panic when a rule is broken.
//! libfuzzer calls them (targets/), and gateway/tests/corpus.rs with every file of corpus/.
//!
//! The inputs are texts that people can write, too: a request whose first lines are its head.

use std::sync::LazyLock;

use bytes::Bytes;
use hyper::Uri;
use hyper::http::request::Parts;
use karin_gateway::auth::{AccessKeys, Claim, KeySpec, Moment, Refused, take_from};
use karin_gateway::filter::{Filters, Subject};
use karin_gateway::protocol::policy::Policy;
use karin_gateway::protocol::redrive::{GivenRedrivePolicy, RedriveAllowPolicy};
use karin_gateway::protocol::{Incoming, Protocol, SqsError, protocol_of, write};
use karin_gateway::queues::RedrivePolicy;
use karin_gateway::queues::attributes::MessageAttribute;

/// The key of the seeds that are signed (sqs-contract §11.3).
const KEY: &str = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// When they are.
const NOW: &str = "20260102T030405Z";
/// No error is longer than this and what it repeats of the request.
const ERROR_CHARACTERS_MAX: usize = 4_096;

/// A Query request: the target, a line feed, the form.
pub fn query(bytes: &[u8]) {
    let (target, body) = split(bytes, b'\n');
    let content_type = "application/x-www-form-urlencoded";
    let headers: &[(&[u8], &[u8])] = &[(b"content-type", content_type.as_bytes())];
    let parts = parts("POST", target, headers);
    assert_eq!(protocol_of(&parts), Protocol::Query);
    read(&parts, body);
}

/// A JSON request: the action, a line feed, the body.
pub fn json(bytes: &[u8]) {
    let (action, body) = split(bytes, b'\n');
    let target = [b"AmazonSQS.", action].concat();
    let parts = parts("POST", b"/", &[(b"x-amz-target", &target)]);
    // A target that is no header's value is no header.
    if protocol_of(&parts) == Protocol::Json {
        read(&parts, body);
    }
}

/// A policy, of any of the three kinds.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Policy::parse(text) {
        Ok(policy) => change(policy),
        Err(error) => refused(Protocol::Json, error),
    }
    match GivenRedrivePolicy::parse(text) {
        Ok(given) => {
            assert!((1..=1_000).contains(&given.policy.max_receive_count));
            let [(_, kept), ..] = RedrivePolicy::attributes(Some(&given.policy));
            assert_eq!(RedrivePolicy::of_stored(&kept), Some(given.policy));
        }
        Err(error) => refused(Protocol::Query, error),
    }
    match RedriveAllowPolicy::parse(text) {
        Ok(RedriveAllowPolicy::ByQueue(sources)) => assert!((1..=10).contains(&sources.len())),
        Ok(_) => {}
        Err(error) => refused(Protocol::QueryJson, error),
    }
}

/// Filters, a line each; an empty line; a message's body.
pub fn filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (patterns, body) = text.split_once("\n\n").unwrap_or((text, ""));
    is_filtered(patterns, body);
}

/// Whether filters, a line each, drop a message of this body; `None` if they are refused.
pub fn is_filtered(patterns: &str, body: &str) -> Option<bool> {
    let patterns: Vec<String> = patterns.lines().map(str::to_owned).collect();
    let attributes = [("MessageGroupId", "g".to_owned()), ("SentTimestamp", "1".to_owned())];
    let named = |name: &str, value: &str| MessageAttribute {
        name: name.to_owned(),
        data_type: "String".to_owned(),
        value: value.into(),
    };
    let message_attributes = [named("a", "b"), named("a.b", body)];
    let subject = Subject {
        message_id: "id",
        body,
        attributes: &attributes,
        message_attributes: &message_attributes,
    };
    let filters = match Filters::parse(&patterns) {
        Ok(filters) => filters,
        Err(error) => {
            assert_eq!(error.to_string(), "Invalid filter pattern definition.");
            assert!(!error.detail().contains('\n'), "{error:?}");
            return None;
        }
    };
    assert_eq!(filters.patterns(), patterns);
    assert!(filters.remarks().iter().all(|remark| !remark.contains('\n')));
    let accepted = filters.accepts(&subject);
    // Filters are ORed, so each on its own says the same.
    let alone = |pattern: &String| {
        let filters = Filters::parse(std::slice::from_ref(pattern)).expect("it was read before");
        filters.accepts(&subject)
    };
    assert_eq!(accepted, patterns.is_empty() || patterns.iter().any(alone));
    Some(!accepted)
}

/// What is added to a policy is there until it is removed.
fn change(mut policy: Policy) {
    let (principals, actions) = (vec!["a".to_owned()], vec!["SQS:*".to_owned(); 2]);
    if let Err(error) = policy.add_statement("label", principals, actions, "arn") {
        return refused(Protocol::Query, error);
    }
    assert!(policy.has_statement("label") && !policy.is_empty());
    let text = policy.to_string();
    assert!(Policy::parse(&text).is_ok_and(|policy| policy.has_statement("label")), "{text}");
    assert!(policy.remove_statement("label") && !policy.has_statement("label"));
}

/// Reads a request: twice alike, and what is refused is refused as the client's fault.
fn read(parts: &Parts, body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    let incoming = Incoming::new(parts, &body);
    let protocol = incoming.protocol();
    let read = incoming.read();
    assert_eq!(Incoming::new(parts, &body).read(), read);
    match read {
        Ok(request) => drop(request.queue()),
        Err(error) => refused(protocol, error),
    }
}

/// An error is the client's fault, and says so in few words.
fn refused(protocol: Protocol, error: SqsError) {
    let code = error.code();
    assert!((400..500).contains(&code.status), "{error:?}");
    let length = error.message(protocol).chars().count();
    assert!(length < ERROR_CHARACTERS_MAX, "{length} characters");
    assert_eq!(write(protocol, "id", &Err(error)).status(), code.status);
}

/// A signed request as it stands on the wire: method and target, headers, an empty line, the body.
pub fn sigv4(bytes: &[u8]) {
    is_signed(bytes);
}

/// The same; whether the signature is right.
pub fn is_signed(bytes: &[u8]) -> bool {
    let (line, mut rest) = split(bytes, b'\n');
    let (method, target) = split(line, b' ');
    let mut headers = Vec::new();
    loop {
        let (line, after) = split(rest, b'\n');
        rest = after;
        if line.is_empty() {
            break;
        }
        headers.push(split(line, b':'));
    }
    let method = std::str::from_utf8(method).unwrap_or_default();
    let mut request = parts(method, target, &headers);
    let verified = verify(&request, rest);
    headers.reverse();
    let names: std::collections::HashSet<_> =
        headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    if names.len() == headers.len() {
        let reversed = verify(&parts(method, target, &headers), rest);
        assert_eq!(reversed, verified, "the order of headers");
    }
    if verified.is_ok() {
        let changed = verify(&request, &[rest, b"x"].concat());
        assert!(matches!(changed, Err(Refused::Mismatch(_))), "another body: {changed:?}");
    }
    token(&mut request.uri);
    verified.is_ok()
}

fn verify(parts: &Parts, body: &[u8]) -> Result<(), Refused> {
    static KEYS: LazyLock<AccessKeys> = LazyLock::new(|| {
        AccessKeys::new(&[KeySpec::parse(&KEY.to_owned().into()).expect("a key")])
    });
    let now = Moment::from_basic(NOW).expect("a moment");
    let claim = Claim::read(parts)?;
    let key = claim.key(parts, &KEYS, "sqs", now)?;
    claim.verify(key, parts, body)
}

/// What is left of a target without its token is a target, and the query is as it was.
fn token(uri: &mut Uri) {
    let before = uri.clone();
    if take_from(uri).is_some() {
        assert!(uri.path().starts_with('/'), "{before} became {uri}");
        assert_eq!(uri.query(), before.query(), "{before} became {uri}");
    } else {
        assert_eq!(*uri, before);
    }
}

/// What stands before and after the first of these bytes; all, and nothing, if there is none.
fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    let place = bytes.iter().position(|&byte| byte == at).unwrap_or(bytes.len());
    (&bytes[..place], bytes.get(place + 1..).unwrap_or_default())
}

/// The head of a request; what HTTP does not allow is left out, as no server would let it in.
fn parts(method: &str, target: &[u8], headers: &[(&[u8], &[u8])]) -> Parts {
    let (mut parts, ()) = hyper::Request::new(()).into_parts();
    if let Ok(method) = method.parse() {
        parts.method = method;
    }
    if let Ok(uri) = Uri::try_from(target) {
        parts.uri = uri;
    }
    for (name, value) in headers {
        let value = hyper::header::HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (hyper::header::HeaderName::from_bytes(name), value) {
            parts.headers.append(name, value);
        }
    }
    parts
}
