//! Which queue's messages go to which function, and how.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::config::specs::{
    BATCH_SIZE_DEFAULT, BATCH_SIZE_FIFO_MAX, BATCH_SIZE_MAX, WINDOW_SECONDS_MAX,
};
use crate::config::{FailureReport, MappingOptions, MappingSpec};
use crate::filter::Filters;
use crate::hex;
use crate::lambda::document::MappingDocument;
use crate::queues::QueueName;

/// Invocations at a time where nothing else is said.
pub(super) const CONCURRENCY_DEFAULT: u32 = 10;
/// What FunctionResponseTypes may hold.
pub(super) const REPORT_RESPONSE_TYPE: &str = "ReportBatchItemFailures";
/// What the names of tags start with that set karin's own options.
const OPTION_TAG: &str = "karin:";

/// Where a mapping was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the configuration.
    Configured,
    /// On AWS.
    Aws,
    /// By CreateEventSourceMapping on our endpoint.
    Created,
}

/// A mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mapping {
    /// What tells it from others, 36 characters: AWS's, or of queue and function for a configured
    /// one.
    pub(super) uuid: String,
    /// Where it was made.
    pub(super) origin: Origin,
    /// The queue.
    pub(super) queue: QueueName,
    /// The EventSourceArn, verbatim; `None` for a configured mapping.
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
    pub(super) reporting: FailureReport,
    /// Which messages the function gets.
    pub(super) filters: Filters,
    /// What AWS has no word for.
    pub(super) options: MappingOptions,
}

impl Mapping {
    /// The function's bare name.
    pub(super) fn function_name(&self) -> &str {
        function_name(&self.function)
    }

    /// A configured mapping. What it leaves open is as in `aws`, AWS's own of the same queue and
    /// function.
    fn configured(spec: &MappingSpec, aws: Option<&Self>) -> Self {
        let batch_size = spec.batch_size.or(aws.map(|aws| aws.batch_size));
        let reporting = spec.report_batch_item_failures.or(aws.map(|aws| aws.reporting));
        let filters = spec.filters.clone().or_else(|| aws.map(|aws| aws.filters.clone()));
        Self {
            uuid: uuid_of(&spec.queue, &spec.function),
            origin: Origin::Configured,
            queue: spec.queue.clone(),
            source_arn: aws.and_then(|aws| aws.source_arn.clone()),
            function: spec.function.clone(),
            batch_size: batch_size.unwrap_or(BATCH_SIZE_DEFAULT),
            window: spec.window.or(aws.map(|aws| aws.window)).unwrap_or_default(),
            timeout: spec.timeout,
            concurrency: spec.concurrency.or_else(|| aws.and_then(|aws| aws.concurrency)),
            reporting: reporting.unwrap_or(FailureReport::WholeBatch),
            filters: filters.unwrap_or_default(),
            options: spec.options.clone(),
        }
    }

    /// What a document says, whatever its state. Errors: why it cannot be served, for people.
    pub(super) fn read(document: &MappingDocument, origin: Origin) -> Result<Self, String> {
        let arn = document.event_source_arn.as_deref().ok_or("it has no EventSourceArn")?;
        let name = arn.rsplit(':').next().unwrap_or_default();
        let queue = QueueName::parse(name).ok_or_else(|| format!("{name:?} is no queue's name"))?;
        let function = document.function_arn.clone().ok_or("it has no FunctionArn")?;
        readable_filters(document)?;
        let filters = Filters::parse(&document.patterns())
            .map_err(|error| format!("{error} {}", error.detail()))?;
        let batch_size_max = if queue.is_fifo() { BATCH_SIZE_FIFO_MAX } else { BATCH_SIZE_MAX };
        let batch_size = document.batch_size.unwrap_or(BATCH_SIZE_DEFAULT);
        let window = document.maximum_batching_window_in_seconds.unwrap_or(0);
        let concurrency = document.scaling_config.as_ref().and_then(|s| s.maximum_concurrency);
        let options = options_of_tags(document)?;
        options.check(&queue)?;
        let reports =
            document.function_response_types.iter().any(|kind| kind == REPORT_RESPONSE_TYPE);
        Ok(Self {
            uuid: Some(document.uuid.clone())
                .filter(|uuid| !uuid.is_empty())
                .unwrap_or_else(|| uuid_of(&queue, &function)),
            origin,
            queue,
            source_arn: Some(arn.to_owned()),
            function,
            batch_size: batch_size.clamp(1, batch_size_max),
            window: Duration::from_secs(u64::from(window).min(WINDOW_SECONDS_MAX)),
            timeout: None,
            concurrency: concurrency.filter(|&c| c > 0),
            reporting: if reports { FailureReport::PerMessage } else { FailureReport::WholeBatch },
            filters,
            options,
        })
    }
}

