//! What a queue takes over of its namesake on AWS.
//!
//! Source: design §4, "Sources of mappings".

use karin_core::limits::TAGS_MAX;

use super::queue_attributes::{self, Checked, Whose};
use super::shown_attributes::{ALLOW, CONTENT_DEDUPLICATION, FIFO, KMS_KEY, LIMIT, REDRIVE, SCOPE};
use super::tags;
use crate::arn::QueueArn;
use crate::identity::Identity;
use crate::protocol::policy::POLICY;
use crate::queues::{QueueInfo, QueueName, RedrivePolicy};

/// What is taken over. Not what is AWS's business: who may use the queue there, and its keys.
const COPIED: [&str; 9] = [
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
    REDRIVE,
    ALLOW,
    SCOPE,
    LIMIT,
];

/// A queue of AWS, as far as one here can be like it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CopiedQueue {
    /// What is stored; the empty text: it is not set.
    attributes: Vec<(&'static str, String)>,
    /// Its tags.
    pub(crate) tags: Vec<(String, String)>,
    /// Where its dead letters go.
    pub(crate) target: Option<QueueArn>,
    /// What is not taken over although it was there, for people.
    pub(crate) remarks: Vec<String>,
}

impl CopiedQueue {
    /// Takes over attributes and tags, each if SQS would take it from a client, too.
    pub(crate) fn new(
        queue: &QueueName,
        attributes: &[(String, String)],
        mut tags: Vec<(String, String)>,
        identity: &Identity,
    ) -> Self {
        let whose = if queue.is_fifo() { Whose::NewFifo } else { Whose::Standard };
        let mut copied = Self::default();
        let mut taken: Vec<(String, String)> = Vec::new();
        if queue.is_fifo() {
            taken.push((FIFO.to_owned(), "true".to_owned()));
        }
        for (name, value) in attributes {
            let fits = COPIED.contains(&name.as_str())
                || (queue.is_fifo() && name == CONTENT_DEDUPLICATION);
            let pair = (name.clone(), value.clone());
            if name == POLICY || name == KMS_KEY {
                copied.remarks.push(format!("its {name} is not taken over"));
            } else if fits && !value.is_empty() {
                match queue_attributes::check(std::slice::from_ref(&pair), whose) {
                    Ok(_) => taken.push(pair),
                    Err(_) => copied.remarks.push(format!("its {name} is none: {value:?}")),
                }
            }
        }
        let given = copied.checked(taken, whose);
        let redrive = given.redrive.as_ref();
        copied.target = redrive.map(|given| given.target.clone());
        let policy = redrive.map(|given| RedrivePolicy {
            // Where accounts are told apart, only our own ARN names the queue.
            dead_letter_target_arn: if identity.owns(&given.target) {
                given.policy.dead_letter_target_arn.clone()
            } else {
                identity.queue_arn(&given.target.queue)
            },
            ..given.policy.clone()
        });
        copied.attributes = given.given;
        copied.attributes.retain(|(name, _)| *name != REDRIVE);
        copied.attributes.extend(RedrivePolicy::attributes(policy.as_ref()));
        if !copied.attributes.iter().any(|(name, _)| *name == ALLOW) {
            copied.attributes.push((ALLOW, String::new()));
        }
        // What AWS itself puts on is its own.
        tags.retain(|(name, value)| {
            tags::check(queue.as_str(), &[(name.clone(), value.clone())]).is_ok()
        });
        tags.sort();
        tags.truncate(TAGS_MAX);
        copied.tags = tags;
        copied
    }

    /// A queue of which nothing is known but its name.
    pub(crate) fn ordinary(queue: &QueueName, identity: &Identity) -> Self {
        Self::new(queue, &[], Vec::new(), identity)
    }

    /// All attributes at once; limits per group are left out where they cannot be.
    fn checked(&mut self, mut taken: Vec<(String, String)>, whose: Whose) -> Checked {
        let check = |taken: &[(String, String)]| {
            let checked = queue_attributes::check(taken, whose)?;
            checked.stored(None).map(|_| checked)
        };
        check(&taken).unwrap_or_else(|error| {
            self.remarks.push(format!("its {LIMIT} is not taken over: {}", error.code().json));
            taken.retain(|(name, _)| name != LIMIT);
            check(&taken).unwrap_or(Checked { given: Vec::new(), redrive: None })
        })
    }

