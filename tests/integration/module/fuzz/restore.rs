//! RESTORE of changed payloads, with the server's checksums off.

use karin_tests::redis::RedisServer;
use redis::Value;

use super::super::client::{Client, Random, bytes, items, text};
use super::grammar::Grammar;
use super::{Argv, Batch, Run, may_wait, no_panic_is_counted, words};

/// The version and the checksum at the end of every payload.
const FOOTER: usize = 10;
const BATCH: usize = 64;

/// Queues of every kind, with all that a queue can hold.
const QUEUES: [&str; 17] = [
    "KARIN.CREATE empty",
    "KARIN.CREATE states Policy {} TAG name value",
    "KARIN.SENDM states 5 MSG aaaa MSG bbbb ATTRS cc MSG d DELAY 60 MSG e MSG f",
    // One lapses, is received again and given back; two stay leased.
    "KARIN.POPDUE states VISIBILITY 0 HOLDER 3",
    "KARIN.POPDUE states HOLDER 5",
    "KARIN.RELEASE states HOLDER 5",
    "KARIN.POPDUE states COUNT 2 HOLDER 4",
    "KARIN.CREATE fifo FIFO ContentBasedDeduplication true",
    "KARIN.SEND fifo one GROUP a",
    "KARIN.SEND fifo two GROUP a DEDUP id",
    "KARIN.SEND fifo three GROUP b",
    "KARIN.POPDUE fifo COUNT 2 ATTEMPT attempt",
    "KARIN.CREATE dying maxReceiveCount 1 deadLetterTargetArn target",
    "KARIN.SENDM dying 3 MSG a MSG b GROUP g MSG c FROM 0000000000000001 7",
    "KARIN.POPDUE dying COUNT 2 VISIBILITY 0",
    "KARIN.POPDUE dying COUNT 2",
    "KARIN.CREATE long",
];

/// Payloads of these queues, compressed and not.
fn payloads(client: &mut Client) -> Vec<Vec<u8>> {
    for command in QUEUES {
        client.ok(command);
    }
    let body = "x".repeat(200);
    client.ok(&format!("KARIN.SENDM long 100{}", format!(" MSG {body}").repeat(100)));
    client.ok("KARIN.POPDUE long COUNT 30");
    let mut payloads = Vec::new();
    for compression in ["no", "yes"] {
        client.ok(&format!("CONFIG SET rdbcompression {compression}"));
        for key in items(&client.ok("KEYS *")) {
            payloads.push(bytes(&client.call(&[b"DUMP", &bytes(key)]).unwrap()));
        }
    }
    payloads
}

/// One payload, or two spliced, with up to three changes, and with a footer.
fn changed(payloads: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let body = |payload: &Vec<u8>| payload[..payload.len() - FOOTER].to_vec();
    let one = random.of(payloads);
    let mut changed = body(one);
    if random.below(8) == 0 {
        let other = body(random.of(payloads));
        changed.truncate(1 + random.below(changed.len() - 1));
        changed.extend_from_slice(&other[random.below(other.len())..]);
    }
    for _ in 0..=random.below(3) {
        // The first byte is the kind of value, which stays ours.
        let at = 1 + random.below(changed.len() - 1);
        let end = (at + 1 + random.below(8)).min(changed.len());
        match random.below(9) {
            0 => changed[at] ^= 1 << random.below(8),
            1 => changed[at] = changed[at].wrapping_add(*random.of(&[1, 0xff])),
            2 => changed[at] = *random.of(&[0, 1, 0x7f, 0x80, 0x81, 0xff]),
            3 => drop(changed.drain(at..end)),
            4 => drop(changed.splice(at..at, random.bytes(end - at))),
            5 => changed.extend_from_within(at..end),
            6 => drop(changed.splice(at..at, huge_length(random))),
            _ => {
                for (old, new) in changed[at..].iter_mut().zip(huge_length(random)) {
                    *old = new;
                }
            }
        }
        if changed.len() < 2 {
            break;
        }
    }
    changed.extend_from_slice(&one[one.len() - FOOTER..]);
    changed
}

