//! One call to AWS: when it may be made, and why it gave nothing.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_lambda::config::http::HttpResponse;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};

/// Time between calls: ten a second, where AWS allows fifteen for all of an account.
/// Source: esm-contract §7.1.
const INTERVAL: Duration = Duration::from_millis(100);
/// What is repeated of an error at most, in characters.
const WORDS_MAX: usize = 300;

/// Spreads calls over time. Cheap to clone; all clones share one line.
#[derive(Debug, Clone, Default)]
pub(in crate::lambda) struct Pace(Arc<Mutex<Option<Instant>>>);

impl Pace {
    /// Returns when the next call may be made.
    pub(super) async fn turn(&self) {
        let turn = self.take(Instant::now());
        tokio::time::sleep_until(turn.into()).await;
        // Woken late, the next one waits longer.
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Some(Instant::now() + INTERVAL));
    }

    fn take(&self, now: Instant) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + INTERVAL);
        turn
    }
}

/// Why a call gave nothing; the texts are for people and hold nothing of an answer's body but
/// AWS's own message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lambda) enum Refused {
    /// We have no permission.
    Forbidden(String),
    /// What it asks about does not exist.
    Missing(String),
    /// The endpoint does not know this call.
    Unknown(String),
    /// AWS is away, throttles or fails.
    Failed(String),
}

impl Refused {
    /// What an error of the SDK means.
    pub(in crate::lambda) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let Some(status) = error.raw_response().map(|response| response.status().as_u16()) else {
            return Self::Failed(chain(error));
        };
        let code = error.code().unwrap_or_default();
        let said = error.message().unwrap_or_default();
        let words = [code, said].into_iter().filter(|text| !text.is_empty());
        let words = words.collect::<Vec<_>>().join(": ");
        let words = if words.is_empty() { format!("HTTP {status}") } else { shortened(&words) };
        match (status, code) {
            (403, _) => Self::Forbidden(words),
            // SQS speaks of missing queues with 400.
            (404, "ResourceNotFoundException") => Self::Missing(words),
            (_, code)
                if code.ends_with("QueueDoesNotExist") || code.ends_with("NonExistentQueue") =>
            {
                Self::Missing(words)
            }
            (400, code) if code.starts_with("AccessDenied") => Self::Forbidden(words),
            (404 | 405 | 501, _) | (400, "UnknownOperationException" | "InvalidAction") => {
                Self::Unknown(words)
            }
            (200..300, _) => Self::Unknown(format!("HTTP {status}, and no answer of this API")),
            _ => Self::Failed(words),
        }
    }

    /// The text.
    pub(in crate::lambda) fn words(&self) -> &str {
        match self {
            Self::Forbidden(words)
            | Self::Missing(words)
            | Self::Unknown(words)
            | Self::Failed(words) => words,
        }
    }
}

/// What the errors say that led to one another, on one short line. The SDK's own text for all of
/// them has the answer in it, and with it perhaps the functions' environment (esm-contract §11,
/// trap 28).
pub(in crate::lambda) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        next = error.source();
    }
    shortened(&text)
}

fn shortened(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_calls_take_a_second_and_a_pause_is_not_made_up_for() {
        let pace = Pace::default();
        let start = Instant::now();
        let turns: Vec<Duration> = (0..11).map(|_| pace.clone().take(start) - start).collect();
        assert_eq!((turns[0], turns[10]), (Duration::ZERO, Duration::from_secs(1)));
        let later = start + Duration::from_mins(1);
        assert_eq!(pace.take(later), later);
        assert_eq!(pace.take(later), later + INTERVAL);
    }

    #[test]
    fn what_is_repeated_is_one_short_line() {
        let text = shortened(&format!("a\nb{}", "é".repeat(1_000)));
        assert!(text.starts_with("a b") && text.chars().count() == WORDS_MAX);
    }
}
