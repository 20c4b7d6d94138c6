//! Where mappings come from: what is kept in Redis, and what AWS says.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Sources, Supervisor};
use crate::lambda::backoff::Backoff;
use crate::lambda::control::SyncView;
use crate::lambda::mapping::{Mapping, NotServed, Origin, function_name, select};
use crate::lambda::queue_maker::SeenQueue;
use crate::lambda::remarks::{self, Facts, Topic};
use crate::lambda::store::{self, AwsMap};
use crate::lambda::sync::details::{self, Details};
use crate::lambda::sync::schedule::{Asker, Due};
use crate::lambda::sync::summary::{Summary, words};
use crate::lambda::sync::{self, Reading, SyncError};
use crate::queues::QueueName;

/// Waits before what is kept in Redis is read again after Redis failed.
const LOAD_DELAYS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Mappings that are gone whose messages are counted at a time.
const COUNTED_MAX: usize = 20;

/// Whether what is kept in Redis is to be read.
#[derive(Debug)]
pub(super) struct Loading {
    is_wanted: bool,
    /// Whether it was read once.
    was_read: bool,
    failures: Backoff,
    askers: Vec<oneshot::Sender<()>>,
}

impl Default for Loading {
    fn default() -> Self {
        let failures = Backoff::new(LOAD_DELAYS.0, LOAD_DELAYS.1);
        Self { is_wanted: false, was_read: false, failures, askers: Vec::new() }
    }
}

impl Loading {
    /// It is to be read; who asked is told when it was.
    pub(super) fn want(&mut self, asker: Option<oneshot::Sender<()>>) {
        self.is_wanted = true;
        self.askers.extend(asker);
    }

    /// Whether it was read once.
    pub(super) fn is_done(&self) -> bool {
        self.was_read
    }

    /// Returns when it is time to read it.
    pub(super) async fn due(&self) {
        if !self.is_wanted {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(self.failures.remaining()).await;
    }
}

impl Supervisor {
    /// Takes over what is kept in Redis, if Redis has it; else it is tried again.
    pub(super) async fn load(&mut self) {
        let kept = match store::read(&self.queues).await {
            Ok(kept) => kept,
            Err(error) => {
                if !self.loading.failures.is_failing() {
                    tracing::warn!(%error, "the kept mappings cannot be read from Redis");
                }
                // They need not wait for a Redis that is away.
                self.loading.askers.clear();
                return self.loading.failures.fail(None);
            }
        };
        self.loading.failures.succeed();
        (self.loading.is_wanted, self.loading.was_read) = (false, true);
        let mut broken = Vec::new();
        self.sources.created.clear();
        for document in &kept.created {
            match Mapping::read(document, Origin::Created) {
                Ok(mapping) => self.sources.created.push(mapping),
                Err(why) => broken.push(format!(
                    "the mapping {} that was made here is not served: {why}",
                    document.uuid
                )),
            }
        }
        self.sources.remarks.put(Topic::Created, broken);
        let off = kept.created.iter().filter(|document| document.is_disabled());
        self.sources.disabled = kept.disabled;
        self.sources.draining = kept.draining;
        self.sources.disabled.extend(off.map(|document| document.uuid.clone()));
        self.sources.created_documents = kept.created;
        self.maker.remember(kept.unread);
        // What Redis could not keep is newer than what it has.
        let is_older = !self.sources.is_kept && self.sources.aws != AwsMap::default();
        match kept.aws {
            Some(map) if self.schedule.is_on() && !is_older => {
                self.sources.is_kept = true;
                self.adopt(map).await;
            }
            _ => self.reconcile(),
        }
        for asker in self.loading.askers.drain(..) {
            let _left = asker.send(());
        }
    }

    /// Somebody wants AWS read now.
    pub(super) fn ask(&mut self, asker: Asker) {
        if !self.schedule.is_on() {
            let off = "AWS is not read: there are neither AWS credentials nor --lambda-endpoint, \
                       or --sync-interval is off";
            let _left = asker.send(Err(off.to_owned()));
            return;
        }
        self.schedule.ask(asker);
        if self.loading.is_done() {
            self.start_reading();
        }
    }

