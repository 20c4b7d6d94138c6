//! CreateQueue, GetQueueUrl, ListQueues, GetQueueAttributes, PurgeQueue, DeleteQueue.

use serde_json::json;

use super::{NO_QUEUE, Refusal, Sqs, element, elements, text};

#[test]
fn a_created_queue_is_found_by_the_url_of_the_host_that_asked() {
    let sqs = Sqs::start();
    let url = format!("{}/000000000000/orders", sqs.gateway.url());
    let created = sqs.json("CreateQueue", &json!({ "QueueName": "orders" }));
    assert_eq!(created, json!({ "QueueUrl": url }));
    assert_eq!(element(&sqs.query("CreateQueue", &[("QueueName", "orders")]), "QueueUrl"), url);
    let found = sqs.json("GetQueueUrl", &json!({ "QueueName": "orders" }));
    assert_eq!(text(&found, "QueueUrl"), url);
    let parameters = [("QueueName", "orders"), ("QueueOwnerAWSAccountId", "123456789012")];
    assert_eq!(element(&sqs.query("GetQueueUrl", &parameters), "QueueUrl"), url);
    sqs.refused("GetQueueUrl", &json!({ "QueueName": "x" }), &[("QueueName", "x")], NO_QUEUE);
    sqs.refused(
        "GetQueueUrl",
        &json!({}),
        &[],
        Refusal::invalid_parameter(
            "Value for parameter QueueName is invalid. Reason: Must specify a queue name.",
        ),
    );
}

