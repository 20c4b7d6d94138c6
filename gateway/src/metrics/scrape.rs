//! One scrape: everything that is known at one moment, and how it is called.
//!
//! Source: esm-contract §6 for what is counted of mappings; docs/metrics.md for all names.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::page::{Page, Unit, approximate, bounded, seconds};
use super::process::Process;
use super::requests::ActionRequests;
use super::{Distribution, Seen, Server};
use crate::epoch::now_ms;
use crate::lambda::{MappingCounts, MappingMeasures, SyncStatus};
use crate::queues::{QueueName, QueueStatistics};
use crate::version;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) seen: Arc<Seen>,
    /// Queues and their dead-letter queues.
    pub(super) targets: Arc<Vec<(QueueName, QueueName)>>,
    pub(super) is_redis_up: bool,
    pub(super) redis_connections: u64,
    /// In microseconds.
    pub(super) command_times: Vec<(&'static str, Distribution)>,
    pub(super) long_polls: usize,
    pub(super) mappings: Vec<MappingMeasures>,
    pub(super) sync: SyncStatus,
    pub(super) gateways: usize,
    pub(super) requests: Vec<ActionRequests>,
    pub(super) server: Server,
    pub(super) process: Option<Process>,
}

type MappingLabels<'a> = [(&'static str, &'a str); 3];

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.build(&mut page)?;
        self.requests(&mut page)?;
        self.server(&mut page)?;
        self.redis(&mut page)?;
        self.queues(&mut page)?;
        self.mappings(&mut page)?;
        self.polls(&mut page)?;
        self.batches(&mut page)?;
        self.functions(&mut page)?;
        self.sync(&mut page)?;
        self.process(&mut page)
    }
}

