//! RedrivePolicy, RedriveAllowPolicy and ListDeadLetterSourceQueues (sqs-contract §§4.4 and 5.3).

use karin_tests::gateway::Gateway;
use serde_json::{Value, json};

use super::{NO_QUEUE, Refusal, Sqs, element, elements, text};

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

fn policy(target: &str, count: u32) -> String {
    format!("{{\"deadLetterTargetArn\":\"{}\",\"maxReceiveCount\":{count}}}", arn(target))
}

#[track_caller]
fn set(sqs: &Sqs, queue: &str, name: &str, value: &str) {
    let members = json!({ "QueueUrl": queue, "Attributes": { name: value } });
    sqs.json("SetQueueAttributes", &members);
}

#[track_caller]
fn create(sqs: &Sqs, queue: &str, attributes: &Value) {
    sqs.json("CreateQueue", &json!({ "QueueName": queue, "Attributes": attributes }));
}

/// One attribute as GetQueueAttributes shows it.
#[track_caller]
fn shown(sqs: &Sqs, queue: &str, name: &str) -> Value {
    let members = json!({ "QueueUrl": queue, "AttributeNames": [name] });
    sqs.json("GetQueueAttributes", &members)["Attributes"][name].clone()
}

/// SetQueueAttributes and CreateQueue refuse alike, in both protocols.
#[track_caller]
fn refuses(sqs: &Sqs, name: &str, value: &str, reason: &str) {
    let text = format!("Value {value} for parameter {name} is invalid. Reason: {reason}");
    refuses_with(sqs, name, value, &text);
}

#[track_caller]
fn refuses_with(sqs: &Sqs, name: &str, value: &str, text: &str) {
    let expected = Refusal::invalid_parameter(text.to_owned().leak());
    let attributes = json!({ name: value });
    let attribute = [("Attribute.1.Name", name), ("Attribute.1.Value", value)];
    for (action, member, queue) in
        [("SetQueueAttributes", "QueueUrl", "q"), ("CreateQueue", "QueueName", "new")]
    {
        let members = json!({ member: queue, "Attributes": attributes });
        let parameters = [&[(member, queue)][..], &attribute[..]].concat();
        sqs.refused(action, &members, &parameters, expected);
    }
}

/// The names of the queues in an answer.
fn names(answer: &Value) -> Vec<String> {
    let urls = answer["queueUrls"].as_array().cloned().unwrap_or_default();
    let name = |url: &Value| url.as_str()?.rsplit('/').next().map(str::to_owned);
    urls.iter().filter_map(name).collect()
}

#[track_caller]
fn sources(sqs: &Sqs, queue: &str) -> Vec<String> {
    names(&sqs.json("ListDeadLetterSourceQueues", &json!({ "QueueUrl": queue })))
}

