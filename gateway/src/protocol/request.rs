//! The requests SQS takes, typed, the same for both protocols.
//!
//! Values are as the client wrote them: ranges are the actions' business, because they are checked
//! after the queue was found (sqs-contract §2.5).

use bytes::Bytes;

use super::error::SqsError;
use super::members::{List, Map, Members};
use super::queue_url::queue_of_url;
use crate::queues::QueueName;

/// The actions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQS's own")]
pub enum Action {
    ChangeMessageVisibility,
    CreateQueue,
    DeleteMessage,
    DeleteMessageBatch,
    DeleteQueue,
    GetQueueAttributes,
    GetQueueUrl,
    ListQueues,
    PurgeQueue,
    ReceiveMessage,
    SendMessage,
    SendMessageBatch,
}

impl Action {
    const ALL: [Self; 12] = [
        Self::ChangeMessageVisibility,
        Self::CreateQueue,
        Self::DeleteMessage,
        Self::DeleteMessageBatch,
        Self::DeleteQueue,
        Self::GetQueueAttributes,
        Self::GetQueueUrl,
        Self::ListQueues,
        Self::PurgeQueue,
        Self::ReceiveMessage,
        Self::SendMessage,
        Self::SendMessageBatch,
    ];

    /// The action of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// SQS's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChangeMessageVisibility => "ChangeMessageVisibility",
            Self::CreateQueue => "CreateQueue",
            Self::DeleteMessage => "DeleteMessage",
            Self::DeleteMessageBatch => "DeleteMessageBatch",
            Self::DeleteQueue => "DeleteQueue",
            Self::GetQueueAttributes => "GetQueueAttributes",
            Self::GetQueueUrl => "GetQueueUrl",
            Self::ListQueues => "ListQueues",
            Self::PurgeQueue => "PurgeQueue",
            Self::ReceiveMessage => "ReceiveMessage",
            Self::SendMessage => "SendMessage",
            Self::SendMessageBatch => "SendMessageBatch",
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
    ChangeMessageVisibility(ChangeMessageVisibility),
    CreateQueue(CreateQueue),
    DeleteMessage(DeleteMessage),
    DeleteMessageBatch(DeleteMessageBatch),
    DeleteQueue(NamedQueue),
    GetQueueAttributes(GetQueueAttributes),
    GetQueueUrl(GetQueueUrl),
    ListQueues(ListQueues),
    PurgeQueue(NamedQueue),
    ReceiveMessage(ReceiveMessage),
    SendMessage(SendMessage),
    SendMessageBatch(SendMessageBatch),
}

impl Request {
    /// The queue it is about, if it is about one and that can be.
    pub fn queue(&self) -> Option<QueueName> {
        match self {
            Self::ChangeMessageVisibility(input) => input.queue.clone(),
            Self::CreateQueue(input) => QueueName::parse(&input.queue_name),
            Self::DeleteMessage(input) => input.queue.clone(),
            Self::DeleteMessageBatch(input) => input.queue.clone(),
            Self::DeleteQueue(queue) | Self::PurgeQueue(queue) => queue.clone(),
            Self::GetQueueAttributes(input) => input.queue.clone(),
            Self::GetQueueUrl(input) => input.queue_name.as_deref().and_then(QueueName::parse),
            Self::ListQueues(_) => None,
            Self::ReceiveMessage(input) => input.queue.clone(),
            Self::SendMessage(input) => input.queue.clone(),
            Self::SendMessageBatch(input) => input.queue.clone(),
        }
    }
}

/// The queue a request names; `None` if what it gave can be no queue's name.
pub type NamedQueue = Option<QueueName>;

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

/// GetQueueUrl (sqs-contract §4.4). QueueOwnerAWSAccountId is not read: any account names the
/// same queue.
#[derive(Debug, PartialEq, Eq)]
pub struct GetQueueUrl {
    /// The name, unchecked.
    pub queue_name: Option<String>,
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
}

