//! Mappings that are made, changed and deleted here.

use std::collections::BTreeSet;
use std::thread;

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};

use super::{MAPPINGS, Rig, arn, send, uuid, wait_until_empty};

/// What a mapping of a queue always has, and nothing else (esm-contract §7.1).
const FIELDS: [&str; 10] = [
    "BatchSize",
    "EventSourceArn",
    "EventSourceMappingArn",
    "FunctionArn",
    "FunctionResponseTypes",
    "LastModified",
    "MaximumBatchingWindowInSeconds",
    "State",
    "StateTransitionReason",
    "UUID",
];

#[track_caller]
fn has_fields(mapping: &Value, more: &[&str]) {
    let names: BTreeSet<&str> = mapping.as_object().unwrap().keys().map(String::as_str).collect();
    let expected: BTreeSet<&str> = FIELDS.iter().chain(more).copied().collect();
    assert_eq!(names, expected);
}

#[test]
fn a_created_mapping_is_shown_with_exactly_the_fields_lambda_has() {
    let rig = Rig::new();
    let input = json!({"FunctionName": "f", "EventSourceArn": arn("q"), "Unknown": [7]});
    let created = rig.create(&input);
    has_fields(&created, &[]);
    let uuid = uuid(&created);
    let lambda = "arn:aws:lambda:us-east-1:000000000000";
    let expected = json!({
        "UUID": uuid,
        "EventSourceMappingArn": format!("{lambda}:event-source-mapping:{uuid}"),
        "EventSourceArn": arn("q"),
        "FunctionArn": format!("{lambda}:function:f"),
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
        "LastModified": created["LastModified"],
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
    });
    assert_eq!(created, expected);
    let modified = created["LastModified"].as_f64().unwrap();
    assert!((super::super::now().as_secs_f64() - modified).abs() < 60.0, "{modified}");
    let mut enabled = expected;
    enabled["State"] = "Enabled".into();
    assert_eq!(rig.get(&uuid), enabled);
    assert_eq!(rig.list(""), [enabled]);
}

#[test]
fn what_is_set_is_shown_and_what_is_cleared_is_gone() {
    let rig = Rig::new();
    let pattern = r#"{"body":[{"prefix":"a"}]}"#;
    let filters = json!({"Filters": [{"Pattern": pattern}]});
    let settings = json!({
        "FunctionName": "f:$LATEST",
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 5,
        "FilterCriteria": filters,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 1},
        "ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 3},
        "MetricsConfig": {"Metrics": ["EventCount"]},
        "Tags": {"karin:retry": "backoff", "team": "shop"},
    });
    let uuid = rig.map(&settings);
    let set = ["FilterCriteria", "MetricsConfig", "ProvisionedPollerConfig", "ScalingConfig"];
    let shown = rig.get(&uuid);
    has_fields(&shown, &set);
    for (name, value) in settings.as_object().unwrap() {
        match name.as_str() {
            "FunctionName" => {
                assert!(shown["FunctionArn"].as_str().unwrap().ends_with(":f:$LATEST"), "{shown}");
            }
            "Tags" => {}
            _ => assert_eq!(&shown[name], value),
        }
    }
    let cleared = json!({
        "FilterCriteria": {}, "ScalingConfig": {}, "ProvisionedPollerConfig": {},
        "MetricsConfig": {}, "FunctionResponseTypes": [],
    });
    let answer = rig.ok("PUT", &format!("{MAPPINGS}/{uuid}"), &cleared);
    assert_eq!(answer["State"], "Updating");
    has_fields(&answer, &[]);
    let shown = rig.get(&uuid);
    has_fields(&shown, &[]);
    assert_eq!((&shown["BatchSize"], &shown["State"]), (&json!(100), &json!("Enabled")));
}

