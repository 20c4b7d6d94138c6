//! CREATE, SET, INFO, SEND, SENDM, PURGE, and what the server knows of all commands.

use karin_tests::redis::RedisServer;
use karin_tests::wait;
use redis::Value;

use super::client::{Client, fields, integer, items, text};

const ALL: [&str; 18] = [
    "ack", "create", "dead", "deadack", "debug", "extend", "info", "list", "peek", "popdue",
    "purge", "redrive", "release", "send", "sendm", "set", "tag", "untag",
];

#[test]
fn a_queue_has_the_attributes_and_tags_it_was_created_with() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q visibilitytimeout 2.5 DelaySeconds 900 MessageRetentionPeriod 60 \
         ReceiveMessageWaitTimeSeconds 20 MaximumMessageSize 1024 Policy {} TAG a 1 tag b 2");
    let info = client.info("q");
    let attributes = fields(&info["attributes"]);
    for (name, value) in [
        ("VisibilityTimeout", "2.5"),
        ("DelaySeconds", "900"),
        ("MessageRetentionPeriod", "60"),
        ("ReceiveMessageWaitTimeSeconds", "20"),
        ("MaximumMessageSize", "1024"),
        ("Policy", "{}"),
    ] {
        assert_eq!(text(&attributes[name]), value, "{name}");
    }
    assert_eq!(attributes.len(), 6);
    let tags = fields(&info["tags"]);
    assert_eq!((text(&tags["a"]), text(&tags["b"])), ("1".to_owned(), "2".to_owned()));
    assert_eq!(text(&info["uid"]).len(), 16);
    assert_eq!(integer(&info["oldest_sent_ms"]), -1);
    assert_eq!(integer(&info["next_due_ms"]), -1);
    assert_eq!(client.pop("q").wait_ms, 20_000);
}

#[test]
fn create_refuses_a_key_that_exists_and_makes_nothing_when_it_refuses() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q");
    assert_eq!(client.error("KARIN.CREATE q VisibilityTimeout 1"), "KARINEXISTS the queue exists");
    assert_eq!(text(&fields(&client.info("q")["attributes"])["VisibilityTimeout"]), "30");
    client.ok("SET string x");
    assert!(client.error("KARIN.CREATE string").starts_with("WRONGTYPE "));
    for (arguments, class) in [
        ("VisibilityTimeout -1", "KARINATTRIBUTE invalid value for VisibilityTimeout"),
        ("VisibilityTimeout 315360001", "KARINATTRIBUTE "),
        ("MessageRetentionPeriod 0", "KARINATTRIBUTE "),
        ("MaximumMessageSize 0", "KARINATTRIBUTE "),
        ("MaximumMessageSize 1.5", "KARINATTRIBUTE "),
        ("Nonsense 1", "KARINATTRIBUTE unknown attribute 'Nonsense'"),
        ("VisibilityTimeout", "ERR syntax error"),
        ("TAG a", "ERR syntax error"),
        ("maxReceiveCount x", "KARINATTRIBUTE invalid value for maxReceiveCount"),
        ("maxReceiveCount 1000001", "KARINATTRIBUTE "),
    ] {
        let error = client.error(&format!("KARIN.CREATE new {arguments}"));
        assert!(error.starts_with(class), "{arguments}: {error}");
    }
    let tags: Vec<String> = (0..51).map(|n| format!("TAG {n} x")).collect();
    let error = client.error(&format!("KARIN.CREATE new {}", tags.join(" ")));
    assert!(error.starts_with("KARINATTRIBUTE "), "{error}");
    assert_eq!(client.integer("EXISTS new"), 0);
}

#[test]
fn set_changes_all_it_is_given_or_nothing() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q KmsMasterKeyId alias");
    client.ok("KARIN.SET q VisibilityTimeout 7 DELAYSECONDS 3");
    let error = client.error("KARIN.SET q VisibilityTimeout 8 DelaySeconds x");
    assert_eq!(error, "KARINATTRIBUTE invalid value for DelaySeconds");
    let attributes = fields(&client.info("q")["attributes"]);
    assert_eq!(text(&attributes["VisibilityTimeout"]), "7");
    assert_eq!(text(&attributes["DelaySeconds"]), "3");
    assert_eq!(text(&attributes["KmsMasterKeyId"]), "alias");
    client.call(&[b"KARIN.SET", b"q", b"KmsMasterKeyId", b""]).unwrap();
    assert!(!fields(&client.info("q")["attributes"]).contains_key("KmsMasterKeyId"));
    assert_eq!(client.pop("q").messages.len(), 0);
    client.ok("KARIN.SEND q delayed");
    assert_eq!(client.counts("q"), (0, 1, 0));
    assert!(client.error("KARIN.SET none DelaySeconds 1").starts_with("KARINNOQUEUE "));
    assert!(client.error("KARIN.SET q Nonsense x").starts_with("KARINATTRIBUTE unknown "));
}

