//! How karin is brought to where it runs: `redis.conf`, `docker-compose.yml`, the Dockerfile,
//! `make install`, systemd's units. What they start, works.

mod containers;
mod installation;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use karin_tests::artifact;
use karin_tests::clients::Packages;
use karin_tests::gateway::{self, Gateway};
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};

const PASSWORD: &str = "change-me";

/// `redis.conf` with the module where the build put it, and the rest as it stands.
fn redis_conf() -> String {
    let text = std::fs::read_to_string(artifact::repository().join("redis.conf")).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix("loadmodule ") {
        Some(path) => {
            assert!(path.ends_with("/libkarin.so"), "{line}");
            format!("loadmodule {}", artifact::module().display())
        }
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A connection as the user karin.
fn as_karin(redis: &RedisServer) -> redis::Connection {
    let mut connection = redis.connection();
    let answer = redis::cmd("AUTH").arg("karin").arg(PASSWORD).exec(&mut connection);
    answer.expect("AUTH karin");
    connection
}

fn call(connection: &mut redis::Connection, command: &str) -> Result<redis::Value, String> {
    let mut words = command.split(' ');
    let mut call = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        call.arg(word);
    });
    call.query(connection).map_err(|e| e.to_string())
}

#[test]
fn the_server_of_redis_conf_keeps_queues_safely() {
    let mut redis = RedisServer::start_with_config(&redis_conf(), &[]);
    let setting = |name: &str| redis.cli(&["CONFIG", "GET", name]).replace('\n', " ");
    assert_eq!(setting("appendonly"), "appendonly yes");
    assert_eq!(setting("appendfsync"), "appendfsync everysec");
    assert_eq!(setting("maxmemory-policy"), "maxmemory-policy noeviction");
    call(&mut as_karin(&redis), "KARIN.SEND karin:{q} hello").unwrap();
    redis.restart();
    let popped = redis.cli(&["KARIN.POPDUE", "karin:{q}"]);
    assert!(popped.contains("hello"), "{popped}");
}

#[test]
fn the_user_of_redis_conf_can_use_karin_and_nothing_else() {
    let redis = RedisServer::start_with_config(&redis_conf(), &[]);
    let mut connection = as_karin(&redis);
    for refused in [
        "KARIN.SEND other:{q} hello",
        "KARIN.DEBUG CLOCK 1",
        "KARIN.XPURGE karin:{q} 1",
        "SUBSCRIBE other",
        "GET other",
        "GET karin:{q}:gone",
        "SET other x",
        "EXISTS other",
        "CONFIG GET dir",
        "FLUSHALL",
        "KEYS *",
        "MODULE LIST",
        "SHUTDOWN",
        "EVAL return 0",
    ] {
        let error = call(&mut connection, refused).expect_err(refused);
        assert!(error.contains("NOPERM") || error.contains("permissions"), "{refused}: {error}");
    }
}

#[test]
fn the_gateway_works_as_the_user_of_redis_conf() {
    let redis = RedisServer::start_with_config(&redis_conf(), &[]);
    let url = format!("redis://karin:{PASSWORD}@127.0.0.1:{}", redis.port());
    let code = tempfile::tempdir().unwrap();
    let function = format!("f={},command=true", code.path().display());
    let gateway = Gateway::start_with(&["--redis-url", &url, "--function", &function], &[]);
    works(&gateway);
    moves(&gateway, &redis);
    maps(&gateway);
    for page in ["/admin", "/admin/settings", "/admin/queues", "/admin/mappings"] {
        assert_eq!(gateway.http().get(page).status, 200, "{page}");
    }
    remembers(&gateway, &redis);
    records(&gateway, &redis);
    let denied = redis.cli(&["ACL", "LOG"]);
    assert_eq!(denied, "", "the gateway asked for what its user may not do");
}

#[test]
fn gateways_share_mappings_as_the_user_of_redis_conf() {
    let redis = RedisServer::start_with_config(&redis_conf(), &[]);
    let url = format!("redis://karin:{PASSWORD}@127.0.0.1:{}", redis.port());
    let endpoint = ["--lambda-endpoint", "http://127.0.0.1:1", "--sync-interval", "off"];
    let arguments = [&["--redis-url", &url, "--map", "q=f"], &endpoint[..]].concat();
    let [mut first, second] = [(); 2].map(|()| Gateway::start_with(&arguments, &[]));
    for gateway in [&first, &second] {
        let met = || gateway.log().contains("another gateway is here");
        until(PATIENCE, "the gateways to meet", met);
    }
    for gateway in [&first, &second] {
        let list = gateway.http().get("/admin/mappings").text().to_owned();
        let is_served = list.contains(">Running<") || list.contains(">Waiting<");
        assert!(is_served && !list.contains("is not known"), "{list}");
    }
    first.kill();
    // It was looked for, not only missed.
    until(PATIENCE, "the loss", || second.log().contains("its connection is gone"));
    until(PATIENCE, "its mapping", || second.log().contains("mapped queue=q"));
    assert_eq!(redis.cli(&["ACL", "LOG"]), "", "what their user may not do");
}

