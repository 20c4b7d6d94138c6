//! What Create and Update say of a mapping: reading it, and whether it can be.
//!
//! Source: esm-contract §§2, 5, 6 and 7.3.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::MappingOptions;
use crate::config::specs::{
    BATCH_SIZE_DEFAULT, BATCH_SIZE_FIFO_MAX, BATCH_SIZE_MAX, BATCH_SIZE_WITHOUT_WINDOW_MAX,
    CONCURRENCY_MAX, WINDOW_SECONDS_MAX,
};
use crate::filter::{FILTERS_MAX, Filters, PATTERN_CHARACTERS_MAX};
use crate::lambda::api::error::ApiError;
use crate::lambda::api::json::{Members, parse};
use crate::lambda::api::names::FunctionName;
use crate::lambda::document::{
    FilterCriteriaDocument, FilterDocument, MappingDocument, ScalingConfigDocument,
};
use crate::lambda::mapping::{REPORT_RESPONSE_TYPE, options_of_tags};
use crate::protocol::echo;
use crate::queues::QueueName;

/// Tags of a mapping, and their lengths.
const TAGS_MAX: usize = 50;
const TAG_CHARACTERS_MAX: usize = 128;
const TAG_VALUE_CHARACTERS_MAX: usize = 256;
/// The form of an EventSourceArn, as Lambda tells it.
const ARN_PATTERN: &str = concat!(
    r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:([a-z]{2}(-gov)?-[a-z]+-\d{1})?",
    r":(\d{12})?:(.*)"
);

/// A request's members; what is not given is `None`. The rest of what Lambda knows is for other
/// sources than queues, and ignored.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) source_arn: Option<String>,
    pub(super) function: Option<FunctionName>,
    pub(super) enabled: Option<bool>,
    batch_size: Option<u32>,
    window_seconds: Option<u32>,
    patterns: Option<Vec<Option<String>>>,
    response_types: Option<Vec<String>>,
    concurrency: Change<ScalingConfigDocument>,
    provisioned: Change<Value>,
    metrics: Change<Value>,
    pub(super) tags: BTreeMap<String, String>,
    has_on_success: bool,
    has_kms_key: bool,
}

/// What a structure in a request does; an empty one clears.
#[derive(Debug, Default)]
enum Change<T> {
    #[default]
    Keep,
    Set(Option<T>),
}

impl<T: Clone> Change<T> {
    fn apply(&self, field: &mut Option<T>) {
        if let Self::Set(value) = self {
            field.clone_from(value);
        }
    }
}

/// Which constraints are broken.
#[derive(Debug, Default)]
struct Constraints(Vec<String>);

impl Constraints {
    fn break_(&mut self, value: impl std::fmt::Display, at: &str, constraint: &str) {
        let value = value.to_string();
        let value = echo(&value);
        let text = format!("Value '{value}' at '{at}' failed to satisfy constraint: {constraint}");
        self.0.push(text);
    }

    /// A number within a range.
    fn within(&mut self, value: Option<i64>, at: &str, min: u32, max: u32) -> Option<u32> {
        let value = value?;
        if value < i64::from(min) {
            let text = format!("Member must have value greater than or equal to {min}");
            self.break_(value, at, &text);
        } else if value > i64::from(max) {
            let text = format!("Member must have value less than or equal to {max}");
            self.break_(value, at, &text);
        }
        u32::try_from(value).ok()
    }
}

impl Given {
    /// Reads a body.
    ///
    /// Errors: SerializationException; ValidationException, with all constraints that are broken.
    pub(super) fn read(body: &[u8], is_create: bool) -> Result<Self, ApiError> {
        let map = parse(body)?;
        let members = Members::of(&map);
        let mut broken = Constraints::default();
        let given = Self {
            source_arn: source_arn(members, is_create, &mut broken)?,
            function: function(members, is_create, &mut broken)?,
            enabled: members.flag("Enabled")?,
            batch_size: broken.within(
                members.integer("BatchSize")?,
                "batchSize",
                1,
                BATCH_SIZE_MAX,
            ),
            window_seconds: broken.within(
                members.integer("MaximumBatchingWindowInSeconds")?,
                "maximumBatchingWindowInSeconds",
                0,
                u32::try_from(WINDOW_SECONDS_MAX).unwrap_or(u32::MAX),
            ),
            patterns: patterns(members, &mut broken)?,
            response_types: response_types(members, &mut broken)?,
            concurrency: concurrency(members, &mut broken)?,
            provisioned: provisioned(members)?,
            metrics: metrics(members)?,
            tags: if is_create { tags(members, &mut broken)? } else { BTreeMap::new() },
            has_on_success: members
                .structure("DestinationConfig")?
                .is_some_and(|config| config.has("OnSuccess")),
            has_kms_key: members.text("KMSKeyArn")?.is_some_and(|arn| !arn.is_empty()),
        };
        if broken.0.is_empty() { Ok(given) } else { Err(ApiError::constraints(&broken.0)) }
    }