#[test]
fn a_mapping_goes_through_the_states_lambda_names() {
    let rig = Rig::new();
    let input = json!({"FunctionName": "f", "EventSourceArn": arn("q"), "Enabled": false});
    let created = rig.create(&input);
    assert_eq!(created["State"], "Disabled", "at once");
    let path = format!("{MAPPINGS}/{}", uuid(&created));
    let state = || rig.ok("GET", &path, &Value::Null)["State"].clone();
    assert_eq!(state(), "Disabled");
    send(&rig.gateway, "q", "waits");
    let put = |body: Value| rig.ok("PUT", &path, &body)["State"].clone();
    assert_eq!(put(json!({"BatchSize": 3})), "Updating");
    assert_eq!(state(), "Disabled");
    assert_eq!(rig.function.events().len(), 0);
    assert_eq!(put(json!({"Enabled": true})), "Enabling");
    assert_eq!(state(), "Enabled");
    rig.function.wait_for(1, PATIENCE);
    wait_until_empty(&rig.gateway, "q");
    assert_eq!(put(json!({"Enabled": false})), "Disabling");
    assert_eq!(state(), "Disabled");
    let deleted = rig.ok("DELETE", &path, &Value::Null);
    assert_eq!(deleted["State"], "Deleting");
    has_fields(&deleted, &[]);
    for method in ["GET", "DELETE", "PUT"] {
        let text = rig.refused(method, &path, &json!({}), 404, "ResourceNotFoundException");
        assert_eq!(text, "The resource you requested does not exist.", "{method}");
    }
    assert_eq!(rig.list(""), Vec::<Value>::new());
}

#[test]
fn a_created_mapping_serves_and_outlives_the_gateway_and_redis() {
    let mut rig = Rig::new();
    let uuid = rig.map(&json!({"BatchSize": 1}));
    send(&rig.gateway, "q", "one");
    rig.function.wait_for(1, PATIENCE);
    rig.gateway.restart();
    send(&rig.gateway, "q", "two");
    rig.function.wait_for(2, PATIENCE);
    wait_until_empty(&rig.gateway, "q");
    rig.redis.restart();
    until(PATIENCE, "karin to come back", || rig.gateway.http().get("/readyz").status == 200);
    rig.gateway.restart();
    send(&rig.gateway, "q", "three");
    rig.function.wait_for(3, PATIENCE);
    assert_eq!(rig.get(&uuid)["BatchSize"], 1);
}