/// Writes what happened, and shows it.
#[track_caller]
fn remembers(gateway: &Gateway, redis: &RedisServer) {
    redis.cli(&["KARIN.SEND", "karin:{charted}", "x"]);
    // Each new connection begins with a sweep.
    redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    let length = || redis.cli(&["STRLEN", "karin:{charted}:hist"]);
    until(PATIENCE, "a record", || length() != "0");
    for page in ["/admin/charts", "/admin/queues/charted/charts"] {
        assert_eq!(gateway.http().get(page).status, 200, "{page}");
    }
}

/// Has a function fail, whose record is written, and read for the page.
#[track_caller]
fn records(gateway: &Gateway, redis: &RedisServer) {
    let path = "/2015-03-31/functions/f/invocations";
    gateway.http().request("POST", path, &[("Content-Type", "application/json")], b"{}");
    until(PATIENCE, "its record", || redis.cli(&["HLEN", "karin:runs"]) == "1");
    assert_eq!(gateway.http().get("/admin/invocations").status, 200);
}

/// Makes a mapping, changes it and deletes it.
#[track_caller]
fn maps(gateway: &Gateway) {
    let mappings = "/2015-03-31/event-source-mappings";
    let call = |method: &str, path: &str, body: Value| {
        let response = gateway.http().request(method, path, &[], body.to_string().as_bytes());
        assert_eq!(response.status, 202, "{method} {path}: {response:?}");
        response.json()
    };
    let created = gateway.http().json("CreateQueue", &json!({"QueueName": "mapped"}).to_string());
    assert_eq!(created.status, 200, "{created:?}");
    let arn = "arn:aws:sqs:us-east-1:000000000000:mapped";
    let mapping = json!({"FunctionName": "f", "EventSourceArn": arn, "Enabled": false});
    let made = call("POST", mappings, mapping);
    let path = format!("{mappings}/{}", made["UUID"].as_str().unwrap());
    call("PUT", &path, json!({"BatchSize": 2}));
    call("DELETE", &path, json!({}));
}

/// Makes a queue, waits in a long poll for a message, changes all about the queue that can be
/// changed, and deletes both.
#[track_caller]
fn works(gateway: &Gateway) {
    let call = |action: &str, body: Value| {
        let response = gateway.http().json(action, &body.to_string());
        assert_eq!(response.status, 200, "{action}: {response:?}");
        if response.body.is_empty() { Value::Null } else { response.json() }
    };
    let url = &call("CreateQueue", json!({"QueueName": "works"}))["QueueUrl"];
    let received = std::thread::scope(|scope| {
        let poll = json!({"QueueUrl": url, "WaitTimeSeconds": 20});
        let receiver = scope.spawn(|| call("ReceiveMessage", poll));
        call("SendMessage", json!({"QueueUrl": url, "MessageBody": "hello", "DelaySeconds": 1}));
        receiver.join().unwrap()
    });
    let message = &received["Messages"][0];
    assert_eq!(message["Body"], "hello");
    let handle = &message["ReceiptHandle"];
    call("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": handle}));
    call("GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]}));
    let attributes = json!({"RedriveAllowPolicy": "{\"redrivePermission\":\"denyAll\"}"});
    call("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": attributes}));
    let permission = json!({
        "QueueUrl": url, "Label": "l", "AWSAccountIds": ["000000000000"], "Actions": ["*"],
    });
    call("AddPermission", permission);
    call("RemovePermission", json!({"QueueUrl": url, "Label": "l"}));
    call("TagQueue", json!({"QueueUrl": url, "Tags": {"k": "v"}}));
    call("ListQueueTags", json!({"QueueUrl": url}));
    call("UntagQueue", json!({"QueueUrl": url, "TagKeys": ["k"]}));
    call("PurgeQueue", json!({"QueueUrl": url}));
    call("ListDeadLetterSourceQueues", json!({"QueueUrl": url}));
    call("ListQueues", json!({}));
    call("DeleteQueue", json!({"QueueUrl": url}));
}

