//! Writes AWS JSON 1.0: compact, members without a value left out (sqs-contract §1.4).

use std::borrow::Cow;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

use super::Protocol;
use super::error::SqsError;
use super::response::{FailedEntry, QueueAttributes, QueueTags, ReceivedMessages, Response};
use crate::message_view::MessageView;
use crate::queues::ReceivedMessage;
use crate::queues::attributes::MessageAttribute;

/// The body of an answer; empty for void actions.
pub(super) fn write(response: &Response) -> serde_json::Result<Vec<u8>> {
    match response {
        Response::Void(_) => Ok(Vec::new()),
        Response::CancelMessageMoveTask(output) => serde_json::to_vec(output),
        Response::ChangeMessageVisibilityBatch(output) | Response::DeleteMessageBatch(output) => {
            serde_json::to_vec(output)
        }
        Response::CreateQueue(output) | Response::GetQueueUrl(output) => serde_json::to_vec(output),
        Response::GetQueueAttributes(output) => serde_json::to_vec(output),
        Response::ListDeadLetterSourceQueues(output) => serde_json::to_vec(output),
        Response::ListMessageMoveTasks(output) => serde_json::to_vec(output),
        Response::ListQueueTags(output) => serde_json::to_vec(output),
        Response::ListQueues(output) => serde_json::to_vec(output),
        Response::ReceiveMessage(output) => serde_json::to_vec(output),
        Response::SendMessage(output) => serde_json::to_vec(output),
        Response::SendMessageBatch(output) => serde_json::to_vec(output),
        Response::StartMessageMoveTask(output) => serde_json::to_vec(output),
    }
}

/// The body of an error.
pub(super) fn write_error(error: &SqsError) -> serde_json::Result<Vec<u8>> {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        #[serde(rename = "__type")]
        kind: String,
        message: Cow<'a, str>,
    }
    let code = error.code();
    let kind = format!("{}#{}", code.namespace, code.json);
    serde_json::to_vec(&Body { kind, message: error.message(Protocol::Json) })
}

/// Texts by name, as a JSON object.
struct Texts<'a, N>(&'a [(N, String)]);

impl<N: Serialize> Serialize for Texts<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Serialize for QueueAttributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.attributes.is_empty() {
            map.serialize_entry("Attributes", &Texts(&self.attributes))?;
        }
        map.end()
    }
}

impl Serialize for QueueTags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.tags.is_empty() {
            map.serialize_entry("Tags", &Texts(&self.tags))?;
        }
        map.end()
    }
}

impl Serialize for FailedEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let code = self.error.code();
        let mut entry = serializer.serialize_struct("FailedEntry", 4)?;
        entry.serialize_field("Id", &self.id)?;
        // The legacy code stands here in both protocols (sqs-contract §10).
        entry.serialize_field("Code", code.query)?;
        entry.serialize_field("Message", &self.error.message(Protocol::Json))?;
        entry.serialize_field("SenderFault", &code.is_sender_fault())?;
        entry.end()
    }
}

impl Serialize for ReceivedMessages {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.messages.is_empty() {
            map.serialize_entry("Messages", &MessageList(self))?;
        }
        map.end()
    }
}

struct MessageList<'a>(&'a ReceivedMessages);

impl Serialize for MessageList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.messages.len()))?;
        for message in &self.0.messages {
            let view = self.0.selection.view(message);
            list.serialize_element(&Shown { message, view })?;
        }
        list.end()
    }
}

struct Shown<'a> {
    message: &'a ReceivedMessage,
    view: MessageView<'a>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { message, view } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("MessageId", &message.id)?;
        map.serialize_entry("ReceiptHandle", &message.receipt)?;
        map.serialize_entry("MD5OfBody", &view.md5_of_body)?;
        map.serialize_entry("Body", &view.body)?;
        if !view.system_attributes.is_empty() {
            map.serialize_entry("Attributes", &Texts(&view.system_attributes))?;
        }
        if let Some(md5) = &view.md5_of_message_attributes {
            map.serialize_entry("MD5OfMessageAttributes", md5)?;
            map.serialize_entry("MessageAttributes", &UserAttributes(&view.user_attributes))?;
        }
        map.end()
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
        let mut value = serializer.serialize_struct("Value", 2)?;
        if self.0.is_binary() {
            let base64 = Base64Display::new(&self.0.value, &STANDARD);
            value.serialize_field("BinaryValue", &format_args!("{base64}"))?;
        } else {
            value.serialize_field("StringValue", &String::from_utf8_lossy(&self.0.value))?;
        }
        value.serialize_field("DataType", &self.0.data_type)?;
        value.end()
    }
}
