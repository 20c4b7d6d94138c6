//! The trigger: queues' messages become invocations of functions.
//!
//! [`start`] runs a supervisor. It knows the mappings (the configured ones, and AWS's, read at
//! start and every `--sync-interval`) and keeps one poller running for each.

mod aws;
mod backoff;
mod batch;
mod event;
mod invoke;
mod local;
mod mapping;
mod outcome;
mod poller;
mod sync;

pub use local::{REAPER_SUBCOMMAND, run_reaper};

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::config::Config;
use crate::identity::Identity;
use crate::lambda::aws::Aws;
use crate::lambda::backoff::Backoff;
use crate::lambda::invoke::Target;
use crate::lambda::local::LocalFunctions;
use crate::lambda::mapping::{CONCURRENCY_DEFAULT, Mapping, combine};
use crate::lambda::poller::{Health, Inheritance, Poller};
use crate::lambda::sync::{Timeouts, View};
use crate::queues::{QueueError, QueueName, Queues};
use crate::shutdown::{self, Shutdown, Stop};

/// The timeout of a function nothing is known about: the most Lambda allows.
const TIMEOUT_UNKNOWN: Duration = Duration::from_mins(15);
/// How long a stopping gateway waits for running invocations.
const DRAIN_MAX: Duration = Duration::from_secs(20);
/// Shortest wait before AWS is asked again after a failure; the longest is the sync interval.
const SYNC_RETRY_MIN: Duration = Duration::from_secs(1);

/// The running trigger.
#[derive(Debug)]
pub struct Lambda {
    stop: Stop,
    supervisor: JoinHandle<()>,
    functions: Arc<LocalFunctions>,
}

/// Starts serving all mappings.
///
/// `holder` is this instance's number, under which leases are taken that end with it; `endpoint`
/// our own URL, which local functions use; `karin` the binary with the internal subcommands that
/// keep functions from outliving us.
pub fn start(
    queues: Queues,
    config: &Config,
    holder: Option<u32>,
    identity: Identity,
    endpoint: &str,
    karin: Option<&Path>,
) -> Lambda {
    for spec in config.mappings.iter().filter(|spec| spec.queue.is_fifo()) {
        tracing::warn!(queue = %spec.queue, "not mapped: karin has no FIFO queues yet");
    }
    let (stop, stopped) = shutdown::channel();
    let functions = LocalFunctions::new(&config.functions, &identity, endpoint, karin);
    let functions = Arc::new(functions);
    let supervisor = Supervisor {
        queues,
        identity,
        holder,
        functions: Arc::clone(&functions),
        aws: Arc::new(Aws::new(config)),
        configured: configured(config),
        sync_interval: config.sync_interval,
        from_aws: Vec::new(),
        timeouts: Timeouts::default(),
        remarks: HashSet::new(),
        inheritances: HashMap::new(),
        pollers: HashMap::new(),
        draining: JoinSet::new(),
    };
    Lambda { stop, supervisor: tokio::spawn(supervisor.run(stopped)), functions }
}

/// Makes the queues of the configuration's mappings, so that they are there when karin says that it
/// listens. One that cannot be made now is made by its poller later.
pub async fn make_queues(queues: &Queues, config: &Config) {
    for mapping in configured(config) {
        if let Err(QueueError::Unavailable(_)) = queues.create(&mapping.queue, &[], &[]).await {
            return;
        }
    }
}

/// The configuration's mappings, but for those that would lose their order.
fn configured(config: &Config) -> Vec<Mapping> {
    config.mappings.iter().filter(|spec| !spec.queue.is_fifo()).map(Mapping::from).collect()
}

impl Lambda {
    /// Stops: nothing more is taken, what was taken and not begun is given back, running
    /// invocations may finish for 20 s. After that their functions on this machine are killed, and
    /// leases of those elsewhere are left to end.
    pub async fn stop(self) {
        self.stop.request();
        let mut supervisor = self.supervisor;
        if timeout(DRAIN_MAX, &mut supervisor).await.is_err() {
            tracing::warn!("invocations still run; what they do counts for nothing");
            supervisor.abort();
            let _aborted = supervisor.await;
        }
        self.functions.stop();
    }
}

struct Supervisor {
    queues: Queues,
    identity: Identity,
    holder: Option<u32>,
    functions: Arc<LocalFunctions>,
    aws: Arc<Aws>,
    configured: Vec<Mapping>,
    sync_interval: Option<Duration>,
    /// The last good map.
    from_aws: Vec<Mapping>,
    timeouts: Timeouts,
    /// What was last said about mappings that are not served.
    remarks: HashSet<String>,
    inheritances: HashMap<QueueName, Arc<Inheritance>>,
    pollers: HashMap<String, Running>,
    /// Pollers that were told to stop and let their last invocations finish.
    draining: JoinSet<()>,
}

/// What a poller was started with. Another plan for the same mapping means another poller.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    mapping: Mapping,
    timeout: Duration,
    concurrency: u32,
}

/// A poller; dropped, it ends at once, and its functions on this machine with it.
struct Running {
    plan: Plan,
    stop: Stop,
    task: JoinHandle<()>,
}

