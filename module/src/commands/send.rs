//! `KARIN.SEND key body [DELAY s] [ATTRS blob] [SIZE bytes] [NOMKQUEUE]`: appends one message.

use karin_core::{Attributes, Queue, SendOptions, Tags};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::commands::WRITE;
use crate::docs::{Arg, Doc, KeyUse};
use crate::ffi::{self, Key, Value};
use crate::replicate::{self, Puts};
use crate::reply::{Failure, Reply};
use crate::{clock, counters, registry};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.send",
    summary: c"Appends a message. Makes the queue if there is none.",
    complexity: c"O(1), O(log N) with a delay.",
    arity: -3,
    key: Some(KeyUse::INSERT),
    arguments: &[Arg::KEY, Arg::string(c"body"), DELAY, ATTRS, SIZE, NOMKQUEUE],
};
pub(super) const DELAY: Arg = Arg::double(c"seconds").token(c"DELAY").optional();
pub(super) const ATTRS: Arg = Arg::string(c"attributes").token(c"ATTRS").optional();
pub(super) const SIZE: Arg = Arg::integer(c"bytes").token(c"SIZE").optional();
pub(super) const NOMKQUEUE: Arg = Arg::word(c"nomkqueue", c"NOMKQUEUE").optional();

/// One message as the client gave it.
#[derive(Debug)]
pub(super) struct Message<'a> {
    body: &'a RedisString,
    delay_ms: Option<u64>,
    attributes: Option<&'a [u8]>,
    size_bytes: Option<u64>,
}

impl<'a> Message<'a> {
    /// A message without options.
    pub(super) fn new(body: &'a RedisString) -> Self {
        Self { body, delay_ms: None, attributes: None, size_bytes: None }
    }

    /// Takes one of the message's options. `false`: the next argument is none.
    pub(super) fn parse_option(&mut self, arguments: &mut Args<'a>) -> Result<bool, Failure> {
        Ok(arguments.option("DELAY", &mut self.delay_ms, Args::seconds_ms)?
            || arguments.option("ATTRS", &mut self.attributes, |rest, _| rest.bytes())?
            || arguments.option("SIZE", &mut self.size_bytes, Args::byte_count)?)
    }

    /// Notes that it was appended, in this slot.
    pub(super) fn add_to(&self, puts: &mut Puts<'a>, queue: &Queue, slot: u32) {
        puts.add(queue, slot, self.body, self.attributes);
    }

    /// The same for the core.
    pub(super) fn options(&self) -> SendOptions<'a> {
        SendOptions {
            body: self.body.as_slice(),
            attributes: self.attributes.unwrap_or_default(),
            delay_ms: self.delay_ms,
            size_bytes: self.size_bytes,
        }
    }
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
        let sent = queue.send(now_ms, &input.message.options())?;
        input.message.add_to(appended, queue, sent.slot);
        Ok(Sent {
            id: queue.message_id(sent.sequence),
            sequence: sent.sequence,
            hint: queue.hint(),
        })
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
        Value::Queue(queue) => (send(queue, &mut appended)?, queue.take_hint()),
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
