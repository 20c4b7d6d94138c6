//! Which queue's messages go to which function, and how.

use std::time::Duration;

use aws_sdk_lambda::types::EventSourceMappingConfiguration;

use crate::config::{FailureReport, MappingSpec};
use crate::lambda::outcome::Reporting;
use crate::queues::{FIFO_SUFFIX, QueueName};

/// Invocations at a time where nothing else is said.
pub(super) const CONCURRENCY_DEFAULT: u32 = 10;
/// BatchSize where nothing else is said (esm-contract §2).
const BATCH_SIZE_DEFAULT: u32 = 10;
/// The largest BatchSize (esm-contract §2).
const BATCH_SIZE_MAX: u32 = 10_000;

/// A mapping, from the configuration or from AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    /// What tells it from others: AWS's UUID, or queue and function for a configured one.
    pub(super) key: String,
    /// The queue.
    pub(super) queue: QueueName,
    /// AWS's EventSourceArn, verbatim; `None` for a configured mapping.
    pub(super) source_arn: Option<String>,
    /// The function's name or ARN, with its qualifier if it has one; what Invoke gets.
    pub(super) function: String,
    /// At most this many records in one event.
    pub(super) batch_size: u32,
    /// How long to gather, from the first message on.
    pub(super) window: Duration,
    /// The function's timeout, if the mapping itself says it.
    pub(super) timeout: Option<Duration>,
    /// At most this many invocations at a time, if the mapping says it.
    pub(super) concurrency: Option<u32>,
    /// Whether the function's answer names the messages that failed.
    pub(super) reporting: Reporting,
}

impl Mapping {
    /// The function's bare name.
    pub(super) fn function_name(&self) -> &str {
        function_name(&self.function)
    }
}

impl From<&MappingSpec> for Mapping {
    fn from(spec: &MappingSpec) -> Self {
        Self {
            key: format!("{}={}", spec.queue, spec.function),
            queue: spec.queue.clone(),
            source_arn: None,
            function: spec.function.clone(),
            batch_size: spec.batch_size,
            window: spec.window,
            timeout: spec.timeout,
            concurrency: spec.concurrency,
            reporting: match spec.report_batch_item_failures {
                FailureReport::PerMessage => Reporting::ItemFailures,
                FailureReport::WholeBatch => Reporting::None,
            },
        }
    }
}

/// The bare name in a function's name or ARN, without qualifier: `f`, `f:live`,
/// `arn:aws:lambda:eu-west-1:111122223333:function:f:live`, `111122223333:function:f` are all `f`.
pub(super) fn function_name(function: &str) -> &str {
    let name = function.split_once("function:").map_or(function, |(_, name)| name);
    name.split(':').next().unwrap_or(name)
}

/// What a list of AWS's mappings means for us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// The mappings to serve, in the order of the list.
    pub(super) ours: Vec<Mapping>,
    /// Mappings of SQS queues that are not served, each with the reason, for people.
    pub(super) remarks: Vec<String>,
    /// Account and region of the first of ours.
    pub(super) home: Option<(String, String)>,
}

/// Selects the mappings that are ours: those of SQS queues that AWS itself does not poll, because
/// they are deployed as disabled. Source: esm-contract §7.1.
pub(super) fn select(listed: &[EventSourceMappingConfiguration]) -> Selection {
    let mut selection = Selection::default();
    for configuration in listed {
        let Some(arn) = configuration.event_source_arn() else { continue };
        if arn.split(':').nth(2) != Some("sqs") {
            continue;
        }
        match read(configuration, arn) {
            Ok(mapping) => {
                if selection.home.is_none() {
                    let segment = |n| arn.split(':').nth(n).map(str::to_owned);
                    selection.home = segment(4).zip(segment(3));
                }
                selection.ours.push(mapping);
            }
            Err(why) => {
                let function = configuration.function_arn().unwrap_or("?");
                selection.remarks.push(format!("mapping {arn} -> {function} is not served: {why}"));
            }
        }
    }
    selection
}

fn read(configuration: &EventSourceMappingConfiguration, arn: &str) -> Result<Mapping, String> {
    match configuration.state().unwrap_or_default() {
        "Disabled" => {}
        state @ ("Creating" | "Enabling" | "Enabled" | "Updating") => {
            return Err(format!(
                "it is {state}, so AWS polls its own queue and bills it; deploy it with \
                 enabled: false"
            ));
        }
        state => return Err(format!("it is {state}")),
    }
    if configuration.filter_criteria().is_some() || configuration.kms_key_arn().is_some() {
        return Err("it has filter criteria, which karin cannot apply yet; without them it would \
                    deliver everything"
            .into());
    }
    let name = arn.rsplit(':').next().unwrap_or_default();
    if name.ends_with(FIFO_SUFFIX) {
        return Err("karin has no FIFO queues yet".into());
    }
    let queue = QueueName::parse(name).ok_or_else(|| format!("{name:?} is no queue's name"))?;
    let function = configuration.function_arn().ok_or("it has no FunctionArn")?.to_owned();
    let count = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
    let window = count(configuration.maximum_batching_window_in_seconds()).unwrap_or(0);
    let concurrency = configuration.scaling_config().and_then(|s| count(s.maximum_concurrency()));
    let reports =
        configuration.function_response_types().iter().any(|t| t.as_str() == REPORT_RESPONSE_TYPE);
    let batch_size = count(configuration.batch_size()).unwrap_or(BATCH_SIZE_DEFAULT);
    Ok(Mapping {
        key: configuration.uuid().map_or_else(|| format!("{arn}={function}"), str::to_owned),
        queue,
        source_arn: Some(arn.to_owned()),
        function,
        batch_size: batch_size.clamp(1, BATCH_SIZE_MAX),
        window: Duration::from_secs(window.into()),
        timeout: None,
        concurrency: concurrency.filter(|&c| c > 0),
        reporting: if reports { Reporting::ItemFailures } else { Reporting::None },
    })
}

