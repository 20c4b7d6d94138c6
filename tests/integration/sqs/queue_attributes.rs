//! SetQueueAttributes, CreateQueue's attributes, and what GetQueueAttributes shows of them
//! (sqs-contract §§4.2, 4.5, 5.1, 5.2).

use karin_tests::gateway::Gateway;
use serde_json::{Value, json};

use super::{NO_QUEUE, Refusal, Sqs, elements, text};

/// All attributes of a queue.
#[track_caller]
fn all(sqs: &Sqs, queue: &str) -> Value {
    let members = json!({ "QueueUrl": queue, "AttributeNames": ["All"] });
    sqs.json("GetQueueAttributes", &members)["Attributes"].clone()
}

#[track_caller]
fn set(sqs: &Sqs, queue: &str, attributes: &Value) {
    let members = json!({ "QueueUrl": queue, "Attributes": attributes });
    assert_eq!(sqs.json("SetQueueAttributes", &members), Value::Null);
}

#[track_caller]
fn refuses(sqs: &Sqs, queue: &str, name: &str, value: &str, expected: Refusal) {
    sqs.refused(
        "SetQueueAttributes",
        &json!({ "QueueUrl": queue, "Attributes": { name: value } }),
        &[("QueueUrl", queue), ("Attribute.1.Name", name), ("Attribute.1.Value", value)],
        expected,
    );
}

#[track_caller]
fn refuses_to_create(sqs: &Sqs, queue: &str, attributes: &[(&str, &str)], expected: Refusal) {
    let names = |part: &str| -> Vec<String> {
        (1..=attributes.len()).map(|n| format!("Attribute.{n}.{part}")).collect()
    };
    let (names, values) = (names("Name"), names("Value"));
    let mut parameters = vec![("QueueName", queue)];
    for (index, (name, value)) in attributes.iter().enumerate() {
        parameters.extend([(names[index].as_str(), *name), (values[index].as_str(), *value)]);
    }
    let map: serde_json::Map<_, _> =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let members = json!({ "QueueName": queue, "Attributes": map });
    sqs.refused("CreateQueue", &members, &parameters, expected);
}

fn fifo(sqs: &Sqs, queue: &str) {
    let attributes = json!({ "FifoQueue": "True" });
    sqs.json("CreateQueue", &json!({ "QueueName": queue, "Attributes": attributes }));
}

// contract: 4.5-at-once
#[test]
fn what_is_set_is_shown_by_any_gateway_at_once() {
    let sqs = Sqs::with_queue("q");
    let second = Gateway::start(&sqs.redis, &[]);
    let before = all(&sqs, "q");
    sqs.redis.cli(&["KARIN.DEBUG", "CLOCK", "100"]);
    set(
        &sqs,
        "q",
        &json!({
            "VisibilityTimeout": "0", "DelaySeconds": "900", "MessageRetentionPeriod": "60",
            "MaximumMessageSize": "1024", "ReceiveMessageWaitTimeSeconds": "20",
        }),
    );
    let members = json!({ "QueueUrl": "q", "AttributeNames": ["All"] }).to_string();
    let after = second.http().json("GetQueueAttributes", &members).json()["Attributes"].clone();
    for (name, value) in [
        ("VisibilityTimeout", "0"),
        ("DelaySeconds", "900"),
        ("MessageRetentionPeriod", "60"),
        ("MaximumMessageSize", "1024"),
        ("ReceiveMessageWaitTimeSeconds", "20"),
    ] {
        assert_eq!(after[name], value, "{name}");
    }
    assert_eq!(after["CreatedTimestamp"], before["CreatedTimestamp"]);
    let seconds = |of: &Value| text(of, "LastModifiedTimestamp").parse::<u64>().expect("seconds");
    assert!(seconds(&after) >= seconds(&before) + 100, "{after} {before}");
    // And it counts at once, whoever is asked.
    let message = json!({ "QueueUrl": "q", "MessageBody": "x".repeat(1_025) }).to_string();
    assert_eq!(second.http().json("SendMessage", &message).status, 400);
    let parameters =
        [("QueueUrl", "q"), ("Attribute.Name", "DelaySeconds"), ("Attribute.Value", "0")];
    assert!(!sqs.query("SetQueueAttributes", &parameters).contains("Result"));
    sqs.send("q", "x");
    assert_eq!(sqs.receive("q").len(), 1);
}

