//! Lambda's API on our own endpoint (esm-contract §7), over raw HTTP.

mod access;
mod changes;
mod clients;
mod elsewhere;
mod invoke;
mod refusals;

use karin_tests::gateway::Gateway;
use karin_tests::http::Response;
use karin_tests::redis::RedisServer;
use serde_json::{Value, json};

use super::{Function, action, queue_url, send, wait_until_empty};

const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

/// A gateway with a function `f` that succeeds and a queue `q`.
struct Rig {
    gateway: Gateway,
    redis: RedisServer,
    function: Function,
}

impl Rig {
    fn new() -> Self {
        Self::with("answer null", &[])
    }

    /// The same with another handler and more arguments.
    fn with(handler: &str, arguments: &[&str]) -> Self {
        let function = Function::new(handler);
        let option = function.option("f");
        let mut all = vec!["--function", &option];
        all.extend(arguments);
        let redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
        let gateway = Gateway::start(&redis, &all);
        let rig = Self { gateway, redis, function };
        rig.create_queue("q", &json!({}));
        rig
    }

    fn create_queue(&self, name: &str, attributes: &Value) {
        let input = json!({"QueueName": name, "Attributes": attributes});
        action(&self.gateway, "CreateQueue", &input);
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Response {
        let headers = [("Content-Type", "application/json")];
        self.gateway.http().request(method, path, &headers, body.to_string().as_bytes())
    }

    /// The answer, which must be a success.
    #[track_caller]
    fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let response = self.call(method, path, body);
        assert!(response.status < 300, "{method} {path} {body}: {response:?}");
        if response.body.is_empty() { Value::Null } else { response.json() }
    }

    /// That the answer is this error; returns its text.
    #[track_caller]
    fn refused(&self, method: &str, path: &str, body: &Value, status: u16, kind: &str) -> String {
        check_error(&self.call(method, path, body), status, kind)
    }

    #[track_caller]
    fn create(&self, members: &Value) -> Value {
        self.ok("POST", MAPPINGS, members)
    }

    /// Maps `q` to `f`; returns the UUID.
    fn map(&self, members: &Value) -> String {
        let mut input = json!({"FunctionName": "f", "EventSourceArn": arn("q")});
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        uuid(&self.create(&input))
    }

    #[track_caller]
    fn get(&self, uuid: &str) -> Value {
        self.ok("GET", &format!("{MAPPINGS}/{uuid}"), &Value::Null)
    }

    fn list(&self, query: &str) -> Vec<Value> {
        let page = self.ok("GET", &format!("{MAPPINGS}?{query}"), &Value::Null);
        page["EventSourceMappings"].as_array().unwrap().clone()
    }
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

fn uuid(mapping: &Value) -> String {
    let uuid = mapping["UUID"].as_str().unwrap();
    assert_eq!(uuid.len(), 36, "{mapping}");
    uuid.to_owned()
}

/// The text of an error, in either case Lambda writes its name.
#[track_caller]
fn check_error(response: &Response, status: u16, kind: &str) -> String {
    let told = (response.status, response.header("x-amzn-errortype"));
    assert_eq!(told, (status, Some(kind)), "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert!(response.header("x-amzn-requestid").is_some_and(|id| id.len() == 36));
    let body = response.json();
    let fault = if status < 500 { "User" } else { "Service" };
    assert_eq!(body["Type"], fault, "{body}");
    let text = body.get("Message").or(body.get("message")).and_then(Value::as_str);
    text.expect("a message").to_owned()
}
