//! Starting and stopping mappings, at once or once their queue is empty.
//!
//! A drain is a field of the trigger's hash (`draining:<uuid>`), so it goes on wherever the mapping
//! is served next. Who serves the mapping looks at its queue now and then, and stops the mapping
//! when there is nothing left to do: no message that could be received, and none in flight.
//! Delayed messages do not count, or a drain might take a quarter of an hour for each.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::lambda::api::epoch_seconds;
use crate::lambda::counters::Counters;
use crate::lambda::created;
use crate::lambda::document::{DISABLED, ENABLED};
use crate::lambda::store;
use crate::queues::{QueueError, QueueName, Queues};

/// Waits between two looks at a queue that is drained, shortest and longest; the longest where
/// nothing happens.
const LOOKS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// What somebody wants of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It takes messages.
    Start,
    /// It takes none; what runs may finish.
    Stop,
    /// It takes messages until there are none, and then stops.
    Drain,
}

/// Does what somebody wants of a mapping. Others have to be told afterwards.
pub(super) async fn switch(queues: &Queues, uuid: &str, wish: Wish) -> Result<(), QueueError> {
    match wish {
        // First, or it might be stopped just after it was started.
        Wish::Start | Wish::Stop => store::forget_drain(queues, uuid).await?,
        Wish::Drain => store::keep_drain(queues, uuid).await?,
    }
    set(queues, uuid, wish != Wish::Stop).await
}

async fn set(queues: &Queues, uuid: &str, is_on: bool) -> Result<(), QueueError> {
    let Some(before) = created::find(queues, uuid).await? else {
        return created::switch(queues, uuid, is_on).await;
    };
    let mut after = before.clone();
    after.state = Some(if is_on { ENABLED } else { DISABLED }.to_owned());
    after.last_modified = Some(epoch_seconds(SystemTime::now()));
    // One that was deleted meanwhile needs no switch.
    created::replace(queues, &before, &after).await.map(|_written| ())
}

/// Waits until the queue is empty, and stops the mapping, unless somebody has changed his mind.
pub(super) async fn drain(queues: Queues, uuid: String, queue: QueueName, counters: Arc<Counters>) {
    let mut pause = LOOKS.0;
    let mut seen = None;
    loop {
        match finish(&queues, &uuid, &queue).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::debug!(%queue, %error, "a drained queue cannot be looked at"),
        }
        let activity = (counters.polled.get(), counters.running.get());
        let is_busy = seen.replace(activity) != Some(activity);
        pause = if is_busy { LOOKS.0 } else { (pause * 2).min(LOOKS.1) };
        tokio::time::sleep(pause).await;
    }
}

/// Returns whether there is nothing more to wait for.
async fn finish(queues: &Queues, uuid: &str, queue: &QueueName) -> Result<bool, QueueError> {
    match queues.info(queue).await {
        Ok(info) if info.ready + info.in_flight > 0 => return Ok(false),
        Ok(_) | Err(QueueError::NoQueue) => {}
        Err(error) => return Err(error),
    }
    if store::is_draining(queues, uuid).await? {
        set(queues, uuid, false).await?;
        store::forget_drain(queues, uuid).await?;
        tracing::info!(%queue, uuid, "the queue is empty: its mapping is stopped, as was asked");
    }
    Ok(true)
}
