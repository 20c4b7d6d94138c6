//! The records of invocations: what each was, kept within bounds for people to look at.
//!
//! The last ones of every mapping are in memory ([`memory`]): 50 that failed (or that somebody
//! asked for by hand) and 50 others, 8 MiB in all. Those that failed are written to Redis too, in
//! the background ([`keeper`]), so that they outlive us and other gateways see them. What is kept
//! of events, answers and logs is `--keep-payloads`' business ([`ended`]).

mod again;
mod ended;
mod keeper;
mod memory;
mod run;

pub(crate) use again::AgainRefused;
pub(super) use again::Runner;
pub(super) use ended::{Ended, Trail};
pub(crate) use run::{NamedMessage, Outcome, Payload, Run, RunId, RunKind, Source};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use crate::config::KeepPayloads;
use crate::lambda::outcome::Told;
use crate::lambda::records::keeper::Keeper;
use crate::lambda::records::memory::Memory;
use crate::queues::{QueueError, Queues};

/// Invocations asked for by hand that run at a time.
const AGAIN_MAX: usize = 16;
/// How long a stopping gateway takes to write what is new.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// The records. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Records(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queues: Queues,
    keep: KeepPayloads,
    /// What our ids begin with.
    gateway: u64,
    count: AtomicU64,
    memory: Mutex<Memory>,
    /// There is something for Redis.
    news: Notify,
    keeper: tokio::sync::Mutex<Keeper>,
    again: Arc<Semaphore>,
}

impl Records {
    pub(super) fn new(queues: Queues, keep: KeepPayloads) -> Self {
        Self(Arc::new(Inner {
            queues,
            keep,
            gateway: RunId::drawn(),
            count: AtomicU64::new(0),
            memory: Mutex::default(),
            news: Notify::new(),
            keeper: tokio::sync::Mutex::default(),
            again: Arc::new(Semaphore::new(AGAIN_MAX)),
        }))
    }

    /// An id that no invocation has.
    pub(crate) fn new_id(&self) -> RunId {
        let number = self.0.count.fetch_add(1, Ordering::Relaxed);
        RunId { gateway: self.0.gateway, number }
    }

    /// Remembers an invocation.
    pub(super) fn add(&self, ended: Ended<'_>) {
        let run = ended.run(self.0.keep, || self.new_id());
        self.remember(run);
    }

    /// Remembers a call of a function through Lambda's API.
    pub(super) fn add_call(&self, function: &str, event: &Bytes, told: &Told, begun: Instant) {
        let source = Source { function: function.to_owned(), ..Source::default() };
        self.add(Ended {
            kind: RunKind::Call,
            source: &Arc::new(source),
            id: None,
            repeats: None,
            trail: Trail::since(begun, None),
            event,
            told,
            verdict: None,
            messages: &[],
        });
    }

    fn remember(&self, run: Run) {
        let is_kept = run.is_kept();
        self.memory().add(Arc::new(run));
        if is_kept {
            self.0.news.notify_one();
        }
    }

    /// All that are known, the newest first: of all mappings, or of one. Those of other gateways
    /// are here only if they failed. The error says why Redis did not tell of those.
    pub(crate) async fn all(&self, mapping: Option<&str>) -> (Vec<Arc<Run>>, Option<QueueError>) {
        let is_wanted = |run: &Run| mapping.is_none_or(|mapping| run.source.mapping == mapping);
        let mut all = self.memory().all();
        all.retain(|run| is_wanted(run));
        let ours: std::collections::HashSet<RunId> = all.iter().map(|run| run.id).collect();
        let error = match self.0.queues.read_runs().await {
            Ok(texts) => {
                let kept = texts.iter().filter_map(|(_, text)| keeper::read(text));
                let kept = kept.filter(|run| is_wanted(run) && !ours.contains(&run.id));
                all.extend(kept.map(Arc::new));
                None
            }
            Err(error) => Some(error),
        };
        all.sort_by_key(|run| std::cmp::Reverse((run.at_ms, run.id.number)));
        (all, error)
    }

    /// The invocation with this id, with what is kept of its payloads.
    pub(crate) async fn find(&self, id: RunId) -> Result<Option<Run>, QueueError> {
        let known = self.memory().find(id);
        if let Some(run) = known {
            return Ok(Some((*run).clone()));
        }
        let name = id.to_string();
        let text = self.0.queues.read_run(&name).await?;
        let Some(mut run) = text.as_deref().and_then(keeper::read) else { return Ok(None) };
        if self.0.keep == KeepPayloads::None {
            run.forget_payloads();
        }
        if run.keeps_any() {
            let payloads = self.0.queues.read_run_payloads(&name).await?;
            run.take_payloads(Bytes::from(payloads));
        }
        Ok(Some(run))
    }

    /// Whether one with this id was remembered here.
    fn knows(&self, id: RunId) -> bool {
        self.memory().find(id).is_some()
    }

    /// Writes to Redis what is new, for ever: nothing while nothing fails.
    pub(super) async fn keep(self) {
        if self.0.keep == KeepPayloads::None {
            while self.forget_payloads().await.is_err() {
                tokio::time::sleep(keeper::PAUSE_LONG).await;
            }
        }
        let mut pause = keeper::PAUSE;
        let mut told = false;
        loop {
            self.0.news.notified().await;
            tokio::time::sleep(pause).await;
            let saved = self.save().await;
            pause = keeper::pause_after(&saved);
            match saved {
                Ok(_) => told = false,
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, "records of failed invocations are not kept now");
                    }
                    // It is tried again although nothing new comes.
                    self.0.news.notify_one();
                }
            }
        }
    }

    /// Removes what was written before payloads were not to be kept.
    async fn forget_payloads(&self) -> Result<(), QueueError> {
        let mut runs = self.0.queues.read_runs().await?;
        runs.retain(|(_, text)| keeper::read(text).is_none_or(|run| run.is_telling()));
        let ids: Vec<String> = runs.into_iter().map(|(id, _)| id).collect();
        self.0.queues.remove_runs(&ids).await
    }

    /// Writes what is new. Returns how many bytes that were.
    async fn save(&self) -> Result<usize, QueueError> {
        let mut keeper = self.0.keeper.lock().await;
        let unsaved = self.memory().unsaved();
        if unsaved.runs.is_empty() {
            return Ok(0);
        }
        keeper.save(&self.0.queues, &unsaved.runs).await?;
        self.memory().saved(unsaved.upto);
        Ok(unsaved.bytes)
    }

    /// Writes what is new before karin ends.
    pub(super) async fn flush(&self) {
        let _lost = timeout(FAREWELL_MAX, self.save()).await;
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // No change leaves it half done, so a panic elsewhere does not spoil it.
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
