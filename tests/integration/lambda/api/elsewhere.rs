//! Mappings that were not made here: the configuration's.

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::{Value, json};

use super::{MAPPINGS, Rig, arn, send, wait_until_empty};

#[test]
fn a_configured_mapping_is_shown_and_can_be_switched_off_and_on_only() {
    let map = "q=f,batch_size=7,concurrency=2,report_batch_item_failures=true,\
               filter={\"body\":[{\"anything-but\":\"x\"}]}";
    let mut rig = Rig::with("answer null", &["--map", map]);
    let [mapping] = rig.list("").try_into().unwrap();
    let uuid = super::uuid(&mapping);
    assert_eq!(rig.get(&uuid), mapping);
    assert_eq!(mapping["EventSourceArn"], arn("q"));
    assert_eq!(mapping["State"], "Enabled");
    assert_eq!(mapping["BatchSize"], 7);
    assert_eq!(mapping["ScalingConfig"], json!({"MaximumConcurrency": 2}));
    assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    let path = format!("{MAPPINGS}/{uuid}");
    for (method, body) in [
        ("PUT", json!({"BatchSize": 8})),
        ("PUT", json!({"Enabled": false, "FunctionName": "g"})),
        ("PUT", json!({"FilterCriteria": {}})),
        ("DELETE", Value::Null),
    ] {
        let text = rig.refused(method, &path, &body, 400, "InvalidParameterValueException");
        assert!(text.contains("in karin's configuration; change it there"), "{text}");
    }
    let off = json!({"Enabled": false, "BatchSize": 7, "FunctionName": "f"});
    assert_eq!(rig.ok("PUT", &path, &off)["State"], "Disabling");
    assert_eq!(rig.get(&uuid)["State"], "Disabled");
    send(&rig.gateway, "q", "waits");
    rig.gateway.restart();
    assert_eq!(rig.get(&uuid)["State"], "Disabled", "over a restart");
    assert_eq!(rig.function.events().len(), 0);
    assert_eq!(rig.ok("PUT", &path, &json!({"Enabled": true}))["State"], "Enabling");
    rig.function.wait_for(1, PATIENCE);
    wait_until_empty(&rig.gateway, "q");
    let second = json!({"FunctionName": "f", "EventSourceArn": arn("q")});
    let text = rig.refused("POST", MAPPINGS, &second, 409, "ResourceConflictException");
    assert!(text.contains(&uuid), "{text}");
}

const ACCOUNT: &str = "arn:aws:lambda:eu-west-1:111122223333";

/// A gateway that knows of AWS only what an earlier one kept: a mapping of `q` and `g`, and the
/// functions `g`, which may run for 60 s, and `f`, which is here, too.
fn with_aws() -> Rig {
    let function = super::Function::new("answer null");
    let redis = RedisServer::start(&[]);
    let mapping = json!({
        "UUID": "11111111-2222-4333-8444-555555555555",
        "EventSourceMappingArn":
            format!("{ACCOUNT}:event-source-mapping:11111111-2222-4333-8444-555555555555"),
        "EventSourceArn": "arn:aws:sqs:eu-west-1:111122223333:q",
        "FunctionArn": format!("{ACCOUNT}:function:g:live"),
        "State": "Disabled",
        "LastModified": 1_760_000_000.5,
        "BatchSize": 4,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    });
    let functions = ["g:$LATEST", "g:7", "f:$LATEST"].map(|name| {
        let bare = name.split(':').next().unwrap();
        let arn = format!("{ACCOUNT}:function:{name}");
        json!({"FunctionName": bare, "FunctionArn": arn, "Timeout": 60})
    });
    let map = json!({"mappings": [mapping], "catalog": {"functions": functions}});
    redis.cli(&["HSET", "karin:map", "aws", &map.to_string()]);
    let option = function.option("f");
    // Where nobody answers.
    let endpoint = "http://127.0.0.1:9";
    let options = ["--lambda-endpoint", endpoint, "--function", &option];
    let gateway = Gateway::start(&redis, &options);
    let rig = Rig { gateway, redis, function };
    until(PATIENCE, "the kept map to be read", || rig.list("").len() == 1);
    rig
}