    /// Something about reading AWS.
    pub(super) async fn handle(&mut self, event: Due) {
        match event {
            Due::ToRead => self.start_reading(),
            Due::WasRead(Ok(reading)) => self.read(reading).await,
            Due::WasRead(Err(error)) => self.not_read(&error),
            Due::ToAsk(names) => {
                let (aws, pace) = (Arc::clone(&self.aws), self.pace.clone());
                let read = async move { details::read(&aws.control().await, &pace, names).await };
                self.schedule.begun_asking(tokio::spawn(read));
            }
            Due::WasTold(details) => self.learn(&details).await,
        }
    }

    fn start_reading(&mut self) {
        if self.schedule.is_reading() {
            return;
        }
        let (aws, pace) = (Arc::clone(&self.aws), self.pace.clone());
        let before = self.sources.aws.clone();
        let read = async move {
            match aws.lists().await {
                Ok(true) => sync::read(&aws.control().await, &pace, before).await,
                // What is behind the endpoint has no mappings and lists no functions.
                Ok(false) => Ok(Reading { map: before, ..Reading::default() }),
                Err(refusal) => Err(SyncError(refusal.reason)),
            }
        };
        self.schedule.begun(tokio::spawn(read));
        self.reconcile();
    }

    async fn read(&mut self, reading: Reading) {
        let before = self.sources.from_aws.clone();
        let Reading { mut map, knows_functions, remarks } = reading;
        // Functions may have been asked about meanwhile.
        if knows_functions {
            let known = &self.sources.aws.catalog;
            map.catalog.reserved.clone_from(&known.reserved);
            map.catalog.urls.clone_from(&known.urls);
            map.catalog.forget_deleted();
        }
        self.sources.knows_functions = knows_functions;
        self.sources.region = Some(self.aws.region().await.to_owned());
        self.sources.remarks.put(Topic::Reading, remarks);
        self.renew_map(map).await;
        let warnings = self.sources.remarks.all().len();
        let summary = Summary::of(&before, &self.sources.from_aws, warnings);
        if summary.is_nothing() {
            tracing::debug!("AWS was read: {summary}");
        } else {
            tracing::info!(region = self.sources.region, "AWS was read: {summary}");
        }
        self.schedule.ended(Ok(summary.to_string()));
        let changing = |other: &NotServed| other.document.is_changing();
        self.schedule.note_changes(self.sources.not_served.iter().any(changing));
        self.want_details();
        self.renew_queues();
        self.reconcile();
    }

    fn not_read(&mut self, error: &SyncError) {
        tracing::warn!(
            %error, serving = self.pollers.len(),
            "mappings cannot be read from AWS; the last known ones stay"
        );
        self.schedule.ended(Err(error.to_string()));
        self.reconcile();
    }

    /// Takes over a map that was read, and keeps it if it is another one than before.
    async fn renew_map(&mut self, map: AwsMap) {
        if map != self.sources.aws || !self.sources.is_kept {
            let kept = store::keep_aws(&self.queues, &map).await;
            match &kept {
                Ok(()) => self.fleet.map_changed(),
                Err(error) => tracing::warn!(%error, "AWS's mappings are not kept in Redis"),
            }
            self.sources.is_kept = kept.is_ok();
        }
        self.adopt(map).await;
    }

    async fn adopt(&mut self, map: AwsMap) {
        let before = std::mem::take(&mut self.sources.from_aws);
        let served: HashSet<String> = before.iter().map(|mapping| mapping.uuid.clone()).collect();
        let selection = select(&map.mappings, &served);
        let not_served = selection.others.iter().map(ToString::to_string).collect();
        self.sources.remarks.put(Topic::NotServed, not_served);
        self.sources.not_served = selection.others;
        if let Some((account, region)) = &selection.home {
            self.identity.adopt(account, region);
        }
        for mapping in &selection.ours {
            self.sources.remarks.put(Topic::Gone(mapping.queue.clone()), Vec::new());
        }
        self.sources.from_aws = selection.ours;
        self.sources.catalog = Arc::new(map.catalog.clone());
        self.sources.aws = map;
        self.reconcile();
        self.say_goodbye(&before).await;
    }

