//! Keys, tokens, and what is open without them (sqs-contract §11, design §5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use karin_tests::sigv4::Signer;
use karin_tests::wait::{PATIENCE, until};

use super::*;

pub(super) const ID: &str = "AKIDEXAMPLE";
pub(super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "0123456789abcdefABCD-_";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/x-amz-json-1.0");

/// A gateway with these options and the queue `q`, which no client has made.
pub(super) fn start(arguments: &[&str]) -> Sqs {
    let redis = RedisServer::start(&[]);
    redis.cli(&["KARIN.CREATE", "karin:{q}"]);
    let gateway = Gateway::start(&redis, arguments);
    Sqs { gateway, redis }
}

fn with_key() -> Sqs {
    start(&["--key", &format!("{ID}:{SECRET}")])
}

pub(super) fn signer() -> Signer {
    Signer::new(ID, SECRET)
}

impl Sqs {
    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.gateway.port())
    }

    fn send_headers(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> Response {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.http().request(method, target, &headers, body.as_bytes())
    }

    /// A signed request in JSON.
    pub(super) fn signed(&self, signer: &Signer, action: &str, members: &Value) -> Response {
        let (target, body) = (format!("AmazonSQS.{action}"), members.to_string());
        let host = self.host();
        let headers = [("Host", host.as_str()), JSON, ("X-Amz-Target", &target)];
        let headers = signer.sign("POST", "/", &headers, body.as_bytes());
        self.send_headers("POST", "/", &headers, &body)
    }

    /// The same as a form.
    fn signed_form(&self, signer: &Signer, body: &str) -> Response {
        let host = self.host();
        let headers = signer.sign("POST", "/", &[("Host", &host), FORM], body.as_bytes());
        self.send_headers("POST", "/", &headers, body)
    }

    /// The signed request is refused alike in both protocols; ListQueues.
    #[track_caller]
    fn refuses(&self, signer: &Signer, kind: &str, code: &str, status: u16, words: &str) {
        let error = Error::of_json(&self.signed(signer, "ListQueues", &json!({})));
        let names = format!("{kind} {code};Sender");
        assert_eq!((error.status, &error.names), (status, &names));
        assert!(error.text.contains(words), "{error:?}");
        let error = Error::of_query(&self.signed_form(signer, "Action=ListQueues"));
        assert_eq!((error.status, error.names.as_str()), (status, code));
        assert!(error.text.contains(words), "{error:?}");
    }
}

const DENIED: Refusal = Refusal::new(
    "AccessDeniedException",
    "AccessDenied",
    403,
    "Access to the resource https://sqs.us-east-1.amazonaws.com/ is denied.",
);
const UNKNOWN: [&str; 2] = ["UnrecognizedClientException", "InvalidClientTokenId"];
const INVALID: [&str; 2] = ["InvalidSignatureException", "SignatureDoesNotMatch"];
const MISMATCH: &str = "The request signature we calculated does not match the signature you \
    provided. Check your AWS Secret Access Key and signing method. Consult the service \
    documentation for details.";

// contract: 11.4-none, 2.3-access-denied, 2.4-denied-resource
#[test]
fn with_a_key_nothing_is_done_without_credentials() {
    let sqs = with_key();
    let members = json!({ "QueueUrl": "q", "MessageBody": "x" });
    let parameters = [("QueueUrl", "q"), ("MessageBody", "x")];
    sqs.refused("SendMessage", &members, &parameters, DENIED);
    // A queue that is missing, a member that is missing: both are not told.
    sqs.refused("SendMessage", &json!({ "QueueUrl": "no" }), &[("QueueUrl", "no")], DENIED);
    sqs.refused("GetQueueUrl", &json!({ "QueueName": 1 }), &[], DENIED);
    let at_queue = sqs.http().get("/000000000000/q?Action=ReceiveMessage");
    let text = "Access to the resource https://sqs.us-east-1.amazonaws.com/000000000000/q is \
                denied.";
    assert_eq!(Error::of_query(&at_queue).text, text);
    assert_eq!(sqs.http().json("FooBar", "{}").status, 400, "that it is unknown comes first");
    assert_eq!(sqs.redis.cli(&["EXISTS", "karin:{no}"]).trim(), "0");
    assert!(!sqs.gateway.log().contains(SECRET));
}

