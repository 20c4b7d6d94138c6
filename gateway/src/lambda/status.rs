//! What the trigger shows of itself: plain values that can be written as JSON, so that other
//! gateways, the admin page and the command line can read them.

mod fleet;

pub use fleet::{FleetStatus, FunctionStatus, GatewayInfo, GatewayStatus, read_fleet};
pub(super) use fleet::{Look, look_at};

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::FailureReport;
use crate::epoch::epoch_ms;
use crate::lambda::control::{Control, Served, SyncView, View};
use crate::lambda::counters::{Counters, DURATION_BUCKETS, percentile_ms};
use crate::lambda::health::MappingState;
use crate::lambda::mapping::{Mapping, Origin};

/// The trigger of one gateway, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TriggerStatus {
    /// Whether its mappings are known; before, there are none.
    pub is_loaded: bool,
    /// All mappings, those of other gateways included.
    pub mappings: Vec<MappingStatus>,
    /// AWS's mappings of queues that are not served, and why, for people.
    pub not_served: Vec<String>,
    /// What people should know about; each is so now.
    pub remarks: Vec<String>,
    /// How reading AWS fares.
    pub sync: SyncStatus,
}

/// How reading AWS fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncStatus {
    /// Whether AWS is read at all.
    pub is_on: bool,
    /// Whether it is being read.
    pub is_reading: bool,
    /// When the last reading ended, epoch milliseconds.
    pub last_ms: Option<u64>,
    /// What came of it, for people.
    pub last: Option<Result<String, String>>,
}

/// A mapping, and how it fares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MappingStatus {
    /// What tells it from others.
    pub uuid: String,
    /// Where it was made: `configured`, `aws` or `created`.
    pub origin: String,
    /// The queue's name.
    pub queue: String,
    /// The function's name or ARN, as Invoke gets it.
    pub function: String,
    /// The function's bare name.
    pub function_name: String,
    /// At most this many records in one event.
    pub batch_size: u32,
    /// How long is gathered, in seconds.
    pub window_seconds: u64,
    /// The filter patterns, as they were written.
    pub filters: Vec<String>,
    /// What its function's answers say about single messages: `whole_batch` (nothing),
    /// `per_message` or `auto`.
    pub report: String,
    /// What AWS has no word for, where it is not as AWS does: names and values of the options.
    pub options: Vec<(String, String)>,
    /// What it is doing.
    pub state: StateStatus,
    /// Lambda's LastProcessingResult; empty where another gateway serves it.
    pub last_result: String,
    /// It is to be stopped once its queue is empty.
    pub is_draining: bool,
    /// The gateway that serves it, if that is known; only where all gateways were looked at.
    pub gateway: Option<String>,
    /// Invocations that run now.
    pub running: u64,
    /// At most this many at a time; `None`: it is not served.
    pub concurrency: Option<u32>,
    /// What it did here since this gateway began to serve it.
    pub counters: CounterValues,
}

/// What a mapping is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StateStatus {
    /// Somebody has switched it off.
    Disabled,
    /// It takes messages as they come.
    Running,
    /// It waits a moment before it takes more.
    Waiting {
        /// Why.
        reason: String,
        /// How much longer, milliseconds.
        remaining_ms: u64,
    },
    /// Somebody must do something: no message leaves the queue.
    Paused {
        /// What was answered.
        reason: String,
        /// Since when, epoch milliseconds.
        since_ms: u64,
        /// In how long the function is looked at again, milliseconds.
        next_probe_ms: u64,
    },
    /// Another gateway serves it, or nobody yet. Also what only a later version has a word for.
    #[default]
    #[serde(other)]
    Elsewhere,
}

/// A mapping's counters, by CloudWatch's names. Source: esm-contract §6.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CounterValues {
    /// PolledEventCount.
    pub polled: u64,
    /// Polls that brought nothing.
    pub empty_polls: u64,
    /// FilteredOutEventCount.
    pub filtered_out: u64,
    /// InvokedEventCount.
    pub invoked: u64,
    /// FailedInvokeEventCount.
    pub failed: u64,
    /// DeletedEventCount.
    pub deleted: u64,
    /// Invocations.
    pub invocations: u64,
    /// Errors.
    pub errors: u64,
    /// Throttles.
    pub throttles: u64,
    /// How long invocations took, all together, in microseconds.
    pub duration_sum_us: u64,
    /// How many took at most so long, by the bounds of [`DURATION_BUCKETS`], and one more for the
    /// rest; each counts once.
    #[serde(deserialize_with = "buckets")]
    pub duration_buckets: [u64; DURATION_BUCKETS.len() + 1],
}

impl Control {
    /// How the trigger of this gateway fares now.
    pub fn status(&self) -> TriggerStatus {
        trigger(&self.view())
    }
}

fn trigger(view: &View) -> TriggerStatus {
    TriggerStatus {
        is_loaded: view.is_loaded,
        mappings: view.mappings.iter().map(mapping).collect(),
        not_served: view.not_served.iter().map(ToString::to_string).collect(),
        remarks: view.remarks.clone(),
        sync: sync(&view.sync),
    }
}

