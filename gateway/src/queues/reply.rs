//! From Redis's answers to the gateway's types. Pure.
//!
//! A map is a map in RESP3 and a flat array in RESP2; both are read. Bodies are moved, not copied.

use bytes::Bytes;
use redis::{ServerError, Value};

use crate::history::QueueState;

use super::{
    DropOutcome, MessageState, Peeked, Popped, QueueError, QueueInfo, ReceiptOutcome,
    ReceivedMessage, Seen, SeenMessage, Sent, StoredMessage,
};

/// What an error means for a queue. Its class is its first word (docs/commands.md).
pub(super) fn error(error: &ServerError) -> QueueError {
    classify(error.code(), error.details().unwrap_or_default())
}

fn classify(code: &str, details: &str) -> QueueError {
    match code {
        // WRONGTYPE: somebody keeps something else at the key.
        "KARINNOQUEUE" | "WRONGTYPE" => QueueError::NoQueue,
        "KARINEXISTS" => QueueError::Exists,
        "KARINCHANGED" => QueueError::Changed,
        "KARINATTRIBUTE" => QueueError::Attribute(details.to_owned()),
        "KARINNOGROUP" => QueueError::NoGroup,
        "KARINNODEDUP" => QueueError::NoDeduplicationId,
        "KARINNOTFIFO" => QueueError::NotFifo,
        "KARINFIFODELAY" => QueueError::FifoDelay,
        "KARINTHROTTLED" => QueueError::Throttled(details.to_owned()),
        "KARINMOVED" => match details.rsplit(' ').next().and_then(|word| word.parse().ok()) {
            Some(watermark) => QueueError::Moved { watermark },
            None => QueueError::Unexpected(format!("{code} {details}")),
        },
        "KARINTOOLARGE" => match maximum_message_size(details) {
            Some(maximum_message_size) => QueueError::TooLarge { maximum_message_size },
            None => QueueError::Unexpected(format!("{code} {details}")),
        },
        "OOM" | "KARINFULL" | "EXECABORT" => QueueError::Full(format!("{code} {details}")),
        "LOADING" | "READONLY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK"
        | "BUSY" | "MISCONF" | "NOREPLICAS" | "UNBLOCKED" | "NOPERM" => {
            QueueError::Unavailable(format!("{code} {details}"))
        }
        _ => QueueError::Unexpected(format!("{code} {details}")),
    }
}

/// `message of <n> bytes, MaximumMessageSize is <m> bytes`
fn maximum_message_size(details: &str) -> Option<u64> {
    let (_, rest) = details.split_once("MaximumMessageSize is ")?;
    rest.split(' ').next()?.parse().ok()
}

/// What a reply says about when to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outlook {
    /// The hint number it was true at.
    pub(super) hint: u64,
    /// Milliseconds until something is due; `None`: nothing is waiting.
    pub(super) next_ms: Option<u64>,
}

impl Outlook {
    /// What a POPDUE's answer says.
    pub(super) fn of(popped: &Popped) -> Self {
        let next_ms = if popped.more > 0 { Some(0) } else { popped.next_ms };
        Self { hint: popped.hint, next_ms }
    }
}

/// One queue of a LIST.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The key.
    pub(super) key: Vec<u8>,
    /// When to look there.
    pub(super) outlook: Outlook,
    /// Receivable now.
    pub(super) ready: u64,
    /// Delayed, never received.
    pub(super) delayed: u64,
    /// Received and not yet visible again.
    pub(super) in_flight: u64,
    /// Messages in its dead list.
    pub(super) dead: u64,
    /// How it is; `None`: the module is too old to say.
    pub(super) state: Option<QueueState>,
}

/// A page of a LIST.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// The queues.
    pub(super) rows: Vec<Row>,
    /// Where to go on; `None`: that was the last page.
    pub(super) after: Option<Vec<u8>>,
    /// The server's time, epoch milliseconds; `None`: the module is too old to say.
    pub(super) now_ms: Option<u64>,
}

/// `[id, sequence, hint]`
pub(super) fn sent(value: Value) -> Result<(Sent, u64), QueueError> {
    let [id, sequence, hint] = fixed(value)?;
    Ok((Sent { id: text(id)?, sequence: number(&sequence)? }, number(&hint)?))
}

/// `[hint, [[id, sequence] | [class, number], …]]`, as many as were sent.
pub(super) fn sent_batch(
    value: Value,
    count: usize,
) -> Result<(u64, Vec<Result<Sent, QueueError>>), QueueError> {
    let [hint, results] = fixed(value)?;
    let results = array(results)?.into_iter().map(sent_entry).collect::<Result<Vec<_>, _>>()?;
    if results.len() != count {
        return Err(QueueError::Unexpected(format!("{} answers to {count}", results.len())));
    }
    Ok((number(&hint)?, results))
}

