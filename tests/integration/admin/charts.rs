//! Charts in the browser.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;

use super::browse;
use super::history::minute;

#[test]
fn a_line_rises_after_messages_were_sent_without_a_reload() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--map", "jobs=worker", "--sync-interval", "off"]);
    redis.cli(&["KARIN.SEND", "karin:{orders}", "x"]);
    minute(&redis, &[&gateway]);
    redis.cli(&["KARIN.PURGE", "karin:{orders}"]);
    for _ in 0..3 {
        minute(&redis, &[&gateway]);
    }
    browse(&gateway, "charts.mjs", &[]);
}
