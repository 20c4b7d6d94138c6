//! Effects of any content: what a hostile client or another version may send. Each is refused and
//! changes nothing, or leaves a sound queue that can be saved and loaded, and that takes commands
//! as any other.

use karin_core::limits::WALK_BUDGET;
use karin_core::snapshot::encode_slot;
use karin_core::{
    AttributeName, Attributes, Demand, Letter, Outcome, PopOptions, Queue, SendOptions, Tags,
};
use proptest::prelude::*;

use crate::common::{T0, digest, reloaded};

const GROUP_FLAG: u8 = 16;
const EXTRAS_FLAG: u8 = 32;

/// Where a message stands, as `core/src/records.rs` lays it out.
#[derive(Debug, Clone)]
struct Position {
    place: u8,
    slot: u32,
    sequence: u64,
    due_ms: u64,
    history: [u8; 30],
}

/// A message beside its position.
#[derive(Debug, Clone)]
struct Content {
    flags: u8,
    group: Vec<u8>,
    body: Vec<u8>,
    extras: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Effect {
    Put(Vec<(Position, Content)>),
    States(Vec<Position>),
    Delete(u32, u64),
    Purge(u64),
    Header {
        uid: u64,
        numbers: [u64; 2],
        delay: &'static str,
        watermark: (u64, u64),
    },
    Watermark {
        source_uid: u64,
        number: u64,
    },
    Dedup(Vec<u8>),
    Attempt(Vec<u8>),
    Forget(u64),
    /// What a server does that was told all this and is a master now.
    Command(Command),
}

#[derive(Debug, Clone, Copy)]
enum Command {
    Pop { count: usize, holder: u32, attempt: bool },
    Send { group: bool },
    Acknowledge { slot: u32, sequence: u64, lease: u32 },
    ReleaseHolder,
    Revive { keep_count: bool },
    AcknowledgeLetters { up_to: u64 },
    Sweep,
    CorrectTimes,
    Counts,
}

fn history(
    first_received_ms: u64,
    leased_ms: u64,
    lease: u32,
    count: u32,
    holder: u32,
) -> [u8; 30] {
    let mut bytes = [0; 30];
    bytes[..8].copy_from_slice(&first_received_ms.to_le_bytes());
    bytes[8..16].copy_from_slice(&leased_ms.to_le_bytes());
    bytes[16..20].copy_from_slice(&lease.to_le_bytes());
    bytes[20..24].copy_from_slice(&count.to_le_bytes());
    bytes[24..28].copy_from_slice(&holder.to_le_bytes());
    bytes
}

fn times() -> impl Strategy<Value = u64> {
    prop_oneof![20 => T0 - 5..T0 + 5, 1 => Just(0), 1 => (1_u64 << 48) - 2..1 << 49]
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![20 => 0_u64..12, 1 => (1_u64 << 47) - 2..(1 << 47) + 1, 1 => Just(1 << 48)]
}

fn positions() -> impl Strategy<Value = Position> {
    let slots = prop_oneof![20 => 0_u32..12, 2 => 0_u32..5_000, 1 => Just(1 << 30)];
    let counts = prop_oneof![0_u32..3, Just(u32::MAX)];
    // Mostly what the place can have.
    let histories = (0_u8..10, T0..T0 + 5, 0_u32..3, counts, 0_u32..3);
    (0_u8..6, slots, numbers(), times(), histories, numbers()).prop_map(
        |(place, slot, sequence, due_ms, (any, first_ms, lease, count, holder), number)| {
            let history = match place {
                _ if any == 0 => history(first_ms, T0, lease, count, holder),
                2 if count == 0 => history(0, due_ms, 0, 0, 0),
                2 => history(first_ms, due_ms, 0, count, 0),
                3 => history(first_ms, due_ms, lease.max(1), count.max(1), holder),
                4 => history(first_ms, number, lease, count, 0),
                _ => history(0, 0, 0, 0, 0),
            };
            Position { place, slot, sequence, due_ms, history }
        },
    )
}

/// Entries of extras, good ones and others.
fn extras() -> impl Strategy<Value = Vec<u8>> {
    let lengths = prop_oneof![9 => 1_usize..40, 3 => Just(36), 1 => 120_usize..140];
    let entries = proptest::collection::vec((0_u8..5, lengths), 0..4);
    (entries, 0_u16..20).prop_map(|(entries, wrong)| {
        let mut bytes = Vec::new();
        for (tag, length) in entries {
            bytes.push(tag);
            bytes.extend_from_slice(&u16::try_from(length).unwrap().to_le_bytes());
            bytes.resize(bytes.len() + length, b'x');
        }
        let wrong = if wrong > 2 { 0 } else { wrong };
        let length = u16::try_from(bytes.len()).unwrap() + wrong;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes
    })
}

fn contents() -> impl Strategy<Value = Content> {
    let flags = prop_oneof![
        8 => Just(GROUP_FLAG),
        8 => Just(GROUP_FLAG | EXTRAS_FLAG),
        4 => Just(EXTRAS_FLAG),
        4 => Just(0),
        1 => any::<u8>().prop_map(|byte| byte & 0xf0)
    ];
    let groups = prop_oneof![
        20 => (b'a'..b'e').prop_map(|name| vec![name]),
        1 => Just(vec![]),
        1 => (127_usize..131).prop_map(|length| vec![b'g'; length])
    ];
    let bodies = proptest::collection::vec(any::<u8>(), 0..6);
    (flags, groups, bodies, extras()).prop_map(|(flags, group, body, extras)| Content {
        flags,
        group,
        body,
        extras,
    })
}

fn dedup_chunks() -> impl Strategy<Value = Effect> {
    let entries = proptest::collection::vec((0_u8..6, numbers(), times()), 1..4);
    (entries, 0_usize..10).prop_map(|(entries, cut)| {
        let mut chunk = Vec::new();
        for (hash, sequence, at_ms) in entries {
            chunk.extend_from_slice(&[hash; 16]);
            chunk.extend_from_slice(&sequence.to_le_bytes());
            chunk.extend_from_slice(&at_ms.to_le_bytes());
        }
        chunk.truncate(chunk.len() - if cut < 2 { cut } else { 0 });
        Effect::Dedup(chunk)
    })
}

fn attempts() -> impl Strategy<Value = Effect> {
    let received = proptest::collection::vec((numbers(), 0_u32..3, times()), 0..4);
    (0_u8..4, times(), received, 0_usize..10).prop_map(|(hash, at_ms, received, cut)| {
        let mut bytes = [hash; 16].to_vec();
        bytes.extend_from_slice(&at_ms.to_le_bytes());
        for (sequence, lease, due_ms) in received {
            bytes.extend_from_slice(&sequence.to_le_bytes());
            bytes.extend_from_slice(&lease.to_le_bytes());
            bytes.extend_from_slice(&due_ms.to_le_bytes());
        }
        bytes.truncate(bytes.len() - if cut < 2 { cut } else { 0 });
        Effect::Attempt(bytes)
    })
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => (1_usize..5, 0_u32..3, any::<bool>())
            .prop_map(|(count, holder, attempt)| Command::Pop { count, holder, attempt }),
        2 => any::<bool>().prop_map(|group| Command::Send { group }),
        2 => (0_u32..12, 1_u64..10, 0_u32..3).prop_map(|(slot, sequence, lease)| {
            Command::Acknowledge { slot, sequence, lease }
        }),
        1 => Just(Command::ReleaseHolder),
        1 => any::<bool>().prop_map(|keep_count| Command::Revive { keep_count }),
        1 => numbers().prop_map(|up_to| Command::AcknowledgeLetters { up_to }),
        1 => Just(Command::Sweep),
        1 => Just(Command::CorrectTimes),
        1 => Just(Command::Counts),
    ]
}

