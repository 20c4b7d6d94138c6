//! Real SDKs against the gateway (tests/clients). These four run always; what
//! `KARIN_TEST_CLIENTS=all` adds stands in [`more`].

mod more;

use std::process::Command;

use karin_tests::clients::{Packages, run};
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

/// The key the scripts sign with.
const KEY: &str = "test:test";
const TOKEN: &str = "0123456789abcdefABCD-_";

/// Everything the script tries, with its signatures checked.
fn check(packages: Packages, script: &str, protocol: &str) {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--key", KEY]);
    run(packages, script, &[&gateway.url(), protocol]);
}

/// The same for somebody who signs with a key we do not know, such as a Lambda function.
fn check_with_token(packages: Packages, script: &str, protocol: &str) {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--token", TOKEN]);
    run(packages, script, &[&format!("{}/~{TOKEN}", gateway.url()), protocol]);
}

#[test]
fn the_current_boto3_is_served_in_json() {
    check(Packages::BotoJson, "sqs.py", "json");
}

#[test]
fn an_old_boto3_is_served_in_query() {
    check(Packages::BotoQuery, "sqs.py", "query");
}

#[test]
fn the_current_javascript_sdk_is_served_in_json() {
    check(Packages::Node, "sqs.mjs", "json");
}

#[test]
fn an_old_javascript_sdk_is_served_in_query() {
    check(Packages::Node, "sqs.mjs", "query");
}

#[test]
fn the_current_boto3_is_served_at_an_endpoint_with_a_token() {
    check_with_token(Packages::BotoJson, "sqs.py", "json");
}

#[test]
fn an_old_boto3_is_served_at_an_endpoint_with_a_token() {
    check_with_token(Packages::BotoQuery, "sqs.py", "query");
}

#[test]
fn the_current_javascript_sdk_is_served_at_an_endpoint_with_a_token() {
    check_with_token(Packages::Node, "sqs.mjs", "json");
}

#[test]
fn an_old_javascript_sdk_is_served_at_an_endpoint_with_a_token() {
    check_with_token(Packages::Node, "sqs.mjs", "query");
}

/// Runs curl, signing with the key; what it prints. `None`: there is no curl that can sign.
fn signed_curl(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--user", KEY, "--aws-sigv4", "aws:amz:us-east-1:sqs"]);
    let output = command.args(arguments).output().ok()?;
    let unknown_option = output.status.code() == Some(2);
    (!unknown_option).then(|| String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn curl_signs_forms_and_json() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--key", KEY]);
    let url = gateway.url();
    let form = "Action=CreateQueue&QueueName=q";
    let Some(created) = signed_curl(&["--data", form, &url]) else { return };
    assert!(created.contains("/000000000000/q</QueueUrl>"), "{created}");
    let json = "content-type: application/x-amz-json-1.0";
    let target = "x-amz-target: AmazonSQS.SendMessage";
    let body = r#"{"QueueUrl":"q","MessageBody":"x"}"#;
    let sent = signed_curl(&["-H", json, "-H", target, "--data", body, &url]).expect("curl");
    assert!(sent.contains("MessageId"), "{sent}");
    let received = signed_curl(&[&format!("{url}/000000000000/q?Action=ReceiveMessage")]);
    let received = received.expect("curl");
    assert!(received.contains("<Body>x</Body>"), "{received}");
    let wrong = ["--user", "test:wrong", "--data", form, &url];
    let refused = signed_curl(&wrong).expect("curl");
    assert!(refused.contains("<Code>SignatureDoesNotMatch</Code>"), "{refused}");
}
