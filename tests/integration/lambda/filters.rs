//! Filters.

use karin_tests::gateway::{Gateway, run};
use serde_json::{Value, json};

use super::{action, counts, queue_url};

/// Sends a message; returns its id.
fn sent(gateway: &Gateway, queue: &str, more: &Value) -> String {
    let mut input = json!({"QueueUrl": queue_url(gateway, queue)});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = action(gateway, "SendMessage", &input);
    answer["MessageId"].as_str().unwrap().to_owned()
}

/// `karin try-filter` beside a gateway with an embedded Redis: its exit code, and what it printed.
fn try_filter(gateway: &Gateway, arguments: &[&str]) -> (i32, String) {
    let data = gateway.directory().join("data");
    let mut all = vec!["try-filter", "--data-dir", data.to_str().unwrap()];
    all.extend(arguments);
    let run = run(&all);
    (run.status.code().unwrap(), run.output)
}

#[test]
fn a_dry_run_shows_what_filters_would_do_and_leaves_the_messages_alone() {
    let gateway = Gateway::start_embedded(&[]);
    action(&gateway, "CreateQueue", &json!({"QueueName": "orders"}));
    let order = sent(&gateway, "orders", &json!({"MessageBody": r#"{"kind":"order","n":7}"#}));
    let refund = sent(
        &gateway,
        "orders",
        &json!({"MessageBody": r#"{"kind":"refund","n":1}"#, "DelaySeconds": 900}),
    );
    let long = "long ".repeat(20);
    let plain = sent(&gateway, "orders", &json!({"MessageBody": format!("two\nlines, {long}")}));
    let receive = json!({"QueueUrl": queue_url(&gateway, "orders")});
    let received = action(&gateway, "ReceiveMessage", &receive);
    assert_eq!(received["Messages"][0]["MessageId"], order.as_str());
    assert_eq!(counts(&gateway, "orders"), (1, 1, 1));

    let kinds = r#"{"body":{"kind":["order"]}}"#;
    let (code, output) = try_filter(&gateway, &["orders", kinds]);
    let beginning: String = format!(r"two\nlines, {long}").chars().take(61).collect();
    let expected = [
        format!(r#"{order} accepted {{"kind":"order","n":7}}"#),
        format!(r#"{refund} filtered {{"kind":"refund","n":1}}"#),
        format!("{plain} filtered {beginning}…"),
        "3 messages: 1 accepted, 2 filtered".to_owned(),
    ];
    assert_eq!(
        (code, output.lines().collect::<Vec<_>>()),
        (0, expected.each_ref().map(|l| &**l).to_vec())
    );

    // Filters are ORed; the count is kept to.
    let (code, output) = try_filter(
        &gateway,
        &["--count", "2", "orders", kinds, r#"{"body":{"n":[{"numeric":["<",5]}]}}"#],
    );
    let expected = [
        format!(r#"{order} accepted {{"kind":"order","n":7}}"#),
        format!(r#"{refund} accepted {{"kind":"refund","n":1}}"#),
        "2 messages: 2 accepted, 0 filtered, and there are more (--count)".to_owned(),
    ];
    assert_eq!(
        (code, output.lines().collect::<Vec<_>>()),
        (0, expected.each_ref().map(|l| &**l).to_vec())
    );
    assert_eq!(counts(&gateway, "orders"), (1, 1, 1));
}

/// More messages than are held in memory at a time, with attributes; as of their next receive.
#[test]
fn a_dry_run_sees_every_message_and_its_metadata() {
    let gateway = Gateway::start_embedded(&["--key-prefix", "other:"]);
    action(&gateway, "CreateQueue", &json!({"QueueName": "q"}));
    for n in 0..25 {
        let tenant = if n % 5 == 0 { "acme" } else { "other" };
        let attributes = json!({"tenant": {"DataType": "String", "StringValue": tenant}});
        sent(&gateway, "q", &json!({"MessageBody": "x", "MessageAttributes": attributes}));
    }
    let pattern = r#"{"messageAttributes":{"tenant":{"stringValue":["acme"]}},
        "attributes":{"ApproximateReceiveCount":["1"]}}"#;
    let (code, output) = try_filter(&gateway, &["--key-prefix", "other:", "q", pattern]);
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("25 messages: 5 accepted, 20 filtered\n"), "{output}");
    assert!(output.contains("attributes.ApproximateReceiveCount: AWS may filter"), "{output}");
}

#[test]
fn a_dry_run_says_what_is_wrong() {
    let gateway = Gateway::start_embedded(&[]);
    let good = r#"{"body":["x"]}"#;
    for (arguments, code, words) in [
        (vec!["q", good, r#"{"body":{"a":"b"}}"#], 2, "Invalid filter pattern definition."),
        (vec!["q", good, r#"{"body":{"a":"b"}}"#], 2, "filter 2: body.a: it is neither an object"),
        (vec!["q", "not JSON"], 2, "filter 1: it is not JSON"),
        (vec!["q", good, good, good, good, good, good], 2, "at most 5"),
        (vec!["q"], 2, "PATTERN"),
        (vec!["q q", good], 2, "is not the name of a queue"),
        (vec!["--redis-url", "http://x", "q", good], 2, "--redis-url"),
        (vec!["--count", "x", "q", good], 2, "--count"),
        (vec!["missing", good], 1, "missing: the queue does not exist"),
    ] {
        let (given, output) = try_filter(&gateway, &arguments);
        assert_eq!(given, code, "{arguments:?}: {output}");
        assert!(output.contains(words), "{arguments:?}: {output}");
    }
    for (arguments, words) in [
        (["--data-dir", "nowhere"], "nowhere: "),
        (["--redis-url", "redis://127.0.0.1:1"], "127.0.0.1:1"),
    ] {
        let away = run(&[&["try-filter", "q", good], arguments.as_slice()].concat());
        assert_eq!(away.status.code(), Some(1), "{}", away.output);
        assert!(away.output.contains(words), "{}", away.output);
    }
    let help = run(&["--help"]);
    assert!(help.output.contains("\n  try-filter "), "{}", help.output);
    let help = run(&["try-filter", "--help"]);
    assert!(help.status.success() && help.output.contains("--count"), "{}", help.output);
}