fn effects() -> impl Strategy<Value = Effect> {
    let header = (1_u64..12, [numbers(), numbers()], 0_usize..2, (0_u64..3, numbers())).prop_map(
        |(uid, numbers, delay, watermark)| Effect::Header {
            // Another uid empties the queue.
            uid: if uid == 2 { 2 } else { 1 },
            numbers,
            delay: ["0", "3"][delay],
            watermark,
        },
    );
    prop_oneof![
        16 => proptest::collection::vec((positions(), contents()), 1..4).prop_map(Effect::Put),
        8 => proptest::collection::vec(positions(), 1..4).prop_map(Effect::States),
        3 => (0_u32..12, 1_u64..10).prop_map(|(slot, sequence)| Effect::Delete(slot, sequence)),
        1 => (0_u64..12).prop_map(Effect::Purge),
        2 => header,
        1 => (0_u64..3, any::<u64>())
            .prop_map(|(source_uid, number)| Effect::Watermark { source_uid, number }),
        2 => dedup_chunks(),
        2 => attempts(),
        1 => times().prop_map(Effect::Forget),
        6 => commands().prop_map(Effect::Command),
    ]
}

impl Position {
    fn bytes(&self, flags: u8) -> Vec<u8> {
        let mut bytes = vec![self.place | flags];
        bytes.extend_from_slice(&self.slot.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.due_ms.to_le_bytes());
        bytes
    }

    fn state(&self) -> Vec<u8> {
        [self.bytes(0), self.history.to_vec()].concat()
    }