    /// What a new queue gets.
    pub(crate) fn for_new(&self) -> Vec<(&'static str, String)> {
        self.attributes.iter().filter(|(_, value)| !value.is_empty()).cloned().collect()
    }

    /// What is to be set for a queue there is to be like this one; the empty text unsets.
    pub(crate) fn differing_from(&self, info: &QueueInfo) -> Vec<(&'static str, String)> {
        let differs = |(name, value): &&(&'static str, String)| {
            *name != FIFO && info.attribute(name).unwrap_or_default() != value
        };
        self.attributes.iter().filter(differs).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    fn copied(queue: &str, attributes: &[(&str, &str)], tags: &[(&str, &str)]) -> CopiedQueue {
        let identity = Identity::new(None, None, None);
        let queue = QueueName::parse(queue).unwrap();
        CopiedQueue::new(&queue, &pairs(attributes), pairs(tags), &identity)
    }

    #[test]
    fn what_awss_queue_has_is_taken_over_except_policy_and_keys() {
        let arn = "arn:aws:sqs:eu-west-1:111122223333:dead";
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"3"}}"#);
        let queue = copied(
            "orders",
            &[
                ("VisibilityTimeout", "120"),
                ("RedrivePolicy", &policy),
                ("Policy", r#"{"Version":"2012-10-17","Statement":[]}"#),
                ("KmsMasterKeyId", "alias/k"),
                ("QueueArn", "arn:aws:sqs:eu-west-1:111122223333:orders"),
                ("SqsManagedSseEnabled", "false"),
                ("CreatedTimestamp", "1"),
            ],
            &[("team", "shop"), ("aws:cloudformation:stack-name", "x")],
        );
        assert_eq!(queue.target.as_ref().unwrap().queue.as_str(), "dead");
        let stored = queue.for_new();
        let value = |name| stored.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
        assert_eq!(value("VisibilityTimeout"), Some("120"));
        assert_eq!(
            (value("deadLetterTargetArn"), value("maxReceiveCount")),
            (Some(arn), Some("3"))
        );
        assert_eq!(stored.len(), 4, "{stored:?}");
        assert_eq!(queue.tags, pairs(&[("team", "shop")]));
        assert_eq!(queue.remarks.len(), 2, "{:?}", queue.remarks);
    }

    #[test]
    fn a_fifo_queue_takes_over_what_only_it_has() {
        let attributes = [
            ("FifoQueue", "true"),
            ("ContentBasedDeduplication", "true"),
            ("DeduplicationScope", "messageGroup"),
            ("FifoThroughputLimit", "perMessageGroupId"),
        ];
        assert_eq!(copied("q.fifo", &attributes, &[]).for_new().len(), 4);
        let contradicting = [("DeduplicationScope", "queue"), attributes[3]];
        let queue = copied("q.fifo", &contradicting, &[]);
        let fifo = ("FifoQueue", "true".to_owned());
        assert_eq!(queue.for_new(), [fifo.clone(), ("DeduplicationScope", "queue".to_owned())]);
        assert_eq!(copied("q.fifo", &[], &[]).for_new(), [fifo]);
        assert!(queue.remarks[0].contains("FifoThroughputLimit"));
    }

    #[test]
    fn what_no_queue_here_can_have_is_left_out_with_a_remark() {
        let queue = copied("q", &[("DelaySeconds", "5"), ("VisibilityTimeout", "soon")], &[]);
        assert_eq!(queue.for_new(), [("DelaySeconds", "5".to_owned())]);
        assert_eq!(queue.remarks, [r#"its VisibilityTimeout is none: "soon""#]);
    }

    #[test]
    fn only_differences_are_set_and_what_is_gone_on_aws_is_unset() {
        let queue = copied("q", &[("DelaySeconds", "5"), ("VisibilityTimeout", "30")], &[]);
        let attributes = pairs(&[
            ("DelaySeconds", "0"),
            ("VisibilityTimeout", "30"),
            ("RedrivePolicy", "{}"),
            ("deadLetterTargetArn", "arn"),
        ]);
        let info = QueueInfo { attributes, ..QueueInfo::default() };
        let set = queue.differing_from(&info);
        assert_eq!(
            set,
            [
                ("DelaySeconds", "5".to_owned()),
                ("RedrivePolicy", String::new()),
                ("deadLetterTargetArn", String::new()),
            ]
        );
    }
}
