//! The account and region karin answers with.

use std::sync::{Arc, OnceLock};

use crate::queues::QueueName;

/// The account shown where none is known.
const ACCOUNT_DEFAULT: &str = "000000000000";
/// The region shown where none is known.
const REGION_DEFAULT: &str = "us-east-1";

/// Account, region and base URL in the names karin issues: the configured ones, else those of the
/// first mapping read from AWS, else `000000000000` and `us-east-1`. Cheap to clone; all clones
/// see what one adopts.
#[derive(Debug, Clone)]
pub struct Identity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    account: Option<String>,
    region: Option<String>,
    base_url: Option<String>,
    adopted: OnceLock<(String, String)>,
}

impl Identity {
    /// An identity of what is configured.
    pub fn new(account: Option<String>, region: Option<String>, base_url: Option<String>) -> Self {
        let base_url = base_url.map(|url| url.trim_end_matches('/').to_owned());
        Self(Arc::new(Inner { account, region, base_url, adopted: OnceLock::new() }))
    }

    /// Takes over the account and region of a mapping read from AWS. Only the first counts, so
    /// that queue URLs stay the same while karin runs.
    pub fn adopt(&self, account: &str, region: &str) {
        self.0.adopted.get_or_init(|| (account.to_owned(), region.to_owned()));
    }

    /// The 12-digit account.
    pub fn account(&self) -> &str {
        let adopted = self.0.adopted.get().map(|(account, _)| account.as_str());
        self.0.account.as_deref().or(adopted).unwrap_or(ACCOUNT_DEFAULT)
    }

    /// The region.
    pub fn region(&self) -> &str {
        let adopted = self.0.adopted.get().map(|(_, region)| region.as_str());
        self.0.region.as_deref().or(adopted).unwrap_or(REGION_DEFAULT)
    }

    /// The URL of a queue, reachable for a client that asked for `host` (its Host header).
    ///
    /// Source: sqs-contract §1.2.
    pub fn queue_url(&self, host: &str, queue: &QueueName) -> String {
        let account = self.account();
        match &self.0.base_url {
            Some(base) => format!("{base}/{account}/{queue}"),
            None => format!("http://{host}/{account}/{queue}"),
        }
    }

    /// The ARN of a queue.
    ///
    /// Source: sqs-contract §1.2.
    pub fn queue_arn(&self, queue: &QueueName) -> String {
        let region = self.region();
        let partition = if region.starts_with("cn-") {
            "aws-cn"
        } else if region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        };
        format!("arn:{partition}:sqs:{region}:{}:{queue}", self.account())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> QueueName {
        QueueName::parse("orders").expect("a name")
    }

    // contract: 1.2-arn
    #[test]
    fn without_configuration_the_first_mapping_names_account_and_region() {
        let identity = Identity::new(None, None, None);
        let clone = identity.clone();
        assert_eq!(identity.queue_arn(&queue()), "arn:aws:sqs:us-east-1:000000000000:orders");
        identity.adopt("123456789012", "eu-west-1");
        identity.adopt("999999999999", "eu-west-2");
        assert_eq!(clone.queue_arn(&queue()), "arn:aws:sqs:eu-west-1:123456789012:orders");
        assert_eq!(clone.queue_url("h:1", &queue()), "http://h:1/123456789012/orders");
    }

    // contract: 1.2-arn, 1.2-url-issued
    #[test]
    fn what_is_configured_wins() {
        let identity = Identity::new(
            Some("111111111111".into()),
            Some("cn-north-1".into()),
            Some("https://sqs.example.com/".into()),
        );
        identity.adopt("123456789012", "eu-west-1");
        assert_eq!(identity.queue_arn(&queue()), "arn:aws-cn:sqs:cn-north-1:111111111111:orders");
        assert_eq!(
            identity.queue_url("h:1", &queue()),
            "https://sqs.example.com/111111111111/orders"
        );
    }
}
