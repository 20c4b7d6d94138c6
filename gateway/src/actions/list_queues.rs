//! ListQueues.
//!
//! Source: sqs-contract §4.4;
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html>.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::number::within;
use super::{Sqs, failure};
use crate::protocol::request::ListQueues;
use crate::protocol::response::QueueUrls;
use crate::protocol::{SqsError, limits};
use crate::queues::QueueName;

/// Stands between prefix and name in a token; no name has it.
const SEPARATOR: char = '\n';

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

fn check_max_results(value: i64) -> Result<usize, SqsError> {
    let count = within(value, &limits::MAX_RESULTS).and_then(|value| usize::try_from(value).ok());
    count.ok_or_else(|| {
        let text = "Value for parameter MaxResults is invalid. Reason: MaxResults must be an \
                    integer between 1 and 1000.";
        SqsError::InvalidParameterValue(text.to_owned())
    })
}

fn write_token(prefix: &str, last: &QueueName) -> String {
    URL_SAFE_NO_PAD.encode(format!("{prefix}{SEPARATOR}{last}"))
}

/// The name a page ended with. A token counts only with the prefix it was given for.
fn read_token(token: &str, prefix: &str) -> Result<String, SqsError> {
    let decoded =
        URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let name = decoded.as_deref().and_then(|text| text.rsplit_once(SEPARATOR));
    let name = name.filter(|(of, name)| *of == prefix && QueueName::parse(name).is_some());
    name.map(|(_, name)| name.to_owned()).ok_or_else(|| {
        let text = "Value for parameter NextToken is invalid. Reason: Invalid or expired token.";
        SqsError::InvalidParameterValue(text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_on_with_its_own_prefix_only() {
        let name = QueueName::parse("orders").expect("a name");
        let token = write_token("ord", &name);
        assert_eq!(read_token(&token, "ord").as_deref(), Ok("orders"));
        for (token, prefix) in [(token.as_str(), "or"), ("", "ord"), ("%%%", ""), ("b3Jk", "")] {
            assert!(read_token(token, prefix).is_err(), "{token} {prefix}");
        }
    }
}
