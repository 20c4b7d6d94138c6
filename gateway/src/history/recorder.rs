//! Writes down what this gateway's mappings did, whenever the queues were swept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

use crate::history::log::encode;
use crate::history::{MappingRecord, MappingSeries, Span};
use crate::lambda::{Control, CounterValues};
use crate::queues::{QueueError, Queues};

/// Writes mappings' records, and makes series of them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queues: Queues,
    control: Control,
    /// The counters as they were written down last, by UUID.
    written: Mutex<HashMap<String, CounterValues>>,
}

impl Recorder {
    /// One that writes nothing yet.
    pub(crate) fn new(queues: Queues, control: Control) -> Self {
        Self(Arc::new(Inner { queues, control, written: Mutex::default() }))
    }

    /// Writes after each sweep, for ever.
    pub(crate) fn start(&self) -> JoinHandle<()> {
        let recorder = self.clone();
        tokio::spawn(async move {
            let mut swept = recorder.0.queues.swept();
            while swept.changed().await.is_ok() {
                let now_ms = *swept.borrow_and_update();
                recorder.write(now_ms).await;
            }
        })
    }

    /// Writes what was not written yet, at the end.
    pub(crate) async fn finish(&self) {
        let now_ms = self.0.queues.now_ms();
        self.write(now_ms).await;
    }

    async fn write(&self, now_ms: u64) {
        for (uuid, record) in self.take_new(now_ms) {
            let bytes = encode(&record);
            if let Err(error) = self.0.queues.append_mapping_history(&uuid, &bytes, now_ms).await {
                // A minute is missing then; to write it again could count it twice.
                tracing::debug!(uuid, "a mapping's history was not written: {error}");
            }
        }
    }

    /// What was done since the last call, by UUID.
    fn take_new(&self, now_ms: u64) -> Vec<(String, MappingRecord)> {
        let status = self.0.control.status();
        let mut written = self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        let mut counters = HashMap::with_capacity(status.mappings.len());
        for mapping in status.mappings {
            let before = written.remove(&mapping.uuid).unwrap_or_default();
            let record = since(&before, &mapping.counters, now_ms);
            new.extend(record.map(|record| (mapping.uuid.clone(), record)));
            counters.insert(mapping.uuid, mapping.counters);
        }
        *written = counters;
        new
    }

    /// What was done since the last record was written.
    fn pending(&self, uuid: &str, now_ms: u64) -> Option<MappingRecord> {
        let status = self.0.control.status();
        let mapping = status.mappings.into_iter().find(|mapping| mapping.uuid == uuid)?;
        let written = self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
        let before = written.get(uuid).cloned().unwrap_or_default();
        since(&before, &mapping.counters, now_ms)
    }

    /// A mapping over a span, what this gateway did within the last minute included; one command.
    pub(crate) async fn series(&self, uuid: &str, span: Span) -> Result<MappingSeries, QueueError> {
        let mut records = self.0.queues.mapping_history(uuid).await?;
        let now_ms = self.0.queues.now_ms();
        records.extend(self.pending(uuid, now_ms));
        Ok(MappingSeries::new(&records, now_ms, span))
    }
}

/// Counters that are lower than before belong to a mapping that was made anew.
fn since(before: &CounterValues, after: &CounterValues, now_ms: u64) -> Option<MappingRecord> {
    let is_new = after.invocations < before.invocations || after.polled < before.polled;
    let nothing = CounterValues::default();
    MappingRecord::between(if is_new { &nothing } else { before }, after, now_ms)
}
