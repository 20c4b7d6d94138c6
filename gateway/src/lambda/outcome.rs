//! What an invocation came to, and what that means for each message of its batch. Pure.
//!
//! Source: esm-contract §3 (signals, ReportBatchItemFailures), §7.4 (errors of Invoke).

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;

use crate::config::{FailureReport, FifoFailure, MalformedReport};
use crate::lambda::batch::Held;
use crate::lambda::mapping::Mapping;
use crate::lambda::report::{self, Report, excerpt};

/// What an invocation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The function ran and its environment answered.
    Ran {
        /// Set if the function failed; `Handled` or `Unhandled`, which makes no difference.
        function_error: Option<String>,
        /// The function's answer, or the description of its failure.
        payload: Bytes,
    },
    /// The function has the event, and nobody waits for what it does with it.
    HandedOver,
    /// The function certainly did not run.
    Refused(Refusal),
    /// It may have run, or be running still: the connection was lost after the request was sent.
    Unknown {
        /// Why nothing is known, for the log.
        reason: String,
    },
}

#[cfg(feature = "otel")]
impl Answer {
    /// What went wrong, in one word.
    pub(super) fn failure(&self) -> Option<&'static str> {
        match self {
            Self::Ran { function_error: Some(_), .. } => Some("function_error"),
            Self::Ran { .. } | Self::HandedOver => None,
            Self::Refused(refusal) => Some(match refusal.fault {
                Fault::Throttled => "throttled",
                Fault::Transient => "transient",
                Fault::Operator => "refused",
                Fault::Payload => "event_refused",
            }),
            Self::Unknown { .. } => Some("unknown"),
        }
    }
}

/// What an invocation came to, and what else is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) answer: Answer,
    /// The request's id where the function is; empty if it is not known.
    pub(super) request_id: String,
    /// The end of what the function logged, if that is at hand.
    pub(super) log_tail: Bytes,
}

impl From<Answer> for Told {
    fn from(answer: Answer) -> Self {
        Self { answer, request_id: String::new(), log_tail: Bytes::new() }
    }
}

/// An invocation that never ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Whose fault it is.
    pub(super) fault: Fault,
    /// The words for the log.
    pub(super) reason: String,
    /// How long the refuser asks us to wait.
    pub(super) retry_after: Option<Duration>,
}

/// Why an invocation was refused: decides what happens to the mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Too many at once: less concurrency, soon again.
    Throttled,
    /// The platform's trouble: again with growing delays.
    Transient,
    /// Somebody must do something (function gone, no permission): pause, and look now and then.
    Operator,
    /// This event will never be taken. Without the message that is to blame it may be.
    Payload,
}

/// What to do with the messages of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was tried: delete those marked `true`; the others failed and come again.
    Settled {
        /// One entry a message, in the batch's order.
        delete: Vec<bool>,
        /// What went wrong, or looks wrong, for the log.
        remark: Option<String>,
        /// Whether the function failed, rather than reported.
        function_failed: bool,
    },
    /// The event is refused as it is: try its halves.
    Split {
        /// Why, for the log.
        reason: String,
    },
    /// Give all back without counting their receive.
    GiveBack(Refusal),
    /// The function has them and deletes them itself.
    HandedOver,
    /// Leave all to the end of their lease: the function may be running.
    Keep {
        /// Why, for the log.
        reason: String,
    },
}

/// How a mapping has answers read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    reporting: FailureReport,
    malformed: MalformedReport,
    /// Whether messages that follow a failed one in its group have failed, too.
    rest_of_group: bool,
}

impl Reading {
    /// As this mapping has it.
    pub(super) fn of(mapping: &Mapping) -> Self {
        let options = &mapping.options;
        Self {
            reporting: mapping.reporting,
            malformed: options.malformed_report,
            rest_of_group: mapping.queue.is_fifo()
                && options.fifo_failure == FifoFailure::RestOfGroup,
        }
    }

