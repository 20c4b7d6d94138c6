//! The requests SQS takes, typed, the same for both protocols.
//!
//! Values are as the client wrote them: ranges are the actions' business, because they are checked
//! after the queue was found (sqs-contract §2.5).

use bytes::Bytes;

use super::error::SqsError;
use crate::queues::QueueName;

/// The actions there are.
///
/// Source: sqs-contract §4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQS's own")]
pub enum Action {
    AddPermission,
    CancelMessageMoveTask,
    ChangeMessageVisibility,
    ChangeMessageVisibilityBatch,
    CreateQueue,
    DeleteMessage,
    DeleteMessageBatch,
    DeleteQueue,
    GetQueueAttributes,
    GetQueueUrl,
    ListDeadLetterSourceQueues,
    ListMessageMoveTasks,
    ListQueueTags,
    ListQueues,
    PurgeQueue,
    ReceiveMessage,
    RemovePermission,
    SendMessage,
    SendMessageBatch,
    SetQueueAttributes,
    StartMessageMoveTask,
    TagQueue,
    UntagQueue,
}

impl Action {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 23] = [
        Self::AddPermission,
        Self::CancelMessageMoveTask,
        Self::ChangeMessageVisibility,
        Self::ChangeMessageVisibilityBatch,
        Self::CreateQueue,
        Self::DeleteMessage,
        Self::DeleteMessageBatch,
        Self::DeleteQueue,
        Self::GetQueueAttributes,
        Self::GetQueueUrl,
        Self::ListDeadLetterSourceQueues,
        Self::ListMessageMoveTasks,
        Self::ListQueueTags,
        Self::ListQueues,
        Self::PurgeQueue,
        Self::ReceiveMessage,
        Self::RemovePermission,
        Self::SendMessage,
        Self::SendMessageBatch,
        Self::SetQueueAttributes,
        Self::StartMessageMoveTask,
        Self::TagQueue,
        Self::UntagQueue,
    ];

    /// The action of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// SQS's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddPermission => "AddPermission",
            Self::CancelMessageMoveTask => "CancelMessageMoveTask",
            Self::ChangeMessageVisibility => "ChangeMessageVisibility",
            Self::ChangeMessageVisibilityBatch => "ChangeMessageVisibilityBatch",
            Self::CreateQueue => "CreateQueue",
            Self::DeleteMessage => "DeleteMessage",
            Self::DeleteMessageBatch => "DeleteMessageBatch",
            Self::DeleteQueue => "DeleteQueue",
            Self::GetQueueAttributes => "GetQueueAttributes",
            Self::GetQueueUrl => "GetQueueUrl",
            Self::ListDeadLetterSourceQueues => "ListDeadLetterSourceQueues",
            Self::ListMessageMoveTasks => "ListMessageMoveTasks",
            Self::ListQueueTags => "ListQueueTags",
            Self::ListQueues => "ListQueues",
            Self::PurgeQueue => "PurgeQueue",
            Self::ReceiveMessage => "ReceiveMessage",
            Self::RemovePermission => "RemovePermission",
            Self::SendMessage => "SendMessage",
            Self::SendMessageBatch => "SendMessageBatch",
            Self::SetQueueAttributes => "SetQueueAttributes",
            Self::StartMessageMoveTask => "StartMessageMoveTask",
            Self::TagQueue => "TagQueue",
            Self::UntagQueue => "UntagQueue",
        }
    }

    /// Whether the action is refused at the path of a queue (sqs-contract §1.2).
    pub(super) fn is_refused_at_queue(self) -> bool {
        matches!(self, Self::CreateQueue | Self::ListQueues)
    }
}

/// A request.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQS's own")]
pub enum Request {
    AddPermission(AddPermission),
    CancelMessageMoveTask(CancelMessageMoveTask),
    ChangeMessageVisibility(ChangeMessageVisibility),
    ChangeMessageVisibilityBatch(ChangeMessageVisibilityBatch),
    CreateQueue(CreateQueue),
    DeleteMessage(DeleteMessage),
    DeleteMessageBatch(DeleteMessageBatch),
    DeleteQueue(NamedQueue),
    GetQueueAttributes(GetQueueAttributes),
    GetQueueUrl(GetQueueUrl),
    ListDeadLetterSourceQueues(ListDeadLetterSourceQueues),
    ListMessageMoveTasks(ListMessageMoveTasks),
    ListQueueTags(NamedQueue),
    ListQueues(ListQueues),
    PurgeQueue(NamedQueue),
    ReceiveMessage(ReceiveMessage),
    RemovePermission(RemovePermission),
    SendMessage(SendMessage),
    SendMessageBatch(SendMessageBatch),
    SetQueueAttributes(SetQueueAttributes),
    StartMessageMoveTask(StartMessageMoveTask),
    TagQueue(TagQueue),
    UntagQueue(UntagQueue),
}

