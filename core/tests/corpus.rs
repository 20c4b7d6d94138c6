//! The bodies of the fuzz targets (core/fuzz), with every file of their corpus, on stable.
//!
//! A crash that `make fuzz` finds is fixed, and its file is put into core/fuzz/corpus: then this
//! is the test of the fix. `KARIN_WRITE_CORPUS=1 cargo test -p karin-core --test corpus` writes the
//! files named `seed-…` anew, after the encoding has changed.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test may fail by panicking; what is public is so for the fuzz targets"
)]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::path::{Path, PathBuf};

use karin_core::snapshot::encode_slot;
use karin_core::{AttributeName, Attributes, Letter, PopOptions, Queue, SendOptions, Tags};

const NOW_MS: u64 = 1_800_000_000_000;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 4] = [
    ("arguments", fuzz::arguments),
    ("effects", fuzz::effects),
    ("receipt", fuzz::receipt),
    ("snapshot", fuzz::snapshot),
];

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

#[test]
fn no_file_of_the_corpus_breaks_a_rule() {
    for (name, target) in TARGETS {
        let files: Vec<_> = folder(name).read_dir().unwrap().map(|file| file.unwrap()).collect();
        assert!(!files.is_empty(), "no corpus for {name}");
        for file in files {
            eprintln!("{}", file.path().display());
            target(&std::fs::read(file.path()).unwrap());
        }
    }
}

/// Every prefix too: what is cut short is refused or makes a sound queue.
#[test]
fn no_prefix_of_a_seed_breaks_a_rule() {
    for (name, target) in TARGETS {
        for (_, bytes) in seeds().into_iter().filter(|(path, _)| path.starts_with(folder(name))) {
            (0..=bytes.len()).for_each(|end| target(&bytes[..end]));
        }
    }
}

