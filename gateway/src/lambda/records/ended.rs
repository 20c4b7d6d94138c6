//! From what happened to what is kept of it: outcome, words, and as much of the payloads as
//! `--keep-payloads` wants.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Deserialize;

use crate::config::KeepPayloads;
use crate::epoch::epoch_ms;
use crate::lambda::batch::Held;
use crate::lambda::outcome::{Answer, Fault, Told, Verdict};
use crate::lambda::records::run::{
    self, Outcome, Payload, REASON_CHARACTERS_MAX, Run, RunId, RunKind, Source,
};
use crate::lambda::report::excerpt;

/// What a trace header may take here, bytes.
const TRACE_BYTES_MAX: usize = 256;

/// When an invocation was and how long it took.
#[derive(Debug, Clone)]
pub(in crate::lambda) struct Trail {
    /// When it began, epoch milliseconds.
    pub(super) at_ms: u64,
    pub(super) took: Duration,
    pub(super) trace: String,
}

/// An invocation that has ended.
#[derive(Debug)]
pub(in crate::lambda) struct Ended<'a> {
    pub(in crate::lambda) kind: RunKind,
    pub(in crate::lambda) source: &'a Arc<Source>,
    /// `None`: it gets one.
    pub(in crate::lambda) id: Option<RunId>,
    pub(in crate::lambda) repeats: Option<RunId>,
    pub(in crate::lambda) trail: Trail,
    pub(in crate::lambda) event: &'a Bytes,
    pub(in crate::lambda) told: &'a Told,
    /// What it means for the messages, if it was for some.
    pub(in crate::lambda) verdict: Option<&'a Verdict>,
    pub(in crate::lambda) messages: &'a [Held],
}

impl Trail {
    /// Of an invocation that began at `begun` and has just been answered.
    pub(in crate::lambda) fn since(begun: Instant, trace: Option<String>) -> Self {
        let took = begun.elapsed();
        let at = SystemTime::now().checked_sub(took).unwrap_or(UNIX_EPOCH);
        let trace = trace.filter(|trace| trace.len() <= TRACE_BYTES_MAX).unwrap_or_default();
        Self { at_ms: epoch_ms(at), took, trace }
    }
}

impl Ended<'_> {
    /// The record of it, with as much of its payloads as `keep` wants.
    pub(super) fn run(self, keep: KeepPayloads, new_id: impl FnOnce() -> RunId) -> Run {
        let (outcome, reason) = self.outcome(keep);
        let (named, failed) = run::name(self.messages, |index| self.is_done(index, outcome));
        let wants_payloads = match keep {
            KeepPayloads::None => false,
            KeepPayloads::Failed => outcome.is_failure() || self.kind == RunKind::Again,
            KeepPayloads::All => true,
        };
        let payload = |content: &Bytes, is_alone| {
            if wants_payloads { Payload::kept(content, is_alone) } else { Payload::unseen(content) }
        };
        let nothing = Bytes::new();
        let answer = match &self.told.answer {
            Answer::Ran { payload, .. } => payload,
            _ => &nothing,
        };
        Run {
            id: self.id.unwrap_or_else(new_id),
            kind: self.kind,
            source: Arc::clone(self.source),
            at_ms: self.trail.at_ms,
            duration_us: u64::try_from(self.trail.took.as_micros()).unwrap_or(u64::MAX),
            outcome,
            reason,
            messages: u64::try_from(self.messages.len()).unwrap_or(u64::MAX),
            failed,
            named,
            request_id: self.told.request_id.clone(),
            repeats: self.repeats,
            // A mapping makes its event for the invocation; all else may be part of what was read.
            event: payload(self.event, self.kind == RunKind::Queue),
            answer: payload(answer, false),
            log: payload(&self.told.log_tail, false),
            trace: self.trail.trace,
        }
    }

    /// How it ended, and why, as far as that may be kept.
    fn outcome(&self, keep: KeepPayloads) -> (Outcome, String) {
        let (outcome, reason) = of_answer(&self.told.answer);
        let (outcome, reason) = match self.verdict {
            Some(Verdict::Settled { delete, remark, .. }) if outcome == Outcome::Ok => {
                let is_all = delete.iter().all(|&delete| delete);
                let outcome = if is_all { Outcome::Ok } else { Outcome::Reported };
                (outcome, remark.clone().unwrap_or_default())
            }
            Some(Verdict::Settled { remark: Some(remark), .. })
                if outcome != Outcome::FunctionError =>
            {
                (outcome, remark.clone())
            }
            Some(Verdict::Split { reason }) => (outcome, reason.clone()),
            _ => (outcome, reason),
        };
        if keep == KeepPayloads::None {
            return (outcome, self.discreet(&reason));
        }
        let is_long = reason.len() > REASON_CHARACTERS_MAX;
        let reason =
            if is_long { reason.chars().take(REASON_CHARACTERS_MAX).collect() } else { reason };
        (outcome, reason)
    }

    /// Words in which nothing of an event or an answer can stand.
    fn discreet(&self, reason: &str) -> String {
        match &self.told.answer {
            Answer::Ran { function_error: Some(kind), .. } if is_word(kind) => {
                format!("the function failed ({kind})")
            }
            Answer::Ran { .. } => String::new(),
            Answer::Refused(refusal) if refusal.fault == Fault::Payload => {
                "the event was refused".to_owned()
            }
            _ => reason.chars().take(REASON_CHARACTERS_MAX).collect(),
        }
    }

    /// Whether the message at this place is done with.
    fn is_done(&self, index: usize, outcome: Outcome) -> bool {
        match self.verdict {
            Some(Verdict::Settled { delete, .. }) => delete.get(index) == Some(&true),
            _ => !outcome.is_failure(),
        }
    }
}

