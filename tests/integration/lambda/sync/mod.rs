//! What is read from AWS, and what becomes of it.

mod attributes;
mod scripted;

use std::time::Duration;

use karin_tests::gateway::Gateway;
use karin_tests::http::{Client, Response};
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::{Value, json};

use super::ministack::{Ministack, wait_for_queues};
use super::{Function, counts, queue_url, send, wait_until_empty};
use scripted::{Answer, Call, Scripted};

/// A zip with `app.py`: a handler that does nothing.
const CODE: &str = "UEsDBBQAAAAAAAAAIQBir9EfHwAAAB8AAAAGAAAAYXBwLnB5ZGVmIGhhbmRsZXIoZSwgYy\
                    k6IHJldHVybiBOb25lClBLAQIUAxQAAAAAAAAAIQBir9EfHwAAAB8AAAAGAAAAAAAAAAAA\
                    AACAAQAAAABhcHAucHlQSwUGAAAAAAEAAQA0AAAAQwAAAAAA";
/// What no function's environment may tell us.
const SECRET: &str = "hunter2-in-the-environment";
pub(crate) const FUNCTIONS: &str = "/2015-03-31/functions";
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

/// Calls to ministack as an SDK in eu-west-1 makes them.
pub(crate) struct Stack {
    ministack: Ministack,
}

impl Stack {
    /// With the function `worker`.
    pub(crate) fn start() -> Self {
        let stack = Self { ministack: Ministack::start() };
        let function = json!({
            "FunctionName": "worker", "Runtime": "python3.11", "Handler": "app.handler",
            "Role": "arn:aws:iam::000000000000:role/r", "Timeout": 4, "Code": {"ZipFile": CODE},
            "Environment": {"Variables": {"PASSWORD": SECRET}},
        });
        stack.lambda("POST", FUNCTIONS, &function);
        stack
    }

    fn request(
        &self,
        service: &str,
        method: &str,
        path: &str,
        target: &str,
        body: &str,
    ) -> Response {
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=00"
        );
        let kind = if target.is_empty() { "json" } else { "x-amz-json-1.0" };
        let kind = format!("application/{kind}");
        let mut headers = vec![("Authorization", signature.as_str()), ("Content-Type", &kind)];
        if !target.is_empty() {
            headers.push(("X-Amz-Target", target));
        }
        let http = Client::new(self.ministack.port());
        let response = http.request(method, path, &headers, body.as_bytes());
        assert!(response.status < 300, "{method} {path} {body}: {}", response.text());
        response
    }

    pub(crate) fn lambda(&self, method: &str, path: &str, body: &Value) -> Value {
        let response = self.request("lambda", method, path, "", &body.to_string());
        if response.body.is_empty() { Value::Null } else { response.json() }
    }

    fn sqs(&self, action: &str, input: &Value) -> Value {
        let target = format!("AmazonSQS.{action}");
        let response = self.request("sqs", "POST", "/", &target, &input.to_string());
        if response.body.is_empty() { Value::Null } else { response.json() }
    }

    /// Makes a mapping of `queue`, which has to exist, that AWS does not poll. Returns its UUID.
    pub(crate) fn map(&self, queue: &str) -> String {
        let mapping = json!({
            "EventSourceArn": arn(queue), "FunctionName": "worker", "Enabled": false,
        });
        self.lambda("POST", MAPPINGS, &mapping)["UUID"].as_str().unwrap().to_owned()
    }

    pub(crate) fn make_queue(&self, queue: &str) {
        self.sqs("CreateQueue", &json!({"QueueName": queue}));
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        self.ministack.url()
    }

    /// A gateway that reads this AWS every second.
    fn gateway(&self, redis: &RedisServer, arguments: &[&str]) -> Gateway {
        start(redis, &self.ministack.url(), arguments)
    }
}

fn start(redis: &RedisServer, endpoint: &str, arguments: &[&str]) -> Gateway {
    let mut all = vec!["--lambda-endpoint", endpoint, "--lambda-profile", "aws"];
    all.extend(["--region", "eu-west-1", "--sync-interval", "1"]);
    all.extend(arguments);
    Gateway::start(redis, &all)
}

