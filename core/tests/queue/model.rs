//! Random commands against a naive model ([`crate::naive`]), for standard queues, such with groups
//! and FIFO queues, clock included. Beside the queue runs a replica that is told effects only, as
//! the module tells them; now and then the queue is saved and loaded, or the replica takes over.
//! All must agree after every step.
//!
//! More cases: `PROPTEST_CASES=100000 cargo test -p karin-core --test queue model`.

use karin_core::limits::DEDUP_IDS_MAX_DEFAULT;
use karin_core::{AttributeName, Demand};
use proptest::prelude::*;

use crate::world::World;

/// What kind of queue it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No message has a group.
    Plain,
    /// Some messages have groups, which get fair turns.
    Fair,
    Fifo,
}

#[derive(Debug, Clone)]
pub(crate) struct Send {
    pub(crate) group: usize,
    pub(crate) delay_ms: u64,
    pub(crate) length: usize,
    pub(crate) dedup_id: Option<u8>,
    pub(crate) dedup_ids_max: u64,
    pub(crate) moved: Option<Mover>,
}

/// What a moved message brings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mover {
    pub(crate) source_uid: u64,
    pub(crate) number: u64,
    pub(crate) has_names: bool,
    pub(crate) age_ms: u64,
    pub(crate) receive_count: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Pop {
    pub(crate) count: usize,
    pub(crate) visibility_timeout_ms: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) groups: Option<usize>,
    pub(crate) holder: u32,
    pub(crate) attempt: Option<u8>,
    pub(crate) in_flight_max: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Transition {
    /// In one command.
    Send(Vec<Send>),
    Pop(Pop),
    Acknowledge {
        pick: usize,
        demand: Demand,
    },
    Extend {
        pick: usize,
        visibility_timeout_ms: u64,
        demand: Demand,
        unchanged: Option<bool>,
    },
    Release {
        pick: usize,
        delay_ms: u64,
    },
    ReleaseHolder {
        holder: u32,
        max: usize,
    },
    /// Of the message a person picked.
    Drop {
        pick: usize,
        force: bool,
    },
    Lease {
        picks: Vec<usize>,
        visibility_timeout_ms: u64,
        max_bytes: Option<u64>,
        in_flight_max: u64,
    },
    Purge,
    Set {
        name: AttributeName,
        value: &'static str,
    },
    Revive {
        count: usize,
        keep_count: bool,
    },
    AcknowledgeLetters {
        up_to: u64,
    },
    Sweep {
        budget: usize,
    },
    Advance {
        ms: u64,
    },
    StepBack {
        ms: u64,
        correct: bool,
    },
    /// In chunks of so many entries; 0: by a rewrite of the append-only file.
    Reload {
        entries: usize,
    },
    Promote,
}

/// A delay or visibility timeout.
fn durations() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![3 => Just(0), 6 => 1_u64..5_000, 2 => Just(30_000)]
}

fn sends() -> impl Strategy<Value = Send> {
    let movers = (1_u64..3, 0_u64..8, any::<bool>(), 0_u64..30_000, 0_u32..4).prop_map(
        |(source_uid, number, has_names, age_ms, receive_count)| Mover {
            source_uid,
            number,
            has_names,
            age_ms,
            receive_count,
        },
    );
    let dedup_id = prop_oneof![
        4 => any::<u8>().prop_map(Some),
        2 => (0_u8..4).prop_map(Some),
        1 => Just(None)
    ];
    let dedup_ids_max = prop_oneof![9 => Just(DEDUP_IDS_MAX_DEFAULT), 1 => 0_u64..6];
    let moved = prop_oneof![6 => Just(None), 1 => movers.prop_map(Some)];
    (0_usize..4, durations(), 0_usize..20, dedup_id, dedup_ids_max, moved).prop_map(
        |(group, delay_ms, length, dedup_id, dedup_ids_max, moved)| Send {
            group,
            delay_ms,
            length,
            dedup_id,
            dedup_ids_max,
            moved,
        },
    )
}

fn pops() -> impl Strategy<Value = Transition> {
    let max_bytes = prop_oneof![3 => Just(None), 1 => (0_u64..60).prop_map(Some)];
    let groups = prop_oneof![3 => Just(None), 1 => (1_usize..4).prop_map(Some)];
    let attempt = prop_oneof![2 => Just(None), 1 => (0_u8..3).prop_map(Some)];
    let in_flight_max = prop_oneof![5 => Just(120_000), 1 => 0_u64..6];
    let timeout = proptest::option::weighted(0.8, durations());
    (1_usize..7, timeout, max_bytes, groups, 0_u32..3, attempt, in_flight_max).prop_map(
        |(count, visibility_timeout_ms, max_bytes, groups, holder, attempt, in_flight_max)| {
            Transition::Pop(Pop {
                count,
                visibility_timeout_ms,
                max_bytes,
                groups,
                holder,
                attempt,
                in_flight_max,
            })
        },
    )
}

