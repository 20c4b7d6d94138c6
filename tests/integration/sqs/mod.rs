//! SQS as clients speak it, both protocols, over HTTP.

mod attempts;
mod authentication;
mod bad_input;
mod batches;
mod change_visibility;
mod change_visibility_batch;
mod cooldown;
mod dead_letters;
mod deduplication;
mod fifo;
mod fifo_rules;
mod http;
mod life_cycle;
mod limited_keys;
mod long_polls;
mod message_attributes;
mod messages;
mod move_tasks;
mod permissions;
mod queue_attributes;
mod queues;
mod quotas;
mod redrive_policy;
mod selection;
mod several_gateways;
mod strict_account;
mod tags;
mod waiting;
mod wire;

use karin_tests::gateway::Gateway;
use karin_tests::http::{Client, Response};
use karin_tests::redis::RedisServer;
use serde_json::{Value, json};

/// A gateway on a Redis of its own.
struct Sqs {
    // Dropped first, so that it never misses its Redis.
    gateway: Gateway,
    redis: RedisServer,
}

impl Sqs {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(options: &[&str]) -> Self {
        let redis = RedisServer::start(&[]);
        let gateway = Gateway::start(&redis, options);
        Self { gateway, redis }
    }

    /// One that lets a queue be purged again, and created after its deletion, at once.
    fn start_without_cooldown() -> Self {
        Self::start_with(&["--queue-cooldown", "0"])
    }

    /// The same with a queue.
    fn with_queue(name: &str) -> Self {
        let sqs = Self::start();
        sqs.json("CreateQueue", &json!({ "QueueName": name }));
        sqs
    }

    /// The same with a FIFO queue `q.fifo` that deduplicates by content.
    fn with_fifo() -> Self {
        let sqs = Self::start();
        sqs.create_fifo("q.fifo", &["ContentBasedDeduplication", "true"]);
        sqs
    }

    /// Makes a FIFO queue with attributes as the module knows them.
    #[track_caller]
    fn create_fifo(&self, name: &str, attributes: &[&str]) {
        let key = format!("karin:{{{name}}}");
        let command = [&["KARIN.CREATE", key.as_str(), "FIFO"], attributes].concat();
        assert_eq!(self.redis.cli(&command), "OK");
    }

    fn http(&self) -> Client {
        self.gateway.http()
    }

    /// An action that succeeds, in JSON; what it answers, null for a void action.
    #[track_caller]
    fn json(&self, action: &str, members: &Value) -> Value {
        let response = self.http().json(action, &members.to_string());
        assert_eq!(response.status, 200, "{action} {members}: {response:?}");
        if response.body.is_empty() { Value::Null } else { response.json() }
    }

    /// An action that succeeds, in Query; the XML it answers.
    #[track_caller]
    fn query(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let response = self.http().query(&with_action(action, parameters));
        assert_eq!(response.status, 200, "{action} {parameters:?}: {response:?}");
        response.text().to_owned()
    }

    /// The action is refused alike in both protocols.
    #[track_caller]
    fn refused(
        &self,
        action: &str,
        members: &Value,
        parameters: &[(&str, &str)],
        expected: Refusal,
    ) {
        let response = self.http().json(action, &members.to_string());
        assert_eq!(Error::of_json(&response), expected.in_json(), "{action} {members}");
        let response = self.http().query(&with_action(action, parameters));
        assert_eq!(Error::of_query(&response), expected.in_query(), "{action} {parameters:?}");
    }

    /// Every action that takes a QueueUrl is refused alike for this one.
    #[track_caller]
    fn refused_by_every_action_on(&self, queue_url: &str, expected: Refusal) {
        let members = json!({
            "QueueUrl": queue_url, "MessageBody": "x", "ReceiptHandle": "h",
            "VisibilityTimeout": 1, "Entries": [], "Label": "l", "Actions": ["*"],
            "Attributes": { "DelaySeconds": "1" }, "Tags": { "k": "v" }, "TagKeys": ["k"],
        });
        let parameters = [
            ("QueueUrl", queue_url),
            ("MessageBody", "x"),
            ("ReceiptHandle", "h"),
            ("VisibilityTimeout", "1"),
            ("Label", "l"),
            ("ActionName.1", "*"),
            ("Attribute.1.Name", "DelaySeconds"),
            ("Attribute.1.Value", "1"),
            ("Tag.1.Key", "k"),
            ("Tag.1.Value", "v"),
            ("TagKey.1", "k"),
        ];
        for action in [
            "AddPermission",
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "DeleteMessage",
            "DeleteMessageBatch",
            "DeleteQueue",
            "GetQueueAttributes",
            "ListDeadLetterSourceQueues",
            "ListQueueTags",
            "PurgeQueue",
            "ReceiveMessage",
            "RemovePermission",
            "SendMessage",
            "SendMessageBatch",
            "SetQueueAttributes",
            "TagQueue",
            "UntagQueue",
        ] {
            self.refused(action, &members, &parameters, expected);
        }
    }

    /// Sends a text, as bare as can be.
    #[track_caller]
    fn send(&self, queue: &str, body: &str) {
        self.json("SendMessage", &json!({ "QueueUrl": queue, "MessageBody": body }));
    }