/// Lets a message die, and moves it back.
#[track_caller]
fn moves(gateway: &Gateway, redis: &RedisServer) {
    let arn = "arn:aws:sqs:us-east-1:000000000000:dlq";
    let source = ["karin:{q}", "maxReceiveCount", "1", "deadLetterTargetArn", arn];
    for create in [&source[..], &["karin:{dlq}"]] {
        assert_eq!(redis.cli(&[&["KARIN.CREATE"], create].concat()), "OK");
    }
    let call = |action: &str, body: Value| gateway.http().json(action, &body.to_string());
    call("SendMessage", json!({"QueueUrl": "q", "MessageBody": "hello"}));
    for visibility in [0, 1] {
        call("ReceiveMessage", json!({"QueueUrl": "q", "VisibilityTimeout": visibility}));
    }
    let poll = json!({"QueueUrl": "dlq", "WaitTimeSeconds": 20, "VisibilityTimeout": 0});
    assert!(call("ReceiveMessage", poll).text().contains("hello"));
    let task = call("StartMessageMoveTask", json!({"SourceArn": arn})).json();
    let poll = json!({"QueueUrl": "q", "WaitTimeSeconds": 20});
    assert!(call("ReceiveMessage", poll).text().contains("hello"));
    call("CancelMessageMoveTask", task);
    call("ListMessageMoveTasks", json!({"SourceArn": arn}));
    // Nothing takes the next one: dying is switched off.
    assert_eq!(redis.cli(&["KARIN.SET", "karin:{q}", "deadLetterTargetArn", "gone"]), "OK");
    call("SendMessage", json!({"QueueUrl": "q", "MessageBody": "stays"}));
    for _ in 0..3 {
        let poll = json!({"QueueUrl": "q", "WaitTimeSeconds": 20, "VisibilityTimeout": 0});
        assert!(call("ReceiveMessage", poll).text().contains("stays"));
    }
}

/// `docker-compose.yml`, read by a real YAML parser.
fn compose() -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    let file = std::fs::File::open(artifact::repository().join("docker-compose.yml")).unwrap();
    let output = Command::new(Packages::BotoJson.interpreter())
        .args(["-c", script])
        .stdin(Stdio::from(file))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().unwrap_or_else(|| panic!("{value} is no list"));
    list.iter().map(|item| item.as_str().unwrap_or_else(|| panic!("{item}"))).collect()
}

#[test]
fn the_commands_of_docker_compose_work() {
    let compose = compose();
    let server = texts(&compose["services"]["redis"]["command"]);
    let (program, own) = server.split_at(2);
    assert_eq!(program, ["redis-server", "/etc/redis/redis.conf"]);
    // Directory and address are the harness's here.
    let own = own.chunks(2).filter(|o| !["--dir", "--bind"].contains(&o[0])).flatten();
    let redis = RedisServer::start_with_config(&redis_conf(), &own.copied().collect::<Vec<_>>());

    let karin = texts(&compose["services"]["karin"]["command"]);
    let here = |argument: &&str| argument.replace("@redis:6379", &format!("@{}", address(&redis)));
    let arguments = karin.iter().map(here).collect::<Vec<_>>();
    let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    works(&Gateway::start_with(&arguments, &[]));
}

fn address(redis: &RedisServer) -> String {
    format!("127.0.0.1:{}", redis.port())
}

#[test]
fn docker_compose_names_options_and_files_that_exist() {
    let compose = compose();
    let help = gateway::run(&["--help"]).output;
    let karin = &compose["services"]["karin"];
    for option in texts(&karin["command"]).iter().filter(|a| a.starts_with("--")) {
        assert!(help.contains(option), "karin --help does not know {option}");
    }
    for variable in karin["environment"].as_object().expect("environment").keys() {
        let known = variable.starts_with("AWS_") || help.contains(variable.as_str());
        assert!(known, "karin --help does not know {variable}");
    }
    let mut sources = BTreeSet::new();
    for service in compose["services"].as_object().expect("services").values() {
        for volume in texts(&service["volumes"]) {
            sources.extend(volume.split(':').next().map(str::to_owned));
        }
    }
    let named: BTreeSet<_> = compose["volumes"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(sources, named, "nothing of this machine is needed");
    // Nothing but loopback is published, which is what --insecure rests on.
    for port in texts(&karin["ports"]) {
        assert!(port.starts_with("127.0.0.1:"), "{port}");
    }
    assert!(compose["services"]["redis"].get("ports").is_none());
}
