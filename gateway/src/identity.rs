//! The account and region karin answers with.

use std::sync::{Arc, OnceLock};

use crate::arn::QueueArn;
use crate::queues::QueueName;

/// The account shown where none is known.
const ACCOUNT_DEFAULT: &str = "000000000000";
/// The region shown where none is known.
const REGION_DEFAULT: &str = "us-east-1";

/// What the names of regions start with, and the partition they are in where it is not `aws`.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
];

/// Account, region and base URL in the names karin issues: the configured ones, else those of the
/// first mapping read from AWS, else `000000000000` and `us-east-1`. Cheap to clone; all clones
/// see what one adopts.
#[derive(Debug, Clone)]
pub struct Identity {
    inner: Arc<Inner>,
    strict_account: bool,
}

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
        let inner = Inner { account, region, base_url, adopted: OnceLock::new() };
        Self { inner: Arc::new(inner), strict_account: false }
    }

    /// The same that tells accounts (and in ARNs regions) apart, or does not: then any of them
    /// names the same queue.
    #[must_use]
    pub fn with_strict_account(self, strict_account: bool) -> Self {
        Self { strict_account, ..self }
    }

    /// The only account whose queues can be named; `None`: any.
    pub fn only_account(&self) -> Option<&str> {
        self.strict_account.then(|| self.account())
    }

    /// Whether a queue of that account and region is one of ours.
    pub fn owns(&self, arn: &QueueArn) -> bool {
        !self.strict_account || (arn.account == self.account() && arn.region == self.region())
    }

    /// Takes over the account and region of a mapping read from AWS. Only the first counts, so
    /// that queue URLs stay the same while karin runs.
    pub fn adopt(&self, account: &str, region: &str) {
        self.inner.adopted.get_or_init(|| (account.to_owned(), region.to_owned()));
    }

    /// The 12-digit account.
    pub fn account(&self) -> &str {
        let adopted = self.inner.adopted.get().map(|(account, _)| account.as_str());
        self.inner.account.as_deref().or(adopted).unwrap_or(ACCOUNT_DEFAULT)
    }

    /// The region.
    pub fn region(&self) -> &str {
        let adopted = self.inner.adopted.get().map(|(_, region)| region.as_str());
        self.inner.region.as_deref().or(adopted).unwrap_or(REGION_DEFAULT)
    }

    /// What the QueueUrls begin with of a client that asked for `host` (its Host header) and whose
    /// path began with `prefix`; nothing stands after it but a slash.
    pub fn base_url(&self, host: &str, prefix: &str) -> String {
        match &self.inner.base_url {
            Some(base) => format!("{base}{prefix}"),
            // Every request asks, and the formatter costs several times as much.
            None => ["http://", host, prefix].concat(),
        }
    }

    /// The URL of a queue, reachable for a client whose URLs begin with `base` (see
    /// [`Self::base_url`]).
    ///
    /// Source: sqs-contract §1.2.
    pub fn queue_url(&self, base: &str, queue: &QueueName) -> String {
        format!("{base}/{}/{queue}", self.account())
    }

    /// The ARN of the user who has this key or token, for texts.
    pub fn user_arn(&self, name: &str) -> String {
        format!("arn:{}:iam::{}:user/{name}", self.partition(), self.account())
    }

    /// The ARN of a queue.
    ///
    /// Source: sqs-contract §1.2.
    pub fn queue_arn(&self, queue: &QueueName) -> String {
        self.sqs_arn(queue.as_str())
    }

    /// The ARN of what has this name in SQS; without a name, of all queues.
    pub fn sqs_arn(&self, name: &str) -> String {
        let (partition, region) = (self.partition(), self.region());
        format!("arn:{partition}:sqs:{region}:{}:{name}", self.account())
    }

    /// The ARN of a function, without a qualifier.
    pub fn function_arn(&self, name: &str) -> String {
        self.lambda_arn("function", name)
    }

    /// The ARN of a mapping. Source: esm-contract §7.1.
    pub fn mapping_arn(&self, uuid: &str) -> String {
        self.lambda_arn("event-source-mapping", uuid)
    }

    fn lambda_arn(&self, kind: &str, name: &str) -> String {
        let (partition, region) = (self.partition(), self.region());
        format!("arn:{partition}:lambda:{region}:{}:{kind}:{name}", self.account())
    }

    /// What ARNs of the region start with.
    pub fn partition(&self) -> &'static str {
        let region = self.region();
        let found = PARTITIONS.iter().find(|(start, _)| region.starts_with(start));
        found.map_or("aws", |(_, partition)| partition)
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
        assert_eq!(clone.base_url("h:1", "/~t"), "http://h:1/~t");
        assert_eq!(clone.queue_url("http://h:1/~t", &queue()), "http://h:1/~t/123456789012/orders");
    }

    // contract: 1.2-arn, 1.2-url-issued
    #[test]
    fn only_a_strict_identity_tells_accounts_and_regions_apart() {
        let arn = |text| QueueArn::parse(text).expect("an ARN");
        let ours = arn("arn:aws:sqs:us-east-1:000000000000:q");
        let foreign = [
            arn("arn:aws:sqs:us-east-1:123456789012:q"),
            arn("arn:aws:sqs:eu-west-1:000000000000:q"),
        ];
        let loose = Identity::new(None, None, None);
        assert_eq!(loose.only_account(), None);
        assert!(loose.owns(&ours) && foreign.iter().all(|arn| loose.owns(arn)));
        let strict = loose.with_strict_account(true);
        assert_eq!(strict.only_account(), Some("000000000000"));
        assert!(strict.owns(&ours) && !foreign.iter().any(|arn| strict.owns(arn)));
    }

    #[test]
    fn the_region_names_the_partition() {
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(Identity::new(None, Some(region.into()), None).partition(), partition);
        }
    }

    #[test]
    fn what_is_configured_wins() {
        let identity = Identity::new(
            Some("111111111111".into()),
            Some("cn-north-1".into()),
            Some("https://sqs.example.com/".into()),
        );
        identity.adopt("123456789012", "eu-west-1");
        assert_eq!(identity.queue_arn(&queue()), "arn:aws-cn:sqs:cn-north-1:111111111111:orders");
        assert_eq!(identity.base_url("h:1", ""), "https://sqs.example.com");
        assert_eq!(identity.base_url("h:1", "/~t"), "https://sqs.example.com/~t");
        assert_eq!(identity.user_arn("AKID"), "arn:aws-cn:iam::111111111111:user/AKID");
    }
}
