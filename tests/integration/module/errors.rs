//! Wrong arguments of all kinds: each error has its class, and nothing is changed.

use karin_tests::redis::RedisServer;

use super::client::Client;

#[test]
fn a_key_of_another_type_is_refused_by_every_command() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("SET s value");
    client.ok("RPUSH l value");
    for key in ["s", "l"] {
        for command in [
            "KARIN.ACK {} r",
            "KARIN.CREATE {}",
            "KARIN.DEAD {}",
            "KARIN.DEADACK {} UPTO 1",
            "KARIN.DEBUG CHECK {}",
            "KARIN.EXTEND {} r 1",
            "KARIN.INFO {}",
            "KARIN.PEEK {}",
            "KARIN.POPDUE {}",
            "KARIN.PURGE {}",
            "KARIN.REDRIVE {}",
            "KARIN.RELEASE {} r",
            "KARIN.RELEASE {} HOLDER 1",
            "KARIN.SEND {} x",
            "KARIN.SENDM {} 1 MSG x",
            "KARIN.SET {} DelaySeconds 1",
            "KARIN.TAG {} a b",
            "KARIN.UNTAG {} a",
            "KARIN.XATTEMPT {} x",
            "KARIN.XDEDUP {} x",
            "KARIN.XDEL {} x",
            "KARIN.XFORGET {} 1",
            "KARIN.XLEASE {} x",
            "KARIN.XMARK {} 0000000000000001 1",
            "KARIN.XPURGE {} 1",
            "KARIN.XPUT {} x y",
            "KARIN.XQUEUE {} x",
        ] {
            let error = client.error(&command.replace("{}", key));
            assert!(error.starts_with("WRONGTYPE "), "{command}: {error}");
        }
    }
    assert_eq!(client.text("GET s"), "value");
}

#[test]
fn a_missing_key_is_refused_by_every_command_that_makes_none() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for command in [
        "KARIN.ACK none r",
        "KARIN.DEAD none",
        "KARIN.DEADACK none UPTO 1",
        "KARIN.DEBUG CHECK none",
        "KARIN.EXTEND none r 1",
        "KARIN.INFO none",
        "KARIN.PEEK none",
        "KARIN.POPDUE none",
        "KARIN.PURGE none",
        "KARIN.REDRIVE none",
        "KARIN.RELEASE none r",
        "KARIN.RELEASE none HOLDER 1",
        "KARIN.SET none DelaySeconds 1",
        "KARIN.TAG none a b",
        "KARIN.UNTAG none a",
    ] {
        assert_eq!(client.error(command), "KARINNOQUEUE no such queue", "{command}");
    }
    assert_eq!(client.integer("DBSIZE"), 0);
}

