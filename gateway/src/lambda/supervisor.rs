//! Keeps one poller running for each mapping that is to be served here.

mod reading;
mod runner;

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{Config, MappingSpec};
use crate::identity::Identity;
use crate::lambda::aws::Aws;
use crate::lambda::catalog::Catalog;
use crate::lambda::control::{Request, Requests, Served, View};
use crate::lambda::counters::Counters;
use crate::lambda::document::MappingDocument;
use crate::lambda::fleet::{Fleet, News};
use crate::lambda::health::Health;
use crate::lambda::inheritance::Inheritance;
use crate::lambda::invoke::Target;
use crate::lambda::limits::{AdaptiveLimit, Gate, Gates, Limits};
use crate::lambda::local::{LocalFunction, LocalFunctions};
use crate::lambda::mapping::{CONCURRENCY_DEFAULT, Mapping, NotServed, combine, function_name};
use crate::lambda::poller::Poller;
use crate::lambda::queue_maker::{QueueMaker, SeenQueue};
use crate::lambda::records::{Records, Source};
use crate::lambda::remarks::Remarks;
use crate::lambda::store::AwsMap;
use crate::lambda::switching;
use crate::lambda::sync::call::Pace;
use crate::lambda::sync::schedule::Schedule;
use crate::lambda::visibility::VisibilityTimeout;
use crate::queues::{QueueName, Queues};
use crate::shutdown::{self, Shutdown, Stop};
use reading::Loading;

/// The timeout of a function nothing is known about: the most Lambda allows.
const TIMEOUT_UNKNOWN: Duration = Duration::from_mins(15);
/// The wait before a poller that broke is replaced.
const BROKEN_PAUSE: Duration = Duration::from_secs(1);

/// See the module's head.
pub(super) struct Supervisor {
    queues: Queues,
    identity: Identity,
    functions: Arc<LocalFunctions>,
    aws: Arc<Aws>,
    fleet: Fleet,
    max_hops: u32,
    sources: Sources,
    schedule: Schedule,
    loading: Loading,
    maker: QueueMaker,
    seen: mpsc::UnboundedReceiver<SeenQueue>,
    pace: Pace,
    /// Makes queues like AWS's.
    renewing: Option<JoinHandle<()>>,
    inheritances: HashMap<QueueName, Arc<Inheritance>>,
    /// Those who give back what died with our last life.
    heirs: JoinSet<()>,
    pollers: HashMap<String, Running>,
    mapping_gates: Gates,
    function_gates: Gates,
    /// By UUID; they outlive a poller that is replaced, not their mapping.
    counters: HashMap<String, Arc<Counters>>,
    /// UUIDs of mappings whose poller has panicked.
    broken: (mpsc::UnboundedSender<String>, mpsc::UnboundedReceiver<String>),
    /// Told when a mapping was stopped because its queue is empty.
    drained: (mpsc::UnboundedSender<()>, mpsc::UnboundedReceiver<()>),
    /// Pollers that were told to stop and let their last invocations finish.
    draining: JoinSet<()>,
    requests: mpsc::Receiver<Request>,
    view: watch::Sender<Arc<View>>,
    records: Records,
}

/// Where mappings come from.
#[derive(Debug, Default)]
struct Sources {
    configured: Vec<MappingSpec>,
    created: Vec<Mapping>,
    created_documents: Vec<MappingDocument>,
    from_aws: Vec<Mapping>,
    /// UUIDs of those that were switched off here.
    disabled: HashSet<String>,
    /// UUIDs of those that are to be stopped once their queues are empty.
    draining: HashSet<String>,
    /// AWS's that are not served.
    not_served: Vec<NotServed>,
    /// The last good map.
    aws: AwsMap,
    /// Its catalog, for those who look.
    catalog: Arc<Catalog>,
    /// Whether Redis has this map.
    is_kept: bool,
    /// Whether the map has all of AWS's functions.
    knows_functions: bool,
    /// The region that is read, once it is known.
    region: Option<String>,
    /// The VisibilityTimeouts of queues.
    visibilities: HashMap<QueueName, Duration>,
    remarks: Remarks,
}

/// What a poller was started with. Another plan for the same mapping means another poller.
#[derive(Debug, Clone, PartialEq)]
struct Plan {
    mapping: Mapping,
    timeout: Duration,
    /// Invocations of the mapping at a time.
    concurrency: u32,
}

