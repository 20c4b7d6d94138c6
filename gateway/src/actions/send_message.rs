//! SendMessage.
//!
//! Source: sqs-contract §4.8;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>.

use super::{Sqs, failure, message};
use crate::protocol::request::SendMessage;
use crate::protocol::response::SentMessage;
use crate::protocol::{SqsError, limits};
use crate::queues::QueueName;

pub(super) async fn handle(sqs: &Sqs, input: SendMessage) -> Result<SentMessage, SqsError> {
    let queue = input.queue?;
    let (outgoing, answer) = match message::prepare(&queue, input.message, input.trace_header) {
        Ok(prepared) => prepared,
        Err(error) => return Err(sqs.refusal(&queue, error).await),
    };
    if outgoing.size_bytes > limits::BATCH_BYTES_MAX {
        check_size(sqs, &queue, outgoing.size_bytes).await?;
    }
    let sent = sqs.queues.send(&queue, outgoing).await.map_err(failure::of_request)?;
    Ok(answer.sent(sent))
}

/// Asks the queue about a size that no queue takes but one made past SQS: a message that will be
/// refused need not be copied to Redis for that.
async fn check_size(sqs: &Sqs, queue: &QueueName, size_bytes: usize) -> Result<(), SqsError> {
    let info = sqs.queues.info(queue).await.map_err(failure::of_request)?;
    let maximum = info.attribute("MaximumMessageSize").and_then(|text| text.parse().ok());
    let maximum = maximum.unwrap_or(limits::BATCH_BYTES_MAX);
    if size_bytes > maximum { Err(failure::message_too_large(maximum)) } else { Ok(()) }
}
