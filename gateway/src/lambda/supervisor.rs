//! Keeps one poller running for each mapping that is to be served here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{Config, MappingSpec};
use crate::identity::Identity;
use crate::lambda::aws::Aws;
use crate::lambda::backoff::Backoff;
use crate::lambda::control::{Request, Requests, Served, View};
use crate::lambda::counters::Counters;
use crate::lambda::fleet::Fleet;
use crate::lambda::health::Health;
use crate::lambda::inheritance::Inheritance;
use crate::lambda::invoke::Target;
use crate::lambda::limits::{AdaptiveLimit, Gates, Limits};
use crate::lambda::local::{LocalFunction, LocalFunctions};
use crate::lambda::mapping::{CONCURRENCY_DEFAULT, Mapping, Origin, combine, select};
use crate::lambda::poller::Poller;
use crate::lambda::store::{self, AwsMap};
use crate::lambda::sync::{self, SyncError};
use crate::lambda::visibility::VisibilityTimeout;
use crate::queues::{QueueName, Queues};
use crate::shutdown::{self, Shutdown, Stop};

/// The timeout of a function nothing is known about: the most Lambda allows.
const TIMEOUT_UNKNOWN: Duration = Duration::from_mins(15);
/// Shortest wait before AWS is asked again after a failure; the longest is the sync interval.
const SYNC_RETRY_MIN: Duration = Duration::from_secs(1);
/// Waits before what is kept in Redis is read again after Redis failed.
const LOAD_DELAYS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// See the module's head.
pub(super) struct Supervisor {
    queues: Queues,
    identity: Identity,
    holder: Option<u32>,
    functions: Arc<LocalFunctions>,
    aws: Arc<Aws>,
    fleet: Fleet,
    max_hops: u32,
    sources: Sources,
    schedule: Schedule,
    inheritances: HashMap<QueueName, Arc<Inheritance>>,
    pollers: HashMap<String, Running>,
    mapping_gates: Gates,
    function_gates: Gates,
    /// By UUID; they outlive a poller that is replaced.
    counters: HashMap<String, Arc<Counters>>,
    /// Pollers that were told to stop and let their last invocations finish.
    draining: JoinSet<()>,
    requests: mpsc::Receiver<Request>,
    view: watch::Sender<Arc<View>>,
}

/// Where mappings come from.
#[derive(Debug, Default)]
struct Sources {
    configured: Vec<MappingSpec>,
    created: Vec<Mapping>,
    from_aws: Vec<Mapping>,
    /// UUIDs of those that were switched off here.
    disabled: HashSet<String>,
    /// The last good map.
    aws: AwsMap,
    /// What was last said about mappings that are not served.
    remarks: Vec<String>,
}

/// When AWS is read.
struct Schedule {
    interval: Option<Duration>,
    next: Option<Instant>,
    failures: Backoff,
    reading: Option<JoinHandle<Result<AwsMap, SyncError>>>,
    /// Who waits for the result.
    askers: Vec<oneshot::Sender<Result<String, String>>>,
}

/// What a poller was started with. Another plan for the same mapping means another poller.
#[derive(Debug, Clone, PartialEq)]
struct Plan {
    mapping: Mapping,
    timeout: Duration,
    /// Invocations of the mapping at a time.
    concurrency: u32,
    /// Those of its function, however many mappings it has; 0: it is switched off.
    function_limit: Option<u32>,
}

/// A poller; dropped, it ends at once, and its functions on this machine with it.
struct Running {
    plan: Plan,
    health: Arc<Health>,
    stop: Stop,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// A supervisor that has not begun.
    pub(super) fn new(
        queues: Queues,
        config: &Config,
        holder: Option<u32>,
        identity: Identity,
        functions: Arc<LocalFunctions>,
        requests: Requests,
    ) -> Self {
        let interval = config.sync_interval;
        let longest = interval.unwrap_or(SYNC_RETRY_MIN);
        Self {
            queues,
            identity,
            holder,
            functions,
            aws: Arc::new(Aws::new(config)),
            fleet: Fleet::alone(),
            max_hops: config.max_hops,
            sources: Sources { configured: config.mappings.clone(), ..Sources::default() },
            schedule: Schedule {
                interval,
                next: interval.map(|_| Instant::now()),
                failures: Backoff::new(SYNC_RETRY_MIN.min(longest), longest),
                reading: None,
                askers: Vec::new(),
            },
            inheritances: HashMap::new(),
            pollers: HashMap::new(),
            mapping_gates: Gates::default(),
            function_gates: Gates::default(),
            counters: HashMap::new(),
            draining: JoinSet::new(),
            requests: requests.requests,
            view: requests.view,
        }
    }

