//! Clients that take longer to install than `make test` should; `make test-clients` runs them.

use karin_tests::clients::{Packages, run, run_rust};
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

use super::{KEY, TOKEN};

/// Runs a script of `tests/clients` on a gateway of its own, if `make test-clients` asked for it.
/// Signatures are checked.
#[track_caller]
fn check(packages: Packages, script: &str, protocol: &[&str]) {
    with_gateway(&["--key", KEY], |url| run(packages, script, &[&[url], protocol].concat()));
}

#[track_caller]
fn with_gateway(options: &[&str], client: impl FnOnce(&str)) {
    if std::env::var("KARIN_TEST_CLIENTS").is_ok_and(|value| value == "all") {
        let redis = RedisServer::start(&[]);
        let gateway = Gateway::start(&redis, options);
        client(&gateway.url());
    }
}

#[test]
fn the_aws_cli_is_served() {
    check(Packages::Cli, "cli.py", &[]);
}

#[test]
fn the_last_javascript_sdk_v2_is_served_in_json() {
    check(Packages::JavaScriptV2, "sqs.mjs", &["v2-json"]);
}

#[test]
fn an_old_javascript_sdk_v2_is_served_in_query() {
    check(Packages::JavaScriptV2, "sqs.mjs", &["v2-query"]);
}

/// It connects to the URL of the queue, which has the token as well.
#[test]
fn the_javascript_sdk_v2_is_served_at_an_endpoint_with_a_token() {
    for protocol in ["v2-json", "v2-query"] {
        with_gateway(&["--token", TOKEN], |url| {
            run(Packages::JavaScriptV2, "sqs.mjs", &[&format!("{url}/~{TOKEN}"), protocol]);
        });
    }
}

#[test]
fn the_rust_sdk_is_served() {
    with_gateway(&["--key", KEY], run_rust);
}

#[test]
fn sqs_consumer_handles_what_sqs_producer_sends() {
    Packages::Node.interpreter(); // what it shares with the other JavaScript clients
    check(Packages::SqsConsumer, "sqs-consumer/work.mjs", &["json"]);
}

#[test]
fn workers_of_celery_run_tasks() {
    check(Packages::Celery, "celery_work.py", &["json"]);
}

#[test]
fn workers_of_an_old_celery_run_tasks() {
    check(Packages::CeleryOld, "celery_work.py", &["query"]);
}

#[test]
fn workers_of_dramatiq_run_tasks() {
    check(Packages::Dramatiq, "dramatiq_work.py", &["json"]);
}

#[test]
fn workers_of_taskiq_run_tasks() {
    check(Packages::Taskiq, "taskiq_work.py", &[]);
}

#[test]
fn functions_of_serverless_offline_get_messages() {
    Packages::JavaScriptV2.interpreter(); // what sends to them
    check(Packages::Serverless, "serverless/work.mjs", &["v2-json"]);
}
