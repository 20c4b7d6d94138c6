//! Which queues are dead-letter queues.
//!
//! That is written in their sources, so finding out costs a command for each source. It is asked
//! anew once a minute while somebody looks at the overview, and no page waits for it for long.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::queues::{QueueName, Queues};

/// How old what is known may be.
const FRESH: Duration = Duration::from_mins(1);
/// How long a page waits; what is found later is there when it is fetched again.
const PATIENCE: Duration = Duration::from_millis(15);
/// Sources asked at most.
const SOURCES_MAX: usize = 2_000;

/// What is known of them.
#[derive(Debug, Clone, Default)]
pub(super) struct DeadLetterQueues(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    queues: Arc<HashSet<QueueName>>,
    asked: Option<Instant>,
}

impl DeadLetterQueues {
    /// Those known now.
    pub(super) async fn get(&self, queues: &Queues) -> Arc<HashSet<QueueName>> {
        if self.begin() {
            let (known, queues) = (self.clone(), queues.clone());
            // A task, so that it goes on when the page waits no longer.
            let finding = tokio::spawn(async move { known.find(&queues).await });
            let _found_later = timeout(PATIENCE, finding).await;
        }
        Arc::clone(&self.known().queues)
    }

    /// Whether it is time to ask, and nobody else does.
    fn begin(&self) -> bool {
        let mut known = self.known();
        let is_old = known.asked.is_none_or(|asked| asked.elapsed() >= FRESH);
        if is_old {
            known.asked = Some(Instant::now());
        }
        is_old
    }

    async fn find(&self, queues: &Queues) {
        match queues.dead_letter_targets(SOURCES_MAX).await {
            Ok(found) => {
                let targets = found.into_iter().map(|(_source, target)| target);
                self.known().queues = Arc::new(targets.collect());
            }
            Err(error) => {
                tracing::debug!("dead-letter queues are not known: {error}");
                self.known().asked = None;
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
