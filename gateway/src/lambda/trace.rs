//! Trace headers on their way from a message to the invocation, and the guard against messages
//! that go round in a circle: a function that sends to the queue it is fed from. Pure.
//!
//! `Root=1-…;Parent=…;Sampled=1;Lineage=a87bd80c:1|68fd508a:5`: Lambda keeps in `Lineage` how
//! often a chain of events ran which function, SDKs inside a function send the header on by
//! themselves, and AWS breaks a chain that ran one function some 16 times. A queue of our own
//! would break the count, and a loop would run for ever, so karin counts there too.
//!
//! Source: esm-contract §11, trap 22.

use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::hex;
use crate::lambda::mapping::function_name;
use crate::protocol::{TRACE_HEADER_BYTES_MAX, is_trace_header};

const LINEAGE: &str = "Lineage=";
/// Functions counted in one header; the longest ago goes first.
const LINEAGE_ENTRIES_MAX: usize = 32;
/// Bytes of a hash that stand for a function, as on AWS.
const HASH_BYTES: usize = 4;

/// Whether a batch may run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// With this trace header.
    Go(String),
    /// A message of it came through the function too often.
    Loop,
}

/// Whether a message with this trace header came through the function too often. `max_hops` 0:
/// nothing is a loop.
pub(super) fn is_loop(header: Option<&str>, function: &str, max_hops: u32) -> bool {
    let header = header.filter(|header| max_hops > 0 && is_trace_header(header));
    header.is_some_and(|header| counted(header, &hash_of(function)) >= max_hops)
}

/// Decides for the batch whose messages have these trace headers. The invocation gets the header
/// of the message that came through the function most often, else the first there is, with this
/// invocation counted; where no message has one, a new one. `max_hops` 0: nothing is a loop.
pub(super) fn of_batch(headers: &[Option<&str>], function: &str, max_hops: u32) -> Decision {
    let hash = hash_of(function);
    let mut chosen: Option<(&str, u32)> = None;
    for header in headers.iter().flatten().filter(|header| is_trace_header(header)) {
        let hops = counted(header, &hash);
        if chosen.is_none_or(|(_, most)| hops > most) {
            chosen = Some((header, hops));
        }
    }
    let hops = chosen.map_or(0, |(_, hops)| hops);
    if max_hops > 0 && hops >= max_hops {
        return Decision::Loop;
    }
    let own = format!("{hash}:{}", hops.saturating_add(1));
    let new = new_root();
    Decision::Go(extended(chosen.map_or(&new, |(header, _)| header), &hash, &own))
}

/// The header with `own` as its last count.
fn extended(header: &str, hash: &str, own: &str) -> String {
    let others = lineage(header).filter(|entry| entry_of(entry).0 != hash);
    let mut entries: Vec<&str> = others.collect();
    let surplus = (entries.len() + 1).saturating_sub(LINEAGE_ENTRIES_MAX);
    entries.drain(..surplus);
    entries.push(own);
    let fields = header.split(';').filter(|field| !field.trim().starts_with(LINEAGE));
    let rest: Vec<&str> = fields.filter(|field| !field.trim().is_empty()).collect();
    let rest = rest.join(";");
    let whole = format!("{rest};{LINEAGE}{}", entries.join("|"));
    if whole.len() <= TRACE_HEADER_BYTES_MAX {
        return whole;
    }
    // Longer than what the next queue takes; the count matters most.
    let root = rest.split(';').find(|field| field.trim().starts_with("Root="));
    let short = format!("{};{LINEAGE}{own}", root.unwrap_or_default().trim());
    if short.len() <= TRACE_HEADER_BYTES_MAX {
        short
    } else {
        format!("{};{LINEAGE}{own}", new_root())
    }
}

fn counted(header: &str, hash: &str) -> u32 {
    let own = lineage(header).map(entry_of).filter(|(name, _)| *name == hash);
    own.map(|(_, count)| count).max().unwrap_or(0)
}

/// The counts in a header.
fn lineage(header: &str) -> impl Iterator<Item = &str> {
    let fields = header.split(';').filter_map(|field| field.trim().strip_prefix(LINEAGE));
    // botocore sends the bar percent-encoded.
    let entries = fields.flat_map(|counts| counts.split('|')).flat_map(|part| part.split("%7C"));
    entries.filter(|entry| !entry.is_empty())
}

/// `68fd508a:5`, or with a number before it, which AWS writes now: the name and its count.
fn entry_of(entry: &str) -> (&str, u32) {
    let mut parts = entry.rsplit(':');
    let count = parts.next().and_then(|count| count.trim().parse().ok()).unwrap_or(0);
    (parts.next().unwrap_or_default().trim(), count)
}

/// What stands for a function: the same for all its versions and aliases.
fn hash_of(function: &str) -> String {
    let hash = Sha256::digest(format!("karin:{}", function_name(function)));
    hex::text(hash.get(..HASH_BYTES).unwrap_or_default())
}

