//! Who may use Lambda's API.

use karin_tests::gateway::Gateway;
use karin_tests::http::Response;
use karin_tests::redis::RedisServer;
use karin_tests::sigv4::Signer;
use serde_json::json;

use super::{Function, MAPPINGS, Rig, arn, check_error};

const INVOKE: &str = "/2015-03-31/functions/f/invocations";
const SECRET: &str = "secret";

fn signer(id: &str) -> Signer {
    Signer { service: "lambda".into(), ..Signer::new(id, SECRET) }
}

fn signed(gateway: &Gateway, signer: &Signer, method: &str, path: &str, body: &str) -> Response {
    let host = format!("127.0.0.1:{}", gateway.port());
    let headers = signer.sign(method, path, &[("Host", &host)], body.as_bytes());
    let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    gateway.http().request(method, path, &headers, body.as_bytes())
}

#[test]
fn who_has_no_credentials_learns_nothing_and_is_told_as_lambda_tells_it() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--key", "all:secret"]);
    for path in [INVOKE, MAPPINGS, "/2015-03-31/functions/nobody", "/2015-03-31/what"] {
        let response = gateway.http().get(path);
        let text = check_error(&response, 403, "MissingAuthenticationTokenException");
        assert_eq!(text, "Missing Authentication Token", "{path}");
        let large = gateway.http().request("POST", path, &[], &vec![b'x'; 7 << 20]);
        check_error(&large, 403, "MissingAuthenticationTokenException");
    }
    let get = |signer: &Signer| signed(&gateway, signer, "GET", MAPPINGS, "");
    assert_eq!(get(&signer("all")).status, 200);
    check_error(&get(&signer("nobody")), 403, "UnrecognizedClientException");
    let wrong = Signer { secret: "other".into(), ..signer("all") };
    check_error(&get(&wrong), 403, "InvalidSignatureException");
    let text = check_error(&get(&Signer::new("all", SECRET)), 403, "InvalidSignatureException");
    assert!(text.contains("lambda"), "scoped to sqs: {text}");
    let late = Signer { ahead_s: -3_600, ..signer("all") };
    check_error(&get(&late), 403, "InvalidSignatureException");
    let broken = [("Authorization", "AWS4-HMAC-SHA256 Credential=x")];
    let response = gateway.http().request("GET", MAPPINGS, &broken, b"");
    check_error(&response, 400, "IncompleteSignatureException");
}

#[test]
fn a_token_lets_in_without_a_signature() {
    let token = "0123456789abcdefABCD-_";
    let function = Function::new("answer 7");
    let redis = RedisServer::start(&[]);
    let option = function.option("f");
    let gateway = Gateway::start(&redis, &["--token", token, "--function", &option]);
    let path = format!("/~{token}{INVOKE}");
    assert_eq!(gateway.http().request("POST", &path, &[], b"{}").text(), "7");
    let wrong = path.replace("0123", "1234");
    let response = gateway.http().request("POST", &wrong, &[], b"{}");
    check_error(&response, 403, "MissingAuthenticationTokenException");
}

