//! What the trigger does, line by line for the log: asked for with SIGUSR1.

use std::time::SystemTime;

use crate::lambda::control::{Control, Served, SyncView, View};
use crate::lambda::counters::{Counter, Counters};
use crate::lambda::health::MappingState;

impl Control {
    /// Has AWS read now, where it is read at all, and writes to the log how reading it and each
    /// mapping fare.
    pub async fn report(&self) {
        if self.view().sync.is_on {
            // What comes of it is part of what is written.
            let _told = self.sync().await;
        }
        write(&self.view());
    }
}

fn write(view: &View) {
    tell_sync(&view.sync);
    for served in &view.mappings {
        tell_mapping(served);
    }
    for not_served in &view.not_served {
        tracing::info!("{not_served}");
    }
    for remark in &view.remarks {
        tracing::info!(remark);
    }
}

fn tell_sync(sync: &SyncView) {
    let Some((at, result)) = &sync.last else {
        tracing::info!(is_on = sync.is_on, is_reading = sync.is_reading, "AWS was not read");
        return;
    };
    let ago = SystemTime::now().duration_since(*at).unwrap_or_default();
    match result {
        Ok(summary) => tracing::info!(?ago, is_reading = sync.is_reading, "AWS: {summary}"),
        Err(error) => tracing::info!(?ago, is_reading = sync.is_reading, "AWS: {error}"),
    }
}

fn tell_mapping(served: &Served) {
    let Served { mapping, is_disabled, health, counters, .. } = served;
    let state = match health.as_ref().map(|health| health.state()) {
        _ if *is_disabled => "switched off".to_owned(),
        None => "served by another gateway".to_owned(),
        Some(MappingState::Running) => "running".to_owned(),
        Some(MappingState::Waiting { reason, remaining }) => {
            format!("waiting {remaining:.1?}: {reason}")
        }
        Some(MappingState::Paused { reason, since, next_probe }) => {
            let paused = SystemTime::now().duration_since(since).unwrap_or_default();
            format!("paused for {paused:.0?}, looked at in {next_probe:.0?}: {reason}")
        }
    };
    let last_result = health.as_ref().map(|health| health.last_result()).unwrap_or_default();
    let count =
        |of: fn(&Counters) -> &Counter| counters.as_ref().map_or(0, |counters| of(counters).get());
    tracing::info!(
        uuid = mapping.uuid, queue = %mapping.queue, function = mapping.function, state,
        last_result,
        polled = count(|c| &c.polled), empty_polls = count(|c| &c.empty_polls),
        filtered_out = count(|c| &c.filtered_out), invoked = count(|c| &c.invoked),
        failed = count(|c| &c.failed_invoke), deleted = count(|c| &c.deleted),
        invocations = count(|c| &c.invocations), errors = count(|c| &c.errors),
        throttles = count(|c| &c.throttles),
        "mapping"
    );
}
