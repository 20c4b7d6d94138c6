//! The form in which a message is written, and the message that is in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::form::Fields;
use crate::protocol::limits::MESSAGE_ATTRIBUTES_MAX;
use crate::protocol::request::{AttributeValue, NewMessage, SendMessage};
use crate::protocol::response::SentMessage;
use crate::protocol::{SqsError, is_sqs_text};
use crate::queues::attributes::{self, MessageAttribute};
use crate::queues::{QueueInfo, QueueName, ReceivedMessage};

/// The system attribute that a message keeps when it is sent again.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// What is in the form.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub(super) body: String,
    /// Whether lines end in `\r\n`. Browsers send all lines so, whatever was written, so a form has
    /// to say.
    pub(super) is_crlf: bool,
    pub(super) delay: String,
    pub(super) group: String,
    pub(super) dedup: String,
    pub(super) attributes: Vec<Row>,
}

/// An attribute of a message as it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) data_type: String,
    /// Text, or base64 for a Binary.
    pub(super) value: String,
}

/// How the lines of a text end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// All in `\n`, or there is only one.
    Lf,
    /// All in `\r\n`.
    CrLf,
    /// Some so, some otherwise, which a form cannot keep.
    Mixed,
}

impl LineEnds {
    pub(super) fn of(text: &str) -> Self {
        let (both, cr, lf) =
            (text.matches("\r\n").count(), text.matches('\r').count(), text.matches('\n').count());
        match () {
            () if cr == 0 => Self::Lf,
            () if cr == both && lf == both => Self::CrLf,
            () => Self::Mixed,
        }
    }
}

impl Draft {
    /// An empty one. `dedup`: a deduplication id nobody else has, for a FIFO queue.
    pub(super) fn new(queue: &QueueName, dedup: impl FnOnce() -> String) -> Self {
        let dedup = if queue.is_fifo() { dedup() } else { String::new() };
        Self { dedup, ..Self::default() }.with_spare_rows()
    }

    /// What was written.
    pub(super) fn written(form: &Fields) -> Self {
        let is_crlf = form.get("lines") == "crlf";
        let types = form.all("attribute-type");
        let rows = form.rows("attribute-name", "attribute-value").into_iter().zip(types);
        let rows = rows.map(|((name, value), data_type)| Row {
            name,
            data_type: data_type.trim().to_owned(),
            value: with_line_ends(&value, is_crlf),
        });
        Self {
            body: with_line_ends(form.get("body"), is_crlf),
            is_crlf,
            delay: form.get("delay").trim().to_owned(),
            group: form.get("group").trim().to_owned(),
            dedup: form.get("dedup").trim().to_owned(),
            attributes: rows.collect(),
        }
        .with_spare_rows()
    }

    /// A message that is there, to be changed; `None`: it has bytes that no form can keep.
    pub(super) fn of(message: &ReceivedMessage, dedup: impl FnOnce() -> String) -> Option<Self> {
        let body = std::str::from_utf8(&message.body).ok().filter(|body| is_sqs_text(body))?;
        let stored = attributes::decode(&message.attributes)?;
        let rows = stored.user.iter().map(row).collect::<Option<Vec<_>>>()?;
        let draft = Self {
            body: body.to_owned(),
            is_crlf: LineEnds::of(body) == LineEnds::CrLf,
            delay: String::new(),
            group: message.group.clone(),
            // With its own it would be taken for a repetition, and not sent.
            dedup: if message.deduplication_id.is_empty() { String::new() } else { dedup() },
            attributes: rows,
        };
        Some(draft.with_spare_rows())
    }

    fn with_spare_rows(mut self) -> Self {
        self.attributes.resize(MESSAGE_ATTRIBUTES_MAX.max(self.attributes.len()), Row::default());
        self
    }

    /// Whether any attribute is written.
    pub(super) fn has_attributes(&self) -> bool {
        self.attributes.iter().any(|row| !row.is_empty())
    }

    /// The request that sends it. `system`: system attributes it had before.
    ///
    /// Errors: what SQS would say if it got that far.
    pub(super) fn request(
        &self,
        queue: &QueueName,
        system: Vec<(String, AttributeValue)>,
    ) -> Result<SendMessage, SqsError> {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let rows = self.attributes.iter().filter(|row| !row.is_empty());
        let delay_seconds = match given(&self.delay) {
            None => None,
            // SQS would refuse anything but a number before it looks at it.
            Some(text) => Some(text.parse().map_err(|_| not_a_number(&text))?),
        };
        let message = NewMessage {
            body: Bytes::from(self.body.clone()),
            delay_seconds,
            attributes: rows.map(Row::attribute).collect::<Result<_, _>>()?,
            system_attributes: system,
            deduplication_id: given(&self.dedup),
            group_id: given(&self.group),
        };
        Ok(SendMessage { queue: Ok(queue.clone()), message, trace_header: None })
    }
}

