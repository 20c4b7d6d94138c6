use serde_json::json;

use super::*;
use crate::lambda::api::error::ErrorKind;

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:orders";

fn document(queue: &str, members: &Value) -> Result<MappingDocument, ApiError> {
    let mut body = json!({"FunctionName": "f", "EventSourceArn": ARN});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let given = Given::read(body.to_string().as_bytes(), true)?;
    given.check_kinds()?;
    let mut document = MappingDocument::default();
    given.apply(&mut document);
    given.check(&document, &QueueName::parse(queue).unwrap())?;
    Ok(document)
}

#[track_caller]
fn refused(queue: &str, members: &Value) -> String {
    let error = document(queue, members).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidParameterValue, "{error:?}");
    error.text
}

#[track_caller]
fn broken(members: &Value) -> String {
    let error = document("orders", members).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Validation, "{error:?}");
    error.text
}

#[test]
fn what_is_not_given_has_awss_defaults() {
    let document = document("orders", &json!({"StartingPosition": 7, "Colour": "red"})).unwrap();
    assert_eq!(document.batch_size, Some(10));
    assert_eq!(document.maximum_batching_window_in_seconds, Some(0));
    assert_eq!((document.filter_criteria, document.scaling_config), (None, None));
    assert_eq!(document.function_response_types, Vec::<String>::new());
}

#[test]
fn a_batch_size_above_ten_wants_a_window_and_is_not_for_fifo_queues() {
    let window = "Maximum batch window in seconds must be greater than 0 if maximum batch size is \
                  greater than 10";
    assert_eq!(refused("orders", &json!({"BatchSize": 11})), window);
    let ok = json!({"BatchSize": 10_000, "MaximumBatchingWindowInSeconds": 1});
    assert!(document("orders", &ok).is_ok());
    assert_eq!(refused("q.fifo", &ok), "Maximum batch size must be between 1 and 10 inclusive");
    assert_eq!(
        refused("q.fifo", &json!({"MaximumBatchingWindowInSeconds": 1})),
        "Batching window is not supported for FIFO queues"
    );
}

#[test]
fn numbers_out_of_range_are_told_all_together() {
    assert_eq!(
        broken(&json!({"BatchSize": 0, "MaximumBatchingWindowInSeconds": 301})),
        "2 validation errors detected: Value '0' at 'batchSize' failed to satisfy constraint: \
         Member must have value greater than or equal to 1; Value '301' at \
         'maximumBatchingWindowInSeconds' failed to satisfy constraint: Member must have value \
         less than or equal to 300"
    );
    assert!(broken(&json!({"BatchSize": 10_001})).contains("less than or equal to 10000"));
    assert!(broken(&json!({"BatchSize": i64::MIN})).contains("greater than or equal to 1"));
    let concurrency = |n: i64| json!({"ScalingConfig": {"MaximumConcurrency": n}});
    assert!(document("orders", &concurrency(1)).is_ok(), "serial processing");
    assert!(broken(&concurrency(0)).contains("scalingConfig.maximumConcurrency"));
    assert!(broken(&concurrency(1_001)).contains("less than or equal to 1000"));
}

#[test]
fn at_most_one_response_type_is_known() {
    let types = |types: &[&str]| json!({"FunctionResponseTypes": types});
    assert!(document("orders", &types(&["ReportBatchItemFailures"])).is_ok());
    assert!(document("orders", &types(&[])).is_ok());
    assert!(broken(&types(&["Report"])).contains("enum value set"));
    let twice = types(&["ReportBatchItemFailures", "ReportBatchItemFailures"]);
    assert!(broken(&twice).contains("length less than or equal to 1"));
}