// contract: 5.3-stored-form, 5.3-removed
#[test]
fn a_redrive_policy_is_kept_in_the_canonical_form_and_removed_by_the_empty_text() {
    let sqs = Sqs::with_queue("dead");
    let sent = format!(r#"{{ "maxReceiveCount": "5", "deadLetterTargetArn": "{}" }}"#, arn("dead"));
    create(&sqs, "q", &json!({ "RedrivePolicy": sent }));
    assert_eq!(shown(&sqs, "q", "RedrivePolicy"), json!(policy("dead", 5)));
    let info = sqs.redis.cli(&["KARIN.INFO", "karin:{q}"]);
    assert!(info.contains("deadLetterTargetArn") && info.contains("maxReceiveCount"), "{info}");
    // A repeated creation is compared by what it says.
    create(&sqs, "q", &json!({ "RedrivePolicy": policy("dead", 5) }));
    create(&sqs, "q", &json!({ "RedrivePolicy": sent }));
    let different = json!({ "RedrivePolicy": policy("dead", 6) });
    let members = json!({ "QueueName": "q", "Attributes": different }).to_string();
    let response = sqs.http().json("CreateQueue", &members);
    assert!(response.text().contains("different value for attribute RedrivePolicy"));
    set(&sqs, "q", "RedrivePolicy", "");
    assert_eq!(shown(&sqs, "q", "RedrivePolicy"), Value::Null);
    let info = sqs.redis.cli(&["KARIN.INFO", "karin:{q}"]);
    assert!(!info.contains("deadLetterTargetArn") && !info.contains("maxReceiveCount"), "{info}");
    // The queue itself may be its target.
    set(&sqs, "q", "RedrivePolicy", &policy("q", 1));
    // In real life the ARN is that of an AWS account.
    let elsewhere = "{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:123456789012:dead\",\
                     \"maxReceiveCount\":1000}";
    set(&sqs, "q", "RedrivePolicy", elsewhere);
    assert_eq!(shown(&sqs, "q", "RedrivePolicy"), json!(elsewhere));
    assert_eq!(sources(&sqs, "dead"), ["q"]);
}

// contract: 5.3-other-owner
#[test]
fn redrive_policies_that_cannot_be_are_refused_with_the_reason() {
    let sqs = Sqs::with_queue("q");
    create(&sqs, "dead.fifo", &json!({ "FifoQueue": "true" }));
    let text = "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a \
                valid JSON map.";
    for value in ["x", "[]", "5"] {
        refuses_with(&sqs, "RedrivePolicy", value, text);
    }
    let refuses = |value: &str, reason: &str| refuses(&sqs, "RedrivePolicy", value, reason);
    let mandatory = "Redrive policy does not contain mandatory attribute:";
    refuses("{}", &format!("{mandatory} maxReceiveCount."));
    refuses("{\"maxReceiveCount\":1}", &format!("{mandatory} deadLetterTargetArn."));
    for count in ["0", "1001"] {
        let reason = "valid values are from 1 to 1000 both inclusive.";
        let reason = format!("Invalid value for maxReceiveCount: {count}, {reason}");
        refuses(&policy("dead", count.parse().expect("a number")), &reason);
    }
    let extra = policy("dead", 1).replace('}', ",\"x\":1}");
    let reason = "Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn].";
    refuses(&extra, reason);
    let unqualified = "{\"deadLetterTargetArn\":\"dead\",\"maxReceiveCount\":1}";
    refuses(unqualified, "Dead-letter target ARN should be fully qualified ARN.");
    let topic = policy("dead", 1).replace(":sqs:", ":sns:");
    refuses(&topic, "Only SQS queues are valid resources for deadLetterTargetArn.");
    refuses(&policy("missing", 1), "Dead letter target does not exist.");
    let reason = "Dead-letter queue must be same type of queue as the source..";
    refuses(&policy("dead.fifo", 1), reason);
    assert_eq!(shown(&sqs, "q", "RedrivePolicy"), Value::Null);
    let list = sqs.json("ListQueues", &json!({ "QueueNamePrefix": "new" }));
    assert_eq!(list, json!({}));
}

// contract: 5.3-target-denies, 5.3-allow-form
#[test]
fn a_redrive_allow_policy_says_whose_dead_letters_may_come() {
    let sqs = Sqs::with_queue("q");
    for name in ["dead", "friend"] {
        sqs.json("CreateQueue", &json!({ "QueueName": name }));
    }
    let allow = |value: &Value| {
        let value = value.to_string();
        set(&sqs, "dead", "RedriveAllowPolicy", &value);
        assert_eq!(shown(&sqs, "dead", "RedriveAllowPolicy"), json!(value));
    };
    let denied =
        "The redrive allow policy of the dead-letter queue does not allow this source queue.";
    allow(&json!({ "redrivePermission": "denyAll" }));
    refuses(&sqs, "RedrivePolicy", &policy("dead", 1), denied);
    allow(&json!({ "redrivePermission": "byQueue", "sourceQueueArns": [arn("friend")] }));
    refuses(&sqs, "RedrivePolicy", &policy("dead", 1), denied);
    set(&sqs, "friend", "RedrivePolicy", &policy("dead", 1));
    allow(&json!({ "redrivePermission": "allowAll" }));
    set(&sqs, "q", "RedrivePolicy", &policy("dead", 1));
    set(&sqs, "dead", "RedriveAllowPolicy", "");
    assert_eq!(shown(&sqs, "dead", "RedriveAllowPolicy"), Value::Null);
}

#[test]
fn redrive_allow_policies_that_cannot_be_are_refused_with_the_reason() {
    let sqs = Sqs::with_queue("q");
    let cannot = "Amazon SQS can't create the redrive allow policy";
    let refuses = |value: Value, reason: &str| {
        let reason = format!("{cannot}. {reason}");
        refuses(&sqs, "RedriveAllowPolicy", &value.to_string(), &reason);
    };
    refuses(
        json!({ "redrivePermission": "byQueue" }),
        "When you specify the byQueue permission type, you must also specify one or more \
         sourceQueueArns values.",
    );
    refuses(
        json!({ "redrivePermission": "allowAll", "sourceQueueArns": [arn("q")] }),
        "To specify one or more source queue ARNs, you must set redrivePermission to byQueue.",
    );
    refuses(
        json!({ "redrivePermission": "byQueue", "sourceQueueArns": vec![arn("q"); 11] }),
        "The maximum number of source queue ARNs you can specify is 10.",
    );
    let text = format!(
        "Invalid value for the parameter RedriveAllowPolicy. Reason: {cannot}, as it’s in an \
         unsupported format."
    );
    for value in ["x", "{}", "[]", "{\"redrivePermission\":\"some\"}"] {
        refuses_with(&sqs, "RedriveAllowPolicy", value, &text);
    }
}

// contract: 4.4-sources, 4.4-sources-paged
#[test]
fn the_sources_of_a_dead_letter_queue_are_listed_in_pages() {
    let sqs = Sqs::with_queue("dead");
    assert_eq!(sqs.json("ListDeadLetterSourceQueues", &json!({ "QueueUrl": "dead" })), json!({}));
    let xml = sqs.query("ListDeadLetterSourceQueues", &[("QueueUrl", "dead")]);
    assert!(xml.contains("<ListDeadLetterSourceQueuesResult/>"), "{xml}");
    for name in ["undead", "s3", "s1", "s2", "other"] {
        sqs.json("CreateQueue", &json!({ "QueueName": name }));
    }
    for source in ["s1", "s2", "s3"] {
        set(&sqs, source, "RedrivePolicy", &policy("dead", 3));
    }
    set(&sqs, "other", "RedrivePolicy", &policy("undead", 3));
    assert_eq!(sources(&sqs, "dead"), ["s1", "s2", "s3"]);
    assert_eq!(sources(&sqs, "undead"), ["other"]);
    assert_eq!(sources(&sqs, "s1"), Vec::<String>::new());

    let list = |members: Value| sqs.json("ListDeadLetterSourceQueues", &members);
    let page = list(json!({ "QueueUrl": "dead", "MaxResults": 2 }));
    assert_eq!(names(&page), ["s1", "s2"]);
    let token = text(&page, "NextToken");
    let parameters = [("QueueUrl", "dead"), ("MaxResults", "2")];
    let xml = sqs.query("ListDeadLetterSourceQueues", &parameters);
    assert_eq!(elements(&xml, "QueueUrl").len(), 2, "{xml}");
    assert_eq!(element(&xml, "NextToken"), token);
    let rest = list(json!({ "QueueUrl": "dead", "MaxResults": 2, "NextToken": token }));
    assert_eq!(names(&rest), ["s3"]);
    assert!(rest.get("NextToken").is_none(), "{rest}");
    // A page that ends with the last source has no token, though queues follow.
    let full = list(json!({ "QueueUrl": "dead", "MaxResults": 3 }));
    assert!(full.get("NextToken").is_none(), "{full}");
}

#[test]
fn sources_are_found_among_more_queues_than_one_look_takes() {
    let sqs = Sqs::with_queue("dead");
    let mut many = redis::pipe();
    for n in 0..2_100 {
        many.cmd("KARIN.CREATE").arg(format!("karin:{{q{n:04}}}")).ignore();
    }
    many.exec(&mut sqs.redis.connection()).expect("queues");
    for source in ["q0000", "q1500", "q2099"] {
        set(&sqs, source, "RedrivePolicy", &policy("dead", 3));
    }
    assert_eq!(sources(&sqs, "dead"), ["q0000", "q1500", "q2099"]);
    let members = json!({ "QueueUrl": "dead", "MaxResults": 1 });
    let page = sqs.json("ListDeadLetterSourceQueues", &members);
    assert_eq!(names(&page), ["q0000"]);
    let members =
        json!({ "QueueUrl": "dead", "MaxResults": 2, "NextToken": text(&page, "NextToken") });
    let page = sqs.json("ListDeadLetterSourceQueues", &members);
    assert_eq!(names(&page), ["q1500", "q2099"]);
    assert!(page.get("NextToken").is_none(), "{page}");
}

#[test]
fn wrong_pages_of_sources_are_refused_once_the_queue_was_found() {
    let sqs = Sqs::with_queue("dead");
    let refused = |queue: &str, count: &str, token: &str, expected| {
        let number: i64 = count.parse().expect("a number");
        let members = json!({ "QueueUrl": queue, "MaxResults": number, "NextToken": token });
        let parameters = [("QueueUrl", queue), ("MaxResults", count), ("NextToken", token)];
        sqs.refused("ListDeadLetterSourceQueues", &members, &parameters, expected);
    };
    let text = "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer \
                between 1 and 1000.";
    for count in ["0", "1001", "-1"] {
        refused("dead", count, "", Refusal::invalid_parameter(text));
        refused("missing", count, "", NO_QUEUE);
    }
    let text = "Value for parameter NextToken is invalid. Reason: Invalid or expired token.";
    refused("dead", "1", "nonsense", Refusal::invalid_parameter(text));
}

#[test]
fn a_target_that_comes_back_switches_dead_lettering_on_again() {
    let sqs = Sqs::start_without_cooldown();
    for name in ["dead", "a", "b", "c"] {
        sqs.json("CreateQueue", &json!({ "QueueName": name }));
    }
    for source in ["a", "b"] {
        set(&sqs, source, "RedrivePolicy", &policy("dead", 3));
    }
    set(&sqs, "c", "RedrivePolicy", &policy("a", 3));
    sqs.json("DeleteQueue", &json!({ "QueueUrl": "dead" }));
    assert_eq!(shown(&sqs, "a", "RedrivePolicy"), json!(policy("dead", 3)));
    // As whoever finds the target missing does.
    for source in ["a", "c"] {
        sqs.redis.cli(&["KARIN.SET", &format!("karin:{{{source}}}"), "maxReceiveCount", "0"]);
    }
    let is_on = |source: &str| {
        let info = sqs.redis.cli(&["KARIN.INFO", &format!("karin:{{{source}}}")]);
        info.contains("\nmaxReceiveCount\n3\n")
    };
    assert_eq!(["a", "b", "c"].map(is_on), [false, true, false]);
    let second = Gateway::start(&sqs.redis, &["--queue-cooldown", "0"]);
    assert_eq!(second.http().json("CreateQueue", r#"{"QueueName":"dead"}"#).status, 200);
    assert_eq!(["a", "b", "c"].map(is_on), [true, true, false]);
    assert_eq!(shown(&sqs, "a", "RedrivePolicy"), json!(policy("dead", 3)));
}
