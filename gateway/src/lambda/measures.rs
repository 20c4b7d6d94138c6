//! What the metrics show of the mappings: everything that is counted, as plain numbers.
//!
//! Source: esm-contract §6.

use crate::lambda::control::{Control, Served};
use crate::lambda::counters::{Counters, DURATION_BUCKETS};
use crate::lambda::health::MappingState;
use crate::metrics::Distribution;

/// The most characters of a name that says why a mapping is paused.
const REASON_CHARACTERS_MAX: usize = 64;
/// What a mapping is paused for if nothing that looks like a name says it.
const OTHER_REASON: &str = "other";

/// One mapping, as it fares on this gateway.
#[derive(Debug, Clone)]
pub(crate) struct MappingMeasures {
    /// What tells it from others.
    pub(crate) uuid: String,
    /// The queue's name.
    pub(crate) queue: String,
    /// The function's bare name.
    pub(crate) function: String,
    /// One of [`MappingMeasures::STATES`].
    pub(crate) state: &'static str,
    /// Why it is paused, in one word.
    pub(crate) paused_for: Option<String>,
    /// What it did here; `None`: this gateway has not served it.
    pub(crate) counts: Option<MappingCounts>,
}

/// What a mapping did on this gateway.
#[derive(Debug, Clone)]
pub(crate) struct MappingCounts {
    /// PolledEventCount.
    pub(crate) polled: u64,
    /// Polls that brought nothing.
    pub(crate) empty_polls: u64,
    /// FilteredOutEventCount.
    pub(crate) filtered_out: u64,
    /// InvokedEventCount.
    pub(crate) invoked: u64,
    /// FailedInvokeEventCount by its reasons.
    pub(crate) failed: Vec<(&'static str, u64)>,
    /// DeletedEventCount.
    pub(crate) deleted: u64,
    /// Invocations.
    pub(crate) invocations: u64,
    /// Errors.
    pub(crate) errors: u64,
    /// Throttles.
    pub(crate) throttles: u64,
    /// ConcurrentExecutions.
    pub(crate) running: u64,
    /// How long nothing was taken because too many ran, in microseconds.
    pub(crate) throttle_wait_us: u64,
    /// Duration, in microseconds.
    pub(crate) durations: Distribution,
    /// Messages in a batch.
    pub(crate) batch_sizes: Distribution,
    /// Bytes of an event.
    pub(crate) batch_bytes: Distribution,
    /// How often messages had been received.
    pub(crate) receive_counts: Distribution,
    /// From SentTimestamp to the deletion, in microseconds.
    pub(crate) lifetimes: Distribution,
}

impl MappingMeasures {
    /// What a mapping can be.
    pub(crate) const STATES: [&'static str; 5] =
        ["disabled", "elsewhere", "running", "waiting", "paused"];
}

impl Control {
    /// All mappings, in the order of their UUIDs.
    pub(crate) fn measures(&self) -> Vec<MappingMeasures> {
        let mut all: Vec<_> = self.view().mappings.iter().map(measures).collect();
        all.sort_by(|one, other| one.uuid.cmp(&other.uuid));
        all.dedup_by(|one, other| one.uuid == other.uuid);
        all
    }
}

fn measures(served: &Served) -> MappingMeasures {
    let mut paused_for = None;
    let state = match served.health.as_ref().map(|health| health.state()) {
        _ if served.is_disabled => "disabled",
        None => "elsewhere",
        Some(MappingState::Running) => "running",
        Some(MappingState::Waiting { .. }) => "waiting",
        Some(MappingState::Paused { reason, .. }) => {
            paused_for = Some(class(&reason).to_owned());
            "paused"
        }
    };
    MappingMeasures {
        uuid: served.mapping.uuid.clone(),
        queue: served.mapping.queue.to_string(),
        function: served.mapping.function_name().to_owned(),
        state,
        paused_for,
        counts: served.counters.as_ref().map(|counters| counts(counters)),
    }
}

fn counts(counters: &Counters) -> MappingCounts {
    MappingCounts {
        polled: counters.polled.get(),
        empty_polls: counters.empty_polls.get(),
        filtered_out: counters.filtered_out.get(),
        invoked: counters.invoked.get(),
        failed: counters.failures().collect(),
        deleted: counters.deleted.get(),
        invocations: counters.invocations.get(),
        errors: counters.errors.get(),
        throttles: counters.throttles.get(),
        running: counters.running.get(),
        throttle_wait_us: counters.throttle_wait_us.get(),
        durations: durations(counters),
        batch_sizes: counters.batch_sizes.read(),
        batch_bytes: counters.batch_bytes.read(),
        receive_counts: counters.receive_counts.read(),
        lifetimes: counters.lifetimes.read(),
    }
}

fn durations(counters: &Counters) -> Distribution {
    let bounds = DURATION_BUCKETS.iter().map(|bound| bound.as_micros().try_into().unwrap_or(0));
    let counts = counters.durations.counts();
    Distribution {
        buckets: bounds.zip(counts).collect(),
        beyond: counts.last().copied().unwrap_or(0),
        sum: counters.durations.sum_us(),
    }
}

/// The kind of a reason: the name of the error, as in `ResourceNotFoundException: …`. The rest is
/// text that never repeats, and would be another series each time.
fn class(reason: &str) -> &str {
    let words = reason.split(|c: char| !c.is_ascii_alphanumeric());
    let is_name = |word: &&str| {
        word.len() <= REASON_CHARACTERS_MAX
            && (word.ends_with("Exception") || word.ends_with("Error"))
            && word.starts_with(|c: char| c.is_ascii_uppercase())
    };
    words.into_iter().find(is_name).unwrap_or(OTHER_REASON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_known_by_the_name_of_its_error() {
        for (reason, expected) in [
            (
                "ResourceNotFoundException: Function not found: arn:aws:…",
                "ResourceNotFoundException",
            ),
            ("403 AccessDeniedException", "AccessDeniedException"),
            ("its reserved concurrency is 0", "other"),
            ("", "other"),
            (&format!("{}Exception", "X".repeat(70)), "other"),
        ] {
            assert_eq!(class(reason), expected, "{reason}");
        }
    }
}
