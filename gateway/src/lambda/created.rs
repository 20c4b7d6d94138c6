//! The mappings that are made here: each a field of the trigger's hash in Redis, called by its
//! queue and function, so that of two who make the same one at once only one does.

use crate::lambda::document::MappingDocument;
use crate::lambda::mapping::function_name;
use crate::lambda::store::{self, DISABLED, MAPPING};
use crate::queues::{QueueError, QueueName, Queues};

/// What became of a write.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written {
    /// It is kept.
    Kept,
    /// Queue and function have this mapping already.
    Taken(Box<MappingDocument>),
    /// The mapping that was to be changed is gone.
    Gone,
}

/// Keeps a new mapping.
pub(super) async fn add(
    queues: &Queues,
    document: &MappingDocument,
) -> Result<Written, QueueError> {
    let field = field(document)?;
    if queues.add_to_map(&field, &text(document)?).await? {
        return Ok(Written::Kept);
    }
    match queues.read_from_map(&field).await? {
        Some(held) => match serde_json::from_str::<MappingDocument>(&held) {
            // The write was repeated, because the connection broke under it.
            Ok(held) if held.uuid == document.uuid => Ok(Written::Kept),
            Ok(held) => Ok(Written::Taken(Box::new(held))),
            Err(error) => Err(QueueError::Unexpected(format!("{field}: {error}"))),
        },
        None => Err(QueueError::Unavailable("the mappings change too fast".to_owned())),
    }
}

/// Keeps `after` instead of `before`, which has the same UUID. The last of several writers wins.
pub(super) async fn replace(
    queues: &Queues,
    before: &MappingDocument,
    after: &MappingDocument,
) -> Result<Written, QueueError> {
    let (old, new) = (field(before)?, field(after)?);
    if old == new {
        let was_there = queues.replace_in_map(&new, &text(after)?).await?;
        return Ok(if was_there { Written::Kept } else { Written::Gone });
    }
    let written = add(queues, after).await?;
    if written == Written::Kept && !queues.remove_from_map(&old).await? {
        queues.remove_from_map(&new).await?;
        return Ok(Written::Gone);
    }
    Ok(written)
}

/// Removes a mapping. Returns whether it was there.
pub(super) async fn remove(
    queues: &Queues,
    document: &MappingDocument,
) -> Result<bool, QueueError> {
    queues.remove_from_map(&field(document)?).await
}

/// The mapping as it is kept now, which was `known` before. `None`: it is gone.
pub(super) async fn current(
    queues: &Queues,
    known: &MappingDocument,
) -> Result<Option<MappingDocument>, QueueError> {
    let kept = queues.read_from_map(&field(known)?).await?;
    let kept = kept.and_then(|text| serde_json::from_str::<MappingDocument>(&text).ok());
    match kept.filter(|kept| kept.uuid == known.uuid) {
        Some(kept) => Ok(Some(kept)),
        // It may have got another function.
        None => find(queues, &known.uuid).await,
    }
}

/// The mapping with this UUID, as it is kept now, whatever its queue and function.
pub(super) async fn find(
    queues: &Queues,
    uuid: &str,
) -> Result<Option<MappingDocument>, QueueError> {
    let kept = store::read(queues).await?;
    Ok(kept.created.into_iter().find(|document| document.uuid == uuid))
}

/// Switches a mapping off or on that was not made here.
pub(super) async fn switch(queues: &Queues, uuid: &str, is_on: bool) -> Result<(), QueueError> {
    let field = format!("{DISABLED}{uuid}");
    if is_on {
        return queues.remove_from_map(&field).await.map(|_was_off| ());
    }
    queues.write_map(&field, "").await
}

fn field(document: &MappingDocument) -> Result<String, QueueError> {
    let queue = document.event_source_arn.as_deref().and_then(QueueName::of_arn);
    let function = document.function_arn.as_deref().map(function_name);
    match (queue, function) {
        (Some(queue), Some(function)) => Ok(format!("{MAPPING}{queue}={function}")),
        _ => Err(QueueError::Unexpected("a mapping without queue or function".to_owned())),
    }
}

fn text(document: &MappingDocument) -> Result<String, QueueError> {
    serde_json::to_string(document).map_err(|e| QueueError::Unexpected(e.to_string()))
}
