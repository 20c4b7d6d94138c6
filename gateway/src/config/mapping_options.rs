//! What a mapping can be told beyond what Lambda's API knows: karin's own options.

use std::time::Duration;

use crate::queues::QueueName;

/// The shortest and longest delay of `retry=backoff` unless told otherwise.
const BACKOFF_MIN_DEFAULT: Duration = Duration::from_secs(1);
const BACKOFF_MAX_DEFAULT: Duration = Duration::from_mins(15);
/// The longest delay that can be asked for, seconds: the longest VisibilityTimeout.
const BACKOFF_SECONDS_MAX: u64 = 43_200;
/// The most failures `isolate` can wait for: SQS's largest maxReceiveCount.
const ISOLATE_MAX: u32 = 1_000;

/// karin's own options of a mapping. The default is what AWS does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MappingOptions {
    /// When messages come again with which the function failed.
    pub retry: Retry,
    /// After so many failures a message is handed to the function alone. `None`: never.
    pub isolate_after: Option<u32>,
    /// What becomes of messages that no filter accepts.
    pub filtered: Filtered,
    /// Who deletes messages.
    pub acknowledge: Acknowledge,
    /// What an answer with ReportBatchItemFailures counts as that is JSON and no object.
    pub malformed_report: MalformedReport,
    /// What a failure in a FIFO queue's group means for the messages after it.
    pub fifo_failure: FifoFailure,
}

/// When messages come again with which the function failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// When the queue's VisibilityTimeout has passed since they were received, as on AWS.
    #[default]
    VisibilityTimeout,
    /// After a delay that doubles with each receive, spread a little.
    Backoff {
        /// After the first receive.
        min: Duration,
        /// At most.
        max: Duration,
    },
}

/// What becomes of messages that no filter accepts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Filtered {
    /// They are deleted, as on AWS.
    #[default]
    Delete,
    /// They stay in the queue, uncounted, and come again after its VisibilityTimeout.
    Keep,
    /// They are sent to another queue.
    Move(QueueName),
}

/// Who deletes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledge {
    /// karin, when the function has succeeded.
    #[default]
    Karin,
    /// The function or somebody it hands them to, with their receipt handles. It is invoked
    /// asynchronously, and nobody waits for its answer.
    Function,
}

/// What an answer counts as that is JSON and no object (esm-contract §3: undocumented).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MalformedReport {
    /// As a failure of all messages.
    #[default]
    Failure,
    /// As success.
    Success,
}

/// What a failure in a FIFO queue's group means for the messages after it in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FifoFailure {
    /// Nothing: what is not reported is deleted, as on AWS.
    #[default]
    AsReported,
    /// They count as failed, too, so that the order is kept.
    RestOfGroup,
}

