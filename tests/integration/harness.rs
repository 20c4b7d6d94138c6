//! The harness itself: what it starts, stops when asked.

use karin_tests::gateway::listening_address;
use karin_tests::redis::RedisServer;

#[test]
fn a_server_comes_back_with_what_it_had_written() {
    let mut server = RedisServer::start_without_module(&["--appendonly", "yes"]);
    assert_eq!(server.cli(&["SET", "key", "value"]), "OK");
    let port = server.port();
    server.restart();
    assert_eq!(server.port(), port);
    assert_eq!(server.cli(&["GET", "key"]), "value");
    server.kill();
    assert!(server.cli(&["PING"]).is_empty());
    server.restart();
    assert_eq!(server.cli(&["GET", "key"]), "value");
}

#[test]
fn the_address_is_read_once_its_line_is_complete() {
    let check = |log, expected: Option<&str>| {
        assert_eq!(listening_address(log).as_deref(), expected, "{log}");
    };
    check("x\nkarin is listening on http://127.0.0.1:9324\n", Some("127.0.0.1:9324"));
    check("karin is listening on http://127.0.0.1:9324/ (SQS)\n", Some("127.0.0.1:9324"));
    check("karin is listening on http://127.0.0.1:93", None);
    check("", None);
}