    /// What AWS refuses before it looks at anything else.
    pub(super) fn check_kinds(&self) -> Result<(), ApiError> {
        if self.has_on_success {
            return Err(ApiError::invalid(
                "Unsupported DestinationConfig parameter for given event source mapping type.",
            ));
        }
        Ok(())
    }

    /// Writes all that is given into a mapping, but for source, function and whether it is
    /// enabled.
    pub(super) fn apply(&self, document: &mut MappingDocument) {
        let batch_size = self.batch_size.or(document.batch_size);
        document.batch_size = Some(batch_size.unwrap_or(BATCH_SIZE_DEFAULT));
        let window = self.window_seconds.or(document.maximum_batching_window_in_seconds);
        document.maximum_batching_window_in_seconds = Some(window.unwrap_or(0));
        if let Some(patterns) = &self.patterns {
            let filters =
                patterns.iter().map(|pattern| FilterDocument { pattern: pattern.clone() });
            let criteria = FilterCriteriaDocument { filters: filters.collect() };
            document.filter_criteria = Some(criteria).filter(|c| !c.filters.is_empty());
        }
        if let Some(types) = &self.response_types {
            document.function_response_types.clone_from(types);
        }
        self.concurrency.apply(&mut document.scaling_config);
        self.provisioned.apply(&mut document.provisioned_poller_config);
        self.metrics.apply(&mut document.metrics_config);
        document.tags.extend(self.tags.clone());
    }

    /// Whether a mapping with all of this can be. Errors: InvalidParameterValueException.
    pub(super) fn check(
        &self,
        document: &MappingDocument,
        queue: &QueueName,
    ) -> Result<(), ApiError> {
        check_batching(document, queue)?;
        check_filters(document)?;
        if self.has_kms_key {
            return Err(ApiError::invalid(
                "KMSKeyArn is not supported: karin keeps filter criteria as they are.",
            ));
        }
        check_tags(document, queue).map(|_options| ())
    }
}

fn source_arn(
    members: Members<'_>,
    is_create: bool,
    broken: &mut Constraints,
) -> Result<Option<String>, ApiError> {
    let Some(arn) = members.text("EventSourceArn")?.filter(|_| is_create) else { return Ok(None) };
    if !arn.starts_with("arn:") || arn.split(':').count() < 6 {
        let text = format!("Member must satisfy regular expression pattern: {ARN_PATTERN}");
        broken.break_(arn, "eventSourceArn", &text);
    }
    Ok(Some(arn.to_owned()))
}

fn function(
    members: Members<'_>,
    is_create: bool,
    broken: &mut Constraints,
) -> Result<Option<FunctionName>, ApiError> {
    match members.text("FunctionName")?.map(FunctionName::parse) {
        None if is_create => {
            let text = "Value null at 'functionName' failed to satisfy constraint: Member must \
                        not be null";
            broken.0.push(text.to_owned());
            Ok(None)
        }
        None => Ok(None),
        Some(Ok(name)) => Ok(Some(name)),
        Some(Err(constraint)) => {
            broken.0.push(constraint);
            Ok(None)
        }
    }
}

fn patterns(
    members: Members<'_>,
    broken: &mut Constraints,
) -> Result<Option<Vec<Option<String>>>, ApiError> {
    let Some(criteria) = members.structure("FilterCriteria")? else { return Ok(None) };
    let mut patterns = Vec::new();
    for (index, filter) in criteria.structures("Filters")?.unwrap_or_default().iter().enumerate() {
        let pattern = filter.text("Pattern")?;
        if pattern.is_some_and(|text| text.chars().count() > PATTERN_CHARACTERS_MAX) {
            let at = format!("filterCriteria.filters.{}.member.pattern", index + 1);
            let text =
                format!("Member must have length less than or equal to {PATTERN_CHARACTERS_MAX}");
            broken.break_(pattern.unwrap_or_default(), &at, &text);
        }
        patterns.push(pattern.map(str::to_owned));
    }
    Ok(Some(patterns))
}

fn response_types(
    members: Members<'_>,
    broken: &mut Constraints,
) -> Result<Option<Vec<String>>, ApiError> {
    let types = members.texts("FunctionResponseTypes")?;
    let given = types.iter().flatten();
    let list = || format!("[{}]", types.iter().flatten().cloned().collect::<Vec<_>>().join(", "));
    if given.clone().count() > 1 {
        let text = "Member must have length less than or equal to 1";
        broken.break_(list(), "functionResponseTypes", text);
    }
    if given.clone().any(|kind| kind != REPORT_RESPONSE_TYPE) {
        let text = "Member must satisfy constraint: [Member must satisfy enum value set: \
                    [ReportBatchItemFailures]]";
        broken.break_(list(), "functionResponseTypes", text);
    }
    Ok(types)
}

