//! What all gateways of one Redis show of themselves, put together.
//!
//! A gateway that hears that somebody looks writes what it knows of itself under a key of its own,
//! and again every two seconds while somebody goes on looking. Whoever may use the Redis can look,
//! no gateway is needed for it. What is read there may be of another version, or not by a gateway
//! at all.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::{MappingStatus, StateStatus, TriggerStatus};
use crate::lambda::fleet::{self, GatewayId};
use crate::queues::{QueueError, Queues, TellError};

/// Gateways that are looked at.
const GATEWAYS_MAX: usize = 100;
/// How long those who are no gateway wait for gateways that were not looked at until now.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pauses between two looks for what is missing, shortest and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

/// What is shown of a gateway besides its mappings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayInfo {
    /// What tells it from others; another one at each start.
    pub id: String,
    /// Its version of karin.
    pub version: String,
    /// When it was started, epoch milliseconds.
    pub started_ms: u64,
    /// The address it listens on.
    pub listen: String,
    /// When this was written, epoch milliseconds by its own clock.
    pub taken_ms: u64,
    /// Its functions, which run as processes of its machine.
    pub functions: Vec<FunctionStatus>,
    /// Mappings that there was no room to tell of.
    pub left_out: usize,
}

/// A function that runs as processes of a gateway's machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FunctionStatus {
    /// Its name.
    pub name: String,
    /// How long an invocation may take.
    pub timeout_seconds: u64,
    /// The memory it is told that it has.
    pub memory_megabytes: u32,
    /// How many processes there may be.
    pub processes_max: u32,
    /// How many there are.
    pub processes: u32,
    /// How many of them wait for an event.
    pub idle: u32,
    /// Why it cannot run, for people.
    pub problem: Option<String>,
}

/// A gateway at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayStatus {
    /// What it is.
    #[serde(flatten)]
    pub info: GatewayInfo,
    /// What its trigger does.
    pub trigger: TriggerStatus,
}

/// All gateways at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FleetStatus {
    /// Those that answered; the one that was asked comes first.
    pub gateways: Vec<GatewayInfo>,
    /// The ids of those that are there and did not answer.
    pub silent: Vec<String>,
    /// Why the others are not known, if they are not; for people.
    pub problem: Option<String>,
    /// All mappings, each with the state it has where it is served; counters are those of all
    /// gateways together.
    pub trigger: TriggerStatus,
}

/// What was seen of other gateways.
#[derive(Debug, Clone, Default)]
pub(in crate::lambda) struct Look {
    pub(in crate::lambda) gateways: Vec<GatewayStatus>,
    pub(in crate::lambda) silent: Vec<String>,
    pub(in crate::lambda) problem: Option<String>,
}

/// All gateways of these queues, for who is none of them.
///
/// Errors: Redis is away, or this user may not ask.
pub async fn read_fleet(queues: &Queues) -> Result<FleetStatus, QueueError> {
    let asker = GatewayId::random().map_err(|why| QueueError::Unavailable(why.to_string()))?;
    let Look { gateways, silent, .. } = look_at(queues, asker, PATIENCE, &HashSet::new()).await?;
    Ok(FleetStatus::of(gateways, silent))
}

