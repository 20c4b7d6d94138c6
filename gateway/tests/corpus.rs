//! The bodies of the fuzz targets (gateway/fuzz), with every file of their corpus, on stable.
//!
//! A crash that `make fuzz` finds is fixed, and its file is put into gateway/fuzz/corpus: then this
//! is the test of the fix.
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

use std::path::Path;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 5] = [
    ("filter", fuzz::filter),
    ("json", fuzz::json),
    ("policy", fuzz::policy),
    ("query", fuzz::query),
    ("sigv4", fuzz::sigv4),
];

/// The files of a target's corpus.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = folder.read_dir().unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty(), "no corpus for {target}");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn no_file_of_the_corpus_breaks_a_rule() {
    for (name, target) in TARGETS {
        for bytes in corpus(name) {
            target(&bytes);
        }
    }
}

/// Seeds that are refused at their first byte would lead the fuzzers nowhere.
#[test]
fn the_signed_seeds_are_signed_right() {
    assert_eq!(corpus("sigv4").iter().filter(|bytes| fuzz::is_signed(bytes)).count(), 3);
}

/// The same of filters; and one that drops what it should accept would be no seed either.
#[test]
fn the_seeds_of_filters_are_read_and_accept_their_bodies() {
    for bytes in corpus("filter") {
        let text = String::from_utf8(bytes).unwrap();
        let (patterns, body) = text.split_once("\n\n").unwrap();
        assert_eq!(fuzz::is_filtered(patterns, body), Some(false), "{text}");
    }
}

/// What is cut short is refused or makes another request.
#[test]
fn no_prefix_of_a_file_breaks_a_rule() {
    for (name, target) in TARGETS {
        for bytes in corpus(name) {
            (0..bytes.len()).for_each(|end| target(&bytes[..end]));
        }
    }
}

#[test]
fn no_changed_byte_breaks_a_rule() {
    for (name, target) in TARGETS {
        for mut bytes in corpus(name) {
            for place in 0..bytes.len() {
                let byte = bytes[place];
                for other in [0, b'\n', b'%', b'+', b'"', b'/', b';', 0x7F, 0xC3, byte ^ 1] {
                    bytes[place] = other;
                    target(&bytes);
                }
                bytes[place] = byte;
            }
        }
    }
}
