//! Pages of queues.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::number::within;
use crate::protocol::{SqsError, limits};
use crate::queues::QueueName;

/// Stands between prefix and name in a token; no name has it.
const SEPARATOR: char = '\n';

/// MaxResults of ListQueues and ListDeadLetterSourceQueues.
///
/// Source: sqs-contract §4.4.
pub(super) fn check_max_results(value: i64) -> Result<usize, SqsError> {
    let count = within(value, &limits::MAX_RESULTS).and_then(|value| usize::try_from(value).ok());
    count.ok_or_else(|| {
        let text = "Value for parameter MaxResults is invalid. Reason: MaxResults must be an \
                    integer between 1 and 1000.";
        SqsError::InvalidParameterValue(text.to_owned())
    })
}

/// Where a page of queues ended that were listed `of` something: a prefix, or a queue.
pub(super) fn write_token(of: &str, last: &QueueName) -> String {
    URL_SAFE_NO_PAD.encode(format!("{of}{SEPARATOR}{last}"))
}

/// The name a page ended with. A token counts only for what it was given for.
pub(super) fn read_token(token: &str, of: &str) -> Result<String, SqsError> {
    let decoded =
        URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let name = decoded.as_deref().and_then(|text| text.rsplit_once(SEPARATOR));
    let name = name.filter(|(told, name)| *told == of && QueueName::parse(name).is_some());
    name.map(|(_, name)| name.to_owned()).ok_or_else(|| {
        let text = "Value for parameter NextToken is invalid. Reason: Invalid or expired token.";
        SqsError::InvalidParameterValue(text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_on_for_what_it_was_given_only() {
        let name = QueueName::parse("orders").expect("a name");
        let token = write_token("ord", &name);
        assert_eq!(read_token(&token, "ord").as_deref(), Ok("orders"));
        for (token, prefix) in [(token.as_str(), "or"), ("", "ord"), ("%%%", ""), ("b3Jk", "")] {
            assert!(read_token(token, prefix).is_err(), "{token} {prefix}");
        }
    }
}
