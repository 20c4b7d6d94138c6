//! Random arguments for every command, on a master with a replica.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use karin_tests::redis::RedisServer;
use karin_tests::wait;

use super::super::client::{Client, Random, SYNC_AT_ONCE, bytes, items, text};
use super::super::hostile_input::Monitor;
use super::grammar::Grammar;
use super::{Argv, Batch, Run, may_wait, no_panic_is_counted, pack};

const BATCH: usize = 500;
/// In how many batches effects are learned.
const LEARNING: usize = 8;

/// How long the last effects may be on their way.
const SETTLING: Duration = Duration::from_secs(5);

const KEYS: [&[u8]; 9] = [
    b"q",
    b"q",
    b"karin:{a}",
    b"karin:{f.fifo}",
    b"f.fifo",
    b"",
    b"\0\r\n",
    b"\xff\xfe",
    b"of-another-type",
];

/// Who may be made to wait: nobody reads what it is told.
struct Blocked<'a> {
    server: &'a RedisServer,
    stream: Option<UnixStream>,
    sent: usize,
}

impl Blocked<'_> {
    fn send(&mut self, command: &Argv) {
        const SENT_MAX: usize = 20;
        let mut packed = Vec::new();
        pack(command, &mut packed);
        let stream = self.stream.get_or_insert_with(|| {
            let stream = UnixStream::connect(self.server.socket_path()).unwrap();
            stream.set_write_timeout(Some(wait::PATIENCE)).unwrap();
            stream
        });
        stream.write_all(&packed).unwrap();
        self.sent += 1;
        if self.sent.is_multiple_of(SENT_MAX) {
            self.leave();
        }
    }

    /// Goes away, waiting or not.
    fn leave(&mut self) {
        self.stream = None;
    }
}

/// Commands of all kinds; those that may wait are sent elsewhere at once.
fn commands(grammar: &Grammar, random: &mut Random, blocked: &mut Blocked) -> Vec<Argv> {
    let mut commands = Vec::new();
    while commands.len() < BATCH {
        let command = match random.below(50) {
            0 => others(grammar, random),
            1 => {
                let script = [&b"EVAL"[..], b"return redis.pcall(unpack(ARGV))", b"0"];
                let inner = grammar.command(random);
                script.into_iter().map(<[u8]>::to_vec).chain(inner).collect()
            }
            _ => grammar.command(random),
        };
        if may_wait(&command) && !command[0].eq_ignore_ascii_case(b"EVAL") {
            blocked.send(&command);
        } else {
            commands.push(command);
        }
    }
    commands
}

/// What Redis itself does with keys.
fn others(grammar: &Grammar, random: &mut Random) -> Argv {
    let templates: [&[&str]; 8] = [
        &["COPY", "", "", "REPLACE"],
        &["RENAME", "", ""],
        &["DEL", ""],
        &["UNLINK", ""],
        &["DUMP", ""],
        &["MEMORY", "USAGE", ""],
        &["OBJECT", "ENCODING", ""],
        &["SET", "of-another-type", "x"],
    ];
    let template = *random.of(&templates);
    let fill = |word: &&str| match *word {
        "" => random.of(&grammar.keys).clone(),
        word => word.as_bytes().to_vec(),
    };
    template.iter().map(fill).collect()
}

/// The keys whose values differ, with what INFO says of them on both sides.
fn different_keys(client: &mut Client, copy: &mut Client) -> Vec<String> {
    let mut different = vec!["the digests".to_owned()];
    for key in items(&client.ok("KEYS *")) {
        let key = bytes(key);
        let [one, other] = [&mut *client, &mut *copy].map(|side| {
            let digest = side.call(&[b"DEBUG", b"DIGEST-VALUE", &key]).unwrap();
            (text(&items(&digest)[0]), side.call(&[b"KARIN.INFO", &key]))
        });
        if one.0 != other.0 {
            different.push(format!("{}\n{one:?}\n{other:?}", key.escape_ascii()));
        }
    }
    different
}

/// Whether both servers hold the same, and all queues are sound.
fn compare(client: &mut Client, copy: &mut Client) {
    // Somebody who was made to wait may be served meanwhile.
    let start = Instant::now();
    let difference = wait::until_some(wait::PATIENCE, "two digests", || {
        client.integer("WAIT 1 10000");
        let digest = client.digest();
        if copy.digest() == digest && client.digest() == digest {
            return Some(Vec::new());
        }
        (start.elapsed() > SETTLING).then(|| different_keys(client, copy))
    });
    assert!(difference.is_empty(), "the replica holds other values: {difference:#?}");
    for key in items(&client.ok("KEYS *")) {
        for side in [&mut *client, &mut *copy] {
            if let Err(error) = side.call(&[b"KARIN.DEBUG", b"CHECK", &bytes(key)]) {
                assert!(error.starts_with("WRONGTYPE "), "{key:?}: {error}");
            }
        }
    }
}

#[test]
fn random_arguments_of_every_command_leave_sound_queues_and_equal_replicas() {
    let run = Run::new(50_000, 1_000_000);
    let mut server = RedisServer::start(&SYNC_AT_ONCE);
    let mut replica = RedisServer::start_replica_of(&server, &[]);
    let mut client = Client::new(&server);
    let mut copy = Client::new(&replica);
    let mut monitor = Some(Monitor::start(&server));
    let mut random = Random::new(run.seed);
    let mut grammar = Grammar::read(&mut client, &KEYS);
    let mut blocked = Blocked { server: &server, stream: None, sent: 0 };
    client.ok("SET of-another-type x");
    let mut done = 0;
    for number in 0..run.steps.div_ceil(BATCH) {
        let commands = commands(&grammar, &mut random, &mut blocked);
        let batch = Batch { run: &run, number, commands };
        for reply in batch.send(&mut client).into_iter().flatten() {
            done += 1;
            grammar.learn(&reply, &mut random);
        }
        blocked.leave();
        compare(&mut client, &mut copy);
        if number < LEARNING {
            let effects = monitor.as_mut().map(Monitor::effects);
            grammar.learn_effects(effects.unwrap_or_default());
        } else {
            monitor = None;
        }
        // Back to this year, and now and then to nothing.
        let offset_ms = client.integer("KARIN.DEBUG CLOCK 0");
        let back = format!("{}{}", if offset_ms > 0 { "-" } else { "" }, offset_ms.abs() / 1_000);
        let _beyond_one_step = client.words(&format!("KARIN.DEBUG CLOCK {back}"));
        if random.below(3) == 0 {
            client.ok("FLUSHALL");
        }
    }
    eprintln!("{done} of {} commands were done", run.steps);
    assert!(done > run.steps / 4, "only {done} were done");
    assert!(!replica.log().contains("CRITICAL"), "{}", replica.log());
    drop(blocked);
    client.ok("DEBUG RELOAD");
    compare(&mut client, &mut copy);
    no_panic_is_counted(&server);
    no_panic_is_counted(&replica);
    server.terminate();
    replica.terminate();
}
