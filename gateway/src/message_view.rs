//! A received message as SQS shows it: to ReceiveMessage and in a Lambda event alike.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use karin_core::sequence_text;

use crate::protocol::{is_sqs_text, md5};
use crate::queues::ReceivedMessage;
use crate::queues::attributes::{self, MessageAttribute, MessageAttributes};

/// Who sent a message, as far as karin knows: one stable principal id, in the form AWS gives them.
///
/// Source: sqs-contract §6.5.
pub const SENDER_ID: &str = "AIDAKARIN000000000000";

/// The user attribute that marks a body SQS could not carry as it is.
pub const ENCODING_ATTRIBUTE: &str = "karin.encoding";

/// A message as SQS hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// The body; base64 where the bytes are no SQS text (then [`ENCODING_ATTRIBUTE`] is among the
    /// user attributes with the value `base64`).
    pub body: Cow<'a, str>,
    /// Lower-case hex MD5 of `body`.
    pub md5_of_body: String,
    /// The system attributes in SQS's order.
    pub system_attributes: Vec<(&'static str, String)>,
    /// The producer's attributes that were selected, in the order they were sent.
    pub user_attributes: Vec<MessageAttribute>,
    /// Lower-case hex MD5 of `user_attributes`; `None` if there are none.
    pub md5_of_message_attributes: Option<String>,
}

impl<'a> MessageView<'a> {
    /// The view with all user attributes.
    pub fn new(message: &'a ReceivedMessage) -> Self {
        Self::selecting(message, |_| true)
    }

    /// The view with the user attributes whose names `selected` accepts; their MD5 is over these
    /// only.
    ///
    /// Source: sqs-contract §6.3.
    pub fn selecting(message: &'a ReceivedMessage, selected: impl Fn(&str) -> bool) -> Self {
        let MessageAttributes { mut user, system } = stored_attributes(message);
        let body = match std::str::from_utf8(&message.body) {
            Ok(text) if is_sqs_text(text) => Cow::Borrowed(text),
            _ => {
                user.retain(|attribute| attribute.name != ENCODING_ATTRIBUTE);
                user.push(MessageAttribute {
                    name: ENCODING_ATTRIBUTE.to_owned(),
                    data_type: "String".to_owned(),
                    value: b"base64".to_vec(),
                });
                Cow::Owned(STANDARD.encode(&message.body))
            }
        };
        user.retain(|attribute| selected(&attribute.name));
        Self {
            md5_of_body: md5::of_body(body.as_bytes()),
            body,
            system_attributes: system_attributes(message, system),
            md5_of_message_attributes: md5::of_attributes(&user),
            user_attributes: user,
        }
    }
}

/// The AWSTraceHeader a message came with.
pub fn trace_header(message: &ReceivedMessage) -> Option<String> {
    if message.attributes.is_empty() {
        return None;
    }
    trace_header_of(stored_attributes(message).system)
}

fn trace_header_of(system: Vec<MessageAttribute>) -> Option<String> {
    let found = system.into_iter().find(|attribute| attribute.name == "AWSTraceHeader");
    found.and_then(|attribute| String::from_utf8(attribute.value).ok())
}

/// The attributes in the message's blob. A blob that no gateway wrote, or whose texts SQS could
/// not carry, counts as none.
fn stored_attributes(message: &ReceivedMessage) -> MessageAttributes {
    attributes::decode(&message.attributes).filter(is_presentable).unwrap_or_default()
}

fn is_presentable(attributes: &MessageAttributes) -> bool {
    attributes.user.iter().chain(&attributes.system).all(|attribute| {
        let text = std::str::from_utf8(&attribute.value);
        is_sqs_text(&attribute.name)
            && is_sqs_text(&attribute.data_type)
            && (attribute.is_binary() || text.is_ok_and(is_sqs_text))
    })
}