const REPORT_RESPONSE_TYPE: &str = "ReportBatchItemFailures";

/// The mappings to serve: the configured ones, and AWS's that do not repeat one of them (same
/// queue, same function), for then the configured one decides.
pub(super) fn combine(configured: &[Mapping], from_aws: &[Mapping]) -> Vec<Mapping> {
    let repeated = |mapping: &Mapping| {
        configured
            .iter()
            .any(|c| c.queue == mapping.queue && c.function_name() == mapping.function_name())
    };
    let news = from_aws.iter().filter(|mapping| !repeated(mapping));
    configured.iter().chain(news).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_lambda::types::builders::EventSourceMappingConfigurationBuilder;
    use aws_sdk_lambda::types::{FilterCriteria, FunctionResponseType, ScalingConfig};

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:f:live";

    fn listed(state: &str) -> EventSourceMappingConfigurationBuilder {
        EventSourceMappingConfiguration::builder()
            .uuid("u-1")
            .event_source_arn("arn:aws:sqs:eu-west-1:111122223333:orders")
            .function_arn(FUNCTION)
            .state(state)
            .batch_size(100)
            .maximum_batching_window_in_seconds(2)
    }

    #[test]
    fn a_disabled_mapping_of_a_queue_is_served_as_it_is_configured() {
        let configuration = listed("Disabled")
            .function_response_types(FunctionResponseType::ReportBatchItemFailures)
            .scaling_config(ScalingConfig::builder().maximum_concurrency(7).build())
            .build();
        let selection = select(&[configuration]);
        assert_eq!(selection.home, Some(("111122223333".into(), "eu-west-1".into())));
        assert_eq!(
            selection.ours,
            [Mapping {
                key: "u-1".into(),
                queue: QueueName::parse("orders").unwrap(),
                source_arn: Some("arn:aws:sqs:eu-west-1:111122223333:orders".into()),
                function: FUNCTION.into(),
                batch_size: 100,
                window: Duration::from_secs(2),
                timeout: None,
                concurrency: Some(7),
                reporting: Reporting::ItemFailures,
            }]
        );
        assert!(selection.remarks.is_empty());
    }

    #[test]
    fn what_aws_polls_or_karin_cannot_serve_is_remarked_and_not_served() {
        let filter = FilterCriteria::builder().build();
        let not_ours = [
            listed("Enabled").build(),
            listed("Creating").build(),
            listed("Deleting").build(),
            listed("Disabled").filter_criteria(filter).build(),
            listed("Disabled").kms_key_arn("arn:aws:kms:eu-west-1:111122223333:key/k").build(),
            listed("Disabled").event_source_arn("arn:aws:sqs:eu-west-1:1:a.fifo").build(),
            listed("Disabled").event_source_arn("arn:aws:sqs:eu-west-1:1:a/b").build(),
        ];
        let selection = select(&not_ours);
        assert_eq!(selection.ours, []);
        assert_eq!(selection.remarks.len(), not_ours.len(), "{:#?}", selection.remarks);
    }

    #[test]
    fn sources_that_are_no_queues_are_passed_over() {
        let stream = listed("Disabled").event_source_arn("arn:aws:kinesis:eu-west-1:1:stream/s");
        let selection =
            select(&[stream.build(), EventSourceMappingConfiguration::builder().build()]);
        assert_eq!(selection, Selection::default());
    }

    #[test]
    fn a_functions_bare_name_is_found_in_all_its_spellings() {
        let spellings =
            ["f", "f:live", "111122223333:function:f", FUNCTION, "arn:aws:lambda:r:1:function:f"];
        for spelling in spellings {
            assert_eq!(function_name(spelling), "f", "{spelling}");
        }
    }

    #[test]
    fn a_configured_mapping_wins_over_awss_of_the_same_queue_and_function() {
        let aws = select(&[listed("Disabled").build()]).ours;
        let mut configured = aws.clone();
        configured[0].key = "orders=f".into();
        configured[0].function = "f".into();
        assert_eq!(combine(&configured, &aws), configured);
        configured[0].function = "g".into();
        assert_eq!(combine(&configured, &aws).len(), 2);
    }
}
