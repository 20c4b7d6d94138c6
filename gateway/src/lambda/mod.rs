//! The trigger: queues' messages become invocations of functions.
//!
//! [`start`] runs a supervisor. It knows the mappings (the configured ones, those made by the
//! Lambda API, and AWS's, read at start and every `--sync-interval`) and keeps one poller running
//! for each that is ours.

mod api;
mod aws;
mod backoff;
mod batch;
mod carried;
mod catalog;
mod control;
mod counters;
mod created;
mod document;
mod event;
mod filtered;
mod fleet;
mod functions;
mod gather;
mod handover;
mod health;
mod inheritance;
mod invoke;
mod limits;
mod local;
mod lookout;
mod mapping;
mod measures;
mod outcome;
mod overview;
mod poller;
mod profile;
mod queue_maker;
mod records;
mod remarks;
mod report;
mod retry;
mod settle;
mod split;
pub mod status;
mod store;
mod supervisor;
mod switching;
mod sync;
mod trace;
mod visibility;

pub use api::Api;
pub(crate) use api::{Operation, is_api_path};
pub use control::Control;
pub use counters::DURATION_BUCKETS;
pub(crate) use counters::percentile_ms;
pub(crate) use fleet::Company;
pub use functions::CloudFunction;
pub use local::{REAPER_SUBCOMMAND, run_reaper};
pub(crate) use measures::{MappingCounts, MappingMeasures};
pub(crate) use records::{
    AgainRefused, NamedMessage, Outcome, Payload, Records, Run, RunId, RunKind,
};
pub use status::{
    CounterValues, FleetStatus, FunctionStatus, GatewayInfo, GatewayStatus, MappingStatus,
    StateStatus, SyncStatus, TriggerStatus, read_fleet,
};
pub(crate) use switching::Wish;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::actions::CopiedQueue;
use crate::config::{Config, SyncAttributes};
use crate::identity::Identity;
use crate::lambda::fleet::Fleet;
use crate::lambda::local::LocalFunctions;
use crate::lambda::lookout::Lookout;
use crate::lambda::supervisor::Supervisor;
use crate::queues::{QueueError, Queues};
use crate::shutdown::{self, Stop};

/// How long a stopping gateway waits for running invocations.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// The running trigger.
#[derive(Debug)]
pub struct Lambda {
    stop: Stop,
    supervisor: JoinHandle<()>,
    lookout: JoinHandle<()>,
    functions: Arc<LocalFunctions>,
    control: Control,
    api: Api,
    company: Company,
    /// Writes what fails to Redis.
    keeping: JoinHandle<()>,
}

/// The functions of this machine, each with why it cannot be run, if that can be seen. Starts
/// nothing.
pub(crate) fn local_problems(config: &Config) -> Vec<(String, Option<String>)> {
    let (folder, identity) = (config.functions_folder.as_deref(), Identity::new(None, None, None));
    LocalFunctions::new(&config.functions, folder, &identity, "", None).problems()
}

/// Starts serving all mappings.
///
/// `holder` is this instance's number, under which leases are taken that end with it; `listen` the
/// address we listen on and `endpoint` our own URL, which local functions use; `karin` the binary
/// with the internal subcommands that keep functions from outliving us. Errors: the system has no
/// randomness.
pub fn start(
    queues: Queues,
    config: &Config,
    holder: Option<u32>,
    identity: Identity,
    (listen, endpoint): (SocketAddr, &str),
    karin: Option<&Path>,
) -> io::Result<Lambda> {
    let (stop, stopped) = shutdown::channel();
    let folder = config.functions_folder.as_deref();
    let functions = LocalFunctions::new(&config.functions, folder, &identity, endpoint, karin);
    let functions = Arc::new(functions);
    let fleet = Fleet::join(&queues, holder)?;
    let company = fleet.company();
    let lookout = Lookout::new(queues.clone(), fleet.company(), Arc::clone(&functions), listen);
    let records = Records::new(queues.clone(), config.keep_payloads);
    let (control, requests) = control::channel(lookout, records.clone());
    let lookout = tokio::spawn(lookout::show_when_asked(control.clone()));
    let knows_others = config.lambda_endpoint.is_some() || config.sync_interval.is_some();
    let api = Api::new(
        queues.clone(),
        identity.clone(),
        Arc::clone(&functions),
        control.clone(),
        knows_others,
    );
    let supervisor =
        Supervisor::new(queues, config, fleet, identity, Arc::clone(&functions), requests);
    let supervisor = tokio::spawn(supervisor.run(stopped));
    let keeping = tokio::spawn(records.keep());
    Ok(Lambda { stop, supervisor, lookout, functions, control, api, company, keeping })
}

/// Makes the queues of the configuration's mappings, so that they are there when karin says that it
/// listens. One that cannot be made now is made by its poller later. What AWS's queue of that name
/// has, if there is a mapping of it, is taken over when AWS was read.
pub async fn make_queues(queues: &Queues, config: &Config, identity: &Identity) {
    let reads = config.sync_interval.is_some() && config.sync_attributes != SyncAttributes::Never;
    for mapping in &config.mappings {
        let ordinary = CopiedQueue::ordinary(&mapping.queue, identity);
        let made = match queues.create(&mapping.queue, &ordinary.for_new(), &[]).await {
            Ok(()) if reads => store::keep_unread(queues, &mapping.queue).await,
            made => made,
        };
        if let Err(QueueError::Unavailable(_)) = made {
            return;
        }
    }
}

impl Lambda {
    /// Lambda's API, for the server.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// What others may ask of the trigger.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// What knows how many gateways are alive.
    pub(crate) fn company(&self) -> &Company {
        &self.company
    }

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
        self.lookout.abort();
        self.functions.stop();
        self.control.records().flush().await;
        self.keeping.abort();
    }
}
