//! `KARIN.SEND key body [option …]`: appends one message.

use std::borrow::Cow;

use karin_core::extras::MESSAGE_ID_LENGTH;
use karin_core::limits::{REMEMBERED_MS, SEQUENCE_MAX, SOURCE_BYTES_MAX};
use karin_core::{Attributes, Letter, Moved, Queue, SendOptions, Tags};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::WRITE;
use crate::docs::{Arg, Doc, KeyUse};
use crate::ffi::{self, Key, Value};
use crate::replicate::{self, Puts};
use crate::reply::{Failure, Reply};
use crate::{clock, config, counters, registry, sweep, tick};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.send",
    summary: c"Appends a message. Makes the queue if there is none.",
    complexity: c"O(1), O(log N) with a delay, group or deduplication id.",
    arity: -3,
    key: Some(KeyUse::INSERT),
    arguments: &[
        Arg::KEY,
        Arg::string(c"body"),
        DELAY,
        GROUP,
        DEDUP,
        SHA256,
        ATTRS,
        SIZE,
        NOMKQUEUE,
        FROM,
        ID,
        SOURCE,
        SENT,
        RECEIVED,
    ],
};
pub(super) const DELAY: Arg = Arg::double(c"seconds").token(c"DELAY").optional();
pub(super) const GROUP: Arg = Arg::string(c"group").token(c"GROUP").optional();
pub(super) const DEDUP: Arg = Arg::string(c"dedup-id").token(c"DEDUP").optional();
pub(super) const SHA256: Arg = Arg::string(c"hex").token(c"SHA256").optional();
pub(super) const ATTRS: Arg = Arg::string(c"attributes").token(c"ATTRS").optional();
pub(super) const SIZE: Arg = Arg::integer(c"bytes").token(c"SIZE").optional();
pub(super) const FROM: Arg =
    Arg::block(c"from", &[Arg::string(c"uid"), Arg::integer(c"number")]).token(c"FROM").optional();
pub(super) const ID: Arg = Arg::string(c"message-id").token(c"ID").optional();
pub(super) const SOURCE: Arg = Arg::string(c"source").token(c"SOURCE").optional();
pub(super) const SENT: Arg = Arg::integer(c"sent-ms").token(c"SENT").optional();
pub(super) const RECEIVED: Arg =
    Arg::block(c"received", &[Arg::integer(c"count"), Arg::integer(c"first-ms")])
        .token(c"RECEIVED")
        .optional();
pub(super) const NOMKQUEUE: Arg = Arg::word(c"nomkqueue", c"NOMKQUEUE").optional();

/// One message as the client gave it.
#[derive(Debug)]
pub(super) struct Message<'a> {
    body: &'a RedisString,
    delay_ms: Option<u64>,
    group: Option<&'a [u8]>,
    dedup_id: Option<&'a [u8]>,
    /// Lower-case.
    body_sha256: Option<Cow<'a, [u8]>>,
    attributes: Option<&'a [u8]>,
    size_bytes: Option<u64>,
    from: Option<Letter>,
    id: Option<[u8; MESSAGE_ID_LENGTH]>,
    source: Option<&'a [u8]>,
    sent_ms: Option<u64>,
    /// How often it was received, and when first.
    received: Option<(u32, u64)>,
}

impl<'a> Message<'a> {
    /// A message without options.
    pub(super) fn new(body: &'a RedisString) -> Self {
        Self {
            body,
            delay_ms: None,
            group: None,
            dedup_id: None,
            body_sha256: None,
            attributes: None,
            size_bytes: None,
            from: None,
            id: None,
            source: None,
            sent_ms: None,
            received: None,
        }
    }

    /// Takes one of the message's options. `false`: the next argument is none.
    pub(super) fn parse_option(&mut self, arguments: &mut Args<'a>) -> Result<bool, Failure> {
        Ok(arguments.option("DELAY", &mut self.delay_ms, Args::seconds_ms)?
            || arguments.option("ATTRS", &mut self.attributes, |rest, _| rest.bytes())?
            || arguments.option("SIZE", &mut self.size_bytes, Args::byte_count)?
            || arguments.option("GROUP", &mut self.group, Args::id)?
            || arguments.option("DEDUP", &mut self.dedup_id, Args::id)?
            || arguments.option("SHA256", &mut self.body_sha256, sha256)?
            || arguments.option("FROM", &mut self.from, letter)?
            || arguments.option("ID", &mut self.id, message_id)?
            || arguments.option("SOURCE", &mut self.source, source)?
            || arguments.option("SENT", &mut self.sent_ms, Args::time_ms)?
            || arguments.option("RECEIVED", &mut self.received, received)?)
    }

    /// Appends it and notes the effects. Its sequence number, or that of the message it is a
    /// duplicate of.
    pub(super) fn send(
        &self,
        queue: &mut Queue,
        now_ms: u64,
        puts: &mut Puts<'a>,
    ) -> Result<u64, karin_core::Error> {
        let sent = queue.send(now_ms, &self.options())?;
        let Some(slot) = sent.slot else {
            counters::DUPLICATES.add(1);
            return Ok(sent.sequence);
        };
        puts.add(queue, slot, self.body);
        if let Some(letter) = self.from {
            puts.add_letter(letter);
        }
        Ok(sent.sequence)
    }

    /// Whether a queue takes its delay; what a FIFO queue says to any is said elsewhere.
    pub(super) fn check_delay(&self, queue: &Queue) -> Result<(), karin_core::Error> {
        let attributes = queue.attributes();
        let given_ms = self.delay_ms.filter(|_| !attributes.fifo);
        queue.check_delay(given_ms.unwrap_or(attributes.delay_ms))
    }