    /// Works until told to stop; returns when the last running invocation is done.
    pub(super) async fn run(mut self, stop: Shutdown) {
        // The configured ones need nobody but us.
        self.reconcile();
        tokio::select! {
            () = self.load() => {}
            () = stop.requested() => {}
        }
        while !stop.is_requested() {
            tokio::select! {
                () = stop.requested() => break,
                () = self.fleet.changed() => self.reconcile(),
                Some(request) = self.requests.recv() => self.answer(request).await,
                event = self.schedule.event() => match event {
                    Due::ToRead => self.start_reading(),
                    Due::WasRead(read) => self.read(read).await,
                },
                // Those that have ended are forgotten.
                Some(_) = self.draining.join_next() => {}
            }
        }
        for (_, running) in std::mem::take(&mut self.pollers) {
            self.drain(running);
        }
        while self.draining.join_next().await.is_some() {}
    }

    async fn answer(&mut self, request: Request) {
        match request {
            Request::Reload(done) => {
                self.load().await;
                let _left = done.send(());
            }
            Request::Sync(done) => {
                self.schedule.askers.push(done);
                self.start_reading();
            }
        }
    }

    /// Takes over what is kept in Redis, and waits for Redis if it is away.
    async fn load(&mut self) {
        let mut delays = Backoff::new(LOAD_DELAYS.0, LOAD_DELAYS.1);
        let kept = loop {
            match store::read(&self.queues).await {
                Ok(kept) => break kept,
                Err(error) => {
                    if !delays.is_failing() {
                        tracing::warn!(%error, "the kept mappings cannot be read from Redis");
                    }
                    delays.fail(None);
                    tokio::time::sleep(delays.remaining()).await;
                }
            }
        };
        let read = |document| Mapping::read(document, Origin::Created);
        self.sources.created = kept.created.iter().filter_map(|d| read(d).ok()).collect();
        self.sources.disabled = kept.disabled;
        match kept.aws {
            Some(map) if self.schedule.interval.is_some() => self.adopt(map),
            _ => self.reconcile(),
        }
    }

    fn start_reading(&mut self) {
        if self.schedule.reading.is_some() {
            return;
        }
        let aws = Arc::clone(&self.aws);
        let wants_functions = self.sources.configured.iter().any(|m| !self.is_local(&m.function));
        let known = self.sources.aws.clone();
        let read = async move {
            match aws.lists().await {
                Ok(true) => sync::read(&aws.control().await, wants_functions).await,
                // What is behind the endpoint has no mappings and lists no functions.
                Ok(false) => Ok(known),
                Err(refusal) => Err(SyncError(refusal.reason)),
            }
        };
        self.schedule.reading = Some(tokio::spawn(read));
    }

    /// AWS was read, or not.
    async fn read(&mut self, read: Result<AwsMap, SyncError>) {
        let schedule = &mut self.schedule;
        schedule.reading = None;
        let told = match read {
            Ok(map) => {
                schedule.failures.succeed();
                schedule.next = schedule.interval.map(|interval| Instant::now() + interval);
                let before = self.sources.from_aws.len();
                if map != self.sources.aws
                    && let Err(error) = store::keep_aws(&self.queues, &map).await
                {
                    tracing::warn!(%error, "AWS's mappings are not kept in Redis");
                }
                self.adopt(map);
                let (mappings, region) = (self.sources.from_aws.len(), self.aws.region().await);
                if mappings != before {
                    tracing::info!(region, mappings, "mappings were read from AWS");
                }
                Ok(format!("{mappings} mappings to serve, {before} before"))
            }
            Err(error) => {
                schedule.failures.fail(None);
                let retry = Instant::now() + schedule.failures.remaining();
                schedule.next = schedule.interval.map(|_| retry);
                tracing::warn!(
                    %error, serving = self.pollers.len(),
                    "mappings cannot be read from AWS; the last known ones stay"
                );
                Err(error.to_string())
            }
        };
        for asker in self.schedule.askers.drain(..) {
            let _left = asker.send(told.clone());
        }
    }

    fn adopt(&mut self, map: AwsMap) {
        let selection = select(&map.mappings);
        for remark in &selection.remarks {
            if !self.sources.remarks.contains(remark) {
                tracing::warn!("{remark}");
            }
        }
        self.sources.remarks = selection.remarks;
        if let Some((account, region)) = &selection.home {
            self.identity.adopt(account, region);
        }
        self.sources.from_aws = selection.ours;
        self.sources.aws = map;
        self.reconcile();
    }