/// Seeds that are refused at their first byte would lead the fuzzers nowhere.
#[test]
fn the_seeds_of_the_corpus_are_todays_encodings() {
    for (path, bytes) in seeds() {
        if std::env::var_os("KARIN_WRITE_CORPUS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let path = path.display();
        let present = std::fs::read(path.to_string()).unwrap_or_default();
        assert!(present == bytes, "{path} is of another encoding: KARIN_WRITE_CORPUS=1 writes it");
    }
}

/// Every seed: where it is, and what is in it.
fn seeds() -> Vec<(PathBuf, Vec<u8>)> {
    let queue = queue();
    let empty = Queue::new(7, NOW_MS, Attributes::default(), Tags::default());
    let receipt = queue.receipt(0).unwrap().to_text();
    let seeds: [(&str, &str, Vec<u8>); 9] = [
        ("arguments", "seed-numbers", numbers()),
        ("arguments", "seed-attributes", attributes()),
        ("effects", "seed-effects", effects(&queue)),
        ("effects", "seed-fifo", effects(&fifo())),
        ("effects", "seed-commands", commands(&receipt)),
        ("receipt", "seed-receipt", receipt.to_vec()),
        ("snapshot", "seed-empty", fuzz::save(&empty)),
        ("snapshot", "seed-fifo", fuzz::save(&fifo())),
        ("snapshot", "seed-states", fuzz::save(&queue)),
    ];
    seeds.map(|(target, name, bytes)| (folder(target).join(name), bytes)).into()
}

/// A queue with messages in every state, and with an attribute and a tag.
fn queue() -> Queue {
    let mut attributes = Attributes::default();
    attributes.set(AttributeName::Policy, b"{}").unwrap();
    let mut tags = Tags::default();
    tags.insert(b"name", b"value").unwrap();
    let mut queue = Queue::new(1, NOW_MS, attributes, tags);
    for (body, delay_ms) in [(b"a", 0), (b"b", 0), (b"c", 0), (b"d", 0), (b"e", 60_000)] {
        let options =
            SendOptions { body, attributes: b"at", delay_ms: Some(delay_ms), ..Default::default() };
        queue.send(NOW_MS, &options).unwrap();
    }
    let options = PopOptions { count: 2, holder: 3, ..Default::default() };
    let leased = queue.pop_due(NOW_MS, &options, &mut || 9).leased;
    let options = PopOptions { count: 1, ..options };
    let given_back = queue.pop_due(NOW_MS, &options, &mut || 9).leased;
    // Received twice, so that a receive is left when it is given back.
    let receipt = queue.receipt(given_back[0]).unwrap();
    queue.release(NOW_MS, &receipt, 0);
    let again = queue.pop_due(NOW_MS, &options, &mut || 9).leased;
    let receipt = queue.receipt(again[0]).unwrap();
    queue.release(NOW_MS, &receipt, 0);
    assert_eq!(leased.len(), 2);
    queue
}

/// A FIFO queue that remembers ids, an attempt and a source; one in flight, one dead.
fn fifo() -> Queue {
    let mut attributes = Attributes::default();
    attributes.fifo = true;
    for (name, value) in
        [(AttributeName::MaxReceiveCount, "1"), (AttributeName::DeadLetterTargetArn, "target")]
    {
        attributes.set(name, value.as_bytes()).unwrap();
    }
    let mut queue = Queue::new(2, NOW_MS, attributes, Tags::default());
    for (body, group) in [(b"a", b"g"), (b"b", b"g"), (b"c", b"h")] {
        let options =
            SendOptions { body, group: Some(group), dedup_id: Some(body), ..Default::default() };
        queue.send(NOW_MS, &options).unwrap();
    }
    queue.apply_watermark(Letter { source_uid: 3, number: 4 });
    let options = PopOptions { visibility_timeout_ms: Some(0), ..Default::default() };
    queue.pop_due(NOW_MS, &options, &mut || 9);
    let options = PopOptions { attempt: Some(b"attempt"), ..Default::default() };
    queue.pop_due(NOW_MS + 1, &options, &mut || 9);
    assert_eq!(queue.dead(), 1);
    queue
}

/// What clients and the module do: sends, a receive, a deletion, a sweep and the like.
fn commands(receipt: &[u8]) -> Vec<u8> {
    let header = fifo().encode_header();
    let group = parts(&[(0, b"g"), (0, b"id")]);
    let send = [&b"\0\0\0\0\0\0\0\0"[..], &group, b"body"].concat();
    let pop: [(u8, &[u8]); 2] = [(26, b"\0\0\0\0"), (26, b"\x01\0\0\0attempt")];
    let others: [(u8, &[u8]); 4] = [(28, b""), (13, b"\x01"), (30, b"\xff\xff\xff\xff"), (31, b"")];
    let acknowledge = [b"\0\0\0\0", receipt].concat();
    let start: [(u8, &[u8]); 3] = [(0, &header), (9, &send), (9, &send)];
    [parts(&start), parts(&pop), parts(&[(11, &acknowledge)]), parts(&others)].concat()
}

/// What a replica is told of a queue: it is there, its messages, their states, what is gone.
fn effects(queue: &Queue) -> Vec<u8> {
    let (mut puts, mut states, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for slot in queue.slots() {
        let meta = queue.encode_meta(slot).unwrap();
        puts.extend(parts(&[(0, meta.as_slice()), (0, queue.payload(slot).unwrap())]));
        queue.encode_state(slot, &mut states);
    }
    let first = queue.view(0).unwrap();
    encode_slot(&mut gone, first.slot, first.sequence);
    let header = queue.encode_header();
    let (mut ids, mut attempts) = (Vec::new(), Vec::new());
    queue.encode_dedup(10, &mut |chunk| ids.extend_from_slice(chunk));
    queue.encode_attempts(&mut |attempt| attempts.extend(parts(&[(7, attempt)])));
    let mark = [3_u64, 4].map(u64::to_le_bytes).concat();
    let time = NOW_MS.to_le_bytes();
    let start = parts(&[(0, &header), (1, &puts), (2, &states), (5, &mark), (6, &ids)]);
    let end = parts(&[(3, &gone), (8, &time), (4, &1_u64.to_le_bytes())]);
    [start, attempts, end].concat()
}

fn numbers() -> Vec<u8> {
    let texts = ["0", "2.5", "-3600.5", "+1", "315360000", "18446744073709551615", "1e3", "."];
    texts.iter().flat_map(|text| parts(&[(0, text.as_bytes())])).collect()
}

fn attributes() -> Vec<u8> {
    let named = AttributeName::ALL.iter().map(|name| format!("{}=1", name.as_str()));
    named.flat_map(|text| parts(&[(3, text.as_bytes()), (1, text.as_bytes())])).collect()
}

fn parts(parts: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, part) in parts {
        fuzz::put(&mut out, *kind, part);
    }
    out
}