/// The order is the recorded one (sqs-contract §3.3), what is not always present at the end.
fn system_attributes(
    message: &ReceivedMessage,
    stored: Vec<MessageAttribute>,
) -> Vec<(&'static str, String)> {
    let mut shown = Vec::with_capacity(8 + stored.len());
    shown.push(("SenderId", SENDER_ID.to_owned()));
    shown.push(("ApproximateFirstReceiveTimestamp", message.first_received_ms.to_string()));
    shown.push(("ApproximateReceiveCount", message.receive_count.to_string()));
    shown.push(("SentTimestamp", message.sent_ms.to_string()));
    // Every message of a FIFO queue has a deduplication id, and no other.
    if !message.deduplication_id.is_empty() {
        shown.push(("SequenceNumber", sequence_text(message.sequence)));
    }
    for (name, value) in [
        ("MessageDeduplicationId", message.deduplication_id.clone()),
        ("MessageGroupId", message.group.clone()),
        ("AWSTraceHeader", trace_header_of(stored).unwrap_or_default()),
        ("DeadLetterQueueSourceArn", message.source_arn.clone()),
    ] {
        // redis-cli can send ids that SQS could not carry.
        if !value.is_empty() && is_sqs_text(&value) {
            shown.push((name, value));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn received(body: &[u8], attributes: Vec<u8>) -> ReceivedMessage {
        ReceivedMessage {
            id: "6c7a1f0e-2b54-4b0d-9b6e-0d5f5a3e9c11".to_owned(),
            receipt: "receipt".to_owned(),
            body: Bytes::copy_from_slice(body),
            attributes: attributes.into(),
            receive_count: 2,
            sent_ms: 1_760_000_000_000,
            first_received_ms: 1_760_000_000_123,
            due_ms: 1_760_000_030_000,
            sequence: 7,
            ..ReceivedMessage::default()
        }
    }

    fn attribute(name: &str, data_type: &str, value: &[u8]) -> MessageAttribute {
        MessageAttribute { name: name.into(), data_type: data_type.into(), value: value.into() }
    }

    #[test]
    fn a_text_body_is_borrowed_verbatim() {
        let message = received("ü€😀\r\n".as_bytes(), vec![]);
        let view = MessageView::new(&message);
        assert!(matches!(view.body, Cow::Borrowed("ü€😀\r\n")));
        assert_eq!(view.md5_of_message_attributes, None);
        assert_eq!(
            view.system_attributes,
            [
                ("SenderId", SENDER_ID.to_owned()),
                ("ApproximateFirstReceiveTimestamp", "1760000000123".to_owned()),
                ("ApproximateReceiveCount", "2".to_owned()),
                ("SentTimestamp", "1760000000000".to_owned()),
            ]
        );
    }

    #[test]
    fn a_body_that_is_no_text_comes_as_base64_with_a_mark() {
        for body in [&b"\xff\x00"[..], b"bell \x07"] {
            let message = received(body, vec![]);
            let view = MessageView::new(&message);
            assert_eq!(STANDARD.decode(view.body.as_bytes()).as_deref(), Ok(body));
            assert_eq!(view.md5_of_body, md5::of_body(view.body.as_bytes()));
            assert_eq!(view.user_attributes, [attribute(ENCODING_ATTRIBUTE, "String", b"base64")]);
            assert!(view.md5_of_message_attributes.is_some());
        }
    }

    #[test]
    fn only_selected_attributes_are_shown_and_counted_into_the_md5() {
        let stored = MessageAttributes {
            user: vec![
                attribute("Hello", "String", b"There"),
                attribute("General", "String", b"Kenobi"),
            ],
            system: vec![attribute("AWSTraceHeader", "String", b"Root=1")],
        };
        let message = received(b"x", attributes::encode(&stored));
        let view = MessageView::selecting(&message, |name| name == "Hello");
        assert_eq!(view.user_attributes, [attribute("Hello", "String", b"There")]);
        assert_eq!(
            view.md5_of_message_attributes.as_deref(),
            Some("a311262e065454b75da111d535b8dacd")
        );
        assert_eq!(view.system_attributes[4..], [("AWSTraceHeader", "Root=1".to_owned())]);
    }

    #[test]
    fn a_fifo_queues_message_shows_its_number_and_ids_and_a_dead_letter_its_source() {
        let mut message = received(b"x", vec![]);
        message.group = "tenant".to_owned();
        let view = MessageView::new(&message);
        assert_eq!(view.system_attributes[4..], [("MessageGroupId", "tenant".to_owned())]);
        message.deduplication_id = "order-1".to_owned();
        message.source_arn = "arn:aws:sqs:us-east-1:000000000000:q.fifo".to_owned();
        let view = MessageView::new(&message);
        assert_eq!(
            view.system_attributes[4..],
            [
                ("SequenceNumber", "10000000000000000007".to_owned()),
                ("MessageDeduplicationId", "order-1".to_owned()),
                ("MessageGroupId", "tenant".to_owned()),
                ("DeadLetterQueueSourceArn", message.source_arn.clone()),
            ]
        );
        message.group = "bell \u{7}".to_owned();
        let view = MessageView::new(&message);
        assert!(view.system_attributes.iter().all(|(name, _)| *name != "MessageGroupId"));
    }

    #[test]
    fn a_blob_that_is_not_ours_or_not_text_is_no_attributes() {
        let control =
            MessageAttributes { user: vec![attribute("a", "String", b"\x01")], system: vec![] };
        for blob in [b"hello".to_vec(), attributes::encode(&control)] {
            assert_eq!(MessageView::new(&received(b"x", blob)).user_attributes, []);
        }
    }
}