    /// Says which mappings are served no more, and what is left in their queues.
    async fn say_goodbye(&mut self, before: &[Mapping]) {
        let Sources { configured, created, from_aws, .. } = &self.sources;
        let configured = configured.iter().map(|spec| &spec.queue);
        let others = created.iter().chain(from_aws).map(|mapping| &mapping.queue);
        let served: HashSet<&QueueName> = configured.chain(others).collect();
        let gone: Vec<&Mapping> = before.iter().filter(|m| !served.contains(&m.queue)).collect();
        let mut to_count = COUNTED_MAX;
        for mapping in &gone {
            let mut left = String::new();
            if to_count > 0 {
                match self.queues.info(&mapping.queue).await {
                    Ok(info) => {
                        let messages = info.ready + info.delayed + info.in_flight;
                        left = format!(" with {messages} messages");
                        to_count -= 1;
                    }
                    Err(_) => to_count = 0,
                }
            }
            let remark = format!(
                "mapping {} is gone from AWS, or not ours any more: what runs may finish; the \
                 queue stays{left}",
                words(mapping)
            );
            self.sources.remarks.put(Topic::Gone(mapping.queue.clone()), vec![remark]);
        }
        if !gone.is_empty() {
            self.reconcile();
        }
    }

    /// What was learned about functions.
    async fn learn(&mut self, details: &Details) {
        self.sources.remarks.put(Topic::Details, details.remarks.clone());
        let mut map = self.sources.aws.clone();
        details.put_into(&mut map.catalog);
        if map == self.sources.aws {
            self.reconcile();
        } else {
            self.renew_map(map).await;
        }
    }

    /// Functions of mappings are asked about first.
    fn want_details(&mut self) {
        let all = self.sources.catalog.names();
        let configured = self.sources.configured.iter().map(|spec| spec.function.as_str());
        let others = self.sources.created.iter().chain(&self.sources.from_aws);
        let mapped = configured.chain(others.map(|mapping| mapping.function.as_str()));
        let mapped: HashSet<&str> = mapped.map(function_name).collect();
        let is_mapped = |name: &&str| mapped.contains(name);
        let (urgent, rest): (Vec<&str>, Vec<&str>) = all.into_iter().partition(is_mapped);
        let owned =
            |names: Vec<&str>| -> Vec<String> { names.into_iter().map(str::to_owned).collect() };
        self.schedule.want_details(owned(urgent), &owned(rest));
    }

    /// Has queues made like AWS's where that is wanted; one such run at a time.
    fn renew_queues(&mut self) {
        if self.renewing.as_ref().is_some_and(|renewing| !renewing.is_finished()) {
            return;
        }
        let served = self.pollers.values().map(|running| running.plan.mapping.clone());
        let (maker, served) = (self.maker.clone(), served.collect());
        self.renewing = Some(tokio::spawn(async move { maker.renew(served).await }));
    }

    /// A queue was made or looked at.
    pub(super) fn note(&mut self, seen: SeenQueue) {
        let before = seen.visibility.and_then(|visibility| {
            self.sources.visibilities.insert(seen.queue.clone(), visibility)
        });
        let is_new = seen.visibility.is_some() && before != seen.visibility;
        let has_remarks = seen.remarks.is_some();
        if let Some(remarks) = seen.remarks {
            self.sources.remarks.put(Topic::Queue(seen.queue), remarks);
        }
        // Many queues are made one after the other when karin starts.
        if (is_new || has_remarks) && self.seen.is_empty() {
            self.reconcile();
        }
    }

    /// Renews the remarks on mappings that are served.
    pub(super) fn remark(&mut self, mappings: &[Mapping]) {
        let sources = &self.sources;
        let enabled = mappings.iter().filter(|m| !sources.disabled.contains(&m.uuid));
        let served: Vec<_> = enabled
            .map(|mapping| match self.functions.get(mapping.function_name()) {
                Some(local) => (mapping, Some(local.timeout()), true),
                None => (mapping, self.timeout_of(mapping), false),
            })
            .collect();
        let facts = Facts {
            documents: &sources.aws.mappings,
            functions: sources.knows_functions.then(|| sources.catalog.names()),
            region: sources.region.as_deref(),
            visibilities: &sources.visibilities,
        };
        let remarks = remarks::of_served(&served, &facts);
        self.sources.remarks.put(Topic::Served, remarks);
    }

    /// The timeout of a function that does not run here, if it is known.
    pub(super) fn timeout_of(&self, mapping: &Mapping) -> Option<Duration> {
        mapping.timeout.or_else(|| self.sources.catalog.timeout_of(&mapping.function))
    }

    /// How reading AWS fares.
    pub(super) fn sync_view(&self) -> SyncView {
        SyncView {
            is_on: self.schedule.is_on(),
            is_reading: self.schedule.is_reading(),
            last: self.schedule.last().cloned(),
        }
    }
}
