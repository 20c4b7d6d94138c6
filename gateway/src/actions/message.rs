//! A message on its way in: the checks and sums SendMessage and SendMessageBatch share.

use karin_core::dedup::content_dedup_id;
use karin_core::sequence_text;

use super::identifier;
use super::message_attributes::{TRACE_HEADER, check_system, check_user};
use super::number::within;
use crate::protocol::request::NewMessage;
use crate::protocol::response::SentMessage;
use crate::protocol::{SqsError, is_sqs_utf8, limits, md5};
use crate::queues::attributes::{self, MessageAttribute, MessageAttributes};
use crate::queues::{OutgoingMessage, QueueName, Sent};

const GROUP_ID: &str = "MessageGroupId";
const DEDUPLICATION_ID: &str = "MessageDeduplicationId";

/// What the sender of a message hears, but for what the queue makes up.
#[derive(Debug)]
pub(super) struct Answer {
    md5_of_body: String,
    md5_of_attributes: Option<String>,
    md5_of_system_attributes: Option<String>,
    is_numbered: bool,
}

impl Answer {
    /// The answer, once the queue gave the message an id and a number.
    pub(super) fn sent(self, sent: Sent) -> SentMessage {
        SentMessage {
            message_id: sent.id,
            md5_of_message_body: self.md5_of_body,
            md5_of_message_attributes: self.md5_of_attributes,
            md5_of_message_system_attributes: self.md5_of_system_attributes,
            sequence: sent.sequence,
            sequence_number: self.is_numbered.then(|| sequence_text(sent.sequence)),
        }
    }
}

/// The size of a message as SQS counts it, in bytes: the body, and of each user attribute name,
/// data type and value.
///
/// Source: sqs-contract §6.1.
pub(super) fn size_bytes(message: &NewMessage) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let attributes = message.attributes.iter().map(|(name, value)| {
        let binary = value.binary_value.as_ref().map_or(0, Vec::len);
        name.len() + length(&value.data_type) + length(&value.string_value) + binary
    });
    message.body.len() + attributes.sum::<usize>()
}

/// Checks a message for a queue: what goes into it, and what the sender will hear. `trace_header`
/// is the HTTP header's; an explicit system attribute wins.
///
/// Errors: those of sqs-contract §4.8 but for what only the queue knows (its size limit, whether it
/// deduplicates by content).
///
/// Source: sqs-contract §§4.8, 6.2 and 6.3.
pub(super) fn prepare(
    queue: &QueueName,
    message: NewMessage,
    trace_header: Option<String>,
) -> Result<(OutgoingMessage, Answer), SqsError> {
    if message.body.is_empty() {
        return Err(SqsError::MissingParameter("MessageBody".into()));
    }
    if lacks_group(queue, &message) {
        return Err(SqsError::MissingParameter(GROUP_ID.into()));
    }
    let size_bytes = size_bytes(&message);
    let delay_seconds = delay_of(queue, message.delay_seconds)?;
    if !is_sqs_utf8(&message.body) {
        return Err(SqsError::InvalidMessageContents);
    }
    check_ids(queue, &message)?;
    let user = check_user(message.attributes)?;
    let mut system = check_system(message.system_attributes)?;
    let answer = Answer {
        md5_of_body: md5::of_body(&message.body),
        md5_of_attributes: md5::of_attributes(&user),
        md5_of_system_attributes: md5::of_attributes(&system),
        is_numbered: queue.is_fifo(),
    };
    if let (Some(header), true) = (trace_header, system.is_empty()) {
        system.push(trace_attribute(header));
    }
    let body_sha256 = (queue.is_fifo() && message.deduplication_id.is_none())
        .then(|| content_dedup_id(&message.body).map(char::from).iter().collect());
    let outgoing = OutgoingMessage {
        body: message.body,
        delay_seconds,
        attributes: attributes::encode(&MessageAttributes { user, system }).into(),
        size_bytes,
        group: message.group_id,
        deduplication_id: message.deduplication_id,
        body_sha256,
    };
    Ok((outgoing, answer))
}

/// Whether a message of a FIFO queue has no MessageGroupId, for which a batch is refused whole.
pub(super) fn lacks_group(queue: &QueueName, message: &NewMessage) -> bool {
    queue.is_fifo() && message.group_id.is_none()
}

