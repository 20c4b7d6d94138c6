//! AddPermission, RemovePermission, and policies as a whole (sqs-contract §§4.6 and 5.3).

use karin_tests::gateway::Gateway;
use serde_json::{Value, json};

use super::{NO_QUEUE, Refusal, Sqs, text};

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:q";

#[track_caller]
fn policy(sqs: &Sqs) -> Option<String> {
    let members = json!({ "QueueUrl": "q", "AttributeNames": ["Policy"] });
    let answer = sqs.json("GetQueueAttributes", &members);
    answer.get("Attributes").map(|attributes| text(attributes, "Policy").to_owned())
}

fn permission(queue: &str, label: &str, accounts: &[&str], actions: &[&str]) -> Value {
    json!({ "QueueUrl": queue, "Label": label, "AWSAccountIds": accounts, "Actions": actions })
}

fn with_permission(label: &str) -> Value {
    permission("q", label, &["123456789012"], &["SendMessage"])
}

// contract: 4.6-add, 4.6-remove-last
#[test]
fn a_permission_is_a_statement_of_the_policy() {
    let sqs = Sqs::with_queue("q");
    let one = permission("q", "one", &["123456789012"], &["ReceiveMessage"]);
    assert_eq!(sqs.json("AddPermission", &one), Value::Null);
    let first = format!(
        "{{\"Version\":\"2008-10-17\",\"Id\":\"{ARN}/SQSDefaultPolicy\",\"Statement\":[{{\"Sid\":\
         \"one\",\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"arn:aws:iam::123456789012:root\"}},\
         \"Action\":\"SQS:ReceiveMessage\",\"Resource\":\"{ARN}\"}}]}}"
    );
    assert_eq!(policy(&sqs).as_ref(), Some(&first));
    let two = [
        ("QueueUrl", "q"),
        ("Label", "two"),
        ("AWSAccountId.1", "111111111111"),
        ("AWSAccountId.2", "222222222222"),
        ("ActionName.1", "*"),
        ("ActionName.2", "SendMessage"),
    ];
    assert!(!sqs.query("AddPermission", &two).contains("Result"));
    let both: Value = serde_json::from_str(&policy(&sqs).expect("a policy")).expect("JSON");
    assert_eq!(
        both["Statement"][1],
        json!({
            "Sid": "two", "Effect": "Allow", "Resource": ARN,
            "Principal": { "AWS": [
                "arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:root",
            ] },
            "Action": ["SQS:*", "SQS:SendMessage"],
        })
    );
    let two = [("QueueUrl", "q"), ("Label", "two")];
    assert!(!sqs.query("RemovePermission", &two).contains("Result"));
    assert_eq!(policy(&sqs), Some(first));
    let last = json!({ "QueueUrl": "q", "Label": "one" });
    assert_eq!(sqs.json("RemovePermission", &last), Value::Null);
    assert_eq!(policy(&sqs), None);
}

#[test]
fn permissions_that_cannot_be_are_refused() {
    let sqs = Sqs::with_queue("q");
    sqs.json("AddPermission", &with_permission("taken"));
    let before = policy(&sqs);
    let add = |queue: &str, label: &str, account: &str, actions: &[&str], expected| {
        let mut parameters = vec![("QueueUrl", queue), ("Label", label)];
        if !account.is_empty() {
            parameters.push(("AWSAccountId.1", account));
        }
        let names: Vec<String> = (1..=actions.len()).map(|n| format!("ActionName.{n}")).collect();
        parameters.extend(names.iter().map(String::as_str).zip(actions.iter().copied()));
        let accounts: Vec<&str> = Some(account).filter(|a| !a.is_empty()).into_iter().collect();
        let members = permission(queue, label, &accounts, actions);
        sqs.refused("AddPermission", &members, &parameters, expected);
    };
    let account = "123456789012";
    let send = &["SendMessage"][..];
    let invalid = Refusal::invalid_parameter;
    let taken = "Value taken for parameter Label is invalid. Reason: Already exists.";
    add("q", "taken", account, send, invalid(taken));
    let characters = "Value a b for parameter Label is invalid. Reason: Can only include \
                      alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
    add("q", "a b", account, send, invalid(characters));
    let missing = Refusal::missing_parameter("The request must contain the parameter Label.");
    add("q", "", account, send, missing);
    let missing = Refusal::missing_parameter("The request must contain the parameter Actions.");
    add("q", "l", account, &[], missing);
    let owners = "Value SQS:RemovePermission for parameter ActionName is invalid. Reason: Only \
                  the queue owner is allowed to invoke this action.";
    add("q", "l", account, &["SendMessage", "RemovePermission"], invalid(owners));
    let unknown = "Value SQS:Foo for parameter ActionName is invalid. Reason: Please refer to the \
                   appropriate WSDL for a list of valid actions. ";
    add("q", "l", account, &["Foo"], invalid(unknown));
    let nobody = "Value [] for parameter PrincipalId is invalid. Reason: Unable to verify.";
    add("q", "l", "", send, invalid(nobody));
    let odd = "Value [12] for parameter PrincipalId is invalid. Reason: Unable to verify.";
    add("q", "l", "12", send, invalid(odd));
    let many = Refusal::over_limit("8 Actions were found, maximum allowed is 7.");
    add("q", "l", account, &["SendMessage"; 8], many);
    add("missing", "l", "12", &["Foo"], NO_QUEUE);
    let remove = |queue: &str, label: &str, expected| {
        let members = json!({ "QueueUrl": queue, "Label": label });
        let parameters = [("QueueUrl", queue), ("Label", label)];
        sqs.refused("RemovePermission", &members, &parameters, expected);
    };
    let unknown = "Value nobody for parameter Label is invalid. Reason: can't find label.";
    remove("q", "nobody", invalid(unknown));
    remove("missing", "nobody", NO_QUEUE);
    assert_eq!(policy(&sqs), before);
}