impl Scrape {
    fn build(&self, page: &mut Page<'_>) -> fmt::Result {
        let revision = version::revision().unwrap_or("unknown");
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("revision", revision)];
        page.gauges(("karin_build_info", "The version of this gateway; always 1."), [(labels, 1)])?;
        let help = "Gateways that are alive as this one sees them, itself included.";
        page.gauge(("karin_gateways", help), &count(self.gateways))
    }

    fn requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Requests that were answered, by API, action and code (OK: served).";
        let rows = self.requests.iter().flat_map(|request| {
            let ActionRequests { api, action, codes, .. } = request;
            let row = |(code, count): &(&'static str, u64)| {
                ([("api", *api), ("action", *action), ("code", *code)], *count)
            };
            codes.iter().map(row)
        });
        page.counters(("karin_requests", help), rows)?;
        let help = "From a request's body being there to its answer, long polls included.";
        let rows = self.requests.iter().map(|request| {
            ([("api", request.api), ("action", request.action)], &request.durations)
        });
        page.histograms(("karin_request_duration_seconds", help), Unit::Microseconds, rows)
    }

    fn server(&self, page: &mut Page<'_>) -> fmt::Result {
        let Server { connections, connections_max, body_bytes } = self.server;
        page.gauge(("karin_connections", "Open HTTP connections."), &count(connections))?;
        let help = "How many HTTP connections may be open.";
        page.gauge(("karin_connections_max", help), &count(connections_max))?;
        let help = "Memory held for large request bodies, in bytes.";
        page.gauge(("karin_request_body_bytes", help), &count(body_bytes))?;
        let help = "ReceiveMessage requests that wait for a message now.";
        page.gauge(("karin_long_polls", help), &count(self.long_polls))
    }

    fn redis(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Whether there is a connection to Redis (1 or 0).";
        page.gauge(("karin_redis_up", help), &u64::from(self.is_redis_up))?;
        let help = "How often this gateway connected to Redis.";
        page.counter(("karin_redis_connections", help), &self.redis_connections)?;
        let help = "From handing a command over to having Redis's answer.";
        let rows = self.command_times.iter().map(|(name, times)| ([("command", *name)], times));
        page.histograms(("karin_redis_command_duration_seconds", help), Unit::Microseconds, rows)?;
        let memory = self.seen.memory;
        let help = "Memory Redis uses, in bytes.";
        let used = memory.map(|memory| memory.used);
        page.gauge_if_known(("karin_redis_memory_used_bytes", help), used)?;
        let help = "Redis's maxmemory in bytes; 0: none.";
        let maximum = memory.map(|memory| memory.maximum);
        page.gauge_if_known(("karin_redis_memory_max_bytes", help), maximum)
    }

    fn queues(&self, page: &mut Page<'_>) -> fmt::Result {
        let statistics = || self.seen.statistics.iter();
        let shown = self.seen.statistics.as_ref().map(|all| count(all.queues.len()));
        page.gauge_if_known(("karin_queues", "Queues that are shown here."), shown)?;
        let has_more = self.seen.statistics.as_ref().map(|all| u64::from(all.has_more));
        let help = "Whether there are more queues than are shown here (1 or 0).";
        page.gauge_if_known(("karin_queues_left_out", help), has_more)?;
        let each = |of: fn(&QueueStatistics) -> u64| {
            let queues = statistics().flat_map(|all| &all.queues);
            queues.map(move |queue| ([("queue", queue.name.as_str())], of(queue)))
        };
        let help = "Messages that can be received now.";
        page.gauges(("karin_queue_messages_visible", help), each(|q| q.ready))?;
        let help = "Messages in flight: received, not deleted, not visible again.";
        page.gauges(("karin_queue_messages_not_visible", help), each(|q| q.in_flight))?;
        let help = "Messages sent with a delay that has not passed.";
        page.gauges(("karin_queue_messages_delayed", help), each(|q| q.delayed))?;
        let help = "Dead letters that were not brought to their dead-letter queue yet.";
        page.gauges(("karin_queue_messages_dead", help), each(|q| q.dead))?;
        self.ages(page)?;
        let help = "Messages sent through this gateway.";
        page.counters(("karin_queue_messages_sent", help), each(|q| q.traffic.sent))?;
        let help = "Messages received through this gateway, by clients and mappings.";
        page.counters(("karin_queue_messages_received", help), each(|q| q.traffic.received))?;
        let help = "Messages deleted through this gateway, by clients and mappings.";
        page.counters(("karin_queue_messages_deleted", help), each(|q| q.traffic.deleted))?;
        let help = "Receives and polls through this gateway that brought nothing.";
        page.counters(("karin_queue_empty_receives", help), each(|q| q.traffic.empty_receives))?;
        let help = "Which queue's dead letters go to this queue; always 1.";
        let pairs = self.targets.iter().map(|(source, target)| {
            ([("queue", target.as_str()), ("source", source.as_str())], 1_u64)
        });
        page.gauges(("karin_queue_dead_letter_source", help), pairs)
    }

    /// Of queues that hold nothing it is 0, of those nothing is known of there is none.
    fn ages(&self, page: &mut Page<'_>) -> fmt::Result {
        let now_ms = now_ms();
        let queues = self.seen.statistics.iter().flat_map(|all| &all.queues);
        let ages = queues.filter_map(|queue| {
            let is_empty = queue.ready + queue.in_flight + queue.delayed == 0;
            let age_ms = match queue.oldest_sent_ms {
                Some(sent_ms) => now_ms.saturating_sub(sent_ms),
                None if is_empty => 0,
                None => return None,
            };
            Some(([("queue", queue.name.as_str())], approximate(age_ms) / 1e3))
        });
        let help = "Since when the oldest message has been in the queue.";
        page.gauges(("karin_queue_oldest_message_age_seconds", help), ages)
    }

    fn mappings(&self, page: &mut Page<'_>) -> fmt::Result {
        let states = self.mappings.iter().flat_map(|mapping| {
            let [uuid, queue, function] = labels(mapping);
            MappingMeasures::STATES.into_iter().map(move |state| {
                let is_in_it = u64::from(state == mapping.state);
                ([uuid, queue, function, ("state", state)], is_in_it)
            })
        });
        let help = "What a mapping is doing: 1 for its state, 0 for all others.";
        page.gauges(("karin_esm_state", help), states)?;
        let paused = self.mappings.iter().map(|mapping| {
            let [uuid, queue, function] = labels(mapping);
            let reason = mapping.paused_for.as_deref();
            let labels = [uuid, queue, function, ("reason", bounded(reason.unwrap_or("none")))];
            (labels, u64::from(reason.is_some()))
        });
        let help = "Whether the function cannot be invoked before somebody does something.";
        page.gauges(("karin_esm_paused", help), paused)
    }

    fn polls(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Messages a mapping read from its queue.";
        page.counters(("karin_esm_polled_events", help), self.each(|c| c.polled))?;
        let help = "Polls of a mapping that brought nothing.";
        page.counters(("karin_esm_empty_polls", help), self.each(|c| c.empty_polls))?;
        let help = "Messages that no filter of their mapping accepted.";
        page.counters(("karin_esm_filtered_events", help), self.each(|c| c.filtered_out))?;
        let help = "Messages handed to a function, again with each retry.";
        page.counters(("karin_esm_invoked_events", help), self.each(|c| c.invoked))?;
        let failed = self.counted().flat_map(|([uuid, queue, function], counts)| {
            let labels = move |reason| [uuid, queue, function, ("reason", reason)];
            counts.failed.iter().map(move |(reason, count)| (labels(*reason), *count))
        });
        let help = "Messages that were tried and failed, those a function reported included.";
        page.counters(("karin_esm_failed_events", help), failed)?;
        let help = "Messages deleted after their function had succeeded.";
        page.counters(("karin_esm_deleted_events", help), self.each(|c| c.deleted))?;
        let help = "How long a mapping took nothing because too many invocations ran.";
        let waits = self.counted().map(|(labels, c)| (labels, seconds(c.throttle_wait_us)));
        page.counters(("karin_esm_throttle_wait_seconds", help), waits)
    }

    fn batches(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Messages in one invocation.";
        let rows = self.counted().map(|(labels, counts)| (labels, &counts.batch_sizes));
        page.histograms(("karin_esm_batch_size", help), Unit::One, rows)?;
        let help = "Bytes of one invocation's event.";
        let rows = self.counted().map(|(labels, counts)| (labels, &counts.batch_bytes));
        page.histograms(("karin_esm_batch_bytes", help), Unit::One, rows)?;
        let help = "How often a message had been received when it was handed to the function.";
        let rows = self.counted().map(|(labels, counts)| (labels, &counts.receive_counts));
        page.histograms(("karin_esm_receive_count", help), Unit::One, rows)?;
        let help = "From a message's sending to its deletion after a success.";
        let rows = self.counted().map(|(labels, counts)| (labels, &counts.lifetimes));
        page.histograms(("karin_esm_message_lifetime_seconds", help), Unit::Microseconds, rows)
    }

    fn functions(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Invocations that ran, whatever came of them.";
        page.counters(("karin_function_invocations", help), self.each(|c| c.invocations))?;
        let help = "Invocations that ended with an error of the function.";
        page.counters(("karin_function_errors", help), self.each(|c| c.errors))?;
        let help = "Invocations that were refused because too many ran.";
        page.counters(("karin_function_throttles", help), self.each(|c| c.throttles))?;
        let help = "Invocations that run now.";
        page.gauges(("karin_function_concurrent_executions", help), self.each(|c| c.running))?;
        let help = "How long invocations took, those that failed included.";
        let rows = self.counted().map(|(labels, counts)| (labels, &counts.durations));
        page.histograms(("karin_function_duration_seconds", help), Unit::Microseconds, rows)
    }

    fn sync(&self, page: &mut Page<'_>) -> fmt::Result {
        let last = self.sync.last_ms.filter(|_| self.sync.is_on).zip(self.sync.last.as_ref());
        let help = "Whether the last reading of AWS's mappings succeeded (1 or 0).";
        let success = last.as_ref().map(|(_, result)| u64::from(result.is_ok()));
        page.gauge_if_known(("karin_sync_success", help), success)?;
        let help = "When AWS's mappings were last read, in seconds since 1970.";
        let at = last.as_ref().map(|(at_ms, _)| approximate(*at_ms) / 1e3);
        page.gauge_if_known(("karin_sync_timestamp_seconds", help), at)
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let Some(process) = &self.process else { return Ok(()) };
        let help = "CPU time, user and system.";
        page.counter(("process_cpu_seconds", help), &process.cpu_seconds)?;
        let help = "Resident memory in bytes.";
        page.gauge(("process_resident_memory_bytes", help), &process.resident_bytes)?;
        let help = "Virtual memory in bytes.";
        page.gauge(("process_virtual_memory_bytes", help), &process.virtual_bytes)?;
        page.gauge(("process_open_fds", "Open files."), &process.open_files)?;
        page.gauge(("process_max_fds", "How many files may be open."), &process.files_max)?;
        page.gauge(("process_threads", "Threads."), &process.threads)?;
        let help = "When the process started, in seconds since 1970.";
        page.gauge(("process_start_time_seconds", help), &process.started)
    }

    /// The mappings this gateway has served.
    fn counted(&self) -> impl Iterator<Item = (MappingLabels<'_>, &MappingCounts)> {
        self.mappings.iter().filter_map(|mapping| Some((labels(mapping), mapping.counts.as_ref()?)))
    }

    fn each(
        &self,
        of: fn(&MappingCounts) -> u64,
    ) -> impl Iterator<Item = (MappingLabels<'_>, u64)> {
        self.counted().map(move |(labels, counts)| (labels, of(counts)))
    }
}

fn labels(mapping: &MappingMeasures) -> MappingLabels<'_> {
    let MappingMeasures { uuid, queue, function, .. } = mapping;
    [("uuid", bounded(uuid)), ("queue", bounded(queue)), ("function", bounded(function))]
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