#[test]
fn set_with_conditions_overwrites_nothing_that_was_changed_meanwhile() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q DelaySeconds 2.5");
    client.call(&[b"KARIN.SET", b"q", b"if", b"Policy", b"", b"Policy", b"{}"]).unwrap();
    client.ok("KARIN.SET q Policy [] IF Policy {} IF DelaySeconds 2.5 DelaySeconds 3");
    for conditions in ["IF Policy {}", "IF Policy [] IF DelaySeconds 2", "IF maxReceiveCount 1"] {
        let error = client.error(&format!("KARIN.SET q {conditions} Policy late DelaySeconds 9"));
        assert!(error.starts_with("KARINCHANGED "), "{conditions}: {error}");
    }
    let attributes = fields(&client.info("q")["attributes"]);
    assert_eq!(text(&attributes["Policy"]), "[]");
    assert_eq!(text(&attributes["DelaySeconds"]), "3");
}

#[test]
fn replies_are_maps_in_resp3_and_flat_in_resp2() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q x");
    assert!(matches!(client.ok("KARIN.INFO q"), Value::Array(_)));
    let url = format!("{}?protocol=resp3", server.url());
    let mut third = Client(redis::Client::open(url).unwrap().get_connection().unwrap());
    for command in ["KARIN.INFO q", "KARIN.POPDUE q", "KARIN.LIST"] {
        assert!(matches!(third.ok(command), Value::Map(_)), "{command}");
    }
    assert!(matches!(fields(&third.ok("KARIN.INFO q"))["tags"], Value::Map(_)));
}

#[test]
fn send_makes_a_missing_queue_unless_told_not_to_or_named_like_a_fifo_queue() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    assert_eq!(client.error("KARIN.SEND q x NOMKQUEUE"), "KARINNOQUEUE no such queue");
    assert_eq!(client.error("KARIN.SENDM q 1 nomkqueue MSG x"), "KARINNOQUEUE no such queue");
    for name in ["q.fifo", "karin:{q.fifo}"] {
        assert!(client.error(&format!("KARIN.SEND {name} x")).starts_with("KARINNOQUEUE "));
        assert!(client.error(&format!("KARIN.SENDM {name} 1 MSG x")).starts_with("KARINNOQUEUE "));
    }
    assert_eq!(client.integer("DBSIZE"), 0);
    let reply = client.ok("KARIN.SEND q x");
    let [id, sequence, hint] = items(&reply) else { panic!("{reply:?}") };
    assert_eq!(text(id).len(), 36);
    assert_eq!((integer(sequence), integer(hint)), (1, 1));
    client.ok("KARIN.SEND q y NOMKQUEUE");
    assert_eq!(client.counts("q"), (2, 0, 0));
    assert_eq!(text(&client.ok("TYPE q")), "karinmq-q");
}

#[test]
fn a_message_above_maximum_message_size_is_refused_with_both_numbers() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q MaximumMessageSize 10");
    let refusal = "KARINTOOLARGE message of 11 bytes, MaximumMessageSize is 10 bytes";
    assert_eq!(client.error("KARIN.SEND q 12345678901"), refusal);
    assert_eq!(client.error("KARIN.SEND q short SIZE 11"), refusal);
    client.ok("KARIN.SEND q 12345678901 SIZE 10");
    client.ok("KARIN.SEND q 1234567890 ATTRS more-than-ten-bytes");
    let reply = client.ok("KARIN.SENDM q 3 MSG first MSG 12345678901 MSG third DELAY 5 SIZE 2");
    let [hint, results] = items(&reply) else { panic!("{reply:?}") };
    assert_eq!(integer(hint), 1);
    let results = items(results);
    assert_eq!(integer(&items(&results[0])[1]), 3);
    assert_eq!(text(&items(&results[1])[0]), "KARINTOOLARGE");
    assert_eq!(integer(&items(&results[1])[1]), 10);
    assert_eq!(integer(&items(&results[2])[1]), 4);
    assert_eq!(client.counts("q"), (3, 1, 0));
    let million = vec![b'x'; 1_048_577];
    let error = client.call(&[b"KARIN.SEND", b"new", &million]).unwrap_err();
    assert!(error.starts_with("KARINTOOLARGE message of 1048577 bytes"), "{error}");
    client.call(&[b"KARIN.SENDM", b"new", b"1", b"MSG", &million]).unwrap();
    assert_eq!(client.integer("EXISTS new"), 0);
}