pub(crate) fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:eu-west-1:000000000000:{queue}")
}

/// The map that is kept in Redis; `None` if there is none yet.
fn kept(redis: &RedisServer) -> Option<String> {
    let mut command = redis::cmd("HGET");
    command.arg("karin:map").arg("aws").query(&mut redis.connection()).unwrap()
}

fn wait_for_log(gateway: &Gateway, words: &str) {
    until(PATIENCE, &format!("{words:?} in the log"), || gateway.log().contains(words));
}

/// How often the log has these words.
fn said(gateway: &Gateway, words: &str) -> usize {
    gateway.log().matches(words).count()
}

#[test]
fn what_is_known_of_functions_is_kept_and_their_secrets_are_not() {
    let stack = Stack::start();
    stack.lambda(
        "PUT",
        "/2017-10-31/functions/worker/concurrency",
        &json!({
            "ReservedConcurrentExecutions": 7
        }),
    );
    let url = stack.lambda(
        "POST",
        "/2021-10-31/functions/worker/url",
        &json!({
            "AuthType": "NONE"
        }),
    );
    let url = url["FunctionUrl"].as_str().unwrap().to_owned();
    stack.make_queue("orders");
    stack.map("orders");
    let redis = RedisServer::start(&[]);
    let gateway = stack.gateway(&redis, &["--log", "debug"]);
    let map = until_some(PATIENCE, "the function's URL", || {
        kept(&redis).filter(|map| map.contains(&url))
    });
    let map: Value = serde_json::from_str(&map).unwrap();
    assert_eq!(map["catalog"]["reserved"]["worker"], 7);
    assert_eq!(map["catalog"]["functions"][0]["Timeout"], 4);
    assert_eq!(map["mappings"][0]["EventSourceArn"], arn("orders"));
    wait_for_log(&gateway, "1 mappings of AWS are served here; 1 new (orders -> worker)");
    for text in [map.to_string(), gateway.log()] {
        assert!(!text.contains(SECRET) && !text.contains("PASSWORD"), "{text}");
    }
}

#[test]
fn a_map_that_did_not_change_is_not_written_again() {
    let stack = Stack::start();
    stack.make_queue("orders");
    stack.map("orders");
    let redis = RedisServer::start(&[]);
    let gateway = stack.gateway(&redis, &["--log", "debug"]);
    until(PATIENCE, "some readings", || said(&gateway, "served here, as before") >= 3);
    let writes = || {
        let info = redis.info("commandstats");
        let line = info.lines().find(|line| line.starts_with("cmdstat_hset:")).unwrap().to_owned();
        line.split_once(',').unwrap().0.to_owned()
    };
    let before = writes();
    let readings = said(&gateway, "served here, as before");
    until(PATIENCE, "more readings", || said(&gateway, "served here, as before") >= readings + 2);
    assert_eq!(writes(), before);
    // And one that changed is.
    stack.make_queue("more");
    stack.map("more");
    wait_for_log(&gateway, "1 new (more -> worker)");
    assert_ne!(writes(), before);
}

#[test]
fn a_gateway_that_starts_while_aws_is_away_serves_the_last_good_map() {
    let mut stack = Stack::start();
    stack.make_queue("orders");
    stack.map("orders");
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    // AWS's mapping, and a function of that name on this machine.
    let mut gateway = stack.gateway(&redis, &["--function", &function.option("worker")]);
    wait_for_queues(&gateway, &["orders"]);
    until(PATIENCE, "the map to be kept", || kept(&redis).is_some());
    gateway.kill();
    stack.ministack.kill();
    gateway.restart();
    send(&gateway, "orders", "hi");
    let events = function.wait_for(1, PATIENCE);
    assert_eq!(events[0].bodies(), ["hi"]);
    assert_eq!(events[0].records[0]["eventSourceARN"], arn("orders"));
    wait_for_log(&gateway, "the last known ones stay");
    assert_eq!(said(&gateway, "unmapped"), 0);
}