fn sent_entry(value: Value) -> Result<Result<Sent, QueueError>, QueueError> {
    let [first, second] = fixed(value)?;
    let second = number(&second)?;
    Ok(match text(first)? {
        word if word == "KARINTOOLARGE" => {
            Err(QueueError::TooLarge { maximum_message_size: second })
        }
        class if class.starts_with("KARIN") => Err(classify(&class, &second.to_string())),
        id => Ok(Sent { id, sequence: second }),
    })
}

/// A POPDUE's map.
pub(super) fn popped(value: Value) -> Result<Popped, QueueError> {
    let mut popped = Popped::default();
    for (name, value) in map(value)? {
        match name.as_slice() {
            b"messages" => {
                popped.messages =
                    array(value)?.into_iter().map(message).collect::<Result<_, _>>()?;
            }
            b"more" => popped.more = number(&value)?,
            b"dead" => popped.dead = number(&value)?,
            b"limited" => popped.limited = number(&value)? > 0,
            b"next" => popped.next_ms = number_or_none(&value)?,
            b"hint" => popped.hint = number(&value)?,
            b"wait" => popped.wait_ms = number(&value)?,
            _ => {}
        }
    }
    Ok(popped)
}

fn message(value: Value) -> Result<ReceivedMessage, QueueError> {
    let [id, receipt, body, attributes, count, sent, first, due, sequence, group, dedup, source] =
        first_of(value)?;
    Ok(ReceivedMessage {
        id: text(id)?,
        receipt: text(receipt)?,
        body: bytes(body)?.into(),
        attributes: Bytes::from(bytes(attributes)?),
        receive_count: number(&count)?,
        sent_ms: number(&sent)?,
        first_received_ms: number(&first)?,
        due_ms: number(&due)?,
        sequence: number(&sequence)?,
        group: lossy(group)?,
        deduplication_id: lossy(dedup)?,
        source_arn: lossy(source)?,
    })
}

/// DEAD's array.
pub(super) fn letters(value: Value) -> Result<Vec<StoredMessage>, QueueError> {
    array(value)?.into_iter().map(stored).collect()
}

/// The messages of PEEK's map.
pub(super) fn peeked(value: Value) -> Result<Vec<StoredMessage>, QueueError> {
    let messages = map(value)?.into_iter().find(|(name, _)| name == b"messages");
    messages.map_or_else(|| Ok(Vec::new()), |(_, value)| letters(value))
}

/// PEEK's map, for who shows the messages.
pub(super) fn looked_at(value: Value) -> Result<Peeked, QueueError> {
    let mut peeked = Peeked::default();
    for (name, value) in map(value)? {
        match name.as_slice() {
            b"messages" => {
                peeked.messages =
                    array(value)?.into_iter().map(looked_at_message).collect::<Result<_, _>>()?;
            }
            b"after" if value != Value::Nil => peeked.after = Some(number(&value)?),
            _ => {}
        }
    }
    Ok(peeked)
}

/// The same for who shows their states, too.
pub(super) fn seen(value: Value) -> Result<Seen, QueueError> {
    let mut seen = Seen::default();
    for (name, value) in map(value)? {
        match name.as_slice() {
            b"messages" => {
                let messages = array(value)?.into_iter().map(seen_message);
                seen.messages = messages.collect::<Result<_, _>>()?;
            }
            b"after" if value != Value::Nil => seen.after = Some(number(&value)?),
            _ => {}
        }
    }
    Ok(seen)
}

fn seen_message(value: Value) -> Result<SeenMessage, QueueError> {
    const STATE_AT: usize = 1;
    const BYTES_AT: usize = 13;
    let Value::Array(fields) = &value else { return Err(unexpected("an array", &value)) };
    let (state, body_bytes) = (fields.get(STATE_AT), fields.get(BYTES_AT));
    let state = text(state.cloned().unwrap_or(Value::Nil))?;
    let state = MessageState::of_word(&state).ok_or(QueueError::Unexpected(state))?;
    let body_bytes = number(body_bytes.unwrap_or(&Value::Nil))?;
    Ok(SeenMessage { message: looked_at_message(value)?, state, body_bytes })
}

/// What became of messages that were to be deleted by their sequence numbers.
pub(super) fn drops(value: Value) -> Result<Vec<DropOutcome>, QueueError> {
    let outcomes = array(value)?.into_iter().map(|value| match value {
        Value::Int(1) => Ok(DropOutcome::Done),
        Value::Int(0) => Ok(DropOutcome::Gone),
        other => match text(other)?.as_str() {
            "KARININFLIGHT" => Ok(DropOutcome::InFlight),
            word => Err(QueueError::Unexpected(word.to_owned())),
        },
    });
    outcomes.collect()
}