// contract: 4.5-set-all-or-nothing
#[test]
fn of_several_attributes_with_a_bad_one_none_is_set() {
    let sqs = Sqs::with_queue("q");
    let before = all(&sqs, "q");
    let mixed = json!({ "DelaySeconds": "5", "Policy": "{}", "VisibilityTimeout": "43201" });
    sqs.refused(
        "SetQueueAttributes",
        &json!({ "QueueUrl": "q", "Attributes": mixed }),
        &[
            ("QueueUrl", "q"),
            ("Attribute.1.Name", "DelaySeconds"),
            ("Attribute.1.Value", "5"),
            ("Attribute.2.Name", "VisibilityTimeout"),
            ("Attribute.2.Value", "43201"),
        ],
        Refusal::invalid_attribute_value("Invalid value for the parameter VisibilityTimeout."),
    );
    assert_eq!(all(&sqs, "q"), before);
}

#[test]
fn attributes_that_cannot_be_set_are_refused() {
    let sqs = Sqs::with_queue("q");
    let value = Refusal::invalid_attribute_value;
    let name = Refusal::invalid_attribute_name;
    let text = "Invalid value for the parameter DelaySeconds.";
    for bad in ["-1", "901", "x", "", "1.5"] {
        refuses(&sqs, "q", "DelaySeconds", bad, value(text));
    }
    refuses(&sqs, "q", "Foobar", "1", name("Unknown Attribute Foobar."));
    refuses(&sqs, "q", "QueueArn", "1", name("Unknown Attribute QueueArn."));
    refuses(&sqs, "q", "FifoQueue", "true", name("Unknown Attribute FifoQueue."));
    refuses(&sqs, "q", "FifoQueue", "false", name("Unknown Attribute FifoQueue."));
    let text = "Unknown Attribute ContentBasedDeduplication.";
    refuses(&sqs, "q", "ContentBasedDeduplication", "true", name(text));
    let text = "You can specify the DeduplicationScope only when FifoQueue is set to true.";
    refuses(&sqs, "q", "DeduplicationScope", "queue", name(text));
    let text = "You can specify the FifoThroughputLimit only when FifoQueue is set to true.";
    refuses(&sqs, "q", "FifoThroughputLimit", "perQueue", name(text));
    // The queue comes first.
    refuses(&sqs, "missing", "Foobar", "1", NO_QUEUE);
    let missing = "The request must contain the parameter Attribute.Name.";
    sqs.refused(
        "SetQueueAttributes",
        &json!({ "QueueUrl": "missing", "Attributes": {} }),
        &[("QueueUrl", "missing")],
        Refusal::missing_parameter(missing),
    );
}

#[test]
fn a_fresh_fifo_queue_shows_sixteen_attributes() {
    let sqs = Sqs::start();
    fifo(&sqs, "q.fifo");
    let attributes = all(&sqs, "q.fifo");
    assert_eq!(attributes.as_object().map(serde_json::Map::len), Some(16), "{attributes}");
    for (name, value) in [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "false"),
        ("DeduplicationScope", "queue"),
        ("FifoThroughputLimit", "perQueue"),
        ("QueueArn", "arn:aws:sqs:us-east-1:000000000000:q.fifo"),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    let parameters = [("QueueUrl", "q.fifo"), ("AttributeName.1", "All")];
    let xml = sqs.query("GetQueueAttributes", &parameters);
    assert_eq!(elements(&xml, "Attribute").len(), 16, "{xml}");
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    let fifo_only = json!([
        "FifoQueue",
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "FifoThroughputLimit"
    ]);
    let members = json!({ "QueueUrl": "q", "AttributeNames": fifo_only });
    assert_eq!(sqs.json("GetQueueAttributes", &members), json!({}));
}

