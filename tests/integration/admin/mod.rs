//! The admin page in a real browser: the scripts of `tests/clients/browser`, each on a real
//! gateway. What they do there is read back through boto3.

mod invocations;
mod mappings;

use karin_tests::clients::{Packages, run};
use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

/// Runs a script of `tests/clients/browser` against the gateway.
pub(crate) fn browse(gateway: &Gateway, script: &str, arguments: &[&str]) {
    let python = Packages::BotoJson.interpreter().display().to_string();
    let url = gateway.url();
    let all = [&[url.as_str(), &python], arguments].concat();
    run(Packages::Node, &format!("browser/{script}"), &all);
}

#[test]
fn the_overview_is_there_in_both_languages() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--map", "orders=worker"]);
    browse(&gateway, "overview.mjs", &[]);
}