/// LEASE's array.
pub(super) fn leased(value: Value) -> Result<Vec<ReceivedMessage>, QueueError> {
    array(value)?.into_iter().map(message).collect()
}

/// The same fields as a received message's, but for the state in the receipt's place.
fn looked_at_message(value: Value) -> Result<ReceivedMessage, QueueError> {
    Ok(ReceivedMessage { receipt: String::new(), ..message(value)? })
}

fn stored(value: Value) -> Result<StoredMessage, QueueError> {
    let [
        id,
        _state,
        body,
        attributes,
        count,
        sent,
        first,
        _due,
        sequence,
        group,
        _dedup,
        source,
        dead,
    ] = first_of(value)?;
    Ok(StoredMessage {
        id: text(id)?,
        body: bytes(body)?.into(),
        attributes: bytes(attributes)?.into(),
        receive_count: number(&count)?,
        sent_ms: number(&sent)?,
        first_received_ms: number(&first)?,
        sequence: number(&sequence)?,
        group: bytes(group)?,
        source_arn: lossy(source)?,
        dead_number: number(&dead)?,
    })
}

/// One answer a receipt.
pub(super) fn outcomes(value: Value, count: usize) -> Result<Vec<ReceiptOutcome>, QueueError> {
    let outcomes = array(value)?.into_iter().map(outcome).collect::<Result<Vec<_>, _>>()?;
    if outcomes.len() != count {
        return Err(QueueError::Unexpected(format!("{} answers to {count}", outcomes.len())));
    }
    Ok(outcomes)
}

fn outcome(value: Value) -> Result<ReceiptOutcome, QueueError> {
    let word = match value {
        Value::Int(1) => return Ok(ReceiptOutcome::Done),
        Value::Int(0) => return Ok(ReceiptOutcome::Gone),
        other => text(other)?,
    };
    match word.as_str() {
        "KARINGONE" => Ok(ReceiptOutcome::Gone),
        "KARINSTALE" => Ok(ReceiptOutcome::Stale),
        "KARINTOOLONG" => Ok(ReceiptOutcome::TooLong),
        "KARINCHANGED" => Ok(ReceiptOutcome::Changed),
        "KARINFOREIGN" => Ok(ReceiptOutcome::Foreign),
        "KARINRECEIPT" => Ok(ReceiptOutcome::Malformed),
        _ => Err(QueueError::Unexpected(word)),
    }
}

/// INFO's map.
pub(super) fn info(value: Value) -> Result<QueueInfo, QueueError> {
    let mut info = QueueInfo::default();
    for (name, value) in map(value)? {
        match name.as_slice() {
            b"attributes" => info.attributes = texts(value)?,
            b"tags" => info.tags = texts(value)?,
            b"ready" => info.ready = number(&value)?,
            b"delayed" => info.delayed = number(&value)?,
            b"in_flight" => info.in_flight = number(&value)?,
            b"sequence" => info.sequence = number(&value)?,
            b"oldest_sent_ms" => info.oldest_sent_ms = number_or_none(&value)?,
            b"created_ms" => info.created_ms = number(&value)?,
            b"modified_ms" => info.modified_ms = number(&value)?,
            b"fifo" => info.is_fifo = number(&value)? > 0,
            b"dead" => info.dead = number(&value)?,
            b"bytes" => info.bytes = number(&value)?,
            b"next_due_ms" => info.next_due_ms = number_or_none(&value)?,
            b"uid" => info.uid = text(value)?,
            b"watermarks" => info.watermarks = numbers(value)?,
            _ => {}
        }
    }
    Ok(info)
}

/// A map of texts anybody may have written with redis-cli.
pub(super) fn texts(value: Value) -> Result<Vec<(String, String)>, QueueError> {
    let pairs = map(value)?.into_iter();
    pairs.map(|(name, value)| Ok((lossy_utf8(name), lossy(value)?))).collect()
}

/// A map of names to what counts something.
pub(super) fn numbers(value: Value) -> Result<Vec<(String, u64)>, QueueError> {
    let pairs = map(value)?.into_iter();
    pairs.map(|(name, value)| Ok((utf8(name)?, number(&value)?))).collect()
}

/// LIST's map.
pub(super) fn page(value: Value) -> Result<Page, QueueError> {
    let mut page = Page::default();
    for (name, value) in map(value)? {
        match name.as_slice() {
            b"queues" => {
                page.rows = array(value)?.into_iter().map(row).collect::<Result<_, _>>()?;
            }
            b"after" => page.after = if value == Value::Nil { None } else { Some(bytes(value)?) },
            b"now_ms" => page.now_ms = Some(number(&value)?),
            _ => {}
        }
    }
    Ok(page)
}

