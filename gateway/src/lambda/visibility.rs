//! A queue's VisibilityTimeout, asked for when it is needed and remembered for a moment.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::queues::{QueueError, QueueInfo, QueueName, Queues};

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(5);
/// What a queue has that says nothing, as in SQS.
const DEFAULT: Duration = Duration::from_secs(30);

/// A queue's VisibilityTimeout.
#[derive(Debug, Default)]
pub(super) struct VisibilityTimeout(Mutex<Option<(Instant, Duration)>>);

impl VisibilityTimeout {
    /// What it is now, or was a few seconds ago.
    pub(super) async fn of(
        &self,
        queues: &Queues,
        queue: &QueueName,
    ) -> Result<Duration, QueueError> {
        if let Some((at, known)) = *self.lock()
            && at.elapsed() < FRESH
        {
            return Ok(known);
        }
        let timeout = read(&queues.info(queue).await?);
        *self.lock() = Some((Instant::now(), timeout));
        Ok(timeout)
    }

    /// What it was when it was last asked for; `None`: it never was.
    pub(super) fn known(&self) -> Option<Duration> {
        self.lock().map(|(_, known)| known)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(info: &QueueInfo) -> Duration {
    let seconds = info.attribute("VisibilityTimeout").and_then(|text| text.parse().ok());
    seconds.and_then(|s| Duration::try_from_secs_f64(s).ok()).unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_is_read_with_its_decimals() {
        let of = |text: &str| {
            let attributes = vec![("VisibilityTimeout".to_owned(), text.to_owned())];
            read(&QueueInfo { attributes, ..QueueInfo::default() })
        };
        assert_eq!(of("0"), Duration::ZERO);
        assert_eq!(of("2.5"), Duration::from_millis(2_500));
        assert_eq!(of("43200"), Duration::from_secs(43_200));
        assert_eq!(of("-1"), DEFAULT);
        assert_eq!(read(&QueueInfo::default()), DEFAULT);
    }
}
