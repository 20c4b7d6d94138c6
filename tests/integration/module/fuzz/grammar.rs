//! Commands made of what COMMAND DOCS says of them, so that new commands and options join by
//! themselves: some right, some nearly, some not at all.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;

use super::super::client::{Client, Random, fields, items, text};
use super::Argv;

/// The commands of the module, and what their arguments are drawn from.
pub(super) struct Grammar {
    commands: Vec<(String, Vec<Argument>)>,
    /// Every word that some command knows.
    tokens: Vec<Vec<u8>>,
    pub(super) keys: Vec<Vec<u8>>,
    /// Strings of replies that are as long as receipts: receipts and ids.
    receipts: Vec<Vec<u8>>,
    /// Effects as the server made them.
    effects: BTreeMap<String, Vec<Argv>>,
}

/// An argument as COMMAND DOCS describes it.
struct Argument {
    name: String,
    kind: String,
    token: Option<Vec<u8>>,
    flags: BTreeSet<String>,
    parts: Vec<Self>,
}

const ATTRIBUTES: [&str; 16] = [
    "VisibilityTimeout",
    "delayseconds",
    "DELAYSECONDS",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "MaximumMessageSize",
    "Policy",
    "RedriveAllowPolicy",
    "KmsMasterKeyId",
    "RedrivePolicy",
    "maxReceiveCount",
    "deadLetterTargetArn",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FIFO",
    "TAG",
];
const TEXTS: [&[u8]; 20] = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"a",
    b"body",
    b"{}",
    b"\r\n$3\r\n",
    b"0",
    b"-1",
    b"1",
    b"2.5",
    b"00",
    b" 1",
    b"18446744073709551615",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"340282366920938463463374607431768211456",
    b"1e300",
    b"nan",
    b"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:0:d\",\"maxReceiveCount\":1}",
];
const INTEGERS: [&str; 8] =
    ["0", "1", "2", "1000", "1001", "4294967296", "281474976710656", "9223372036854775807"];
const VALUES: [&str; 8] = ["0", "1", "2.5", "60", "1024", "true", "messageGroup", "target"];
const SECONDS: [&str; 8] = ["0", "0.001", "1", "2.5", "60", "43200", "315360000", "315360000.001"];
const RECEIPT_LENGTH: usize = 36;
const MEGABYTE: usize = 1 << 20;

impl Grammar {
    /// What this server says of the module's commands.
    pub(super) fn read(client: &mut Client, keys: &[&[u8]]) -> Self {
        let names = client.ok("COMMAND LIST FILTERBY MODULE karin");
        let mut names: Vec<String> = items(&names).iter().map(text).collect();
        // The server lists them in an order of its own, another in every run.
        names.sort();
        assert!(names.len() >= 17, "{names:?}");
        let mut commands = Vec::new();
        let mut tokens = BTreeSet::new();
        for name in names {
            let docs = fields(&client.ok(&format!("COMMAND DOCS {name}")));
            let arguments = arguments(fields(&docs[&name]).get("arguments"));
            for argument in &arguments {
                argument.collect_tokens(&mut tokens);
            }
            commands.push((name, arguments));
        }
        Self {
            commands,
            tokens: tokens.into_iter().collect(),
            keys: keys.iter().map(|key| key.to_vec()).collect(),
            receipts: Vec::new(),
            effects: BTreeMap::new(),
        }
    }

    /// Any command of the module.
    pub(super) fn command(&self, random: &mut Random) -> Argv {
        let (name, arguments) = random.of(&self.commands);
        let mut argv = match self.effects.get(name) {
            Some(effects) if random.below(2) == 0 => self.changed_effect(effects, random),
            _ if random.below(8) == 0 => self.words(name, random),
            _ => self.written(name, arguments, random),
        };
        if random.below(6) == 0 {
            self.spoil(&mut argv, random);
        }
        argv
    }

    /// Learns the receipts and ids of a reply.
    pub(super) fn learn(&mut self, reply: &Value, random: &mut Random) {
        const KEPT: usize = 64;
        match reply {
            Value::Array(items) => items.iter().for_each(|item| self.learn(item, random)),
            Value::BulkString(bytes) if bytes.len() == RECEIPT_LENGTH => {
                if self.receipts.len() < KEPT {
                    self.receipts.push(bytes.clone());
                } else {
                    self.receipts[random.below(KEPT)].clone_from(bytes);
                }
            }
            _ => {}
        }
    }

    /// Learns what the server replicates.
    pub(super) fn learn_effects(&mut self, effects: Vec<Argv>) {
        const KEPT: usize = 200;
        for effect in effects {
            let name = String::from_utf8(effect[0].to_ascii_lowercase()).unwrap();
            let known = self.effects.entry(name).or_default();
            if known.len() < KEPT && effect.iter().map(Vec::len).sum::<usize>() < MEGABYTE {
                known.push(effect);
            }
        }
    }