impl MappingOptions {
    /// Sets one option from text. `Ok(false)`: there is none of that name.
    ///
    /// Errors: a value it cannot have, in one line.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "retry" => self.retry = retry(value)?,
            "isolate" => self.isolate_after = Some(number(name, value, 1..=ISOLATE_MAX)?),
            "filtered" => self.filtered = filtered(value)?,
            "acknowledge" => {
                self.acknowledge = match value {
                    "karin" => Acknowledge::Karin,
                    "function" => Acknowledge::Function,
                    _ => return Err(format!("acknowledge={value} is neither karin nor function")),
                }
            }
            "malformed_report" => {
                self.malformed_report = match value {
                    "failure" => MalformedReport::Failure,
                    "success" => MalformedReport::Success,
                    _ => {
                        return Err(format!(
                            "malformed_report={value} is neither failure nor success"
                        ));
                    }
                }
            }
            "fifo_failure" => {
                self.fifo_failure = match value {
                    "as_reported" => FifoFailure::AsReported,
                    "rest_of_group" => FifoFailure::RestOfGroup,
                    _ => {
                        return Err(format!(
                            "fifo_failure={value} is neither as_reported nor rest_of_group"
                        ));
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether a mapping of `queue` can have these options. Errors: why not, in one line.
    pub fn check(&self, queue: &QueueName) -> Result<(), String> {
        match &self.filtered {
            Filtered::Keep if queue.is_fifo() => {
                Err("filtered=keep would hold up a FIFO queue's group for ever".to_owned())
            }
            Filtered::Move(target) if target == queue => {
                Err(format!("filtered=move:{target} moves messages to where they are"))
            }
            _ => Ok(()),
        }
    }

    /// The options that are not the default, as [`MappingOptions::set`] reads them.
    pub fn written(&self) -> Vec<(&'static str, String)> {
        let mut written = Vec::new();
        if let Retry::Backoff { min, max } = self.retry {
            written.push(("retry", format!("backoff:{}:{}", min.as_secs(), max.as_secs())));
        }
        if let Some(failures) = self.isolate_after {
            written.push(("isolate", failures.to_string()));
        }
        match &self.filtered {
            Filtered::Delete => {}
            Filtered::Keep => written.push(("filtered", "keep".to_owned())),
            Filtered::Move(queue) => written.push(("filtered", format!("move:{queue}"))),
        }
        if self.acknowledge == Acknowledge::Function {
            written.push(("acknowledge", "function".to_owned()));
        }
        if self.malformed_report == MalformedReport::Success {
            written.push(("malformed_report", "success".to_owned()));
        }
        if self.fifo_failure == FifoFailure::RestOfGroup {
            written.push(("fifo_failure", "rest_of_group".to_owned()));
        }
        written
    }
}

/// `visibility_timeout`, `backoff`, or `backoff:MIN:MAX` in seconds.
fn retry(value: &str) -> Result<Retry, String> {
    let parts: Vec<&str> = value.split(':').collect();
    let (min, max) = match parts.as_slice() {
        ["visibility_timeout"] => return Ok(Retry::VisibilityTimeout),
        ["backoff"] => (BACKOFF_MIN_DEFAULT, BACKOFF_MAX_DEFAULT),
        ["backoff", min, max] => {
            let seconds = |text| number("retry", text, 0..=BACKOFF_SECONDS_MAX);
            (Duration::from_secs(seconds(min)?), Duration::from_secs(seconds(max)?))
        }
        _ => {
            return Err(format!(
                "retry={value} is none of visibility_timeout, backoff, backoff:MIN:MAX (seconds)"
            ));
        }
    };
    if min > max {
        return Err(format!("retry={value}: the shortest delay is longer than the longest"));
    }
    Ok(Retry::Backoff { min, max })
}

fn filtered(value: &str) -> Result<Filtered, String> {
    match (value, value.strip_prefix("move:")) {
        ("delete", _) => Ok(Filtered::Delete),
        ("keep", _) => Ok(Filtered::Keep),
        (_, Some(queue)) => QueueName::parse(queue)
            .map(Filtered::Move)
            .ok_or_else(|| format!("filtered={value}: {queue:?} is not a queue's name")),
        _ => Err(format!("filtered={value} is none of delete, keep, move:QUEUE")),
    }
}

pub(super) fn number<T>(
    name: &str,
    value: &str,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    value.parse().ok().filter(|n| range.contains(n)).ok_or_else(|| {
        format!("{name}={value} is not a whole number from {} to {}", range.start(), range.end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for (name, value) in [
            ("retry", "backoff:2:600"),
            ("isolate", "3"),
            ("filtered", "keep"),
            ("filtered", "move:odd-ones"),
            ("acknowledge", "function"),
            ("malformed_report", "success"),
            ("fifo_failure", "rest_of_group"),
        ] {
            let mut options = MappingOptions::default();
            assert_eq!(options.set(name, value), Ok(true));
            assert_eq!(options.written(), [(name, value.to_owned())]);
        }
        assert!(MappingOptions::default().written().is_empty());
    }

    #[test]
    fn a_value_an_option_cannot_have_is_refused_in_one_line() {
        for (name, value) in [
            ("retry", "soon"),
            ("retry", "backoff:5"),
            ("retry", "backoff:9:5"),
            ("isolate", "0"),
            ("filtered", "move:a b"),
            ("filtered", ""),
            ("acknowledge", "nobody"),
            ("malformed_report", ""),
            ("fifo_failure", "x"),
        ] {
            let refused = MappingOptions::default().set(name, value).unwrap_err();
            assert!(!refused.contains('\n') && refused.contains(name), "{refused}");
        }
        assert_eq!(MappingOptions::default().set("batch_size", "1"), Ok(false));
    }

    #[test]
    fn filtered_messages_must_not_come_back_for_ever() {
        let check = |queue, filtered| {
            let mut options = MappingOptions::default();
            assert_eq!(options.set("filtered", filtered), Ok(true));
            options.check(&QueueName::parse(queue).unwrap())
        };
        for (queue, filtered) in [("q.fifo", "keep"), ("q", "move:q"), ("q.fifo", "move:q.fifo")] {
            let refused = check(queue, filtered).unwrap_err();
            assert!(refused.starts_with("filtered="), "{refused}");
        }
        for (queue, filtered) in
            [("q", "keep"), ("q", "move:p"), ("q.fifo", "move:q"), ("q.fifo", "delete")]
        {
            assert_eq!(check(queue, filtered), Ok(()), "{queue} {filtered}");
        }
    }
}
