//! Writes the XML of the Query protocol (sqs-contract §§1.5, 2.1 and 3.3).

use std::borrow::Cow;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

use super::Protocol;
use super::error::SqsError;
use super::response::{
    BatchResult, DoneEntry, FailedEntry, MoveTask, MoveTasks, QueueAttributes, QueueTags,
    ReceivedMessages, Response, SentMessage,
};
use crate::message_view::MessageView;
use crate::queues::ReceivedMessage;
use crate::queues::attributes::MessageAttribute;

const NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";
const DECLARATION: &[u8] = b"<?xml version=\"1.0\"?>";

/// The body of an answer.
pub(super) fn write(response: &Response, request_id: &str) -> io::Result<Vec<u8>> {
    let name = response.action().name();
    let content = |xml: &mut Xml| match response {
        Response::Void(_) => Ok(()),
        Response::CancelMessageMoveTask(output) => xml.number(
            "ApproximateNumberOfMessagesMoved",
            output.approximate_number_of_messages_moved,
        ),
        Response::ChangeMessageVisibilityBatch(output) => {
            xml.done_batch("ChangeMessageVisibilityBatchResultEntry", output)
        }
        Response::CreateQueue(output) | Response::GetQueueUrl(output) => {
            xml.leaf("QueueUrl", &output.queue_url)
        }
        Response::DeleteMessageBatch(output) => {
            xml.done_batch("DeleteMessageBatchResultEntry", output)
        }
        Response::GetQueueAttributes(output) => xml.queue_attributes(output),
        Response::ListDeadLetterSourceQueues(output) => {
            xml.queue_urls(&output.queue_urls, output.next_token.as_deref())
        }
        Response::ListMessageMoveTasks(output) => xml.move_tasks(output),
        Response::ListQueueTags(output) => xml.queue_tags(output),
        Response::ListQueues(output) => {
            xml.queue_urls(&output.queue_urls, output.next_token.as_deref())
        }
        Response::ReceiveMessage(output) => xml.received_messages(output),
        Response::SendMessage(output) => xml.sent_message(output),
        Response::SendMessageBatch(output) => {
            xml.batch("SendMessageBatchResultEntry", output, |xml, entry| {
                xml.leaf("Id", &entry.id)?;
                xml.sent_message(&entry.message)
            })
        }
        Response::StartMessageMoveTask(output) => xml.leaf("TaskHandle", &output.task_handle),
    };
    document(&format!("{name}Response"), |xml| {
        // A void action has no Result; of others it is there even if it is empty, because
        // botocore's parser demands it.
        if !matches!(response, Response::Void(_)) {
            xml.element(&format!("{name}Result"), content)?;
        }
        xml.element("ResponseMetadata", |xml| xml.leaf("RequestId", request_id))
    })
}

/// The body of an error.
pub(super) fn write_error(error: &SqsError, request_id: &str) -> io::Result<Vec<u8>> {
    let code = error.code();
    document("ErrorResponse", |xml| {
        xml.element("Error", |xml| {
            xml.leaf("Type", code.fault())?;
            xml.leaf("Code", code.query)?;
            xml.leaf("Message", &error.message(Protocol::Query))?;
            xml.empty("Detail")
        })?;
        xml.leaf("RequestId", request_id)
    })
}

fn document(root: &str, content: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut xml = Xml(Writer::new(DECLARATION.to_vec()));
    let start = BytesStart::new(root).with_attributes([("xmlns", NAMESPACE)]);
    xml.0.write_event(Event::Start(start))?;
    content(&mut xml)?;
    xml.0.write_event(Event::End(BytesEnd::new(root)))?;
    Ok(xml.0.into_inner())
}

/// A small typed writer of elements.
struct Xml(Writer<Vec<u8>>);

impl Xml {
    fn empty(&mut self, name: &str) -> io::Result<()> {
        self.0.write_event(Event::Empty(BytesStart::new(name)))
    }