/// A poller; dropped, it ends at once, and its functions on this machine with it.
struct Running {
    plan: Plan,
    health: Arc<Health>,
    gate: Arc<Gate>,
    /// Stops the mapping once its queue is empty.
    drainer: Option<JoinHandle<()>>,
    stop: Stop,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// A supervisor that has not begun.
    pub(super) fn new(
        queues: Queues,
        config: &Config,
        fleet: Fleet,
        identity: Identity,
        functions: Arc<LocalFunctions>,
        requests: Requests,
    ) -> Self {
        let aws = Arc::new(Aws::new(config));
        let mode = config.sync_attributes;
        let (maker, seen) =
            QueueMaker::new(queues.clone(), identity.clone(), Arc::clone(&aws), mode);
        Self {
            queues,
            identity,
            functions,
            aws,
            fleet,
            max_hops: config.max_hops,
            sources: Sources { configured: config.mappings.clone(), ..Sources::default() },
            schedule: Schedule::new(config.sync_interval),
            loading: Loading::default(),
            maker,
            seen,
            pace: Pace::default(),
            renewing: None,
            inheritances: HashMap::new(),
            heirs: JoinSet::new(),
            pollers: HashMap::new(),
            broken: mpsc::unbounded_channel(),
            drained: mpsc::unbounded_channel(),
            mapping_gates: Gates::default(),
            function_gates: Gates::default(),
            counters: HashMap::new(),
            draining: JoinSet::new(),
            requests: requests.asked,
            view: requests.view,
            records: requests.records,
        }
    }

