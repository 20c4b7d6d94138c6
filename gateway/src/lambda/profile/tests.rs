use super::*;

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: Some(Bytes::copy_from_slice(body.as_bytes())), ..Reply::default() }
}

fn called(status: u16, error_type: &str, body: &str) -> Reply {
    Reply { error_type: Some(error_type.into()), ..reply(status, body) }
}

const ALL: [&Profile; 7] =
    [&AWS, &LOCALSTACK, &MINISTACK, &CARGO_LAMBDA, &SERVERLESS_OFFLINE, &SAM, &RIE];
const FAILURE: &str = r#"{"errorType":"E","errorMessage":"no"}"#;
const TIMEOUT: &str = "Task timed out after 3.00 seconds";

/// "ok", "failed" (the function's failure), "unknown", or whose fault a refusal is.
fn outcome(profile: &Profile, reply: Reply) -> String {
    match profile.answer(reply, Kind::Wait) {
        Answer::Ran { function_error: None, .. } => "ok".into(),
        Answer::Ran { .. } => "failed".into(),
        Answer::Unknown { .. } => "unknown".into(),
        Answer::HandedOver => "handed over".into(),
        Answer::Refused(refusal) => format!("{:?}", refusal.fault).to_lowercase(),
    }
}

#[test]
fn each_tool_is_given_the_name_it_knows() {
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:f:live";
    for profile in [&AWS, &LOCALSTACK, &MINISTACK, &UNKNOWN] {
        assert_eq!((profile.name_of(arn), profile.name_of("f:3")), (arn, "f:3"));
    }
    for profile in [&CARGO_LAMBDA, &SERVERLESS_OFFLINE, &SAM] {
        assert_eq!((profile.name_of(arn), profile.name_of("f:3")), ("f", "f"));
    }
    assert_eq!(RIE.name_of(arn), "function");
    assert_eq!(in_path(arn), "arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Af%3Alive");
    assert_eq!(in_path("a-b_c.d~/é"), "a-b_c.d~%2F%C3%A9");
}

#[test]
fn only_where_a_failure_has_no_header_the_rest_of_an_answer_tells_it() {
    let with_header = Reply { function_error: Some("Unhandled".into()), ..reply(200, "{}") };
    for profile in ALL.into_iter().chain([&UNKNOWN]) {
        assert_eq!(outcome(profile, with_header.clone()), "failed", "{}", profile.name);
        assert_eq!(outcome(profile, reply(200, "null")), "ok", "{}", profile.name);
    }
    // What each of them says of: 200 with a description, 200 with a timeout's words, 200 with
    // nothing, 200 with no JSON, 500 with a description, 408, 502.
    let table: [(&Profile, [&str; 7]); 7] = [
        (&AWS, ["ok", "ok", "ok", "ok", "transient", "transient", "transient"]),
        (&MINISTACK, ["ok", "ok", "ok", "ok", "transient", "transient", "transient"]),
        (&CARGO_LAMBDA, ["ok", "ok", "ok", "ok", "failed", "failed", "transient"]),
        (&SERVERLESS_OFFLINE, ["ok", "ok", "ok", "ok", "transient", "transient", "transient"]),
        (&SAM, ["ok", "ok", "failed", "ok", "transient", "transient", "transient"]),
        (&RIE, ["failed", "failed", "ok", "ok", "transient", "transient", "failed"]),
        (&UNKNOWN, ["failed", "failed", "ok", "failed", "failed", "failed", "transient"]),
    ];
    let replies = [
        reply(200, FAILURE),
        reply(200, TIMEOUT),
        reply(200, ""),
        reply(200, "done"),
        reply(500, FAILURE),
        reply(408, ""),
        reply(502, FAILURE),
    ];
    for (profile, expected) in table {
        let outcomes = replies.clone().map(|reply| outcome(profile, reply));
        assert_eq!(outcomes, expected, "{}", profile.name);
    }
}

