//! A record of the event that a function gets.
//!
//! Source: esm-contract §1. A member that has nothing to say is left out, never null.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::message_view::MessageView;
use crate::queues::ReceivedMessage;
use crate::queues::attributes::MessageAttribute;

/// Where the records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventSource {
    /// The queue's ARN: a mapping's EventSourceArn verbatim, or ours.
    pub(super) arn: String,
    /// The ARN's region.
    pub(super) region: String,
}

impl EventSource {
    /// The source with this ARN.
    pub(super) fn new(arn: String) -> Self {
        let region = arn.split(':').nth(3).unwrap_or_default().to_owned();
        Self { arn, region }
    }
}

/// A message as a record, in JSON; `view` is the message's. `None` if it cannot be written, which
/// no message brings about.
pub(super) fn record(
    message: &ReceivedMessage,
    view: &MessageView<'_>,
    source: &EventSource,
) -> Option<Vec<u8>> {
    let record = Record { message, view, source };
    let mut json = Vec::with_capacity(1_024 + message.body.len() + message.body.len() / 8);
    serde_json::to_writer(&mut json, &record).ok()?;
    Some(json)
}

struct Record<'a> {
    message: &'a ReceivedMessage,
    view: &'a MessageView<'a>,
    source: &'a EventSource,
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { message, view, source } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("messageId", &message.id)?;
        map.serialize_entry("receiptHandle", &message.receipt)?;
        map.serialize_entry("body", &view.body)?;
        map.serialize_entry("attributes", &SystemAttributes(&view.system_attributes))?;
        map.serialize_entry("messageAttributes", &UserAttributes(&view.user_attributes))?;
        if let Some(md5) = &view.md5_of_message_attributes {
            map.serialize_entry("md5OfMessageAttributes", md5)?;
        }
        map.serialize_entry("md5OfBody", &view.md5_of_body)?;
        map.serialize_entry("eventSource", "aws:sqs")?;
        map.serialize_entry("eventSourceARN", &source.arn)?;
        map.serialize_entry("awsRegion", &source.region)?;
        map.end()
    }
}

struct SystemAttributes<'a>(&'a [(&'static str, String)]);

impl Serialize for SystemAttributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

struct UserAttributes<'a>(&'a [MessageAttribute]);

impl Serialize for UserAttributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|attribute| (&attribute.name, Value(attribute))))
    }
}

struct Value<'a>(&'a MessageAttribute);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NO_VALUES: [&str; 0] = [];
        let Self(attribute) = self;
        let mut map = serializer.serialize_map(Some(4))?;
        if attribute.is_binary() {
            map.serialize_entry("binaryValue", &STANDARD.encode(&attribute.value))?;
        } else {
            map.serialize_entry("stringValue", &String::from_utf8_lossy(&attribute.value))?;
        }
        map.serialize_entry("stringListValues", &NO_VALUES)?;
        map.serialize_entry("binaryListValues", &NO_VALUES)?;
        map.serialize_entry("dataType", &attribute.data_type)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_view::SENDER_ID;
    use crate::queues::attributes::{MessageAttributes, encode};
    use serde_json::json;

    fn written(message: &ReceivedMessage) -> Vec<u8> {
        record(message, &MessageView::new(message), &source()).unwrap()
    }

    fn source() -> EventSource {
        EventSource::new("arn:aws:sqs:ap-northeast-1:111122223333:orders".into())
    }

    fn message(body: &'static [u8], attributes: &MessageAttributes) -> ReceivedMessage {
        ReceivedMessage {
            id: "6c7a1f0e-2b54-4b0d-9b6e-0d5f5a3e9c11".into(),
            receipt: "rh-01J9Z0-opaque".into(),
            body: body.into(),
            attributes: encode(attributes).into(),
            receive_count: 2,
            sent_ms: 1_760_000_000_000,
            first_received_ms: 1_760_000_000_123,
            due_ms: 1_760_000_040_123,
            sequence: 1,
            ..ReceivedMessage::default()
        }
    }

    fn attribute(name: &str, data_type: &str, value: &[u8]) -> MessageAttribute {
        MessageAttribute { name: name.into(), data_type: data_type.into(), value: value.into() }
    }

    #[test]
    fn the_contracts_worked_example_is_reproduced() {
        let attributes = MessageAttributes {
            user: vec![
                attribute("tenant", "String", b"acme"),
                attribute("retryBudget", "Number", b"4"),
                attribute("sig", "Binary", &[0, 1, 254, 255]),
            ],
            system: vec![],
        };
        let mut message = message(br#"{"orderId":"o-7","n":3}"#, &attributes);
        message.group = "tenant-acme".into();
        let record: serde_json::Value = serde_json::from_slice(&written(&message)).unwrap();
        let expected = json!({
            "messageId": "6c7a1f0e-2b54-4b0d-9b6e-0d5f5a3e9c11",
            "receiptHandle": "rh-01J9Z0-opaque",
            "body": "{\"orderId\":\"o-7\",\"n\":3}",
            "attributes": {
                "ApproximateReceiveCount": "2",
                "SentTimestamp": "1760000000000",
                "SenderId": SENDER_ID,
                "ApproximateFirstReceiveTimestamp": "1760000000123",
                "MessageGroupId": "tenant-acme"
            },
            "messageAttributes": {
                "tenant": {"stringValue": "acme", "stringListValues": [],
                    "binaryListValues": [], "dataType": "String"},
                "retryBudget": {"stringValue": "4", "stringListValues": [],
                    "binaryListValues": [], "dataType": "Number"},
                "sig": {"binaryValue": "AAH+/w==", "stringListValues": [],
                    "binaryListValues": [], "dataType": "Binary"}
            },
            "md5OfMessageAttributes": "0ec2e5e76ebe406222cf87f96c7ca001",
            "md5OfBody": "82cb0c38ade36086aea47d1e80eb38d9",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:ap-northeast-1:111122223333:orders",
            "awsRegion": "ap-northeast-1"
        });
        assert_eq!(record, expected);
    }

    #[test]
    fn a_fifo_queues_record_has_number_group_and_id_and_a_dead_letters_its_source() {
        let mut message = message(b"x", &MessageAttributes::default());
        message.group = "g".into();
        message.deduplication_id = "order-1".into();
        message.source_arn = "arn:aws:sqs:us-east-1:000000000000:orders.fifo".into();
        let record: serde_json::Value = serde_json::from_slice(&written(&message)).unwrap();
        let attributes = &record["attributes"];
        assert_eq!(attributes["SequenceNumber"], "10000000000000000001");
        assert_eq!(attributes["MessageGroupId"], "g");
        assert_eq!(attributes["MessageDeduplicationId"], "order-1");
        assert_eq!(attributes["DeadLetterQueueSourceArn"], message.source_arn);
    }

    #[test]
    fn without_attributes_the_map_is_empty_and_the_hash_is_absent() {
        let message = message("é\r\n\u{1f600}".as_bytes(), &MessageAttributes::default());
        let json = written(&message);
        let record: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(record["messageAttributes"], json!({}));
        assert!(record.get("md5OfMessageAttributes").is_none());
        assert_eq!(record["body"], "é\r\n\u{1f600}");
        assert!(String::from_utf8(json).unwrap().contains("é\\r\\n\u{1f600}"), "raw UTF-8");
    }

    #[test]
    fn a_body_that_is_no_text_comes_encoded_and_marked() {
        let message = message(&[0xff, 0], &MessageAttributes::default());
        let json = written(&message);
        let record: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(record["body"], "/wA=");
        assert_eq!(record["messageAttributes"]["karin.encoding"]["stringValue"], "base64");
    }
}
