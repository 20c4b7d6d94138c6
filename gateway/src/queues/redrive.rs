//! Which queues let their dead letters go to which.

use serde::{Deserialize, Serialize};

use super::{QueueError, QueueName, Queues};

/// Both of the others as SQS shows them; stays when dying is switched off.
pub(super) const POLICY: &str = "RedrivePolicy";
/// Where letters go.
pub(super) const TARGET: &str = "deadLetterTargetArn";
/// After how many receives a message dies; unset: it does not.
pub(super) const COUNT: &str = "maxReceiveCount";
/// Sources looked through at a time.
const PAGE: usize = 100;

/// A RedrivePolicy as it is kept: SQS's canonical form.
///
/// Source: sqs-contract §5.3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedrivePolicy {
    /// Where dead letters go.
    pub dead_letter_target_arn: String,
    /// How often a message is received before it dies.
    pub max_receive_count: u32,
}

impl RedrivePolicy {
    /// The attributes that make a queue follow this policy, or none.
    pub fn attributes(policy: Option<&Self>) -> [(&'static str, String); 3] {
        let Some(policy) = policy else {
            return [POLICY, TARGET, COUNT].map(|name| (name, String::new()));
        };
        [
            (POLICY, serde_json::to_string(policy).unwrap_or_default()),
            (TARGET, policy.dead_letter_target_arn.clone()),
            (COUNT, policy.max_receive_count.to_string()),
        ]
    }

    /// What a queue keeps; `None` for what it was given in another way.
    pub fn of_stored(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl Queues {
    /// The queues whose dead letters go to `target`, whatever account and region their policies
    /// name, also those where dead-lettering is switched off because the target was missing.
    /// Sorted, `count` after `after`. Returns the page and whether more follow.
    pub async fn sources(
        &self,
        target: &QueueName,
        after: Option<&str>,
        count: usize,
    ) -> Result<(Vec<QueueName>, bool), QueueError> {
        self.page("", Some(target), after, count).await
    }

    /// Switches dead-lettering to `target` on again where it was switched off because the target
    /// was missing: there `maxReceiveCount` is unset, while `RedrivePolicy` still names one.
    pub async fn resume_dead_letters(&self, target: &QueueName) -> Result<(), QueueError> {
        let mut after: Option<QueueName> = None;
        loop {
            let last = after.as_ref().map(QueueName::as_str);
            let (sources, more) = self.sources(target, last, PAGE).await?;
            for source in &sources {
                self.resume(source).await?;
            }
            after = sources.last().filter(|_| more).cloned();
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn resume(&self, source: &QueueName) -> Result<(), QueueError> {
        let info = match self.info(source).await {
            Err(QueueError::NoQueue) => return Ok(()),
            info => info?,
        };
        let policy = info.attribute(POLICY);
        let count = policy.and_then(RedrivePolicy::of_stored).map(|p| p.max_receive_count);
        let (Some(policy), Some(count), None) = (policy, count, info.attribute(COUNT)) else {
            return Ok(());
        };
        let expected = [(POLICY, policy), (COUNT, "")];
        match self.set_if(source, &expected, &[(COUNT, count.to_string())]).await {
            Ok(()) => tracing::info!(queue = %source, "dead letters have somewhere to go again"),
            // Somebody was faster, with this or with another policy.
            Err(QueueError::Changed | QueueError::NoQueue) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_kept_in_the_canonical_form() {
        let policy =
            RedrivePolicy { dead_letter_target_arn: "arn:d".to_owned(), max_receive_count: 5 };
        let [text, target, count] = RedrivePolicy::attributes(Some(&policy));
        assert_eq!(text, (POLICY, r#"{"deadLetterTargetArn":"arn:d","maxReceiveCount":5}"#.into()));
        assert_eq!((target, count), ((TARGET, "arn:d".into()), (COUNT, "5".into())));
        assert_eq!(RedrivePolicy::of_stored(&text.1), Some(policy));
        for foreign in ["", "x", "{}", r#"{"deadLetterTargetArn":"a","maxReceiveCount":-1}"#] {
            assert_eq!(RedrivePolicy::of_stored(foreign), None, "{foreign}");
        }
        for (_, value) in RedrivePolicy::attributes(None) {
            assert_eq!(value, "");
        }
    }
}
