//! `--strict-account`, and what it is without (design §4; sqs-contract §§1.2 and 2.4).

use serde_json::{Value, json};

use super::{Refusal, Sqs, element};

const FOREIGN: Refusal = Refusal::new(
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    400,
    "The specified queue does not exist or you do not have access to it.",
);

const OURS: &str = "https://sqs.eu-west-1.amazonaws.com/111122223333/q";
const THEIRS: &str = "https://sqs.eu-west-1.amazonaws.com/444455556666/q";

fn start(strict: &[&str]) -> Sqs {
    let options = ["--account", "111122223333", "--region", "eu-west-1"];
    let sqs = Sqs::start_with(&[&options[..], strict].concat());
    for name in ["q", "dead"] {
        sqs.json("CreateQueue", &json!({ "QueueName": name }));
    }
    sqs
}

fn redrive(target: &str) -> Value {
    let policy = json!({ "deadLetterTargetArn": target, "maxReceiveCount": 1 }).to_string();
    json!({ "QueueUrl": "q", "Attributes": { "RedrivePolicy": policy } })
}

// contract: 2.4-queue-invisible
#[test]
fn a_strict_gateway_knows_queue_urls_of_its_own_account_only() {
    let sqs = start(&["--strict-account"]);
    for url in [OURS, "/111122223333/q", "http://localhost/queue/q", "q"] {
        sqs.send(url, "x");
    }
    sqs.refused_by_every_action_on(THEIRS, FOREIGN);
    assert_eq!(sqs.receive("q").len(), 4);
}

// contract: 4.4-url-owner, 2.4-queue-invisible
#[test]
fn a_strict_gateway_looks_at_the_path_and_the_owner_too() {
    let sqs = start(&["--strict-account"]);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let post = |path: &str, body: &str| sqs.http().request("POST", path, &form, body.as_bytes());
    let send = "Action=SendMessage&MessageBody=x";
    assert_eq!(post("/111122223333/q", send).status, 200);
    let foreign = post("/444455556666/q", send);
    assert_eq!(element(foreign.text(), "Message"), FOREIGN.text);
    assert_eq!(foreign.status, 400);
    let got = sqs.http().get("/444455556666/q?Action=ReceiveMessage");
    assert_eq!(element(got.text(), "Message"), FOREIGN.text);
    // The QueueUrl wins over the path.
    assert_eq!(post("/444455556666/q", &format!("{send}&QueueUrl=q")).status, 200);
    let owner = |account: &str| json!({ "QueueName": "q", "QueueOwnerAWSAccountId": account });
    sqs.json("GetQueueUrl", &owner("111122223333"));
    let parameters = [("QueueName", "q"), ("QueueOwnerAWSAccountId", "444455556666")];
    sqs.refused("GetQueueUrl", &owner("444455556666"), &parameters, FOREIGN);
}

#[test]
fn a_strict_gateway_knows_arns_of_its_own_account_and_region_only() {
    let sqs = start(&["--strict-account"]);
    for target in
        ["arn:aws:sqs:eu-west-1:444455556666:dead", "arn:aws:sqs:us-east-1:111122223333:dead"]
    {
        let members = redrive(target);
        let policy = members["Attributes"]["RedrivePolicy"].as_str().expect("a text");
        let text = format!(
            "Value {policy} for parameter RedrivePolicy is invalid. Reason: Dead-letter target \
             owner should be same as the source."
        );
        let parameters = [
            ("QueueUrl", "q"),
            ("Attribute.1.Name", "RedrivePolicy"),
            ("Attribute.1.Value", policy),
        ];
        let expected = Refusal::invalid_parameter(text.leak());
        sqs.refused("SetQueueAttributes", &members, &parameters, expected);
    }
    let ours = redrive("arn:aws:sqs:eu-west-1:111122223333:dead");
    sqs.json("SetQueueAttributes", &ours);
    let allow = json!({
        "redrivePermission": "byQueue",
        "sourceQueueArns": ["arn:aws:sqs:eu-west-1:444455556666:q"],
    });
    let allow = json!({ "RedriveAllowPolicy": allow.to_string() });
    sqs.json("SetQueueAttributes", &json!({ "QueueUrl": "dead", "Attributes": allow }));
    let response = sqs.http().json("SetQueueAttributes", &ours.to_string());
    assert_eq!(response.status, 400, "{response:?}");
}

#[test]
fn any_other_gateway_takes_every_account_and_region_for_its_own() {
    let sqs = start(&[]);
    sqs.send(THEIRS, "x");
    assert_eq!(sqs.receive(OURS).len(), 1);
    sqs.json("SetQueueAttributes", &redrive("arn:aws:sqs:us-east-1:444455556666:dead"));
    let owner = json!({ "QueueName": "q", "QueueOwnerAWSAccountId": "444455556666" });
    let found = sqs.json("GetQueueUrl", &owner);
    assert!(found["QueueUrl"].as_str().is_some_and(|url| url.ends_with("/111122223333/q")));
}

#[test]
fn move_tasks_take_arns_of_the_own_account_only_where_that_is_strict() {
    let [ours, theirs] = ["111122223333", "444455556666"]
        .map(|account| format!("arn:aws:sqs:eu-west-1:{account}:dead"));
    let not_there = Refusal::new(
        "ResourceNotFoundException",
        "ResourceNotFoundException",
        404,
        "The resource that you specified for the SourceArn parameter doesn't exist.",
    );
    let strict = start(&["--strict-account"]);
    strict.json("SetQueueAttributes", &redrive(&ours));
    strict.json("StartMessageMoveTask", &json!({ "SourceArn": ours }));
    for action in ["StartMessageMoveTask", "ListMessageMoveTasks"] {
        let members = json!({ "SourceArn": theirs });
        strict.refused(action, &members, &[("SourceArn", &theirs)], not_there);
    }
    let loose = start(&[]);
    loose.json("SetQueueAttributes", &redrive(&ours));
    loose.json("StartMessageMoveTask", &json!({ "SourceArn": theirs }));
    let tasks = loose.json("ListMessageMoveTasks", &json!({ "SourceArn": ours }));
    assert_eq!(tasks["Results"][0]["SourceArn"], json!(theirs));
}