/// A header for a chain that begins here. Whether it is sampled is left to Lambda.
fn new_root() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut unique = [0; 12];
    let _no_secret = getrandom::fill(&mut unique);
    format!("Root=1-{:08x}-{}", seconds & 0xffff_ffff, hex::text(&unique))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:f:live";

    fn go(headers: &[Option<&str>]) -> String {
        match of_batch(headers, FUNCTION, 16) {
            Decision::Go(header) => header,
            Decision::Loop => panic!("a loop"),
        }
    }

    #[test]
    fn a_chain_is_counted_until_it_is_a_loop() {
        let mut header = go(&[None]);
        assert!(is_trace_header(&header), "{header}");
        for hops in 2..=16 {
            header = go(&[Some(&header)]);
            assert_eq!(counted(&header, &hash_of("f")), hops, "{header}");
            assert_eq!(is_loop(Some(&header), "f", 16), hops == 16);
        }
        assert!(!is_loop(Some(&header), "f", 0) && !is_loop(Some(&header), "g", 16));
        assert_eq!(of_batch(&[None, Some(&header)], "f:other", 16), Decision::Loop);
        assert!(matches!(of_batch(&[Some(&header)], "f", 0), Decision::Go(_)), "no limit");
        assert!(matches!(of_batch(&[Some(&header)], "g", 16), Decision::Go(_)), "not its loop");
    }

    #[test]
    fn what_else_a_header_says_is_carried_on() {
        let hash = hash_of("f");
        let table = [
            (
                "Root=1-a;Parent=b;Sampled=1",
                format!("Root=1-a;Parent=b;Sampled=1;Lineage={hash}:1"),
            ),
            (
                "Root=1;Lineage=a87bd80c:1|68fd508a:5",
                format!("Root=1;Lineage=a87bd80c:1|68fd508a:5|{hash}:1"),
            ),
            ("Lineage=1:fe460cdd:0;Root=1", format!("Root=1;Lineage=1:fe460cdd:0|{hash}:1")),
            (
                "Self=1-x; Root=1-y;;Foo=bar;",
                format!("Self=1-x; Root=1-y;Foo=bar;Lineage={hash}:1"),
            ),
            ("Root=1;Lineage=a:1%7Cb:5", format!("Root=1;Lineage=a:1|b:5|{hash}:1")),
            ("Root=1;Lineage=", format!("Root=1;Lineage={hash}:1")),
            ("Root=1;Lineage=x:y|:|::3", format!("Root=1;Lineage=x:y|:|::3|{hash}:1")),
        ];
        for (header, expected) in table {
            assert_eq!(go(&[Some(header)]), expected, "{header}");
        }
        let counted = format!("Root=1;Lineage={hash}:7|a:1|3:{hash}:9");
        assert_eq!(go(&[Some(&counted)]), format!("Root=1;Lineage=a:1|{hash}:10"));
    }

    #[test]
    fn the_header_of_the_message_with_most_hops_is_taken_else_the_first() {
        let hash = hash_of("f");
        let (first, second) = ("Root=first", format!("Root=second;Lineage={hash}:3"));
        assert!(go(&[None, Some(first), Some("Root=other")]).starts_with("Root=first;"));
        let header = go(&[Some(first), Some(&second), None]);
        assert_eq!(header, format!("Root=second;Lineage={hash}:4"));
    }

    #[test]
    fn what_is_no_trace_header_counts_as_none() {
        let long = format!("Root=1;X={}", "x".repeat(TRACE_HEADER_BYTES_MAX));
        for header in ["", "x", "Root=", "Root=1;\u{e9}", "Root=1\r\nEvil: x", &long] {
            let given = go(&[Some(header)]);
            assert!(given.starts_with("Root=1-") && is_trace_header(&given), "{header:?}: {given}");
        }
    }

    #[test]
    fn a_header_never_grows_beyond_what_the_next_queue_takes() {
        let lineage = |n: usize| (0..n).map(|n| format!("{n:08}:1")).collect::<Vec<_>>().join("|");
        let header = go(&[Some(&format!("Root=1-x;Lineage={}", lineage(70)))]);
        assert_eq!(header.matches('|').count(), LINEAGE_ENTRIES_MAX - 1);
        assert!(header.ends_with(&format!("00000069:1|{}:1", hash_of("f"))), "{header}");
        let full = format!("Root=1-x;Y={}", "y".repeat(TRACE_HEADER_BYTES_MAX - 15));
        assert_eq!(go(&[Some(&full)]), format!("Root=1-x;Lineage={}:1", hash_of("f")));
        let root = format!("Root={}", "x".repeat(TRACE_HEADER_BYTES_MAX - 5));
        assert!(is_trace_header(&go(&[Some(&root)])));
    }
}