/// The gateways that are not `asker`. Those in `hopeless` are not waited for.
pub(in crate::lambda) async fn look_at(
    queues: &Queues,
    asker: GatewayId,
    patience: Duration,
    hopeless: &HashSet<String>,
) -> Result<Look, QueueError> {
    fleet::look(queues, asker).await.map_err(|error| match error {
        TellError::Forbidden(why) => QueueError::Unavailable(why),
        TellError::Failed(error) => error,
    })?;
    let mut missing = names(queues, asker).await?;
    let (end, mut pause) = (Instant::now() + patience, PAUSES.0);
    let mut gateways = Vec::new();
    loop {
        let read = missing.iter().map(|name| read(queues, name));
        gateways.extend(join_all(read).await.into_iter().flatten());
        missing.retain(|name| !gateways.iter().any(|seen| seen.info.id == *name));
        if missing.iter().all(|name| hopeless.contains(name)) || Instant::now() >= end {
            break;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
    gateways.sort_by(|one, other| one.info.id.cmp(&other.info.id));
    Ok(Look { gateways, silent: missing, problem: None })
}

async fn names(queues: &Queues, asker: GatewayId) -> Result<Vec<String>, QueueError> {
    let mut names = queues.gateway_names().await?;
    names.retain(|name| {
        // Anybody can listen under any name.
        GatewayId::parse(name).is_some_and(|id| id != asker && id.to_string() == *name)
    });
    names.sort_unstable();
    names.truncate(GATEWAYS_MAX);
    Ok(names)
}

/// What this gateway shows, if it shows something that can be understood.
async fn read(queues: &Queues, name: &str) -> Option<GatewayStatus> {
    let text = queues.snapshot(name).await.ok()?;
    let status: GatewayStatus = serde_json::from_slice(&text).ok()?;
    (status.info.id == name).then_some(status)
}

impl FleetStatus {
    /// Of what these gateways say. The first one's word counts where they differ.
    pub(in crate::lambda) fn of(gateways: Vec<GatewayStatus>, silent: Vec<String>) -> Self {
        let mut all = TriggerStatus::default();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut infos = Vec::with_capacity(gateways.len());
        for GatewayStatus { info, trigger } in gateways {
            all.is_loaded |= trigger.is_loaded;
            add_new(&mut all.not_served, trigger.not_served);
            add_new(&mut all.remarks, trigger.remarks);
            if trigger.sync.is_on && !all.sync.is_on {
                all.sync = trigger.sync;
            }
            for mapping in trigger.mappings {
                let mapping = mapping.of_gateway(&info.id);
                let place = places.get(&mapping.uuid);
                if let Some(known) = place.and_then(|&place| all.mappings.get_mut(place)) {
                    known.learn(mapping);
                } else {
                    places.insert(mapping.uuid.clone(), all.mappings.len());
                    all.mappings.push(mapping);
                }
            }
            infos.push(info);
        }
        Self { gateways: infos, silent, problem: None, trigger: all }
    }
}

fn add_new(all: &mut Vec<String>, more: Vec<String>) {
    let known: HashSet<String> = all.iter().cloned().collect();
    all.extend(more.into_iter().filter(|text| !known.contains(text)));
}

impl StateStatus {
    /// Whether who says so serves the mapping.
    pub fn is_served(&self) -> bool {
        !matches!(self, Self::Disabled | Self::Elsewhere)
    }
}

impl MappingStatus {
    fn of_gateway(mut self, id: &str) -> Self {
        self.gateway = self.state.is_served().then(|| id.to_owned());
        self
    }

    /// Adds what another gateway says of it. Whether it is switched off all know; the first one
    /// may be the one that has just done it.
    fn learn(&mut self, other: Self) {
        self.counters.add(&other.counters);
        self.running = self.running.saturating_add(other.running);
        if other.state.is_served() && self.state == StateStatus::Elsewhere {
            self.state = other.state;
            self.gateway = other.gateway;
            self.concurrency = other.concurrency;
            self.last_result = other.last_result;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::status::CounterValues;

    fn gateway(id: &str, states: &[(&str, StateStatus, u64)]) -> GatewayStatus {
        let mapping = |(uuid, state, polled): &(&str, StateStatus, u64)| MappingStatus {
            uuid: (*uuid).to_owned(),
            state: state.clone(),
            counters: CounterValues { polled: *polled, ..CounterValues::default() },
            last_result: if state.is_served() { "OK".to_owned() } else { String::new() },
            ..MappingStatus::default()
        };
        let mappings = states.iter().map(mapping).collect();
        GatewayStatus {
            info: GatewayInfo { id: id.to_owned(), ..GatewayInfo::default() },
            trigger: TriggerStatus { mappings, ..TriggerStatus::default() },
        }
    }

    #[test]
    fn each_mapping_has_the_state_it_has_where_it_is_served() {
        let own = gateway(
            "a",
            &[
                ("1", StateStatus::Elsewhere, 2),
                ("2", StateStatus::Running, 0),
                ("3", StateStatus::Disabled, 0),
            ],
        );
        let paused = StateStatus::Paused { reason: "gone".into(), since_ms: 1, next_probe_ms: 2 };
        let other = gateway(
            "b",
            &[
                ("1", paused.clone(), 3),
                ("2", StateStatus::Elsewhere, 0),
                ("3", StateStatus::Running, 7),
                ("4", StateStatus::Elsewhere, 0),
            ],
        );
        let fleet = FleetStatus::of(vec![own, other], vec!["c".into()]);
        let seen: Vec<_> = fleet.trigger.mappings.iter().collect();
        let told = |n: usize| (&seen[n].state, seen[n].gateway.as_deref(), seen[n].counters.polled);
        assert_eq!(seen.len(), 4);
        assert_eq!(told(0), (&paused, Some("b"), 5));
        assert_eq!(seen[0].last_result, "OK");
        assert_eq!(told(1), (&StateStatus::Running, Some("a"), 0));
        assert_eq!(told(2), (&StateStatus::Disabled, None, 7), "it was just switched off");
        assert_eq!(told(3), (&StateStatus::Elsewhere, None, 0));
        assert_eq!(fleet.silent, ["c"]);
    }

    #[test]
    fn what_another_version_says_is_understood_as_far_as_it_can_be() {
        let later = r#"{"id":"b","mood":"good","trigger":{"is_loaded":true,"mappings":[
            {"uuid":"1","state":{"state":"dreaming","of":"sheep"},
             "counters":{"polled":3,"dreamt":1,"duration_buckets":[1,2]}},
            {"uuid":"2","state":{"state":"elsewhere"},
             "counters":{"duration_buckets":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}}]}}"#;
        let read: GatewayStatus = serde_json::from_str(later).unwrap();
        let [one, two] = &read.trigger.mappings[..] else { panic!("{read:?}") };
        assert_eq!((&one.state, one.counters.polled), (&StateStatus::Elsewhere, 3));
        assert_eq!(one.counters.duration_buckets[..3], [1, 2, 0]);
        assert_eq!(two.counters.duration_buckets, [1; 15]);
        for state in [
            StateStatus::Disabled,
            StateStatus::Elsewhere,
            StateStatus::Waiting { reason: "r".into(), remaining_ms: 3 },
        ] {
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<StateStatus>(&text).unwrap(), state, "{text}");
        }
    }
}
