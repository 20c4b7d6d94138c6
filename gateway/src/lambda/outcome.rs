//! What an invocation came to, and what that means for each message of its batch. Pure.
//!
//! Source: esm-contract §3 (signals, ReportBatchItemFailures), §7.4 (errors of Invoke).

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::config::FailureReport;

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
    /// The function certainly did not run.
    Refused(Refusal),
    /// It may have run, or be running still: the connection was lost after the request was sent.
    Unknown {
        /// Why nothing is known, for the log.
        reason: String,
    },
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
    /// This event will never be taken: the messages' receives count, as with a failing function.
    Payload,
}

/// What to do with the messages of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It ran: delete those marked `true`, leave the others to the end of their lease.
    Settled {
        /// One entry a message, in the batch's order.
        delete: Vec<bool>,
        /// What went wrong, or looks wrong, for the log.
        remark: Option<String>,
    },
    /// Give all back without counting their receive.
    GiveBack(Refusal),
    /// Leave all to the end of their lease: the function may be running.
    Keep {
        /// Why, for the log.
        reason: String,
    },
}

/// Judges an answer for the batch of messages with these ids.
pub(super) fn judge(answer: Answer, reporting: FailureReport, ids: &[&str]) -> Verdict {
    let (function_error, payload) = match answer {
        Answer::Ran { function_error, payload } => (function_error, payload),
        Answer::Refused(refusal) if refusal.fault == Fault::Payload => {
            return none(ids, format!("the event was refused: {}", refusal.reason));
        }
        Answer::Refused(refusal) => return Verdict::GiveBack(refusal),
        Answer::Unknown { reason } => return Verdict::Keep { reason },
    };
    if let Some(kind) = function_error.filter(|kind| !kind.is_empty()) {
        return none(ids, format!("the function failed ({kind}): {}", excerpt(&payload)));
    }
    match reporting {
        FailureReport::WholeBatch => all(ids, ignored_report(&payload)),
        FailureReport::PerMessage => judge_report(&payload, ids),
        FailureReport::Auto if reports_failures(&payload) => judge_report(&payload, ids),
        FailureReport::Auto => all(ids, None),
    }
}

fn judge_report(payload: &[u8], ids: &[&str]) -> Verdict {
    if payload.iter().all(u8::is_ascii_whitespace) {
        return all(ids, None);
    }
    let members = match serde_json::from_slice(payload) {
        Ok(Value::Null) => return all(ids, None),
        Ok(Value::Object(members)) => members,
        Ok(_) => return none(ids, "the answer is JSON, but no object".into()),
        Err(_) => return none(ids, format!("the answer is no JSON: {}", excerpt(payload))),
    };
    let failures = match members.get("batchItemFailures") {
        Some(Value::Array(failures)) => failures,
        Some(Value::Null) => return all(ids, None),
        Some(_) => return none(ids, "batchItemFailures is no list".into()),
        None => {
            let misspelt = members.keys().find(|k| k.eq_ignore_ascii_case("batchItemFailures"));
            return all(
                ids,
                misspelt.map(|key| {
                    format!("the answer has {key}, which AWS ignores: write batchItemFailures")
                }),
            );
        }
    };
    let mut failed = HashSet::with_capacity(failures.len());
    for failure in failures {
        let id = failure.get("itemIdentifier").and_then(Value::as_str);
        match id.filter(|id| ids.contains(id)) {
            Some(id) => failed.insert(id),
            None => return none(ids, format!("batchItemFailures has a bad entry: {failure}")),
        };
    }
    let remark = (!failed.is_empty()).then(|| format!("{} messages failed", failed.len()));
    Verdict::Settled { delete: ids.iter().map(|id| !failed.contains(id)).collect(), remark }
}

/// A function that lists failures while its mapping does not ask for them loses those messages:
/// on AWS silently, here with a word in the log (esm-contract §11, trap 2).
fn ignored_report(payload: &[u8]) -> Option<String> {
    const LOOK_AT_BYTES: usize = 65_536;
    (payload.len() <= LOOK_AT_BYTES && reports_failures(payload)).then(|| {
        "the function reports batchItemFailures, but the mapping has no ReportBatchItemFailures: \
         everything is deleted, as on AWS"
            .into()
    })
}

/// Whether an answer lists failures.
fn reports_failures(payload: &[u8]) -> bool {
    let answer = serde_json::from_slice::<Value>(payload).ok();
    let failures = answer.as_ref().and_then(|answer| answer.get("batchItemFailures"));
    failures.and_then(Value::as_array).is_some_and(|failures| !failures.is_empty())
}

fn all(ids: &[&str], remark: Option<String>) -> Verdict {
    Verdict::Settled { delete: vec![true; ids.len()], remark }
}

fn none(ids: &[&str], remark: String) -> Verdict {
    Verdict::Settled { delete: vec![false; ids.len()], remark: Some(remark) }
}

