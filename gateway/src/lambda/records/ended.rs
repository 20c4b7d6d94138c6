//! From what happened to what is kept of it: outcome, words, and as much of the payloads as
//! `--keep-payloads` wants.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::config::KeepPayloads;
use crate::lambda::batch::Held;
use crate::lambda::outcome::{Answer, Fault, Told, Verdict};
use crate::lambda::records::run::{
    self, Outcome, Payload, REASON_CHARACTERS_MAX, Run, RunId, RunKind, Source,
};
use crate::lambda::records::Records;
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

/// Epoch milliseconds.
pub(super) fn epoch_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Ended<'_> {
    /// The record of it.
    pub(super) fn run(self, records: &Records) -> Run {
        let keep = records.keeps();
        let (outcome, reason) = self.outcome(keep);
        let (named, failed) = run::name(self.messages, |index| self.is_done(index, outcome));
        let wants_payloads = match keep {
            KeepPayloads::None => false,
            KeepPayloads::Failed => outcome.is_failure() || self.kind == RunKind::Again,
            KeepPayloads::All => true,
        };
        let payload = |content: &Bytes, is_alone: bool| match wants_payloads {
            true => Payload::kept(content, is_alone),
            false => Payload::unseen(content),
        };
        let nothing = Bytes::new();
        let answer = match &self.told.answer {
            Answer::Ran { payload, .. } => payload,
            _ => &nothing,
        };
        Run {
            id: self.id.unwrap_or_else(|| records.new_id()),
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
            Some(Verdict::Settled { remark: Some(remark), .. }) => (outcome, remark.clone()),
            Some(Verdict::Split { reason }) => (outcome, reason.clone()),
            _ => (outcome, reason),
        };
        if keep == KeepPayloads::None {
            return (outcome, self.discreet(reason));
        }
        let is_long = reason.len() > REASON_CHARACTERS_MAX;
        let reason =
            if is_long { reason.chars().take(REASON_CHARACTERS_MAX).collect() } else { reason };
        (outcome, reason)
    }

    /// Words in which nothing of an event or an answer can stand.
    fn discreet(&self, reason: String) -> String {
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
            let words = format!("the function failed ({kind}): {}", excerpt(payload));
            (Outcome::FunctionError, words)
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

/// `Handled`, `Unhandled`.
fn is_word(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