#[test]
fn fifo_queues_are_made_by_attribute_and_name_together() {
    let sqs = Sqs::start();
    let fifo_name = Refusal::invalid_parameter(
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
         underscores, must end with .fifo suffix and be 1 to 80 in length.",
    );
    let long = format!("{}.fifo", "x".repeat(76));
    for name in ["q", ".fifo", "a b.fifo", "a.b.fifo", "q.FIFO", "", &long] {
        refuses_to_create(&sqs, name, &[("FifoQueue", "true")], fifo_name);
    }
    let standard_name = Refusal::invalid_parameter(
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    );
    refuses_to_create(&sqs, "q.fifo", &[], standard_name);
    refuses_to_create(&sqs, "q.fifo", &[("FifoQueue", "false")], standard_name);
    let name = Refusal::invalid_attribute_name;
    refuses_to_create(&sqs, "q", &[("FifoQueue", "false")], name("Unknown Attribute FifoQueue."));
    let text = "Unknown Attribute ContentBasedDeduplication.";
    refuses_to_create(&sqs, "q", &[("ContentBasedDeduplication", "true")], name(text));
    let text = "You can specify the DeduplicationScope only when FifoQueue is set to true.";
    refuses_to_create(&sqs, "q", &[("DeduplicationScope", "queue")], name(text));
    let text = "You can specify the FifoThroughputLimit only when FifoQueue is set to true.";
    refuses_to_create(&sqs, "q", &[("FifoThroughputLimit", "perQueue")], name(text));
    let text = "The perMessageGroupId value is allowed only when the value for DeduplicationScope \
                is messageGroup";
    let fast = [("FifoQueue", "true"), ("FifoThroughputLimit", "perMessageGroupId")];
    refuses_to_create(&sqs, "q.fifo", &fast, Refusal::invalid_parameter(text));
    assert_eq!(sqs.json("ListQueues", &json!({})), json!({}));
    let longest = format!("{}.fifo", "x".repeat(75));
    fifo(&sqs, &longest);
    fifo(&sqs, &longest);
}

