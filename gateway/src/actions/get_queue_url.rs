//! GetQueueUrl.
//!
//! Source: sqs-contract §4.4;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html>.

use super::{Sqs, failure};
use crate::protocol::SqsError;
use crate::protocol::request::GetQueueUrl;
use crate::protocol::response::QueueUrl;
use crate::queues::QueueName;

pub(super) async fn handle(
    sqs: &Sqs,
    base_url: &str,
    input: GetQueueUrl,
) -> Result<QueueUrl, SqsError> {
    let invalid = |text: &str| SqsError::InvalidParameterValue(text.to_owned());
    let name = input.queue_name.ok_or_else(|| {
        invalid("Value for parameter QueueName is invalid. Reason: Must specify a queue name.")
    })?;
    if name.is_empty() {
        return Err(invalid("Queue name cannot be empty"));
    }
    let owner = input.owner_account.as_deref().filter(|account| !account.is_empty());
    if let (Some(only), Some(owner)) = (sqs.identity.only_account(), owner)
        && only != owner
    {
        return Err(SqsError::QueueOfAnotherAccount);
    }
    let queue = QueueName::parse(&name).ok_or(SqsError::QueueDoesNotExist)?;
    sqs.queues.info(&queue).await.map_err(failure::of_request)?;
    Ok(QueueUrl { queue_url: sqs.identity.queue_url(base_url, &queue) })
}