impl Supervisor {
    async fn run(mut self, stop: Shutdown) {
        self.reconcile();
        match self.sync_interval {
            Some(interval) => self.sync_until(&stop, interval).await,
            None => stop.requested().await,
        }
        for (_, running) in std::mem::take(&mut self.pollers) {
            self.drain(running);
        }
        while self.draining.join_next().await.is_some() {}
    }

    async fn sync_until(&mut self, stop: &Shutdown, interval: Duration) {
        let mut failures = Backoff::new(SYNC_RETRY_MIN.min(interval), interval);
        let mut known = None;
        loop {
            let aws = Arc::clone(&self.aws);
            let wants_timeouts = self.configured.iter().any(|m| !self.is_local(m));
            let read = async { sync::read(&aws.control().await, wants_timeouts).await };
            let result = tokio::select! {
                result = read => result,
                () = stop.requested() => return,
            };
            let wait = match result {
                Ok(view) => {
                    failures.succeed();
                    let mappings = view.selection.ours.len();
                    if known != Some(mappings) {
                        let region = self.aws.region().await;
                        tracing::info!(region, mappings, "mappings were read from AWS");
                        known = Some(mappings);
                    }
                    self.adopt(view);
                    interval
                }
                Err(error) => {
                    failures.fail(None);
                    tracing::warn!(
                        %error, serving = self.pollers.len(),
                        "mappings cannot be read from AWS; the last known ones stay"
                    );
                    failures.remaining()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.requested() => return,
            }
            // Those that have ended are forgotten.
            while self.draining.try_join_next().is_some() {}
        }
    }

    fn adopt(&mut self, view: View) {
        let View { selection, timeouts } = view;
        for remark in &selection.remarks {
            if !self.remarks.contains(remark) {
                tracing::warn!("{remark}");
            }
        }
        self.remarks = selection.remarks.into_iter().collect();
        if let Some((account, region)) = &selection.home {
            self.identity.adopt(account, region);
        }
        self.timeouts.update(timeouts);
        self.from_aws = selection.ours;
        self.reconcile();
    }

    /// Starts and stops pollers until there is one for each mapping.
    fn reconcile(&mut self) {
        let wanted = combine(&self.configured, &self.from_aws);
        let plans: Vec<Plan> = wanted.into_iter().map(|mapping| self.plan(mapping)).collect();
        let outdated = |key: &String, running: &Running| {
            !plans.iter().any(|plan| plan.mapping.key == *key && *plan == running.plan)
        };
        let gone: Vec<String> =
            self.pollers.iter().filter(|(k, r)| outdated(k, r)).map(|(k, _)| k.clone()).collect();
        for key in gone {
            if let Some(running) = self.pollers.remove(&key) {
                let mapping = &running.plan.mapping;
                tracing::info!(queue = %mapping.queue, function = mapping.function, "unmapped");
                self.drain(running);
            }
        }
        for plan in plans {
            if !self.pollers.contains_key(&plan.mapping.key) {
                self.launch(plan);
            }
        }
    }

    fn plan(&self, mapping: Mapping) -> Plan {
        match self.functions.get(mapping.function_name()) {
            Some(local) => Plan {
                timeout: local.timeout(),
                concurrency: mapping.concurrency.unwrap_or_else(|| local.processes()),
                mapping,
            },
            None => Plan {
                timeout: mapping
                    .timeout
                    .or_else(|| self.timeouts.of(&mapping.function))
                    .unwrap_or(TIMEOUT_UNKNOWN),
                concurrency: mapping.concurrency.unwrap_or(CONCURRENCY_DEFAULT),
                mapping,
            },
        }
    }

    fn launch(&mut self, plan: Plan) {
        let mapping = &plan.mapping;
        let rivals = self.pollers.values().filter(|r| r.plan.mapping.queue == mapping.queue);
        if rivals.count() > 0 {
            tracing::warn!(
                queue = %mapping.queue, function = mapping.function,
                "the queue has several mappings: each message goes to one of them"
            );
        }
        let local = self.functions.get(mapping.function_name()).cloned();
        tracing::info!(
            queue = %mapping.queue, function = mapping.function,
            place = if local.is_some() { "here" } else { "Lambda" },
            timeout = ?plan.timeout, concurrency = plan.concurrency, "mapped"
        );
        let inheritance = self.holder.filter(|_| local.is_some()).map(|holder| {
            let entry = self.inheritances.entry(mapping.queue.clone());
            Arc::clone(entry.or_insert_with(|| Arc::new(Inheritance::new(holder))))
        });
        let target = match local {
            Some(function) => Target::Local(function),
            None => Target::Aws { aws: Arc::clone(&self.aws), function: mapping.function.clone() },
        };
        let poller = Poller {
            queues: self.queues.clone(),
            identity: self.identity.clone(),
            mapping: mapping.clone(),
            target,
            timeout: plan.timeout,
            concurrency: plan.concurrency,
            inheritance,
            health: Health::new(),
        };
        let (stop, stopped) = shutdown::channel();
        let task = tokio::spawn(poller.run(stopped));
        self.pollers.insert(mapping.key.clone(), Running { plan, stop, task });
    }

    fn drain(&mut self, mut running: Running) {
        running.stop.request();
        self.draining.spawn(async move {
            let _ended = (&mut running.task).await;
        });
    }

    fn is_local(&self, mapping: &Mapping) -> bool {
        self.functions.get(mapping.function_name()).is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
