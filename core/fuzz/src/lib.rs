//! What each fuzz target does with its bytes: plain functions that panic when a rule is broken.
//! libfuzzer calls them (targets/), and core/tests/corpus.rs with every file of corpus/.

mod input;

use input::Input;
pub use input::put;
use karin_core::attributes::{parse_decimal, parse_seconds_ms, parse_signed_seconds_ms};
use karin_core::limits::{DURATION_MS_MAX, SEQUENCE_MAX, TAGS_MAX, TIME_MS_MAX};
use karin_core::{
    AttributeName, Attributes, Demand, Extension, Letter, PopOptions, Queue, Receipt, SendOptions,
    Tags,
};

/// A time at which the messages of the seeds are due; milliseconds since 1970.
const NOW_MS: u64 = 1_800_000_000_000;

/// A snapshot as an RDB holds it, a header and chunks: it is refused, or makes a sound queue that
/// is the same when it is saved and loaded again, and that commands leave sound.
pub fn snapshot(bytes: &[u8]) {
    let Some(mut queue) = load(Input(bytes)) else { return };
    queue.check().expect("a loaded queue is sound");
    let again = load(Input(&save(&queue))).expect("a saved queue can be loaded");
    assert_eq!(digest(&again), digest(&queue), "saved and loaded");
    again.check().expect("a queue loaded again is sound");
    use_it(&mut queue);
}

/// A receipt: what is read is written again as it was.
pub fn receipt(bytes: &[u8]) {
    if let Some(receipt) = Receipt::parse(bytes) {
        assert_eq!(receipt.to_text(), bytes);
    }
    let mut input = Input(bytes);
    let (uid, slot) = (input.number(), input.small());
    let receipt = Receipt { uid, slot, sequence: input.number(), lease: input.small() };
    assert_eq!(Receipt::parse(&receipt.to_text()), Some(receipt));
}

/// Texts of commands' arguments: numbers, durations, attributes, tags.
pub fn arguments(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut attributes = Attributes::default();
    let mut tags = Tags::default();
    while let Some((kind, text)) = input.part() {
        match kind % 4 {
            0 => number(text),
            1 => {
                let (name, value) = split(text);
                let _may_be_refused = tags.insert(name, value);
            }
            n => {
                let (name, value) = split(text);
                let nth = AttributeName::ALL[usize::from(kind / 4) % AttributeName::ALL.len()];
                let name = if n == 2 { Some(nth) } else { AttributeName::parse(name) };
                if let Some(name) = name {
                    attribute(&mut attributes, name, value);
                }
            }
        }
    }
    assert!(tags.len() <= TAGS_MAX, "{} tags", tags.len());
    let queue = Queue::new(1, NOW_MS, attributes, tags);
    let again = Queue::decode_header(&queue.encode_header()).expect("its own header");
    assert_eq!(digest(&again), digest(&queue));
}

fn number(text: &[u8]) {
    let decimal = parse_decimal(text);
    let duration_ms = parse_seconds_ms(text);
    assert!(duration_ms.is_none_or(|ms| ms <= DURATION_MS_MAX));
    assert_eq!(parse_signed_seconds_ms(text).is_some(), duration_ms.is_some() || signed(text));
    if let (Some(decimal), Some(duration_ms)) = (decimal, duration_ms) {
        assert_eq!(decimal.checked_mul(1_000), Some(duration_ms));
    }
}

/// Whether a text is a duration behind a sign.
fn signed(text: &[u8]) -> bool {
    matches!(text, [b'+' | b'-', rest @ ..] if parse_seconds_ms(rest).is_some())
}

/// Sets an attribute: what is taken can be read and set again, what is refused changes nothing.
fn attribute(attributes: &mut Attributes, name: AttributeName, value: &[u8]) {
    let before = attributes.clone();
    if attributes.set(name, value).is_err() {
        assert_eq!(*attributes, before, "refused");
        return;
    }
    let after = attributes.clone();
    let shown = attributes.get(name).unwrap_or_default();
    attributes.set(name, &shown).expect("what was shown");
    assert_eq!(*attributes, after, "{name:?} set to what it shows");
}

/// Effects of any bytes between a client's commands: each is refused whole or leaves a sound
/// queue, twice as once, and a replica that is told the same holds the same.
pub fn effects(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut queue = Queue::new(1, NOW_MS, Attributes::default(), Tags::default());
    let mut replica = queue.clone();
    while let Some((kind, body)) = input.part() {
        if kind % 16 > 8 {
            act(&mut queue, kind, body);
            replica = load(Input(&save(&queue))).expect("a saved queue can be loaded");
        } else {
            let before = digest(&queue);
            if apply(&mut queue, kind, body) {
                let after = digest(&queue);
                apply(&mut queue, kind, body);
                assert_eq!(digest(&queue), after, "applied twice");
            } else {
                assert_eq!(digest(&queue), before, "refused");
            }
            apply(&mut replica, kind, body);
        }
        queue.check().expect("a sound queue");
        assert_eq!(digest(&replica), digest(&queue), "the replica");
    }
    use_it(&mut queue);
}