    /// Receives up to ten messages with all attributes.
    #[track_caller]
    fn receive(&self, queue: &str) -> Vec<Value> {
        let members = json!({
            "QueueUrl": queue,
            "MaxNumberOfMessages": 10,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        let answer = self.json("ReceiveMessage", &members);
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    /// Receives exactly one message.
    #[track_caller]
    fn receive_one(&self, queue: &str) -> Value {
        let mut messages = self.receive(queue);
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    /// Sends a text to a group; what SQS answers.
    #[track_caller]
    fn send_to_group(&self, queue: &str, group: &str, body: &str) -> Value {
        let members = json!({ "QueueUrl": queue, "MessageBody": body, "MessageGroupId": group });
        self.json("SendMessage", &members)
    }

    /// Deletes a received message.
    #[track_caller]
    fn delete(&self, queue: &str, message: &Value) {
        let handle = &message["ReceiptHandle"];
        self.json("DeleteMessage", &json!({ "QueueUrl": queue, "ReceiptHandle": handle }));
    }

    /// Makes a received message visible in so many seconds.
    #[track_caller]
    fn change_visibility(&self, queue: &str, message: &Value, seconds: u32) {
        let members = json!({
            "QueueUrl": queue,
            "ReceiptHandle": message["ReceiptHandle"],
            "VisibilityTimeout": seconds,
        });
        self.json("ChangeMessageVisibility", &members);
    }

    /// Counts of a queue: visible and in flight.
    #[track_caller]
    fn counts(&self, queue: &str) -> (String, String) {
        let members = json!({ "QueueUrl": queue, "AttributeNames": ["All"] });
        let attributes = &self.json("GetQueueAttributes", &members)["Attributes"];
        let count = |name: &str| text(attributes, name).to_owned();
        let in_flight = count("ApproximateNumberOfMessagesNotVisible");
        (count("ApproximateNumberOfMessages"), in_flight)
    }

    /// How often the module was given this command, of those that are the gateway's.
    fn calls(&self, command: &str) -> u64 {
        let stats = self.redis.info("commandstats");
        let prefix = format!("cmdstat_karin.{command}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next());
        line.map_or(0, |calls| calls.parse().expect("a number"))
    }

    /// Moves the module's clock.
    fn pass_seconds(&self, seconds: u32) {
        self.redis.cli(&["KARIN.DEBUG", "CLOCK", &seconds.to_string()]);
    }
}

fn with_action<'a>(action: &'a str, parameters: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [("Action", action), ("Version", "2012-11-05")].iter().chain(parameters).copied().collect()
}

/// How an action is refused: JSON's type, Query's code, the status, and the text in both.
#[derive(Clone, Copy)]
struct Refusal {
    kind: &'static str,
    code: &'static str,
    status: u16,
    text: &'static str,
    text_in_query: &'static str,
}

impl Refusal {
    const fn new(kind: &'static str, code: &'static str, status: u16, text: &'static str) -> Self {
        Self { kind, code, status, text, text_in_query: text }
    }

    const fn invalid_attribute_name(text: &'static str) -> Self {
        Self::new("InvalidAttributeName", "InvalidAttributeName", 400, text)
    }

    const fn invalid_attribute_value(text: &'static str) -> Self {
        Self::new("InvalidAttributeValue", "InvalidAttributeValue", 400, text)
    }

    const fn over_limit(text: &'static str) -> Self {
        Self::new("OverLimit", "OverLimit", 403, text)
    }

    const fn invalid_parameter(text: &'static str) -> Self {
        Self::new("InvalidParameterValueException", "InvalidParameterValue", 400, text)
    }

    const fn missing_parameter(text: &'static str) -> Self {
        Self::new("MissingRequiredParameterException", "MissingParameter", 400, text)
    }

    fn in_json(self) -> Error {
        let fault = if self.status < 500 { "Sender" } else { "Receiver" };
        Error {
            status: self.status,
            names: format!("{} {};{fault}", self.kind, self.code),
            text: self.text.to_owned(),
        }
    }

    fn in_query(self) -> Error {
        Error {
            status: self.status,
            names: self.code.to_owned(),
            text: self.text_in_query.to_owned(),
        }
    }
}

/// The queue that is not there.
const NO_QUEUE: Refusal = Refusal {
    kind: "QueueDoesNotExist",
    code: "AWS.SimpleQueueService.NonExistentQueue",
    status: 400,
    text: "The specified queue does not exist.",
    text_in_query: "The specified queue does not exist for this wsdl version.",
};

/// What an error's answer says.
#[derive(Debug, PartialEq, Eq)]
struct Error {
    status: u16,
    names: String,
    text: String,
}

impl Error {
    #[track_caller]
    fn of_json(response: &Response) -> Self {
        let body = response.json();
        let kind = body["__type"].as_str().and_then(|kind| kind.rsplit('#').next());
        let legacy = response.header("x-amzn-query-error").unwrap_or("no x-amzn-query-error");
        Self {
            status: response.status,
            names: format!("{} {legacy}", kind.unwrap_or("no __type")),
            text: body["message"].as_str().unwrap_or("no message").to_owned(),
        }
    }

    #[track_caller]
    fn of_query(response: &Response) -> Self {
        Self {
            status: response.status,
            names: element(response.text(), "Code"),
            text: element(response.text(), "Message"),
        }
    }
}

/// The text of the first element of this name.
#[track_caller]
fn element(xml: &str, name: &str) -> String {
    elements(xml, name).into_iter().next().unwrap_or_else(|| panic!("no {name} in {xml}"))
}

/// The texts of all elements of this name.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let inside = xml.split(&open).skip(1).filter_map(|rest| rest.split(&close).next());
    let unescape = |text: &str| {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#xD;", "\r")
            .replace("&amp;", "&")
    };
    inside.map(unescape).collect()
}

/// The bodies of received messages.
fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| text(message, "Body")).collect()
}

/// A member of a JSON answer, as text.
#[track_caller]
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no {member} in {value}"))
}