    /// Works until told to stop; returns when the last running invocation is done.
    pub(super) async fn run(mut self, stop: Shutdown) {
        self.loading.want(None);
        while !stop.is_requested() {
            tokio::select! {
                () = stop.requested() => break,
                () = self.loading.due() => self.load().await,
                news = self.fleet.changed() => match news {
                    News::Owners => self.reconcile(),
                    News::Map => self.loading.want(None),
                    News::Again(uuid) => self.look_again(&uuid),
                },
                Some(request) = self.requests.recv() => self.answer(request),
                // Not before it is known what was read last.
                event = self.schedule.event(), if self.loading.is_done() => {
                    self.handle(event).await;
                }
                Some(seen) = self.seen.recv() => self.note(seen),
                Some(uuid) = self.broken.1.recv() => {
                    // A bug of ours must not leave a mapping without a poller.
                    tracing::error!(uuid, "a mapping's poller broke; it is started again");
                    self.pollers.remove(&uuid);
                    self.reconcile();
                }
                Some(()) = self.drained.1.recv() => {
                    self.fleet.map_changed();
                    self.loading.want(None);
                }
                // Those that have ended are forgotten.
                Some(_) = self.draining.join_next() => {}
                Some(_) = self.heirs.join_next() => {}
            }
        }
        for (_, running) in std::mem::take(&mut self.pollers) {
            self.drain(running);
        }
        // Not before: the others take over at once.
        self.fleet.leave().await;
        while self.draining.join_next().await.is_some() {}
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Reload(done) => self.loading.want(Some(done)),
            Request::Changed(done) => {
                self.fleet.map_changed();
                self.loading.want(Some(done));
            }
            Request::Sync(asker) => self.ask(asker),
            Request::Again(uuid) => {
                self.fleet.again(&uuid);
                self.look_again(&uuid);
            }
            Request::Runner(source, done) => {
                let _left = done.send(self.runner(&source));
            }
        }
    }

    /// Looks at a mapping's function now, if it is served here.
    fn look_again(&self, uuid: &str) {
        if let Some(running) = self.pollers.get(uuid) {
            running.health.look_again();
        }
    }

    /// Starts and stops pollers until there is one for each mapping that is to be served here.
    fn reconcile(&mut self) {
        // None is served before it is known whether it is switched off. That is kept where the
        // messages are, so nothing has to wait longer for it.
        if !self.loading.is_done() {
            return;
        }
        let Sources { configured, created, from_aws, .. } = &self.sources;
        let mappings = combine(configured, created, from_aws);
        let uuids: HashSet<&str> = mappings.iter().map(|mapping| mapping.uuid.as_str()).collect();
        self.counters.retain(|uuid, _| uuids.contains(uuid.as_str()));
        self.inherit(&mappings);
        let disabled = &self.sources.disabled;
        let enabled: Vec<&Mapping> =
            mappings.iter().filter(|m| !disabled.contains(&m.uuid)).collect();
        // A function that has yet to come goes after one that another gateway has.
        let has = |mapping: &Mapping| self.functions.get(mapping.function_name()).is_some();
        self.fleet.announce(enabled.iter().map(|m| (m.uuid.as_str(), has(m))));
        let ours = enabled.into_iter().filter(|mapping| self.fleet.owns(&mapping.uuid));
        let plans: Vec<Plan> = ours.map(|mapping| self.plan(mapping.clone())).collect();
        let outdated = |uuid: &String, running: &Running| {
            !plans.iter().any(|plan| plan.mapping.uuid == *uuid && *plan == running.plan)
        };
        let gone: Vec<String> =
            self.pollers.iter().filter(|(u, r)| outdated(u, r)).map(|(u, _)| u.clone()).collect();
        for uuid in gone {
            if let Some(running) = self.pollers.remove(&uuid) {
                let mapping = &running.plan.mapping;
                let follows = plans.iter().any(|plan| plan.mapping.uuid == uuid);
                let what = if follows { "the mapping has changed" } else { "unmapped" };
                tracing::info!(queue = %mapping.queue, function = mapping.function, "{what}");
                self.drain(running);
            }
        }
        for plan in plans {
            if !self.pollers.contains_key(&plan.mapping.uuid) {
                self.launch(plan);
            }
        }
        self.drain_queues();
        self.limit_functions();
        self.remark(&mappings);
        self.show(mappings);
    }

    /// Gives back what died with our last life, also where another gateway serves the mapping now.
    fn inherit(&mut self, mappings: &[Mapping]) {
        for mapping in mappings {
            let is_enabled = !self.sources.disabled.contains(&mapping.uuid);
            if is_enabled && self.local(mapping).is_some() {
                let _others_serve_it = self.inheritance(&mapping.queue);
            }
        }
    }

    /// Under which number leases of this queue are taken; at the first call what was leased under
    /// it before begins to be given back. `None`: leases end by themselves.
    fn inheritance(&mut self, queue: &QueueName) -> Option<Arc<Inheritance>> {
        let holder = self.fleet.holder()?;
        if let Some(known) = self.inheritances.get(queue) {
            return Some(Arc::clone(known));
        }
        let inheritance = Arc::new(Inheritance::new(holder));
        self.inheritances.insert(queue.clone(), Arc::clone(&inheritance));
        let (heir, queues, queue) = (Arc::clone(&inheritance), self.queues.clone(), queue.clone());
        self.heirs.spawn(async move { heir.release_patiently(&queues, &queue).await });
        Some(inheritance)
    }

    fn show(&self, mappings: Vec<Mapping>) {
        let served = mappings.into_iter().map(|mapping| Served {
            is_disabled: self.sources.disabled.contains(&mapping.uuid),
            health: self.pollers.get(&mapping.uuid).map(|running| Arc::clone(&running.health)),
            gate: self.pollers.get(&mapping.uuid).map(|running| Arc::clone(&running.gate)),
            is_draining: self.sources.is_draining(&mapping.uuid),
            counters: self.counters.get(&mapping.uuid).map(Arc::clone),
            mapping,
        });
        let Sources { created_documents, aws, .. } = &self.sources;
        let documents = aws.mappings.iter().chain(created_documents);
        let documents = documents.map(|document| (document.uuid.clone(), document.clone()));
        self.view.send_replace(Arc::new(View {
            is_loaded: true,
            mappings: served.collect(),
            not_served: self.sources.not_served.clone(),
            documents: documents.collect(),
            catalog: Arc::clone(&self.sources.catalog),
            remarks: self.sources.remarks.all(),
            sync: self.sync_view(),
        }));
    }

    fn plan(&self, mapping: Mapping) -> Plan {
        match self.local(&mapping) {
            Some(local) => Plan {
                timeout: local.timeout(),
                concurrency: mapping.concurrency.unwrap_or_else(|| local.processes()),
                mapping,
            },
            None => Plan {
                timeout: self.timeout_of(&mapping).unwrap_or(TIMEOUT_UNKNOWN),
                concurrency: mapping
                    .concurrency
                    .unwrap_or(CONCURRENCY_DEFAULT)
                    .min(self.aws.concurrency_max().unwrap_or(u32::MAX)),
                mapping,
            },
        }
    }

    /// Invocations of a mapping's function at a time, however many mappings it has; 0: it is
    /// switched off.
    fn function_limit(&self, mapping: &Mapping) -> u32 {
        match self.local(mapping) {
            Some(local) => local.processes(),
            None => self.sources.aws.catalog.reserved_for(&mapping.function).unwrap_or(u32::MAX),
        }
    }

    /// Has the mappings stopped that are to be once their queues are empty.
    fn drain_queues(&mut self) {
        let Self { pollers, sources, counters, queues, drained, .. } = self;
        for (uuid, running) in pollers {
            if !sources.is_draining(uuid) {
                running.end_drainer();
            } else if running.drainer.as_ref().is_none_or(JoinHandle::is_finished) {
                let counters = counters.get(uuid).map(Arc::clone).unwrap_or_default();
                let queue = running.plan.mapping.queue.clone();
                let drain = switching::drain(queues.clone(), uuid.clone(), queue, counters);
                let drained = drained.0.clone();
                running.drainer = Some(tokio::spawn(async move {
                    drain.await;
                    let _stopping = drained.send(());
                }));
            }
        }
    }

    /// Tells the gates what is known of their functions now; no poller is replaced for that.
    fn limit_functions(&mut self) {
        for running in self.pollers.values() {
            let mapping = &running.plan.mapping;
            let limit = self.function_limit(mapping);
            self.function_gates.named(mapping.function_name(), limit);
            if limit == 0 {
                running.health.refused.notify_waiters();
            }
        }
    }

    fn launch(&mut self, plan: Plan) {
        let mapping = &plan.mapping;
        let local = self.local(mapping);
        tracing::info!(
            queue = %mapping.queue, function = mapping.function,
            place = if local.is_some() { "here" } else { "Lambda" },
            timeout = ?plan.timeout, concurrency = plan.concurrency, "mapped"
        );
        let inheritance = local.as_ref().and_then(|_| self.inheritance(&mapping.queue));
        let target = match local {
            Some(function) => Target::Local(function),
            None => Target::Aws { aws: Arc::clone(&self.aws), function: mapping.function.clone() },
        };
        let gate = self.mapping_gates.named(&mapping.uuid, plan.concurrency.max(1));
        let limit = self.function_limit(mapping);
        let limits = Limits {
            mapping: AdaptiveLimit::new(Arc::clone(&gate)),
            function: self.function_gates.named(mapping.function_name(), limit),
        };
        let health = Arc::new(Health::new(&target));
        let counters = Arc::clone(self.counters.entry(mapping.uuid.clone()).or_default());
        let poller = Poller {
            queues: self.queues.clone(),
            identity: self.identity.clone(),
            mapping: mapping.clone(),
            target,
            remote_timeout: plan.timeout,
            limits,
            max_hops: self.max_hops,
            inheritance,
            licence: self.fleet.licence(),
            health: Arc::clone(&health),
            visibility: VisibilityTimeout::default(),
            counters,
            maker: self.maker.clone(),
            records: self.records.clone(),
            source: Arc::new(Source {
                mapping: mapping.uuid.clone(),
                queue: mapping.queue.to_string(),
                function: mapping.function.clone(),
            }),
        };
        let (stop, stopped) = shutdown::channel();
        let (broken, uuid) = (self.broken.0.clone(), mapping.uuid.clone());
        let task = tokio::spawn(async move {
            if AssertUnwindSafe(poller.run(stopped)).catch_unwind().await.is_err() {
                tokio::time::sleep(BROKEN_PAUSE).await;
                let _stopping = broken.send(uuid);
            }
        });
        self.pollers.insert(
            mapping.uuid.clone(),
            Running { plan, health, gate, drainer: None, stop, task },
        );
    }

    /// The mapping's function, if it runs here.
    fn local(&self, mapping: &Mapping) -> Option<LocalFunction> {
        self.local_function(&mapping.function)
    }

    /// The function of this name or ARN, if it runs here.
    fn local_function(&self, function: &str) -> Option<LocalFunction> {
        let name = function_name(function);
        // Where nobody speaks with AWS, a bare name can only be one that has yet to come.
        let is_ours = !self.schedule.is_on() && name == function;
        self.functions.get(name).or_else(|| self.functions.expected(name).filter(|_| is_ours))
    }

    fn drain(&mut self, mut running: Running) {
        running.end_drainer();
        running.stop.request();
        self.draining.spawn(async move {
            let _ended = (&mut running.task).await;
        });
    }
}

impl Sources {
    /// Whether the mapping is to be stopped once its queue is empty.
    fn is_draining(&self, uuid: &str) -> bool {
        self.draining.contains(uuid) && !self.disabled.contains(uuid)
    }
}

impl Running {
    fn end_drainer(&mut self) {
        if let Some(drainer) = self.drainer.take() {
            drainer.abort();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end_drainer();
        self.task.abort();
    }
}