#[test]
fn a_mapping_that_vanishes_is_drained_and_one_that_comes_back_is_served_again() {
    let stack = Stack::start();
    stack.make_queue("orders");
    let uuid = stack.map("orders");
    let redis = RedisServer::start(&[]);
    let function = Function::new("while [[ ! -e go ]]; do sleep 0.02; done; answer null");
    let option = format!("{},concurrency=1", function.option("worker"));
    let gateway = stack.gateway(&redis, &["--function", &option]);
    wait_for_queues(&gateway, &["orders"]);
    send(&gateway, "orders", "one");
    function.wait_for(1, PATIENCE);
    for body in ["two", "three"] {
        send(&gateway, "orders", body);
    }

    stack.lambda("DELETE", &format!("{MAPPINGS}/{uuid}"), &Value::Null);
    wait_for_log(&gateway, "the queue stays with 3 messages");
    assert_eq!(function.events().len(), 1);
    std::fs::write(function.file("go"), "").unwrap();
    // What ran was finished and deleted; the others are there.
    until(PATIENCE, "the drain", || counts(&gateway, "orders") == (2, 0, 0));
    assert_eq!(function.events().len(), 1);

    stack.map("orders");
    function.wait_for(2, PATIENCE);
    wait_until_empty(&gateway, "orders");
}

#[test]
fn what_people_should_know_about_a_mapping_is_said_once() {
    let stack = Stack::start();
    for queue in ["orders", "polled"] {
        stack.make_queue(queue);
    }
    stack.map("orders");
    stack.lambda(
        "POST",
        MAPPINGS,
        &json!({
            "EventSourceArn": arn("polled"), "FunctionName": "worker", "Enabled": true,
        }),
    );
    let redis = RedisServer::start(&[]);
    let arguments = ["--log", "debug", "--map", "orders=other"];
    let gateway = stack.gateway(&redis, &arguments);
    let polled =
        format!("{} -> arn:aws:lambda:eu-west-1:000000000000:function:worker", arn("polled"));
    let remarks = [
        format!("mapping {polled} is not served: it is Enabled, so AWS polls its own queue"),
        "the queue orders has several mappings (other, worker)".to_owned(),
    ];
    for remark in &remarks {
        wait_for_log(&gateway, remark);
    }
    until(PATIENCE, "some readings", || said(&gateway, "served here, as before") >= 3);
    for remark in &remarks {
        assert_eq!(said(&gateway, remark), 1, "{remark}");
    }
    // Later on AWS raises the function's timeout beyond what the queue has.
    let longer = json!({"Timeout": 60});
    stack.lambda("PUT", &format!("{FUNCTIONS}/worker/configuration"), &longer);
    wait_for_log(&gateway, "orders -> worker: the queue's VisibilityTimeout of 30s is shorter");
    // And then the function goes.
    stack.lambda("DELETE", &format!("{FUNCTIONS}/worker"), &Value::Null);
    wait_for_log(&gateway, "orders -> worker: AWS lists no such function");
}

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];
const THROTTLED: &[(&str, &str)] = &[("x-amzn-errortype", "TooManyRequestsException")];
const DENIED: &[(&str, &str)] = &[("x-amzn-errortype", "AccessDeniedException")];

/// A mapping as AWS lists it.
fn listed(queue: &str) -> Value {
    json!({
        "UUID": format!("00000000-0000-0000-0000-{queue:0>12}"), "EventSourceArn": arn(queue),
        "FunctionArn": "arn:aws:lambda:eu-west-1:000000000000:function:worker",
        "State": "Disabled", "BatchSize": 10, "LastModified": 1_760_000_000.25,
    })
}

fn page(mappings: &[Value], next: &str) -> Answer {
    let page = json!({"EventSourceMappings": mappings, "NextMarker": next});
    (200, JSON, page.to_string())
}