fn settings() -> impl Strategy<Value = Transition> {
    let pairs = vec![
        (AttributeName::DelaySeconds, "0"),
        (AttributeName::DelaySeconds, "3"),
        (AttributeName::MaxReceiveCount, "1"),
        (AttributeName::MaxReceiveCount, "3"),
        (AttributeName::DeadLetterTargetArn, "elsewhere"),
        (AttributeName::DeadLetterTargetArn, ""),
        (AttributeName::MessageRetentionPeriod, "20"),
        (AttributeName::MessageRetentionPeriod, "60"),
        (AttributeName::MessageRetentionPeriod, "345600"),
        (AttributeName::VisibilityTimeout, "2"),
        (AttributeName::ContentBasedDeduplication, "true"),
        (AttributeName::ContentBasedDeduplication, "false"),
        (AttributeName::DeduplicationScope, "queue"),
        (AttributeName::DeduplicationScope, "messageGroup"),
    ];
    proptest::sample::select(pairs).prop_map(|(name, value)| Transition::Set { name, value })
}

fn receipt_uses() -> impl Strategy<Value = Transition> {
    let demand = prop_oneof![Just(Demand::Any), Just(Demand::Current)];
    let timeout = prop_oneof![9 => durations(), 1 => Just(43_200_000)];
    let unchanged = prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)];
    prop_oneof![
        4 => (any::<usize>(), demand.clone())
            .prop_map(|(pick, demand)| Transition::Acknowledge { pick, demand }),
        3 => (any::<usize>(), timeout, demand, unchanged)
            .prop_map(|(pick, visibility_timeout_ms, demand, unchanged)| Transition::Extend {
                pick, visibility_timeout_ms, demand, unchanged
            }),
        2 => (any::<usize>(), durations())
            .prop_map(|(pick, delay_ms)| Transition::Release { pick, delay_ms }),
        1 => (0_u32..3, 0_usize..5)
            .prop_map(|(holder, max)| Transition::ReleaseHolder { holder, max }),
    ]
}

/// What a person does with messages they see.
fn choices() -> impl Strategy<Value = Transition> {
    let max_bytes = prop_oneof![3 => Just(None), 1 => (0_u64..60).prop_map(Some)];
    let in_flight_max = prop_oneof![5 => Just(120_000), 1 => 0_u64..6];
    let picks = proptest::collection::vec(any::<usize>(), 1..5);
    prop_oneof![
        (any::<usize>(), any::<bool>()).prop_map(|(pick, force)| Transition::Drop { pick, force }),
        (picks, durations(), max_bytes, in_flight_max).prop_map(
            |(picks, visibility_timeout_ms, max_bytes, in_flight_max)| Transition::Lease {
                picks,
                visibility_timeout_ms,
                max_bytes,
                in_flight_max
            }
        ),
    ]
}

fn transitions() -> impl Strategy<Value = Transition> {
    prop_oneof![
        20 => sends().prop_map(|send| Transition::Send(vec![send])),
        2 => proptest::collection::vec(sends(), 2..5).prop_map(Transition::Send),
        20 => pops(),
        24 => receipt_uses(),
        8 => choices(),
        1 => Just(Transition::Purge),
        4 => settings(),
        2 => (0_usize..4, any::<bool>())
            .prop_map(|(count, keep_count)| Transition::Revive { count, keep_count }),
        1 => (0_u64..12).prop_map(|up_to| Transition::AcknowledgeLetters { up_to }),
        2 => (1_usize..30).prop_map(|budget| Transition::Sweep { budget }),
        12 => (0_u64..10_000).prop_map(|ms| Transition::Advance { ms }),
        1 => (60_000_u64..400_000).prop_map(|ms| Transition::Advance { ms }),
        3 => (prop_oneof![3 => 0_u64..10_000, 1 => 0_u64..400_000], any::<bool>())
            .prop_map(|(ms, correct)| Transition::StepBack { ms, correct }),
        1 => (0_usize..4).prop_map(|entries| Transition::Reload { entries }),
        1 => Just(Transition::Promote),
    ]
}

fn does_what_the_naive_model_does(kind: Kind, transitions: &[Transition]) {
    let mut world = World::new(kind);
    for transition in transitions {
        world.apply(transition);
        world.check();
    }
}

proptest! {
    #[test]
    fn a_standard_queue_and_its_replica_do_what_the_naive_model_does(
        transitions in proptest::collection::vec(transitions(), 1..100)
    ) {
        does_what_the_naive_model_does(Kind::Plain, &transitions);
    }

    #[test]
    fn a_standard_queue_with_groups_and_its_replica_do_what_the_naive_model_does(
        transitions in proptest::collection::vec(transitions(), 1..100)
    ) {
        does_what_the_naive_model_does(Kind::Fair, &transitions);
    }

    #[test]
    fn a_fifo_queue_and_its_replica_do_what_the_naive_model_does(
        transitions in proptest::collection::vec(transitions(), 1..100)
    ) {
        does_what_the_naive_model_does(Kind::Fifo, &transitions);
    }
}