fn row(value: Value) -> Result<Row, QueueError> {
    /// What rows of the first versions have.
    const FIRST_FIELDS: usize = 8;
    let mut items = array(value)?;
    let rest = items.split_off(FIRST_FIELDS.min(items.len()));
    let [key, ready, delayed, in_flight, dead, next, hint, _wait] = fixed(Value::Array(items))?;
    let outlook = Outlook { hint: number(&hint)?, next_ms: number_or_none(&next)? };
    let mut row = Row {
        key: bytes(key)?,
        outlook,
        ready: number(&ready)?,
        delayed: number(&delayed)?,
        in_flight: number(&in_flight)?,
        dead: number(&dead)?,
        state: None,
    };
    if !rest.is_empty() {
        row.state = Some(state(&row, rest)?);
    }
    Ok(row)
}

/// What later versions say of a queue, after its counts.
fn state(row: &Row, rest: Vec<Value>) -> Result<QueueState, QueueError> {
    let [sequence, oldest, uid, created] = first_of(Value::Array(rest))?;
    let uid = u64::from_str_radix(&text(uid)?, 16);
    Ok(QueueState {
        uid: uid.map_err(|_| QueueError::Unexpected("no uid".to_owned()))?,
        created_ms: number(&created)?,
        sequence: number(&sequence)?,
        ready: row.ready,
        delayed: row.delayed,
        in_flight: row.in_flight,
        dead: row.dead,
        oldest_sent_ms: number_or_none(&oldest)?,
    })
}

/// A number that counts something.
pub(super) fn number(value: &Value) -> Result<u64, QueueError> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| unexpected("a count", value)),
        _ => Err(unexpected("a number", value)),
    }
}

fn number_or_none(value: &Value) -> Result<Option<u64>, QueueError> {
    if *value == Value::Int(-1) { Ok(None) } else { number(value).map(Some) }
}

/// Bytes of any kind; nil is none.
pub(super) fn bytes(value: Value) -> Result<Vec<u8>, QueueError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text.into_bytes()),
        Value::Nil => Ok(Vec::new()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        other => Err(unexpected("a string", &other)),
    }
}

fn text(value: Value) -> Result<String, QueueError> {
    bytes(value).and_then(utf8)
}

/// A text; nil is none.
pub(super) fn text_or_none(value: Value) -> Result<Option<String>, QueueError> {
    match value {
        Value::Nil => Ok(None),
        value => text(value).map(Some),
    }
}

/// Text anybody may have written with redis-cli.
fn lossy(value: Value) -> Result<String, QueueError> {
    bytes(value).map(lossy_utf8)
}

fn lossy_utf8(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn utf8(bytes: Vec<u8>) -> Result<String, QueueError> {
    String::from_utf8(bytes).map_err(|_| QueueError::Unexpected("text that is no UTF-8".to_owned()))
}

fn array(value: Value) -> Result<Vec<Value>, QueueError> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(unexpected("an array", &other)),
    }
}

fn fixed<const N: usize>(value: Value) -> Result<[Value; N], QueueError> {
    array(value)?.try_into().map_err(|items: Vec<Value>| {
        QueueError::Unexpected(format!("{} fields instead of {N}", items.len()))
    })
}

/// The first fields of an array, which later versions of the module make longer.
fn first_of<const N: usize>(value: Value) -> Result<[Value; N], QueueError> {
    let mut items = array(value)?;
    items.truncate(N);
    fixed(Value::Array(items))
}

fn map(value: Value) -> Result<Vec<(Vec<u8>, Value)>, QueueError> {
    match value {
        Value::Map(pairs) => {
            pairs.into_iter().map(|(name, value)| Ok((bytes(name)?, value))).collect()
        }
        Value::Array(items) => {
            let mut pairs = Vec::with_capacity(items.len() / 2);
            let mut items = items.into_iter();
            while let Some(name) = items.next() {
                let value = items.next().ok_or_else(|| unexpected("a value", &name))?;
                pairs.push((bytes(name)?, value));
            }
            Ok(pairs)
        }
        other => Err(unexpected("a map", &other)),
    }
}

/// Names the kind only: the value may be a message's body, which no log may show.
fn unexpected(wanted: &str, value: &Value) -> QueueError {
    let kind = match value {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a string",
        Value::Array(_) => "an array",
        Value::Map(_) => "a map",
        Value::ServerError(_) => "an error",
        _ => "something else",
    };
    QueueError::Unexpected(format!("{kind} instead of {wanted}"))
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
