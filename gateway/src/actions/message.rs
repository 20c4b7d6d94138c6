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
