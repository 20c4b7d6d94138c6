//! Random commands of all kinds on a few queues; a seed gives the same kinds in the same order.

use std::collections::VecDeque;

use redis::Value;

use super::client::{Client, Random, fields, items, text};

/// Words of one command.
type Make = fn(&mut RandomCommands) -> String;

/// What a random command can be, and how often in about 240. A new command of the module gets its
/// line here; that it is refused now and then does no harm.
const KINDS: &[(usize, Make)] = &[
    (40, |r| format!("KARIN.SEND {} body-{}", r.queue(), r.below(1_000))),
    (10, |r| format!("KARIN.SEND {} x DELAY 0.{} ATTRS {}", r.queue(), r.below(9), r.below(30))),
    (10, |r| format!("KARIN.SEND {} body DELAY {}", r.queue(), r.below(30))),
    (10, |r| format!("KARIN.SENDM {} 3 MSG x MSG y DELAY 3 MSG z ATTRS at", r.queue())),
    (50, pop),
    (10, |r| format!("{} MAXBYTES {}", pop(r), r.below(60))),
    (30, |r| r.about_receipts("KARIN.ACK", "")),
    (20, |r| r.about_receipts("KARIN.EXTEND", " {}")),
    (10, |r| r.about_receipts("KARIN.RELEASE", "")),
    (10, |r| format!("KARIN.RELEASE {} HOLDER {}", r.queue(), r.below(2) + 1)),
    (6, |r| format!("KARIN.DROP {} {} {}", r.queue(), r.below(400), r.below(400))),
    (2, |r| format!("KARIN.DROP {} FORCE {}", r.queue(), r.below(400))),
    (6, |r| format!("KARIN.LEASE {} VISIBILITY {} {}", r.queue(), r.below(30), r.below(400))),
    (4, |r| format!("KARIN.SET {} MessageRetentionPeriod {}", r.queue(), r.below(300) + 60)),
    (4, |r| format!("KARIN.SET {} VisibilityTimeout {} DelaySeconds 0", r.queue(), r.below(9))),
    (4, |r| format!("KARIN.SET {} DelaySeconds {} Policy p{}", r.queue(), r.below(3), r.below(3))),
    (1, |r| format!("KARIN.PURGE {}", r.queue())),
    (8, |_| "KARIN.CREATE c.fifo VisibilityTimeout 2 TAG team a TAG stage b".to_owned()),
    (8, |r| format!("KARIN.DEBUG CLOCK {}", r.below(20))),
    // What happens to any key.
    (2, |r| format!("COPY {} {} REPLACE", r.queue(), r.queue())),
    (1, |r| format!("COPY {} {} DB 1", r.queue(), r.queue())),
    (2, |r| format!("RENAME {} {}", r.queue(), r.queue())),
    (1, |r| format!("DEL {}", r.queue())),
    (1, |r| format!("UNLINK {}", r.queue())),
    (1, |r| format!("MOVE {} 1", r.queue())),
    (1, |_| "SWAPDB 0 1".to_owned()),
    (1, |r| format!("EXPIRE {} 100000", r.queue())),
];

/// How many receipts are remembered; older ones are about deleted messages anyway.
const RECEIPTS: usize = 300;

fn pop(random: &mut RandomCommands) -> String {
    let (queue, count, holder) = (random.queue(), random.below(12) + 1, random.below(2) + 1);
    format!("KARIN.POPDUE {queue} COUNT {count} VISIBILITY {} HOLDER {holder}", random.below(30))
}

/// Makes and runs the commands.
pub(super) struct RandomCommands {
    random: Random,
    /// (queue, receipt).
    receipts: VecDeque<(String, String)>,
    run: usize,
    accepted: usize,
}

impl RandomCommands {
    /// The databases it writes to, from 0.
    pub(super) const DATABASES: usize = 2;

    pub(super) fn new(seed: u64) -> Self {
        let receipts = VecDeque::from([("a".to_owned(), "no-receipt".to_owned())]);
        Self { random: Random::new(seed), receipts, run: 0, accepted: 0 }
    }

    /// Runs `count` commands. Panics where most of them were refused, since they tried nothing
    /// then.
    #[track_caller]
    pub(super) fn run(&mut self, client: &mut Client, count: usize) {
        for _ in 0..count {
            self.step(client);
        }
        let (run, accepted) = (self.run, self.accepted);
        assert!(count < 100 || accepted * 2 > run, "{accepted} of {run} commands were accepted");
    }

    /// Runs one command, which may be refused.
    #[track_caller]
    pub(super) fn step(&mut self, client: &mut Client) {
        let words = self.make();
        self.run += 1;
        match client.words(&words) {
            Ok(reply) => {
                self.accepted += 1;
                if words.starts_with("KARIN.POPDUE ") {
                    let queue = words.split(' ').nth(1).unwrap();
                    self.note_receipts(queue, &reply);
                }
            }
            // An error of the connection has no class.
            Err(error) => assert!(!error.starts_with('?'), "{words}: {error}"),
        }
    }

    fn make(&mut self) -> String {
        let total = KINDS.iter().map(|(weight, _)| weight).sum();
        let mut at = self.below(total);
        for (weight, make) in KINDS {
            if at < *weight {
                return make(self);
            }
            at -= weight;
        }
        unreachable!("{at} of {total}")
    }

    fn note_receipts(&mut self, queue: &str, reply: &Value) {
        for message in items(&fields(reply)["messages"]) {
            self.receipts.push_back((queue.to_owned(), text(&items(message)[1])));
            if self.receipts.len() > RECEIPTS {
                self.receipts.pop_front();
            }
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound)
    }

    fn queue(&mut self) -> &'static str {
        ["a", "a", "b", "b", "c.fifo"][self.below(5)]
    }

    /// A command with up to three receipts, mostly of the queue it names. `after` follows each,
    /// with a number for its `{}`.
    fn about_receipts(&mut self, command: &str, after: &str) -> String {
        let mut queue = self.receipts[self.random.below(self.receipts.len())].0.clone();
        if self.below(20) == 0 {
            self.queue().clone_into(&mut queue);
        }
        let current = *self.random.of(&["", " CURRENT"]);
        let delay = match command {
            "KARIN.RELEASE" => *self.random.of(&["", " DELAY 2"]),
            _ => "",
        };
        let mut words = format!("{command} {queue}{current}{delay}");
        for _ in 0..=self.below(3) {
            let newest = self.receipts.len().min(if self.below(4) == 0 { RECEIPTS } else { 20 });
            let at = self.receipts.len() - 1 - self.below(newest);
            let number = self.below(30).to_string();
            words.push(' ');
            words.push_str(&self.receipts[at].1);
            words.push_str(&after.replace("{}", &number));
        }
        words
    }
}

/// Holds every index of every queue against a recount.
#[track_caller]
pub(super) fn check_all(client: &mut Client) {
    for db in 0..RandomCommands::DATABASES {
        client.ok(&format!("SELECT {db}"));
        for key in items(&client.ok("KEYS *")) {
            client.check(&text(key));
        }
    }
    client.ok("SELECT 0");
}
