//! Real clients manage mappings and invoke functions here as on AWS. The slow one runs with
//! `make test-clients`.

use karin_tests::clients::{Packages, run};
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::sigv4::Signer;

use super::Function;

/// The key the scripts sign with.
const KEY: &str = "test:test";

/// Runs a script on a gateway with the function it wants; its signatures are checked.
#[track_caller]
fn check(packages: Packages, script: &str, protocol: &[&str]) {
    let handler = r#"if [[ $body == '"fail"' ]]; then fail '{"errorType":"E"}'
        else echo "as asked"; answer "$body"; fi"#;
    let function = Function::new(handler);
    let redis = RedisServer::start(&[]);
    let option = function.option("echo");
    let gateway = Gateway::start(&redis, &["--key", KEY, "--function", &option]);
    let host = format!("127.0.0.1:{}", gateway.port());
    let target = "/?Action=CreateQueue&QueueName=orders";
    let headers = Signer::new("test", "test").sign("POST", target, &[("Host", &host)], b"");
    let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(gateway.http().request("POST", target, &headers, b"").status, 200);
    run(packages, script, &[&[gateway.url().as_str()], protocol].concat());
}

#[test]
fn boto3_manages_mappings_and_invokes() {
    check(Packages::BotoJson, "mappings.py", &["json"]);
}

#[test]
fn the_javascript_sdk_manages_mappings_and_invokes() {
    check(Packages::Node, "mappings.mjs", &[]);
}

#[test]
fn the_aws_cli_manages_mappings_and_invokes() {
    if std::env::var("KARIN_TEST_CLIENTS").is_ok_and(|value| value == "all") {
        check(Packages::Cli, "mappings_cli.py", &[]);
    }
}