impl Row {
    fn is_empty(&self) -> bool {
        self.name.is_empty() && self.value.is_empty()
    }

    fn attribute(&self) -> Result<(String, AttributeValue), SqsError> {
        let mut value =
            AttributeValue { data_type: Some(self.data_type.clone()), ..Default::default() };
        if self.data_type.split('.').next() == Some("Binary") {
            let bytes = STANDARD.decode(self.value.trim());
            let bytes = bytes.map_err(|_| not_base64(&self.name))?;
            value.binary_value = Some(bytes);
        } else {
            value.string_value = Some(self.value.clone());
        }
        Ok((self.name.clone(), value))
    }
}

fn row(attribute: &MessageAttribute) -> Option<Row> {
    let value = if attribute.is_binary() {
        STANDARD.encode(&attribute.value)
    } else {
        String::from_utf8(attribute.value.clone()).ok().filter(|text| is_sqs_text(text))?
    };
    let is_text = is_sqs_text(&attribute.name) && is_sqs_text(&attribute.data_type);
    let (name, data_type) = (attribute.name.clone(), attribute.data_type.clone());
    is_text.then_some(Row { name, data_type, value })
}

/// The system attributes a message keeps when it is sent again.
pub(super) fn kept_system_attributes(message: &ReceivedMessage) -> Vec<(String, AttributeValue)> {
    let stored = attributes::decode(&message.attributes).unwrap_or_default().system;
    let trace = stored.into_iter().find(|attribute| attribute.name == TRACE_HEADER);
    let text = trace.and_then(|trace| String::from_utf8(trace.value).ok());
    let value = text.map(|text| AttributeValue {
        data_type: Some("String".to_owned()),
        string_value: Some(text),
        ..Default::default()
    });
    value.map(|value| (TRACE_HEADER.to_owned(), value)).into_iter().collect()
}

/// Whether what was sent is a message that was not there before, and not one of a deduplication
/// id that was accepted within five minutes. `before`: the queue before it was sent.
pub(super) fn is_new(sent: &SentMessage, before: &QueueInfo) -> bool {
    sent.sequence > before.sequence
}

fn with_line_ends(text: &str, is_crlf: bool) -> String {
    let plain = text.replace("\r\n", "\n");
    if is_crlf { plain.replace('\n', "\r\n") } else { plain }
}

fn not_a_number(text: &str) -> SqsError {
    SqsError::invalid_value(text, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
}

fn not_base64(name: &str) -> SqsError {
    SqsError::InvalidParameterValue(format!(
        "Message (user) attribute '{name}' must contain a value that is base64-encoded."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_told_apart() {
        for (text, ends) in [
            ("", LineEnds::Lf),
            ("a\nb", LineEnds::Lf),
            ("a\r\nb\r\n", LineEnds::CrLf),
            ("a\r\nb\n", LineEnds::Mixed),
            ("a\rb", LineEnds::Mixed),
        ] {
            assert_eq!(LineEnds::of(text), ends, "{text:?}");
        }
        assert_eq!(with_line_ends("a\r\nb\n", false), "a\nb\n");
        assert_eq!(with_line_ends("a\r\nb\n", true), "a\r\nb\r\n");
    }

    #[test]
    fn what_no_form_can_keep_cannot_be_changed() {
        let message = |body: &[u8], attributes: &[u8]| ReceivedMessage {
            body: Bytes::copy_from_slice(body),
            attributes: Bytes::copy_from_slice(attributes),
            ..Default::default()
        };
        let can = |message: ReceivedMessage| Draft::of(&message, String::new).is_some();
        assert!(can(message(b"a\tb\r\n", b"")));
        assert!(!can(message(b"\xff", b"")));
        assert!(!can(message(b"a\0", b"")));
        assert!(!can(message(b"a", b"foreign")));
    }

    #[test]
    fn a_binary_is_written_in_base64() {
        let row = |value: &str| Row {
            name: "b".to_owned(),
            data_type: "Binary.png".to_owned(),
            value: value.to_owned(),
        };
        let bytes = row("AP8=").attribute().map(|(_, value)| value.binary_value);
        assert_eq!(bytes, Ok(Some(vec![0, 255])));
        assert!(row("?").attribute().is_err());
    }
}
