//! Mappings as Get and List show them.

use serde_json::Value;

use crate::config::FailureReport;
use crate::lambda::api::{Api, epoch_seconds};
use crate::lambda::control::{Served, View};
use crate::lambda::document::{
    DISABLED, ENABLED, FilterCriteriaDocument, FilterDocument, MappingDocument,
    ScalingConfigDocument,
};
use crate::lambda::health::{Health, MappingState};
use crate::lambda::mapping::{Mapping, Origin, REPORT_RESPONSE_TYPE};

/// Why a mapping has its state. Source: esm-contract §7.1.
const TRANSITION_REASON: &str = "USER_INITIATED";

impl Api {
    /// A mapping as it is now, with all fields that are shown.
    pub(super) fn document(&self, served: &Served, view: &View) -> MappingDocument {
        let mapping = &served.mapping;
        let kept = view.documents.get(&mapping.uuid);
        let identity = &self.0.identity;
        let state = if served.is_disabled { DISABLED } else { ENABLED };
        let concurrency = mapping.concurrency;
        let arn = kept.and_then(|kept| kept.event_source_mapping_arn.clone());
        let modified = kept.filter(|_| mapping.origin != Origin::Configured);
        let modified = modified.and_then(|kept| kept.last_modified);
        MappingDocument {
            uuid: mapping.uuid.clone(),
            event_source_mapping_arn: arn.or_else(|| Some(identity.mapping_arn(&mapping.uuid))),
            event_source_arn: Some(self.source_arn(mapping)),
            function_arn: Some(self.function_arn(mapping, view)),
            state: Some(state.to_owned()),
            last_modified: modified.or_else(|| Some(epoch_seconds(self.0.started))),
            batch_size: Some(mapping.batch_size),
            maximum_batching_window_in_seconds: u32::try_from(mapping.window.as_secs()).ok(),
            function_response_types: match mapping.reporting {
                FailureReport::PerMessage => vec![REPORT_RESPONSE_TYPE.to_owned()],
                FailureReport::WholeBatch | FailureReport::Auto => Vec::new(),
            },
            filter_criteria: filter_criteria(mapping),
            scaling_config: concurrency
                .map(|c| ScalingConfigDocument { maximum_concurrency: Some(c) }),
            ..kept.cloned().unwrap_or_default()
        }
    }

    /// The EventSourceArn of a mapping.
    pub(super) fn source_arn(&self, mapping: &Mapping) -> String {
        let own = || self.0.identity.queue_arn(&mapping.queue);
        mapping.source_arn.clone().unwrap_or_else(own)
    }

    fn function_arn(&self, mapping: &Mapping, view: &View) -> String {
        let function = &mapping.function;
        if function.starts_with("arn:") {
            return function.clone();
        }
        let (name, qualifier) = function.split_once(':').unwrap_or((function, ""));
        let unqualified = self.unqualified_arn(name, view);
        if qualifier.is_empty() { unqualified } else { format!("{unqualified}:{qualifier}") }
    }

    /// A mapping as Get and List have it, as JSON of the wire.
    pub(super) fn shown(&self, served: &Served, view: &View) -> Value {
        let mut shown = render(&self.document(served, view), None);
        let health = served.health.as_deref().filter(|_| !served.is_disabled);
        if let (Some(problem), Some(shown)) = (health.and_then(problem), shown.as_object_mut()) {
            shown.insert("LastProcessingResult".to_owned(), format!("PROBLEM: {problem}").into());
        }
        shown
    }
}

/// Why nothing is taken from the queue now. Where all is well Lambda shows nothing of it.
fn problem(health: &Health) -> Option<String> {
    match health.state() {
        MappingState::Running => None,
        MappingState::Waiting { reason, .. } => Some(reason),
        MappingState::Paused { reason, .. } => Some(format!("the mapping is paused: {reason}")),
    }
}

/// A document as the wire has it, in this state or its own. Source: esm-contract §7.1.
pub(super) fn render(document: &MappingDocument, state: Option<&str>) -> Value {
    let mut document = document.clone();
    document.tags.clear();
    document.state_transition_reason = Some(TRANSITION_REASON.to_owned());
    if let Some(state) = state {
        document.state = Some(state.to_owned());
    }
    // Nothing in it cannot be written.
    serde_json::to_value(&document).unwrap_or_default()
}

fn filter_criteria(mapping: &Mapping) -> Option<FilterCriteriaDocument> {
    let patterns = mapping.filters.patterns();
    let filter = |pattern: &String| FilterDocument { pattern: Some(pattern.clone()) };
    (!patterns.is_empty())
        .then(|| FilterCriteriaDocument { filters: patterns.iter().map(filter).collect() })
}
