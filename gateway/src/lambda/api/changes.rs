//! What Create, Update, Delete and the tags share.

use std::time::{Duration, SystemTime};

use crate::arn::QueueArn;
use crate::lambda::api::error::ApiError;
use crate::lambda::api::{Api, create, epoch_seconds};
use crate::lambda::control::{Served, View};
use crate::lambda::created::{self, Written};
use crate::lambda::document::MappingDocument;
use crate::lambda::mapping::Origin;
use crate::queues::QueueError;

/// The queue attribute that must not be shorter than the function's timeout.
const VISIBILITY_TIMEOUT: &str = "VisibilityTimeout";

/// That the queue is there, and its messages stay invisible as long as the function may run.
///
/// Source: esm-contract §§3 and 7.3.
pub(super) async fn ensure_visibility(
    api: &Api,
    arn: &QueueArn,
    timeout: Option<Duration>,
) -> Result<(), ApiError> {
    let info = if api.0.identity.owns(arn) {
        api.0.queues.info(&arn.queue).await
    } else {
        Err(QueueError::NoQueue)
    };
    let info = match info {
        Ok(info) => info,
        Err(QueueError::NoQueue) => {
            return Err(ApiError::invalid(
                "Error occurred while ReceiveMessage. SQS Error Code: \
                 AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue \
                 does not exist.",
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let visibility = info.attributes.iter().find(|(name, _)| name == VISIBILITY_TIMEOUT);
    let visibility = visibility.and_then(|(_, seconds)| seconds.parse::<f64>().ok());
    match (visibility, timeout) {
        (Some(visibility), Some(timeout)) if visibility < timeout.as_secs_f64() => {
            let timeout = timeout.as_secs();
            Err(ApiError::invalid(format!(
                "Queue visibility timeout: {visibility} seconds is less than Function timeout: \
                 {timeout} seconds"
            )))
        }
        _ => Ok(()),
    }
}

/// What to do instead of changing a mapping here that was not made here.
pub(super) fn made_elsewhere(served: &Served) -> Option<ApiError> {
    let place = match served.mapping.origin {
        Origin::Created => return None,
        Origin::Configured => "in karin's configuration; change it there",
        Origin::Aws => "on AWS; change it there",
    };
    Some(ApiError::invalid(format!(
        "The mapping {} was made {place}. Here it can only be disabled and enabled.",
        served.mapping.uuid
    )))
}

/// A mapping that was made here, as it is kept now.
pub(super) async fn current(
    api: &Api,
    view: &View,
    served: &Served,
) -> Result<MappingDocument, ApiError> {
    let known = view.documents.get(&served.mapping.uuid).ok_or_else(ApiError::no_mapping)?;
    created::current(&api.0.queues, known).await?.ok_or_else(ApiError::no_mapping)
}

/// Keeps a changed mapping and has it served so.
pub(super) async fn keep(
    api: &Api,
    before: &MappingDocument,
    mut after: MappingDocument,
) -> Result<MappingDocument, ApiError> {
    after.last_modified = Some(epoch_seconds(SystemTime::now()));
    let written = created::replace(&api.0.queues, before, &after).await?;
    api.changed().await;
    match written {
        Written::Kept => Ok(after),
        Written::Taken(held) => Err(create::conflict(&after, &held.uuid)),
        Written::Gone => Err(ApiError::no_mapping()),
    }
}