#[test]
fn a_large_body_is_read_only_for_who_may_have_signed_it() {
    let sqs = with_key();
    let body = "x".repeat(100_000);
    let members = json!({ "QueueUrl": "q", "MessageBody": body });
    let strangers = [
        sqs.http().json("SendMessage", &members.to_string()),
        sqs.http().query(&[("Action", "SendMessage"), ("MessageBody", &body)]),
        sqs.signed(&Signer::new("AKIDUNKNOWN", SECRET), "SendMessage", &members),
    ];
    for response in &strangers {
        assert_eq!(response.status, 403, "{response:?}");
        assert_eq!(response.header("Connection"), Some("close"), "{response:?}");
    }
    assert_eq!(sqs.signed(&signer(), "SendMessage", &members).status, 200);
}

// contract: 11.1-header
#[test]
fn signed_requests_are_answered_in_both_protocols_and_any_region() {
    let sqs = with_key();
    for region in ["us-east-1", "eu-central-2", "elasticmq"] {
        let signer = Signer { region: region.to_owned(), ..signer() };
        for _ in 0..2 {
            let members = json!({ "QueueUrl": "q", "MessageBody": "ü€😀" });
            assert_eq!(sqs.signed(&signer, "SendMessage", &members).status, 200);
            let received = sqs.signed_form(&signer, "Action=ReceiveMessage&QueueUrl=q");
            assert_eq!(element(received.text(), "Body"), "ü€😀");
        }
    }
    let body = "Action=SendMessage&MessageBody=at+the+queue%27s+path";
    let host = sqs.host();
    let path = "/000000000000/q";
    let headers = signer().sign("POST", path, &[("host", &host), FORM], body.as_bytes());
    assert_eq!(sqs.send_headers("POST", path, &headers, body).status, 200);
}

#[test]
fn headers_may_come_in_any_order_case_and_number() {
    let sqs = with_key();
    let host = sqs.host();
    let members = json!({ "QueueUrl": "q", "MessageBody": "x" }).to_string();
    let target = ("x-AMZ-target", "AmazonSQS.SendMessage");
    let given = [target, JSON, ("hOsT", host.as_str()), ("X-Twice", "1,2"), ("Accept", "*/*")];
    let mut headers = signer().sign("POST", "/", &given, members.as_bytes());
    headers.reverse();
    assert_eq!(sqs.send_headers("POST", "/", &headers, &members).status, 200);
    // What came as one value may come as two headers: both sides join them.
    headers.retain(|(name, _)| name != "X-Twice");
    headers.extend([("x-twice", "1"), ("X-TWICE", "  2 ")].map(|(n, v)| (n.into(), v.into())));
    assert_eq!(sqs.send_headers("POST", "/", &headers, &members).status, 200);
    // A header that a proxy has added is not signed and does no harm.
    headers.push(("X-Request-Id".into(), "7".into()));
    assert_eq!(sqs.send_headers("POST", "/", &headers, &members).status, 200);
    headers.push(("X-Twice".into(), "3".into()));
    let error = Error::of_json(&sqs.send_headers("POST", "/", &headers, &members));
    assert_eq!((error.status, error.text.as_str()), (403, MISMATCH));
}

