//! Effects of any content: what a hostile client or another version may send. Each is refused and
//! changes nothing, or leaves a sound queue that can be saved and loaded.

use karin_core::snapshot::encode_slot;
use karin_core::{Attributes, Queue, Tags};
use proptest::prelude::*;

const T0: u64 = 1_700_000_000_000;

/// Where a message stands, as `core/src/snapshot.rs` lays it out.
#[derive(Debug, Clone)]
struct Position {
    place: u8,
    slot: u32,
    sequence: u64,
    due_ms: u64,
    history: [u8; 28],
}

#[derive(Debug, Clone)]
enum Effect {
    Put(Vec<(Position, Vec<u8>)>),
    States(Vec<Position>),
    Delete(u32, u64),
    Purge(u64),
    Header { uid: u64, last_sequence: u64 },
}

fn history(first_received_ms: u64, leased_ms: u64, lease: u32, count: u32) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[..8].copy_from_slice(&first_received_ms.to_le_bytes());
    bytes[8..16].copy_from_slice(&leased_ms.to_le_bytes());
    bytes[16..20].copy_from_slice(&lease.to_le_bytes());
    bytes[20..24].copy_from_slice(&count.to_le_bytes());
    bytes
}

fn positions() -> impl Strategy<Value = Position> {
    let slots = prop_oneof![20 => 0_u32..12, 2 => 0_u32..5_000, 1 => Just(1 << 30)];
    let sequences = prop_oneof![20 => 1_u64..10, 1 => Just(0), 1 => (1_u64 << 48) - 2..1 << 49];
    let times = prop_oneof![10 => T0 - 5..T0 + 5, 1 => Just(0), 1 => (1_u64 << 48) - 1..1 << 49];
    // Mostly what the place can have.
    let histories = (any::<bool>(), T0..T0 + 5, 0_u32..3, prop_oneof![0_u32..3, Just(u32::MAX)]);
    (0_u8..5, slots, sequences, times, histories).prop_map(
        |(place, slot, sequence, due_ms, (any, first_received_ms, lease, count))| {
            let history = match place {
                _ if any => history(first_received_ms, T0, lease, count),
                2 => history(first_received_ms, 0, 0, count.max(1)),
                3 => history(first_received_ms, T0, lease.max(1), count.max(1)),
                _ => history(0, 0, 0, 0),
            };
            Position { place, slot, sequence, due_ms, history }
        },
    )
}

fn effects() -> impl Strategy<Value = Effect> {
    let payloads = proptest::collection::vec(any::<u8>(), 0..6);
    let puts = proptest::collection::vec((positions(), payloads), 1..4);
    prop_oneof![
        8 => puts.prop_map(Effect::Put),
        4 => proptest::collection::vec(positions(), 1..4).prop_map(Effect::States),
        2 => (0_u32..12, 1_u64..10).prop_map(|(slot, sequence)| Effect::Delete(slot, sequence)),
        1 => (0_u64..12).prop_map(Effect::Purge),
        1 => (1_u64..3, 0_u64..12)
            .prop_map(|(uid, last_sequence)| Effect::Header { uid, last_sequence }),
    ]
}

impl Position {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.place];
        bytes.extend_from_slice(&self.slot.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.due_ms.to_le_bytes());
        bytes
    }

    fn state(&self) -> Vec<u8> {
        [self.bytes(), self.history.to_vec()].concat()
    }

    fn meta(&self, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        let mut meta = [self.bytes(), T0.to_le_bytes().to_vec(), length.repeat(2)].concat();
        if self.place >= 2 {
            meta.extend_from_slice(&self.history);
        }
        meta
    }
}

/// Whether the effect was taken.
fn apply(queue: &mut Queue, effect: &Effect) -> bool {
    match effect {
        Effect::Put(messages) => {
            let metas: Vec<_> = messages.iter().map(|(at, payload)| at.meta(payload)).collect();
            let pairs =
                metas.iter().zip(messages).map(|(meta, (_, payload))| (&**meta, &**payload));
            queue.apply_puts(&pairs.collect::<Vec<_>>()).is_ok()
        }
        Effect::States(states) => {
            queue.apply_states(&states.iter().flat_map(Position::state).collect::<Vec<_>>()).is_ok()
        }
        &Effect::Delete(slot, sequence) => {
            let mut slots = Vec::new();
            encode_slot(&mut slots, slot, sequence);
            queue.apply_delete(&slots).is_ok()
        }
        &Effect::Purge(up_to_sequence) => {
            queue.apply_purge(up_to_sequence);
            true
        }
        &Effect::Header { uid, last_sequence } => {
            let mut header = self::queue(uid).encode_header();
            header[25..33].copy_from_slice(&last_sequence.to_le_bytes());
            queue.apply_header(&header).is_ok()
        }
    }
}

fn queue(uid: u64) -> Queue {
    Queue::new(uid, T0, Attributes::default(), Tags::default())
}

fn digest(queue: &Queue) -> Vec<Vec<u8>> {
    let mut items = Vec::new();
    queue.digest_items(&mut |item| items.push(item.to_vec()));
    items
}

/// The queue as it is after a save and a load.
fn reloaded(queue: &Queue) -> Queue {
    let mut chunk = Vec::new();
    for slot in queue.slots() {
        queue.encode_record(slot, &mut chunk);
    }
    let mut loaded = Queue::decode_header(&queue.encode_header()).unwrap();
    loaded.load_messages(&chunk).unwrap();
    loaded.finish_load();
    loaded
}

proptest! {
    #[test]
    fn what_any_effects_have_made_is_sound_and_survives_a_restart(
        effects in proptest::collection::vec(effects(), 1..60)
    ) {
        let mut queue = queue(1);
        for effect in &effects {
            let before = digest(&queue);
            if !apply(&mut queue, effect) {
                prop_assert_eq!(digest(&queue), before, "{:?}", effect);
            }
            prop_assert_eq!(queue.check(), Ok(()));
            let loaded = reloaded(&queue);
            prop_assert_eq!(loaded.check(), Ok(()));
            prop_assert_eq!(digest(&loaded), digest(&queue));
        }
    }
}

#[test]
fn an_effect_that_brings_a_sequence_number_that_is_elsewhere_moves_the_message() {
    let mut queue = queue(1);
    for slot in [0, 1] {
        let none = history(0, 0, 0, 0);
        let at = Position { place: 0, slot, sequence: 1, due_ms: T0, history: none };
        queue.apply_puts(&[(&at.meta(b"x"), b"x")]).unwrap();
        queue.check().unwrap();
        assert_eq!(queue.slots().collect::<Vec<_>>(), [slot]);
    }
}
