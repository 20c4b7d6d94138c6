//! Mappings and functions as Lambda's API writes them: what is read from AWS, kept in Redis,
//! and shown by our own Lambda API.
//!
//! Source: esm-contract §7.1. Only what is listed here is kept: an answer of ListFunctions also
//! has environment variables in clear (esm-contract §11, trap 28).

use std::collections::BTreeMap;

use aws_sdk_lambda::types::{
    EventSourceMappingConfiguration, EventSourceMappingMetric, Filter, FilterCriteria,
    FilterCriteriaError, FunctionConfiguration,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The State of a mapping that is switched on.
pub(super) const ENABLED: &str = "Enabled";
/// The State of a mapping that is switched off.
pub(super) const DISABLED: &str = "Disabled";

/// EventSourceMappingConfiguration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct MappingDocument {
    /// What tells it from others.
    #[serde(rename = "UUID")]
    pub(super) uuid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_source_mapping_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_source_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state_transition_reason: Option<String>,
    /// Epoch seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) maximum_batching_window_in_seconds: Option<u32>,
    pub(super) function_response_types: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filter_criteria: Option<FilterCriteriaDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filter_criteria_error: Option<FilterCriteriaErrorDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scaling_config: Option<ScalingConfigDocument>,
    #[serde(rename = "KMSKeyArn", skip_serializing_if = "Option::is_none")]
    pub(super) kms_key_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metrics_config: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provisioned_poller_config: Option<serde_json::Value>,
    /// Tags of one that was created here; `karin:<option>` sets an option of ours.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
}

/// FilterCriteria.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct FilterCriteriaDocument {
    pub(super) filters: Vec<FilterDocument>,
}

/// FilterCriteriaError: why encrypted filters cannot be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct FilterCriteriaErrorDocument {
    pub(super) error_code: Option<String>,
    pub(super) message: Option<String>,
}

/// One filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct FilterDocument {
    pub(super) pattern: Option<String>,
}

/// ScalingConfig.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ScalingConfigDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) maximum_concurrency: Option<u32>,
}

/// FunctionConfiguration, what is needed of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct FunctionDocument {
    pub(super) function_name: String,
    pub(super) function_arn: String,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<u64>,
    /// Megabytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// As AWS writes it: ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
}

impl MappingDocument {
    /// Whether AWS is about to give it another state.
    pub(super) fn is_changing(&self) -> bool {
        let states = ["Creating", "Enabling", "Disabling", "Updating", "Deleting"];
        self.state.as_deref().is_some_and(|state| states.contains(&state))
    }

    /// Whether it says that it is switched off.
    pub(super) fn is_disabled(&self) -> bool {
        self.state.as_deref() == Some(DISABLED)
    }

    /// The patterns of its filters; those without a pattern are none.
    pub(super) fn patterns(&self) -> Vec<String> {
        let filters = self.filter_criteria.iter().flat_map(|criteria| &criteria.filters);
        filters.filter_map(|filter| filter.pattern.clone()).collect()
    }
}

fn count(number: Option<i32>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

impl From<&EventSourceMappingConfiguration> for MappingDocument {
    fn from(read: &EventSourceMappingConfiguration) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let types = read.function_response_types().iter();
        Self {
            uuid: text(read.uuid()).unwrap_or_default(),
            event_source_mapping_arn: text(read.event_source_mapping_arn()),
            event_source_arn: text(read.event_source_arn()),
            function_arn: text(read.function_arn()),
            state: text(read.state()),
            state_transition_reason: text(read.state_transition_reason()),
            last_modified: read
                .last_modified()
                .map(aws_sdk_lambda::primitives::DateTime::as_secs_f64),
            batch_size: count(read.batch_size()),
            maximum_batching_window_in_seconds: count(read.maximum_batching_window_in_seconds()),
            function_response_types: types.map(|t| t.as_str().to_owned()).collect(),
            filter_criteria: read.filter_criteria().map(Into::into),
            filter_criteria_error: read.filter_criteria_error().map(Into::into),
            scaling_config: read.scaling_config().map(|scaling| ScalingConfigDocument {
                maximum_concurrency: count(scaling.maximum_concurrency()),
            }),
            kms_key_arn: text(read.kms_key_arn()),
            metrics_config: read.metrics_config().map(|config| {
                let metrics = config.metrics().iter().map(EventSourceMappingMetric::as_str);
                json!({"Metrics": metrics.collect::<Vec<_>>()})
            }),
            provisioned_poller_config: read.provisioned_poller_config().map(|config| {
                let limits = [
                    ("MinimumPollers", config.minimum_pollers()),
                    ("MaximumPollers", config.maximum_pollers()),
                ];
                let given = limits.into_iter().filter_map(|(name, n)| Some((name, json!(n?))));
                given
                    .map(|(name, n)| (name.to_owned(), n))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }),
            tags: BTreeMap::new(),
        }
    }
}

impl From<&FilterCriteria> for FilterCriteriaDocument {
    fn from(read: &FilterCriteria) -> Self {
        let pattern =
            |filter: &Filter| FilterDocument { pattern: filter.pattern().map(str::to_owned) };
        Self { filters: read.filters().iter().map(pattern).collect() }
    }
}

impl From<&FilterCriteriaError> for FilterCriteriaErrorDocument {
    fn from(read: &FilterCriteriaError) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Self { error_code: text(read.error_code()), message: text(read.message()) }
    }
}

impl From<&FunctionConfiguration> for FunctionDocument {
    fn from(read: &FunctionConfiguration) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let number = |n: Option<i32>| n.and_then(|n| u64::try_from(n).ok());
        Self {
            function_name: text(read.function_name()).unwrap_or_default(),
            function_arn: text(read.function_arn()).unwrap_or_default(),
            timeout: number(read.timeout()),
            memory_size: number(read.memory_size()),
            version: text(read.version()),
            runtime: read.runtime().map(|runtime| runtime.as_str().to_owned()),
            description: text(read.description()),
            last_modified: text(read.last_modified()),
        }
    }
}
