//! Writes AWS JSON 1.0: compact, members without a value left out (sqs-contract §1.4).

use std::borrow::Cow;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::Protocol;
use super::error::SqsError;
use super::response::{FailedEntry, QueueAttributes, QueueTags, ReceivedMessages, Response};
use super::text::any_byte;
use crate::hex;
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
        Response::ReceiveMessage(output) => received(output),
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

/// Room for what an answer says of a message besides its body.
const ROOM_BESIDES_BODY: usize = 1_024;

/// Written by hand, for the sake of the bodies.
fn received(output: &ReceivedMessages) -> serde_json::Result<Vec<u8>> {
    let bodies: usize = output.messages.iter().map(|message| message.body.len()).sum();
    let mut out = Vec::with_capacity(bodies + ROOM_BESIDES_BODY * output.messages.len());
    out.push(b'{');
    for (number, message) in output.messages.iter().enumerate() {
        out.extend_from_slice(if number == 0 { br#""Messages":["# } else { b"," });
        push_message(&mut out, message, &output.selection.view(message))?;
    }
    out.extend_from_slice(if output.messages.is_empty() { b"}" } else { b"]}" });
    Ok(out)
}

fn push_message(
    out: &mut Vec<u8>,
    message: &ReceivedMessage,
    view: &MessageView<'_>,
) -> serde_json::Result<()> {
    push_member(out, r#"{"MessageId":"#, &message.id)?;
    push_member(out, r#","ReceiptHandle":"#, &message.receipt)?;
    push_member(out, r#","MD5OfBody":"#, &view.md5_of_body)?;
    out.extend_from_slice(br#","Body":"#);
    push_text(out, view.body.as_bytes());
    if !view.system_attributes.is_empty() {
        push_member(out, r#","Attributes":"#, &Texts(&view.system_attributes))?;
    }
    if let Some(md5) = &view.md5_of_message_attributes {
        push_member(out, r#","MD5OfMessageAttributes":"#, md5)?;
        push_member(out, r#","MessageAttributes":"#, &UserAttributes(&view.user_attributes))?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends what stands before a value, and the value.
fn push_member(out: &mut Vec<u8>, before: &str, value: &impl Serialize) -> serde_json::Result<()> {
    out.extend_from_slice(before.as_bytes());
    serde_json::to_writer(out, value)
}

/// Appends a body, the same as serde_json would. Whole pieces without anything to escape, as most
/// are, cost a tenth of looking at each byte.
fn push_text(out: &mut Vec<u8>, utf8: &[u8]) {
    out.push(b'"');
    for piece in utf8.chunks(64) {
        if any_byte(piece, |b| b < 0x20 || b == b'"' || b == b'\\') {
            for &byte in piece {
                push_escaped(out, byte);
            }
        } else {
            out.extend_from_slice(piece);
        }
    }
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    let escape: &[u8] = match byte {
        b'"' => br#"\""#,
        b'\\' => br"\\",
        b'\n' => br"\n",
        b'\r' => br"\r",
        b'\t' => br"\t",
        // SQS carries no others.
        ..0x20 => {
            out.extend_from_slice(br"\u00");
            return hex::push(out, &[byte]);
        }
        _ => return out.push(byte),
    };
    out.extend_from_slice(escape);
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

#[cfg(test)]
mod tests {
    use super::push_text;

    #[test]
    fn bodies_are_escaped_wherever_in_a_piece_there_is_something_to_escape() {
        let plain = "x".repeat(63);
        let long = "0123456789 ü€😀".repeat(20);
        for special in ["\"", "\\", "\n", "\r", "\t", "\u{1f}", "\u{7f}", "é", "😀", ""] {
            for text in [
                special.to_owned(),
                format!("{plain}{special}"),
                format!("{special}{plain}{special}{plain}"),
                format!("{plain}{plain}{special}{long}"),
            ] {
                let mut out = Vec::new();
                push_text(&mut out, text.as_bytes());
                assert_eq!(out, serde_json::to_vec(&text).unwrap());
            }
        }
    }
}