    /// Starts and stops pollers until there is one for each mapping that is to be served here.
    fn reconcile(&mut self) {
        let Sources { configured, created, from_aws, disabled, .. } = &self.sources;
        let mappings = combine(configured, created, from_aws);
        let enabled = mappings.iter().filter(|m| !disabled.contains(&m.uuid));
        let uuids: Vec<String> = enabled.clone().map(|m| m.uuid.clone()).collect();
        self.fleet.announce(&uuids);
        let ours = enabled.filter(|mapping| self.fleet.owns(&mapping.uuid));
        let plans: Vec<Plan> = ours.map(|mapping| self.plan(mapping.clone())).collect();
        let outdated = |uuid: &String, running: &Running| {
            !plans.iter().any(|plan| plan.mapping.uuid == *uuid && *plan == running.plan)
        };
        let gone: Vec<String> =
            self.pollers.iter().filter(|(u, r)| outdated(u, r)).map(|(u, _)| u.clone()).collect();
        for uuid in gone {
            if let Some(running) = self.pollers.remove(&uuid) {
                let mapping = &running.plan.mapping;
                tracing::info!(queue = %mapping.queue, function = mapping.function, "unmapped");
                self.drain(running);
            }
        }
        for plan in plans {
            if !self.pollers.contains_key(&plan.mapping.uuid) {
                self.launch(plan);
            }
        }
        self.show(mappings);
    }

    fn show(&self, mappings: Vec<Mapping>) {
        let served = mappings.into_iter().map(|mapping| Served {
            is_disabled: self.sources.disabled.contains(&mapping.uuid),
            health: self.pollers.get(&mapping.uuid).map(|running| Arc::clone(&running.health)),
            counters: self.counters.get(&mapping.uuid).map(Arc::clone),
            mapping,
        });
        self.view.send_replace(Arc::new(View {
            mappings: served.collect(),
            catalog: self.sources.aws.catalog.clone(),
            remarks: self.sources.remarks.clone(),
        }));
    }

    fn plan(&self, mapping: Mapping) -> Plan {
        match self.local(&mapping) {
            Some(local) => Plan {
                timeout: local.timeout(),
                concurrency: mapping.concurrency.unwrap_or_else(|| local.processes()),
                function_limit: Some(local.processes()),
                mapping,
            },
            None => Plan {
                timeout: mapping
                    .timeout
                    .or_else(|| self.sources.aws.catalog.timeout_of(&mapping.function))
                    .unwrap_or(TIMEOUT_UNKNOWN),
                concurrency: mapping
                    .concurrency
                    .unwrap_or(CONCURRENCY_DEFAULT)
                    .min(self.aws.concurrency_max().unwrap_or(u32::MAX)),
                function_limit: self.sources.aws.catalog.reserved_for(&mapping.function),
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
        let local = self.local(mapping);
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
        let gate = self.mapping_gates.named(&mapping.uuid, plan.concurrency.max(1));
        let function_gate = |limit| self.function_gates.named(mapping.function_name(), limit);
        let limits = Limits {
            mapping: AdaptiveLimit::new(gate),
            function: plan.function_limit.map(function_gate),
        };
        let health = Arc::new(Health::new(&target));
        let counters = Arc::clone(self.counters.entry(mapping.uuid.clone()).or_default());
        let poller = Poller {
            queues: self.queues.clone(),
            identity: self.identity.clone(),
            mapping: mapping.clone(),
            target,
            timeout: plan.timeout,
            limits,
            max_hops: self.max_hops,
            inheritance,
            health: Arc::clone(&health),
            visibility: VisibilityTimeout::default(),
            counters,
        };
        let (stop, stopped) = shutdown::channel();
        let task = tokio::spawn(poller.run(stopped));
        self.pollers.insert(mapping.uuid.clone(), Running { plan, health, stop, task });
    }

    /// The mapping's function, if it runs here.
    fn local(&self, mapping: &Mapping) -> Option<LocalFunction> {
        let name = mapping.function_name();
        // Where nobody speaks with AWS, a bare name can only be one that has yet to come.
        let is_ours = self.schedule.interval.is_none() && name == mapping.function;
        self.functions.get(name).or_else(|| self.functions.expected(name).filter(|_| is_ours))
    }

    fn drain(&mut self, mut running: Running) {
        running.stop.request();
        self.draining.spawn(async move {
            let _ended = (&mut running.task).await;
        });
    }

    fn is_local(&self, function: &str) -> bool {
        self.functions.get(crate::lambda::mapping::function_name(function)).is_some()
    }
}

/// What is to be done about AWS.
enum Due {
    ToRead,
    WasRead(Result<AwsMap, SyncError>),
}

impl Schedule {
    /// Returns when AWS is to be read, or was.
    async fn event(&mut self) -> Due {
        if let Some(reading) = &mut self.reading {
            let read = reading.await;
            return Due::WasRead(read.unwrap_or_else(|e| Err(SyncError(e.to_string()))));
        }
        match self.next {
            Some(next) => tokio::time::sleep_until(next.into()).await,
            None => std::future::pending().await,
        }
        Due::ToRead
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
