//! SendMessage.
//!
//! Source: sqs-contract §4.8;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>.

use super::{Sqs, failure, message};
use crate::protocol::SqsError;
use crate::protocol::request::SendMessage;
use crate::protocol::response::SentMessage;

pub(super) async fn handle(sqs: &Sqs, input: SendMessage) -> Result<SentMessage, SqsError> {
    let queue = input.queue?;
    let (outgoing, answer) = match message::prepare(&queue, input.message, input.trace_header) {
        Ok(prepared) => prepared,
        Err(error) => return Err(sqs.refusal(&queue, error).await),
    };
    let sent = sqs.queues.send(&queue, outgoing).await.map_err(failure::of_request)?;
    Ok(answer.sent(sent))
}