fn sync(view: &SyncView) -> SyncStatus {
    let (last_ms, last) = view.last.clone().map(|(at, what)| (epoch_ms(at), what)).unzip();
    SyncStatus { is_on: view.is_on, is_reading: view.is_reading, last_ms, last }
}

fn mapping(served: &Served) -> MappingStatus {
    let Served { mapping, health, counters, gate, .. } = served;
    MappingStatus {
        uuid: mapping.uuid.clone(),
        origin: match mapping.origin {
            Origin::Configured => "configured",
            Origin::Aws => "aws",
            Origin::Created => "created",
        }
        .to_owned(),
        queue: mapping.queue.to_string(),
        function: mapping.function.clone(),
        function_name: mapping.function_name().to_owned(),
        batch_size: mapping.batch_size,
        window_seconds: mapping.window.as_secs(),
        filters: mapping.filters.patterns().to_vec(),
        report: match mapping.reporting {
            FailureReport::WholeBatch => "whole_batch",
            FailureReport::PerMessage => "per_message",
            FailureReport::Auto => "auto",
        }
        .to_owned(),
        options: options(mapping),
        state: state(served),
        last_result: health.as_ref().map(|health| health.last_result()).unwrap_or_default(),
        is_draining: served.is_draining,
        gateway: None,
        running: counters.as_ref().map(|counters| counters.running.get()).unwrap_or_default(),
        concurrency: gate.as_ref().map(|gate| gate.limit()),
        counters: counters.as_ref().map(|counters| counters.values()).unwrap_or_default(),
    }
}

fn options(mapping: &Mapping) -> Vec<(String, String)> {
    let written = mapping.options.written().into_iter();
    written.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn state(served: &Served) -> StateStatus {
    match served.health.as_ref().map(|health| health.state()) {
        _ if served.is_disabled => StateStatus::Disabled,
        None => StateStatus::Elsewhere,
        Some(MappingState::Running) => StateStatus::Running,
        Some(MappingState::Waiting { reason, remaining }) => {
            StateStatus::Waiting { reason, remaining_ms: milliseconds(remaining) }
        }
        Some(MappingState::Paused { reason, since, next_probe }) => StateStatus::Paused {
            reason,
            since_ms: epoch_ms(since),
            next_probe_ms: milliseconds(next_probe),
        },
    }
}

/// As many as we have, of however many another version has.
fn buckets<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<[u64; DURATION_BUCKETS.len() + 1], D::Error> {
    let counts = Vec::<u64>::deserialize(deserializer)?;
    let mut buckets = [0; DURATION_BUCKETS.len() + 1];
    for (bucket, count) in buckets.iter_mut().zip(counts) {
        *bucket = count;
    }
    Ok(buckets)
}

impl CounterValues {
    /// How long a share of the invocations took at most, as exactly as buckets tell. `None`: there
    /// were none.
    pub fn duration_percentile(&self, share: f64) -> Option<Duration> {
        percentile_ms(&self.duration_buckets, share)
            .map(|milliseconds| Duration::from_secs_f64(milliseconds / 1_000.0))
    }

    /// What two did, together.
    pub(super) fn add(&mut self, other: &Self) {
        let Self { duration_buckets, .. } = other;
        let pairs = [
            (&mut self.polled, other.polled),
            (&mut self.empty_polls, other.empty_polls),
            (&mut self.filtered_out, other.filtered_out),
            (&mut self.invoked, other.invoked),
            (&mut self.failed, other.failed),
            (&mut self.deleted, other.deleted),
            (&mut self.invocations, other.invocations),
            (&mut self.errors, other.errors),
            (&mut self.throttles, other.throttles),
            (&mut self.duration_sum_us, other.duration_sum_us),
        ];
        for (sum, more) in
            pairs.into_iter().chain(self.duration_buckets.iter_mut().zip(*duration_buckets))
        {
            *sum = sum.saturating_add(more);
        }
    }
}

impl Counters {
    fn values(&self) -> CounterValues {
        CounterValues {
            polled: self.polled.get(),
            empty_polls: self.empty_polls.get(),
            filtered_out: self.filtered_out.get(),
            invoked: self.invoked.get(),
            failed: self.failed_invoke.get(),
            deleted: self.deleted.get(),
            invocations: self.invocations.get(),
            errors: self.errors.get(),
            throttles: self.throttles.get(),
            duration_sum_us: self.durations.sum_us(),
            duration_buckets: self.durations.counts(),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_estimated_within_their_bucket() {
        let mut counters = CounterValues::default();
        assert_eq!(counters.duration_percentile(0.5), None);
        // Ten from 10 to 30 ms, one that took longer than all bounds.
        counters.duration_buckets[3] = 10;
        let ms = |share| {
            let counters: &CounterValues = &counters;
            counters.duration_percentile(share).unwrap().as_millis()
        };
        assert_eq!((ms(0.0), ms(0.5), ms(1.0)), (10, 17, 30));
        counters.duration_buckets[14] = 1;
        let longest = counters.duration_percentile(0.99).unwrap();
        assert_eq!(longest, Duration::from_mins(15));
        counters.duration_buckets = [u64::MAX; 15];
        assert!(counters.duration_percentile(0.5).is_some());
    }
}