/// The mark of a length of 64 bits, and one.
fn huge_length(random: &mut Random) -> Vec<u8> {
    let length = *random.of(&[0, 1, 1 << 20, 1 << 31, 1 << 32, 1 << 62, 1 << 63, u64::MAX]);
    [&[0x81][..], &length.to_be_bytes()].concat()
}

/// Everything a client does with a key that may be a queue.
fn uses(key: &str, grammar: &Grammar, random: &mut Random) -> Vec<Argv> {
    let mut commands: Vec<Argv> = [
        "KARIN.DEBUG CHECK key",
        "KARIN.INFO key",
        "MEMORY USAGE key",
        "KARIN.SEND key more NOMKQUEUE",
        "KARIN.POPDUE key COUNT 10 HOLDER 4",
        "COPY key copy REPLACE",
        "KARIN.DEBUG CHECK copy",
        "KARIN.POPDUE copy COUNT 1000",
        "KARIN.RELEASE key HOLDER 4",
    ]
    .map(|command| words(&command.replace("key", key)))
    .into();
    let others = (0..3).map(|_| grammar.command(random));
    commands.extend(others.filter(|command| !may_wait(command)));
    // At once, since the module sweeps between commands.
    let last = ["KARIN.DEBUG CHECK key", "MULTI", "DEBUG DIGEST-VALUE key", "DUMP key", "EXEC"];
    commands.extend(last.map(|command| words(&command.replace("key", key))));
    commands
}

#[test]
fn changed_dump_payloads_are_refused_or_make_a_sound_queue() {
    let run = Run::new(10_000, 200_000);
    let mut server = RedisServer::start(&[]);
    let mut client = Client::new(&server);
    let mut random = Random::new(run.seed);
    let payloads = payloads(&mut client);
    let mut grammar = Grammar::read(&mut client, &[]);
    client.ok("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    let mut restored = 0;
    for number in 0..run.steps.div_ceil(BATCH) {
        let restore = |n: usize| {
            let key = format!("r{n}").into_bytes();
            vec![b"RESTORE".into(), key, b"0".into(), changed(&payloads, &mut random)]
        };
        let batch = Batch { run: &run, number, commands: (0..BATCH).map(restore).collect() };
        let answers = batch.send(&mut client);
        for (n, _) in answers.iter().enumerate().filter(|(_, answer)| answer.is_ok()) {
            restored += 1;
            let key = format!("r{n}");
            grammar.keys = vec![key.clone().into_bytes()];
            let commands = uses(&key, &grammar, &mut random);
            let answers = Batch { run: &run, number, commands }.send(&mut client);
            // What was taken can be saved and loaded; a command of the grammar may have purged it.
            let Some(Ok(Value::Array(last))) = answers.last() else { panic!("{answers:?}") };
            if let [digest, Value::BulkString(dump)] = &last[..] {
                let restore = ["RESTORE", "again", "0", "", "REPLACE"];
                let mut restore = restore.map(|word| word.as_bytes().to_vec());
                restore[3].clone_from(dump);
                let digest_again = words("DEBUG DIGEST-VALUE again");
                let commands = vec![words("MULTI"), restore.into(), digest_again, words("EXEC")];
                let answers = Batch { run: &run, number, commands }.send(&mut client);
                let Some(Ok(Value::Array(again))) = answers.last() else { panic!("{answers:?}") };
                let [one, other] = [digest, &again[1]].map(|reply| text(&items(reply)[0]));
                assert_eq!(one, other, "{key}, dumped and restored");
            }
        }
        client.ok("FLUSHALL ASYNC");
    }
    eprintln!("{restored} of {} payloads were restored", run.steps);
    assert!(restored > run.steps / 100, "only {restored} were restored");
    no_panic_is_counted(&server);
    server.terminate();
}
