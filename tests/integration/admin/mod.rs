//! The admin page in a real browser: the scripts of `tests/clients/browser`, each on a real
//! gateway. What they do there is read back through boto3.

mod access;
mod invocations;
mod mappings;
mod pages;
mod queues;
mod routes;
mod visitor;

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
fn the_overview_shows_how_everything_is() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--map", "orders=worker"]);
    browse(&gateway, "overview.mjs", &[]);
}

#[test]
fn people_sign_in_and_out_with_the_keyboard_alone() {
    let redis = RedisServer::start(&[]);
    let password = "correct horse";
    let gateway = Gateway::start(&redis, &["--admin-password", password]);
    browse(&gateway, "sign_in.mjs", &[password]);
}

#[test]
fn a_page_that_is_left_open_asks_only_while_somebody_looks_and_says_what_is_away() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    browse(&gateway, "left_open.mjs", &[]);
}
