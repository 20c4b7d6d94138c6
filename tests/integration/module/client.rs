//! A client of `KARIN.*` commands, and what the tests read from replies.

use std::collections::BTreeMap;

use karin_tests::redis::RedisServer;
use redis::{Connection, RedisError, Value};

/// Masters of these tests let no replica wait.
pub(super) const SYNC_AT_ONCE: [&str; 2] = ["--repl-diskless-sync-delay", "0"];

/// A connection that speaks in words.
pub(super) struct Client(pub(super) Connection);

impl Client {
    pub(super) fn new(server: &RedisServer) -> Self {
        Self(server.connection())
    }

    /// Runs a command of any bytes. Errors: the error's whole text.
    pub(super) fn call(&mut self, arguments: &[&[u8]]) -> Result<Value, String> {
        let mut command = redis::Cmd::new();
        for argument in arguments {
            command.arg(*argument);
        }
        command.query(&mut self.0).map_err(|error| error_text(&error))
    }

    /// Runs a command given as words.
    pub(super) fn words(&mut self, words: &str) -> Result<Value, String> {
        let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        self.call(&words)
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub(super) fn ok(&mut self, words: &str) -> Value {
        self.words(words).unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// Runs a command that must be refused; its error.
    #[track_caller]
    pub(super) fn error(&mut self, words: &str) -> String {
        match self.words(words) {
            Err(error) => error,
            Ok(value) => panic!("{words}: {value:?}"),
        }
    }

    #[track_caller]
    pub(super) fn integer(&mut self, words: &str) -> i64 {
        integer(&self.ok(words))
    }

    #[track_caller]
    pub(super) fn text(&mut self, words: &str) -> String {
        text(&self.ok(words))
    }

    /// `KARIN.POPDUE` with these arguments.
    #[track_caller]
    pub(super) fn pop(&mut self, arguments: &str) -> Popped {
        let reply = fields(&self.ok(&format!("KARIN.POPDUE {arguments}")));
        let messages = items(&reply["messages"]).iter().map(Delivery::read).collect();
        Popped {
            messages,
            more: integer(&reply["more"]),
            dead: integer(&reply["dead"]),
            limited: integer(&reply["limited"]),
            next_ms: integer(&reply["next"]),
            hint: integer(&reply["hint"]),
            wait_ms: integer(&reply["wait"]),
        }
    }

    /// Pops exactly one message.
    #[track_caller]
    pub(super) fn pop_one(&mut self, arguments: &str) -> Delivery {
        let popped = self.pop(arguments);
        assert_eq!(popped.messages.len(), 1, "{popped:?}");
        popped.messages.into_iter().next().unwrap()
    }

    /// What a command answers for its receipts.
    #[track_caller]
    pub(super) fn answers(&mut self, words: &str) -> Vec<String> {
        items(&self.ok(words)).iter().map(text).collect()
    }

    #[track_caller]
    pub(super) fn info(&mut self, key: &str) -> BTreeMap<String, Value> {
        fields(&self.ok(&format!("KARIN.INFO {key}")))
    }

    /// (ready, delayed, in flight).
    #[track_caller]
    pub(super) fn counts(&mut self, key: &str) -> (i64, i64, i64) {
        let info = self.info(key);
        (integer(&info["ready"]), integer(&info["delayed"]), integer(&info["in_flight"]))
    }

    #[track_caller]
    pub(super) fn check(&mut self, key: &str) {
        assert_eq!(self.text(&format!("KARIN.DEBUG CHECK {key}")), "OK");
    }

    #[track_caller]
    pub(super) fn digest(&mut self) -> String {
        self.text("DEBUG DIGEST")
    }
}

/// What POPDUE answered.
#[derive(Debug)]
pub(super) struct Popped {
    pub(super) messages: Vec<Delivery>,
    pub(super) more: i64,
    pub(super) dead: i64,
    pub(super) limited: i64,
    pub(super) next_ms: i64,
    pub(super) hint: i64,
    pub(super) wait_ms: i64,
}

impl Popped {
    pub(super) fn bodies(&self) -> Vec<String> {
        self.messages.iter().map(|m| String::from_utf8(m.body.clone()).unwrap()).collect()
    }
}

/// One message of POPDUE.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) id: String,
    pub(super) receipt: String,
    pub(super) body: Vec<u8>,
    pub(super) attributes: Vec<u8>,
    pub(super) receive_count: i64,
    pub(super) sent_ms: i64,
    pub(super) first_received_ms: i64,
    pub(super) due_ms: i64,
    pub(super) sequence: i64,
    pub(super) group: Vec<u8>,
    pub(super) dedup: Vec<u8>,
    pub(super) source: Vec<u8>,
}

impl Delivery {
    pub(super) fn read(value: &Value) -> Self {
        let [id, receipt, rest @ ..] = items(value) else { panic!("{value:?}") };
        let [body, attributes, receive_count, sent, first_received, due, rest @ ..] = rest else {
            panic!("{value:?}");
        };
        let [sequence, group, dedup, source] = rest else { panic!("{value:?}") };
        Self {
            id: text(id),
            receipt: text(receipt),
            body: bytes(body),
            attributes: bytes(attributes),
            receive_count: integer(receive_count),
            sent_ms: integer(sent),
            first_received_ms: integer(first_received),
            due_ms: integer(due),
            sequence: integer(sequence),
            group: bytes(group),
            dedup: bytes(dedup),
            source: bytes(source),
        }
    }
}

pub(super) fn error_text(error: &RedisError) -> String {
    format!("{} {}", error.code().unwrap_or("?"), error.detail().unwrap_or(""))
}

#[track_caller]
pub(super) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        other => panic!("not an array: {other:?}"),
    }
}

/// A map, of RESP3 or flat.
#[track_caller]
pub(super) fn fields(value: &Value) -> BTreeMap<String, Value> {
    match value {
        Value::Map(pairs) => {
            pairs.iter().map(|(name, value)| (text(name), value.clone())).collect()
        }
        Value::Array(flat) => {
            flat.chunks(2).map(|pair| (text(&pair[0]), pair[1].clone())).collect()
        }
        other => panic!("not a map: {other:?}"),
    }
}

#[track_caller]
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes.clone(),
        other => panic!("not a bulk string: {other:?}"),
    }
}

#[track_caller]
pub(super) fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("not an integer: {other:?}"),
    }
}

#[track_caller]
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::SimpleString(text) => text.clone(),
        Value::Okay => "OK".to_owned(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("not text: {other:?}"),
    }
}

/// A number of `INFO karin`.
#[track_caller]
pub(super) fn info_number(client: &mut Client, name: &str) -> u64 {
    let info = text(&client.ok("INFO karin"));
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}: {info}"))
}

/// Numbers that look random and are the same in every run (xorshift).
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }

    pub(super) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}
