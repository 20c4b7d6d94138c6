//! What mappings do, in words.

use super::colours::Tone;
use crate::lambda::{MappingStatus, StateStatus};

pub(super) fn word_for(mapping: &MappingStatus) -> &'static str {
    match mapping.state {
        StateStatus::Disabled => "off",
        _ if mapping.is_draining => "draining",
        StateStatus::Running => "on",
        StateStatus::Waiting { .. } => "waiting",
        StateStatus::Paused { .. } => "paused",
        StateStatus::Elsewhere => "not served",
    }
}

pub(super) fn tone_of(mapping: &MappingStatus) -> Tone {
    match mapping.state {
        StateStatus::Disabled => Tone::Faint,
        StateStatus::Running => Tone::Good,
        StateStatus::Waiting { .. } | StateStatus::Elsewhere => Tone::Warning,
        StateStatus::Paused { .. } => Tone::Bad,
    }
}

/// Why it does not run, if it does not; else what came of its last invocation, if that is bad.
pub(super) fn reason_of(mapping: &MappingStatus) -> &str {
    match &mapping.state {
        StateStatus::Waiting { reason, .. } | StateStatus::Paused { reason, .. } => reason,
        StateStatus::Running if mapping.counters.errors > 0 => &mapping.last_result,
        _ => "",
    }
}
