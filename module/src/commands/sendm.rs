//! `KARIN.SENDM key n [NOMKQUEUE] MSG body [option …] [MSG …]`: appends n messages in one atomic
//! command.

use karin_core::limits::{BATCH_MAX, SEQUENCE_MAX, SLOTS_MAX};
use karin_core::{Error, Queue};
use redis_module::{Context, RedisString};

use crate::args::Args;
use crate::clock;
use crate::commands::send::{
    ATTRS, DEDUP, DELAY, FROM, GROUP, ID, Message, NOMKQUEUE, RECEIVED, SENT, SHA256, SIZE, SOURCE,
    append,
};
use crate::docs::{Arg, Doc, KeyUse};
use crate::reply::{Failure, Reply, class};

pub(crate) const DOC: Doc = Doc {
    name: c"karin.sendm",
    summary: c"Appends several messages at once. Makes the queue if there is none.",
    complexity:
        c"O(1) for each message, O(log N) for each with a delay, group or deduplication id.",
    arity: -5,
    key: Some(KeyUse::INSERT),
    arguments: &[
        Arg::KEY,
        Arg::integer(c"n"),
        NOMKQUEUE,
        Arg::block(
            c"message",
            &[
                Arg::string(c"body"),
                DELAY,
                GROUP,
                DEDUP,
                SHA256,
                ATTRS,
                SIZE,
                FROM,
                ID,
                SOURCE,
                SENT,
                RECEIVED,
            ],
        )
        .token(c"MSG")
        .repeated(),
    ],
};

struct Input<'a> {
    key: &'a RedisString,
    messages: Vec<Message<'a>>,
    nomkqueue: bool,
}

enum Entry {
    Sent { id: [u8; 36], sequence: u64 },
    Refused(Error),
}

pub(crate) fn run(ctx: &Context, arguments: Args<'_>) -> Result<(), Failure> {
    let input = parse(arguments)?;
    let (hint, entries) = execute(ctx, &input)?;
    let reply = Reply(ctx);
    reply.array(2);
    reply.number(hint);
    reply.array(entries.len());
    for entry in &entries {
        reply.array(2);
        match entry {
            Entry::Sent { id, sequence } => {
                reply.bulk(id);
                reply.number(*sequence);
            }
            Entry::Refused(error) => {
                reply.simple(class(error));
                reply.number(match error {
                    Error::TooLarge { maximum_message_size_bytes, .. } => {
                        *maximum_message_size_bytes
                    }
                    Error::Moved { watermark } => *watermark,
                    _ => 0,
                });
            }
        }
    }
    Ok(())
}

fn parse(mut arguments: Args<'_>) -> Result<Input<'_>, Failure> {
    let key = arguments.string()?;
    let maximum = u64::try_from(BATCH_MAX).unwrap_or(u64::MAX);
    let count = arguments.integer("n", 1, maximum)?;
    let mut nomkqueue = false;
    arguments.flag("NOMKQUEUE", &mut nomkqueue)?;
    let mut messages = Vec::new();
    for _ in 0..count {
        if !arguments.word("MSG") {
            return Err(Failure::Refused("n is not the number of MSG given"));
        }
        let mut message = Message::new(arguments.string()?);
        while message.parse_option(&mut arguments)? {}
        messages.push(message);
    }
    if arguments.word("MSG") {
        return Err(Failure::Refused("n is not the number of MSG given"));
    }
    arguments.finish()?;
    Ok(Input { key, messages, nomkqueue })
}

fn execute(ctx: &Context, input: &Input<'_>) -> Result<(u64, Vec<Entry>), Failure> {
    let now_ms = clock::now_ms();
    append(ctx, input.key, input.nomkqueue, now_ms, |queue, appended| {
        check_all(queue, &input.messages)?;
        let mut entries = Vec::with_capacity(input.messages.len());
        for message in &input.messages {
            entries.push(match message.send(queue, now_ms, appended) {
                Ok(sequence) => Entry::Sent { id: queue.message_id(sequence), sequence },
                Err(error) => Entry::Refused(error),
            });
        }
        Ok((queue.hint(), entries))
    })
}

/// Refuses, before anything is sent, what is wrong with the command and not with one message.
fn check_all(queue: &Queue, messages: &[Message<'_>]) -> Result<(), Failure> {
    let count = messages.len();
    let slots = queue.len().saturating_add(count);
    let sequence = queue.last_sequence().saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    if slots > usize::try_from(SLOTS_MAX).unwrap_or(usize::MAX) || sequence > SEQUENCE_MAX {
        return Err(Error::Full.into());
    }
    for message in messages {
        message.check_delay(queue)?;
    }
    Ok(())
}