/// An entry of SendMessageBatch.
#[derive(Debug, PartialEq, Eq)]
pub struct SendMessageBatchEntry {
    /// The Id; empty if absent.
    pub id: String,
    /// The message.
    pub message: NewMessage,
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

/// What a request has besides its members.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Surroundings<'a> {
    /// The name in the request path.
    pub(super) name_in_path: Option<&'a str>,
    /// The header X-Amzn-Trace-Id.
    pub(super) trace_header: Option<&'a str>,
}

/// Reads the members of an action.
///
/// Errors: as [`Members`], and [`SqsError::MissingParameter`].
pub(super) fn read<M: Members>(
    action: Action,
    mut members: M,
    around: Surroundings<'_>,
) -> Result<Request, SqsError> {
    let m = &mut members;
    let named = |m: &mut M| named_queue(m, around);
    Ok(match action {
        Action::ChangeMessageVisibility => {
            Request::ChangeMessageVisibility(change_message_visibility(m, around)?)
        }
        Action::CreateQueue => Request::CreateQueue(create_queue(m)?),
        Action::DeleteMessage => Request::DeleteMessage(DeleteMessage {
            queue: named(m)?,
            receipt_handle: required(m, "ReceiptHandle")?,
        }),
        Action::DeleteMessageBatch => Request::DeleteMessageBatch(DeleteMessageBatch {
            queue: named(m)?,
            entries: delete_entries(m)?,
        }),
        Action::DeleteQueue => Request::DeleteQueue(named(m)?),
        Action::GetQueueAttributes => Request::GetQueueAttributes(GetQueueAttributes {
            queue: named(m)?,
            attribute_names: m.list(ATTRIBUTE_NAMES)?,
        }),
        Action::GetQueueUrl => {
            Request::GetQueueUrl(GetQueueUrl { queue_name: m.text("QueueName")? })
        }
        Action::ListQueues => Request::ListQueues(ListQueues {
            queue_name_prefix: m.text("QueueNamePrefix")?.unwrap_or_default(),
            next_token: m.text("NextToken")?.filter(|token| !token.is_empty()),
            max_results: m.integer("MaxResults")?,
        }),
        Action::PurgeQueue => Request::PurgeQueue(named(m)?),
        Action::ReceiveMessage => {
            let queue = named(m)?;
            Request::ReceiveMessage(receive_message(m, queue)?)
        }
        Action::SendMessage => Request::SendMessage(SendMessage {
            queue: named(m)?,
            message: new_message(m).and_then(with_body)?,
            trace_header: around.trace_header.map(str::to_owned),
        }),
        Action::SendMessageBatch => Request::SendMessageBatch(SendMessageBatch {
            queue: named(m)?,
            entries: send_entries(m)?,
        }),
    })
}

const ATTRIBUTE_NAMES: List = List { json: "AttributeNames", query: "AttributeName" };

/// QueueUrl wins over the path (sqs-contract §1.2).
fn named_queue<M: Members>(m: &mut M, around: Surroundings<'_>) -> Result<NamedQueue, SqsError> {
    Ok(match m.text("QueueUrl")? {
        Some(url) => queue_of_url(&url),
        None => around.name_in_path.and_then(QueueName::parse),
    })
}

fn required<M: Members>(m: &mut M, name: &'static str) -> Result<String, SqsError> {
    let present = m.text(name)?.filter(|text| !text.is_empty());
    present.ok_or(SqsError::MissingParameter(name.into()))
}

fn change_message_visibility<M: Members>(
    m: &mut M,
    around: Surroundings<'_>,
) -> Result<ChangeMessageVisibility, SqsError> {
    const TIMEOUT: &str = "VisibilityTimeout";
    // A wrong type is said before an absence (sqs-contract §2.5).
    let visibility_timeout = m.integer(TIMEOUT)?;
    Ok(ChangeMessageVisibility {
        queue: named_queue(m, around)?,
        receipt_handle: required(m, "ReceiptHandle")?,
        visibility_timeout: visibility_timeout.ok_or(SqsError::MissingParameter(TIMEOUT.into()))?,
    })
}