#[test]
fn no_permission_is_lost_when_two_gateways_add_at_once() {
    let sqs = Sqs::with_queue("q");
    let second = Gateway::start(&sqs.redis, &[]);
    std::thread::scope(|scope| {
        for (name, gateway) in [("a", &sqs.gateway), ("b", &second)] {
            scope.spawn(move || {
                for n in 0..8 {
                    let input = with_permission(&format!("{name}{n}")).to_string();
                    let answer = gateway.http().json("AddPermission", &input);
                    assert_eq!(answer.status, 200, "{name}{n}: {answer:?}");
                }
            });
        }
    });
    let policy: Value = serde_json::from_str(&policy(&sqs).expect("a policy")).expect("JSON");
    assert_eq!(policy["Statement"].as_array().map(Vec::len), Some(16), "{policy}");
}

// contract: 4.5-set-empty-removes
#[test]
fn a_policy_is_kept_as_it_was_written_and_the_empty_one_removes_it() {
    let sqs = Sqs::start();
    let written = "{ \"Version\": \"2012-10-17\",\n  \"Statement\": [] }";
    let attributes = json!({ "Policy": written });
    sqs.json("CreateQueue", &json!({ "QueueName": "q", "Attributes": attributes }));
    assert_eq!(policy(&sqs).as_deref(), Some(written));
    // As Terraform does: another order, other spaces.
    let same = r#"{"Statement":[],"Version":"2012-10-17"}"#;
    let again = json!({ "QueueName": "q", "Attributes": { "Policy": same } });
    sqs.json("CreateQueue", &again);
    sqs.refused(
        "CreateQueue",
        &json!({ "QueueName": "q", "Attributes": { "Policy": "{}" } }),
        &[("QueueName", "q"), ("Attribute.1.Name", "Policy"), ("Attribute.1.Value", "{}")],
        Refusal::new(
            "QueueNameExists",
            "QueueAlreadyExists",
            400,
            "A queue already exists with the same name and a different value for attribute Policy",
        ),
    );
    sqs.json("AddPermission", &with_permission("more"));
    let joined: Value = serde_json::from_str(&policy(&sqs).expect("a policy")).expect("JSON");
    assert_eq!(joined["Version"], "2012-10-17");
    assert_eq!(joined["Statement"][0]["Sid"], "more");
    let remove = [("QueueUrl", "q"), ("Attribute.1.Name", "Policy"), ("Attribute.1.Value", "")];
    sqs.query("SetQueueAttributes", &remove);
    assert_eq!(policy(&sqs), None);
}

// contract: 5.3-policy, 5.3-policy-quotas
#[test]
fn policies_that_are_none_or_too_large_are_refused() {
    let sqs = Sqs::with_queue("q");
    let set = |policy: &str, expected| {
        sqs.refused(
            "SetQueueAttributes",
            &json!({ "QueueUrl": "q", "Attributes": { "Policy": policy } }),
            &[("QueueUrl", "q"), ("Attribute.1.Name", "Policy"), ("Attribute.1.Value", policy)],
            expected,
        );
    };
    let invalid = Refusal::invalid_attribute_value("Invalid value for the parameter Policy.");
    let deep = format!("{{\"Statement\":{}", "[".repeat(4_000));
    for policy in ["x", "[]", "{", "{\"Statement\":\"x\"}", &deep] {
        set(policy, invalid);
    }
    let statements = |n: usize| json!({ "Statement": vec![json!({}); n] }).to_string();
    let text = "21 Statements were found, maximum allowed is 20.";
    set(&statements(21), Refusal::over_limit(text));
    let long = json!({ "Id": "x".repeat(8_184) }).to_string();
    let text = "8193 Bytes were found, maximum allowed is 8192.";
    set(&long, Refusal::over_limit(text));
    assert_eq!(policy(&sqs), None);
    let full = json!({ "QueueUrl": "q", "Attributes": { "Policy": statements(20) } });
    sqs.json("SetQueueAttributes", &full);
    let response = sqs.http().json("AddPermission", &with_permission("more").to_string());
    assert_eq!(response.status, 403, "{response:?}");
}