/// Errors: the filters are encrypted, and were not shown. Without them the mapping would deliver
/// everything. Source: esm-contract §6.
fn readable_filters(document: &MappingDocument) -> Result<(), String> {
    if document.kms_key_arn.is_none() || document.filter_criteria.is_some() {
        return Ok(());
    }
    let error = document.filter_criteria_error.clone().unwrap_or_default();
    let (code, message) = (error.error_code, error.message);
    let why: Vec<String> = [code, message].into_iter().flatten().collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(": ")) };
    Err(format!(
        "its filter criteria are encrypted and cannot be read{why}; without them it would deliver \
         everything. It takes lambda:GetEventSourceMapping and kms:Decrypt"
    ))
}

/// `karin:retry` = `backoff` sets what `--map …,retry=backoff` does.
pub(super) fn options_of_tags(document: &MappingDocument) -> Result<MappingOptions, String> {
    let mut options = MappingOptions::default();
    for (tag, value) in &document.tags {
        if let Some(name) = tag.strip_prefix(OPTION_TAG)
            && !options.set(name, value)?
        {
            return Err(format!("{tag} is no option of a mapping"));
        }
    }
    Ok(options)
}

/// A number in the shape of a UUID (version 8: made of a hash) that a queue and a function always
/// have.
fn uuid_of(queue: &QueueName, function: &str) -> String {
    let hash = Sha256::digest(format!("{queue}={function}"));
    let mut text = hex::text(hash.get(..16).unwrap_or_default());
    text.replace_range(12..13, "8");
    text.replace_range(16..17, "8");
    for place in [8, 13, 18, 23] {
        text.insert(place, '-');
    }
    text
}

/// The bare name in a function's name or ARN, without qualifier: `f`, `f:live`,
/// `arn:aws:lambda:eu-west-1:111122223333:function:f:live`, `111122223333:function:f` are all `f`.
pub(super) fn function_name(function: &str) -> &str {
    let name = function.split_once("function:").map_or(function, |(_, name)| name);
    name.split(':').next().unwrap_or(name)
}

/// What a list of AWS's mappings means for us.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Selection {
    /// The mappings to serve, in the order of the list.
    pub(super) ours: Vec<Mapping>,
    /// Mappings of SQS queues that are not served.
    pub(super) others: Vec<NotServed>,
    /// Account and region of the first of ours.
    pub(super) home: Option<(String, String)>,
}

/// A mapping of an SQS queue that is not served.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NotServed {
    /// What AWS says about it.
    pub(super) document: MappingDocument,
    /// Why not, for people.
    pub(super) why: String,
}

impl fmt::Display for NotServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
        let (queue, function) = (&self.document.event_source_arn, &self.document.function_arn);
        write!(f, "mapping {} -> {} is not served: {}", text(queue), text(function), self.why)
    }
}

/// Selects the mappings that are ours: those of SQS queues that AWS itself does not poll, because
/// they are deployed as disabled. `served` has the UUIDs of those that were ours before.
/// Source: esm-contract §7.1.
pub(super) fn select(listed: &[MappingDocument], served: &HashSet<String>) -> Selection {
    let mut selection = Selection::default();
    for document in listed {
        let Some(arn) = document.event_source_arn.as_deref() else { continue };
        if arn.split(':').nth(2) != Some("sqs") {
            continue;
        }
        let was_ours = served.contains(&document.uuid);
        match is_ours(document, was_ours).and_then(|()| Mapping::read(document, Origin::Aws)) {
            Ok(mapping) => {
                if selection.home.is_none() {
                    let segment = |n| arn.split(':').nth(n).map(str::to_owned);
                    selection.home = segment(4).zip(segment(3));
                }
                selection.ours.push(mapping);
            }
            Err(why) => selection.others.push(NotServed { document: document.clone(), why }),
        }
    }
    selection
}

fn is_ours(document: &MappingDocument, was_ours: bool) -> Result<(), String> {
    match document.state.as_deref().unwrap_or_default() {
        "Disabled" => Ok(()),
        // Something of it is being changed; were it switched on, it would be Enabling.
        "Updating" if was_ours => Ok(()),
        state @ ("Creating" | "Enabling" | "Enabled" | "Updating") => Err(format!(
            "it is {state}, so AWS polls its own queue and bills it; deploy it with enabled: false"
        )),
        state => Err(format!("it is {state}")),
    }
}

