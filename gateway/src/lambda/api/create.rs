//! CreateEventSourceMapping.

use std::time::SystemTime;

use crate::arn::QueueArn;
use crate::config::Filtered;
use crate::lambda::api::changes::ensure_visibility;
use crate::lambda::api::error::{ApiError, ErrorKind};
use crate::lambda::api::settings::{Given, check_tags};
use crate::lambda::api::show::render;
use crate::lambda::api::{Answer, Api, Ask, epoch_seconds, json_answer};
use crate::lambda::created::{self, Written};
use crate::lambda::document::{DISABLED, ENABLED, MappingDocument};
use crate::lambda::mapping::{Origin, function_name};

/// What a new mapping's state is called at first. Source: esm-contract §7.3.
const CREATING: &str = "Creating";

pub(super) async fn handle(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let given = Given::read(&ask.body, true)?;
    given.check_kinds()?;
    let source = given.source_arn.as_deref().unwrap_or_default();
    let arn = QueueArn::parse(source);
    api.permit(ask, arn.as_ref().ok().map(|arn| &arn.queue))?;
    let Ok(arn) = arn else { return Err(ApiError::invalid("Unrecognized event source.")) };
    let mut document = MappingDocument::default();
    given.apply(&mut document);
    given.check(&document, &arn.queue)?;
    if let Filtered::Move(target) = check_tags(&document, &arn.queue)?.filtered {
        api.permit(ask, Some(&target))?;
    }
    let Some(name) = &given.function else { return Err(no_such_function()) };
    let function = api.resolve(name).ok_or_else(no_such_function)?;
    ensure_visibility(api, &arn, function.timeout).await?;
    let is_enabled = given.enabled.unwrap_or(true);
    let uuid = api.0.request_ids.next();
    document = MappingDocument {
        event_source_mapping_arn: Some(api.0.identity.mapping_arn(&uuid)),
        uuid,
        event_source_arn: Some(source.to_owned()),
        function_arn: Some(function.arn),
        state: Some(if is_enabled { ENABLED } else { DISABLED }.to_owned()),
        last_modified: Some(epoch_seconds(SystemTime::now())),
        ..document
    };
    let _writing = api.0.writing.lock().await;
    refuse_a_second_one(api, &document)?;
    if let Written::Taken(held) = created::add(&api.0.queues, &document).await? {
        // Another gateway's, which is not known here yet.
        api.changed().await;
        return Err(conflict(&document, &held.uuid));
    }
    api.changed().await;
    Ok(json_answer(202, &render(&document, is_enabled.then_some(CREATING))))
}

pub(super) fn no_such_function() -> ApiError {
    ApiError::invalid("Function does not exist")
}

/// A mapping of the same queue and function that was made elsewhere. Of those made here Redis
/// knows more than we do: another gateway may have made or deleted one a moment ago.
pub(super) fn refuse_a_second_one(api: &Api, document: &MappingDocument) -> Result<(), ApiError> {
    let view = api.0.control.view();
    let source = document.event_source_arn.as_deref().unwrap_or_default();
    let name = function_name(document.function_arn.as_deref().unwrap_or_default());
    let other = view.mappings.iter().map(|served| &served.mapping).find(|mapping| {
        source.rsplit(':').next() == Some(mapping.queue.as_str())
            && mapping.function_name() == name
            && mapping.origin != Origin::Created
    });
    other.map_or(Ok(()), |other| Err(conflict(document, &other.uuid)))
}

/// Source: esm-contract §7.3.
pub(super) fn conflict(document: &MappingDocument, uuid: &str) -> ApiError {
    let source = document.event_source_arn.as_deref().unwrap_or_default();
    let name = function_name(document.function_arn.as_deref().unwrap_or_default());
    ApiError::new(
        ErrorKind::ResourceConflict,
        format!(
            "An event source mapping with SQS arn (\" {source} \") and function (\" {name} \") \
             already exists. Please update or delete the existing mapping with UUID {uuid}"
        ),
    )
}
