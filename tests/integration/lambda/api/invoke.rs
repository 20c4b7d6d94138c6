//! Invoke, and what is told of local functions (esm-contract §§1, 3, 7.1 and 7.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use karin_tests::http::Response;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::{Value, json};

use super::{Function, Rig, check_error};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

/// Notes each event and its headers, and does what the event says.
const HANDLER: &str = r#"
echo "$body" >> invoked
echo "$headers" > headers
case $body in
  '"fail"') fail '{"errorType":"E","errorMessage":"as asked"}' ;;
  '"hold"')
    while [[ ! -e go ]]; do read -rt 0.01 <> <(:) || :; done
    answer '"held"'
    echo held >> finished ;;
  '"log"') echo "what it says"; answer null ;;
  *) answer "{\"got\":$body}" ;;
esac"#;

fn rig() -> Rig {
    Rig::with(HANDLER, &[])
}

fn invoke(rig: &Rig, name: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let path = format!("/2015-03-31/functions/{name}/invocations");
    rig.gateway.http().request("POST", &path, headers, body)
}

#[test]
fn a_function_answers_by_all_its_names() {
    let rig = rig();
    let encoded = ARN.replace(':', "%3A");
    for name in ["f", ARN, &encoded, "000000000000:function:f", "f:$LATEST", "f%3A%24LATEST"] {
        let response = invoke(&rig, name, &[], br#"{"a":"b"}"#);
        assert_eq!(response.status, 200, "{name}: {response:?}");
        assert_eq!(response.json(), json!({"got": {"a": "b"}}), "{name}");
        assert_eq!(response.header("x-amz-executed-version"), Some("$LATEST"));
        assert_eq!(response.header("x-amz-function-error"), None);
        assert_eq!(response.header("x-amz-log-result"), None);
        let id = response.header("x-amzn-requestid").unwrap();
        let headers = std::fs::read_to_string(rig.function.file("headers")).unwrap();
        assert!(headers.contains(id), "the function's request id: {id}\n{headers}");
    }
    assert_eq!(invoke(&rig, "f", &[], b"").json(), json!({"got": {}}), "nothing is an object");
    let qualified = "/2015-03-31/functions/f/invocations?Qualifier=$LATEST";
    assert_eq!(rig.gateway.http().request("POST", qualified, &[], b"1").json()["got"], 1);
}

#[test]
fn an_unknown_function_is_told_by_its_arn() {
    let rig = rig();
    let response = invoke(&rig, "nobody", &[], b"{}");
    let text = check_error(&response, 404, "ResourceNotFoundException");
    let arn = ARN.replace("function:f", "function:nobody");
    assert_eq!(text, format!("Function not found: {arn}"));
    let response = invoke(&rig, "f:live", &[], b"{}");
    let text = check_error(&response, 404, "ResourceNotFoundException");
    assert_eq!(text, format!("Function not found: {ARN}:live"));
    assert!(response.json().get("Message").is_some(), "Lambda writes it so here");
    let both = "/2015-03-31/functions/f:live/invocations?Qualifier=dead";
    let response = rig.gateway.http().request("POST", both, &[], b"{}");
    check_error(&response, 400, "InvalidParameterValueException");
    check_error(&invoke(&rig, "a%20b", &[], b"{}"), 400, "ValidationException");
    check_error(&invoke(&rig, "..%2Ff", &[], b"{}"), 400, "ValidationException");
}

#[test]
fn a_failed_function_is_an_answer_with_a_header() {
    let rig = rig();
    let response = invoke(&rig, "f", &[], br#""fail""#);
    assert_eq!(response.status, 200);
    assert_eq!(response.header("x-amz-function-error"), Some("Unhandled"));
    assert_eq!(response.json()["errorMessage"], "as asked");
}

#[test]
fn an_event_is_run_later_and_a_dry_run_never() {
    let rig = rig();
    let response = invoke(&rig, "f", &[("X-Amz-Invocation-Type", "DryRun")], br#""dry""#);
    assert_eq!((response.status, response.body.len()), (204, 0));
    let response = invoke(&rig, "f", &[("X-Amz-Invocation-Type", "Event")], br#""later""#);
    assert_eq!((response.status, response.body.len()), (202, 0));
    assert!(response.header("x-amzn-requestid").is_some());
    until(PATIENCE, "the event to be run", || !rig.function.lines("invoked").is_empty());
    assert_eq!(rig.function.lines("invoked"), [r#""later""#]);
    let response = invoke(&rig, "f", &[("X-Amz-Invocation-Type", "Later")], b"{}");
    check_error(&response, 400, "ValidationException");
}

#[test]
fn the_client_context_and_the_trace_reach_the_function() {
    let rig = rig();
    let context = STANDARD.encode(r#"{"custom":{"who":"me"}}"#);
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let headers = [("X-Amz-Client-Context", context.as_str()), ("X-Amzn-Trace-Id", trace)];
    assert_eq!(invoke(&rig, "f", &headers, b"{}").status, 200);
    let seen = std::fs::read_to_string(rig.function.file("headers")).unwrap();
    assert!(seen.contains(r#"{"custom":{"who":"me"}}"#) && seen.contains(trace), "{seen}");
    for bad in ["%%%", "e30", &STANDARD.encode("[]"), &"x".repeat(3_584)] {
        let response = invoke(&rig, "f", &[("X-Amz-Client-Context", bad)], b"{}");
        check_error(&response, 400, "InvalidRequestContentException");
    }
}

#[test]
fn an_event_must_be_json_and_no_larger_than_lambda_takes() {
    let rig = rig();
    for bad in [&b"hello"[..], b"{", b"\"\xff\"", b"{}{}"] {
        let text = check_error(&invoke(&rig, "f", &[], bad), 400, "InvalidRequestContentException");
        assert!(text.starts_with("Could not parse request body into json"), "{text}");
    }
    let of = |length: usize| [b"\"", &vec![b'x'; length - 2][..], b"\""].concat();
    let dry = [("X-Amz-Invocation-Type", "DryRun")];
    assert_eq!(invoke(&rig, "f", &dry, &of(6_291_456)).status, 204);
    for length in [6_291_457, 9_000_000] {
        let response = invoke(&rig, "f", &[], &of(length));
        let text = check_error(&response, 413, "RequestTooLargeException");
        let expected =
            "Request must be smaller than 6291456 bytes for the InvokeFunction operation";
        assert_eq!(text, expected, "{length}");
    }
    let event = [("X-Amz-Invocation-Type", "Event")];
    let text =
        check_error(&invoke(&rig, "f", &event, &of(1_048_577)), 413, "RequestTooLargeException");
    assert!(text.contains("1048576"), "{text}");
}

#[test]
fn when_all_processes_stay_busy_a_call_is_throttled() {
    let function = Function::new(HANDLER);
    let option = format!("{},concurrency=1", function.option("one"));
    let rig = Rig::with(HANDLER, &["--function", &option]);
    let held = std::thread::scope(|scope| {
        let held = scope.spawn(|| invoke(&rig, "one", &[], br#""hold""#));
        until(PATIENCE, "the first to run", || !function.lines("invoked").is_empty());
        let response = invoke(&rig, "one", &[], b"{}");
        assert_eq!(check_error(&response, 429, "TooManyRequestsException"), "Rate Exceeded.");
        let reason = "ReservedFunctionConcurrentInvocationLimitExceeded";
        assert_eq!(response.json()["Reason"], reason);
        std::fs::write(function.file("go"), "").unwrap();
        held.join().unwrap()
    });
    assert_eq!((held.status, held.text()), (200, r#""held""#));
}

#[test]
fn too_many_events_that_wait_are_throttled() {
    let function = Function::new(HANDLER);
    let option = format!("{},concurrency=1", function.option("one"));
    let rig = Rig::with(HANDLER, &["--function", &option]);
    let path = "/2015-03-31/functions/one/invocations";
    let event = [("X-Amz-Invocation-Type", "Event")];
    let mut connection = rig.gateway.http().connect();
    let refused = until_some(PATIENCE, "the backlog to be full", || {
        let response = connection.request("POST", path, &event, br#""hold""#);
        (response.status != 202).then_some(response)
    });
    check_error(&refused, 429, "TooManyRequestsException");
}

#[test]
fn functions_are_listed_and_described_without_their_secrets() {
    let other = Function::new(HANDLER);
    let option = format!("{},timeout=7,concurrency=3", other.option("other"));
    let rig = Rig::with(HANDLER, &["--function", &option]);
    let get = |path: &str| rig.ok("GET", path, &Value::Null);
    let page = get("/2015-03-31/functions/?MaxItems=1");
    assert_eq!(page["Functions"][0]["FunctionName"], "f");
    let next = format!("/2015-03-31/functions?Marker={}", page["NextMarker"].as_str().unwrap());
    let page = get(&next);
    let expected = &page["Functions"][0];
    assert_eq!(
        (page["NextMarker"].as_str(), expected["FunctionName"].as_str()),
        (None, Some("other"))
    );
    assert_eq!((&expected["Timeout"], &expected["Version"]), (&json!(7), &json!("$LATEST")));
    assert!(expected["State"].is_null() && expected["Environment"].is_null(), "{expected}");
    let all = get("/2015-03-31/functions?FunctionVersion=ALL");
    let arn = all["Functions"][0]["FunctionArn"].as_str().unwrap();
    assert_eq!(arn, format!("{ARN}:$LATEST"));
    let one = get("/2015-03-31/functions/other");
    assert_eq!(one["Configuration"]["State"], "Active");
    assert_eq!(one["Concurrency"]["ReservedConcurrentExecutions"], 3);
    let configuration = get("/2015-03-31/functions/other/configuration");
    assert_eq!(configuration, one["Configuration"]);
    let concurrency = get("/2019-09-30/functions/other/concurrency");
    assert_eq!(concurrency, json!({"ReservedConcurrentExecutions": 3}));
    let urls = get("/2021-10-31/functions/other/urls");
    assert_eq!(urls, json!({"FunctionUrlConfigs": []}));
    let settings = get("/2016-08-19/account-settings/");
    assert_eq!(settings["AccountUsage"]["FunctionCount"], 2);
    for path in [
        "/2015-03-31/functions/nobody",
        "/2015-03-31/functions/nobody/configuration",
        "/2019-09-30/functions/nobody/concurrency",
        "/2021-10-31/functions/nobody/urls",
    ] {
        let text = rig.refused("GET", path, &Value::Null, 404, "ResourceNotFoundException");
        assert!(text.ends_with(":function:nobody"), "{text}");
    }
    let path = "/2015-03-31/functions?FunctionVersion=SOME";
    rig.refused("GET", path, &Value::Null, 400, "ValidationException");
}

#[test]
fn a_function_goes_on_when_nobody_waits_for_its_answer() {
    let rig = rig();
    let mut connection = rig.gateway.http().connect();
    let head = "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                Content-Length: 6\r\n\r\n\"hold\"";
    connection.write(head.as_bytes());
    until(PATIENCE, "the function to run", || !rig.function.lines("invoked").is_empty());
    drop(connection);
    // By the time others are answered it is known that this one has left.
    for _ in 0..10 {
        assert_eq!(rig.gateway.http().get("/healthz").status, 200);
    }
    std::fs::write(rig.function.file("go"), "").unwrap();
    until(PATIENCE, "the function to finish", || rig.function.lines("finished") == ["held"]);
}
