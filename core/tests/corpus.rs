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
use karin_core::{AttributeName, Attributes, PopOptions, Queue, SendOptions, Tags};

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
    let seeds: [(&str, &str, Vec<u8>); 7] = [
        ("arguments", "seed-numbers", numbers()),
        ("arguments", "seed-attributes", attributes()),
        ("effects", "seed-effects", effects(&queue)),
        (
            "effects",
            "seed-commands",
            parts(&[(5, b"\0\0\0\0\0\0\0\0body"), (14, b""), (7, &receipt)]),
        ),
        ("receipt", "seed-receipt", receipt.to_vec()),
        ("snapshot", "seed-empty", fuzz::save(&empty)),
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
            SendOptions { body, attributes: b"at", delay_ms: Some(delay_ms), size_bytes: None };
        queue.send(NOW_MS, &options).unwrap();
    }
    let options = PopOptions { count: 2, visibility_timeout_ms: None, max_bytes: None, holder: 3 };
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
    parts(&[(0, &header), (1, &puts), (2, &states), (3, &gone), (4, &3_u64.to_le_bytes())])
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