impl Request {
    /// The action.
    pub fn action(&self) -> Action {
        match self {
            Self::AddPermission(_) => Action::AddPermission,
            Self::CancelMessageMoveTask(_) => Action::CancelMessageMoveTask,
            Self::ChangeMessageVisibility(_) => Action::ChangeMessageVisibility,
            Self::ChangeMessageVisibilityBatch(_) => Action::ChangeMessageVisibilityBatch,
            Self::CreateQueue(_) => Action::CreateQueue,
            Self::DeleteMessage(_) => Action::DeleteMessage,
            Self::DeleteMessageBatch(_) => Action::DeleteMessageBatch,
            Self::DeleteQueue(_) => Action::DeleteQueue,
            Self::GetQueueAttributes(_) => Action::GetQueueAttributes,
            Self::GetQueueUrl(_) => Action::GetQueueUrl,
            Self::ListDeadLetterSourceQueues(_) => Action::ListDeadLetterSourceQueues,
            Self::ListMessageMoveTasks(_) => Action::ListMessageMoveTasks,
            Self::ListQueueTags(_) => Action::ListQueueTags,
            Self::ListQueues(_) => Action::ListQueues,
            Self::PurgeQueue(_) => Action::PurgeQueue,
            Self::ReceiveMessage(_) => Action::ReceiveMessage,
            Self::RemovePermission(_) => Action::RemovePermission,
            Self::SendMessage(_) => Action::SendMessage,
            Self::SendMessageBatch(_) => Action::SendMessageBatch,
            Self::SetQueueAttributes(_) => Action::SetQueueAttributes,
            Self::StartMessageMoveTask(_) => Action::StartMessageMoveTask,
            Self::TagQueue(_) => Action::TagQueue,
            Self::UntagQueue(_) => Action::UntagQueue,
        }
    }

    /// The queue it is about, if it is about one and that can be.
    pub fn queue(&self) -> Option<QueueName> {
        let named = match self {
            Self::AddPermission(input) => &input.queue,
            Self::ChangeMessageVisibility(input) => &input.queue,
            Self::ChangeMessageVisibilityBatch(input) => &input.queue,
            Self::CreateQueue(input) => return QueueName::parse(&input.queue_name),
            Self::DeleteMessage(input) => &input.queue,
            Self::DeleteMessageBatch(input) => &input.queue,
            Self::DeleteQueue(queue) | Self::ListQueueTags(queue) | Self::PurgeQueue(queue) => {
                queue
            }
            Self::GetQueueAttributes(input) => &input.queue,
            Self::GetQueueUrl(input) => {
                return input.queue_name.as_deref().and_then(QueueName::parse);
            }
            Self::ListDeadLetterSourceQueues(input) => &input.queue,
            Self::ReceiveMessage(input) => &input.queue,
            Self::RemovePermission(input) => &input.queue,
            Self::SendMessage(input) => &input.queue,
            Self::SendMessageBatch(input) => &input.queue,
            Self::SetQueueAttributes(input) => &input.queue,
            Self::TagQueue(input) => &input.queue,
            Self::UntagQueue(input) => &input.queue,
            Self::CancelMessageMoveTask(_)
            | Self::ListMessageMoveTasks(_)
            | Self::ListQueues(_)
            | Self::StartMessageMoveTask(_) => return None,
        };
        named.as_ref().ok().cloned()
    }
}

/// The queue a request names, or why it names none: [`SqsError::QueueDoesNotExist`] if what it gave
/// can be no queue's name, [`SqsError::QueueOfAnotherAccount`] with `--strict-account`.
pub type NamedQueue = Result<QueueName, SqsError>;

