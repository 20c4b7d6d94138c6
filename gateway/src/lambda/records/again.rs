//! Running a function again with an event that was kept, or with one somebody wrote.
//!
//! No message is received, deleted or counted: the function alone runs, where it runs for its
//! mapping, with the same timeout, and in turn with all others that want it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;

use crate::epoch::now_ms;
use crate::lambda::control::Control;
use crate::lambda::invoke::{Call, Kind, Target};
use crate::lambda::limits::Gate;
use crate::lambda::outcome::{Answer, Fault, Refusal, Told};
use crate::lambda::records::run::{Outcome, Payload, Run, RunId, RunKind};
use crate::lambda::records::{Ended, Records, Trail};

/// How long it may wait for its turn, and then for a process.
const TURN_MAX: Duration = Duration::from_secs(10);
/// How long the trigger may take to say where the function is.
const FIND_MAX: Duration = Duration::from_secs(5);
/// How long somebody who asks for it is kept waiting for its end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a function runs, and under which limits.
#[derive(Debug)]
pub(in crate::lambda) struct Runner {
    pub(in crate::lambda) target: Target,
    pub(in crate::lambda) timeout: Duration,
    /// What all its mappings share.
    pub(in crate::lambda) gate: Arc<Gate>,
}

/// What somebody wants to have run.
#[derive(Debug)]
pub(super) struct Again {
    /// The id it is to have, so that the same form sent twice runs it once.
    id: RunId,
    earlier: Run,
    event: Bytes,
}

/// Why a function is not run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgainRefused {
    /// Too many run by hand already.
    Crowded,
    /// The trigger does not answer; karin may be stopping.
    Stopping,
}

impl Control {
    /// The records of invocations.
    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// Runs the function of an invocation with this event. Returns when it has ended, or after a
    /// moment: it goes on, and its record tells. One whose id is known is not begun again.
    pub(crate) async fn invoke_again(
        &self,
        earlier: Run,
        event: Bytes,
        id: RunId,
    ) -> Result<(), AgainRefused> {
        let records = self.records.clone();
        if records.knows(id) {
            return Ok(());
        }
        let place = Arc::clone(&records.0.again).try_acquire_owned();
        let place = place.map_err(|_| AgainRefused::Crowded)?;
        let found = timeout(FIND_MAX, self.runner(Arc::clone(&earlier.source)));
        let runner = found.await.ok().flatten().ok_or(AgainRefused::Stopping)?;
        let again = Again { id, earlier, event };
        if !records.begin(&again) {
            return Ok(());
        }
        let running = tokio::spawn(async move {
            again.run(&runner, &records).await;
            drop(place);
        });
        let _goes_on = timeout(PATIENCE, running).await;
        Ok(())
    }
}

impl Records {
    /// Notes that it runs. Returns whether it did not before.
    fn begin(&self, again: &Again) -> bool {
        let mut run = again.earlier.clone();
        (run.id, run.repeats) = (again.id, Some(again.earlier.id));
        (run.kind, run.outcome) = (RunKind::Again, Outcome::Running);
        (run.at_ms, run.duration_us) = (now_ms(), 0);
        (run.reason, run.request_id, run.trace) = (String::new(), String::new(), String::new());
        (run.messages, run.failed, run.named) = (0, 0, Vec::new());
        run.event = Payload::kept(&again.event, false);
        (run.answer, run.log) = (Payload::default(), Payload::default());
        let mut memory = self.memory();
        if memory.find(again.id).is_some() {
            return false;
        }
        memory.add(Arc::new(run));
        drop(memory);
        self.0.news.notify_one();
        true
    }
}

impl Again {
    async fn run(self, runner: &Runner, records: &Records) {
        let function = &self.earlier.source.function;
        tracing::info!(function, run = %self.id, repeats = %self.earlier.id, "invoked by hand");
        let begun = Instant::now();
        let (begun, told) = match timeout(TURN_MAX, runner.gate.acquire()).await {
            Ok(_permit) => {
                let begun = Instant::now();
                (begun, runner.target.invoke(self.call(runner)).await)
            }
            Err(_) => (begun, Told::from(busy())),
        };
        records.add(Ended {
            kind: RunKind::Again,
            source: &self.earlier.source,
            id: Some(self.id),
            repeats: Some(self.earlier.id),
            trail: Trail::since(begun, None),
            event: &self.event,
            told: &told,
            verdict: None,
            messages: &[],
        });
    }

    fn call(&self, runner: &Runner) -> Call {
        Call {
            event: self.event.clone(),
            timeout: runner.timeout,
            start_by: Instant::now() + TURN_MAX,
            trace_header: None,
            kind: Kind::Wait,
            wants_log: true,
        }
    }
}

fn busy() -> Answer {
    let reason = format!("its places were all taken for {} s", TURN_MAX.as_secs());
    Answer::Refused(Refusal { fault: Fault::Throttled, reason, retry_after: None })
}