/// From 1: AWS has nothing between 2 and no limit at all (esm-contract §11, trap 19).
fn concurrency(
    members: Members<'_>,
    broken: &mut Constraints,
) -> Result<Change<ScalingConfigDocument>, ApiError> {
    let Some(config) = members.structure("ScalingConfig")? else { return Ok(Change::Keep) };
    let given = config.integer("MaximumConcurrency")?;
    let given = broken.within(given, "scalingConfig.maximumConcurrency", 1, CONCURRENCY_MAX);
    let document = |concurrency| ScalingConfigDocument { maximum_concurrency: Some(concurrency) };
    Ok(Change::Set(given.map(document)))
}

/// Kept and shown; our pollers need no provisioning.
fn provisioned(members: Members<'_>) -> Result<Change<Value>, ApiError> {
    let Some(config) = members.structure("ProvisionedPollerConfig")? else {
        return Ok(Change::Keep);
    };
    let mut known = serde_json::Map::new();
    for name in ["MinimumPollers", "MaximumPollers"] {
        if let Some(number) = config.integer(name)? {
            known.insert(name.to_owned(), number.into());
        }
    }
    Ok(Change::Set((!known.is_empty()).then_some(Value::Object(known))))
}

/// Kept and shown; we count always.
fn metrics(members: Members<'_>) -> Result<Change<Value>, ApiError> {
    let Some(config) = members.structure("MetricsConfig")? else { return Ok(Change::Keep) };
    let metrics = config.texts("Metrics")?.unwrap_or_default();
    let shown = (!metrics.is_empty()).then(|| serde_json::json!({"Metrics": metrics}));
    Ok(Change::Set(shown))
}

fn tags(
    members: Members<'_>,
    broken: &mut Constraints,
) -> Result<BTreeMap<String, String>, ApiError> {
    let tags = members.map("Tags")?.unwrap_or_default();
    for (name, value) in &tags {
        if !(1..=TAG_CHARACTERS_MAX).contains(&name.chars().count()) {
            let text = "Map keys must satisfy constraint: [Member must have length less than or \
                        equal to 128, Member must have length greater than or equal to 1]";
            broken.break_(name, "tags", text);
        }
        if value.chars().count() > TAG_VALUE_CHARACTERS_MAX {
            let text = "Map value must satisfy constraint: [Member must have length less than or \
                        equal to 256]";
            broken.break_(value, "tags", text);
        }
    }
    Ok(tags)
}

/// The tags a TagResource gives. Errors: as [`Given::read`].
pub(super) fn read_tags(body: &[u8]) -> Result<BTreeMap<String, String>, ApiError> {
    let map = parse(body)?;
    let mut broken = Constraints::default();
    let tags = tags(Members::of(&map), &mut broken)?;
    if broken.0.is_empty() { Ok(tags) } else { Err(ApiError::constraints(&broken.0)) }
}

/// Source: esm-contract §2.
fn check_batching(document: &MappingDocument, queue: &QueueName) -> Result<(), ApiError> {
    let batch_size = document.batch_size.unwrap_or(BATCH_SIZE_DEFAULT);
    let window = document.maximum_batching_window_in_seconds.unwrap_or(0);
    if queue.is_fifo() {
        if batch_size > BATCH_SIZE_FIFO_MAX {
            let text = "Maximum batch size must be between 1 and 10 inclusive";
            return Err(ApiError::invalid(text));
        }
        if window > 0 {
            return Err(ApiError::invalid("Batching window is not supported for FIFO queues"));
        }
    } else if batch_size > BATCH_SIZE_WITHOUT_WINDOW_MAX && window == 0 {
        return Err(ApiError::invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is \
             greater than 10",
        ));
    }
    Ok(())
}

/// Source: esm-contract §5.
fn check_filters(document: &MappingDocument) -> Result<(), ApiError> {
    let filters = document.filter_criteria.iter().flat_map(|criteria| &criteria.filters);
    if filters.clone().count() > FILTERS_MAX {
        let text = format!("FilterCriteria can hold at most {FILTERS_MAX} filters");
        return Err(ApiError::invalid(text));
    }
    let has_none = |filter: &FilterDocument| filter.pattern.as_ref().is_none_or(String::is_empty);
    if filters.clone().any(has_none) {
        return Err(ApiError::invalid("Invalid filter pattern definition."));
    }
    match Filters::parse(&document.patterns()) {
        Ok(_filters) => Ok(()),
        Err(error) => {
            tracing::info!(detail = error.detail(), "a filter was refused");
            Err(ApiError::invalid(error.to_string()))
        }
    }
}

/// What a mapping's tags set of karin's own options.
///
/// Errors: InvalidParameterValueException.
pub(super) fn check_tags(
    document: &MappingDocument,
    queue: &QueueName,
) -> Result<MappingOptions, ApiError> {
    if document.tags.len() > TAGS_MAX {
        return Err(ApiError::invalid(format!("a mapping has at most {TAGS_MAX} tags")));
    }
    let options = options_of_tags(document).map_err(|why| ApiError::invalid(echo(&why)))?;
    options.check(queue).map_err(|why| ApiError::invalid(echo(&why)))?;
    Ok(options)
}

#[cfg(test)]
mod tests;
