//! Writes what a Query request with `Accept: application/json` is answered with: the tree of the
//! XML as JSON, with lists in the lower case of an older time.
//!
//! Source: sqs-contract §1.5; the form API Gateway's SQS integrations show their callers.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Protocol;
use super::error::SqsError;
use super::response::{BatchResult, FailedEntry, ReceivedMessages, Response, SentMessage};
use crate::queues::attributes::MessageAttribute;

/// The body of an answer.
pub(super) fn write(response: &Response, request_id: &str) -> serde_json::Result<Vec<u8>> {
    let name = response.action().name();
    let mut inner = Map::new();
    if let Some(result) = result(response)? {
        inner.insert(format!("{name}Result"), result);
    }
    inner.insert("ResponseMetadata".to_owned(), json!({ "RequestId": request_id }));
    let mut outer = Map::new();
    outer.insert(format!("{name}Response"), Value::Object(inner));
    serde_json::to_vec(&outer)
}

/// The body of an error.
pub(super) fn write_error(error: &SqsError, request_id: &str) -> serde_json::Result<Vec<u8>> {
    let code = error.code();
    let message = error.message(Protocol::QueryJson);
    let error = json!({ "Code": code.query, "Message": message, "Type": code.fault() });
    serde_json::to_vec(&json!({ "Error": error, "RequestId": request_id }))
}

/// `None` for a void action.
fn result(response: &Response) -> serde_json::Result<Option<Value>> {
    Ok(Some(match response {
        Response::Void(_) => return Ok(None),
        Response::CancelMessageMoveTask(output) => serde_json::to_value(output)?,
        Response::ChangeMessageVisibilityBatch(output) | Response::DeleteMessageBatch(output) => {
            batch(output, |entry| json!({ "Id": entry.id }))
        }
        Response::CreateQueue(output) | Response::GetQueueUrl(output) => {
            serde_json::to_value(output)?
        }
        Response::GetQueueAttributes(output) => {
            json!({ "Attributes": pairs("Name", &output.attributes) })
        }
        Response::ListDeadLetterSourceQueues(output) => {
            urls(&output.queue_urls, output.next_token.as_deref())
        }
        Response::ListMessageMoveTasks(output) => json!({ "Results": output.results }),
        Response::ListQueueTags(output) => json!({ "Tags": pairs("Key", &output.tags) }),
        Response::ListQueues(output) => urls(&output.queue_urls, output.next_token.as_deref()),
        Response::ReceiveMessage(output) => json!({ "messages": messages(output) }),
        Response::SendMessage(output) => Value::Object(sent(output)),
        Response::SendMessageBatch(output) => batch(output, |entry| {
            let mut members = sent(&entry.message);
            members.insert("Id".to_owned(), entry.id.as_str().into());
            members.sort_keys();
            Value::Object(members)
        }),
        Response::StartMessageMoveTask(output) => serde_json::to_value(output)?,
    }))
}

fn urls(urls: &[String], next_token: Option<&str>) -> Value {
    match next_token {
        Some(token) => json!({ "NextToken": token, "queueUrls": urls }),
        None => json!({ "queueUrls": urls }),
    }
}

fn pairs<N: Serialize>(name: &str, pairs: &[(N, String)]) -> Vec<Value> {
    pairs.iter().map(|(key, value)| json!({ name: key, "Value": value })).collect()
}

fn sent(message: &SentMessage) -> Map<String, Value> {
    [
        ("MD5OfMessageAttributes", message.md5_of_message_attributes.as_deref()),
        ("MD5OfMessageBody", Some(message.md5_of_message_body.as_str())),
        ("MD5OfMessageSystemAttributes", message.md5_of_message_system_attributes.as_deref()),
        ("MessageId", Some(message.message_id.as_str())),
        ("SequenceNumber", message.sequence_number.as_deref()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.into()))
    .collect()
}

fn batch<T>(output: &BatchResult<T>, show: impl Fn(&T) -> Value) -> Value {
    let failed: Vec<Value> = output.failed.iter().map(failed_entry).collect();
    let successful: Vec<Value> = output.successful.iter().map(show).collect();
    json!({ "Failed": failed, "Successful": successful })
}

fn failed_entry(entry: &FailedEntry) -> Value {
    let code = entry.error.code();
    json!({
        "Code": code.query,
        "Id": entry.id,
        "Message": entry.error.message(Protocol::QueryJson),
        "SenderFault": code.is_sender_fault(),
    })
}

/// Null where there are none.
fn messages(output: &ReceivedMessages) -> Option<Vec<Value>> {
    let shown = output.messages.iter().map(|message| {
        let view = output.selection.view(message);
        let system = pairs("Name", &view.system_attributes);
        let mut shown = json!({
            "Attributes": (!system.is_empty()).then_some(system),
            "Body": view.body,
            "MD5OfBody": view.md5_of_body,
            "MessageId": message.id,
            "ReceiptHandle": message.receipt,
        });
        if let (Some(md5), Some(members)) = (&view.md5_of_message_attributes, shown.as_object_mut())
        {
            let user: Vec<Value> = view.user_attributes.iter().map(attribute).collect();
            members.insert("MD5OfMessageAttributes".to_owned(), md5.as_str().into());
            members.insert("MessageAttributes".to_owned(), user.into());
            members.sort_keys();
        }
        shown
    });
    (!output.messages.is_empty()).then(|| shown.collect())
}

fn attribute(attribute: &MessageAttribute) -> Value {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let (text, binary) = if attribute.is_binary() {
        (None, Some(STANDARD.encode(&attribute.value)))
    } else {
        (Some(String::from_utf8_lossy(&attribute.value)), None)
    };
    let value =
        json!({ "BinaryValue": binary, "DataType": attribute.data_type, "StringValue": text });
    json!({ "Name": attribute.name, "Value": value })
}
