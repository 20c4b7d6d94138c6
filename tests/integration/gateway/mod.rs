//! The gateway as a process: configuration, Redis, hints, faults.

mod configuration;
mod embedded;
mod logs;
mod metrics;
mod moved_once;
mod never_twice;
mod redis_away;
mod requests;
mod restarting;
mod stopping;
mod waiting;

use karin_tests::http::{Client, Response};
use serde_json::{Value, json};

/// What a test says to one queue over the JSON protocol.
struct Queue {
    http: Client,
    name: &'static str,
}

impl Queue {
    /// Makes the queue.
    fn create(http: Client, name: &'static str) -> Self {
        let answer = http.json("CreateQueue", &json!({ "QueueName": name }).to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        Self { http, name }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1/000000000000/{}", self.name)
    }

    fn call(&self, action: &str, mut input: Value) -> Response {
        input["QueueUrl"] = self.url().into();
        self.http.json(action, &input.to_string())
    }

    #[track_caller]
    fn send(&self, body: &str) {
        let answer = self.call("SendMessage", json!({ "MessageBody": body }));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The messages of one receive.
    #[track_caller]
    fn receive(&self, mut input: Value) -> Vec<Value> {
        input["AttributeNames"] = json!(["All"]);
        let answer = self.call("ReceiveMessage", input);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["Messages"].as_array().cloned().unwrap_or_default()
    }

    /// The bodies of one receive.
    #[track_caller]
    fn bodies(&self, input: Value) -> Vec<String> {
        let messages = self.receive(input);
        messages.iter().map(|m| m["Body"].as_str().unwrap().to_owned()).collect()
    }
}