    /// Judges an answer for the batch of these messages.
    pub(super) fn judge(self, answer: Answer, messages: &[Held]) -> Verdict {
        match answer {
            Answer::Ran { function_error, payload } => {
                match function_error.filter(|kind| !kind.is_empty()) {
                    Some(kind) => Verdict::Settled {
                        delete: vec![false; messages.len()],
                        remark: Some(format!(
                            "the function failed ({kind}): {}",
                            excerpt(&payload)
                        )),
                        function_failed: true,
                    },
                    None => self.judge_payload(&payload, messages),
                }
            }
            Answer::HandedOver => Verdict::HandedOver,
            Answer::Refused(refusal) if refusal.fault == Fault::Payload => {
                let reason = format!("the event was refused: {}", refusal.reason);
                if messages.len() > 1 {
                    return Verdict::Split { reason };
                }
                none(messages, reason)
            }
            Answer::Refused(refusal) => Verdict::GiveBack(refusal),
            Answer::Unknown { reason } => Verdict::Keep { reason },
        }
    }

    fn judge_payload(self, payload: &[u8], messages: &[Held]) -> Verdict {
        let ids: HashSet<&str> = messages.iter().map(|message| message.id.as_str()).collect();
        let is_in_batch = |id: &str| ids.contains(id);
        let report = match self.reporting {
            FailureReport::WholeBatch => return all(messages, report::ignored(payload)),
            FailureReport::PerMessage => report::read(payload, is_in_batch),
            FailureReport::Auto => report::read_if_any(payload, is_in_batch),
        };
        match report {
            Report::Success(remark) => all(messages, remark),
            Report::Odd(remark) if self.malformed == MalformedReport::Success => {
                all(messages, Some(format!("{remark}; it counts as success, as the mapping says")))
            }
            Report::Malformed(remark) | Report::Odd(remark) => none(messages, remark),
            Report::Failures(failed) => self.partial(&failed, messages),
        }
    }

    fn partial(self, failed: &HashSet<String>, messages: &[Held]) -> Verdict {
        let mut failed_groups = HashSet::new();
        let mut followers = 0_usize;
        let delete: Vec<bool> = messages
            .iter()
            .map(|message| {
                if failed.contains(&message.id) {
                    failed_groups.insert(message.group.as_str());
                    return false;
                }
                let follows = self.rest_of_group && failed_groups.contains(message.group.as_str());
                followers += usize::from(follows);
                !follows
            })
            .collect();
        let remark = match (failed.len(), followers) {
            (0, _) => None,
            (failed, 0) => Some(format!("the function reports {failed} messages as failed")),
            (failed, followers) => Some(format!(
                "the function reports {failed} messages as failed; {followers} after them in \
                 their groups wait for them"
            )),
        };
        Verdict::Settled { delete, remark, function_failed: false }
    }
}

fn all(messages: &[Held], remark: Option<String>) -> Verdict {
    Verdict::Settled { delete: vec![true; messages.len()], remark, function_failed: false }
}

fn none(messages: &[Held], remark: String) -> Verdict {
    let delete = vec![false; messages.len()];
    Verdict::Settled { delete, remark: Some(remark), function_failed: false }
}

/// Names of Lambda's errors that mean that somebody must act, whatever their HTTP status (the
/// permanent ones among them hide behind 502, 409 and 400).
const OPERATOR_CODES: [&str; 20] = [
    "CodeArtifactUserDeletedException",
    "CodeArtifactUserFailedException",
    "EC2AccessDeniedException",
    "EFSIOException",
    "InvalidRuntimeException",
    "InvalidSecurityGroupIDException",
    "InvalidSubnetIDException",
    "InvalidZipFileException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "ModeNotSupportedException",
    "NoPublishedVersionException",
    "RecursiveInvocationException",
    "RuntimeAliasDeletedException",
    "RuntimeVersionDeletedException",
    "ServiceQuotaExceededException",
    "SnapStartRegenerationFailureException",
    "UnrecognizedClientException",
];

/// Names of errors that mean that there were too many, whatever their HTTP status.
const THROTTLE_CODES: [&str; 3] =
    ["EC2ThrottledException", "ThrottlingException", "TooManyRequestsException"];