/// Each is wrong; `{}` is a receipt.
const WRONG: [&str; 86] = [
    "KARIN.ACK q",
    "KARIN.ACK q CURRENT",
    "KARIN.CREATE new FIFO FIFO",
    "KARIN.DEAD q AFTER x",
    "KARIN.DEAD q COUNT 0",
    "KARIN.DEADACK q",
    "KARIN.DEADACK q 1 1",
    "KARIN.DEADACK q UPTO x",
    "KARIN.DEADACK q UPTO 1 1",
    "KARIN.DEBUG",
    "KARIN.DEBUG CHECK",
    "KARIN.EXTEND q r",
    "KARIN.EXTEND q CURRENT r",
    "KARIN.EXTEND q {} -1",
    "KARIN.EXTEND q {} x",
    "KARIN.EXTEND q {} 1 {}",
    "KARIN.EXTEND q UNLESSCHANGED x {} 1",
    "KARIN.EXTEND q CURRENT CURRENT {} 1",
    "KARIN.EXTEND q {} 1e3",
    "KARIN.EXTEND q {} 315360001",
    "KARIN.INFO",
    "KARIN.INFO q extra",
    "KARIN.LIST COUNT 0",
    "KARIN.LIST COUNT 1001",
    "KARIN.LIST DUE x",
    "KARIN.LIST PREFIX",
    "KARIN.LIST TARGET",
    "KARIN.LIST TARGET a TARGET b",
    "KARIN.LIST nonsense",
    "KARIN.POPDUE q COUNT 0",
    "KARIN.POPDUE q COUNT 1001",
    "KARIN.POPDUE q COUNT -1",
    "KARIN.POPDUE q COUNT 99999999999999999999",
    "KARIN.POPDUE q COUNT 1 COUNT 1",
    "KARIN.POPDUE q COUNT",
    "KARIN.POPDUE q VISIBILITY -1",
    "KARIN.POPDUE q VISIBILITY inf",
    "KARIN.POPDUE q HOLDER 0",
    "KARIN.POPDUE q HOLDER 4294967296",
    "KARIN.POPDUE q MAXBYTES x",
    "KARIN.POPDUE q GROUPS 0",
    "KARIN.POPDUE q GROUPS 1001",
    "KARIN.POPDUE q ATTEMPT",
    "KARIN.POPDUE q VISIBILITY 43201",
    "KARIN.POPDUE q NONSENSE 1",
    "KARIN.PURGE",
    "KARIN.PURGE q extra",
    "KARIN.REDRIVE q COUNT 0",
    "KARIN.REDRIVE q COUNT 1001",
    "KARIN.REDRIVE q KEEPCOUNT KEEPCOUNT",
    "KARIN.RELEASE q",
    "KARIN.RELEASE q CURRENT",
    "KARIN.RELEASE q DELAY 1",
    "KARIN.RELEASE q DELAY x {}",
    "KARIN.RELEASE q HOLDER",
    "KARIN.RELEASE q HOLDER x",
    "KARIN.RELEASE q HOLDER 1 {}",
    "KARIN.SEND q",
    "KARIN.SEND q x DELAY",
    "KARIN.SEND q x DELAY -1",
    "KARIN.SEND q x DELAY nan",
    "KARIN.SEND q x DELAY 1 delay 1",
    "KARIN.SEND q x SIZE -1",
    "KARIN.SEND q x NOMKQUEUE NOMKQUEUE",
    "KARIN.SEND q x GROUP",
    "KARIN.SEND q x GROUP a GROUP b",
    "KARIN.SEND q x SHA256 x",
    "KARIN.SEND q x FROM x 1",
    "KARIN.SEND q x FROM 0000000000000001",
    "KARIN.SEND q x ID short",
    "KARIN.SEND q x SENT x",
    "KARIN.SEND q x RECEIVED 1",
    "KARIN.SEND q x nonsense",
    "KARIN.SET q",
    "KARIN.SET q DelaySeconds",
    "KARIN.SET q IF DelaySeconds 0",
    "KARIN.SET q DelaySeconds 1 IF DelaySeconds",
    "KARIN.TAG q a",
    "KARIN.TAG q a b c",
    "KARIN.XATTEMPT q x",
    "KARIN.XDEDUP q x",
    "KARIN.XFORGET q x",
    "KARIN.XMARK q x 1",
    "KARIN.XMARK q 0000000000000001 x",
    "KARIN.XPURGE q x",
    "KARIN.XPUT q x",
];

#[test]
fn wrong_options_and_numbers_are_refused_and_change_nothing() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG a MSG b");
    let receipt = client.pop_one("q").receipt;
    let before = client.digest();
    for command in WRONG {
        let error = client.error(&command.replace("{}", &receipt));
        assert!(error.starts_with("ERR "), "{command}: {error}");
    }
    let many = " r".repeat(1_001);
    assert!(client.error(&format!("KARIN.ACK q{many}")).starts_with("ERR too many receipts"));
    assert!(client.error(&format!("KARIN.RELEASE q{many}")).starts_with("ERR too many receipts"));
    let many = " r 1".repeat(1_001);
    assert!(client.error(&format!("KARIN.EXTEND q{many}")).starts_with("ERR too many receipts"));
    assert_eq!(client.digest(), before);
    client.check("q");
}

#[test]
fn the_classes_of_errors_are_counted_under_their_own_names() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.error("KARIN.INFO none");
    client.error("KARIN.POPDUE none COUNT x");
    client.ok("KARIN.CREATE q");
    client.error("KARIN.CREATE q");
    let statistics = server.info("errorstats");
    for class in ["KARINNOQUEUE", "ERR", "KARINEXISTS"] {
        assert!(statistics.contains(&format!("errorstat_{class}:")), "{class}: {statistics}");
    }
}
