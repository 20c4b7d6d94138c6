//! ARNs of queues.

use crate::queues::QueueName;

/// Length of an ARN: more than any real one.
const BYTES_MAX: usize = 256;

/// `arn:<partition>:sqs:<region>:<account>:<queue>`, whatever the partition.
///
/// Source: sqs-contract §1.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueArn {
    /// The region.
    pub region: String,
    /// The account.
    pub account: String,
    /// The queue.
    pub queue: QueueName,
}

/// Why a text is no ARN of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArnError {
    /// Not the form of an ARN, or a part is missing.
    Malformed,
    /// Something of another service.
    NotSqs,
}

impl QueueArn {
    /// Takes an ARN apart.
    ///
    /// # Errors
    /// [`ArnError`].
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        if text.len() > BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ArnError::Malformed);
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, region, account, name] = parts[..] else {
            return Err(ArnError::Malformed);
        };
        if [partition, service, name].contains(&"") {
            return Err(ArnError::Malformed);
        }
        if service != "sqs" {
            return Err(ArnError::NotSqs);
        }
        match QueueName::parse(name) {
            Some(queue) if !region.is_empty() && !account.is_empty() => {
                Ok(Self { region: region.to_owned(), account: account.to_owned(), queue })
            }
            _ => Err(ArnError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_six_parts_and_is_of_sqs() {
        let arn = QueueArn::parse("arn:aws-cn:sqs:cn-north-1:123456789012:q.fifo").expect("valid");
        assert_eq!((&*arn.region, &*arn.account), ("cn-north-1", "123456789012"));
        assert_eq!(arn.queue.as_str(), "q.fifo");
        for text in [
            "",
            "q",
            "arn:aws:sqs:us-east-1:000000000000",
            "arn:aws:sqs:us-east-1:000000000000:",
            "arn:aws:sqs:us-east-1:000000000000:a b",
            "arn:aws:sqs:us-east-1:000000000000:q:more",
            "arn:aws:sqs::000000000000:q",
            "arn:aws:sqs:us-east-1::q",
            "urn:aws:sqs:us-east-1:000000000000:q",
            "arn:a b:sqs:us-east-1:000000000000:q",
            &format!("arn:aws:sqs:{}:000000000000:q", "x".repeat(256)),
        ] {
            assert_eq!(QueueArn::parse(text), Err(ArnError::Malformed), "{text}");
        }
        for text in ["arn:aws:sns:us-east-1:000000000000:t", "arn:aws:s3:::bucket"] {
            assert_eq!(QueueArn::parse(text), Err(ArnError::NotSqs), "{text}");
        }
    }
}
