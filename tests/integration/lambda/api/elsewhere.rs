//! Mappings that were not made here: the configuration's.

use karin_tests::wait::PATIENCE;
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
