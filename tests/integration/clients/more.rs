//! Clients that take longer to install than `make test` should; `make test-clients` runs them.

use karin_tests::clients::{Packages, command};
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use serde_json::Value;

/// Whether `make test-clients` asked for these.
fn wanted() -> bool {
    std::env::var("KARIN_TEST_CLIENTS").is_ok_and(|value| value == "all")
}

#[test]
fn the_aws_cli_sends_receives_and_deletes() {
    if !wanted() {
        return;
    }
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let aws = |action: &str, parameters: Value| -> Value {
        let mut command = command(&Packages::Cli.interpreter().with_file_name("aws"));
        command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        command.args(["--region", "us-east-1", "--endpoint-url", &gateway.url(), "sqs", action]);
        command.arg("--cli-input-json").arg(parameters.to_string());
        let output = command.output().expect("aws");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "aws sqs {action}: {errors}");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    };
    let created = aws("create-queue", serde_json::json!({"QueueName": "cli"}));
    let url = &created["QueueUrl"];
    let body = "two\r\nlines, <&>, ü€😀";
    let sent = aws("send-message", serde_json::json!({"QueueUrl": url, "MessageBody": body}));
    let received = aws("receive-message", serde_json::json!({"QueueUrl": url}));
    let message = &received["Messages"][0];
    assert_eq!(message["Body"], body);
    assert_eq!(message["MessageId"], sent["MessageId"]);
    let handle = &message["ReceiptHandle"];
    aws("delete-message", serde_json::json!({"QueueUrl": url, "ReceiptHandle": handle}));
    let names = ["ApproximateNumberOfMessagesNotVisible"];
    let left =
        aws("get-queue-attributes", serde_json::json!({"QueueUrl": url, "AttributeNames": names}));
    assert_eq!(left["Attributes"][names[0]], "0");
}