/// One internal command. Whether it was taken.
fn apply(queue: &mut Queue, kind: u8, body: &[u8]) -> bool {
    let mut input = Input(body);
    match kind % 16 {
        0 => return queue.apply_header(body).is_ok(),
        1 => {
            let mut messages = Vec::new();
            while let Some((_, meta)) = input.part() {
                messages.push((meta, input.part().unwrap_or_default().1));
            }
            return queue.apply_puts(&messages).is_ok();
        }
        2 => return queue.apply_states(body).is_ok(),
        3 => return queue.apply_delete(body).is_ok(),
        // The numbers are checked by the module, before they come here.
        4 => drop(queue.apply_purge(input.number() & SEQUENCE_MAX)),
        5 => {
            let (source_uid, number) = (input.number(), input.number() & SEQUENCE_MAX);
            queue.apply_watermark(Letter { source_uid, number });
        }
        6 => return queue.apply_dedup(body).is_ok(),
        7 => return queue.apply_attempt(body).is_ok(),
        _ => queue.apply_forget(input.number() & TIME_MS_MAX),
    }
    true
}

/// One command of a client, or what the module does by itself.
fn act(queue: &mut Queue, kind: u8, body: &[u8]) {
    let mut input = Input(body);
    let now_ms = NOW_MS.saturating_add(u64::from(input.small()));
    let count = usize::from(kind / 16);
    match kind % 16 {
        9 => {
            let delay_ms = input.small().checked_sub(1).map(u64::from);
            let (_, group) = input.part().unwrap_or_default();
            let (_, dedup_id) = input.part().unwrap_or_default();
            let options = SendOptions {
                body: input.0,
                delay_ms,
                group: Some(group).filter(|group| !group.is_empty()),
                dedup_id: Some(dedup_id).filter(|id| !id.is_empty()),
                ..SendOptions::default()
            };
            let _may_be_refused = queue.send(now_ms, &options);
        }
        10 => drop(pop(queue, now_ms, count, Some(input.0).filter(|id| !id.is_empty()))),
        11 => {
            let _may_be_gone = Receipt::parse(input.0)
                .map(|receipt| queue.acknowledge(now_ms, &receipt, Demand::Any));
        }
        12 => drop(queue.revive(now_ms, count, body.len().is_multiple_of(2))),
        13 => drop(queue.acknowledge_letters(input.number())),
        14 => drop(queue.sweep(now_ms, count)),
        _ => drop(queue.correct_times(now_ms, input.number(), input.number(), count)),
    }
}

fn pop(queue: &mut Queue, now_ms: u64, count: usize, attempt: Option<&[u8]>) -> Vec<u32> {
    let options = PopOptions {
        count,
        visibility_timeout_ms: Some(1_000),
        holder: 1,
        attempt,
        ..PopOptions::default()
    };
    queue.pop_due(now_ms, &options, &mut || 7).leased
}

/// Clients' commands on a queue that came from anywhere: they leave it sound.
fn use_it(queue: &mut Queue) {
    let _may_be_full = queue.send(NOW_MS, &SendOptions { body: b"more", ..Default::default() });
    for (round, slot) in pop(queue, NOW_MS, 10, None).into_iter().enumerate() {
        let Some(receipt) = queue.receipt(slot) else { continue };
        let extension = Extension {
            visibility_timeout_ms: 500,
            demand: Demand::Current,
            unless_changed_due_ms: None,
        };
        match round % 3 {
            0 => queue.acknowledge(NOW_MS, &receipt, Demand::Current),
            1 => queue.extend(NOW_MS, &receipt, &extension),
            _ => queue.release(NOW_MS, &receipt, 0),
        };
    }
    let chosen = queue.slots().filter_map(|slot| Some(queue.view(slot)?.sequence));
    let chosen: Vec<u64> = chosen.take(4).collect();
    let leased = queue.lease_chosen(NOW_MS, &chosen, &PopOptions::default(), &mut || 9);
    for (&sequence, force) in chosen.iter().zip([false, true].into_iter().cycle()) {
        let _may_be_in_flight = queue.drop_chosen(NOW_MS, sequence, force);
    }
    assert!(leased.len() <= chosen.len(), "no more than were chosen");
    queue.check().expect("a sound queue after commands");
    queue.counts(u64::MAX);
    queue.release_holder(NOW_MS, 1, 10);
    let copy = queue.duplicate(2);
    copy.check().expect("a sound copy");
    drop(queue.purge());
    queue.check().expect("a sound queue after the purge");
}

/// Reads a queue as the module does: parts end to end, the first is the header, the others of
/// three kinds.
fn load(mut input: Input<'_>) -> Option<Queue> {
    let mut queue = Queue::decode_header(input.part()?.1).ok()?;
    while let Some((kind, chunk)) = input.part() {
        match kind % 3 {
            0 => queue.load_messages(chunk).ok()?,
            1 => queue.apply_dedup(chunk).ok()?,
            _ => queue.apply_attempt(chunk).ok()?,
        }
    }
    queue.finish_load();
    Some(queue)
}

/// Writes a queue as the module does, in the form [`load`] reads: one message a chunk.
pub fn save(queue: &Queue) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, 0, &queue.encode_header());
    for slot in queue.slots() {
        let mut chunk = Vec::new();
        queue.encode_record(slot, &mut chunk);
        put(&mut out, 0, &chunk);
    }
    queue.encode_dedup(1, &mut |ids| put(&mut out, 1, ids));
    queue.encode_attempts(&mut |attempt| put(&mut out, 2, attempt));
    out
}

/// What DEBUG DIGEST compares.
fn digest(queue: &Queue) -> Vec<u8> {
    let mut all = Vec::new();
    queue.digest_items(&mut |item| put(&mut all, 0, item));
    all
}

/// A name and a value: what stands before and after the first `=`.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let at = text.iter().position(|&byte| byte == b'=').unwrap_or(text.len());
    (&text[..at], text.get(at + 1..).unwrap_or_default())
}