#[test]
fn a_change_counts_at_once_and_loses_nothing_that_is_running() {
    // Each batch runs until it is told to go on.
    let hold = r"while [[ ! -e go ]]; do read -rt 0.01 <> <(:) || :; done; answer null";
    let rig = Rig::with(hold, &[]);
    let uuid = rig.map(&json!({"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 1}}));
    send(&rig.gateway, "q", "held");
    rig.function.wait_for(1, PATIENCE);
    for body in ["a", "b", "c"] {
        send(&rig.gateway, "q", body);
    }
    let change = json!({"BatchSize": 10, "ScalingConfig": {"MaximumConcurrency": 1}});
    rig.ok("PUT", &format!("{MAPPINGS}/{uuid}"), &change);
    std::fs::write(rig.function.file("go"), "").unwrap();
    wait_until_empty(&rig.gateway, "q");
    let bodies: Vec<Vec<String>> = rig
        .function
        .events()
        .iter()
        .map(|event| event.bodies().iter().map(|body| (*body).to_owned()).collect())
        .collect();
    let mut all = bodies.concat();
    all.sort();
    assert_eq!(all, ["a", "b", "c", "held"], "each once");
    assert!(bodies.iter().any(|batch| batch.len() > 1), "a larger batch: {bodies:?}");
}

#[test]
fn a_disabled_mapping_takes_nothing_more_and_a_deleted_one_lets_what_runs_finish() {
    let hold = r"while [[ ! -e go ]]; do read -rt 0.01 <> <(:) || :; done; answer null";
    for is_deleted in [false, true] {
        let rig = Rig::with(hold, &[]);
        let path = format!("{MAPPINGS}/{}", rig.map(&json!({"BatchSize": 1})));
        send(&rig.gateway, "q", "running");
        rig.function.wait_for(1, PATIENCE);
        if is_deleted {
            rig.ok("DELETE", &path, &Value::Null);
        } else {
            rig.ok("PUT", &path, &json!({"Enabled": false}));
        }
        send(&rig.gateway, "q", "stays");
        std::fs::write(rig.function.file("go"), "").unwrap();
        let counts = || super::super::counts(&rig.gateway, "q");
        until(PATIENCE, "the running one to be deleted", || counts() == (1, 0, 0));
        assert_eq!(rig.function.events().len(), 1);
    }
}

#[test]
fn of_two_who_create_the_same_mapping_at_once_one_is_told_of_the_others() {
    let function = super::Function::new("answer null");
    let redis = RedisServer::start(&[]);
    let option = function.option("f");
    let gateways = [0; 2].map(|_| Gateway::start(&redis, &["--function", &option]));
    super::action(&gateways[0], "CreateQueue", &json!({"QueueName": "q"}));
    let body = json!({"FunctionName": "f", "EventSourceArn": arn("q"), "Enabled": false});
    let body = body.to_string();
    for _ in 0..10 {
        let answers: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    let http = gateways[n % 2].http();
                    let body = body.as_bytes();
                    scope.spawn(move || http.request("POST", MAPPINGS, &[], body))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 202);
        assert_eq!((made.len(), refused.len()), (1, 7), "{answers:?}");
        let uuid = uuid(&made[0].json());
        for response in refused {
            let text = super::check_error(response, 409, "ResourceConflictException");
            let source = arn("q");
            assert_eq!(
                text,
                format!(
                    "An event source mapping with SQS arn (\" {source} \") and function (\" f \") \
                     already exists. Please update or delete the existing mapping with UUID {uuid}"
                )
            );
        }
        // Either gateway knows it, whoever made it.
        let path = format!("{MAPPINGS}/{uuid}");
        for gateway in &gateways {
            assert_eq!(gateway.http().get(&path).status, 200);
        }
        assert_eq!(gateways[1].http().request("DELETE", &path, &[], b"").status, 202);
    }
}

#[test]
fn a_mapping_can_get_another_function_unless_the_queue_has_that_already() {
    let other = super::Function::new("answer null");
    let option = other.option("g");
    let rig = Rig::with("answer null", &["--function", &option]);
    let uuid = rig.map(&json!({}));
    let path = format!("{MAPPINGS}/{uuid}");
    let changed = rig.ok("PUT", &path, &json!({"FunctionName": "g"}));
    assert!(changed["FunctionArn"].as_str().unwrap().ends_with(":function:g"), "{changed}");
    assert_eq!(uuid, changed["UUID"].as_str().unwrap());
    send(&rig.gateway, "q", "for g");
    other.wait_for(1, PATIENCE);
    let second = rig.map(&json!({}));
    assert_ne!(second, uuid);
    let text =
        rig.refused("PUT", &path, &json!({"FunctionName": "f"}), 409, "ResourceConflictException");
    assert!(text.contains(&second), "{text}");
    let mut uuids = [uuid, second];
    uuids.sort();
    let listed: Vec<String> = rig.list("").iter().map(super::uuid).collect();
    assert_eq!(listed, uuids);
}

#[test]
fn tags_are_kept_and_some_are_options() {
    let rig = Rig::new();
    let uuid = rig.map(&json!({"Tags": {"team": "shop"}}));
    let arn = rig.get(&uuid)["EventSourceMappingArn"].as_str().unwrap().replace(':', "%3A");
    let path = format!("/2017-03-31/tags/{arn}");
    let tags = || rig.ok("GET", &path, &Value::Null)["Tags"].clone();
    assert_eq!(tags(), json!({"team": "shop"}));
    assert_eq!(rig.call("POST", &path, &json!({"Tags": {"karin:isolate": "3"}})).status, 204);
    assert_eq!(tags(), json!({"team": "shop", "karin:isolate": "3"}));
    let bad = json!({"Tags": {"karin:isolate": "x"}});
    let text = rig.refused("POST", &path, &bad, 400, "InvalidParameterValueException");
    assert!(text.contains("isolate"), "{text}");
    let untag = format!("{path}?tagKeys=team&tagKeys=other");
    assert_eq!(rig.call("DELETE", &untag, &Value::Null).status, 204);
    assert_eq!(tags(), json!({"karin:isolate": "3"}));
    let none = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3A\
                event-source-mapping%3Ano";
    rig.refused("GET", none, &Value::Null, 404, "ResourceNotFoundException");
}

#[test]
fn a_kept_mapping_that_cannot_be_served_is_told_of() {
    let rig = Rig::new();
    let broken = json!({
        "UUID": "u-1", "EventSourceArn": arn("q"), "FunctionArn": "f",
        "Tags": {"karin:colour": "red"},
    });
    rig.redis.cli(&["HSET", "karin:map", "mapping:q=f", &broken.to_string()]);
    // Another one's making has what is kept read again.
    rig.create_queue("other", &json!({}));
    rig.create(&json!({"FunctionName": "f", "EventSourceArn": arn("other")}));
    let told = "the mapping u-1 that was made here is not served: karin:colour is no option";
    assert!(rig.gateway.log().contains(told), "{}", rig.gateway.log());
    assert_eq!(rig.list("").len(), 1);
}