fn function(name: &str) -> Value {
    json!({
        "FunctionName": name, "Timeout": 3,
        "FunctionArn": format!("arn:aws:lambda:eu-west-1:000000000000:function:{name}"),
    })
}

/// What an AWS with no functions answers to all but the list of mappings.
fn nothing_else(call: &Call) -> Answer {
    let body = if call.what.contains("/urls") {
        json!({"FunctionUrlConfigs": []})
    } else if call.what.contains("/concurrency") {
        json!({})
    } else {
        json!({"Functions": []})
    };
    (200, JSON, body.to_string())
}

/// No second has more calls than AWS's quota, however many there are to be made.
#[test]
fn a_storm_of_429_is_waited_out_and_the_calls_are_paced() {
    let endpoint = Scripted::start(|call, number| {
        if number < 2 {
            return (429, THROTTLED, r#"{"message":"Rate Exceeded."}"#.to_owned());
        }
        if call.what.contains("event-source-mappings") {
            return page(&[listed("orders")], "");
        }
        if call.what.contains("functions?") || call.what.contains("functions/?") {
            let functions: Vec<Value> = (0..20).map(|n| function(&format!("f{n}"))).collect();
            return (200, JSON, json!({"Functions": functions}).to_string());
        }
        nothing_else(call)
    });
    let redis = RedisServer::start(&[]);
    let gateway =
        Gateway::start(&redis, &["--lambda-endpoint", &endpoint.url(), "--lambda-profile", "aws"]);
    wait_for_log(&gateway, "1 new (orders -> worker)");
    until(PATIENCE, "all functions", || endpoint.calls_of("/urls") == 20);
    // SQS has a quota of its own.
    let calls = endpoint.calls().into_iter().filter(|call| call.what.starts_with("GET /20"));
    let times: Vec<_> = calls.map(|call| call.at).collect();
    for (n, start) in times.iter().enumerate() {
        let within = times[n..].iter().filter(|at| **at - *start < Duration::from_secs(1)).count();
        assert!(within <= 12, "{within} calls within a second");
    }
}

#[test]
fn a_list_in_a_circle_is_no_list_and_the_last_good_map_stays() {
    let endpoint = Scripted::start(|call, number| {
        if !call.what.contains("event-source-mappings") {
            return nothing_else(call);
        }
        if number == 0 {
            return page(&[listed("orders")], "");
        }
        page(&[], if call.what.contains("Marker=a") { "b" } else { "a" })
    });
    let redis = RedisServer::start(&[]);
    let gateway = start(&redis, &endpoint.url(), &[]);
    wait_for_log(&gateway, "1 new (orders -> worker)");
    wait_for_log(&gateway, "the pages of a list go in a circle");
    assert_eq!(said(&gateway, "unmapped"), 0);
    assert!(kept(&redis).unwrap().contains(&arn("orders")));
}

#[test]
fn an_endpoint_that_only_invokes_is_remarked_once_and_configured_mappings_are_served() {
    let html = "<html>Not Found</html>";
    let endpoint = Scripted::start(|call, _| {
        if call.what.contains("/invocations") {
            return (200, JSON, "null".to_owned());
        }
        (404, &[("Content-Type", "text/html")], html.to_owned())
    });
    let redis = RedisServer::start(&[]);
    let gateway = start(&redis, &endpoint.url(), &["--map", "orders=worker"]);
    send(&gateway, "orders", "hi");
    wait_until_empty(&gateway, "orders");
    until(PATIENCE, "some readings", || endpoint.calls_of("event-source-mappings") >= 3);
    assert_eq!(said(&gateway, "the endpoint lists no mappings: HTTP 404"), 1);
    assert_eq!(said(&gateway, "the last known ones stay"), 0);
    assert!(!gateway.log().contains("<html>"));
}

#[test]
fn without_permission_for_functions_the_mappings_are_served() {
    let endpoint = Scripted::start(|call, _| {
        if call.what.contains("event-source-mappings") {
            return page(&[listed("orders")], "");
        }
        (403, DENIED, r#"{"message":"not authorized"}"#.to_owned())
    });
    let redis = RedisServer::start(&[]);
    let gateway = start(&redis, &endpoint.url(), &[]);
    wait_for_log(&gateway, "1 new (orders -> worker)");
    until(PATIENCE, "some readings", || endpoint.calls_of("functions") >= 3);
    let remark = "(lambda:ListFunctions): AccessDeniedException: not authorized";
    assert_eq!(said(&gateway, remark), 1);
    assert_eq!(said(&gateway, "no such function"), 0, "it is not known");
}

#[test]
fn an_answer_that_cannot_be_read_is_not_repeated_in_the_log() {
    let endpoint = Scripted::start(|call, _| {
        if call.what.contains("event-source-mappings") {
            return page(&[listed("orders")], "");
        }
        let broken = format!(r#"{{"Functions":[{{"Environment":{{"Variables":{{"P":"{SECRET}""#);
        (200, JSON, broken)
    });
    let redis = RedisServer::start(&[]);
    let gateway = start(&redis, &endpoint.url(), &["--log", "debug"]);
    wait_for_log(&gateway, "HTTP 200, and no answer of this API");
    wait_for_log(&gateway, "1 new (orders -> worker)");
    assert!(!gateway.log().contains(SECRET), "{}", gateway.log());
}

#[test]
fn encrypted_filters_are_asked_for_and_what_cannot_be_decrypted_is_not_served() {
    let endpoint = Scripted::start(|call, _| {
        let mapping = |queue: &str, more: &Value| {
            let mut mapping = listed(queue);
            let key = "arn:aws:kms:eu-west-1:000000000000:key/k";
            mapping["KMSKeyArn"] = key.into();
            for (name, value) in more.as_object().unwrap() {
                mapping[name] = value.clone();
            }
            mapping
        };
        let shown = json!({"FilterCriteria": {"Filters": [{"Pattern": r#"{"body":{"a":[1]}}"#}]}});
        let denied = json!({"FilterCriteriaError": {
            "ErrorCode": "KMSAccessDeniedException", "Message": "no kms:Decrypt here",
        }});
        if call.what.contains("000open") {
            return (200, JSON, mapping("open", &shown).to_string());
        }
        if call.what.contains("00closed") {
            return (200, JSON, mapping("closed", &denied).to_string());
        }
        if call.what.contains("00hidden") {
            return (403, DENIED, r#"{"message":"not you"}"#.to_owned());
        }
        if call.what.contains("event-source-mappings") {
            let all = ["open", "closed", "hidden"].map(|queue| mapping(queue, &json!({})));
            return page(&all, "");
        }
        nothing_else(call)
    });
    let redis = RedisServer::start(&[]);
    let gateway = start(&redis, &endpoint.url(), &["--log", "debug"]);
    wait_for_log(&gateway, "1 new (open -> worker)");
    let cannot = "its filter criteria are encrypted and cannot be read";
    wait_for_log(&gateway, &format!("{cannot} (KMSAccessDeniedException: no kms:Decrypt here)"));
    wait_for_log(&gateway, &format!("{cannot} (AccessDeniedException: not you)"));
    until(PATIENCE, "some readings", || said(&gateway, "served here, as before") >= 2);
    assert_eq!(endpoint.calls_of("000open"), 1, "it is asked again only after a change");
}

#[test]
fn a_slow_endpoint_holds_up_neither_configured_mappings_nor_the_end() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let endpoint = Scripted::start(move |_, _| {
        let _test_is_over = wait.recv();
        (200, JSON, "{}".to_owned())
    });
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let arguments = ["--function", &function.option("worker"), "--map", "orders=worker"];
    let mut gateway = start(&redis, &endpoint.url(), &arguments);
    until(PATIENCE, "a call", || endpoint.calls_of("event-source-mappings") == 1);
    send(&gateway, "orders", "hi");
    wait_until_empty(&gateway, "orders");
    let start = std::time::Instant::now();
    assert!(gateway.terminate().success());
    assert!(start.elapsed() < Duration::from_secs(10));
    drop(release);
}
