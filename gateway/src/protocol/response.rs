//! The answers SQS gives, typed, the same for both protocols.

use serde::Serialize;

use super::error::SqsError;
use crate::message_view::MessageView;
use crate::queues::ReceivedMessage;

/// An answer.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names are SQS's own")]
pub enum Response {
    ChangeMessageVisibility,
    CreateQueue(QueueUrl),
    DeleteMessage,
    DeleteMessageBatch(BatchResult<DeletedEntry>),
    DeleteQueue,
    GetQueueAttributes(QueueAttributes),
    GetQueueUrl(QueueUrl),
    ListQueues(QueueUrls),
    PurgeQueue,
    ReceiveMessage(ReceivedMessages),
    SendMessage(SentMessage),
    SendMessageBatch(BatchResult<SentEntry>),
}

/// CreateQueue's and GetQueueUrl's answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueueUrl {
    /// The URL.
    pub queue_url: String,
}

/// ListQueues' answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueueUrls {
    /// The URLs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queue_urls: Vec<String>,
    /// Where to go on; `None`: this was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// GetQueueAttributes' answer.
#[derive(Debug)]
pub struct QueueAttributes {
    /// Names and values.
    pub attributes: Vec<(&'static str, String)>,
}

/// SendMessage's answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SentMessage {
    /// Of the body.
    #[serde(rename = "MD5OfMessageBody")]
    pub md5_of_message_body: String,
    /// Of the user attributes sent.
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    pub md5_of_message_attributes: Option<String>,
    /// Of the system attributes sent.
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    pub md5_of_message_system_attributes: Option<String>,
    /// The MessageId.
    pub message_id: String,
}

/// A batch's answer; each Id of the request stands in one of the two.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchResult<T> {
    /// What succeeded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub successful: Vec<T>,
    /// What failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedEntry>,
}

/// A message of a batch that was sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SentEntry {
    /// The entry's Id.
    pub id: String,
    /// What SendMessage answers.
    #[serde(flatten)]
    pub message: SentMessage,
}

/// A message of a batch that was deleted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeletedEntry {
    /// The entry's Id.
    pub id: String,
}

/// An entry of a batch that failed.
#[derive(Debug)]
pub struct FailedEntry {
    /// The entry's Id.
    pub id: String,
    /// Why.
    pub error: SqsError,
}

/// ReceiveMessage's answer.
#[derive(Debug)]
pub struct ReceivedMessages {
    /// The messages.
    pub messages: Vec<ReceivedMessage>,
    /// What of them to show.
    pub selection: Selection,
}

/// Which attributes of a message a receiver wants.
///
/// Source: sqs-contract §§6.6 and 6.7.
#[derive(Debug, Default)]
pub struct Selection {
    /// Names of system attributes, or `All`.
    pub system_attribute_names: Vec<String>,
    /// Filters of user attributes: names, `All`, `*`, `.*`, or `prefix.*`.
    pub message_attribute_names: Vec<String>,
}

impl Selection {
    /// The message with what was selected.
    pub fn view<'a>(&self, message: &'a ReceivedMessage) -> MessageView<'a> {
        let mut view = MessageView::selecting(message, |name| self.wants_user(name));
        view.system_attributes.retain(|(name, _)| self.wants_system(name));
        view
    }

    fn wants_system(&self, name: &str) -> bool {
        self.system_attribute_names.iter().any(|wanted| wanted == "All" || wanted == name)
    }

    fn wants_user(&self, name: &str) -> bool {
        self.message_attribute_names.iter().any(|wanted| match wanted.as_str() {
            "All" | "*" | ".*" => true,
            wanted => match wanted.strip_suffix(".*") {
                Some(prefix) => name.starts_with(prefix),
                None => wanted == name,
            },
        })
    }
}