/// Whether only ContentBasedDeduplication can tell a message of a FIFO queue from its duplicates.
pub(super) fn lacks_deduplication_id(queue: &QueueName, message: &NewMessage) -> bool {
    queue.is_fifo() && message.deduplication_id.is_none()
}

fn trace_attribute(value: String) -> MessageAttribute {
    MessageAttribute {
        name: TRACE_HEADER.to_owned(),
        data_type: "String".to_owned(),
        value: value.into_bytes(),
    }
}

/// In a FIFO queue 0 leaves the queue's delay, and more is refused (sqs-contract §4.8).
fn delay_of(queue: &QueueName, given: Option<i64>) -> Result<Option<u32>, SqsError> {
    const NAME: &str = "DelaySeconds";
    let Some(value) = given else { return Ok(None) };
    let seconds = within(value, &limits::DELAY_SECONDS).ok_or_else(|| {
        SqsError::invalid_value(value, NAME, "DelaySeconds must be >= 0 and <= 900.")
    })?;
    match seconds {
        _ if !queue.is_fifo() => Ok(Some(seconds)),
        0 => Ok(None),
        _ => {
            let reason = "The request include parameter that is not valid for this queue type.";
            Err(SqsError::invalid_value(value, NAME, reason))
        }
    }
}

/// A standard queue takes a group, for fair turns (sqs-contract §9.2), and no deduplication id.
fn check_ids(queue: &QueueName, message: &NewMessage) -> Result<(), SqsError> {
    if let Some(id) = &message.group_id {
        identifier::check(GROUP_ID, id)?;
    }
    match &message.deduplication_id {
        Some(id) if queue.is_fifo() => identifier::check(DEDUPLICATION_ID, id),
        Some(id) => {
            let reason = "The request includes a parameter that is not valid for this queue type.";
            Err(SqsError::invalid_value(id, DEDUPLICATION_ID, reason))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;
    use crate::protocol::request::AttributeValue;

    fn queue(name: &str) -> QueueName {
        QueueName::parse(name).expect("a queue's name")
    }

    fn hello() -> NewMessage {
        NewMessage { body: "hello".into(), ..NewMessage::default() }
    }

    fn hello_in_group() -> NewMessage {
        NewMessage { group_id: Some("g".into()), ..hello() }
    }

    #[track_caller]
    fn prepared(name: &str, message: NewMessage) -> (OutgoingMessage, Answer) {
        prepare(&queue(name), message, None).expect("fine")
    }

    #[track_caller]
    fn refused(name: &str, message: NewMessage, code: &str, text: &str) {
        let error = prepare(&queue(name), message, None).expect_err("refused");
        assert_eq!(error.code().query, code);
        assert_eq!(error.message(Protocol::Json), text);
    }

    fn sent(answer: Answer) -> SentMessage {
        answer.sent(Sent { id: "id".into(), sequence: 7 })
    }

    fn trace(value: &str) -> (String, AttributeValue) {
        let value = AttributeValue {
            data_type: Some("String".into()),
            string_value: Some(value.into()),
            ..AttributeValue::default()
        };
        (TRACE_HEADER.into(), value)
    }

    #[test]
    fn a_plain_message_has_its_body_md5_and_nothing_else() {
        let (outgoing, answer) = prepared("q", hello());
        assert_eq!((outgoing.size_bytes, outgoing.delay_seconds), (5, None));
        assert!(outgoing.attributes.is_empty());
        assert_eq!(outgoing.body_sha256, None);
        let sent = sent(answer);
        assert_eq!(sent.md5_of_message_body, "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(sent.md5_of_message_attributes, None);
        assert_eq!(sent.md5_of_message_system_attributes, None);
        assert_eq!(sent.sequence_number, None);
    }

    #[test]
    fn a_message_of_a_fifo_queue_is_numbered_and_told_by_its_content_or_its_id() {
        let message = NewMessage { body: "same".into(), ..hello_in_group() };
        let (outgoing, answer) = prepared("q.fifo", message);
        assert_eq!(outgoing.group.as_deref(), Some("g"));
        assert_eq!(
            outgoing.body_sha256.as_deref(),
            Some("0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5")
        );
        assert_eq!(sent(answer).sequence_number.as_deref(), Some("10000000000000000007"));
        let message = NewMessage { deduplication_id: Some("d".into()), ..hello_in_group() };
        let (outgoing, _) = prepared("q.fifo", message);
        assert_eq!(outgoing.deduplication_id.as_deref(), Some("d"));
        assert_eq!(outgoing.body_sha256, None);
    }

    #[test]
    fn a_fifo_queue_demands_a_group_and_leaves_the_delay_to_the_queue() {
        let text = "The request must contain the parameter MessageGroupId.";
        refused("q.fifo", hello(), "MissingParameter", text);
        let delayed = |seconds| NewMessage { delay_seconds: Some(seconds), ..hello_in_group() };
        assert_eq!(prepared("q.fifo", delayed(0)).0.delay_seconds, None);
        assert_eq!(prepared("q", delayed(0)).0.delay_seconds, Some(0));
        refused(
            "q.fifo",
            delayed(2),
            "InvalidParameterValue",
            "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter \
             that is not valid for this queue type.",
        );
    }

    #[test]
    fn delays_ids_and_characters_are_refused_in_the_words_of_the_contract() {
        for delay in [-1, 901, i64::MAX] {
            refused(
                "q",
                NewMessage { delay_seconds: Some(delay), ..hello() },
                "InvalidParameterValue",
                &format!(
                    "Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds \
                     must be >= 0 and <= 900."
                ),
            );
        }
        for name in ["q", "q.fifo"] {
            refused(
                name,
                NewMessage { group_id: Some(String::new()), ..hello() },
                "InvalidParameterValue",
                "Value  for parameter MessageGroupId is invalid. Reason: MessageGroupId can only \
                 include alphanumeric and punctuation characters. 1 to 128 in length.",
            );
        }
        refused(
            "q.fifo",
            NewMessage { deduplication_id: Some("a b".into()), ..hello_in_group() },
            "InvalidParameterValue",
            "Value a b for parameter MessageDeduplicationId is invalid. Reason: \
             MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to \
             128 in length.",
        );
        refused(
            "q",
            NewMessage { deduplication_id: Some("X".into()), ..hello() },
            "InvalidParameterValue",
            "Value X for parameter MessageDeduplicationId is invalid. Reason: The request \
             includes a parameter that is not valid for this queue type.",
        );
        refused(
            "q",
            NewMessage { body: "bell \u{7}".into(), ..NewMessage::default() },
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to \
             #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        );
    }

    #[test]
    fn a_standard_queue_gives_a_group_to_the_queue_and_not_to_the_attributes() {
        let (outgoing, answer) = prepared("q", hello_in_group());
        assert_eq!(outgoing.group.as_deref(), Some("g"));
        assert!(outgoing.attributes.is_empty());
        assert_eq!(outgoing.size_bytes, 5);
        assert_eq!(sent(answer).sequence_number, None);
    }

    #[test]
    fn the_explicit_trace_header_wins_and_only_it_has_an_md5() {
        let value = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let message = NewMessage { system_attributes: vec![trace(value)], ..hello() };
        let (outgoing, answer) =
            prepare(&queue("q"), message, Some("Root=2".into())).expect("fine");
        let stored = attributes::decode(&outgoing.attributes).expect("ours");
        assert_eq!(stored.system, [trace_attribute(value.into())]);
        let md5 = "5ae4d5d7636402d80f4eb6d213245a88";
        assert_eq!(answer.md5_of_system_attributes.as_deref(), Some(md5));
        let (outgoing, answer) =
            prepare(&queue("q"), hello(), Some("Root=2".into())).expect("fine");
        let stored = attributes::decode(&outgoing.attributes).expect("ours");
        assert_eq!(stored.system, [trace_attribute("Root=2".into())]);
        assert_eq!(answer.md5_of_system_attributes, None);
    }

    // contract: 6.1-size
    #[test]
    fn names_types_and_values_of_attributes_count_into_the_size() {
        let (_, value) = trace("12345");
        let binary = AttributeValue {
            data_type: Some("Binary".into()),
            binary_value: Some(vec![0; 7]),
            ..AttributeValue::default()
        };
        let message = NewMessage {
            attributes: vec![("abc".into(), value), ("é".into(), binary)],
            system_attributes: vec![trace("not counted")],
            ..hello()
        };
        let (outgoing, _) = prepared("q", message);
        assert_eq!(outgoing.size_bytes, 5 + (3 + 6 + 5) + (2 + 6 + 7));
    }
}