/// The beginning of an answer, for the log.
fn excerpt(payload: &[u8]) -> String {
    const CHARS: usize = 300;
    let text = String::from_utf8_lossy(payload.get(..CHARS * 4).unwrap_or(payload)).into_owned();
    text.chars().take(CHARS).collect()
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

/// Whose fault an error answer of Invoke is. `code` is the error's name, if it has one.
/// Source: esm-contract §7.4.
pub(super) fn fault(status: u16, code: Option<&str>) -> Fault {
    if status == 429 || code == Some("EC2ThrottledException") {
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
    use super::*;

    const IDS: [&str; 3] = ["a", "b", "c"];

    fn ran(function_error: Option<&str>, payload: &str) -> Answer {
        Answer::Ran {
            function_error: function_error.map(Into::into),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        }
    }

    fn deleted(answer: Answer, reporting: FailureReport) -> String {
        match judge(answer, reporting, &IDS) {
            Verdict::Settled { delete, .. } => {
                IDS.iter().zip(delete).filter(|(_, d)| *d).map(|(id, _)| *id).collect()
            }
            other => panic!("not settled: {other:?}"),
        }
    }

    #[test]
    fn an_answer_with_item_failures_is_read_as_the_contract_says() {
        let table = [
            ("", "abc"),
            (" \n", "abc"),
            ("null", "abc"),
            ("{}", "abc"),
            (r#"{"batchItemFailures":[]}"#, "abc"),
            (r#"{"batchItemFailures":null}"#, "abc"),
            (r#"{"statusCode":200}"#, "abc"),
            (r#"{"BatchItemFailures":[{"itemIdentifier":"a"}]}"#, "abc"),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, "ac"),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}]}"#, "ac"),
            (r#"{"batchItemFailures":[{"itemIdentifier":"c","x":1}],"y":2}"#, "ab"),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"},
                   {"itemIdentifier":"c"}]}"#,
                "",
            ),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"z"}]}"#, ""),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, ""),
            (r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, ""),
            (r#"{"batchItemFailures":[{"itemIdentifier":7}]}"#, ""),
            (r#"{"batchItemFailures":[{"foo":"b"}]}"#, ""),
            (r#"{"batchItemFailures":["b"]}"#, ""),
            (r#"{"batchItemFailures":{"itemIdentifier":"b"}}"#, ""),
            ("not JSON", ""),
            (r#""OK""#, ""),
            ("[]", ""),
            ("7", ""),
        ];
        for (payload, expected) in table {
            assert_eq!(
                deleted(ran(None, payload), FailureReport::PerMessage),
                expected,
                "{payload}"
            );
        }
    }

    #[test]
    fn without_item_failures_only_the_function_error_counts() {
        let report = r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
        assert_eq!(deleted(ran(None, report), FailureReport::WholeBatch), "abc");
        assert_eq!(deleted(ran(None, "anything"), FailureReport::WholeBatch), "abc");
        assert_eq!(deleted(ran(Some(""), ""), FailureReport::WholeBatch), "abc");
        for reporting in [FailureReport::WholeBatch, FailureReport::PerMessage] {
            assert_eq!(deleted(ran(Some("Handled"), report), reporting), "");
            assert_eq!(deleted(ran(Some("Unhandled"), "{}"), reporting), "");
        }
    }

    #[test]
    fn a_wrong_case_and_an_unasked_report_are_remarked() {
        for (payload, reporting) in [
            (r#"{"BatchItemFailures":[]}"#, FailureReport::PerMessage),
            (r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#, FailureReport::WholeBatch),
        ] {
            let verdict = judge(ran(None, payload), reporting, &IDS);
            assert!(
                matches!(verdict, Verdict::Settled { remark: Some(_), .. }),
                "{payload}: {verdict:?}"
            );
        }
    }

    #[test]
    fn what_never_ran_is_given_back_and_what_may_run_is_kept() {
        for fault in [Fault::Throttled, Fault::Transient, Fault::Operator] {
            let refusal = Refusal { fault, reason: "x".into(), retry_after: None };
            let verdict = judge(Answer::Refused(refusal.clone()), FailureReport::WholeBatch, &IDS);
            assert_eq!(verdict, Verdict::GiveBack(refusal));
        }
        let refusal = Refusal { fault: Fault::Payload, reason: "x".into(), retry_after: None };
        assert_eq!(deleted(Answer::Refused(refusal), FailureReport::WholeBatch), "");
        let unknown = Answer::Unknown { reason: "lost".into() };
        assert_eq!(
            judge(unknown, FailureReport::WholeBatch, &IDS),
            Verdict::Keep { reason: "lost".into() }
        );
    }

    #[test]
    fn errors_of_invoke_are_sorted_by_whose_fault_they_are() {
        use Fault::{Operator, Payload, Throttled, Transient};
        let table = [
            (429, Some("TooManyRequestsException"), Throttled),
            (429, None, Throttled),
            (502, Some("EC2ThrottledException"), Throttled),
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