fn create_queue<M: Members>(m: &mut M) -> Result<CreateQueue, SqsError> {
    const NAME: &str = "QueueName";
    // CreateQueue's member is `tags`, TagQueue's `Tags` (sqs-contract §3.2).
    let tags = Map { json: "tags", query: "Tag", key: "Key" };
    Ok(CreateQueue {
        attributes: m.map(Map { json: "Attributes", query: "Attribute", key: "Name" })?,
        tags: m.map(tags)?,
        queue_name: m.text(NAME)?.ok_or(SqsError::MissingParameter(NAME.into()))?,
    })
}

fn receive_message<M: Members>(m: &mut M, queue: NamedQueue) -> Result<ReceiveMessage, SqsError> {
    let newer = List { json: "MessageSystemAttributeNames", query: "MessageSystemAttributeName" };
    let users = List { json: "MessageAttributeNames", query: "MessageAttributeName" };
    let mut system_attribute_names = m.list(ATTRIBUTE_NAMES)?;
    system_attribute_names.extend(m.list(newer)?);
    Ok(ReceiveMessage {
        queue,
        system_attribute_names,
        message_attribute_names: m.list(users)?,
        max_number_of_messages: m.integer("MaxNumberOfMessages")?,
        visibility_timeout: m.integer("VisibilityTimeout")?,
        wait_time_seconds: m.integer("WaitTimeSeconds")?,
    })
}

fn delete_entries<M: Members>(m: &mut M) -> Result<Vec<DeleteMessageBatchEntry>, SqsError> {
    let entries =
        m.structures(List { json: "Entries", query: "DeleteMessageBatchRequestEntry" })?;
    let read = |mut entry: M| {
        Ok(DeleteMessageBatchEntry {
            id: entry.text("Id")?.unwrap_or_default(),
            receipt_handle: entry.text("ReceiptHandle")?.unwrap_or_default(),
        })
    };
    entries.into_iter().map(read).collect()
}

fn send_entries<M: Members>(m: &mut M) -> Result<Vec<SendMessageBatchEntry>, SqsError> {
    let entries = m.structures(List { json: "Entries", query: "SendMessageBatchRequestEntry" })?;
    let read = |mut entry: M| {
        Ok(SendMessageBatchEntry {
            id: entry.text("Id")?.unwrap_or_default(),
            message: new_message(&mut entry)?,
        })
    };
    entries.into_iter().map(read).collect()
}

fn with_body(message: NewMessage) -> Result<NewMessage, SqsError> {
    if message.body.is_empty() {
        return Err(SqsError::MissingParameter("MessageBody".into()));
    }
    Ok(message)
}

fn new_message<M: Members>(m: &mut M) -> Result<NewMessage, SqsError> {
    let users = Map { json: "MessageAttributes", query: "MessageAttribute", key: "Name" };
    let systems =
        Map { json: "MessageSystemAttributes", query: "MessageSystemAttribute", key: "Name" };
    Ok(NewMessage {
        body: m.bytes("MessageBody")?.unwrap_or_default(),
        delay_seconds: m.integer("DelaySeconds")?,
        attributes: attribute_values(m, users)?,
        system_attributes: attribute_values(m, systems)?,
        deduplication_id: m.text("MessageDeduplicationId")?,
        group_id: m.text("MessageGroupId")?,
    })
}

fn attribute_values<M: Members>(
    m: &mut M,
    map: Map,
) -> Result<Vec<(String, AttributeValue)>, SqsError> {
    let string_list = List { json: "StringListValues", query: "StringListValue" };
    let binary_list = List { json: "BinaryListValues", query: "BinaryListValue" };
    let read = |(name, mut value): (String, M)| {
        let value = AttributeValue {
            data_type: value.text("DataType")?,
            string_value: value.text("StringValue")?,
            binary_value: value.blob("BinaryValue")?,
            has_list_values: value.has_elements(string_list) || value.has_elements(binary_list),
        };
        Ok((name, value))
    };
    m.structure_map(map)?.into_iter().map(read).collect()
}