/// AddPermission (sqs-contract §4.6).
#[derive(Debug, PartialEq, Eq)]
pub struct AddPermission {
    /// The queue.
    pub queue: NamedQueue,
    /// The statement's name; empty if absent.
    pub label: String,
    /// Who is allowed to.
    pub aws_account_ids: Vec<String>,
    /// What they are allowed to do.
    pub actions: Vec<String>,
}

/// CancelMessageMoveTask (sqs-contract §4.11).
#[derive(Debug, PartialEq, Eq)]
pub struct CancelMessageMoveTask {
    /// Which task, as StartMessageMoveTask answered.
    pub task_handle: String,
}

/// ChangeMessageVisibility (sqs-contract §4.10).
#[derive(Debug, PartialEq, Eq)]
pub struct ChangeMessageVisibility {
    /// The queue.
    pub queue: NamedQueue,
    /// Which receive.
    pub receipt_handle: String,
    /// Seconds from now.
    pub visibility_timeout: i64,
}

/// ChangeMessageVisibilityBatch (sqs-contract §10).
#[derive(Debug, PartialEq, Eq)]
pub struct ChangeMessageVisibilityBatch {
    /// The queue.
    pub queue: NamedQueue,
    /// The entries, in the order given.
    pub entries: Vec<ChangeMessageVisibilityBatchEntry>,
}

/// An entry of ChangeMessageVisibilityBatch.
#[derive(Debug, PartialEq, Eq)]
pub struct ChangeMessageVisibilityBatchEntry {
    /// The Id; empty if absent.
    pub id: String,
    /// Which receive; empty if absent.
    pub receipt_handle: String,
    /// Seconds from now.
    pub visibility_timeout: Option<i64>,
}

/// CreateQueue (sqs-contract §4.2).
#[derive(Debug, PartialEq, Eq)]
pub struct CreateQueue {
    /// The name, unchecked.
    pub queue_name: String,
    /// Attributes as given; a name may come twice.
    pub attributes: Vec<(String, String)>,
    /// Tags as given.
    pub tags: Vec<(String, String)>,
}

/// DeleteMessage (sqs-contract §4.10).
#[derive(Debug, PartialEq, Eq)]
pub struct DeleteMessage {
    /// The queue.
    pub queue: NamedQueue,
    /// Which receive.
    pub receipt_handle: String,
}

/// DeleteMessageBatch (sqs-contract §10).
#[derive(Debug, PartialEq, Eq)]
pub struct DeleteMessageBatch {
    /// The queue.
    pub queue: NamedQueue,
    /// The entries, in the order given.
    pub entries: Vec<DeleteMessageBatchEntry>,
}

/// An entry of DeleteMessageBatch.
#[derive(Debug, PartialEq, Eq)]
pub struct DeleteMessageBatchEntry {
    /// The Id; empty if absent.
    pub id: String,
    /// Which receive; empty if absent.
    pub receipt_handle: String,
}

/// GetQueueAttributes (sqs-contract §4.5).
#[derive(Debug, PartialEq, Eq)]
pub struct GetQueueAttributes {
    /// The queue.
    pub queue: NamedQueue,
    /// What to show.
    pub attribute_names: Vec<String>,
}

/// GetQueueUrl (sqs-contract §4.4).
#[derive(Debug, PartialEq, Eq)]
pub struct GetQueueUrl {
    /// The name, unchecked.
    pub queue_name: Option<String>,
    /// QueueOwnerAWSAccountId.
    pub owner_account: Option<String>,
}

/// ListDeadLetterSourceQueues (sqs-contract §4.4).
#[derive(Debug, PartialEq, Eq)]
pub struct ListDeadLetterSourceQueues {
    /// The dead-letter queue.
    pub queue: NamedQueue,
    /// Where the last page ended.
    pub next_token: Option<String>,
    /// Queues on one page.
    pub max_results: Option<i64>,
}

/// ListMessageMoveTasks (sqs-contract §4.11).
#[derive(Debug, PartialEq, Eq)]
pub struct ListMessageMoveTasks {
    /// The dead-letter queue.
    pub source_arn: String,
    /// Tasks shown; absent: 1.
    pub max_results: Option<i64>,
}

