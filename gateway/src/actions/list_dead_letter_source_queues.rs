//! ListDeadLetterSourceQueues.
//!
//! Source: sqs-contract §4.4;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html>.

use super::pages::{check_max_results, read_token, write_token};
use super::{Sqs, failure};
use crate::protocol::request::ListDeadLetterSourceQueues;
use crate::protocol::response::SourceQueueUrls;
use crate::protocol::{SqsError, limits};

pub(super) async fn handle(
    sqs: &Sqs,
    base_url: &str,
    input: ListDeadLetterSourceQueues,
) -> Result<SourceQueueUrls, SqsError> {
    let target = input.queue?;
    sqs.queues.info(&target).await.map_err(failure::of_request)?;
    let count = input.max_results.map(check_max_results).transpose()?;
    let after = input.next_token.map(|token| read_token(&token, target.as_str())).transpose()?;
    let (queues, more) = sqs
        .queues
        .sources(&target, after.as_deref(), count.unwrap_or(limits::LIST_QUEUES_MAX))
        .await
        .map_err(failure::of_request)?;
    // Without MaxResults there is no second page, as in ListQueues (sqs-contract §4.4).
    let last = queues.last().filter(|_| more && count.is_some());
    Ok(SourceQueueUrls {
        next_token: last.map(|name| write_token(target.as_str(), name)),
        queue_urls: queues.iter().map(|queue| sqs.identity.queue_url(base_url, queue)).collect(),
    })
}
