//! Reads the members of each action, the same for both protocols.

use super::error::SqsError;
use super::members::{List, Map, Members};
use super::queue_url::{queue_of_path, queue_of_url};
use super::request::{
    Action, AddPermission, AttributeValue, CancelMessageMoveTask, ChangeMessageVisibility,
    ChangeMessageVisibilityBatch, ChangeMessageVisibilityBatchEntry, CreateQueue, DeleteMessage,
    DeleteMessageBatch, DeleteMessageBatchEntry, GetQueueAttributes, GetQueueUrl,
    ListDeadLetterSourceQueues, ListMessageMoveTasks, ListQueues, NamedQueue, NewMessage,
    ReceiveMessage, RemovePermission, Request, SendMessage, SendMessageBatch,
    SendMessageBatchEntry, SetQueueAttributes, StartMessageMoveTask, TagQueue, UntagQueue,
};

const ATTRIBUTES: Map = Map { json: "Attributes", query: "Attribute", key: "Name" };
const ATTRIBUTE_NAMES: List = List { json: "AttributeNames", query: "AttributeName" };

/// What a request has besides its members.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Surroundings<'a> {
    /// The request path.
    pub(super) path: &'a str,
    /// The one account whose queues can be named; `None`: any account names the same queues.
    pub(super) only_account: Option<&'a str>,
    /// The header X-Amzn-Trace-Id.
    pub(super) trace_header: Option<&'a str>,
}

/// Reads the members of an action.
///
/// Errors: as [`Members`], and [`SqsError::MissingParameter`].
pub(super) fn read<M: Members>(
    action: Action,
    members: M,
    around: Surroundings<'_>,
) -> Result<Request, SqsError> {
    use Request as R;
    let mut r = Reader { m: members, around };
    Ok(match action {
        Action::AddPermission => R::AddPermission(r.add_permission()?),
        Action::CancelMessageMoveTask => R::CancelMessageMoveTask(r.cancel_message_move_task()?),
        Action::ChangeMessageVisibility => R::ChangeMessageVisibility(r.change_visibility()?),
        Action::ChangeMessageVisibilityBatch => {
            R::ChangeMessageVisibilityBatch(r.change_visibility_batch()?)
        }
        Action::CreateQueue => R::CreateQueue(r.create_queue()?),
        Action::DeleteMessage => R::DeleteMessage(r.delete_message()?),
        Action::DeleteMessageBatch => R::DeleteMessageBatch(r.delete_message_batch()?),
        Action::DeleteQueue => R::DeleteQueue(r.queue()?),
        Action::GetQueueAttributes => R::GetQueueAttributes(r.get_queue_attributes()?),
        Action::GetQueueUrl => R::GetQueueUrl(r.get_queue_url()?),
        Action::ListDeadLetterSourceQueues => {
            R::ListDeadLetterSourceQueues(r.list_dead_letter_source_queues()?)
        }
        Action::ListMessageMoveTasks => R::ListMessageMoveTasks(r.list_message_move_tasks()?),
        Action::ListQueueTags => R::ListQueueTags(r.queue()?),
        Action::ListQueues => R::ListQueues(r.list_queues()?),
        Action::PurgeQueue => R::PurgeQueue(r.queue()?),
        Action::ReceiveMessage => R::ReceiveMessage(r.receive_message()?),
        Action::RemovePermission => R::RemovePermission(r.remove_permission()?),
        Action::SendMessage => R::SendMessage(r.send_message()?),
        Action::SendMessageBatch => R::SendMessageBatch(r.send_message_batch()?),
        Action::SetQueueAttributes => R::SetQueueAttributes(r.set_queue_attributes()?),
        Action::StartMessageMoveTask => R::StartMessageMoveTask(r.start_message_move_task()?),
        Action::TagQueue => R::TagQueue(r.tag_queue()?),
        Action::UntagQueue => R::UntagQueue(r.untag_queue()?),
    })
}

/// The members of one request. A wrong type is said before an absence (sqs-contract §2.5), so
/// typed members are read before required ones are missed.
struct Reader<'a, M> {
    m: M,
    around: Surroundings<'a>,
}