// contract: 1.2-url-host-ignored
#[test]
fn any_account_region_or_host_names_the_queue() {
    let sqs = Sqs::with_queue("orders");
    for url in [
        "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
        "http://localhost:1/queue/orders",
        "orders",
    ] {
        sqs.send(url, "x");
        sqs.query("SendMessage", &[("QueueUrl", url), ("MessageBody", "x")]);
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for path in ["/000000000000/orders", "/queue/orders"] {
        let body = b"Action=SendMessage&MessageBody=x";
        assert_eq!(sqs.http().request("POST", path, &form, body).status, 200, "{path}");
    }
    let got = sqs.http().get("/000000000000/orders?Action=SendMessage&MessageBody=x");
    assert_eq!(got.status, 200);
    assert_eq!(sqs.receive("orders").len(), 9);
    sqs.refused("SendMessage", &json!({ "MessageBody": "x" }), &[("MessageBody", "x")], NO_QUEUE);
}

#[test]
fn creating_again_is_refused_only_for_an_attribute_that_differs() {
    let sqs = Sqs::start();
    let create = |attributes| json!({ "QueueName": "q", "Attributes": attributes });
    sqs.json("CreateQueue", &create(json!({ "DelaySeconds": "5", "VisibilityTimeout": "31" })));
    sqs.json("CreateQueue", &create(json!({})));
    sqs.json("CreateQueue", &create(json!({ "VisibilityTimeout": "31" })));
    sqs.refused(
        "CreateQueue",
        &create(json!({ "VisibilityTimeout": "31", "DelaySeconds": "6" })),
        &[("QueueName", "q"), ("Attribute.1.Name", "DelaySeconds"), ("Attribute.1.Value", "6")],
        Refusal::new(
            "QueueNameExists",
            "QueueAlreadyExists",
            400,
            "A queue already exists with the same name and a different value for attribute \
             DelaySeconds",
        ),
    );
}

#[test]
fn names_and_attributes_that_cannot_be_are_refused() {
    let sqs = Sqs::start();
    let long = "x".repeat(81);
    for name in ["a b", "a.b", "q.fifo", "ü", "", &long] {
        sqs.refused(
            "CreateQueue",
            &json!({ "QueueName": name }),
            &[("QueueName", name)],
            Refusal::invalid_parameter(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in \
                 length",
            ),
        );
    }
    sqs.refused(
        "CreateQueue",
        &json!({}),
        &[],
        Refusal::missing_parameter("The request must contain the parameter QueueName."),
    );
    let refused = |name: &str, value: &str, expected| {
        sqs.refused(
            "CreateQueue",
            &json!({ "QueueName": "q", "Attributes": { name: value } }),
            &[("QueueName", "q"), ("Attribute.1.Name", name), ("Attribute.1.Value", value)],
            expected,
        );
    };
    let invalid = |text| Refusal::new("InvalidAttributeValue", "InvalidAttributeValue", 400, text);
    refused(
        "VisibilityTimeout",
        "43201",
        invalid("Invalid value for the parameter VisibilityTimeout."),
    );
    refused(
        "Foobar",
        "1",
        Refusal::new(
            "InvalidAttributeName",
            "InvalidAttributeName",
            400,
            "Unknown Attribute Foobar.",
        ),
    );
    assert_eq!(sqs.json("ListQueues", &json!({})), json!({}));
}

#[test]
fn a_fresh_queue_shows_twelve_attributes() {
    let sqs = Sqs::with_queue("q");
    let members = json!({ "QueueUrl": "q", "AttributeNames": ["All"] });
    let answer = sqs.json("GetQueueAttributes", &members);
    let attributes = answer["Attributes"].as_object().expect("a map");
    assert_eq!(attributes.len(), 12, "{attributes:?}");
    for (name, value) in [
        ("ApproximateNumberOfMessages", "0"),
        ("ApproximateNumberOfMessagesDelayed", "0"),
        ("ApproximateNumberOfMessagesNotVisible", "0"),
        ("DelaySeconds", "0"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("QueueArn", "arn:aws:sqs:us-east-1:000000000000:q"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "30"),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    for name in ["CreatedTimestamp", "LastModifiedTimestamp"] {
        assert_eq!(attributes[name].as_str().map(str::len), Some(10), "{name}: seconds");
    }
    let xml = sqs.query("GetQueueAttributes", &[("QueueUrl", "q"), ("AttributeName.1", "All")]);
    assert_eq!(elements(&xml, "Attribute").len(), 12, "{xml}");
}

#[test]
fn attributes_are_kept_and_shown_as_asked() {
    let sqs = Sqs::start();
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let members = json!({ "QueueName": "q", "Attributes": {
        "VisibilityTimeout": "0", "DelaySeconds": "900", "MessageRetentionPeriod": "60",
        "MaximumMessageSize": "1024", "ReceiveMessageWaitTimeSeconds": "20", "Policy": policy,
        "KmsMasterKeyId": "alias/k",
    }, "tags": { "team": "a b" } });
    sqs.json("CreateQueue", &members);
    let show = |names: &[&str]| {
        let members = json!({ "QueueUrl": "q", "AttributeNames": names });
        sqs.json("GetQueueAttributes", &members)["Attributes"].clone()
    };
    assert_eq!(
        show(&[
            "VisibilityTimeout",
            "DelaySeconds",
            "MessageRetentionPeriod",
            "MaximumMessageSize",
            "ReceiveMessageWaitTimeSeconds",
            "Policy",
            "KmsMasterKeyId",
            "KmsDataKeyReusePeriodSeconds",
            "SqsManagedSseEnabled",
            "RedrivePolicy",
            "FifoQueue",
        ]),
        json!({
            "VisibilityTimeout": "0", "MaximumMessageSize": "1024",
            "MessageRetentionPeriod": "60", "DelaySeconds": "900",
            "ReceiveMessageWaitTimeSeconds": "20", "SqsManagedSseEnabled": "false",
            "KmsMasterKeyId": "alias/k", "KmsDataKeyReusePeriodSeconds": "300", "Policy": policy,
        })
    );
    assert_eq!(show(&["RedrivePolicy"]), json!(null));
    assert_eq!(sqs.json("GetQueueAttributes", &json!({ "QueueUrl": "q" })), json!({}));
    let info = sqs.redis.cli(&["KARIN.INFO", "karin:{q}"]);
    assert!(info.contains("team") && info.contains("a b"), "{info}");
    sqs.refused(
        "GetQueueAttributes",
        &json!({ "QueueUrl": "q", "AttributeNames": ["Foobar"] }),
        &[("QueueUrl", "q"), ("AttributeName.1", "Foobar")],
        Refusal::new(
            "InvalidAttributeName",
            "InvalidAttributeName",
            400,
            "Unknown Attribute Foobar.",
        ),
    );
}

// contract: 5.1-counts-exact
#[test]
fn counts_follow_the_messages() {
    let sqs = Sqs::with_queue("q");
    for body in ["a", "b"] {
        sqs.send("q", body);
    }
    let delayed = json!({ "QueueUrl": "q", "MessageBody": "c", "DelaySeconds": 60 });
    sqs.json("SendMessage", &delayed);
    sqs.json("ReceiveMessage", &json!({ "QueueUrl": "q" }));
    let names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
    ];
    let members = json!({ "QueueUrl": "q", "AttributeNames": names });
    let counts = sqs.json("GetQueueAttributes", &members)["Attributes"].clone();
    assert_eq!(names.map(|name| counts[name].clone()), [json!("1"), json!("1"), json!("1")]);
}

#[test]
fn queues_are_listed_by_prefix_and_page() {
    let sqs = Sqs::start();
    assert_eq!(sqs.json("ListQueues", &json!({})), json!({}));
    for name in ["b1", "a1", "a3", "a2", "A1"] {
        sqs.json("CreateQueue", &json!({ "QueueName": name }));
    }
    let names = |answer: &serde_json::Value| -> Vec<String> {
        let urls = answer["QueueUrls"].as_array().cloned().unwrap_or_default();
        let last = |url: &serde_json::Value| {
            url.as_str().and_then(|url| url.rsplit('/').next()).map(str::to_owned)
        };
        urls.iter().filter_map(last).collect()
    };
    assert_eq!(names(&sqs.json("ListQueues", &json!({}))), ["A1", "a1", "a2", "a3", "b1"]);
    let page = sqs.json("ListQueues", &json!({ "QueueNamePrefix": "a", "MaxResults": 2 }));
    assert_eq!(names(&page), ["a1", "a2"]);
    let next = text(&page, "NextToken");
    let rest = json!({ "QueueNamePrefix": "a", "MaxResults": 2, "NextToken": next });
    let rest = sqs.json("ListQueues", &rest);
    assert_eq!(names(&rest), ["a3"]);
    assert!(rest.get("NextToken").is_none(), "{rest}");
    let xml = sqs.query("ListQueues", &[("QueueNamePrefix", "a"), ("MaxResults", "2")]);
    assert_eq!(elements(&xml, "QueueUrl").len(), 2);
    assert_eq!(element(&xml, "NextToken"), next);
    for prefix in ["x", "a*", "a1}", "ü"] {
        assert_eq!(sqs.json("ListQueues", &json!({ "QueueNamePrefix": prefix })), json!({}));
    }
    for max_results in [0, 1001] {
        sqs.refused(
            "ListQueues",
            &json!({ "MaxResults": max_results }),
            &[("MaxResults", &max_results.to_string())],
            Refusal::invalid_parameter(
                "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer \
                 between 1 and 1000.",
            ),
        );
    }
    let other_prefix = json!({ "QueueNamePrefix": "b", "NextToken": next, "MaxResults": 1 });
    let response = sqs.http().json("ListQueues", &other_prefix.to_string());
    assert_eq!(response.status, 400);
}

// contract: 4.3-purge
#[test]
fn a_purge_takes_every_message_and_leaves_the_queue() {
    let sqs = Sqs::start_without_cooldown();
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    for purge in 0..2 {
        for delay in [0, 0, 60] {
            let message = json!({ "QueueUrl": "q", "MessageBody": "x", "DelaySeconds": delay });
            sqs.json("SendMessage", &message);
        }
        let received = sqs.json("ReceiveMessage", &json!({ "QueueUrl": "q" }));
        let handle = text(&received["Messages"][0], "ReceiptHandle").to_owned();
        if purge == 0 {
            assert_eq!(sqs.json("PurgeQueue", &json!({ "QueueUrl": "q" })), json!(null));
        } else {
            assert!(!sqs.query("PurgeQueue", &[("QueueUrl", "q")]).contains("Result"));
        }
        sqs.pass_seconds(100);
        assert!(sqs.receive("q").is_empty());
        sqs.json("DeleteMessage", &json!({ "QueueUrl": "q", "ReceiptHandle": handle }));
    }
    sqs.refused("PurgeQueue", &json!({ "QueueUrl": "x" }), &[("QueueUrl", "x")], NO_QUEUE);
}

// contract: 4.3-delete
#[test]
fn a_deleted_queue_is_gone_for_every_action() {
    let sqs = Sqs::start_without_cooldown();
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    sqs.send("q", "x");
    assert_eq!(sqs.json("DeleteQueue", &json!({ "QueueUrl": "q" })), json!(null));
    sqs.refused_by_every_action_on("q", NO_QUEUE);
    sqs.refused("GetQueueUrl", &json!({ "QueueName": "q" }), &[("QueueName", "q")], NO_QUEUE);
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    sqs.query("DeleteQueue", &[("QueueUrl", "q")]);
    sqs.json("CreateQueue", &json!({ "QueueName": "q" }));
    assert!(sqs.receive("q").is_empty());
}

#[test]
fn a_key_that_holds_something_else_is_no_queue_and_stays_as_it_is() {
    let sqs = Sqs::start();
    sqs.redis.cli(&["SET", "karin:{theirs}", "precious"]);
    sqs.refused_by_every_action_on("theirs", NO_QUEUE);
    let created = sqs.http().json("CreateQueue", r#"{"QueueName":"theirs"}"#);
    assert_eq!(created.status, 400, "{created:?}");
    assert_eq!(sqs.redis.cli(&["GET", "karin:{theirs}"]), "precious");
}
