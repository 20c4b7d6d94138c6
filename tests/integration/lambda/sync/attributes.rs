//! What a queue that a mapping names takes over of its namesake on AWS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::lambda::action;

/// What both sides show of a queue.
const SHOWN: [&str; 11] = [
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
];

/// The attributes of a queue here; `None`: there is no such queue.
fn here(gateway: &Gateway, queue: &str) -> Option<Value> {
    let input = json!({"QueueUrl": queue_url(gateway, queue), "AttributeNames": ["All"]});
    let response = gateway.http().json("GetQueueAttributes", &input.to_string());
    (response.status == 200).then(|| shown(&response.json()["Attributes"]))
}

/// Policies by what they say.
fn shown(attributes: &Value) -> Value {
    let attribute = |name: &&'static str| {
        let text = attributes.get(*name)?.as_str()?;
        let value = match serde_json::from_str::<Value>(text) {
            Ok(mut policy @ Value::Object(_)) => {
                // A number, or the text of one.
                if let Some(count) = policy["maxReceiveCount"].as_str() {
                    policy["maxReceiveCount"] = count.parse::<u64>().unwrap().into();
                }
                policy
            }
            _ => text.into(),
        };
        Some(((*name).to_owned(), value))
    };
    SHOWN.iter().filter_map(attribute).collect::<serde_json::Map<_, _>>().into()
}

impl Stack {
    fn url_of(&self, queue: &str) -> String {
        let url = self.sqs("GetQueueUrl", &json!({"QueueName": queue}));
        url["QueueUrl"].as_str().unwrap().to_owned()
    }

    fn attributes(&self, queue: &str) -> Value {
        let input = json!({"QueueUrl": self.url_of(queue), "AttributeNames": ["All"]});
        shown(&self.sqs("GetQueueAttributes", &input)["Attributes"])
    }

    fn create(&self, queue: &str, attributes: &Value) {
        let input = json!({
            "QueueName": queue, "Attributes": attributes, "tags": {"team": "shop", "queue": queue},
        });
        self.sqs("CreateQueue", &input);
    }

    /// `orders`, whose letters go to `dead`, whose letters go to `deader`.
    fn create_orders(&self) {
        self.create("deader", &json!({"MessageRetentionPeriod": "1209600"}));
        self.create(
            "dead",
            &json!({
                "MessageRetentionPeriod": "600000",
                "RedrivePolicy": redrive("deader", 2),
                "RedriveAllowPolicy": r#"{"redrivePermission":"allowAll"}"#,
            }),
        );
        self.create(
            "orders",
            &json!({
                "DelaySeconds": "3", "MaximumMessageSize": "2048", "VisibilityTimeout": "77",
                "ReceiveMessageWaitTimeSeconds": "9", "RedrivePolicy": redrive("dead", 4),
            }),
        );
        self.map("orders");
    }
}

fn redrive(target: &str, count: u32) -> String {
    json!({"deadLetterTargetArn": arn(target), "maxReceiveCount": count}).to_string()
}

fn tags(gateway: &Gateway, queue: &str) -> Value {
    let input = json!({"QueueUrl": queue_url(gateway, queue)});
    action(gateway, "ListQueueTags", &input)["Tags"].clone()
}

#[test]
fn a_missing_queue_is_made_like_awss_with_its_tags_and_dead_letter_queues() {
    let stack = Stack::start();
    stack.create_orders();
    stack.create(
        "line.fifo",
        &json!({
            "FifoQueue": "true", "ContentBasedDeduplication": "true",
            "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
            "VisibilityTimeout": "55",
        }),
    );
    stack.map("line.fifo");
    let redis = RedisServer::start(&[]);
    let gateway = stack.gateway(&redis, &[]);
    for queue in ["orders", "dead", "deader", "line.fifo"] {
        let attributes = until_some(PATIENCE, queue, || here(&gateway, queue));
        let expected = stack.attributes(queue);
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(attributes[name], *value, "{name} of {queue}");
        }
        assert_eq!(tags(&gateway, queue), json!({"team": "shop", "queue": queue}));
    }
    assert_eq!(here(&gateway, "orders").unwrap()["VisibilityTimeout"], "77");
    // The policy is one that works.
    let url = queue_url(&gateway, "dead");
    let sources = action(&gateway, "ListDeadLetterSourceQueues", &json!({"QueueUrl": url}));
    assert_eq!(sources["queueUrls"], json!([queue_url(&gateway, "orders")]));
}

#[test]
fn what_changes_on_aws_is_taken_over_always_or_not_at_all() {
    let stack = Stack::start();
    stack.create_orders();
    let (redis, other, third) =
        (RedisServer::start(&[]), RedisServer::start(&[]), RedisServer::start(&[]));
    let always = stack.gateway(&redis, &["--sync-attributes", "always"]);
    let once = stack.gateway(&other, &["--log", "debug"]);
    let never = stack.gateway(&third, &["--sync-attributes", "never"]);
    let has = |gateway: &Gateway, value: &str| {
        here(gateway, "orders").is_some_and(|shown| shown["VisibilityTimeout"] == value)
    };
    for (gateway, value) in [(&always, "77"), (&once, "77"), (&never, "30")] {
        until(PATIENCE, "the queue", || has(gateway, value));
    }
    assert_eq!(here(&never, "dead"), None);
    let url = stack.url_of("orders");
    let changed = json!({"VisibilityTimeout": "88", "RedrivePolicy": ""});
    stack.sqs("SetQueueAttributes", &json!({"QueueUrl": url, "Attributes": changed}));
    stack.sqs("UntagQueue", &json!({"QueueUrl": url, "TagKeys": ["team"]}));
    stack.sqs("TagQueue", &json!({"QueueUrl": url, "Tags": {"queue": "changed"}}));
    let expected = stack.attributes("orders");
    assert_eq!(expected["VisibilityTimeout"], "88");
    until(PATIENCE, "what changed", || {
        has(&always, "88")
            && here(&always, "orders").unwrap().get("RedrivePolicy").is_none()
            && tags(&always, "orders") == json!({"queue": "changed"})
    });
    let readings = said(&once, "served here, as before");
    until(PATIENCE, "two readings", || said(&once, "served here, as before") >= readings + 2);
    assert!(has(&once, "77"));
    assert!(has(&never, "30"));
}

