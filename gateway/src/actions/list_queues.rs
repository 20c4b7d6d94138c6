//! ListQueues.
//!
//! Source: sqs-contract §4.4;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html>.

use super::pages::{check_max_results, read_token, write_token};
use super::{Sqs, failure};
use crate::protocol::request::ListQueues;
use crate::protocol::response::QueueUrls;
use crate::protocol::{SqsError, limits};

pub(super) async fn handle(
    sqs: &Sqs,
    base_url: &str,
    input: ListQueues,
) -> Result<QueueUrls, SqsError> {
    let count = input.max_results.map(check_max_results).transpose()?;
    let prefix = input.queue_name_prefix;
    let after = input.next_token.map(|token| read_token(&token, &prefix)).transpose()?;
    let in_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !prefix.bytes().all(in_names) {
        return Ok(QueueUrls { queue_urls: Vec::new(), next_token: None });
    }
    let (queues, more) = sqs
        .queues
        .list(&prefix, after.as_deref(), count.unwrap_or(limits::LIST_QUEUES_MAX))
        .await
        .map_err(failure::of_request)?;
    // Without MaxResults there is no second page (sqs-contract §4.4).
    let last = queues.last().filter(|_| more && count.is_some());
    Ok(QueueUrls {
        next_token: last.map(|name| write_token(&prefix, name)),
        queue_urls: queues.iter().map(|queue| sqs.identity.queue_url(base_url, queue)).collect(),
    })
}