// contract: 11.4-unknown-key, 11.4-wrong-signature, 2.3-unrecognized-client
// contract: 2.3-invalid-signature, 2.5-signature-hides
#[test]
fn wrong_credentials_are_refused_with_their_reasons() {
    let sqs = with_key();
    let [kind, code] = UNKNOWN;
    let invalid = "The security token included in the request is invalid.";
    sqs.refuses(&Signer::new("AKIDOTHER", SECRET), kind, code, 403, invalid);
    let temporary = Signer { session_token: Some("token".into()), ..signer() };
    sqs.refuses(&temporary, kind, code, 403, invalid);
    let [kind, code] = INVALID;
    sqs.refuses(&Signer::new(ID, "other"), kind, code, 403, MISMATCH);
    let elsewhere = Signer { service: "s3".into(), ..signer() };
    let text = "Credential should be scoped to correct service: 'sqs'.";
    sqs.refuses(&elsewhere, kind, code, 403, text);
    let nowhere = Signer { region: String::new(), ..signer() };
    let text = "Credential should be scoped to a valid region.";
    sqs.refuses(&nowhere, kind, code, 403, text);
    let late = Signer { ahead_s: -15 * 60 - 5, ..signer() };
    sqs.refuses(&late, kind, code, 403, "- 15 min.)");
    let early = Signer { ahead_s: 5 * 60 + 60, ..signer() };
    sqs.refuses(&early, kind, code, 403, "Signature not yet current: ");
    for ahead_s in [-15 * 60 + 60, 5 * 60 - 5] {
        let signer = Signer { ahead_s, ..signer() };
        assert_eq!(sqs.signed(&signer, "ListQueues", &json!({})).status, 200, "{ahead_s}");
    }
}

// contract: 11.4-wrong-signature
#[test]
fn query_tells_what_should_have_been_signed() {
    let sqs = with_key();
    let body = "Action=ListQueues";
    let error = Error::of_query(&sqs.signed_form(&Signer::new(ID, "other"), body));
    let start = format!(
        "{MISMATCH}\n\nThe Canonical String for this request should have been\n'POST\n/\n\n\
         content-type:application/x-www-form-urlencoded\nhost:{}\nx-amz-date:",
        sqs.host()
    );
    assert!(error.text.starts_with(&start), "{}", error.text);
    let middle = "'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n";
    assert!(error.text.contains(middle) && error.text.ends_with("'\n"), "{}", error.text);
    let json = Error::of_json(&sqs.signed(&Signer::new(ID, "other"), "ListQueues", &json!({})));
    assert_eq!(json.text, MISMATCH);
}