/// SQS as far as it is read, for a queue with a VisibilityTimeout of 99 s.
fn sqs(call: &Call) -> Answer {
    let body = match call.what.as_str() {
        "GetQueueUrl" => json!({"QueueUrl": "http://sqs/000000000000/orders"}),
        "GetQueueAttributes" => json!({"Attributes": {"VisibilityTimeout": "99"}}),
        _ => json!({"Tags": {}}),
    };
    (200, &[("Content-Type", "application/x-amz-json-1.0")], body.to_string())
}

#[test]
fn what_could_not_be_read_when_a_queue_was_made_is_taken_over_later() {
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    let source = Scripted::start(move |call, _| {
        if away.load(Ordering::SeqCst) {
            return (503, &[], String::new());
        }
        sqs(call)
    });
    let stack = Stack::start();
    for queue in ["orders", "touched"] {
        stack.make_queue(queue);
        stack.map(queue);
    }
    let redis = RedisServer::start(&[]);
    let mut gateway = stack.gateway(&redis, &["--sync-sqs-endpoint", &source.url()]);
    wait_for_log(&gateway, "the queue orders was made with default attributes");
    wait_for_log(&gateway, "the queue touched was made with default attributes");
    let visibility = |gateway: &Gateway, queue: &str| {
        here(gateway, queue).unwrap()["VisibilityTimeout"].as_str().unwrap().to_owned()
    };
    assert_eq!(visibility(&gateway, "orders"), "30");
    // What somebody has set here stays. It is remembered over a restart.
    let url = queue_url(&gateway, "touched");
    let set = json!({"QueueUrl": url, "Attributes": {"VisibilityTimeout": "44"}});
    action(&gateway, "SetQueueAttributes", &set);
    gateway.kill();
    is_away.store(false, Ordering::SeqCst);
    gateway.restart();
    until(PATIENCE, "AWS's attributes", || visibility(&gateway, "orders") == "99");
    let unread = || {
        let mut command = redis::cmd("HKEYS");
        let fields: Vec<String> = command.arg("karin:map").query(&mut redis.connection()).unwrap();
        fields.iter().filter(|field| field.starts_with("unread:")).count()
    };
    until(PATIENCE, "all to be read", || unread() == 0);
    assert_eq!(visibility(&gateway, "touched"), "44");
}

#[test]
fn without_permission_a_queue_is_made_with_defaults_and_a_warning() {
    let source = Scripted::start(|_, _| {
        let body = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#;
        (400, &[("Content-Type", "application/x-amz-json-1.0")], body.to_owned())
    });
    let stack = Stack::start();
    stack.make_queue("orders");
    stack.map("orders");
    let redis = RedisServer::start(&[]);
    let gateway = stack.gateway(&redis, &["--sync-sqs-endpoint", &source.url(), "--log", "debug"]);
    wait_for_log(&gateway, "sqs:GetQueueAttributes, sqs:ListQueueTags): AccessDeniedException: no");
    assert_eq!(here(&gateway, "orders").unwrap()["VisibilityTimeout"], "30");
    until(PATIENCE, "some readings", || said(&gateway, "served here, as before") >= 2);
    assert_eq!(source.calls().len(), 1, "nobody asks again for what is not allowed");
}

/// The names of our own clients' settings must not lead the import to ourselves.
#[test]
fn an_endpoint_in_the_environment_is_not_where_awss_queues_are_read() {
    let wrong = Scripted::start(|call, _| sqs(call));
    let stack = Stack::start();
    stack.create_orders();
    let redis = RedisServer::start(&[]);
    let arguments = ["--redis-url", &redis.url(), "--lambda-endpoint", &stack.ministack.url()];
    let environment =
        [("AWS_ENDPOINT_URL_SQS", wrong.url()), ("AWS_REGION", "eu-west-1".to_owned())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let gateway = Gateway::start_with(&arguments, &environment);
    let attributes = until_some(PATIENCE, "the queue", || here(&gateway, "orders"));
    assert_eq!(attributes["VisibilityTimeout"], "77");
    assert_eq!(wrong.calls().len(), 0);
}

#[test]
fn a_configured_mapping_of_awss_queue_gets_its_attributes_when_aws_was_read() {
    let stack = Stack::start();
    stack.create_orders();
    let redis = RedisServer::start(&[]);
    let function = Function::new("answer null");
    let arguments = ["--function", &function.option("worker"), "--map", "orders=worker"];
    let gateway = stack.gateway(&redis, &arguments);
    until(PATIENCE, "AWS's attributes", || {
        here(&gateway, "orders").unwrap()["VisibilityTimeout"] == "77"
    });
    until(PATIENCE, "its dead-letter queue", || here(&gateway, "dead").is_some());
}
