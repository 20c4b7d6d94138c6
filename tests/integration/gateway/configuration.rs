//! What karin says to a configuration it cannot use.

use karin_tests::gateway::{Gateway, run};
use karin_tests::redis::RedisServer;

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