#[test]
fn a_changed_body_target_or_host_is_refused() {
    let sqs = with_key();
    let host = sqs.host();
    let body = r#"{"QueueUrl":"q","MessageBody":"x"}"#;
    let given = [("Host", host.as_str()), JSON, ("X-Amz-Target", "AmazonSQS.SendMessage")];
    let headers = signer().sign("POST", "/", &given, body.as_bytes());
    let refused = |target: &str, headers: &[(String, String)], body: &str| {
        let error = Error::of_json(&sqs.send_headers("POST", target, headers, body));
        assert_eq!((error.status, error.text.as_str()), (403, MISMATCH));
    };
    refused("/", &headers, r#"{"QueueUrl":"q","MessageBody":"y"}"#);
    refused("/000000000000/q", &headers, body);
    refused("/?x", &headers, body);
    let changed = |name: &str, value: &str| -> Vec<(String, String)> {
        let mut headers = headers.clone();
        headers.retain(|(n, _)| n != name);
        headers.push((name.to_owned(), value.to_owned()));
        headers
    };
    refused("/", &changed("Host", "localhost"), body);
    refused("/", &changed("X-Amz-Target", "AmazonSQS.PurgeQueue"), body);
    refused("/", &changed("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), "{}");
    assert_eq!(sqs.send_headers("POST", "/", &headers, body).status, 200);
}

#[test]
fn an_action_that_is_not_signed_is_refused() {
    let sqs = with_key();
    let (host, body) = (sqs.host(), r#"{"QueueUrl":"q"}"#);
    let mut headers = signer().sign("POST", "/", &[("Host", &host), JSON], body.as_bytes());
    headers.push(("X-Amz-Target".to_owned(), "AmazonSQS.PurgeQueue".to_owned()));
    let error = Error::of_json(&sqs.send_headers("POST", "/", &headers, body));
    assert_eq!(error.names, "InvalidSignatureException SignatureDoesNotMatch;Sender");
    assert!(error.text.contains("'X-Amz-Target' must be"), "{error:?}");
}

// contract: 11.4-malformed, 2.3-incomplete-signature
#[test]
fn a_malformed_authorization_is_named() {
    let sqs = with_key();
    let huge = format!("AWS4-HMAC-SHA256 {}", "x".repeat(50_000));
    let names = format!("AWS4-HMAC-SHA256 SignedHeaders={}", "host;".repeat(5_000));
    for value in ["AWS4-HMAC-SHA256", "Bearer abc", "Basic eDp5", "", ",,=,=", &huge, &names] {
        let headers = [FORM, ("Authorization", value), ("X-Amz-Date", "20260102T030405Z")];
        let response = sqs.http().request("POST", "/", &headers, b"Action=ListQueues");
        let error = Error::of_query(&response);
        assert_eq!((error.status, error.names.as_str()), (400, "IncompleteSignature"));
        assert!(error.text.contains("requires 'Signature' parameter."), "{value:.40}");
    }
    let names = "a;".repeat(5_000) + "host";
    let value = format!("AWS4-HMAC-SHA256 Credential=a, SignedHeaders={names}, Signature=b");
    let headers = [FORM, ("Authorization", value.as_str()), ("Date", "20260102T030405Z")];
    let response = sqs.http().request("POST", "/", &headers, b"Action=ListQueues");
    assert_eq!(Error::of_query(&response).names, "IncompleteSignature");
    let headers = [JSON, ("X-Amz-Target", "AmazonSQS.ListQueues"), ("Authorization", "x")];
    let error = Error::of_json(&sqs.http().request("POST", "/", &headers, b"{}"));
    assert_eq!(error.names, "IncompleteSignatureException IncompleteSignature;Sender");
    assert!(error.text.contains("either a 'X-Amz-Date' or a 'Date' header"), "{error:?}");
}

#[test]
fn a_request_without_host_is_refused_and_one_in_chunks_is_not() {
    let sqs = with_key();
    let (host, body) = (sqs.host(), r#"{"QueueUrl":"q","MessageBody":"chunks"}"#);
    let given = [("Host", host.as_str()), JSON, ("X-Amz-Target", "AmazonSQS.SendMessage")];
    let headers = signer().sign("POST", "/", &given, body.as_bytes());
    let lines = |skip: &str| -> String {
        let kept = headers.iter().filter(|(name, _)| name != skip);
        let lines: Vec<_> = kept.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        lines.concat()
    };
    let length = body.len();
    let request =
        format!("POST / HTTP/1.1\r\n{}Content-Length: {length}\r\n\r\n{body}", lines("Host"));
    assert_eq!(sqs.http().raw(request.as_bytes()).status, 403);
    let (start, end) = body.split_at(9);
    let request = format!(
        "POST / HTTP/1.1\r\n{}Transfer-Encoding: chunked\r\n\r\n9\r\n{start}\r\n{:x}\r\n{end}\r\n\
         0\r\n\r\n",
        lines(""),
        end.len()
    );
    assert_eq!(sqs.http().raw(request.as_bytes()).status, 200);
    // An oversized body is not read for somebody who is not let in.
    let big = "x".repeat(9 * 1_048_576);
    let unsigned = sqs.http().json("SendMessage", &big);
    assert_eq!(Error::of_json(&unsigned), DENIED.in_json());
}

// contract: 11.2-presigned, 11.4-presigned-expired
#[test]
fn a_presigned_url_works_alone_until_it_expires() {
    let sqs = with_key();
    let host = sqs.host();
    let target = "/000000000000/q?Action=SendMessage&MessageBody=a%20b%2Bc%2F~&Version=2012-11-05";
    let url = signer().presign("GET", target, &host, 60, b"");
    for _ in 0..2 {
        assert_eq!(sqs.http().get(&url).status, 200);
    }
    let body = "Action=ReceiveMessage&MaxNumberOfMessages=1";
    let target = "/000000000000/q";
    let post = signer().presign("POST", target, &host, 604_800, body.as_bytes());
    let response = sqs.http().request("POST", &post, &[FORM], body.as_bytes());
    assert_eq!(element(response.text(), "Body"), "a b+c/~");
    let mismatch = |response: &Response| {
        let error = Error::of_query(response);
        assert_eq!((error.status, error.names.as_str()), (403, "SignatureDoesNotMatch"));
        error.text
    };
    mismatch(&sqs.http().request("POST", &post, &[FORM], b"Action=PurgeQueue"));
    mismatch(&sqs.http().request("POST", &url, &[], b""));
    mismatch(&sqs.http().get(&url.replace("SendMessage", "DeleteQueue")));
    mismatch(&sqs.http().get(&format!("{url}&Action=DeleteQueue")));
    mismatch(&sqs.http().request("GET", &url, &[("Host", "localhost")], b""));
    let old = Signer { ahead_s: -61, ..signer() };
    let text = mismatch(&sqs.http().get(
        &old.presign("GET", target, &host, 60, b"")[..].replace("/q?", "/q?Action=PurgeQueue&"),
    ));
    assert!(text.starts_with("Signature expired: "), "{text}");
    let still = Signer { ahead_s: -3_600, ..signer() };
    let target = "/000000000000/q?Action=PurgeQueue";
    assert_eq!(sqs.http().get(&still.presign("GET", target, &host, 7_200, b"")).status, 200);
    for expires_s in [0, 604_801] {
        let url = signer().presign("GET", target, &host, expires_s, b"");
        assert_eq!(Error::of_query(&sqs.http().get(&url)).names, "IncompleteSignature");
    }
    let early = Signer { ahead_s: 400, ..signer() };
    let text = mismatch(&sqs.http().get(&early.presign("GET", target, &host, 60, b"")));
    assert!(text.starts_with("Signature not yet current: "), "{text}");
}

// contract: 2.4-denied-identity
#[test]
fn keys_are_limited_to_actions_and_queues() {
    let key = "AKIDLIMITED:secret,actions=SendMessage|Get*|ListQueues,queues=orders|logs-*";
    let sqs = start(&["--key", &format!("{ID}:{SECRET}"), "--key", key]);
    let limited = Signer::new("AKIDLIMITED", "secret");
    for name in ["orders", "logs-1"] {
        let created = sqs.signed(&signer(), "CreateQueue", &json!({ "QueueName": name }));
        assert_eq!(created.status, 200, "{created:?}");
    }
    let entries = json!([{ "Id": "1", "MessageBody": "x" }]);
    for (action, members) in [
        ("SendMessage", json!({ "QueueUrl": "orders", "MessageBody": "x" })),
        ("SendMessageBatch", json!({ "QueueUrl": "logs-1", "Entries": entries })),
        ("GetQueueUrl", json!({ "QueueName": "logs-1" })),
    ] {
        let response = sqs.signed(&limited, action, &members);
        assert_eq!(response.status, 200, "{action}: {response:?}");
    }
    for (action, members, name, resource) in [
        ("SendMessage", json!({ "QueueUrl": "q", "MessageBody": "x" }), "sendmessage", "q"),
        ("SendMessage", json!({ "QueueUrl": "no", "MessageBody": "x" }), "sendmessage", "no"),
        ("SendMessageBatch", json!({ "QueueUrl": "q", "Entries": entries }), "sendmessage", "q"),
        ("ReceiveMessage", json!({ "QueueUrl": "orders" }), "receivemessage", "orders"),
        ("CreateQueue", json!({ "QueueName": "orders" }), "createqueue", "orders"),
        ("ListQueues", json!({}), "listqueues", ""),
    ] {
        let error = Error::of_json(&sqs.signed(&limited, action, &members));
        assert_eq!(error.names, "AccessDeniedException AccessDenied;Sender");
        assert_eq!(error.status, 403);
        let text = format!(
            "User: arn:aws:iam::000000000000:user/AKIDLIMITED is not authorized to perform: \
             sqs:{name} on resource: arn:aws:sqs:us-east-1:000000000000:{resource} because no \
             identity-based policy allows the sqs:{name} action"
        );
        assert_eq!(error.text, text);
    }
    let error = Error::of_query(&sqs.signed_form(&limited, "Action=PurgeQueue&QueueUrl=orders"));
    assert_eq!((error.status, error.names.as_str()), (403, "AccessDenied"));
}

#[test]
fn a_key_of_one_queue_may_cancel_that_queues_tasks_and_no_others() {
    let sqs = start(&["--key", &format!("{ID}:secret,queues=q")]);
    let limited = Signer::new(ID, "secret");
    for (queue, status) in [("q", 404), ("other", 403)] {
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
        let handle = STANDARD.encode(json!({ "taskId": "t", "sourceArn": arn }).to_string());
        let members = json!({ "TaskHandle": handle });
        let response = sqs.signed(&limited, "CancelMessageMoveTask", &members);
        assert_eq!(response.status, status, "{queue}: {response:?}");
    }
}

#[test]
fn a_token_in_front_of_the_path_counts_instead_of_a_signature() {
    let limited = "limited-0123456789abcdef,actions=GetQueueUrl,queues=q";
    let sqs = start(&["--key", &format!("{ID}:{SECRET}"), "--token", TOKEN, "--token", limited]);
    let (host, http) = (sqs.host(), sqs.http());
    let post = |path: &str, action: &str, body: &str| {
        let target = format!("AmazonSQS.{action}");
        let headers =
            [JSON, ("X-Amz-Target", target.as_str()), ("Authorization", "of a role we don't know")];
        http.request("POST", path, &headers, body.as_bytes())
    };
    let encoded = TOKEN.replace('a', "%61").replace('-', "%2d");
    for path in [
        format!("/~{TOKEN}"),
        format!("/~{TOKEN}/"),
        format!("/~{TOKEN}/000000000000/q"),
        format!("/%7e{encoded}/"),
    ] {
        let response = post(&path, "GetQueueUrl", r#"{"QueueName":"q"}"#);
        let url = format!("http://{host}/~{TOKEN}/000000000000/q");
        assert_eq!(text(&response.json(), "QueueUrl"), url, "{path}");
        let sent = json!({ "QueueUrl": url, "MessageBody": "x" }).to_string();
        assert_eq!(post(&path, "SendMessage", &sent).status, 200, "{path}");
    }
    let listed = post(&format!("/~{TOKEN}/"), "ListQueues", "{}");
    assert!(listed.text().contains(&format!("/~{TOKEN}/000000000000/q")), "{listed:?}");
    let created = http.get(&format!("/~{TOKEN}?Action=CreateQueue&QueueName=new"));
    let url = element(created.text(), "QueueUrl");
    assert_eq!(url, format!("http://{host}/~{TOKEN}/000000000000/new"));
    let path = url.strip_prefix(&format!("http://{host}")).expect("our host");
    assert_eq!(http.get(&format!("{path}?Action=SendMessage&MessageBody=x")).status, 200);
    let limited = "/~limited-0123456789abcdef/";
    assert_eq!(post(limited, "GetQueueUrl", r#"{"QueueName":"q"}"#).status, 200);
    let denied = Error::of_json(&post(limited, "SendMessage", r#"{"QueueUrl":"q"}"#));
    assert!(denied.text.contains("user/endpoint-token is not authorized"), "{denied:?}");
    assert!(!sqs.gateway.log().contains(TOKEN) && !denied.text.contains("limited-"));
}

#[test]
fn a_wrong_token_is_like_no_credentials_even_if_the_request_is_signed() {
    let sqs = start(&["--key", &format!("{ID}:{SECRET}"), "--token", TOKEN]);
    let (host, http) = (sqs.host(), sqs.http());
    let wrong = format!("{TOKEN}x");
    for path in [
        "/~".to_owned(),
        "/~/".to_owned(),
        format!("/~{wrong}/"),
        format!("/~{}/", TOKEN.to_lowercase()),
        format!("/~~{TOKEN}/"),
        format!("/{TOKEN}/"),
        format!("//~{TOKEN}/"),
        format!("/000000000000/~{TOKEN}/q"),
        format!("/000000000000/q/~{TOKEN}"),
        format!("/?x=/~{TOKEN}/"),
        "/~%ff%00/".to_owned(),
    ] {
        let headers = [JSON, ("X-Amz-Target", "AmazonSQS.ListQueues")];
        let error = Error::of_json(&http.request("POST", &path, &headers, b"{}"));
        assert_eq!((error.status, &error.names), (403, &DENIED.in_json().names), "{path}");
        assert!(!error.text.contains(&wrong), "{error:?}");
    }
    let given = [("Host", host.as_str()), JSON, ("X-Amz-Target", "AmazonSQS.ListQueues")];
    let path = format!("/~{wrong}/");
    let headers = signer().sign("POST", &path, &given, b"{}");
    assert_eq!(sqs.send_headers("POST", &path, &headers, "{}").status, 403);
    assert_eq!(sqs.signed(&signer(), "ListQueues", &json!({})).status, 200);
    // Where everything is open a token that was revoked is noticed all the same.
    let open = start(&[]);
    let refused = open.http().get(&format!("/~{TOKEN}/?Action=ListQueues"));
    assert_eq!(Error::of_query(&refused), DENIED.in_query());
    assert!(!sqs.gateway.log().contains(TOKEN));
}

#[test]
fn with_a_base_url_the_token_stands_behind_it() {
    let base = "https://queues.example.org";
    let sqs = start(&["--token", TOKEN, "--base-url", base]);
    let response =
        sqs.http().get(&format!("/~{TOKEN}/?Action=GetQueueUrl&QueueName=q&Version=2012-11-05"));
    let url = element(response.text(), "QueueUrl");
    assert_eq!(url, format!("{base}/~{TOKEN}/000000000000/q"));
}

#[test]
fn health_is_told_to_everybody_and_what_is_reserved_to_nobody_unknown() {
    let mut sqs = with_key();
    for path in ["/healthz", "/readyz"] {
        let response = sqs.http().request("GET", path, &[("Host", "load.balancer")], b"");
        assert_eq!((response.status, response.text()), (200, "ok"), "{path}");
    }
    let host = sqs.host();
    // A key opens the API, and not the admin page, which has a password of its own.
    for (path, service, signed) in [
        ("/admin", "sqs", 403),
        ("/admin/queues", "sqs", 403),
        ("/2015-03-31/what/", "lambda", 404),
    ] {
        assert_eq!(sqs.http().get(path).status, 403, "{path}");
        let signer = Signer { service: service.into(), ..signer() };
        let headers = signer.sign("GET", path, &[("Host", &host)], b"");
        assert_eq!(sqs.send_headers("GET", path, &headers, "").status, signed, "{path}");
    }
    sqs.redis.kill();
    until(PATIENCE, "karin to notice", || sqs.http().get("/readyz").status == 503);
    assert_eq!(sqs.http().get("/healthz").status, 200);
    sqs.redis.restart();
    until(PATIENCE, "karin to come back", || sqs.http().get("/readyz").status == 200);
}

#[test]
fn web_pages_are_kept_out_where_there_is_no_key_and_need_one_where_there_is() {
    let open = start(&[]);
    let with_key = with_key();
    let get = "/?Action=ListQueues";
    for header in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Host", "evil.example"),
        ("Forwarded", "for=8.8.8.8"),
        ("X-Forwarded-For", "8.8.8.8"),
        ("X-Forwarded-Proto", "https"),
        ("Via", "1.1 proxy"),
    ] {
        assert_eq!(open.http().request("GET", get, &[header], b"").status, 403, "{header:?}");
        let host = if header.0 == "Host" { header.1.to_owned() } else { with_key.host() };
        let mut headers = signer().sign("GET", get, &[("Host", &host)], b"");
        if header.0 != "Host" {
            headers.push((header.0.to_owned(), header.1.to_owned()));
        }
        let response = with_key.send_headers("GET", get, &headers, "");
        assert_eq!(response.status, 200, "{header:?}");
    }
    assert_eq!(open.http().get(get).status, 200);
}