#[test]
fn a_mapping_of_awss_is_shown_as_it_is_served_and_changed_on_aws() {
    let rig = with_aws();
    let [mapping] = rig.list("").try_into().unwrap();
    let expected = json!({
        "UUID": "11111111-2222-4333-8444-555555555555",
        "EventSourceMappingArn":
            format!("{ACCOUNT}:event-source-mapping:11111111-2222-4333-8444-555555555555"),
        "EventSourceArn": "arn:aws:sqs:eu-west-1:111122223333:q",
        "FunctionArn": format!("{ACCOUNT}:function:g:live"),
        "State": "Enabled",
        "StateTransitionReason": "USER_INITIATED",
        "LastModified": 1_760_000_000.5,
        "BatchSize": 4,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    });
    assert_eq!(mapping, expected);
    assert_eq!(rig.list("FunctionName=g:live").len(), 1);
    assert_eq!(rig.list("FunctionName=g:dead").len(), 0);
    assert_eq!(rig.list(&format!("EventSourceArn={}", arn("q"))).len(), 1, "any account's");
    let path = format!("{MAPPINGS}/{}", super::uuid(&mapping));
    for (method, body) in [("PUT", json!({"BatchSize": 8})), ("DELETE", Value::Null)] {
        let text = rig.refused(method, &path, &body, 400, "InvalidParameterValueException");
        assert!(text.contains("on AWS; change it there"), "{text}");
    }
    assert_eq!(rig.ok("PUT", &path, &json!({"Enabled": false}))["State"], "Disabling");
    assert_eq!(rig.get(&super::uuid(&mapping))["State"], "Disabled");
}

#[test]
fn a_mapping_can_be_made_of_a_function_that_is_on_aws() {
    let rig = with_aws();
    rig.create_queue("slow", &json!({"VisibilityTimeout": "60"}));
    rig.create_queue("quick", &json!({"VisibilityTimeout": "30"}));
    let body = |queue: &str, function: &str| {
        let source = arn(queue);
        json!({"FunctionName": function, "EventSourceArn": source, "Enabled": false})
    };
    let text =
        rig.refused("POST", MAPPINGS, &body("quick", "g"), 400, "InvalidParameterValueException");
    let expected = "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds";
    assert_eq!(text, expected);
    // The one that is here counts, with its own timeout.
    let local = rig.create(&body("quick", "f"));
    assert!(
        local["FunctionArn"].as_str().unwrap().ends_with(":111122223333:function:f"),
        "{local}"
    );
    for (name, arn) in [
        ("g", format!("{ACCOUNT}:function:g")),
        ("g:7", format!("{ACCOUNT}:function:g:7")),
        (&format!("{ACCOUNT}:function:g:live"), format!("{ACCOUNT}:function:g:live")),
    ] {
        let made = rig.create(&body("slow", name));
        assert_eq!(made["FunctionArn"], arn);
        rig.ok("DELETE", &format!("{MAPPINGS}/{}", super::uuid(&made)), &Value::Null);
    }
    for name in ["h", "g:8"] {
        let body = body("slow", name);
        let text = rig.refused("POST", MAPPINGS, &body, 400, "InvalidParameterValueException");
        assert_eq!(text, "Function does not exist");
    }
}

#[test]
fn where_no_list_of_functions_could_be_read_any_is_taken_and_shown_to_be_away() {
    let rig = Rig::with("answer null", &["--lambda-endpoint", "http://127.0.0.1:9"]);
    let made = rig.create(&json!({"FunctionName": "remote", "EventSourceArn": arn("q")}));
    let uuid = super::uuid(&made);
    assert!(rig.get(&uuid).get("LastProcessingResult").is_none());
    send(&rig.gateway, "q", "waits");
    let shown = until_some(PATIENCE, "the reason", || {
        let shown = rig.get(&uuid);
        shown.get("LastProcessingResult").is_some().then_some(shown)
    });
    assert_eq!(shown["State"], "Enabled");
    let result = shown["LastProcessingResult"].as_str().unwrap();
    assert!(result.starts_with("PROBLEM: "), "{result}");
}