#[test]
fn a_batch_is_sent_whole_or_refused_whole() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for arguments in [
        "q 2 MSG a",
        "q 1 MSG a MSG b",
        "q 0",
        "q 0 MSG a",
        "q 1001 MSG a",
        "q x MSG a",
        "q 1 a b",
        "q 2 MSG a MSG",
        "q 2 MSG a MSG b DELAY",
        "q 2 MSG a MSG b DELAY x",
        "q 2 MSG a MSG b DELAY 1 DELAY 2",
        "q 2 MSG a NOMKQUEUE MSG b",
    ] {
        let error = client.error(&format!("KARIN.SENDM {arguments}"));
        assert!(error.starts_with("ERR "), "{arguments}: {error}");
    }
    assert_eq!(client.integer("DBSIZE"), 0);
    let messages = " MSG x".repeat(1_000);
    let reply = client.ok(&format!("KARIN.SENDM q 1000{messages}"));
    assert_eq!(items(&items(&reply)[1]).len(), 1_000);
    assert_eq!(client.counts("q"), (1_000, 0, 0));
    client.check("q");
}

#[test]
fn purge_drops_all_messages_and_keeps_the_queue_and_its_sequence() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.CREATE q VisibilityTimeout 9");
    client.ok("KARIN.SENDM q 3 MSG a MSG b MSG c DELAY 60");
    let old = client.pop_one("q");
    assert_eq!(client.integer("KARIN.PURGE q"), 3);
    assert_eq!(client.integer("KARIN.PURGE q"), 0);
    assert_eq!(client.counts("q"), (0, 0, 0));
    assert_eq!(client.answers(&format!("KARIN.ACK q {}", old.receipt)), ["0"]);
    assert_eq!(integer(&items(&client.ok("KARIN.SEND q d"))[1]), 4);
    assert_eq!(text(&fields(&client.info("q")["attributes"])["VisibilityTimeout"]), "9");
    assert!(client.error("KARIN.PURGE none").starts_with("KARINNOQUEUE "));
    client.check("q");
}

#[test]
fn every_command_has_documentation_with_arguments() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for name in ALL {
        let docs = fields(&client.ok(&format!("COMMAND DOCS karin.{name}")));
        let docs = fields(&docs[&format!("karin.{name}")]);
        for field in ["summary", "since", "complexity", "module", "arguments"] {
            assert!(docs.contains_key(field), "karin.{name} {field}");
        }
    }
    for (command, flags) in [
        ("karin.info q", "RO access"),
        ("karin.debug check q", "RO access"),
        ("karin.send q x", "RW insert"),
        ("karin.ack q x", "RW delete"),
        ("karin.peek q", "RO access"),
        ("karin.dead q", "RO access"),
        ("karin.deadack q upto 1", "RW delete"),
        ("karin.redrive q", "RW update"),
        ("karin.tag q n v", "RW update"),
        ("karin.untag q n", "RW update"),
        ("karin.popdue q", "RW access update"),
    ] {
        let reply = client.ok(&format!("COMMAND GETKEYSANDFLAGS {command}"));
        let [key, found] = items(&items(&reply)[0]) else { panic!("{reply:?}") };
        assert_eq!(text(key), "q");
        let found: Vec<String> = match found {
            Value::Array(found) | Value::Set(found) => found.iter().map(text).collect(),
            other => panic!("{other:?}"),
        };
        assert_eq!(found.join(" "), flags, "{command}");
    }
}

#[test]
fn acl_key_permissions_hold_for_what_each_command_does() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SEND q x");
    client.ok("ACL SETUSER reader on nopass %R~q +@all");
    client.ok("ACL SETUSER writer on nopass %W~q +@all");
    let mut reader = Client::new(&server);
    reader.ok("AUTH reader any");
    reader.ok("KARIN.INFO q");
    reader.ok("KARIN.DEBUG CHECK q");
    for command in ["KARIN.SEND q y", "KARIN.POPDUE q", "KARIN.PURGE q", "KARIN.INFO other"] {
        assert!(reader.error(command).starts_with("NOPERM "), "{command}");
    }
    let mut writer = Client::new(&server);
    writer.ok("AUTH writer any");
    writer.ok("KARIN.SEND q y");
    for command in ["KARIN.INFO q", "KARIN.POPDUE q", "KARIN.SEND other y"] {
        assert!(writer.error(command).starts_with("NOPERM "), "{command}");
    }
}

#[test]
fn no_command_that_may_walk_over_a_queue_is_called_fast() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    for (command, is_fast) in [("karin.set", false), ("karin.sendm", false), ("karin.send", true)] {
        let about = client.ok(&format!("COMMAND INFO {command}"));
        let flags = format!("{:?}", items(&items(&about)[0])[2]);
        assert_eq!(flags.contains("fast"), is_fast, "{command}: {flags}");
    }
}

