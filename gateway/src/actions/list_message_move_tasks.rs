//! ListMessageMoveTasks.
//!
//! Source: sqs-contract §4.11;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html>.

use super::move_task::{Handle, no_such_resource, queue_of_arn};
use super::number::within;
use super::{Sqs, failure};
use crate::protocol::request::ListMessageMoveTasks;
use crate::protocol::response::{self, MoveTasks};
use crate::protocol::{SqsError, limits};
use crate::queues::{MoveTask, MoveTaskFailure, MoveTaskStatus, QueueError};

/// Tasks shown without MaxResults (sqs-contract §4.11).
const MAX_RESULTS_DEFAULT: i64 = 1;

pub(super) async fn handle(sqs: &Sqs, input: ListMessageMoveTasks) -> Result<MoveTasks, SqsError> {
    let source = queue_of_arn(sqs, &input.source_arn, "SourceArn")?;
    let count = check_max_results(input.max_results.unwrap_or(MAX_RESULTS_DEFAULT))?;
    let source = source.ok_or_else(|| no_such_resource("SourceArn"))?;
    let tasks = match sqs.queues.move_tasks(&source).await {
        Err(QueueError::NoQueue) => return Err(no_such_resource("SourceArn")),
        tasks => tasks.map_err(failure::of_request)?,
    };
    let results = tasks.into_iter().take(count).map(show).collect::<Result<_, _>>()?;
    Ok(MoveTasks { results })
}

fn check_max_results(value: i64) -> Result<usize, SqsError> {
    let count = within(value, &limits::MOVE_TASKS_LISTED);
    count.and_then(|count| usize::try_from(count).ok()).ok_or_else(|| {
        let text = "Value for parameter MaxResults is invalid. Reason: You must enter a number \
                    that's between 1 and 10.";
        SqsError::InvalidParameterValue(text.to_owned())
    })
}

fn show(task: MoveTask) -> Result<response::MoveTask, SqsError> {
    let task_handle = match task.status {
        MoveTaskStatus::Running => {
            let handle = Handle { task_id: task.id, source_arn: task.source_arn.clone() };
            Some(handle.to_text()?)
        }
        _ => None,
    };
    Ok(response::MoveTask {
        task_handle,
        status: match task.status {
            MoveTaskStatus::Running => "RUNNING",
            MoveTaskStatus::Cancelling => "CANCELLING",
            MoveTaskStatus::Completed => "COMPLETED",
            MoveTaskStatus::Cancelled => "CANCELLED",
            MoveTaskStatus::Failed(_) => "FAILED",
        },
        source_arn: task.source_arn,
        destination_arn: task.destination_arn,
        max_number_of_messages_per_second: task.per_second,
        approximate_number_of_messages_moved: task.moved,
        approximate_number_of_messages_to_move: task.to_move,
        failure_reason: match task.status {
            MoveTaskStatus::Failed(why) => Some(reason(why).to_owned()),
            _ => None,
        },
        started_timestamp: task.started_ms,
    })
}

/// A FailureReason. What AWS says of a destination that became one of another type is unknown.
fn reason(why: MoveTaskFailure) -> &'static str {
    match why {
        MoveTaskFailure::NoDestination => "AWS.SimpleQueueService.NonExistentQueue",
        MoveTaskFailure::OtherType => "AWS.SimpleQueueService.UnsupportedOperation",
        MoveTaskFailure::NoSource => "CouldNotDetermineMessageSource",
    }
}
