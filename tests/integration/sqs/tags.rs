//! TagQueue, UntagQueue, ListQueueTags (sqs-contract §4.7).

use karin_tests::gateway::Gateway;
use serde_json::{Value, json};

use super::{NO_QUEUE, Refusal, Sqs, elements};

#[track_caller]
fn tags(sqs: &Sqs) -> Value {
    sqs.json("ListQueueTags", &json!({ "QueueUrl": "q" }))
}

#[test]
fn tags_are_added_replaced_and_removed() {
    let sqs = Sqs::with_queue("q");
    assert_eq!(tags(&sqs), json!({}));
    let added = json!({ "QueueUrl": "q", "Tags": { "team": "a", "empty": "", "Team": "ü/7@x" } });
    assert_eq!(sqs.json("TagQueue", &added), Value::Null);
    let all = json!({ "Tags": { "team": "a", "empty": "", "Team": "ü/7@x" } });
    assert_eq!(tags(&sqs), all);
    let xml = sqs.query("ListQueueTags", &[("QueueUrl", "q")]);
    assert_eq!(elements(&xml, "Key").len(), 3, "{xml}");
    let replace = [("QueueUrl", "q"), ("Tag.1.Key", "team"), ("Tag.1.Value", "b")];
    assert!(!sqs.query("TagQueue", &replace).contains("Result"));
    let remove = json!({ "QueueUrl": "q", "TagKeys": ["Team", "unknown"] });
    assert_eq!(sqs.json("UntagQueue", &remove), Value::Null);
    assert_eq!(tags(&sqs), json!({ "Tags": { "team": "b", "empty": "" } }));
    let remove = [("QueueUrl", "q"), ("TagKey.1", "team"), ("TagKey.2", "empty")];
    assert!(!sqs.query("UntagQueue", &remove).contains("Result"));
    assert_eq!(tags(&sqs), json!({}));
    let xml = sqs.query("ListQueueTags", &[("QueueUrl", "q")]);
    assert!(xml.contains("<ListQueueTagsResult/>"), "{xml}");
}

#[test]
fn a_new_queue_has_its_tags_and_a_repeated_creation_changes_none() {
    let sqs = Sqs::start();
    let create = |tags: Value| json!({ "QueueName": "q", "tags": tags });
    sqs.json("CreateQueue", &create(json!({ "team": "a" })));
    sqs.json("CreateQueue", &create(json!({ "team": "b", "more": "x" })));
    assert_eq!(tags(&sqs), json!({ "Tags": { "team": "a" } }));
    let second = Gateway::start(&sqs.redis, &[]);
    let add = r#"{"QueueUrl":"q","Tags":{"more":"x"}}"#;
    assert_eq!(second.http().json("TagQueue", add).status, 200);
    assert_eq!(tags(&sqs), json!({ "Tags": { "team": "a", "more": "x" } }));
}

#[test]
fn fifty_tags_fit_and_no_more() {
    let sqs = Sqs::with_queue("q");
    let many: serde_json::Map<_, _> = (0..50).map(|n| (n.to_string(), json!("v"))).collect();
    sqs.json("TagQueue", &json!({ "QueueUrl": "q", "Tags": many }));
    sqs.json("TagQueue", &json!({ "QueueUrl": "q", "Tags": { "7": "replaced" } }));
    sqs.refused(
        "TagQueue",
        &json!({ "QueueUrl": "q", "Tags": { "8": "no", "one more": "" } }),
        &[("QueueUrl", "q"), ("Tag.1.Key", "one more"), ("Tag.1.Value", "")],
        Refusal::invalid_parameter("Too many tags added for queue q."),
    );
    assert_eq!(tags(&sqs)["Tags"]["7"], "replaced");
    assert_eq!(tags(&sqs)["Tags"]["8"], "v");
}

#[test]
fn bad_tags_are_refused_once_the_queue_was_found() {
    let sqs = Sqs::with_queue("q");
    let long = "x".repeat(129);
    for (key, text) in [
        ("", "Tag keys must be between 1 and 128 characters in length."),
        (&long, "Tag keys must be between 1 and 128 characters in length."),
        (
            "a&b",
            "Tag keys may only contain unicode letters, digits, whitespace, or one of these \
             symbols: _ . : / = + - @",
        ),
    ] {
        let refused = |queue: &str, expected| {
            sqs.refused(
                "TagQueue",
                &json!({ "QueueUrl": queue, "Tags": { key: "v" } }),
                &[("QueueUrl", queue), ("Tag.1.Key", key), ("Tag.1.Value", "v")],
                expected,
            );
        };
        refused("q", Refusal::invalid_parameter(text));
        refused("missing", NO_QUEUE);
    }
    let long = "x".repeat(257);
    sqs.refused(
        "TagQueue",
        &json!({ "QueueUrl": "q", "Tags": { "k": long } }),
        &[("QueueUrl", "q"), ("Tag.1.Key", "k"), ("Tag.1.Value", &long)],
        Refusal::invalid_parameter("Tag values must be between 0 and 256 characters in length."),
    );
    // What is required is missed before the queue is.
    for queue in ["q", "missing"] {
        let members = json!({ "QueueUrl": queue });
        let missing = "The request must contain the parameter Tags.";
        let parameters = [("QueueUrl", queue)];
        let refusal = Refusal::missing_parameter(missing);
        sqs.refused("TagQueue", &members, &parameters, refusal);
        let missing = "The request must contain the parameter TagKeys.";
        let refusal = Refusal::missing_parameter(missing);
        sqs.refused("UntagQueue", &members, &parameters, refusal);
    }
}