/// Whose fault an error answer of Invoke is. `code` is the error's name, if it has one.
/// Source: esm-contract §7.4.
pub(super) fn fault(status: u16, code: Option<&str>) -> Fault {
    if status == 429 || code.is_some_and(|code| THROTTLE_CODES.contains(&code)) {
        return Fault::Throttled;
    }
    if code.is_some_and(|code| OPERATOR_CODES.contains(&code)) {
        return Fault::Operator;
    }
    match status {
        408 | 409 | 500..=599 => Fault::Transient,
        413 | 415 => Fault::Payload,
        400 if matches!(
            code,
            Some(
                "InvalidParameterValueException"
                    | "InvalidRequestContentException"
                    | "SerializationException"
            )
        ) =>
        {
            Fault::Payload
        }
        _ => Fault::Operator,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::queues::ReceivedMessage;

    /// Messages with their groups: `a` and `c` are of one, `b` is of another.
    fn messages() -> Vec<Held> {
        let held = |(id, group): (&str, &str)| {
            let (id, group) = (id.to_owned(), group.to_owned());
            let message = ReceivedMessage { id, group, ..ReceivedMessage::default() };
            Held::new(&message, Instant::now())
        };
        [("a", "g"), ("b", "h"), ("c", "g")].into_iter().map(held).collect()
    }

    fn reading(reporting: FailureReport) -> Reading {
        Reading { reporting, malformed: MalformedReport::Failure, rest_of_group: false }
    }

    fn ran(function_error: Option<&str>, payload: &str) -> Answer {
        Answer::Ran {
            function_error: function_error.map(Into::into),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        }
    }

    /// The ids of those that are deleted, and the remark.
    fn settled(reading: Reading, answer: Answer) -> (String, String) {
        let messages = messages();
        match reading.judge(answer, &messages) {
            Verdict::Settled { delete, remark, .. } => {
                let deleted = messages.iter().zip(delete).filter(|(_, d)| *d);
                (deleted.map(|(m, _)| m.id.as_str()).collect(), remark.unwrap_or_default())
            }
            other => panic!("not settled: {other:?}"),
        }
    }

    fn deleted(answer: Answer, reporting: FailureReport) -> String {
        settled(reading(reporting), answer).0
    }

    #[test]
    fn a_report_decides_what_is_deleted_where_it_is_asked_for() {
        use FailureReport::{Auto, PerMessage, WholeBatch};
        let of_b = r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
        let unknown = r#"{"batchItemFailures":[{"itemIdentifier":"z"}]}"#;
        let table = [
            (of_b, "abc", "ac", "ac"),
            (unknown, "abc", "", ""),
            (r#"{"batchItemFailures":{}}"#, "abc", "", ""),
            (r#"{"batchItemFailures":null}"#, "abc", "abc", "abc"),
            (r#"{"BatchItemFailures":[{"itemIdentifier":"b"}]}"#, "abc", "abc", "abc"),
            (r#"{"statusCode":200}"#, "abc", "abc", "abc"),
            ("", "abc", "abc", "abc"),
            ("not JSON", "abc", "", "abc"),
            (r#""OK""#, "abc", "", "abc"),
        ];
        for (payload, whole_batch, per_message, auto) in table {
            for (reporting, expected) in
                [(WholeBatch, whole_batch), (PerMessage, per_message), (Auto, auto)]
            {
                assert_eq!(deleted(ran(None, payload), reporting), expected, "{payload}");
            }
        }
    }

    #[test]
    fn a_function_error_counts_before_any_report() {
        let report = r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
        for reporting in [FailureReport::WholeBatch, FailureReport::PerMessage, FailureReport::Auto]
        {
            assert_eq!(deleted(ran(Some("Handled"), report), reporting), "");
            assert_eq!(deleted(ran(Some("Unhandled"), "{}"), reporting), "");
            assert_eq!(deleted(ran(Some(""), "{}"), reporting), "abc");
        }
        let verdict =
            reading(FailureReport::PerMessage).judge(ran(Some("Unhandled"), ""), &messages());
        assert!(matches!(verdict, Verdict::Settled { function_failed: true, .. }));
    }

    #[test]
    fn what_looks_like_a_mistake_is_remarked() {
        for (payload, reporting, word) in [
            (r#"{"BatchItemFailures":[]}"#, FailureReport::PerMessage, "BatchItemFailures"),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#,
                FailureReport::WholeBatch,
                "ReportBatchItemFailures",
            ),
            (r#"{"batchItemFailures":[{"x":"a"}]}"#, FailureReport::PerMessage, r#"{"x":"a"}"#),
            ("oops", FailureReport::PerMessage, "oops"),
        ] {
            let (_, remark) = settled(reading(reporting), ran(None, payload));
            assert!(remark.contains(word), "{payload}: {remark}");
        }
        let (_, remark) = settled(reading(FailureReport::PerMessage), ran(None, "{}"));
        assert_eq!(remark, "");
    }

    #[test]
    fn what_an_odd_answer_counts_as_is_the_mappings_choice() {
        let lenient =
            Reading { malformed: MalformedReport::Success, ..reading(FailureReport::PerMessage) };
        for (payload, expected) in [
            (r#""OK""#, "abc"),
            ("[]", "abc"),
            (r#"{"batchItemFailures":"b"}"#, "abc"),
            ("not JSON", ""),
            (r#"{"batchItemFailures":[7]}"#, ""),
        ] {
            let (deleted, remark) = settled(lenient, ran(None, payload));
            assert_eq!(deleted, expected, "{payload}");
            assert!(!remark.is_empty());
        }
    }

    #[test]
    fn the_rest_of_a_group_fails_with_its_first_where_the_mapping_says_so() {
        let guarded = Reading { rest_of_group: true, ..reading(FailureReport::PerMessage) };
        let report =
            |id| ran(None, &format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{id}"}}]}}"#));
        for (failed, expected) in [("a", "b"), ("b", "ac"), ("c", "ab")] {
            assert_eq!(settled(guarded, report(failed)).0, expected, "{failed} failed");
        }
        assert_eq!(settled(reading(FailureReport::PerMessage), report("a")).0, "bc");
    }

    #[test]
    fn what_never_ran_is_given_back_and_what_may_run_is_kept() {
        let reading = reading(FailureReport::WholeBatch);
        for fault in [Fault::Throttled, Fault::Transient, Fault::Operator] {
            let refusal = Refusal { fault, reason: "x".into(), retry_after: None };
            let verdict = reading.judge(Answer::Refused(refusal.clone()), &messages());
            assert_eq!(verdict, Verdict::GiveBack(refusal));
        }
        let unknown = Answer::Unknown { reason: "lost".into() };
        let verdict = reading.judge(unknown, &messages());
        assert_eq!(verdict, Verdict::Keep { reason: "lost".into() });
        assert_eq!(reading.judge(Answer::HandedOver, &messages()), Verdict::HandedOver);
    }

    #[test]
    fn an_event_that_is_refused_is_split_until_one_message_is_to_blame() {
        let reading = reading(FailureReport::WholeBatch);
        let refused = || {
            Answer::Refused(Refusal {
                fault: Fault::Payload,
                reason: "413".into(),
                retry_after: None,
            })
        };
        let all = messages();
        assert!(matches!(reading.judge(refused(), &all), Verdict::Split { .. }));
        let verdict = reading.judge(refused(), &all[..1]);
        let Verdict::Settled { delete, remark, function_failed } = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!((delete, function_failed), (vec![false], false));
        assert!(remark.unwrap().contains("413"));
    }

    #[test]
    fn errors_of_invoke_are_sorted_by_whose_fault_they_are() {
        use Fault::{Operator, Payload, Throttled, Transient};
        let table = [
            (429, Some("TooManyRequestsException"), Throttled),
            (429, None, Throttled),
            (502, Some("EC2ThrottledException"), Throttled),
            (400, Some("ThrottlingException"), Throttled),
            (500, Some("ServiceException"), Transient),
            (502, Some("ENILimitReachedException"), Transient),
            (409, Some("ResourceConflictException"), Transient),
            (408, Some("EFSMountTimeoutException"), Transient),
            (503, None, Transient),
            (504, None, Transient),
            (404, Some("ResourceNotFoundException"), Operator),
            (404, None, Operator),
            (403, Some("AccessDeniedException"), Operator),
            (403, Some("ExpiredTokenException"), Operator),
            (502, Some("KMSAccessDeniedException"), Operator),
            (502, Some("InvalidZipFileException"), Operator),
            (409, Some("RuntimeVersionDeletedException"), Operator),
            (400, Some("RecursiveInvocationException"), Operator),
            (410, Some("EFSIOException"), Operator),
            (402, Some("ServiceQuotaExceededException"), Operator),
            (413, Some("RequestTooLargeException"), Payload),
            (415, Some("UnsupportedMediaTypeException"), Payload),
            (400, Some("InvalidRequestContentException"), Payload),
            (400, None, Operator),
        ];
        for (status, code, expected) in table {
            assert_eq!(fault(status, code), expected, "{status} {code:?}");
        }
    }
}
