//! This gateway as others see it, and the others as this one does: only while somebody looks.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::epoch::{epoch_ms, now_ms};
use crate::lambda::control::Control;
use crate::lambda::fleet::Company;
use crate::lambda::local::{LocalFunction, LocalFunctions};
use crate::lambda::status::{
    FleetStatus, FunctionStatus, GatewayInfo, GatewayStatus, Look, MappingStatus, StateStatus,
    look_at,
};
use crate::queues::{Queues, SNAPSHOT_BYTES_MAX};

/// Between two snapshots of ourselves while somebody looks.
const RENEWED: Duration = Duration::from_secs(2);
/// How long somebody who has looked is looking.
const LOOKING: Duration = Duration::from_secs(10);
/// How long what was seen of others is good enough for the next who looks.
const FRESH: Duration = Duration::from_secs(1);
/// How long a page waits for gateways that were not looked at until now.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long a page waits for Redis to tell of other gateways.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// Mappings in a snapshot at most; those served come first.
const MAPPINGS_MAX: usize = 1_000;
/// Functions in a snapshot at most.
const FUNCTIONS_MAX: usize = 1_000;
/// Remarks in a snapshot at most, and mappings that are not served.
const REMARKS_MAX: usize = 200;
/// Characters of a text in a snapshot at most.
const TEXT_MAX: usize = 1_000;

/// What is needed to look, and to be seen.
#[derive(Debug)]
pub(super) struct Lookout {
    queues: Queues,
    company: Company,
    functions: Arc<LocalFunctions>,
    listen: SocketAddr,
    started: SystemTime,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    last: Option<(Instant, Look)>,
    /// Gateways that did not answer when they were waited for.
    hopeless: HashSet<String>,
}

impl Lookout {
    pub(super) fn new(
        queues: Queues,
        company: Company,
        functions: Arc<LocalFunctions>,
        listen: SocketAddr,
    ) -> Self {
        let (started, seen) = (SystemTime::now(), Mutex::default());
        Self { queues, company, functions, listen, started, seen }
    }

    fn info(&self) -> GatewayInfo {
        GatewayInfo {
            id: self.company.id().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: epoch_ms(self.started),
            listen: self.listen.to_string(),
            taken_ms: now_ms(),
            functions: self.functions.known().iter().map(function).collect(),
            left_out: 0,
        }
    }

    /// The others, as they were seen within the last second.
    async fn look(&self) -> Look {
        if self.company.others() == 0 {
            return Look::default();
        }
        let mut seen = self.seen.lock().await;
        if let Some((at, look)) = &seen.last
            && at.elapsed() < FRESH
        {
            return look.clone();
        }
        let looking = look_at(&self.queues, self.company.id(), PATIENCE, &seen.hopeless);
        let problem = |problem| Look { problem: Some(problem), ..Look::default() };
        // Redis may stand still, and a page that shows what is known here need not.
        let look = match timeout(LOOK_MAX, looking).await {
            Ok(look) => look.unwrap_or_else(|error| problem(error.to_string())),
            Err(_) => problem("Redis does not answer".to_owned()),
        };
        seen.hopeless = look.silent.iter().cloned().collect();
        seen.last = Some((Instant::now(), look.clone()));
        look
    }
}

fn function(function: &LocalFunction) -> FunctionStatus {
    let (processes, idle) = function.at_work();
    FunctionStatus {
        name: function.name().to_owned(),
        timeout_seconds: function.timeout().as_secs(),
        memory_megabytes: function.memory_megabytes(),
        processes_max: function.processes(),
        processes,
        idle,
        problem: function.problem(),
    }
}

impl Control {
    /// How this gateway fares now.
    pub fn gateway_status(&self) -> GatewayStatus {
        GatewayStatus { info: self.lookout.info(), trigger: self.status() }
    }

    /// How all gateways fare now; those that are not this one as they did some seconds ago at most.
    /// Alone this asks nobody.
    pub async fn fleet_status(&self) -> FleetStatus {
        let Look { mut gateways, silent, problem } = self.lookout.look().await;
        gateways.insert(0, self.gateway_status());
        FleetStatus { problem, ..FleetStatus::of(gateways, silent) }
    }
}

/// Shows this gateway to others while they look, for ever.
pub(super) async fn show_when_asked(control: Control) {
    let Lookout { queues, company, .. } = &*control.lookout;
    let name = company.id().to_string();
    loop {
        company.asked().await;
        while company.was_asked_within(LOOKING) {
            let text = snapshot(control.gateway_status());
            if let Err(error) = queues.show_snapshot(&name, &text).await {
                tracing::debug!(%error, "nobody sees this gateway");
            }
            tokio::time::sleep(RENEWED).await;
        }
    }
}

/// A status as text, within bounds.
fn snapshot(mut status: GatewayStatus) -> String {
    let GatewayStatus { info, trigger } = &mut status;
    info.functions.truncate(FUNCTIONS_MAX);
    trigger.mappings.sort_by_key(|mapping| !mapping.state.is_served());
    info.left_out = trigger.mappings.len().saturating_sub(MAPPINGS_MAX);
    trigger.mappings.truncate(MAPPINGS_MAX);
    trigger.mappings.iter_mut().for_each(shorten);
    for texts in [&mut trigger.not_served, &mut trigger.remarks] {
        texts.truncate(REMARKS_MAX);
        texts.iter_mut().for_each(cut);
    }
    for function in &mut info.functions {
        function.problem.iter_mut().for_each(cut);
    }
    loop {
        // Texts and numbers: it does not fail.
        let text = serde_json::to_string(&status).unwrap_or_default();
        let mappings = &mut status.trigger.mappings;
        if text.len() <= SNAPSHOT_BYTES_MAX || mappings.is_empty() {
            return text;
        }
        let keep = mappings.len() / 2;
        status.info.left_out += mappings.len() - keep;
        mappings.truncate(keep);
    }
}

fn shorten(mapping: &mut MappingStatus) {
    cut(&mut mapping.last_result);
    match &mut mapping.state {
        StateStatus::Waiting { reason, .. } | StateStatus::Paused { reason, .. } => cut(reason),
        StateStatus::Disabled | StateStatus::Running | StateStatus::Elsewhere => {}
    }
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::status::TriggerStatus;

    #[test]
    fn a_snapshot_is_bounded_and_has_what_is_served_first() {
        let mapping = |n: usize| MappingStatus {
            uuid: n.to_string(),
            state: if n == 1_999 { StateStatus::Running } else { StateStatus::Elsewhere },
            filters: vec!["x".repeat(4_096); 10],
            last_result: "ü".repeat(5_000),
            ..MappingStatus::default()
        };
        let trigger = TriggerStatus {
            mappings: (0..2_000).map(mapping).collect(),
            remarks: vec!["é".repeat(2_000); 5_000],
            ..TriggerStatus::default()
        };
        let text = snapshot(GatewayStatus { trigger, ..GatewayStatus::default() });
        assert!(text.len() <= SNAPSHOT_BYTES_MAX, "{}", text.len());
        let read: GatewayStatus = serde_json::from_str(&text).unwrap();
        let told = &read.trigger.mappings;
        assert_eq!(told[0].uuid, "1999");
        assert_eq!(told[0].last_result.chars().count(), TEXT_MAX + 1);
        assert_eq!(told.len() + read.info.left_out, 2_000);
        assert!(told.len() > 10, "{}", told.len());
    }
}