    /// As documented, the options in any order.
    fn written(&self, name: &str, arguments: &[Argument], random: &mut Random) -> Argv {
        let mut parts: Vec<Argv> = Vec::new();
        let mut options = 0;
        for argument in arguments {
            let mut part = Vec::new();
            argument.write(self, random, &mut part);
            parts.push(part);
            options += usize::from(argument.flags.contains("optional"));
        }
        let positional = parts.len() - options;
        for at in positional..parts.len() {
            let other = positional + random.below(options);
            parts.swap(at, other);
        }
        let words = parts.into_iter().flatten();
        std::iter::once(name.as_bytes().to_vec()).chain(words).collect()
    }

    /// Words in no order.
    fn words(&self, name: &str, random: &mut Random) -> Argv {
        let mut argv = vec![name.as_bytes().to_vec(), random.of(&self.keys).clone()];
        argv.extend((0..random.below(7)).map(|_| self.word(random)));
        argv
    }

    /// An effect on one of our keys, sometimes with a byte changed.
    fn changed_effect(&self, effects: &[Argv], random: &mut Random) -> Argv {
        let mut argv = random.of(effects).clone();
        argv[1].clone_from(random.of(&self.keys));
        let last = argv.len() - 1;
        let at = 2 + random.below(last - 1);
        let argument = &mut argv[at];
        match random.below(6) {
            0 if !argument.is_empty() => {
                let byte = random.below(argument.len());
                argument[byte] ^= 1 << random.below(8);
            }
            1 if !argument.is_empty() => drop(argument.remove(random.below(argument.len()))),
            2 => argument.push(0xff),
            _ => {}
        }
        argv
    }

    /// One argument more, less, elsewhere or another.
    fn spoil(&self, argv: &mut Argv, random: &mut Random) {
        let count = argv.len();
        if count < 2 {
            return;
        }
        let (at, other) = (1 + random.below(count - 1), 1 + random.below(count - 1));
        match random.below(5) {
            0 => drop(argv.remove(at)),
            1 => argv.insert(at, self.word(random)),
            2 => argv.swap(at, other),
            3 => argv.push(argv[at].clone()),
            _ => argv[at] = self.word(random),
        }
    }

    /// Anything.
    fn word(&self, random: &mut Random) -> Vec<u8> {
        match random.below(600) {
            0 => vec![b'x'; MEGABYTE],
            1..=200 => random.of(&TEXTS).to_vec(),
            201..=300 => random.of(&self.tokens).clone(),
            301..=350 => random.of(&self.keys).clone(),
            351..=400 => random.of(&ATTRIBUTES).as_bytes().to_vec(),
            401..=500 => self.receipt(random),
            n => random.bytes(n % 50),
        }
    }

    fn receipt(&self, random: &mut Random) -> Vec<u8> {
        if self.receipts.is_empty() { Vec::new() } else { random.of(&self.receipts).clone() }
    }
}

impl Argument {
    fn read(value: &Value) -> Self {
        let value = fields(value);
        Self {
            name: text(&value["name"]),
            kind: text(&value["type"]),
            token: value.get("token").map(|token| text(token).into_bytes()),
            flags: value.get("flags").map_or(&[][..], items).iter().map(text).collect(),
            parts: arguments(value.get("arguments")),
        }
    }

    fn collect_tokens(&self, tokens: &mut BTreeSet<Vec<u8>>) {
        tokens.extend(self.token.clone());
        for part in &self.parts {
            part.collect_tokens(tokens);
        }
    }

    fn write(&self, grammar: &Grammar, random: &mut Random, out: &mut Argv) {
        if self.flags.contains("optional") && random.below(3) > 0 {
            return;
        }
        let times = if self.flags.contains("multiple") { 1 + random.below(3) } else { 1 };
        for nth in 0..times {
            if nth == 0 || self.flags.contains("multiple_token") {
                out.extend(self.token.clone());
            }
            match self.kind.as_str() {
                "oneof" => random.of(&self.parts).write(grammar, random, out),
                "block" => self.parts.iter().for_each(|part| part.write(grammar, random, out)),
                "pure-token" => {}
                _ => out.push(self.value(grammar, random)),
            }
        }
    }

    /// Mostly what belongs here.
    fn value(&self, grammar: &Grammar, random: &mut Random) -> Vec<u8> {
        if random.below(16) == 0 {
            return grammar.word(random);
        }
        match self.kind.as_str() {
            "key" => random.of(&grammar.keys).clone(),
            "double" => random.of(&SECONDS).as_bytes().to_vec(),
            "integer" if random.below(4) == 0 => random.of(&INTEGERS).as_bytes().to_vec(),
            "integer" => (1 + random.below(3)).to_string().into_bytes(),
            _ if self.name.contains("receipt") => grammar.receipt(random),
            _ if self.name.contains("attribute") => random.of(&ATTRIBUTES).as_bytes().to_vec(),
            _ if self.name == "value" => random.of(&VALUES).as_bytes().to_vec(),
            _ => random.of(&TEXTS).to_vec(),
        }
    }
}

fn arguments(list: Option<&Value>) -> Vec<Argument> {
    list.map_or(&[][..], items).iter().map(Argument::read).collect()
}
