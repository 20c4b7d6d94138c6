//! What is refused, in Lambda's words (esm-contract §§2, 3, 5, 6 and 7.3).

use karin_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};

use super::{MAPPINGS, Rig, arn, check_error};

const INVALID: &str = "InvalidParameterValueException";

/// Creates a mapping of `q` and `f` with these members changed; `null` removes one.
fn create(rig: &Rig, members: Value, kind: &str) -> String {
    let mut body = json!({"FunctionName": "f", "EventSourceArn": arn("q")});
    let body_members = body.as_object_mut().unwrap();
    let Value::Object(members) = members else { panic!("{members}") };
    body_members.extend(members);
    body_members.retain(|_, value| !value.is_null());
    rig.refused("POST", MAPPINGS, &body, 400, kind)
}

#[test]
fn a_mapping_that_cannot_be_is_refused_in_lambdas_words() {
    let rig = Rig::new();
    rig.create_queue("quick", &json!({"VisibilityTimeout": "29"}));
    rig.create_queue("q.fifo", &json!({"FifoQueue": "true"}));
    let window = "Maximum batch window in seconds must be greater than 0 if maximum batch size is \
                  greater than 10";
    let missing = "Error occurred while ReceiveMessage. SQS Error Code: \
                   AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified \
                   queue does not exist.";
    let visibility =
        "Queue visibility timeout: 29 seconds is less than Function timeout: 30 seconds";
    let filter = |pattern: Value| json!({"FilterCriteria": {"Filters": [{ "Pattern": pattern }]}});
    for (members, expected) in [
        (json!({"EventSourceArn": null}), "Unrecognized event source."),
        (
            json!({"EventSourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}),
            "Unrecognized event source.",
        ),
        (json!({"FunctionName": "nobody"}), "Function does not exist"),
        (json!({"FunctionName": "f:live"}), "Function does not exist"),
        (filter(Value::Null), "Invalid filter pattern definition."),
        (filter(r#"{"eventSource":"aws:sqs"}"#.into()), "Invalid filter pattern definition."),
        (filter("[".into()), "Invalid filter pattern definition."),
        (json!({"EventSourceArn": arn("missing")}), missing),
        (json!({"EventSourceArn": arn("quick")}), visibility),
        (json!({"BatchSize": 11}), window),
        (
            json!({"EventSourceArn": arn("q.fifo"), "BatchSize": 11}),
            "Maximum batch size must be between 1 and 10 inclusive",
        ),
        (
            json!({"EventSourceArn": arn("q.fifo"), "MaximumBatchingWindowInSeconds": 1}),
            "Batching window is not supported for FIFO queues",
        ),
        (
            json!({"DestinationConfig": {"OnSuccess": {"Destination": arn("q")}}}),
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
    ] {
        assert_eq!(create(&rig, members.clone(), INVALID), expected, "{members}");
    }
    assert_eq!(rig.list(""), Vec::<Value>::new(), "nothing was made");
}

#[test]
fn the_first_thing_that_is_wrong_is_told_as_on_aws() {
    let rig = Rig::new();
    let mut wrong = json!({
        "BatchSize": 11,
        "DestinationConfig": {"OnSuccess": {"Destination": "arn:x"}},
        "EventSourceArn": arn("missing"),
        "FilterCriteria": {"Filters": [{"Pattern": ""}]},
        "FunctionName": "nobody",
    });
    for (remedy, words) in [
        (json!({}), "Unsupported DestinationConfig"),
        (json!({"DestinationConfig": null}), "Maximum batch window"),
        (json!({"BatchSize": 10}), "Invalid filter pattern"),
        (json!({"FilterCriteria": null}), "Function does not exist"),
        (json!({"FunctionName": "f"}), "NonExistentQueue"),
    ] {
        wrong.as_object_mut().unwrap().extend(remedy.as_object().unwrap().clone());
        let text = create(&rig, wrong.clone(), INVALID);
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn an_update_is_held_to_the_same_rules() {
    let rig = Rig::new();
    let uuid = rig.map(&json!({"BatchSize": 20, "MaximumBatchingWindowInSeconds": 1}));
    let before = rig.get(&uuid);
    let path = format!("{MAPPINGS}/{uuid}");
    for (body, words) in [
        (json!({"MaximumBatchingWindowInSeconds": 0}), "Maximum batch window in seconds"),
        (json!({"FunctionName": "nobody"}), "Function does not exist"),
        (json!({"FilterCriteria": {"Filters": [{}]}}), "Invalid filter pattern definition."),
    ] {
        let text = rig.refused("PUT", &path, &body, 400, INVALID);
        assert!(text.contains(words), "{body}: {text}");
    }
    assert_eq!(rig.get(&uuid), before);
    let slow = json!({"QueueUrl": super::queue_url(&rig.gateway, "q"),
                      "Attributes": {"VisibilityTimeout": "3"}});
    super::action(&rig.gateway, "SetQueueAttributes", &slow);
    let text = rig.refused("PUT", &path, &json!({"BatchSize": 21}), 400, INVALID);
    let expected = "Queue visibility timeout: 3 seconds is less than Function timeout: 30 seconds";
    assert_eq!(text, expected);
}

#[test]
fn constraints_and_types_are_told_before_anything_else() {
    let rig = Rig::new();
    let text = create(&rig, json!({"FunctionName": null}), "ValidationException");
    assert_eq!(
        text,
        "1 validation error detected: Value null at 'functionName' failed to satisfy constraint: \
         Member must not be null"
    );
    let text = create(&rig, json!({"BatchSize": 10_001}), "ValidationException");
    assert!(text.contains("'batchSize'"), "{text}");
    let text = create(&rig, json!({"BatchSize": "many"}), "SerializationException");
    assert_eq!(text, "STRING_VALUE can not be converted to an Integer");
    for body in ["{", "[]", "7", "\u{0}", "{}{}"] {
        let response = rig.gateway.http().request("POST", MAPPINGS, &[], body.as_bytes());
        check_error(&response, 400, "SerializationException");
    }
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let response = rig.gateway.http().request("POST", MAPPINGS, &[], &deep);
    check_error(&response, 400, "SerializationException");
    let large = json!({"FunctionName": "f", "Unknown": "x".repeat(300_000)});
    rig.refused("POST", MAPPINGS, &large, 413, "RequestTooLargeException");
    let response = rig.gateway.http().request("POST", MAPPINGS, &[], &vec![b' '; 9 << 20]);
    check_error(&response, 413, "RequestTooLargeException");
}

#[test]
fn lists_are_filtered_and_come_in_pages() {
    let rig = Rig::new();
    let mut all = Vec::new();
    for n in 0..5 {
        let queue = format!("q{n}");
        rig.create_queue(&queue, &json!({}));
        let input = json!({"FunctionName": "f", "EventSourceArn": arn(&queue), "Enabled": false});
        all.push(super::uuid(&rig.create(&input)));
    }
    all.sort();
    let mut seen = Vec::new();
    let mut marker = String::new();
    loop {
        let path = format!("{MAPPINGS}?MaxItems=2{marker}");
        let page = rig.ok("GET", &path, &Value::Null);
        seen.extend(page["EventSourceMappings"].as_array().unwrap().iter().map(super::uuid));
        let Some(next) = page["NextMarker"].as_str() else { break };
        assert_eq!(page["EventSourceMappings"].as_array().unwrap().len(), 2);
        marker = format!("&Marker={next}");
    }
    assert_eq!(seen, all);
    let count = |query: String| rig.list(&query).len();
    assert_eq!(count(format!("EventSourceArn={}", arn("q3"))), 1);
    assert_eq!(count(format!("EventSourceArn={}", arn("missing"))), 0);
    assert_eq!(count("FunctionName=f".into()), 5);
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    assert_eq!(count(format!("FunctionName={function}&MaxItems=10000")), 5);
    assert_eq!(count("FunctionName=f:live".into()), 0);
    assert_eq!(count("FunctionName=nobody".into()), 0);
    for (query, kind) in [
        ("MaxItems=0", "ValidationException"),
        ("MaxItems=10001", "ValidationException"),
        ("MaxItems=x", "SerializationException"),
        ("Marker=%25", INVALID),
        ("FunctionName=a%20b", "ValidationException"),
    ] {
        rig.refused("GET", &format!("{MAPPINGS}?{query}"), &Value::Null, 400, kind);
    }
}

#[test]
fn what_we_have_not_is_an_unknown_operation_and_never_a_fault() {
    let rig = Rig::new();
    for (method, path) in [
        ("POST", "/2015-03-31/functions"),
        ("PUT", "/2015-03-31/functions/f/code"),
        ("GET", "/2015-03-31/functions/f/versions"),
        ("POST", "/2021-11-15/functions/f/response-streaming-invocations"),
        ("GET", "/2015-03-31"),
        ("GET", "/2015-03-31/functions/f/%2F/x"),
        ("PATCH", "/2015-03-31/event-source-mappings"),
    ] {
        let text = rig.refused(method, path, &json!({}), 404, "UnknownOperationException");
        assert!(text.contains(path), "{text}");
    }
}

#[test]
fn no_request_is_a_fault_of_ours() {
    let rig = Rig::new();
    let uuid = rig.map(&json!({}));
    let long = "x".repeat(10_000);
    let resources =
        ["f", "", "%00", "%ff%fe", "%0d%0aX:y", "..", "a%2Fb", "%F0%9F%A6%80", &long, &uuid];
    let bodies: [&[u8]; 8] = [
        b"",
        b"null",
        b"{\"FunctionName\":\"f\"",
        b"{\"FunctionName\":{},\"EventSourceArn\":[]}",
        b"{\"FunctionName\":\"f\",\"EventSourceArn\":\"arn:aws:sqs:::\"}",
        b"{\"BatchSize\":-1e400,\"Tags\":{\"karin:\":\"\"}}",
        b"{\"FilterCriteria\":{\"Filters\":[null,1,{}]}}",
        b"\xff\xfe{}",
    ];
    let mut connection = rig.gateway.http().connect();
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for resource in resources {
            for path in [
                format!("{MAPPINGS}/{resource}"),
                format!("{MAPPINGS}?EventSourceArn={resource}&Marker={resource}"),
                format!("/2015-03-31/functions/{resource}"),
                format!("/2015-03-31/functions/{resource}/invocations?Qualifier={resource}"),
                format!("/2017-03-31/tags/{resource}?tagKeys={resource}"),
            ] {
                for body in bodies {
                    let response = connection.request(method, &path, &[], body);
                    assert!(response.status < 500, "{method} {path} {body:?}: {response:?}");
                    if response.status >= 400 {
                        assert!(response.header("x-amzn-errortype").is_some(), "{response:?}");
                        assert!(response.json()["Type"] == "User", "{response:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn while_redis_is_away_changes_are_to_be_repeated_and_lists_go_on() {
    let mut rig = Rig::new();
    let uuid = rig.map(&json!({}));
    rig.redis.kill();
    until(PATIENCE, "karin to notice", || rig.gateway.http().get("/readyz").status == 503);
    let body = json!({"FunctionName": "f", "EventSourceArn": arn("q2")});
    rig.refused("POST", MAPPINGS, &body, 503, "ServiceUnavailableException");
    let path = format!("{MAPPINGS}/{uuid}");
    rig.refused("PUT", &path, &json!({"BatchSize": 2}), 503, "ServiceUnavailableException");
    rig.refused("DELETE", &path, &json!({}), 503, "ServiceUnavailableException");
    assert_eq!(rig.get(&uuid)["BatchSize"], 10);
    rig.redis.restart();
    until(PATIENCE, "karin to come back", || rig.gateway.http().get("/readyz").status == 200);
    rig.ok("PUT", &path, &json!({"BatchSize": 2}));
    assert_eq!(rig.get(&uuid)["BatchSize"], 2);
}
