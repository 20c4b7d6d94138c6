//! What the trigger keeps in Redis: AWS's last good map, the mappings made here, and those that
//! are switched off. Lost: they are read from AWS again, or gone.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::lambda::catalog::Catalog;
use crate::lambda::document::MappingDocument;
use crate::queues::{QueueError, QueueName, Queues};

/// The field of AWS's map.
const AWS: &str = "aws";
/// What the field of a mapping that was made here starts with; queue and function follow.
pub(super) const MAPPING: &str = "mapping:";
/// What the field of one of the others starts with that was switched off; its UUID follows.
pub(super) const DISABLED: &str = "disabled:";
/// What the field of one starts with that is to be stopped once its queue is empty.
const DRAINING: &str = "draining:";
/// What the field of a queue starts with that was made while AWS was away; its name follows.
const UNREAD: &str = "unread:";

/// AWS's map as it was read last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AwsMap {
    /// All mappings of queues.
    pub(super) mappings: Vec<MappingDocument>,
    /// All functions.
    pub(super) catalog: Catalog,
}

/// Everything that is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Kept {
    pub(super) aws: Option<AwsMap>,
    pub(super) created: Vec<MappingDocument>,
    pub(super) disabled: HashSet<String>,
    /// UUIDs of those that are to be stopped once their queues are empty.
    pub(super) draining: HashSet<String>,
    /// Queues that were made while AWS was away.
    pub(super) unread: HashSet<QueueName>,
}

/// Reads it all. What cannot be understood is left out, with a word in the log.
pub(super) async fn read(queues: &Queues) -> Result<Kept, QueueError> {
    let mut kept = Kept::default();
    for (field, text) in queues.read_map().await? {
        let understood = if field == AWS {
            serde_json::from_str(&text).map(|map| kept.aws = Some(map))
        } else if field.starts_with(MAPPING) {
            serde_json::from_str(&text).map(|mapping| kept.created.push(mapping))
        } else {
            kept.disabled.extend(field.strip_prefix(DISABLED).map(str::to_owned));
            kept.draining.extend(field.strip_prefix(DRAINING).map(str::to_owned));
            kept.unread.extend(field.strip_prefix(UNREAD).and_then(QueueName::parse));
            Ok(())
        };
        if let Err(error) = understood {
            tracing::warn!(field, %error, "what was kept of the mappings cannot be read");
        }
    }
    // One that got another function is there twice if its gateway died then; the later counts.
    kept.created.sort_by(|one, other| {
        let later = other.last_modified.unwrap_or(0.0).total_cmp(&one.last_modified.unwrap_or(0.0));
        one.uuid.cmp(&other.uuid).then(later)
    });
    kept.created.dedup_by(|one, other| one.uuid == other.uuid);
    Ok(kept)
}

/// Keeps AWS's map.
pub(super) async fn keep_aws(queues: &Queues, map: &AwsMap) -> Result<(), QueueError> {
    let text = serde_json::to_string(map).map_err(|e| QueueError::Unexpected(e.to_string()))?;
    queues.write_map(AWS, &text).await
}

/// Keeps in mind that a queue was made without its namesake on AWS having been read.
pub(super) async fn keep_unread(queues: &Queues, queue: &QueueName) -> Result<(), QueueError> {
    queues.write_map(&format!("{UNREAD}{queue}"), "1").await
}

/// Its namesake was read.
pub(super) async fn forget_unread(queues: &Queues, queue: &QueueName) -> Result<(), QueueError> {
    queues.remove_from_map(&format!("{UNREAD}{queue}")).await.map(|_| ())
}

/// Keeps in mind that a mapping is to be stopped once its queue is empty.
pub(super) async fn keep_drain(queues: &Queues, uuid: &str) -> Result<(), QueueError> {
    queues.write_map(&format!("{DRAINING}{uuid}"), "").await
}

/// It is stopped, or is not to be any more.
pub(super) async fn forget_drain(queues: &Queues, uuid: &str) -> Result<(), QueueError> {
    queues.remove_from_map(&format!("{DRAINING}{uuid}")).await.map(|_| ())
}

/// Whether a mapping is to be stopped once its queue is empty.
pub(super) async fn is_draining(queues: &Queues, uuid: &str) -> Result<bool, QueueError> {
    Ok(queues.read_from_map(&format!("{DRAINING}{uuid}")).await?.is_some())
}
