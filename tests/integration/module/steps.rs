//! Many random steps with FIFO queues, groups, duplicates, attempts and dead letters: everyone who
//! holds the queues holds the same in the end.

use super::client::{Client, Random, fields, items, text};
use super::pair::Pair;

/// One step on one of the queues; it may be refused.
fn step(client: &mut Client, random: &mut Random, receipts: &mut Vec<String>) {
    let queue = *random.of(&["f.fifo", "f.fifo", "s"]);
    let (n, group) = (random.below(20), random.below(4));
    let receipt = random.of(&*receipts).clone();
    let words = match random.below(20) {
        0..=3 => format!("KARIN.SEND {queue} body-{n} GROUP g{group} DELAY 0"),
        4 => format!("KARIN.SEND f.fifo x GROUP g{group} DEDUP d{n}"),
        5 => format!("KARIN.SENDM {queue} 2 MSG a{n} GROUP g{group} MSG b DELAY {}", n / 10),
        6 => {
            let kept = format!("SENT 5000 RECEIVED {group} {n} SOURCE arn:{n} ATTRS at-{n}");
            format!(
                "KARIN.SEND {queue} moved GROUP g DEDUP m{n} FROM 00000000000000a{group} {n} {kept}"
            )
        }
        7..=12 => {
            let attempt = if group == 0 { format!("ATTEMPT try-{}", n % 3) } else { String::new() };
            let options = format!("VISIBILITY {} GROUPS 2 HOLDER {}", n % 5, group + 1);
            let words = format!("KARIN.POPDUE {queue} COUNT {} {options} {attempt}", n + 1);
            let popped = fields(&client.ok(&words));
            receipts.extend(items(&popped["messages"]).iter().map(|m| text(&items(m)[1])));
            let skip = receipts.len().saturating_sub(40);
            receipts.drain(..skip.min(receipts.len() - 1));
            return;
        }
        13 => format!("KARIN.ACK {queue} {receipt}"),
        14 => format!("KARIN.EXTEND {queue} {receipt} {}", n / 4),
        15 => format!("KARIN.RELEASE {queue} {receipt}"),
        16 if n < 10 => format!("KARIN.DEADACK {queue} UPTO {}", n * 3),
        16 => format!("KARIN.REDRIVE {queue} COUNT {}{}", group + 1, ["", " KEEPCOUNT"][n % 2]),
        17 if n < 8 => format!("KARIN.SET f.fifo DelaySeconds {group}"),
        17 if n < 12 => format!("KARIN.TAG {queue} t{group} v{n}"),
        17 if n < 14 => format!("KARIN.UNTAG {queue} t{group}"),
        17 if n < 15 => format!("KARIN.PURGE {queue}"),
        17 => format!("KARIN.SET {queue} MessageRetentionPeriod {}", 100 + 10 * n),
        18 if group == 0 => format!("KARIN.DEBUG CLOCK {}", n * 8),
        18 if n == 0 => "COPY f.fifo copy.fifo REPLACE".to_owned(),
        _ => format!("KARIN.DEBUG CLOCK 0.{n}"),
    };
    if let Err(error) = client.words(&words) {
        assert!(!error.starts_with('?') && !error.starts_with("KARININTERNAL"), "{words}: {error}");
    }
}

#[test]
fn replica_files_and_successor_hold_what_the_master_holds_after_many_steps() {
    for seed in [1, 2, 3, 4] {
        let mut pair = Pair::start();
        let mut client = pair.client();
        let dies = "maxReceiveCount 3 deadLetterTargetArn target";
        client.ok(&format!("KARIN.CREATE f.fifo FIFO ContentBasedDeduplication true {dies}"));
        client.ok(&format!("KARIN.CREATE s {dies}"));
        let (mut random, mut receipts) = (Random::new(seed), vec!["none".to_owned()]);
        for _ in 0..4 {
            for _ in 0..400 {
                step(&mut client, &mut random, &mut receipts);
            }
            pair.assert_same();
        }
        pair.assert_rewritten_same();
        let mut client = pair.fail_over();
        for _ in 0..100 {
            step(&mut client, &mut random, &mut receipts);
        }
        super::pair::check_all(&mut client);
    }
}