#[test]
fn keys_are_limited_to_operations_and_queues() {
    let function = Function::new("answer 7");
    let option = function.option("f");
    let redis = RedisServer::start(&[]);
    let key = |id: &str, limits: &str| format!("{id}:{SECRET}{limits}");
    let keys = [
        key("all", ""),
        key("invoker", ",actions=InvokeFunction"),
        key("sender", ",actions=SendMessage"),
        key("mapper", ",actions=*EventSourceMapping*,queues=q*"),
        key("q", ",queues=q"),
    ];
    let mut arguments = vec!["--function", option.as_str()];
    for key in &keys {
        arguments.extend(["--key", key.as_str()]);
    }
    let gateway = Gateway::start(&redis, &arguments);
    let call = |id: &str, method: &str, path: &str, body: &str| {
        signed(&gateway, &signer(id), method, path, body)
    };
    for queue in ["q", "q2", "other"] {
        let sqs = Signer::new("all", SECRET);
        let created = format!("/?Action=CreateQueue&QueueName={queue}");
        assert_eq!(signed(&gateway, &sqs, "POST", &created, "").status, 200);
    }
    assert_eq!(call("invoker", "POST", INVOKE, "{}").text(), "7");
    for (id, method, path) in [
        ("sender", "POST", INVOKE),
        ("sender", "GET", MAPPINGS),
        ("mapper", "POST", INVOKE),
        ("invoker", "GET", "/2015-03-31/functions"),
        // What is about no queue is not for those who are limited to some.
        ("q", "POST", INVOKE),
        ("q", "GET", "/2015-03-31/functions"),
    ] {
        let text = check_error(&call(id, method, path, "{}"), 403, "AccessDeniedException");
        let user = format!("User: arn:aws:iam::000000000000:user/{id} is not authorized");
        assert!(text.starts_with(&user), "{text}");
    }
    let body = |queue: &str| {
        // One's own queue, and not the same.
        let target = if queue == "q" { "q2" } else { "q" };
        let tags = json!({"karin:filtered": format!("move:{target}")});
        json!({"FunctionName": "f", "EventSourceArn": arn(queue), "Enabled": false, "Tags": tags})
    };
    let create = |id: &str, body: &serde_json::Value| call(id, "POST", MAPPINGS, &body.to_string());
    let foreign = create("all", &body("other"));
    assert_eq!(foreign.status, 202, "{foreign:?}");
    let own = create("mapper", &body("q"));
    assert_eq!(own.status, 202, "{own:?}");
    check_error(&create("mapper", &body("other")), 403, "AccessDeniedException");
    let mut moved = body("q2");
    moved["Tags"]["karin:filtered"] = "move:other".into();
    check_error(&create("mapper", &moved), 403, "AccessDeniedException");
    let path = |response: &Response| format!("{MAPPINGS}/{}", super::uuid(&response.json()));
    for method in ["GET", "PUT", "DELETE"] {
        let foreign = call("mapper", method, &path(&foreign), "{}");
        check_error(&foreign, 403, "AccessDeniedException");
        let missing = call("mapper", method, &format!("{MAPPINGS}/nothing"), "{}");
        check_error(&missing, 403, "AccessDeniedException");
    }
    let listed = call("mapper", "GET", MAPPINGS, "").json();
    assert_eq!(listed["EventSourceMappings"].as_array().unwrap().len(), 1, "{listed}");
    let source = format!("{MAPPINGS}?EventSourceArn={}", arn("other").replace(':', "%3A"));
    check_error(&call("mapper", "GET", &source, ""), 403, "AccessDeniedException");
    assert_eq!(call("mapper", "DELETE", &path(&own), "").status, 202);
}

#[test]
fn without_keys_a_web_page_can_neither_invoke_nor_change_anything() {
    let rig = Rig::new();
    let post = |path: &str, headers: &[(&str, &str)]| {
        rig.gateway.http().request("POST", path, headers, b"{}")
    };
    for header in [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Host", "evil.example"),
    ] {
        for path in [INVOKE, MAPPINGS] {
            assert_eq!(post(path, &[header]).status, 403, "{header:?}");
        }
    }
    for kind in [
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "Multipart/Form-Data; boundary=x",
    ] {
        for path in [INVOKE, MAPPINGS] {
            let response = post(path, &[("Content-Type", kind)]);
            check_error(&response, 415, "UnsupportedMediaTypeException");
        }
        let headers = [("Content-Type", kind)];
        let list = rig.gateway.http().request("GET", MAPPINGS, &headers, b"");
        assert_eq!(list.status, 200, "looking is no change");
    }
    assert!(rig.function.events().is_empty());
    for kind in ["application/json", "application/octet-stream", "application/x-amz-json-1.1"] {
        assert_eq!(post(INVOKE, &[("Content-Type", kind)]).status, 200, "{kind}");
    }
    assert_eq!(post(INVOKE, &[]).status, 200);
}