    fn leaf(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.0.write_event(Event::Start(BytesStart::new(name)))?;
        self.0.write_event(Event::Text(BytesText::from_escaped(escape(text))))?;
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    /// An element with others inside, `<Name/>` if there are none.
    fn element(
        &mut self,
        name: &str,
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let before = self.0.get_ref().len();
        self.0.write_event(Event::Start(BytesStart::new(name)))?;
        let opened = self.0.get_ref().len();
        content(self)?;
        if self.0.get_ref().len() > opened {
            return self.0.write_event(Event::End(BytesEnd::new(name)));
        }
        self.0.get_mut().truncate(before);
        self.empty(name)
    }

    fn number(&mut self, name: &str, number: u64) -> io::Result<()> {
        self.leaf(name, &number.to_string())
    }

    fn named_value(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.element("Attribute", |xml| {
            xml.leaf("Name", name)?;
            xml.leaf("Value", value)
        })
    }

    fn queue_attributes(&mut self, output: &QueueAttributes) -> io::Result<()> {
        output.attributes.iter().try_for_each(|(name, value)| self.named_value(name, value))
    }

    fn queue_urls(&mut self, urls: &[String], next_token: Option<&str>) -> io::Result<()> {
        urls.iter().try_for_each(|url| self.leaf("QueueUrl", url))?;
        next_token.iter().try_for_each(|token| self.leaf("NextToken", token))
    }

    fn queue_tags(&mut self, output: &QueueTags) -> io::Result<()> {
        output.tags.iter().try_for_each(|(key, value)| {
            self.element("Tag", |xml| {
                xml.leaf("Key", key)?;
                xml.leaf("Value", value)
            })
        })
    }

    fn move_tasks(&mut self, output: &MoveTasks) -> io::Result<()> {
        output.results.iter().try_for_each(|task| {
            self.element("ListMessageMoveTasksResultEntry", |xml| xml.move_task(task))
        })
    }

    fn move_task(&mut self, task: &MoveTask) -> io::Result<()> {
        task.task_handle.iter().try_for_each(|handle| self.leaf("TaskHandle", handle))?;
        self.leaf("Status", task.status)?;
        self.leaf("SourceArn", &task.source_arn)?;
        task.destination_arn.iter().try_for_each(|arn| self.leaf("DestinationArn", arn))?;
        if let Some(rate) = task.max_number_of_messages_per_second {
            self.number("MaxNumberOfMessagesPerSecond", rate.into())?;
        }
        let moved = task.approximate_number_of_messages_moved;
        self.number("ApproximateNumberOfMessagesMoved", moved)?;
        let to_move = task.approximate_number_of_messages_to_move;
        self.number("ApproximateNumberOfMessagesToMove", to_move)?;
        task.failure_reason.iter().try_for_each(|reason| self.leaf("FailureReason", reason))?;
        self.number("StartedTimestamp", task.started_timestamp)
    }

    fn sent_message(&mut self, sent: &SentMessage) -> io::Result<()> {
        self.leaf("MessageId", &sent.message_id)?;
        self.leaf("MD5OfMessageBody", &sent.md5_of_message_body)?;
        if let Some(md5) = &sent.md5_of_message_attributes {
            self.leaf("MD5OfMessageAttributes", md5)?;
        }
        if let Some(md5) = &sent.md5_of_message_system_attributes {
            self.leaf("MD5OfMessageSystemAttributes", md5)?;
        }
        sent.sequence_number.iter().try_for_each(|number| self.leaf("SequenceNumber", number))
    }

    fn done_batch(&mut self, name: &str, output: &BatchResult<DoneEntry>) -> io::Result<()> {
        self.batch(name, output, |xml, entry| xml.leaf("Id", &entry.id))
    }

    fn batch<T>(
        &mut self,
        name: &str,
        output: &BatchResult<T>,
        content: impl Fn(&mut Self, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        for entry in &output.successful {
            self.element(name, |xml| content(xml, entry))?;
        }
        output.failed.iter().try_for_each(|entry| self.failed_entry(entry))
    }

    fn failed_entry(&mut self, entry: &FailedEntry) -> io::Result<()> {
        let code = entry.error.code();
        self.element("BatchResultErrorEntry", |xml| {
            xml.leaf("Id", &entry.id)?;
            xml.leaf("Code", code.query)?;
            xml.leaf("Message", &entry.error.message(Protocol::Query))?;
            xml.leaf("SenderFault", if code.is_sender_fault() { "true" } else { "false" })
        })
    }

    fn received_messages(&mut self, output: &ReceivedMessages) -> io::Result<()> {
        for message in &output.messages {
            let view = output.selection.view(message);
            self.element("Message", |xml| xml.received_message(message, &view))?;
        }
        Ok(())
    }

    fn received_message(
        &mut self,
        message: &ReceivedMessage,
        view: &MessageView<'_>,
    ) -> io::Result<()> {
        self.leaf("MessageId", &message.id)?;
        self.leaf("ReceiptHandle", &message.receipt)?;
        self.leaf("MD5OfBody", &view.md5_of_body)?;
        self.leaf("Body", &view.body)?;
        for (name, value) in &view.system_attributes {
            self.named_value(name, value)?;
        }
        if let Some(md5) = &view.md5_of_message_attributes {
            self.leaf("MD5OfMessageAttributes", md5)?;
        }
        view.user_attributes.iter().try_for_each(|attribute| self.message_attribute(attribute))
    }

    fn message_attribute(&mut self, attribute: &MessageAttribute) -> io::Result<()> {
        self.element("MessageAttribute", |xml| {
            xml.leaf("Name", &attribute.name)?;
            xml.element("Value", |xml| {
                if attribute.is_binary() {
                    xml.leaf("BinaryValue", &STANDARD.encode(&attribute.value))?;
                } else {
                    xml.leaf("StringValue", &String::from_utf8_lossy(&attribute.value))?;
                }
                xml.leaf("DataType", &attribute.data_type)
            })
        })
    }
}

/// Escapes as AWS does; CR as `&#xD;`, or parsers would turn it into LF and the MD5 would be
/// another (sqs-contract §1.5). A character XML cannot have at all, as an error may repeat it from
/// the request, becomes U+FFFD.
fn escape(text: &str) -> Cow<'_, str> {
    let special = |c: char| {
        matches!(c, '&' | '<' | '>' | '"' | '\u{fffe}' | '\u{ffff}')
            || (c < ' ' && c != '\t' && c != '\n')
    };
    let Some(first) = text.find(special) else {
        return Cow::Borrowed(text);
    };
    let (plain, rest) = text.split_at(first);
    let mut escaped = String::with_capacity(text.len() + text.len() / 8 + 16);
    escaped.push_str(plain);
    for c in rest.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#xD;"),
            c if special(c) => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}