#[test]
fn an_answer_that_only_looks_like_a_failure_is_none() {
    for body in [
        r#"{"errorType":"E"}"#,
        r#"{"errorType":1,"errorMessage":"x"}"#,
        r#"[{"errorType":"E","errorMessage":"x"}]"#,
        "Task timed out after x seconds",
        "The Task timed out after 3.00 seconds",
    ] {
        assert_eq!(outcome(&RIE, reply(200, body)), "ok", "{body}");
    }
    assert_eq!(outcome(&RIE, reply(200, " Task timed out after 10.00 seconds\n")), "failed");
}

#[test]
fn a_failure_keeps_its_description() {
    let Answer::Ran { payload, .. } = CARGO_LAMBDA.answer(reply(500, FAILURE), Kind::Wait) else {
        panic!("it ran");
    };
    assert_eq!(&payload[..], FAILURE.as_bytes());
    let large = Reply { body: None, ..reply(200, "") };
    let Answer::Ran { function_error: Some(_), payload } = AWS.answer(large, Kind::Wait) else {
        panic!("it is the function's failure");
    };
    assert!(String::from_utf8_lossy(&payload).contains("Function.ResponseSizeTooLarge"));
}

#[test]
fn lambdas_own_errors_are_the_same_from_every_tool() {
    let not_found = r#"{"Type":"User","Message":"Function not found: f"}"#;
    for profile in ALL.into_iter().chain([&UNKNOWN]) {
        let is = |reply: Reply, expected: &str| {
            assert_eq!(outcome(profile, reply.clone()), expected, "{} {reply:?}", profile.name);
        };
        is(called(404, "ResourceNotFoundException", not_found), "operator");
        is(called(404, "ResourceNotFound", not_found), "operator");
        is(reply(404, r#"{"detail":"that function doesn't exist"}"#), "operator");
        is(called(429, "TooManyRequestsException:http://x/", "{}"), "throttled");
        is(called(500, "ServiceException", FAILURE), "transient");
        is(called(502, "com.amazonaws.lambda#KMSAccessDeniedException", "{}"), "operator");
        is(called(502, "InvalidZipFile", "{}"), "operator");
        is(called(400, "InvalidRequestContent", "{}"), "payload");
        is(called(400, "SnapStartException", FAILURE), "failed");
        is(called(413, "RequestTooLargeException", "{}"), "payload");
        is(reply(400, r#"{"__type":"InvalidParameterValueException","message":"x"}"#), "payload");
        is(called(501, "NotImplemented", "{}"), "transient");
        is(reply(202, ""), "unknown");
        is(reply(504, ""), "unknown");
        is(called(504, "Whatever", "{}"), "transient");
        for status in [200, 202] {
            assert_eq!(profile.answer(reply(status, ""), Kind::Handover), Answer::HandedOver);
        }
    }
    assert_eq!(outcome(&RIE, reply(400, "")), "throttled");
    assert_eq!(outcome(&AWS, reply(400, "")), "operator");
}

#[test]
fn the_reason_is_the_answers_own_words() {
    for (reply, words) in [
        (
            called(404, "ResourceNotFound", r#"{"Message":"no f"}"#),
            "404 ResourceNotFoundException no f",
        ),
        (
            reply(404, r#"{"detail":"no such binary","title":"Missing function"}"#),
            "404 no such binary",
        ),
        (reply(403, "go away"), "403 go away"),
        (reply(403, ""), "403"),
    ] {
        let Answer::Refused(refusal) = UNKNOWN.answer(reply, Kind::Wait) else { panic!("refused") };
        assert_eq!(refusal.reason, words);
    }
    let throttled = Reply { retry_after: Reply::seconds(" 7 "), ..reply(429, "") };
    let Answer::Refused(refusal) = AWS.answer(throttled, Kind::Wait) else { panic!("refused") };
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(Reply::seconds("Wed, 21 Oct 2015 07:28:00 GMT"), None);
}

#[test]
fn a_page_or_a_redirection_is_no_answer_of_a_function() {
    let page = |status, body| Reply {
        content_type: Some("text/html; charset=utf-8".into()),
        ..reply(status, body)
    };
    for profile in ALL.into_iter().chain([&UNKNOWN]) {
        for status in [200, 404, 405, 403] {
            assert_eq!(outcome(profile, page(status, "<html>It works!")), "operator");
        }
        assert_eq!(outcome(profile, reply(200, "\n<!DOCTYPE html><p>hello")), "operator");
        assert_eq!(outcome(profile, page(502, "<html>Bad gateway")), "transient");
        let moved = Reply { location: Some("https://elsewhere/".into()), ..reply(301, "") };
        assert_eq!(outcome(profile, moved), "operator");
    }
    // An empty answer is sometimes called so.
    assert_eq!(outcome(&SERVERLESS_OFFLINE, page(200, "")), "ok");
    assert_eq!(outcome(&AWS, reply(200, r#""<html>a string in JSON""#)), "ok");
}

/// What each tool answered to a dry run of a function that is not there: ministack 1.5.33,
/// cargo-lambda 1.9.2, serverless-offline 13.10.1 and the HTTP service of SAM 1.163 were asked;
/// RIE's are the words of Go for a path that is not there.
#[test]
fn each_tool_is_recognised_by_how_it_misses_a_function() {
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{NO_FUNCTION}");
    let ministack = format!(
        r#"{{"__type": "ResourceNotFoundException", "message": "Function not found: {arn}"}}"#
    );
    let aws = format!(r#"{{"Type":"User","Message":"Function not found: {arn}"}}"#);
    let sam = aws.replace("us-east-1:000000000000", "us-west-2:012345678901");
    let cargo =
        r#"{"detail":"that function doesn't exist as a binary","title":"Missing function"}"#;
    let offline = format!(r#"{{"Message":"Function not found: {NO_FUNCTION}","Type":"User"}}"#);
    let denied = r#"{"Message":"User is not authorized to perform: lambda:InvokeFunction"}"#;
    for (reply, expected) in [
        (called(404, "ResourceNotFoundException", &ministack), &AWS),
        (called(404, "ResourceNotFoundException", &aws), &AWS),
        (reply(404, &ministack), &AWS),
        (called(403, "AccessDeniedException", denied), &AWS),
        (reply(204, ""), &AWS),
        (reply(404, cargo), &CARGO_LAMBDA),
        (called(404, "ResourceNotFoundException", &offline), &SERVERLESS_OFFLINE),
        (called(404, "ResourceNotFound", &sam), &SAM),
        (reply(404, "404 page not found\n"), &RIE),
        (reply(200, "OK"), &UNKNOWN),
        (reply(200, "{}"), &UNKNOWN),
        (reply(404, ""), &UNKNOWN),
        (reply(500, "{}"), &UNKNOWN),
        (reply(501, "{}"), &UNKNOWN),
    ] {
        assert_eq!(recognise(&reply), Ok(expected), "{reply:?}");
    }
    for status in [429, 502, 503, 504] {
        assert!(recognise(&reply(status, "")).is_err(), "asked again later: {status}");
    }
    let page = Reply { content_type: Some("text/html".into()), ..reply(404, "<h1>Not found</h1>") };
    let refusal = recognise(&page).unwrap_err();
    assert_eq!(refusal.fault, Fault::Operator);
    assert!(refusal.reason.contains("no Lambda endpoint"), "{}", refusal.reason);
}

#[test]
fn every_name_in_the_configuration_has_its_profile() {
    for (name, expected) in [
        (LambdaProfile::Aws, &AWS),
        (LambdaProfile::CargoLambda, &CARGO_LAMBDA),
        (LambdaProfile::ServerlessOffline, &SERVERLESS_OFFLINE),
        (LambdaProfile::Sam, &SAM),
        (LambdaProfile::Rie, &RIE),
        (LambdaProfile::Localstack, &LOCALSTACK),
        (LambdaProfile::Ministack, &MINISTACK),
    ] {
        assert_eq!(Profile::of(name), Some(expected));
        assert_eq!(expected.name, name.name());
    }
    assert_eq!(Profile::of(LambdaProfile::Auto), None);
}
