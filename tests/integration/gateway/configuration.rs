//! What karin says to a configuration it cannot use.

use std::process::Command;

use karin_tests::artifact;
use karin_tests::gateway::{Gateway, run};
use karin_tests::redis::RedisServer;
use karin_tests::sigv4::Signer;

#[track_caller]
fn refuses(arguments: &[&str], words: &str) {
    let run = run(arguments);
    assert_eq!(run.status.code(), Some(2), "{}", run.output);
    assert!(run.output.contains(words), "{}", run.output);
    assert_eq!(run.output.trim().lines().count(), 1, "{}", run.output);
}

#[test]
fn help_explains_every_option() {
    let run = run(&["--help"]);
    assert!(run.status.success());
    for option in ["--listen", "--redis-url", "--map", "--sync-interval", "--insecure", "KARIN_LOG"]
    {
        assert!(run.output.contains(option), "{option}: {}", run.output);
    }
    assert!(!run.output.contains("internal-exec"));
}

#[test]
fn a_wrong_value_is_one_line_and_exit_code_2() {
    refuses(&["--listen", "0.0.0.0:0"], "--insecure");
    refuses(&["--map", "orders=f,batch_size=11"], "window");
    refuses(&["--function", "hello=nowhere"], "is not a directory");
    refuses(&["--config", "nowhere.toml"], "nowhere.toml");
    refuses(&["--log", "karin=[[["], "--log");
}

#[test]
fn the_file_is_read_and_the_environment_wins_over_it() {
    let redis = RedisServer::start(&[]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!("redis-url = \"{}\"\nregion = \"eu-west-1\"\n", redis.url());
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    let gateway = Gateway::start_with(
        &["--config", path, "--account", "123456789012"],
        &[("KARIN_REGION", "eu-west-2"), ("KARIN_ACCOUNT", "999999999999")],
    );
    let answer = gateway.http().json("CreateQueue", r#"{"QueueName":"q"}"#);
    assert!(answer.text().contains("/123456789012/q"), "{answer:?}");
    let input = r#"{"QueueUrl":"q","AttributeNames":["QueueArn"]}"#;
    let answer = gateway.http().json("GetQueueAttributes", input);
    assert!(answer.text().contains("arn:aws:sqs:eu-west-2:123456789012:q"), "{answer:?}");
}

#[test]
fn a_taken_address_is_named() {
    let redis = RedisServer::start(&[]);
    let first = Gateway::start(&redis, &[]);

    let listen = format!("127.0.0.1:{}", first.port());
    let second = run(&["--redis-url", &redis.url(), "--listen", &listen]);
    assert_eq!(second.status.code(), Some(1));
    assert!(second.output.contains("cannot listen on"), "{}", second.output);
}

/// Whether a gateway lets in who signs with this key.
fn lets_in(gateway: &Gateway, id: &str, secret: &str) -> bool {
    let (host, target) = (format!("127.0.0.1:{}", gateway.port()), "/?Action=ListQueues");
    let headers = Signer::new(id, secret).sign("GET", target, &[("Host", &host)], b"");
    let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    gateway.http().request("GET", target, &headers, b"").status == 200
}

#[test]
fn keys_and_tokens_come_from_the_environment_and_the_file() {
    let redis = RedisServer::start(&[]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "key = [\"A:one\", \"B:two\"]\ntoken = \"0123456789abcdefABCD-_\"\n";
    std::fs::write(file.path(), text).unwrap();
    let (url, path) = (redis.url(), file.path().to_str().unwrap());
    let of_file = Gateway::start_with(&["--redis-url", &url, "--config", path], &[]);
    assert!(lets_in(&of_file, "A", "one") && lets_in(&of_file, "B", "two"));
    assert!(!lets_in(&of_file, "A", "two"));
    let with_token = "/~0123456789abcdefABCD-_/?Action=ListQueues";
    assert_eq!(of_file.http().get(with_token).status, 200);

    let keys = [("KARIN_KEY", "C:three\n\nD:four,queues=*\n"), ("KARIN_LOG", "trace")];
    let arguments = ["--redis-url", &url, "--config", path];
    let of_environment = Gateway::start_with(&arguments, &keys);
    assert!(lets_in(&of_environment, "C", "three") && lets_in(&of_environment, "D", "four"));
    assert!(!lets_in(&of_environment, "A", "one"), "the environment wins over the file");
    assert_eq!(of_environment.http().get(with_token).status, 200);
    let log = of_environment.log();
    for secret in ["three", "four", "0123456789abcdefABCD-_"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn secrets_are_neither_in_the_help_nor_in_errors() {
    refuses(&["--listen", "0.0.0.0:0"], "--key or --token");
    for arguments in [["--help", "--help"], ["--listen", "nowhere"], ["--key", "hunter2"]] {
        let mut command = Command::new(artifact::gateway());
        command.args(arguments).env("KARIN_TOKEN", "hunter2").env("KARIN_KEY", "A:hunter2,x");
        let output = command.output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&printed).contains("hunter2"), "{arguments:?}");
        assert!(!printed.is_empty());
    }
}