/// What an answer says of itself.
fn of_answer(answer: &Answer) -> (Outcome, String) {
    match answer {
        Answer::Ran { function_error: Some(kind), payload } if !kind.is_empty() => {
            (Outcome::FunctionError, words_of_failure(kind, payload))
        }
        Answer::Ran { .. } => (Outcome::Ok, String::new()),
        Answer::HandedOver => (Outcome::HandedOver, String::new()),
        Answer::Refused(refusal) => {
            let is_throttle = refusal.fault == Fault::Throttled;
            let outcome = if is_throttle { Outcome::Throttled } else { Outcome::Refused };
            (outcome, refusal.reason.clone())
        }
        Answer::Unknown { reason } => (Outcome::Lost, reason.clone()),
    }
}

/// A failure's type and message, where it is told as Lambda's runtimes tell it.
fn words_of_failure(kind: &str, payload: &[u8]) -> String {
    /// A longer description is not read for its words.
    const LOOK_AT_BYTES: usize = 64 << 10;
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Failure {
        error_type: Option<String>,
        error_message: Option<String>,
    }
    let read = payload.get(..LOOK_AT_BYTES).is_none().then_some(payload);
    let failure: Failure =
        read.and_then(|payload| serde_json::from_slice(payload).ok()).unwrap_or_default();
    match (failure.error_type, failure.error_message) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (Some(words), None) | (None, Some(words)) => words,
        (None, None) => format!("the function failed ({kind}): {}", excerpt(payload)),
    }
}

/// `Handled`, `Unhandled`.
fn is_word(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::outcome::Refusal;
    use crate::queues::ReceivedMessage;

    fn ended(told: &Told, verdict: &Verdict, messages: usize, keep: KeepPayloads) -> Run {
        let held = |n: usize| {
            let message = ReceivedMessage { id: n.to_string(), ..ReceivedMessage::default() };
            Held::new(&message, Instant::now())
        };
        let messages: Vec<Held> = (0..messages).map(held).collect();
        let ended = Ended {
            kind: RunKind::Queue,
            source: &Arc::default(),
            id: Some(RunId { gateway: 1, number: 1 }),
            repeats: None,
            trail: Trail::since(Instant::now(), Some("Root=1".into())),
            event: &Bytes::from_static(b"{secret}"),
            told,
            verdict: Some(verdict),
            messages: &messages,
        };
        ended.run(keep, || RunId { gateway: 1, number: 2 })
    }

    fn ran(function_error: Option<&str>, payload: &'static str) -> Told {
        let function_error = function_error.map(str::to_owned);
        Answer::Ran { function_error, payload: payload.into() }.into()
    }

    fn settled(delete: &[bool], remark: Option<&str>) -> Verdict {
        let remark = remark.map(str::to_owned);
        Verdict::Settled { delete: delete.to_vec(), remark, function_failed: false }
    }

    #[test]
    fn an_outcome_is_what_the_answer_and_the_verdict_say() {
        let refusal = |fault| Refusal { fault, reason: "why".into(), retry_after: None };
        let refused = |fault| Told::from(Answer::Refused(refusal(fault)));
        let given_back = |fault| Verdict::GiveBack(refusal(fault));
        let lost = Answer::Unknown { reason: "why".into() };
        let all = settled(&[true, true], None);
        let none = settled(&[false, false], Some("secret words"));
        for (told, verdict, outcome, reason, failed) in [
            (ran(None, "null"), all.clone(), Outcome::Ok, "", 0),
            (ran(None, "x"), settled(&[true, false], Some("one")), Outcome::Reported, "one", 1),
            (ran(Some("Unhandled"), "x"), none.clone(), Outcome::FunctionError, "?", 2),
            (
                ran(Some("Unhandled"), r#"{"errorType":"E","errorMessage":"secret"}"#),
                none.clone(),
                Outcome::FunctionError,
                "E: secret",
                2,
            ),
            (refused(Fault::Throttled), given_back(Fault::Throttled), Outcome::Throttled, "why", 0),
            (refused(Fault::Operator), given_back(Fault::Operator), Outcome::Refused, "why", 2),
            (refused(Fault::Payload), none, Outcome::Refused, "secret words", 2),
            (Told::from(lost), Verdict::Keep { reason: "why".into() }, Outcome::Lost, "why", 2),
            (Told::from(Answer::HandedOver), Verdict::HandedOver, Outcome::HandedOver, "", 0),
        ] {
            let run = ended(&told, &verdict, 2, KeepPayloads::All);
            assert_eq!((run.outcome, run.failed), (outcome, failed), "{told:?}");
            let expected =
                if reason == "?" { "the function failed (Unhandled): x" } else { reason };
            assert_eq!(run.reason, expected, "{told:?}");
            assert!(run.event.is_whole(), "{told:?}");
            let discreet = ended(&told, &verdict, 2, KeepPayloads::None);
            assert!(!format!("{discreet:?}").contains("secret"), "{discreet:?}");
            let of_failures = ended(&told, &verdict, 2, KeepPayloads::Failed);
            assert_eq!(of_failures.event.is_whole(), outcome.is_failure(), "{told:?}");
        }
    }

    #[test]
    fn long_words_are_cut() {
        let long = "é".repeat(1_000);
        let run = ended(&ran(None, ""), &settled(&[false], Some(&long)), 1, KeepPayloads::Failed);
        assert_eq!(run.reason.chars().count(), REASON_CHARACTERS_MAX);
    }
}
