//! CancelMessageMoveTask.
//!
//! Source: sqs-contract §4.11;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CancelMessageMoveTask.html>.

use super::move_task::{Handle, no_such_resource, queue_of_arn};
use super::{Sqs, failure};
use crate::protocol::SqsError;
use crate::protocol::request::CancelMessageMoveTask;
use crate::protocol::response::CancelledTask;
use crate::queues::{MoveTaskStatus, QueueError};

pub(super) async fn handle(
    sqs: &Sqs,
    input: CancelMessageMoveTask,
) -> Result<CancelledTask, SqsError> {
    let handle = Handle::parse(&input.task_handle)?;
    let source = queue_of_arn(sqs, &handle.source_arn, "SourceArn").ok().flatten();
    let source = source.ok_or_else(|| no_such_resource("SourceArn"))?;
    let task = match sqs.queues.cancel_move_task(&source, &handle.task_id).await {
        Err(QueueError::NoQueue) => return Err(no_such_resource("SourceArn")),
        task => task.map_err(failure::of_request)?,
    };
    let no_task = || SqsError::ResourceNotFound("Task does not exist.".to_owned());
    let task = task.ok_or_else(no_task)?;
    if task.status != MoveTaskStatus::Running {
        let text = "Only active tasks can be cancelled.";
        return Err(SqsError::InvalidParameterValue(text.to_owned()));
    }
    Ok(CancelledTask { approximate_number_of_messages_moved: task.moved })
}
