//! StartMessageMoveTask.
//!
//! Source: sqs-contract §4.11;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>.

use super::move_task::{Handle, no_such_resource, queue_of_arn};
use super::number::within;
use super::{Sqs, failure};
use crate::protocol::request::StartMessageMoveTask;
use crate::protocol::response::StartedTask;
use crate::protocol::{SqsError, limits};
use crate::queues::{NewMoveTask, QueueError, QueueInfo, QueueName};

/// `chosen`: the sequence numbers of the messages to move; empty: all, as SQS has it.
pub(super) async fn handle(
    sqs: &Sqs,
    input: StartMessageMoveTask,
    chosen: Vec<u64>,
) -> Result<StartedTask, SqsError> {
    let source = queue_of_arn(sqs, &input.source_arn, "SourceArn")?;
    let destination = input.destination_arn.as_deref();
    let destination =
        destination.map(|arn| queue_of_arn(sqs, arn, "DestinationArn")).transpose()?;
    let per_second = input.max_number_of_messages_per_second.map(check_rate).transpose()?;
    let source = source.ok_or_else(|| no_such_resource("SourceArn"))?;
    if destination.as_ref().is_some_and(|queue| queue.as_ref() == Some(&source)) {
        return Err(refused("Source queue arn and destination queue arn cannot be the same."));
    }
    let info = find(sqs, &source, "SourceArn").await?;
    let sources = sqs.queues.sources(&source, None, 1).await.map_err(failure::of_request)?;
    if sources.0.is_empty() {
        return Err(refused("Source queue must be configured as a Dead Letter Queue."));
    }
    if let Some(queue) = destination {
        let queue = queue.ok_or_else(|| no_such_resource("DestinationArn"))?;
        if find(sqs, &queue, "DestinationArn").await?.is_fifo != info.is_fifo {
            let text = "The source queue and destination queue must be of the same queue type.";
            return Err(refused(text));
        }
    }
    let task_id = sqs.request_ids.next();
    let task = NewMoveTask {
        id: task_id.clone(),
        source,
        source_arn: input.source_arn.clone(),
        destination_arn: input.destination_arn,
        per_second,
        chosen,
    };
    match sqs.queues.start_move_task(task).await {
        Ok(true) => {
            let handle = Handle { task_id, source_arn: input.source_arn };
            Ok(StartedTask { task_handle: handle.to_text()? })
        }
        Ok(false) => Err(refused(
            "There is already a task running. Only one active task is allowed for a source queue \
             arn at a given time.",
        )),
        Err(QueueError::NoQueue) => Err(no_such_resource("SourceArn")),
        Err(error) => Err(failure::of_request(error)),
    }
}

async fn find(sqs: &Sqs, queue: &QueueName, member: &'static str) -> Result<QueueInfo, SqsError> {
    match sqs.queues.info(queue).await {
        Err(QueueError::NoQueue) => Err(no_such_resource(member)),
        info => info.map_err(failure::of_request),
    }
}

fn check_rate(value: i64) -> Result<u32, SqsError> {
    within(value, &limits::MESSAGES_MOVED_PER_SECOND).ok_or_else(|| {
        refused(
            "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a \
             number that's between 1 and 500.",
        )
    })
}

fn refused(text: &str) -> SqsError {
    SqsError::InvalidParameterValue(text.to_owned())
}
