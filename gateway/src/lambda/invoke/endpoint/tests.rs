use std::sync::Arc;
use std::time::Instant;

use aws_credential_types::Credentials;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::lambda::profile::ANSWER_BYTES_MAX;

fn endpoint(listener: &TcpListener, profile: LambdaProfile) -> Endpoint {
    at(&format!("http://{}/", listener.local_addr().unwrap()), profile)
}

fn at(url: &str, profile: LambdaProfile) -> Endpoint {
    let credentials = Credentials::new("karin", "karin", None, None, "test");
    Endpoint::new(url, profile, "eu-west-1", Signer::new(credentials))
}

fn call(timeout: Duration) -> Call {
    Call {
        event: "{}".into(),
        timeout,
        start_by: Instant::now() + Duration::from_secs(30),
        trace_header: Some("Root=1-a;Lineage=b:1".into()),
        kind: Kind::Wait,
        wants_log: false,
    }
}

async fn invoke(endpoint: &Endpoint, function: &str) -> Answer {
    endpoint.invoke(function, call(Duration::from_secs(5))).await.answer
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Reads a request with the body `{}`; `None` when the connection was closed.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    loop {
        let mut bytes = [0; 4_096];
        let count = stream.read(&mut bytes).await.ok().filter(|count| *count > 0)?;
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        if text.ends_with("{}") {
            return Some(text);
        }
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

async fn write(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

fn reason(answer: Answer, expected: Fault) -> String {
    match answer {
        Answer::Refused(refusal) if refusal.fault == expected => refusal.reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_can_have_run() {
    let unused = listen().await.local_addr().unwrap();
    let url = format!("http://{unused}");
    for profile in [LambdaProfile::Auto, LambdaProfile::Aws] {
        let reason = reason(invoke(&at(&url, profile), "f").await, Fault::Transient);
        assert!(reason.contains(&url) && reason.contains("refused"), "{reason}");
    }
}

#[tokio::test]
async fn when_the_connection_breaks_after_the_request_nothing_is_known() {
    let listener = listen().await;
    let endpoint = endpoint(&listener, LambdaProfile::Aws);
    let partial = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    let server = tokio::spawn(async move {
        for reply in ["", "HTTP/1.1 200", partial, "no HTTP\r\n\r\n"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await.unwrap();
            write(&mut stream, reply).await;
        }
    });
    for _ in 0..4 {
        let answer = invoke(&endpoint, "f").await;
        assert!(matches!(&answer, Answer::Unknown { .. }), "{answer:?}");
    }
    server.await.unwrap();
}

/// Whoever closes a kept connection while a request is under way may have read it.
#[tokio::test]
async fn a_request_is_never_sent_twice_over_a_connection_that_breaks() {
    let listener = listen().await;
    let endpoint = endpoint(&listener, LambdaProfile::Aws);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await.unwrap();
        write(&mut stream, &answer(200, "", "null")).await;
        request(&mut stream).await.unwrap();
        drop(stream);
        // The third one comes over a connection of its own.
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await.unwrap();
        write(&mut stream, &answer(200, "", "null")).await;
        assert_eq!(request(&mut stream).await, None);
    });
    assert!(matches!(invoke(&endpoint, "f").await, Answer::Ran { .. }));
    assert!(matches!(invoke(&endpoint, "f").await, Answer::Unknown { .. }));
    assert!(matches!(invoke(&endpoint, "f").await, Answer::Ran { .. }));
    drop(endpoint);
    server.await.unwrap();
}

/// A connection that was closed while nobody used it is not used.
#[tokio::test]
async fn a_connection_that_was_closed_in_time_costs_nothing() {
    let listener = listen().await;
    let endpoint = Arc::new(endpoint(&listener, LambdaProfile::Aws));
    let server = tokio::spawn(async move {
        for _ in 0..20 {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await.unwrap();
            write(&mut stream, &answer(200, "Connection: close\r\n", "null")).await;
        }
    });
    for _ in 0..20 {
        assert!(matches!(invoke(&endpoint, "f").await, Answer::Ran { .. }));
    }
    server.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_everything_open() {
    let listener = listen().await;
    let wire = Wire::new();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let ask = || Request::post(&url).body(Full::new(Bytes::from_static(b"{}"))).unwrap();
    let server = tokio::spawn(async move {
        let (mut silent, _) = listener.accept().await.unwrap();
        request(&mut silent).await.unwrap();
        let (mut slow, _) = listener.accept().await.unwrap();
        request(&mut slow).await.unwrap();
        write(&mut slow, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
        // Both end when they are given up.
        assert_eq!(request(&mut silent).await, None);
        assert_eq!(request(&mut slow).await, None);
    });
    for _ in 0..2 {
        let silence = wire.send(ask(), Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(silence, Silence::Lost(_)), "{silence:?}");
    }
    drop(wire);
    server.await.unwrap();
}

#[tokio::test]
async fn the_request_is_lambdas_and_signed() {
    let listener = listen().await;
    let endpoint = endpoint(&listener, LambdaProfile::Aws);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let text = request(&mut stream).await.unwrap();
        write(&mut stream, &answer(200, "", "null")).await;
        text
    });
    invoke(&endpoint, "arn:aws:lambda:us-west-2:111122223333:function:f:live").await;
    let text = server.await.unwrap();
    let name = "arn%3Aaws%3Alambda%3Aus-west-2%3A111122223333%3Afunction%3Af%3Alive";
    let first = format!("POST /2015-03-31/functions/{name}/invocations HTTP/1.1\r\n");
    assert!(text.starts_with(&first), "{text}");
    for header in [
        "content-type: application/json\r\n",
        "content-length: 2\r\n",
        "x-amz-invocation-type: RequestResponse\r\n",
        "x-amzn-trace-id: Root=1-a;Lineage=b:1\r\n",
        "authorization: AWS4-HMAC-SHA256 Credential=karin/",
        "/us-west-2/lambda/aws4_request, SignedHeaders=",
    ] {
        assert!(text.contains(header), "{header} in {text}");
    }
}

#[tokio::test]
async fn an_answer_larger_than_lambdas_is_the_functions_failure() {
    let listener = listen().await;
    let endpoint = endpoint(&listener, LambdaProfile::Aws);
    let server = tokio::spawn(async move {
        for bytes in [ANSWER_BYTES_MAX, ANSWER_BYTES_MAX + 1] {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await.unwrap();
            let text = answer(200, "Connection: close\r\n", &"1".repeat(bytes));
            let _given_up = stream.write_all(text.as_bytes()).await;
        }
    });
    let Answer::Ran { function_error: None, payload } = invoke(&endpoint, "f").await else {
        panic!("it fits");
    };
    assert_eq!(payload.len(), ANSWER_BYTES_MAX);
    let Answer::Ran { function_error: Some(_), payload } = invoke(&endpoint, "f").await else {
        panic!("it does not fit");
    };
    assert!(payload.starts_with(br#"{"errorType":"Function.ResponseSizeTooLarge""#));
    server.await.unwrap();
}

/// Answers every request by whether it is a dry run; the requests it got.
fn serve(listener: TcpListener, dry: String, run: String) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (dry, run, requests) = (dry.clone(), run.clone(), Arc::clone(&requests));
            tokio::spawn(async move {
                while let Some(text) = request(&mut stream).await {
                    let reply = if text.contains("DryRun") { &dry } else { &run };
                    requests.lock().unwrap().push(text);
                    write(&mut stream, reply).await;
                }
            });
        }
    });
    seen
}

#[tokio::test]
async fn what_an_endpoint_is_is_asked_once_and_again_after_it_was_away() {
    let first = listen().await;
    let address = first.local_addr().unwrap();
    let endpoint = Arc::new(endpoint(&first, LambdaProfile::Auto));
    let sam = answer(404, "X-Amzn-ErrorType: ResourceNotFound\r\nConnection: close\r\n", "{}");
    let ran = answer(200, "Connection: close\r\n", "null");
    let server = tokio::spawn(async move {
        // Two at once, and one asks.
        for reply in [sam, ran.clone(), ran] {
            let (mut stream, _) = first.accept().await.unwrap();
            request(&mut stream).await.unwrap();
            write(&mut stream, &reply).await;
        }
    });
    let (one, other) = tokio::join!(invoke(&endpoint, "f:live"), invoke(&endpoint, "f"));
    assert!(matches!((one, other), (Answer::Ran { .. }, Answer::Ran { .. })));
    server.await.unwrap();
    assert_eq!(endpoint.known().unwrap().name, "sam");
    reason(invoke(&endpoint, "f").await, Fault::Transient);
    assert!(endpoint.known().is_none());
    let second = TcpListener::bind(address).await.unwrap();
    let seen = serve(second, answer(204, "", ""), answer(200, "", "1"));
    assert!(matches!(invoke(&endpoint, "f:live").await, Answer::Ran { .. }));
    assert_eq!(endpoint.known().unwrap().name, "aws");
    let seen = seen.lock().unwrap();
    assert!(seen[1].contains("/f%3Alive/"), "with its qualifier again: {seen:?}");
}

#[tokio::test]
async fn what_is_no_lambda_endpoint_gets_no_event() {
    let listener = listen().await;
    let endpoint = endpoint(&listener, LambdaProfile::Auto);
    let page = answer(200, "Content-Type: text/html\r\n", "<html>It works!</html>");
    let seen = serve(listener, page.clone(), page);
    for _ in 0..2 {
        let reason = reason(invoke(&endpoint, "f").await, Fault::Operator);
        assert!(reason.contains("web page"), "{reason}");
    }
    let seen = seen.lock().unwrap();
    assert!(seen.len() == 2 && seen.iter().all(|text| text.contains("DryRun")), "{seen:?}");
}

#[tokio::test]
async fn where_one_runs_at_a_time_the_others_wait_their_turn() {
    let listener = listen().await;
    let endpoint = Arc::new(endpoint(&listener, LambdaProfile::Rie));
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let text = request(&mut stream).await.unwrap();
        assert!(text.starts_with("POST /2015-03-31/functions/function/invocations "), "{text}");
        released.await.unwrap();
        write(&mut stream, &answer(200, "", "1")).await;
        request(&mut stream).await.unwrap();
        write(&mut stream, &answer(200, "", "2")).await;
    });
    let first = tokio::spawn({
        let endpoint = Arc::clone(&endpoint);
        async move { invoke(&endpoint, "f").await }
    });
    while endpoint.alone.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let hasty = Call { start_by: Instant::now() + Duration::from_millis(50), ..call(ASK_MAX) };
    let words = reason(endpoint.invoke("f", hasty).await.answer, Fault::Throttled);
    assert!(words.contains("one function at a time"), "{words}");
    let second = tokio::spawn({
        let endpoint = Arc::clone(&endpoint);
        async move { invoke(&endpoint, "f").await }
    });
    release.send(()).unwrap();
    for (task, expected) in [(first, "1"), (second, "2")] {
        let Answer::Ran { payload, .. } = task.await.unwrap() else { panic!("it ran") };
        assert_eq!(&payload[..], expected.as_bytes());
    }
    server.await.unwrap();
}