/// The mappings to serve: the configured ones, then those created here, then AWS's that are not
/// overridden by one of the same queue and function from here. AWS's fills in what a configured one
/// leaves open. AWS may have several of a queue and a function, one a version or alias.
pub(super) fn combine(
    configured: &[MappingSpec],
    created: &[Mapping],
    from_aws: &[Mapping],
) -> Vec<Mapping> {
    let aws_of = |spec: &MappingSpec| {
        let name = function_name(&spec.function);
        from_aws.iter().find(|aws| aws.queue == spec.queue && aws.function_name() == name)
    };
    let mut combined: Vec<Mapping> =
        configured.iter().map(|spec| Mapping::configured(spec, aws_of(spec))).collect();
    let place = |mapping: &Mapping| (mapping.queue.clone(), mapping.function_name().to_owned());
    let mut taken: HashSet<(QueueName, String)> = combined.iter().map(place).collect();
    combined.extend(created.iter().filter(|mapping| taken.insert(place(mapping))).cloned());
    // A list that is read while it changes may have one twice.
    let mut uuids: HashSet<&str> = HashSet::new();
    for mapping in from_aws {
        if !taken.contains(&place(mapping)) && uuids.insert(&mapping.uuid) {
            combined.push(mapping.clone());
        }
    }
    combined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::Options;
    use crate::lambda::document::{
        FilterCriteriaDocument, FilterCriteriaErrorDocument, FilterDocument,
    };

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:f:live";
    const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:orders";

    fn listed(state: &str) -> MappingDocument {
        MappingDocument {
            uuid: "u-1".into(),
            event_source_arn: Some(QUEUE.into()),
            function_arn: Some(FUNCTION.into()),
            state: Some(state.into()),
            batch_size: Some(100),
            maximum_batching_window_in_seconds: Some(2),
            ..MappingDocument::default()
        }
    }

    fn listed_alone(listed: &[MappingDocument]) -> Selection {
        select(listed, &HashSet::new())
    }

    fn spec(written: &str) -> MappingSpec {
        let options = Options { map: vec![written.to_owned()], ..Options::default() };
        Config::from_options(options, |_| None).unwrap().mappings.remove(0)
    }

    #[test]
    fn a_disabled_mapping_of_a_queue_is_served_as_it_is_configured() {
        let document = MappingDocument {
            function_response_types: vec![REPORT_RESPONSE_TYPE.to_owned()],
            scaling_config: Some(crate::lambda::document::ScalingConfigDocument {
                maximum_concurrency: Some(7),
            }),
            ..listed("Disabled")
        };
        let selection = listed_alone(&[document]);
        assert_eq!(selection.home, Some(("111122223333".into(), "eu-west-1".into())));
        assert_eq!(
            selection.ours,
            [Mapping {
                uuid: "u-1".into(),
                origin: Origin::Aws,
                queue: QueueName::parse("orders").unwrap(),
                source_arn: Some(QUEUE.into()),
                function: FUNCTION.into(),
                batch_size: 100,
                window: Duration::from_secs(2),
                timeout: None,
                concurrency: Some(7),
                reporting: FailureReport::PerMessage,
                filters: Filters::default(),
                options: MappingOptions::default(),
            }]
        );
        assert_eq!(selection.others, []);
    }

    #[test]
    fn what_aws_polls_or_karin_cannot_serve_is_remarked_and_not_served() {
        let encrypted = MappingDocument {
            kms_key_arn: Some("arn:aws:kms:eu-west-1:111122223333:key/k".into()),
            ..listed("Disabled")
        };
        let odd = MappingDocument {
            event_source_arn: Some("arn:aws:sqs:eu-west-1:1:a/b".into()),
            ..listed("Disabled")
        };
        let not_ours = [listed("Enabled"), listed("Creating"), listed("Deleting"), encrypted, odd];
        let selection = listed_alone(&not_ours);
        assert_eq!(selection.ours, []);
        assert_eq!(selection.others.len(), not_ours.len(), "{:#?}", selection.others);
        let text = selection.others[0].to_string();
        assert!(
            text.starts_with(&format!("mapping {QUEUE} -> {FUNCTION} is not served: it is En"))
        );
    }

    #[test]
    fn encrypted_filters_are_served_once_they_were_read() {
        let encrypted = MappingDocument {
            kms_key_arn: Some("arn:aws:kms:eu-west-1:111122223333:key/k".into()),
            filter_criteria_error: Some(FilterCriteriaErrorDocument {
                error_code: Some("KMSAccessDeniedException".into()),
                message: Some("no kms:Decrypt".into()),
            }),
            ..listed("Disabled")
        };
        let why = &listed_alone(std::slice::from_ref(&encrypted)).others[0].why;
        assert!(why.contains("(KMSAccessDeniedException: no kms:Decrypt)"), "{why}");
        let pattern = Some(r#"{"body":{"a":["b"]}}"#.to_owned());
        let criteria = FilterCriteriaDocument { filters: vec![FilterDocument { pattern }] };
        let shown = MappingDocument { filter_criteria: Some(criteria), ..encrypted };
        assert_eq!(listed_alone(&[shown]).ours[0].filters.patterns().len(), 1);
    }

    #[test]
    fn a_mapping_of_ours_stays_ours_while_it_is_updated_and_no_other() {
        let served = HashSet::from(["u-1".to_owned()]);
        assert_eq!(select(&[listed("Updating")], &served).ours.len(), 1);
        assert_eq!(select(&[listed("Enabling")], &served).ours, []);
        assert_eq!(listed_alone(&[listed("Updating")]).ours, []);
    }

    #[test]
    fn sources_that_are_no_queues_are_passed_over() {
        let stream = MappingDocument {
            event_source_arn: Some("arn:aws:kinesis:eu-west-1:1:stream/s".into()),
            ..listed("Disabled")
        };
        assert_eq!(listed_alone(&[stream, MappingDocument::default()]), Selection::default());
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
    fn a_configured_mapping_wins_over_awss_and_takes_from_it_what_it_leaves_open() {
        let aws = listed_alone(&[listed("Disabled")]).ours;
        let combined = combine(&[spec("orders=f,batch_size=3,retry=backoff")], &[], &aws);
        let [mapping] = combined.as_slice() else { panic!("{combined:#?}") };
        assert_eq!((mapping.batch_size, mapping.window), (3, Duration::from_secs(2)));
        assert_eq!(mapping.source_arn.as_deref(), Some(QUEUE));
        assert_eq!((mapping.function.as_str(), mapping.origin), ("f", Origin::Configured));
        assert_eq!(combine(&[spec("orders=g")], &[], &aws).len(), 2);
    }

    #[test]
    fn several_mappings_of_awss_to_aliases_of_one_function_are_all_served() {
        let other = MappingDocument {
            uuid: "u-2".into(),
            function_arn: Some(FUNCTION.replace(":live", ":beta")),
            ..listed("Disabled")
        };
        let aws = listed_alone(&[listed("Disabled"), other.clone(), other]).ours;
        let uuids = |combined: &[Mapping]| -> Vec<String> {
            combined.iter().map(|mapping| mapping.uuid.clone()).collect()
        };
        assert_eq!(uuids(&combine(&[], &[], &aws)), ["u-1", "u-2"], "one listed twice is one");
        assert_eq!(combine(&[spec("orders=f")], &[], &aws).len(), 1);
        let made_here = Mapping { origin: Origin::Created, uuid: "c".into(), ..aws[0].clone() };
        assert_eq!(uuids(&combine(&[], &[made_here], &aws)), ["c"]);
    }

    #[test]
    fn a_configured_mapping_always_has_the_same_uuid() {
        let uuid = |written| combine(&[spec(written)], &[], &[])[0].uuid.clone();
        assert_eq!(uuid("orders=f"), uuid("orders=f,batch_size=3"));
        assert_ne!(uuid("orders=f"), uuid("orders=g"));
        let uuid = uuid("orders=f");
        assert_eq!((uuid.len(), uuid.matches('-').count()), (36, 4), "{uuid}");
        assert_eq!((&uuid[14..15], &uuid[19..20]), ("8", "8"), "{uuid}");
    }

    #[test]
    fn tags_set_karins_own_options() {
        let tagged = |name: &str, value: &str| MappingDocument {
            tags: [(name.to_owned(), value.to_owned())].into(),
            ..listed("Disabled")
        };
        let mapping = Mapping::read(&tagged("karin:isolate", "3"), Origin::Created).unwrap();
        assert_eq!(mapping.options.isolate_after, Some(3));
        assert!(Mapping::read(&tagged("team", "shop"), Origin::Created).is_ok());
        assert!(Mapping::read(&tagged("karin:colour", "red"), Origin::Created).is_err());
    }
}
