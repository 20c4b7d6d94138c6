//! The answers SQS gives, typed, the same for both protocols.

use serde::Serialize;

use super::error::SqsError;
use super::request::Action;
use crate::message_view::MessageView;
use crate::queues::ReceivedMessage;

/// An answer.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names are SQS's own")]
pub enum Response {
    /// That of an action that answers nothing.
    Void(Action),
    CancelMessageMoveTask(CancelledTask),
    ChangeMessageVisibilityBatch(BatchResult<DoneEntry>),
    CreateQueue(QueueUrl),
    DeleteMessageBatch(BatchResult<DoneEntry>),
    GetQueueAttributes(QueueAttributes),
    GetQueueUrl(QueueUrl),
    ListDeadLetterSourceQueues(SourceQueueUrls),
    ListMessageMoveTasks(MoveTasks),
    ListQueueTags(QueueTags),
    ListQueues(QueueUrls),
    ReceiveMessage(ReceivedMessages),
    SendMessage(SentMessage),
    SendMessageBatch(BatchResult<SentEntry>),
    StartMessageMoveTask(StartedTask),
}

impl Response {
    /// The action it answers.
    pub fn action(&self) -> Action {
        match self {
            Self::Void(action) => *action,
            Self::CancelMessageMoveTask(_) => Action::CancelMessageMoveTask,
            Self::ChangeMessageVisibilityBatch(_) => Action::ChangeMessageVisibilityBatch,
            Self::CreateQueue(_) => Action::CreateQueue,
            Self::DeleteMessageBatch(_) => Action::DeleteMessageBatch,
            Self::GetQueueAttributes(_) => Action::GetQueueAttributes,
            Self::GetQueueUrl(_) => Action::GetQueueUrl,
            Self::ListDeadLetterSourceQueues(_) => Action::ListDeadLetterSourceQueues,
            Self::ListMessageMoveTasks(_) => Action::ListMessageMoveTasks,
            Self::ListQueueTags(_) => Action::ListQueueTags,
            Self::ListQueues(_) => Action::ListQueues,
            Self::ReceiveMessage(_) => Action::ReceiveMessage,
            Self::SendMessage(_) => Action::SendMessage,
            Self::SendMessageBatch(_) => Action::SendMessageBatch,
            Self::StartMessageMoveTask(_) => Action::StartMessageMoveTask,
        }
    }
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

/// ListDeadLetterSourceQueues' answer, whose member is spelled unlike ListQueues'
/// (sqs-contract §3.2).
#[derive(Debug, Serialize)]
pub struct SourceQueueUrls {
    /// The URLs.
    #[serde(rename = "queueUrls", skip_serializing_if = "Vec::is_empty")]
    pub queue_urls: Vec<String>,
    /// Where to go on; `None`: this was all.
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// ListQueueTags' answer.
#[derive(Debug)]
pub struct QueueTags {
    /// Keys and values.
    pub tags: Vec<(String, String)>,
}

/// StartMessageMoveTask's answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StartedTask {
    /// By which the task is cancelled.
    pub task_handle: String,
}

/// CancelMessageMoveTask's answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancelledTask {
    /// Messages moved so far.
    pub approximate_number_of_messages_moved: u64,
}

/// ListMessageMoveTasks' answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MoveTasks {
    /// The tasks, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<MoveTask>,
}

/// A task that moves messages out of a dead-letter queue.
///
/// Source: sqs-contract §4.11.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MoveTask {
    /// By which it is cancelled; only while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_handle: Option<String>,
    /// RUNNING, COMPLETED, CANCELLING, CANCELLED or FAILED.
    pub status: &'static str,
    /// The dead-letter queue.
    pub source_arn: String,
    /// Where messages go, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_arn: Option<String>,
    /// Messages per second, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_number_of_messages_per_second: Option<u32>,
    /// Messages moved so far.
    pub approximate_number_of_messages_moved: u64,
    /// Messages there were at the start.
    pub approximate_number_of_messages_to_move: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// When it was started, epoch milliseconds.
    pub started_timestamp: u64,
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
    /// Of a FIFO queue's message: 20 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<String>,
    /// The sequence number of any queue's message; not told to clients.
    #[serde(skip)]
    pub sequence: u64,
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

/// An entry of a batch of deletions or of changes of visibility that was done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DoneEntry {
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