    fn options(&self) -> SendOptions<'_> {
        let (receive_count, first_received_ms) = self.received.unwrap_or_default();
        SendOptions {
            body: self.body.as_slice(),
            attributes: self.attributes.unwrap_or_default(),
            delay_ms: self.delay_ms,
            size_bytes: self.size_bytes,
            group: self.group,
            dedup_id: self.dedup_id,
            body_sha256: self.body_sha256.as_deref(),
            dedup_ids_max: config::max_dedup_ids(),
            moved: Moved {
                from: self.from,
                id: self.id,
                source: self.source,
                sent_ms: self.sent_ms,
                first_received_ms,
                receive_count,
            },
        }
    }
}

/// A hash as hexadecimal digits, in lower case.
fn sha256<'a>(arguments: &mut Args<'a>, what: &'static str) -> Result<Cow<'a, [u8]>, Failure> {
    let digits = arguments.hexadecimal(what, 64)?;
    let lower = !digits.iter().any(u8::is_ascii_uppercase);
    Ok(if lower { digits.into() } else { digits.to_ascii_lowercase().into() })
}

/// A dead letter: the uid of its queue and its number there.
fn letter(arguments: &mut Args<'_>, what: &'static str) -> Result<Letter, Failure> {
    let source_uid = arguments.uid(what)?;
    Ok(Letter { source_uid, number: arguments.integer(what, 1, SEQUENCE_MAX)? })
}

fn message_id(
    arguments: &mut Args<'_>,
    _what: &'static str,
) -> Result<[u8; MESSAGE_ID_LENGTH], Failure> {
    let id = arguments.bytes()?;
    id.try_into()
        .ok()
        .filter(|id: &[u8; MESSAGE_ID_LENGTH]| id.iter().all(u8::is_ascii_graphic))
        .ok_or(Failure::Refused("ID must be 36 printable characters without spaces"))
}

fn source<'a>(arguments: &mut Args<'a>, what: &'static str) -> Result<&'a [u8], Failure> {
    arguments.short(what, SOURCE_BYTES_MAX)
}

fn received(arguments: &mut Args<'_>, what: &'static str) -> Result<(u32, u64), Failure> {
    let maximum = u64::from(u32::MAX);
    let count = arguments.integer(what, 0, maximum)?;
    let count =
        u32::try_from(count).map_err(|_| Failure::NotInteger { what, minimum: 0, maximum })?;
    Ok((count, arguments.time_ms(what)?))
}

struct Input<'a> {
    key: &'a RedisString,
    message: Message<'a>,
    nomkqueue: bool,
}

struct Sent {
    id: [u8; 36],
    sequence: u64,
    hint: u64,
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let sent = execute(ctx, &input)?;
    let reply = Reply(ctx);
    reply.array(3);
    reply.bulk(&sent.id);
    reply.number(sent.sequence);
    reply.number(sent.hint);
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let mut message = Message::new(arguments.string()?);
    let mut nomkqueue = false;
    while message.parse_option(&mut arguments)? || arguments.flag("NOMKQUEUE", &mut nomkqueue)? {}
    arguments.finish()?;
    Ok(Input { key, message, nomkqueue })
}

fn execute(ctx: &Context, input: &Input<'_>) -> Result<Sent, Failure> {
    let now_ms = clock::now_ms();
    append(ctx, input.key, input.nomkqueue, now_ms, |queue, appended| {
        let sequence = input.message.send(queue, now_ms, appended)?;
        Ok(Sent { id: queue.message_id(sequence), sequence, hint: queue.hint() })
    })
}

/// Lets `send` append messages to a queue and note their effects, and tells whoever must know. A
/// missing key becomes a queue once a message is in it; an error of `send` changes nothing.
pub(super) fn append<'a, T>(
    ctx: &Context,
    name: &RedisString,
    nomkqueue: bool,
    now_ms: u64,
    send: impl FnOnce(&mut Queue, &mut Puts<'a>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut appended = Puts::default();
    let mut key = Key::open(ctx, name, WRITE);
    let (result, hint) = match key.value() {
        Value::Other => return Err(Failure::WrongType),
        Value::Queue(queue) => {
            let had_ids = queue.dedup_ids() > 0;
            let result = send(queue, &mut appended)?;
            if queue.dedup_ids() > 0 && !had_ids {
                // Where there are some, they are looked after already.
                tick::schedule(ffi::selected_db(ctx), name.as_slice(), now_ms + REMEMBERED_MS);
            }
            (result, queue.take_hint())
        }
        Value::Missing if nomkqueue || is_fifo_name(name.as_slice()) => {
            return Err(Failure::NoQueue);
        }
        Value::Missing => {
            let (attributes, tags) = (Attributes::default(), Tags::default());
            let mut queue = Queue::new(clock::draw_uid(), now_ms, attributes, tags);
            let header = queue.encode_header();
            let result = send(&mut queue, &mut appended)?;
            if appended.is_empty() {
                return Ok(result);
            }
            let hint = queue.take_hint();
            key.set(queue);
            replicate::header(ctx, name, &header);
            registry::add(ffi::selected_db(ctx), name.as_slice());
            (result, hint)
        }
    };
    if !appended.is_empty() {
        counters::SENT.add_count(appended.len());
        if appended.has_letters() {
            tick::schedule(ffi::selected_db(ctx), name.as_slice(), now_ms + sweep::MOVED_MS);
        }
        replicate::puts(ctx, name, &appended);
        replicate::announce(ctx, name, hint, now_ms);
    }
    Ok(result)
}

/// Whether the key is named like a FIFO queue, which SEND does not make: messages would lose their
/// order silently.
fn is_fifo_name(name: &[u8]) -> bool {
    name.ends_with(b".fifo") || name.ends_with(b".fifo}")
}
