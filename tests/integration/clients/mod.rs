//! Real SDKs against the gateway (tests/clients). These four run always; what
//! `KARIN_TEST_CLIENTS=all` adds stands in [`more`].

mod more;

use karin_tests::clients::{Packages, run};
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

fn check(packages: Packages, script: &str, protocol: &str) {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    run(packages, script, &[&gateway.url(), protocol]);
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