#[test]
fn filters_are_refused_in_awss_words_and_empty_ones_clear() {
    let filters = |patterns: &[Value]| {
        let filters: Vec<_> = patterns.iter().map(|p| json!({"Pattern": p})).collect();
        json!({"FilterCriteria": {"Filters": filters}})
    };
    let invalid = "Invalid filter pattern definition.";
    assert_eq!(refused("orders", &filters(&[Value::Null])), invalid);
    assert_eq!(refused("orders", &filters(&["".into()])), invalid);
    assert_eq!(refused("orders", &json!({"FilterCriteria": {"Filters": [{}]}})), invalid);
    assert_eq!(refused("orders", &filters(&[r#"{"eventSource":"aws:sqs"}"#.into()])), invalid);
    assert_eq!(refused("orders", &filters(&["null".into()])), invalid);
    let pattern: Value = r#"{"body":[{"prefix":"a"}]}"#.into();
    let kept = document("orders", &filters(std::slice::from_ref(&pattern))).unwrap();
    assert_eq!(kept.patterns(), [pattern.as_str().unwrap()]);
    assert!(document("orders", &filters(&vec![pattern.clone(); 5])).is_ok());
    assert!(refused("orders", &filters(&vec![pattern; 6])).contains("at most 5"));
    assert!(broken(&filters(&["x".repeat(4_097).into()])).contains("filters.1.member.pattern"));
    let mut cleared = kept;
    for body in [r#"{"FilterCriteria":{}}"#, r#"{"FilterCriteria":{"Filters":[]}}"#] {
        Given::read(body.as_bytes(), false).unwrap().apply(&mut cleared);
        assert_eq!(cleared.filter_criteria, None);
    }
}

#[test]
fn an_update_leaves_what_it_does_not_say_and_clears_with_empty_objects() {
    let members = json!({
        "BatchSize": 3, "ScalingConfig": {"MaximumConcurrency": 7},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "MetricsConfig": {"Metrics": ["EventCount"]},
        "ProvisionedPollerConfig": {"MinimumPollers": 2, "Other": "ignored"},
    });
    let mut changed = document("orders", &members).unwrap();
    let before = changed.clone();
    Given::read(b"{}", false).unwrap().apply(&mut changed);
    assert_eq!(changed, before);
    assert_eq!(changed.provisioned_poller_config, Some(json!({"MinimumPollers": 2})));
    let clear = br#"{"ScalingConfig":{},"MetricsConfig":{},"ProvisionedPollerConfig":{},
                     "FunctionResponseTypes":[],"BatchSize":4}"#;
    Given::read(clear, false).unwrap().apply(&mut changed);
    assert_eq!(changed.batch_size, Some(4));
    assert_eq!((changed.scaling_config, changed.metrics_config), (None, None));
    assert_eq!(changed.provisioned_poller_config, None);
    assert_eq!(changed.function_response_types, Vec::<String>::new());
}

#[test]
fn tags_set_karins_options_and_bad_ones_are_told() {
    let tags = |name: &str, value: &str| json!({"Tags": {name: value}});
    assert!(document("orders", &tags("karin:retry", "backoff")).is_ok());
    assert!(document("orders", &tags("team", "shop")).is_ok());
    assert!(refused("orders", &tags("karin:retry", "never")).contains("retry"));
    assert!(refused("orders", &tags("karin:colour", "red")).contains("karin:colour"));
    assert!(refused("q.fifo", &tags("karin:filtered", "keep")).contains("filtered=keep"));
    assert!(broken(&tags(&"x".repeat(129), "")).contains("128"));
    let many: serde_json::Map<_, _> = (0..51).map(|n| (n.to_string(), "".into())).collect();
    assert!(refused("orders", &json!({ "Tags": many })).contains("50 tags"));
}

#[test]
fn what_is_for_other_sources_is_refused_or_ignored_as_on_aws() {
    let on_success = json!({"DestinationConfig": {"OnSuccess": {"Destination": "arn:x"}}});
    assert_eq!(
        refused("orders", &on_success),
        "Unsupported DestinationConfig parameter for given event source mapping type."
    );
    let ignored = json!({
        "DestinationConfig": {"OnFailure": {"Destination": "arn:x"}},
        "MaximumRetryAttempts": 7, "MaximumRecordAgeInSeconds": 60, "TumblingWindowInSeconds": 1,
        "BisectBatchOnFunctionError": true, "ParallelizationFactor": 3,
    });
    assert!(document("orders", &ignored).is_ok());
    assert!(refused("orders", &json!({"KMSKeyArn": "arn:k"})).contains("KMSKeyArn"));
}

#[test]
fn a_function_and_an_arn_must_look_like_ones() {
    assert!(broken(&json!({ "FunctionName": null })).contains("Value null at 'functionName'"));
    assert!(broken(&json!({"FunctionName": "a b"})).contains("'functionName'"));
    assert!(broken(&json!({"EventSourceArn": "orders"})).contains("'eventSourceArn'"));
    let error = document("orders", &json!({"FunctionName": 7})).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Serialization);
}