#[test]
fn a_full_server_refuses_sends_and_lets_queues_be_drained() {
    let server = RedisServer::start(&["--maxmemory-policy", "noeviction"]);
    let mut client = Client::new(&server);
    client.ok("KARIN.SENDM q 2 MSG x MSG y");
    client.ok("CONFIG SET maxmemory 1");
    for command in [
        "KARIN.SEND q z",
        "KARIN.SENDM q 1 MSG z",
        "KARIN.CREATE other",
        "KARIN.TAG q a b",
        "KARIN.XPUT q m z",
        "KARIN.XQUEUE other header",
        "KARIN.XMARK q 0000000000000001 1",
    ] {
        assert!(client.error(command).starts_with("OOM "), "{command}");
    }
    let first = client.pop_one("q");
    let second = client.pop_one("q");
    assert_eq!(client.answers(&format!("KARIN.ACK q {}", first.receipt)), ["1"]);
    assert_eq!(client.answers(&format!("KARIN.EXTEND q {} 0", second.receipt)), ["1"]);
    assert_eq!(client.integer("KARIN.PURGE q"), 1);
}

#[test]
fn an_empty_pop_leaves_a_watching_transaction_alone_and_a_send_ends_it() {
    let server = RedisServer::start(&[]);
    let mut watcher = Client::new(&server);
    let mut other = Client::new(&server);
    other.ok("KARIN.CREATE q");
    for (command, executed) in [
        ("KARIN.POPDUE q", true),
        ("KARIN.INFO q", true),
        ("KARIN.PURGE q", true),
        ("KARIN.ACK q garbage", true),
        ("KARIN.SEND q x", false),
        ("KARIN.POPDUE q VISIBILITY 0", false),
        ("KARIN.SET q VisibilityTimeout 1", false),
        ("KARIN.PURGE q", false),
    ] {
        watcher.ok("WATCH q");
        other.ok(command);
        watcher.ok("MULTI");
        watcher.ok("PING");
        assert_eq!(watcher.ok("EXEC") != Value::Nil, executed, "{command}");
    }
}

#[test]
fn commands_work_in_a_transaction_and_in_a_script() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    client.ok("MULTI");
    for command in ["KARIN.SEND q a", "KARIN.SEND q b DELAY 60", "KARIN.POPDUE q", "KARIN.LIST"] {
        assert_eq!(text(&client.ok(command)), "QUEUED");
    }
    assert_eq!(items(&client.ok("EXEC")).len(), 4);
    assert_eq!(client.counts("q"), (0, 1, 1));
    let script = b"return redis.call('KARIN.SEND', KEYS[1], 'c')[2]";
    assert_eq!(client.call(&[b"EVAL", script, b"1", b"q"]), Ok(Value::Int(3)));
}

#[test]
fn the_clock_moves_only_where_the_module_was_loaded_with_debug_yes() {
    let server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    assert_eq!(client.integer("KARIN.DEBUG CLOCK 1.5"), 1_500);
    assert_eq!(client.integer("KARIN.DEBUG CLOCK -2"), -500);
    assert!(client.error("KARIN.DEBUG CLOCK x").starts_with("ERR "));
    assert!(client.error("KARIN.DEBUG NONSENSE x").starts_with("ERR "));
    let module = karin_tests::artifact::module();
    for (arguments, answer) in [("", "ERR "), ("debug no", "ERR "), ("DEBUG YES", "")] {
        let line = format!("loadmodule {} {arguments}", module.display());
        let server = RedisServer::start_with_config(&line, &[]);
        let mut client = Client::new(&server);
        let reply = client.words("KARIN.DEBUG CLOCK 1");
        assert_eq!(reply.is_err(), !answer.is_empty(), "{arguments}: {reply:?}");
        client.ok("KARIN.SEND q x");
        client.check("q");
    }
}

#[test]
fn unknown_module_arguments_refuse_the_load_with_a_line_in_the_log() {
    let server = RedisServer::start_without_module(&[]);
    let mut client = Client::new(&server);
    let module = karin_tests::artifact::module();
    for arguments in ["nonsense", "debug", "debug maybe", "debug yes more"] {
        client.error(&format!("MODULE LOAD {} {arguments}", module.display()));
    }
    wait::until(wait::PATIENCE, "the line in the log", || {
        server.log().contains("unknown module argument 'nonsense'")
    });
    client.ok(&format!("MODULE LOAD {} debug yes", module.display()));
    client.ok("KARIN.SEND q x");
}

#[test]
fn a_policy_that_evicts_queues_is_warned_of() {
    for (policy, warned) in [("allkeys-lru", true), ("volatile-lru", false), ("noeviction", false)]
    {
        let server = RedisServer::start(&["--maxmemory", "100mb", "--maxmemory-policy", policy]);
        wait::until(wait::PATIENCE, "the end of the start", || {
            server.log().contains("Ready to accept connections")
        });
        let log = server.log();
        assert_eq!(log.contains("may evict whole queues"), warned, "{policy}: {log}");
    }
}