#[tokio::test]
async fn a_probe_runs_nothing() {
    for (status, headers, expected) in [
        (204, "", None),
        (404, "X-Amzn-ErrorType: ResourceNotFoundException\r\n", Some(Fault::Operator)),
        (429, "", Some(Fault::Throttled)),
    ] {
        let listener = listen().await;
        let endpoint = endpoint(&listener, LambdaProfile::Aws);
        let seen = serve(listener, answer(status, headers, ""), String::new());
        assert_eq!(endpoint.probe("f").await.map(|refusal| refusal.fault), expected);
        let seen = seen.lock().unwrap();
        assert!(seen[0].contains("x-amz-invocation-type: DryRun\r\n"), "{seen:?}");
    }
    // Where a dry run would run, nothing is sent but the question what it is.
    let listener = listen().await;
    let endpoint = endpoint(&listener, LambdaProfile::CargoLambda);
    let seen = serve(listener, String::new(), String::new());
    assert_eq!(endpoint.probe("f").await, None);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_took_too_long_to_be_recognised_runs_nothing() {
    let listener = listen().await;
    let endpoint = endpoint(&listener, LambdaProfile::Auto);
    let start_by = Instant::now() + Duration::from_millis(50);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await.unwrap();
        tokio::time::sleep_until(start_by.into()).await;
        write(&mut stream, &answer(404, "X-Amzn-ErrorType: ResourceNotFoundException\r\n", "{}"))
            .await;
        // Nothing follows until the client is gone.
        (request(&mut stream).await, listener)
    });
    let call = Call { start_by, ..call(Duration::from_secs(5)) };
    let refused = endpoint.invoke("f", call).await.answer;
    assert!(reason(refused, Fault::Transient).contains("too slowly"));
    drop(endpoint);
    assert_eq!(server.await.unwrap().0, None);
}