    fn meta(&self, content: &Content) -> Vec<u8> {
        let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
        let mut meta = self.bytes(content.flags);
        meta.extend_from_slice(&T0.to_le_bytes());
        meta.extend_from_slice(&length(content.body.len()));
        meta.extend_from_slice(&length(content.payload().len()));
        if (2..=4).contains(&self.place) {
            meta.extend_from_slice(&self.history);
        }
        if content.flags & GROUP_FLAG != 0 {
            meta.push(u8::try_from(content.group.len()).unwrap());
            meta.extend_from_slice(&content.group);
        }
        meta
    }
}

impl Content {
    fn plain(body: &[u8]) -> Self {
        Self { flags: 0, group: vec![], body: body.to_vec(), extras: vec![] }
    }

    fn payload(&self) -> Vec<u8> {
        let extras = if self.flags & EXTRAS_FLAG == 0 { &[][..] } else { &self.extras };
        [&self.body, extras].concat()
    }
}

/// Whether the effect was taken.
fn apply(queue: &mut Queue, effect: &Effect) -> bool {
    match effect {
        Effect::Put(messages) => {
            let bytes: Vec<_> = messages
                .iter()
                .map(|(at, content)| (at.meta(content), content.payload()))
                .collect();
            let pairs: Vec<_> = bytes.iter().map(|(meta, payload)| (&**meta, &**payload)).collect();
            queue.apply_puts(&pairs).is_ok()
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
        &Effect::Header { uid, numbers, delay, watermark: (source_uid, number) } => {
            let mut other = self::queue(uid, queue.attributes().fifo);
            let mut attributes = other.attributes().clone();
            attributes.set(AttributeName::DelaySeconds, delay.as_bytes()).unwrap();
            other.set_attributes(T0, attributes);
            other.apply_watermark(Letter { source_uid, number });
            let mut header = other.encode_header();
            header[25..33].copy_from_slice(&numbers[0].to_le_bytes());
            header[41..49].copy_from_slice(&numbers[1].to_le_bytes());
            queue.apply_header(&header).is_ok()
        }
        &Effect::Watermark { source_uid, number } => {
            queue.apply_watermark(Letter { source_uid, number });
            true
        }
        Effect::Dedup(chunk) => queue.apply_dedup(chunk).is_ok(),
        Effect::Attempt(bytes) => queue.apply_attempt(bytes).is_ok(),
        &Effect::Forget(until_ms) => {
            queue.apply_forget(until_ms);
            true
        }
        &Effect::Command(command) => {
            run(queue, command);
            true
        }
    }
}

fn run(queue: &mut Queue, command: Command) {
    match command {
        Command::Pop { count, holder, attempt } => {
            let options = PopOptions {
                count,
                holder,
                attempt: attempt.then_some(b"try"),
                ..PopOptions::default()
            };
            let popped = queue.pop_due(T0, &options, &mut || 1);
            assert!(popped.leased.len() <= count.max(1_000));
            assert!(popped.leased.iter().all(|&slot| queue.view(slot).is_some()));
        }
        Command::Send { group } => {
            let fifo = queue.attributes().fifo;
            let options = SendOptions {
                group: (group || fifo).then_some(b"a"),
                dedup_id: fifo.then_some(b"id"),
                ..SendOptions::default()
            };
            let before = queue.last_sequence();
            if let Ok(sent) = queue.send(T0, &options) {
                assert_eq!(sent.slot.is_some(), sent.sequence == before + 1);
            }
        }
        Command::Acknowledge { slot, sequence, lease } => {
            let receipt = karin_core::Receipt { uid: queue.uid(), slot, sequence, lease };
            let before = queue.len();
            let done = queue.acknowledge(T0, &receipt, Demand::Any) == Outcome::Done;
            assert_eq!(queue.len(), before - usize::from(done));
        }
        Command::ReleaseHolder => drop(queue.release_holder(T0, 1, 2)),
        Command::Revive { keep_count } => drop(queue.revive(T0, 2, keep_count)),
        Command::AcknowledgeLetters { up_to } => {
            queue.acknowledge_letters(up_to);
            let left = queue.letters(0, usize::MAX);
            assert!(left.iter().all(|&(number, _)| number > up_to));
        }
        Command::Sweep => drop(queue.sweep(T0, 2)),
        Command::CorrectTimes => drop(queue.correct_times(T0, 3, 0, WALK_BUDGET)),
        Command::Counts => {
            let counts = queue.counts(T0);
            let all = counts.ready + counts.delayed + counts.in_flight + counts.dead;
            assert_eq!(usize::try_from(all).unwrap(), queue.len());
        }
    }
}

fn queue(uid: u64, fifo: bool) -> Queue {
    let mut attributes = Attributes::default();
    attributes.fifo = fifo;
    attributes.set(AttributeName::DeadLetterTargetArn, b"elsewhere").unwrap();
    attributes.set(AttributeName::MaxReceiveCount, b"2").unwrap();
    Queue::new(uid, T0, attributes, Tags::default())
}

proptest! {
    #[test]
    fn what_any_effects_have_made_is_sound_and_survives_a_restart(
        fifo: bool,
        effects in proptest::collection::vec(effects(), 1..60)
    ) {
        let mut queue = queue(1, fifo);
        for effect in &effects {
            let before = digest(&queue);
            if !apply(&mut queue, effect) {
                prop_assert_eq!(digest(&queue), before, "{:?}", effect);
            }
            prop_assert_eq!(queue.check(), Ok(()), "{:?}", effect);
            let loaded = reloaded(&queue, 2);
            prop_assert_eq!(loaded.check(), Ok(()));
            prop_assert_eq!(digest(&loaded), digest(&queue));
        }
    }

    #[test]
    fn effects_applied_twice_do_what_they_do_once(
        fifo: bool,
        effects in proptest::collection::vec(effects(), 1..40)
    ) {
        let mut queue = queue(1, fifo);
        for mut effect in effects {
            // Of messages that fight for a slot the second round may decide otherwise; no master
            // tells of such.
            if let Effect::Put(messages) = &mut effect {
                messages.truncate(1);
            }
            apply(&mut queue, &effect);
            if !matches!(effect, Effect::Command(_)) {
                let once = digest(&queue);
                apply(&mut queue, &effect);
                prop_assert_eq!(digest(&queue), once, "{:?}", effect);
                prop_assert_eq!(queue.check(), Ok(()));
            }
        }
    }
}

#[test]
fn an_effect_that_brings_a_sequence_number_that_is_elsewhere_moves_the_message() {
    let mut queue = queue(1, false);
    let content = Content::plain(b"x");
    for slot in [0, 1] {
        let none = history(0, 0, 0, 0, 0);
        let at = Position { place: 0, slot, sequence: 1, due_ms: T0, history: none };
        queue.apply_puts(&[(&at.meta(&content), b"x")]).unwrap();
        queue.check().unwrap();
        assert_eq!(queue.slots().collect::<Vec<_>>(), [slot]);
    }
}

#[test]
fn a_loader_refuses_two_messages_of_one_sequence_number_or_slot_and_numbers_above_the_last() {
    let none = history(0, 0, 0, 0, 0);
    let record = |slot, sequence| {
        let at = Position { place: 0, slot, sequence, due_ms: T0, history: none };
        [at.meta(&Content::plain(b"x")), b"x".to_vec()].concat()
    };
    let dead = |number| {
        let history = history(0, number, 0, 1, 0);
        let at = Position { place: 4, slot: 0, sequence: 1, due_ms: T0, history };
        [at.meta(&Content::plain(b"x")), b"x".to_vec()].concat()
    };
    let mut header = queue(1, false).encode_header();
    header[25..33].copy_from_slice(&5_u64.to_le_bytes());
    header[41..49].copy_from_slice(&3_u64.to_le_bytes());
    let load = |chunk: &[u8]| Queue::decode_header(&header).unwrap().load_messages(chunk).is_ok();
    assert!(load(&[record(0, 1), record(1, 2)].concat()));
    assert!(!load(&[record(0, 1), record(1, 1)].concat()));
    assert!(!load(&[record(0, 1), record(0, 2)].concat()));
    assert!(load(&record(0, 5)));
    assert!(!load(&record(0, 6)));
    assert!(load(&dead(3)));
    assert!(!load(&dead(4)));
    assert!(!load(&dead(0)));
}

#[test]
fn a_fifo_queue_takes_no_message_without_a_group() {
    let mut queue = queue(1, true);
    let none = history(0, 0, 0, 0, 0);
    let at = Position { place: 0, slot: 0, sequence: 1, due_ms: T0, history: none };
    assert!(queue.apply_puts(&[(&at.meta(&Content::plain(b"x")), b"x")]).is_err());
    assert!(queue.is_empty());
}

#[test]
fn a_header_of_the_other_kind_is_refused() {
    let mut standard = queue(1, false);
    assert!(standard.apply_header(&queue(1, true).encode_header()).is_err());
    assert!(!standard.attributes().fifo);
}

#[test]
fn a_message_that_is_told_twice_stays_where_it_stands() {
    let mut queue = queue(1, false);
    let content = Content::plain(b"x");
    let metas = [1, 2].map(|slot| {
        let none = history(0, 0, 0, 0, 0);
        let sequence = u64::from(slot);
        Position { place: 0, slot, sequence, due_ms: T0, history: none }.meta(&content)
    });
    let puts = [(&*metas[0], &b"x"[..]), (&*metas[1], &b"x"[..])];
    for _ in 0..2 {
        queue.apply_puts(&puts).unwrap();
        queue.check().unwrap();
        assert_eq!(queue.counts(T0 - 1).ready, 2, "both were sent for at once");
    }
}