#[test]
fn a_fifo_queue_changes_all_but_its_type() {
    let sqs = Sqs::start();
    fifo(&sqs, "q.fifo");
    set(
        &sqs,
        "q.fifo",
        &json!({
            "FifoQueue": "true", "ContentBasedDeduplication": "True",
            "FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup",
        }),
    );
    let attributes = all(&sqs, "q.fifo");
    for (name, value) in [
        ("ContentBasedDeduplication", "true"),
        ("DeduplicationScope", "messageGroup"),
        ("FifoThroughputLimit", "perMessageGroupId"),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    let text = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not \
                supported.";
    refuses(&sqs, "q.fifo", "FifoQueue", "false", Refusal::invalid_attribute_value(text));
    let text = "The perMessageGroupId value is allowed only when the value for DeduplicationScope \
                is messageGroup";
    let refusal = Refusal::invalid_parameter(text);
    refuses(&sqs, "q.fifo", "DeduplicationScope", "queue", refusal);
    let text = "Invalid value for the parameter DeduplicationScope.";
    let refusal = Refusal::invalid_attribute_value(text);
    refuses(&sqs, "q.fifo", "DeduplicationScope", "group", refusal);
    // messageGroup with perQueue is fine.
    set(&sqs, "q.fifo", &json!({ "FifoThroughputLimit": "perQueue" }));
    let different = [("FifoQueue", "true"), ("ContentBasedDeduplication", "false")];
    let refusal = Refusal::new(
        "QueueNameExists",
        "QueueAlreadyExists",
        400,
        "A queue already exists with the same name and a different value for attribute \
         ContentBasedDeduplication",
    );
    refuses_to_create(&sqs, "q.fifo", &different, refusal);
}

// contract: 4.2-other-value
#[test]
fn a_repeated_creation_is_held_against_what_was_set_since() {
    let sqs = Sqs::with_queue("q");
    set(&sqs, "q", &json!({ "DelaySeconds": "7" }));
    let create = |delay: &str| json!({ "QueueName": "q", "Attributes": { "DelaySeconds": delay } });
    sqs.json("CreateQueue", &create("7"));
    sqs.json("CreateQueue", &create("007"));
    let refusal = Refusal::new(
        "QueueNameExists",
        "QueueAlreadyExists",
        400,
        "A queue already exists with the same name and a different value for attribute \
         DelaySeconds",
    );
    refuses_to_create(&sqs, "q", &[("DelaySeconds", "0")], refusal);
}

// contract: 5.2-both, 5.2-kms-switches-sse-off, 5.2-kms-removed, 5.2-sse-switches-kms-off
#[test]
fn a_key_and_the_encryption_of_sqs_exclude_each_other() {
    let sqs = Sqs::with_queue("q");
    let encryption = || {
        let attributes = all(&sqs, "q");
        let shown = ["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"];
        shown.map(|name| attributes.get(name).map_or("-", |v| v.as_str().unwrap_or("?")).to_owned())
    };
    assert_eq!(encryption(), ["-", "-", "true"]);
    set(&sqs, "q", &json!({ "KmsMasterKeyId": "alias/no-such-key" }));
    assert_eq!(encryption(), ["alias/no-such-key", "300", "false"]);
    set(&sqs, "q", &json!({ "KmsDataKeyReusePeriodSeconds": "60" }));
    assert_eq!(encryption(), ["alias/no-such-key", "60", "false"]);
    set(&sqs, "q", &json!({ "KmsMasterKeyId": "", "KmsDataKeyReusePeriodSeconds": "300" }));
    assert_eq!(encryption(), ["-", "-", "false"]);
    set(&sqs, "q", &json!({ "SqsManagedSseEnabled": "True" }));
    assert_eq!(encryption(), ["-", "-", "true"]);
    set(&sqs, "q", &json!({ "KmsMasterKeyId": "k" }));
    set(&sqs, "q", &json!({ "SqsManagedSseEnabled": "true" }));
    assert_eq!(encryption(), ["-", "-", "true"]);
    sqs.refused(
        "SetQueueAttributes",
        &json!({ "QueueUrl": "q",
            "Attributes": { "KmsMasterKeyId": "k", "SqsManagedSseEnabled": "true" } }),
        &[
            ("QueueUrl", "q"),
            ("Attribute.1.Name", "KmsMasterKeyId"),
            ("Attribute.1.Value", "k"),
            ("Attribute.2.Name", "SqsManagedSseEnabled"),
            ("Attribute.2.Value", "true"),
        ],
        Refusal::invalid_attribute_name(
            "You can use one type of server-side encryption (SSE) at one time. You can either \
             enable KMS SSE or SQS SSE.",
        ),
    );
}

#[test]
fn a_queue_that_redis_cli_gave_bytes_is_shown_and_mended() {
    let sqs = Sqs::with_queue("q");
    for script in [
        r"return redis.call('KARIN.SET', KEYS[1], 'Policy', '\255')",
        r"return redis.call('KARIN.TAG', KEYS[1], '\254', '\255')",
    ] {
        assert_eq!(sqs.redis.cli(&["EVAL", script, "1", "karin:{q}"]).trim(), "OK");
    }
    assert_eq!(all(&sqs, "q")["Policy"], "\u{fffd}");
    let tags = sqs.json("ListQueueTags", &json!({ "QueueUrl": "q" }));
    assert_eq!(tags["Tags"], json!({ "\u{fffd}": "\u{fffd}" }));
    set(&sqs, "q", &json!({ "Policy": "" }));
    assert_eq!(all(&sqs, "q").get("Policy"), None);
}