/// ListQueues (sqs-contract §4.4).
#[derive(Debug, PartialEq, Eq)]
pub struct ListQueues {
    /// What names begin with; empty: all.
    pub queue_name_prefix: String,
    /// Where the last page ended.
    pub next_token: Option<String>,
    /// Queues on one page.
    pub max_results: Option<i64>,
}

/// ReceiveMessage (sqs-contract §4.9).
#[derive(Debug, PartialEq, Eq)]
pub struct ReceiveMessage {
    /// The queue.
    pub queue: NamedQueue,
    /// AttributeNames and MessageSystemAttributeNames together.
    pub system_attribute_names: Vec<String>,
    /// Filters of user attributes.
    pub message_attribute_names: Vec<String>,
    /// At most this many; absent: 1.
    pub max_number_of_messages: Option<i64>,
    /// Seconds; absent: the queue's.
    pub visibility_timeout: Option<i64>,
    /// Seconds; absent: the queue's.
    pub wait_time_seconds: Option<i64>,
    /// ReceiveRequestAttemptId.
    pub attempt_id: Option<String>,
}

/// RemovePermission (sqs-contract §4.6).
#[derive(Debug, PartialEq, Eq)]
pub struct RemovePermission {
    /// The queue.
    pub queue: NamedQueue,
    /// The statement's name.
    pub label: String,
}

/// SendMessage (sqs-contract §4.8).
#[derive(Debug, PartialEq, Eq)]
pub struct SendMessage {
    /// The queue.
    pub queue: NamedQueue,
    /// The message.
    pub message: NewMessage,
    /// The HTTP header X-Amzn-Trace-Id.
    pub trace_header: Option<String>,
}

/// SendMessageBatch (sqs-contract §10).
#[derive(Debug, PartialEq, Eq)]
pub struct SendMessageBatch {
    /// The queue.
    pub queue: NamedQueue,
    /// The entries, in the order given.
    pub entries: Vec<SendMessageBatchEntry>,
    /// The HTTP header X-Amzn-Trace-Id.
    pub trace_header: Option<String>,
}

/// An entry of SendMessageBatch.
#[derive(Debug, PartialEq, Eq)]
pub struct SendMessageBatchEntry {
    /// The Id; empty if absent.
    pub id: String,
    /// The message.
    pub message: NewMessage,
}

/// SetQueueAttributes (sqs-contract §4.5).
#[derive(Debug, PartialEq, Eq)]
pub struct SetQueueAttributes {
    /// The queue.
    pub queue: NamedQueue,
    /// Attributes as given; a name may come twice.
    pub attributes: Vec<(String, String)>,
}

/// StartMessageMoveTask (sqs-contract §4.11).
#[derive(Debug, PartialEq, Eq)]
pub struct StartMessageMoveTask {
    /// The dead-letter queue.
    pub source_arn: String,
    /// Where its messages go; absent: back to where each came from.
    pub destination_arn: Option<String>,
    /// Messages per second.
    pub max_number_of_messages_per_second: Option<i64>,
}

/// TagQueue (sqs-contract §4.7).
#[derive(Debug, PartialEq, Eq)]
pub struct TagQueue {
    /// The queue.
    pub queue: NamedQueue,
    /// Tags as given.
    pub tags: Vec<(String, String)>,
}

/// UntagQueue (sqs-contract §4.7).
#[derive(Debug, PartialEq, Eq)]
pub struct UntagQueue {
    /// The queue.
    pub queue: NamedQueue,
    /// Names of tags.
    pub tag_keys: Vec<String>,
}

/// A message somebody wants to send.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// The body, UTF-8; empty if absent.
    pub body: Bytes,
    /// Seconds; absent: the queue's.
    pub delay_seconds: Option<i64>,
    /// MessageAttributes by name.
    pub attributes: Vec<(String, AttributeValue)>,
    /// MessageSystemAttributes by name.
    pub system_attributes: Vec<(String, AttributeValue)>,
    /// MessageDeduplicationId.
    pub deduplication_id: Option<String>,
    /// MessageGroupId.
    pub group_id: Option<String>,
}

/// The value of a message attribute, as given.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AttributeValue {
    /// DataType.
    pub data_type: Option<String>,
    /// StringValue.
    pub string_value: Option<String>,
    /// BinaryValue, decoded.
    pub binary_value: Option<Vec<u8>>,
    /// Whether StringListValues or BinaryListValues has elements.
    pub has_list_values: bool,
}
