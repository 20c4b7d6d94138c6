//! Charts in the browser.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

use super::browse;

#[test]
fn a_line_appears_after_messages_were_sent_and_goes_on_by_itself() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--map", "jobs=worker", "--sync-interval", "off"]);
    browse(&gateway, "charts.mjs", &[]);
}