impl<M: Members> Reader<'_, M> {
    /// QueueUrl wins over the path (sqs-contract §1.2).
    fn queue(&mut self) -> Result<NamedQueue, SqsError> {
        Ok(match self.m.text("QueueUrl")? {
            Some(url) => queue_of_url(&url, self.around.only_account),
            None => queue_of_path(self.around.path, self.around.only_account),
        })
    }

    fn required(&mut self, name: &'static str) -> Result<String, SqsError> {
        let present = self.m.text(name)?.filter(|text| !text.is_empty());
        present.ok_or(SqsError::MissingParameter(name.into()))
    }

    fn next_token(&mut self) -> Result<Option<String>, SqsError> {
        Ok(self.m.text("NextToken")?.filter(|token| !token.is_empty()))
    }

    fn add_permission(&mut self) -> Result<AddPermission, SqsError> {
        let accounts = List { json: "AWSAccountIds", query: "AWSAccountId" };
        let actions = List { json: "Actions", query: "ActionName" };
        Ok(AddPermission {
            queue: self.queue()?,
            aws_account_ids: self.m.list(accounts)?,
            actions: self.m.list(actions)?,
            label: self.required("Label")?,
        })
    }

    fn cancel_message_move_task(&mut self) -> Result<CancelMessageMoveTask, SqsError> {
        Ok(CancelMessageMoveTask { task_handle: self.required("TaskHandle")? })
    }

    fn change_visibility(&mut self) -> Result<ChangeMessageVisibility, SqsError> {
        const TIMEOUT: &str = "VisibilityTimeout";
        let timeout = self.m.integer(TIMEOUT)?;
        Ok(ChangeMessageVisibility {
            queue: self.queue()?,
            receipt_handle: self.required("ReceiptHandle")?,
            visibility_timeout: timeout.ok_or(SqsError::MissingParameter(TIMEOUT.into()))?,
        })
    }

    fn change_visibility_batch(&mut self) -> Result<ChangeMessageVisibilityBatch, SqsError> {
        let list = List { json: "Entries", query: "ChangeMessageVisibilityBatchRequestEntry" };
        let read = |mut entry: M| {
            Ok(ChangeMessageVisibilityBatchEntry {
                id: entry.text("Id")?.unwrap_or_default(),
                receipt_handle: entry.text("ReceiptHandle")?.unwrap_or_default(),
                visibility_timeout: entry.integer("VisibilityTimeout")?,
            })
        };
        let entries = self.m.structures(list)?.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(ChangeMessageVisibilityBatch { queue: self.queue()?, entries })
    }

    fn create_queue(&mut self) -> Result<CreateQueue, SqsError> {
        const NAME: &str = "QueueName";
        // CreateQueue's member is `tags`, TagQueue's `Tags` (sqs-contract §3.2).
        let tags = Map { json: "tags", query: "Tag", key: "Key" };
        Ok(CreateQueue {
            attributes: self.m.map(ATTRIBUTES)?,
            tags: self.m.map(tags)?,
            queue_name: self.m.text(NAME)?.ok_or(SqsError::MissingParameter(NAME.into()))?,
        })
    }

    fn delete_message(&mut self) -> Result<DeleteMessage, SqsError> {
        Ok(DeleteMessage { queue: self.queue()?, receipt_handle: self.required("ReceiptHandle")? })
    }

    fn delete_message_batch(&mut self) -> Result<DeleteMessageBatch, SqsError> {
        let list = List { json: "Entries", query: "DeleteMessageBatchRequestEntry" };
        let read = |mut entry: M| {
            Ok(DeleteMessageBatchEntry {
                id: entry.text("Id")?.unwrap_or_default(),
                receipt_handle: entry.text("ReceiptHandle")?.unwrap_or_default(),
            })
        };
        let entries = self.m.structures(list)?.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(DeleteMessageBatch { queue: self.queue()?, entries })
    }

    fn get_queue_attributes(&mut self) -> Result<GetQueueAttributes, SqsError> {
        let attribute_names = self.m.list(ATTRIBUTE_NAMES)?;
        Ok(GetQueueAttributes { queue: self.queue()?, attribute_names })
    }

    fn get_queue_url(&mut self) -> Result<GetQueueUrl, SqsError> {
        Ok(GetQueueUrl {
            queue_name: self.m.text("QueueName")?,
            owner_account: self.m.text("QueueOwnerAWSAccountId")?,
        })
    }

    fn list_dead_letter_source_queues(&mut self) -> Result<ListDeadLetterSourceQueues, SqsError> {
        Ok(ListDeadLetterSourceQueues {
            queue: self.queue()?,
            next_token: self.next_token()?,
            max_results: self.m.integer("MaxResults")?,
        })
    }

    fn list_message_move_tasks(&mut self) -> Result<ListMessageMoveTasks, SqsError> {
        let max_results = self.m.integer("MaxResults")?;
        Ok(ListMessageMoveTasks { source_arn: self.required("SourceArn")?, max_results })
    }

    fn list_queues(&mut self) -> Result<ListQueues, SqsError> {
        Ok(ListQueues {
            queue_name_prefix: self.m.text("QueueNamePrefix")?.unwrap_or_default(),
            next_token: self.next_token()?,
            max_results: self.m.integer("MaxResults")?,
        })
    }

    fn receive_message(&mut self) -> Result<ReceiveMessage, SqsError> {
        let newer =
            List { json: "MessageSystemAttributeNames", query: "MessageSystemAttributeName" };
        let users = List { json: "MessageAttributeNames", query: "MessageAttributeName" };
        let queue = self.queue()?;
        let mut system_attribute_names = self.m.list(ATTRIBUTE_NAMES)?;
        system_attribute_names.extend(self.m.list(newer)?);
        Ok(ReceiveMessage {
            queue,
            system_attribute_names,
            message_attribute_names: self.m.list(users)?,
            max_number_of_messages: self.m.integer("MaxNumberOfMessages")?,
            visibility_timeout: self.m.integer("VisibilityTimeout")?,
            wait_time_seconds: self.m.integer("WaitTimeSeconds")?,
            attempt_id: self.m.text("ReceiveRequestAttemptId")?,
        })
    }

    fn remove_permission(&mut self) -> Result<RemovePermission, SqsError> {
        Ok(RemovePermission { queue: self.queue()?, label: self.required("Label")? })
    }

    fn send_message(&mut self) -> Result<SendMessage, SqsError> {
        let queue = self.queue()?;
        let message = new_message(&mut self.m)?;
        if message.body.is_empty() {
            return Err(SqsError::MissingParameter("MessageBody".into()));
        }
        let trace_header = self.around.trace_header.map(str::to_owned);
        Ok(SendMessage { queue, message, trace_header })
    }

    fn send_message_batch(&mut self) -> Result<SendMessageBatch, SqsError> {
        let list = List { json: "Entries", query: "SendMessageBatchRequestEntry" };
        let read = |mut entry: M| {
            Ok(SendMessageBatchEntry {
                id: entry.text("Id")?.unwrap_or_default(),
                message: new_message(&mut entry)?,
            })
        };
        let entries = self.m.structures(list)?.into_iter().map(read).collect::<Result<_, _>>()?;
        let trace_header = self.around.trace_header.map(str::to_owned);
        Ok(SendMessageBatch { queue: self.queue()?, entries, trace_header })
    }

    fn set_queue_attributes(&mut self) -> Result<SetQueueAttributes, SqsError> {
        let attributes = self.m.map(ATTRIBUTES)?;
        Ok(SetQueueAttributes { queue: self.queue()?, attributes })
    }

    fn start_message_move_task(&mut self) -> Result<StartMessageMoveTask, SqsError> {
        Ok(StartMessageMoveTask {
            max_number_of_messages_per_second: self.m.integer("MaxNumberOfMessagesPerSecond")?,
            source_arn: self.required("SourceArn")?,
            destination_arn: self.m.text("DestinationArn")?.filter(|arn| !arn.is_empty()),
        })
    }

    fn tag_queue(&mut self) -> Result<TagQueue, SqsError> {
        let tags = self.m.map(Map { json: "Tags", query: "Tag", key: "Key" })?;
        Ok(TagQueue { queue: self.queue()?, tags })
    }

    fn untag_queue(&mut self) -> Result<UntagQueue, SqsError> {
        let tag_keys = self.m.list(List { json: "TagKeys", query: "TagKey" })?;
        Ok(UntagQueue { queue: self.queue()?, tag_keys })
    }
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
