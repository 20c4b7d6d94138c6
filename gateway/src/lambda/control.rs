//! What others ask of the trigger: to look, to read its mappings anew, to read AWS now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{mpsc, oneshot, watch};

use crate::lambda::catalog::Catalog;
use crate::lambda::counters::Counters;
use crate::lambda::document::MappingDocument;
use crate::lambda::health::Health;
use crate::lambda::limits::Gate;
use crate::lambda::lookout::Lookout;
use crate::lambda::mapping::{Mapping, NotServed};
use crate::lambda::records::{Records, Runner, Source};
use crate::lambda::sync::schedule::Asker;

/// Requests that wait for the supervisor at most.
const REQUESTS_MAX: usize = 64;

/// The trigger's other end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    requests: mpsc::Sender<Request>,
    view: watch::Receiver<Arc<View>>,
    pub(super) lookout: Arc<Lookout>,
    pub(super) records: Records,
}

/// What the supervisor shows, renewed at each change.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Whether what is kept in Redis is known; before, nothing is.
    pub(super) is_loaded: bool,
    /// All mappings, served by this gateway or not.
    pub(super) mappings: Vec<Served>,
    /// AWS's mappings of queues that are not served, and why.
    pub(super) not_served: Vec<NotServed>,
    /// The documents of those made here and of AWS's, by UUID.
    pub(super) documents: HashMap<String, MappingDocument>,
    /// AWS's functions.
    pub(super) catalog: Arc<Catalog>,
    /// What people should know about mappings, queues and the reading of AWS; each is so now.
    pub(super) remarks: Vec<String>,
    /// How reading AWS fares.
    pub(super) sync: SyncView,
}

/// How reading AWS fares.
#[derive(Debug, Clone, Default)]
pub(super) struct SyncView {
    /// Whether AWS is read at all.
    pub(super) is_on: bool,
    /// Whether it is being read.
    pub(super) is_reading: bool,
    /// When the last reading ended, and what came of it, for people.
    pub(super) last: Option<(SystemTime, Result<String, String>)>,
}

/// A mapping, and how it fares.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) mapping: Mapping,
    /// Somebody has switched it off here.
    pub(super) is_disabled: bool,
    /// `None`: this gateway does not serve it.
    pub(super) health: Option<Arc<Health>>,
    /// How many invocations may run at a time here.
    pub(super) gate: Option<Arc<Gate>>,
    /// It is to be stopped once its queue is empty.
    pub(super) is_draining: bool,
    /// What it did here; `None`: this gateway has not served it.
    pub(super) counters: Option<Arc<Counters>>,
}

/// What the supervisor is asked.
#[derive(Debug)]
pub(super) enum Request {
    /// To read what is kept in Redis again, because it was changed.
    Reload(oneshot::Sender<()>),
    /// To do so, and to tell the other gateways that it was changed.
    Changed(oneshot::Sender<()>),
    /// To look at a mapping's function now, whichever gateway serves it.
    Again(String),
    /// To read AWS now. Answers with what came of it, for people.
    Sync(Asker),
    /// Where the function of an invocation runs, and under which limits.
    Runner(Arc<Source>, oneshot::Sender<Runner>),
}

/// The supervisor's end.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) asked: mpsc::Receiver<Request>,
    pub(super) view: watch::Sender<Arc<View>>,
    pub(super) records: Records,
}

/// Both ends.
pub(super) fn channel(lookout: Lookout, records: Records) -> (Control, Requests) {
    let (sender, requests) = mpsc::channel(REQUESTS_MAX);
    let (view, seen) = watch::channel(Arc::default());
    let lookout = Arc::new(lookout);
    let control = Control { requests: sender, view: seen, lookout, records: records.clone() };
    (control, Requests { asked: requests, view, records })
}

impl Control {
    /// What the supervisor showed last.
    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Has the mappings read from Redis again, and returns once they are as they are there.
    pub async fn reload(&self) {
        self.done(Request::Reload).await;
    }

    /// To be called after what is kept of the mappings in Redis was changed: tells the other
    /// gateways, and does what [`Control::reload`] does.
    pub async fn changed(&self) {
        self.done(Request::Changed).await;
    }

    async fn done(&self, request: impl FnOnce(oneshot::Sender<()>) -> Request) {
        let (done, answered) = oneshot::channel();
        if self.requests.send(request(done)).await.is_ok() {
            let _stopping = answered.await;
        }
    }

    /// Has the function of a paused mapping looked at now, whichever gateway serves it.
    pub async fn look_again(&self, uuid: &str) {
        let _stopping = self.requests.send(Request::Again(uuid.to_owned())).await;
    }

    /// Where the function of an invocation runs; `None`: karin is stopping.
    pub(super) async fn runner(&self, source: Arc<Source>) -> Option<Runner> {
        let (done, found) = oneshot::channel();
        self.requests.send(Request::Runner(source, done)).await.ok()?;
        found.await.ok()
    }

    /// Has AWS read now. Returns a summary of what changed, or why it was not read.
    pub async fn sync(&self) -> Result<String, String> {
        let (done, synced) = oneshot::channel();
        let stopping = || "karin is stopping".to_owned();
        self.requests.send(Request::Sync(done)).await.map_err(|_| stopping())?;
        synced.await.map_err(|_| stopping())?
    }
}
