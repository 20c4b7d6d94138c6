//! The harness itself: what it starts, stops when asked.

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
