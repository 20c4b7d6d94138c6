use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::config::FunctionSpec;
use crate::identity::Identity;
use crate::lambda::invoke::Call;
use crate::lambda::outcome::{Answer, Fault, Refusal};

/// A function given as a shell script for bash, with a client of the Runtime API in front.
fn function(directory: &Path, script: &str, spec: impl FnOnce(&mut FunctionSpec)) -> LocalFunction {
    write_bootstrap(directory, script);
    let mut given = spec_of("f", directory, 20, Some(1));
    spec(&mut given);
    let identity = Identity::new(None, None, None);
    let functions = LocalFunctions::new(&[given], None, &identity, "http://127.0.0.1:1", None);
    functions.get("f").unwrap()
}

/// By way of another file: one that is open for writing cannot be run.
fn write_bootstrap(directory: &Path, script: &str) {
    let new = directory.join("bootstrap.new");
    fs::write(&new, format!("#!/usr/bin/env bash\n{CLIENT}\n{script}\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, directory.join("bootstrap")).unwrap();
}

fn spec_of(
    name: &str,
    directory: impl AsRef<Path>,
    timeout: u64,
    concurrency: Option<u32>,
) -> FunctionSpec {
    let spec = FunctionSpec::new(name, directory.as_ref().into());
    FunctionSpec { timeout: Some(Duration::from_secs(timeout)), concurrency, ..spec }
}

const CLIENT: &str = include_str!("client.bash");

fn call(event: &str, start_by: Instant) -> Call {
    let event = Bytes::copy_from_slice(event.as_bytes());
    Call {
        event,
        timeout: Duration::from_secs(5),
        start_by,
        trace_header: None,
        kind: crate::lambda::invoke::Kind::Wait,
        wants_log: false,
    }
}

async fn invoke(function: &LocalFunction, event: &str) -> Answer {
    let start_by = Instant::now() + Duration::from_secs(30);
    function.invoke(call(event, start_by)).await.answer
}

#[track_caller]
fn success(answer: Answer) -> String {
    match answer {
        Answer::Ran { function_error: None, payload } => {
            String::from_utf8(payload.to_vec()).unwrap()
        }
        other => panic!("no success: {other:?}"),
    }
}

#[track_caller]
fn error(answer: Answer) -> Value {
    match answer {
        Answer::Ran { function_error: Some(kind), payload } => {
            assert_eq!(kind, "Unhandled");
            serde_json::from_slice(&payload).unwrap()
        }
        other => panic!("no error: {other:?}"),
    }
}

#[tokio::test]
async fn a_process_answers_event_after_event() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"while next; do answer "$$ $body"; done"#;
    let function = function(directory.path(), script, |_| ());
    let first = success(invoke(&function, r#"{"é":"\n"}"#).await);
    let (pid, event) = first.split_once(' ').unwrap();
    assert_eq!(event, r#"{"é":"\n"}"#, "byte for byte");
    for n in 0..20 {
        let again = success(invoke(&function, &n.to_string()).await);
        assert_eq!(again, format!("{pid} {n}"), "the process stays");
    }
}

#[tokio::test]
async fn the_example_runs_and_reports_no_failures() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello");
    let spec = spec_of("hello", example, 20, None);
    let identity = Identity::new(None, None, None);
    let functions = LocalFunctions::new(&[spec], None, &identity, "http://127.0.0.1:1", None);
    let event = json!({"Records": [{"body": "say \"body\":\"x\" \\ é"}, {"body": ""}]});
    for _ in 0..50 {
        let answer = invoke(&functions.get("hello").unwrap(), &event.to_string()).await;
        assert_eq!(success(answer), r#"{"batchItemFailures":[]}"#);
    }
}

#[tokio::test]
async fn a_process_sees_what_lambda_promises_and_nothing_of_ours() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"next; answer "$headers
$(env)
cwd=$PWD""#;
    let function = function(directory.path(), script, |_| ());
    let seen = success(invoke(&function, "{}").await).to_lowercase();
    for line in [
        "content-type: application/json",
        "lambda-runtime-invoked-function-arn: \
         arn:aws:lambda:us-east-1:000000000000:function:f",
        "lambda-runtime-trace-id: root=1-",
        "lambda-runtime-deadline-ms: 1",
        "_handler=f",
        "aws_lambda_function_name=f",
        "aws_region=us-east-1",
        "aws_endpoint_url_sqs=http://127.0.0.1:1",
        "aws_ec2_metadata_disabled=true",
        "aws_lambda_runtime_api=127.0.0.1:",
        &format!("cwd={}", directory.path().display()).to_lowercase(),
    ] {
        assert!(seen.contains(line), "{line} in {seen}");
    }
    for name in ["home=", "cargo", "rust"] {
        let found = seen.lines().find(|line| line.starts_with(name));
        assert_eq!(found, None, "karin's own environment is not passed on");
    }
}

#[tokio::test]
async fn a_process_gets_the_id_the_trace_and_the_context_of_its_call() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"while next; do answer "$headers"; done"#;
    let function = function(directory.path(), script, |_| ());
    let start_by = Instant::now() + Duration::from_secs(30);
    let mut call = LocalCall::new("{}".into(), start_by);
    // {"custom":{"n":1}}
    call.client_context = Some(ClientContext::parse("eyJjdXN0b20iOnsibiI6MX19").unwrap());
    call.trace_header = Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1".into());
    let answer = function.run(call.clone()).await;
    let headers = success(answer.answer).to_lowercase();
    for line in [
        &format!("lambda-runtime-aws-request-id: {}", answer.request_id),
        r#"lambda-runtime-client-context: {"custom":{"n":1}}"#,
        "lambda-runtime-trace-id: root=1-5759e988-bd862e3fe1be46a994272793;sampled=1",
    ] {
        assert!(headers.contains(line), "{line} in {headers}");
    }
    call.trace_header = Some("no\nheader".into());
    let headers = success(function.run(call).await.answer).to_lowercase();
    assert!(headers.contains("lambda-runtime-trace-id: root=1-"), "{headers}");
}

#[tokio::test]
async fn events_nobody_waits_for_run_when_a_process_is_free_and_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"while next; do
echo "$id $body" >> events
while [[ ! -e go ]]; do sleep 0.01; done
answer null; done"#;
    let function = function(directory.path(), script, |_| ());
    let call = |n: usize| LocalCall::new(n.to_string().into(), Instant::now());
    let first = function.run_later(call(0)).unwrap();
    // One runs, one is next in line.
    let seen = || fs::read_to_string(directory.path().join("events")).unwrap_or_default();
    let deadline = Instant::now() + Duration::from_secs(10);
    while seen().is_empty() {
        assert!(Instant::now() < deadline, "it never ran");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let refused = (1..5_000).find_map(|n| function.run_later(call(n)).err()).unwrap();
    assert_eq!(refused.fault, Fault::Throttled, "{refused:?}");
    fs::write(directory.path().join("go"), "").unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while seen().lines().count() < 1_000 {
        assert!(Instant::now() < deadline, "{}", seen().lines().count());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seen = seen();
    assert_eq!(seen.lines().next(), Some(format!("{first} 0").as_str()));
    let bodies: Vec<usize> =
        seen.lines().map(|l| l.split_once(' ').unwrap().1.parse().unwrap()).collect();
    assert!(bodies.is_sorted() && bodies.len() <= 1_002, "in order, each once");
}

#[tokio::test]
async fn an_error_a_crash_and_a_failed_start_are_function_errors() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"next; fail '{"errorType":"E"}'"#;
    let told = function(directory.path(), script, |_| ());
    assert_eq!(error(invoke(&told, "{}").await), json!({"errorType": "E"}));

    let crashing = function(directory.path(), "next; exit 3", |_| ());
    let crash = error(invoke(&crashing, "{}").await);
    assert_eq!(crash["errorType"], "Runtime.ExitError");
    assert!(crash["errorMessage"].as_str().unwrap().contains("exit status: 3"), "{crash}");

    let killed = function(directory.path(), "next; kill -9 $$", |_| ());
    let crash = error(invoke(&killed, "{}").await);
    assert!(crash["errorMessage"].as_str().unwrap().contains("signal: 9"), "{crash}");

    let script = r#"call POST $api/init/error '{"errorType":"I"}'; exit 1"#;
    let failing = function(directory.path(), script, |_| ());
    assert_eq!(error(invoke(&failing, "{}").await), json!({"errorType": "I"}));

    let ending = function(directory.path(), "exit 4", |_| ());
    assert_eq!(error(invoke(&ending, "{}").await)["errorType"], "Runtime.ExitError");
}

#[tokio::test]
async fn a_function_that_overruns_its_timeout_is_killed_with_its_children() {
    let directory = tempfile::tempdir().unwrap();
    let script = "next; sleep 600 & echo $! > child; wait";
    let function = function(directory.path(), script, |spec| {
        spec.timeout = Some(Duration::from_secs(1));
    });
    let timeout = error(invoke(&function, "{}").await);
    assert_eq!(timeout["errorType"], "Sandbox.Timedout");
    let message = timeout["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("Error: Task timed out after 1.00 seconds"), "{message}");
    let child = fs::read_to_string(directory.path().join("child")).unwrap();
    let child = rustix::process::Pid::from_raw(child.trim().parse().unwrap()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_alive(child) {
        assert!(Instant::now() < deadline, "the child lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a process runs; one that nobody has reaped yet does not.
fn is_alive(process: rustix::process::Pid) -> bool {
    let stat = format!("/proc/{}/stat", process.as_raw_nonzero());
    fs::read_to_string(stat).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_and_the_process_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"
next
printf -v big '%*s' "$((6291456 + 101))" ''
answer "$big"
next
answer "the status was $status"
next
answer "${big:1}"
next
"#;
    let function = function(directory.path(), script, |_| ());
    let refused = error(invoke(&function, "1").await);
    assert_eq!(refused["errorType"], "Function.ResponseSizeTooLarge");
    let largest = success(invoke(&function, "2").await);
    assert!(largest.starts_with("the status was"), "{largest}");
    assert_eq!(success(invoke(&function, "3").await).len(), RESPONSE_BYTES_MAX);
}

const RESPONSE_BYTES_MAX: usize = 6_291_556;

#[tokio::test]
async fn wrong_calls_are_told_so_and_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"
next
right=$id; seen=
id=nonsense; answer x; seen+="$status "
call GET $api/invocation/next ''; seen+="$status "
call POST $api/init/error '{}'; seen+="$status "
call GET /nowhere ''; seen+="$status "
id=$right; answer "$seen"
first=$status
answer again; second=$status
next; answer "$first $second"
next
"#;
    let function = function(directory.path(), script, |_| ());
    assert_eq!(success(invoke(&function, "{}").await), "400 403 403 404 ");
    assert_eq!(success(invoke(&function, "{}").await), "202 403");
}

async fn wait_for_free_slots(function: &LocalFunction, enough: impl Fn(usize) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !enough(function.free_slots()) {
        assert!(Instant::now() < deadline, "{} free", function.free_slots());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn more_events_than_processes_wait_their_turn_or_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"while next; do sleep 0.3; answer "$$"; done"#;
    let function = function(directory.path(), script, |spec| spec.concurrency = Some(2));
    let answers = futures_util::future::join_all((0..4).map(|_| invoke(&function, "{}"))).await;
    let pids: std::collections::HashSet<_> = answers.into_iter().map(success).collect();
    assert_eq!(pids.len(), 2, "two processes did all the work");

    // The slots are given back a moment after the answers.
    wait_for_free_slots(&function, |free| free == 2).await;
    let clone = function.clone();
    let blocked = tokio::spawn(async move {
        futures_util::future::join_all((0..2).map(|_| invoke(&clone, "{}"))).await
    });
    wait_for_free_slots(&function, |free| free == 0).await;
    let refused = function.invoke(call("{}", Instant::now())).await.answer;
    assert!(
        matches!(&refused, Answer::Refused(Refusal { fault: Fault::Throttled, .. })),
        "{refused:?}"
    );
    assert_eq!(blocked.await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_process_that_died_while_it_waited_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"next; answer "$$"; call GET $api/nothing ''"#;
    let function = function(directory.path(), script, |_| ());
    let mut pids = std::collections::HashSet::new();
    for _ in 0..3 {
        pids.insert(success(invoke(&function, "{}").await));
    }
    assert_eq!(pids.len(), 3, "each ended after its answer");
}

#[tokio::test]
async fn a_function_that_cannot_be_started_waits_for_somebody_to_repair_it() {
    let directory = tempfile::tempdir().unwrap();
    let spec = spec_of("f", directory.path(), 1, None);
    let identity = Identity::new(None, None, None);
    let functions = LocalFunctions::new(&[spec], None, &identity, "http://127.0.0.1:1", None);
    let answer = invoke(&functions.get("f").unwrap(), "{}").await;
    assert!(
        matches!(&answer, Answer::Refused(Refusal { fault: Fault::Operator, .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_slow_start_is_left_to_later_events() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"while [[ ! -e go ]]; do sleep 0.02; done
while next; do answer "$$"; done"#;
    let function = function(directory.path(), script, |_| ());
    let start_by = Instant::now() + Duration::from_millis(200);
    let refused = function.invoke(call("{}", start_by)).await.answer;
    assert!(
        matches!(&refused, Answer::Refused(Refusal { fault: Fault::Throttled, .. })),
        "{refused:?}"
    );
    fs::write(directory.path().join("go"), "").unwrap();
    success(invoke(&function, "{}").await);
}

#[tokio::test]
async fn stopping_kills_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"while next; do answer "$$"; done"#;
    let function = function(directory.path(), script, |_| ());
    let pid = success(invoke(&function, "{}").await).parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    function.stop();
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_alive(pid) {
        assert!(Instant::now() < deadline, "the process lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(matches!(invoke(&function, "{}").await, Answer::Refused(_)));
}

async fn run(function: &LocalFunction, event: &str) -> (Answer, String, String) {
    let start_by = Instant::now() + Duration::from_secs(30);
    let call = LocalCall::new(Bytes::copy_from_slice(event.as_bytes()), start_by);
    let LocalAnswer { answer, request_id, log_tail } = function.run(call).await;
    (answer, request_id, String::from_utf8(log_tail.to_vec()).unwrap())
}

#[tokio::test]
async fn the_log_of_an_invocation_is_what_it_wrote_before_its_answer() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"
echo starting
while next; do
  echo "one $body"; echo "two $body" >&2; printf 'no end %s' "$body"
  answer null
done"#;
    let function = function(directory.path(), script, |_| ());
    for n in 0..50 {
        let (answer, id, log) = run(&function, &n.to_string()).await;
        assert_eq!(success(answer), "null");
        let start = format!(
            "START RequestId: {id} Version: $LATEST\none {n}\ntwo {n}\nno end {n}\n\
             END RequestId: {id}\nREPORT RequestId: {id}\tDuration: "
        );
        assert!(log.starts_with(&start), "{log}");
        assert!(log.contains("\tMemory Size: 128 MB\tMax Memory Used: "), "{log}");
        assert_eq!(log.contains("\tInit Duration: "), n == 0, "{log}");
        assert!(log.ends_with("\t\n"), "{log}");
    }
}

#[tokio::test]
async fn a_failed_invocation_keeps_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let crashing = function(directory.path(), "next; echo last words; exit 3", |_| ());
    let (answer, id, log) = run(&crashing, "{}").await;
    error(answer);
    let words = format!(
        "last words\nRequestId: {id} Error: Runtime exited with error: exit status: 3\nEND "
    );
    assert!(log.contains(&words), "{log}");
    assert!(log.ends_with("\tStatus: error\tError Type: Runtime.ExitError\t\n"), "{log}");

    let slow = function(directory.path(), "next; echo begun; sleep 600", |spec| {
        spec.timeout = Some(Duration::from_secs(1));
    });
    let (answer, _, log) = run(&slow, "{}").await;
    error(answer);
    assert!(log.contains("begun\n") && log.contains("Task timed out after 1.00 seconds"), "{log}");
    assert!(log.ends_with("\tStatus: timeout\t\n"), "{log}");

    let ending = function(directory.path(), "echo no luck >&2; exit 1", |_| ());
    let (answer, _, log) = run(&ending, "{}").await;
    error(answer);
    assert_eq!(log, "no luck\n");

    let loud = function(directory.path(), "next; head -c 3000000 /dev/zero; answer null", |_| ());
    let (answer, _, log) = run(&loud, "{}").await;
    success(answer);
    assert_eq!(log.len(), 4_096);
}

#[tokio::test]
async fn a_process_without_work_is_asked_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"trap 'touch asked; exit' TERM
while next; do answer "$$"; done"#;
    let function = function(directory.path(), script, |spec| {
        spec.idle = Some(Duration::from_secs(1));
    });
    let first = success(invoke(&function, "{}").await);
    let pid = rustix::process::Pid::from_raw(first.parse().unwrap()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_alive(pid) {
        assert!(Instant::now() < deadline, "the process lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_ne!(success(invoke(&function, "{}").await), first, "the next event starts another");
}

#[tokio::test]
async fn changed_files_mean_new_processes_and_a_running_one_finishes() {
    let directory = tempfile::tempdir().unwrap();
    let script = |answer: &str| {
        format!(
            "while next; do touch began\n\
             if [[ $body == slow ]]; then while [[ ! -e go ]]; do sleep 0.01; done; fi\n\
             answer \"{answer} $$ $OWN\"; done"
        )
    };
    let function = function(directory.path(), &script("old"), |spec| spec.concurrency = Some(2));
    let clone = function.clone();
    let slow = tokio::spawn(async move { success(invoke(&clone, "slow").await) });
    let deadline = Instant::now() + Duration::from_secs(10);
    while !directory.path().join("began").exists() {
        assert!(Instant::now() < deadline, "it never began");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(success(invoke(&function, "{}").await).starts_with("old "));
    write_bootstrap(directory.path(), &script("new"));
    let settings = "[environment]\nOWN = 'mine'\nTZ = ':Asia/Tokyo'";
    fs::write(directory.path().join("function.toml"), settings).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = success(invoke(&function, "{}").await);
        if answer.starts_with("new ") && answer.ends_with(" mine") {
            break;
        }
        assert!(Instant::now() < deadline, "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fs::write(directory.path().join("go"), "").unwrap();
    assert!(slow.await.unwrap().starts_with("old "), "it finished in peace");
    for _ in 0..4 {
        let both = futures_util::future::join(invoke(&function, "{}"), invoke(&function, "{}"));
        let (one, other) = both.await;
        assert!(success(one).starts_with("new ") && success(other).starts_with("new "));
    }
}
