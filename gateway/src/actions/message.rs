//! A message on its way in: the checks and sums SendMessage and SendMessageBatch share.

use crate::protocol::request::NewMessage;
use crate::protocol::response::SentMessage;
use crate::protocol::{SqsError, is_sqs_utf8, limits, md5};
use crate::queues::OutgoingMessage;
use crate::queues::attributes::{self, MessageAttribute, MessageAttributes};

use super::message_attributes::{TRACE_HEADER, check_system, check_user};
use super::number::within;

/// What a sender checks its message against.
#[derive(Debug)]
pub(super) struct Digests {
    body: String,
    attributes: Option<String>,
    system_attributes: Option<String>,
}

impl Digests {
    /// The answer, once the queue gave the message an id.
    pub(super) fn sent(self, message_id: String) -> SentMessage {
        SentMessage {
            message_id,
            md5_of_message_body: self.body,
            md5_of_message_attributes: self.attributes,
            md5_of_message_system_attributes: self.system_attributes,
            sequence_number: None,
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

/// Checks a message for a standard queue: what goes into the queue, and what its sender will hear.
/// `trace_header` is the HTTP header's; an explicit system attribute wins.
///
/// Source: sqs-contract §§4.8, 6.2 and 6.3.
pub(super) fn prepare(
    message: NewMessage,
    trace_header: Option<String>,
) -> Result<(OutgoingMessage, Digests), SqsError> {
    if message.body.is_empty() {
        return Err(SqsError::MissingParameter("MessageBody".into()));
    }
    let size_bytes = size_bytes(&message);
    let delay_seconds = message.delay_seconds.map(check_delay).transpose()?;
    if !is_sqs_utf8(&message.body) {
        return Err(SqsError::InvalidMessageContents);
    }
    if let Some(group_id) = &message.group_id {
        check_group_id(group_id)?;
    }
    if let Some(id) = &message.deduplication_id {
        return Err(SqsError::invalid_value(
            id,
            "MessageDeduplicationId",
            "The request includes a parameter that is not valid for this queue type.",
        ));
    }
    let user = check_user(message.attributes)?;
    let mut system = check_system(message.system_attributes)?;
    let digests = Digests {
        body: md5::of_body(&message.body),
        attributes: md5::of_attributes(&user),
        system_attributes: md5::of_attributes(&system),
    };
    if let (Some(header), true) = (trace_header, system.is_empty()) {
        system.push(system_attribute(TRACE_HEADER, header));
    }
    system.extend(message.group_id.map(|id| system_attribute("MessageGroupId", id)));
    let outgoing = OutgoingMessage {
        body: message.body,
        delay_seconds,
        attributes: attributes::encode(&MessageAttributes { user, system }).into(),
        size_bytes,
        group: None,
        deduplication_id: None,
        body_sha256: None,
    };
    Ok((outgoing, digests))
}

fn system_attribute(name: &str, value: String) -> MessageAttribute {
    MessageAttribute {
        name: name.to_owned(),
        data_type: "String".to_owned(),
        value: value.into_bytes(),
    }
}

fn check_delay(value: i64) -> Result<u32, SqsError> {
    within(value, &limits::DELAY_SECONDS).ok_or_else(|| {
        let reason = "DelaySeconds must be >= 0 and <= 900.";
        SqsError::invalid_value(value, "DelaySeconds", reason)
    })
}

/// A standard queue keeps the group for fair turns (sqs-contract §9.2).
fn check_group_id(id: &str) -> Result<(), SqsError> {
    let valid = (1..=limits::GROUP_ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic());
    if valid {
        return Ok(());
    }
    let reason = "MessageGroupId can only include alphanumeric and punctuation characters. \
                  1 to 128 in length.";
    Err(SqsError::invalid_value(id, "MessageGroupId", reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;
    use crate::protocol::request::AttributeValue;

    fn hello() -> NewMessage {
        NewMessage { body: "hello".into(), ..NewMessage::default() }
    }

    #[track_caller]
    fn refused(message: NewMessage, code: &str, text: &str) {
        let error = prepare(message, None).expect_err("refused");
        assert_eq!(error.code().query, code);
        assert_eq!(error.message(Protocol::Json), text);
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
        let (outgoing, digests) = prepare(hello(), None).expect("fine");
        assert_eq!((outgoing.size_bytes, outgoing.delay_seconds), (5, None));
        assert!(outgoing.attributes.is_empty());
        let sent = digests.sent("id".into());
        assert_eq!(sent.md5_of_message_body, "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(sent.md5_of_message_attributes, None);
        assert_eq!(sent.md5_of_message_system_attributes, None);
    }

    #[test]
    fn delays_ids_and_characters_are_refused_in_the_words_of_the_contract() {
        for delay in [-1, 901, i64::MAX] {
            refused(
                NewMessage { delay_seconds: Some(delay), ..hello() },
                "InvalidParameterValue",
                &format!(
                    "Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds \
                     must be >= 0 and <= 900."
                ),
            );
        }
        for id in ["", "a b", "ü", &"x".repeat(129)] {
            refused(
                NewMessage { group_id: Some(id.into()), ..hello() },
                "InvalidParameterValue",
                &format!(
                    "Value {id} for parameter MessageGroupId is invalid. Reason: MessageGroupId \
                     can only include alphanumeric and punctuation characters. 1 to 128 in length."
                ),
            );
        }
        refused(
            NewMessage { deduplication_id: Some("X".into()), ..hello() },
            "InvalidParameterValue",
            "Value X for parameter MessageDeduplicationId is invalid. Reason: The request \
             includes a parameter that is not valid for this queue type.",
        );
        refused(
            NewMessage { body: "bell \u{7}".into(), ..NewMessage::default() },
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to \
             #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        );
    }

    #[test]
    fn every_punctuation_character_may_stand_in_a_group_id() {
        let id = "AZaz09!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
        let (outgoing, _) =
            prepare(NewMessage { group_id: Some(id.into()), ..hello() }, None).expect("fine");
        let stored = attributes::decode(&outgoing.attributes).expect("ours");
        assert_eq!(stored.system, [system_attribute("MessageGroupId", id.into())]);
        assert_eq!(outgoing.size_bytes, 5);
    }

    #[test]
    fn the_explicit_trace_header_wins_and_only_it_has_an_md5() {
        let value = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let message = NewMessage { system_attributes: vec![trace(value)], ..hello() };
        let (outgoing, digests) = prepare(message, Some("Root=2".into())).expect("fine");
        let stored = attributes::decode(&outgoing.attributes).expect("ours");
        assert_eq!(stored.system, [system_attribute(TRACE_HEADER, value.into())]);
        assert_eq!(digests.system_attributes.as_deref(), Some("5ae4d5d7636402d80f4eb6d213245a88"));
        let (outgoing, digests) = prepare(hello(), Some("Root=2".into())).expect("fine");
        let stored = attributes::decode(&outgoing.attributes).expect("ours");
        assert_eq!(stored.system, [system_attribute(TRACE_HEADER, "Root=2".into())]);
        assert_eq!(digests.system_attributes, None);
    }

    #[test]
    fn names_types_and_values_of_attributes_count_into_the_size() {
        let (name, value) = trace("12345");
        let message = NewMessage {
            attributes: vec![("abc".into(), value)],
            system_attributes: vec![trace("not counted")],
            ..hello()
        };
        let (outgoing, _) = prepare(message, None).expect("fine");
        assert_eq!(outgoing.size_bytes, 5 + 3 + 6 + 5);
        assert_eq!(name, TRACE_HEADER);
    }
}
