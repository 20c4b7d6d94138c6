//! GetEventSourceMapping and ListEventSourceMappings.

use std::sync::Arc;

use serde_json::json;

use crate::arn::QueueArn;
use crate::lambda::api::error::ApiError;
use crate::lambda::api::names::FunctionName;
use crate::lambda::api::pages::Page;
use crate::lambda::api::{Answer, Api, Ask, json_answer};
use crate::lambda::control::{Served, View};
use crate::lambda::created;
use crate::lambda::mapping::{Mapping, function_name};
use crate::queues::QueueName;

/// Mappings of one page, whatever MaxItems says. Source: esm-contract §7.1.
const MAPPINGS_MAX: usize = 100;

/// GetEventSourceMapping.
pub(super) async fn get(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let (view, served) = find(api, ask).await?;
    Ok(json_answer(200, &api.shown(&served, &view)))
}

/// The mapping whose UUID is in the path, if its queue may be reached. One that another gateway
/// made a moment ago is found, too.
pub(super) async fn find(api: &Api, ask: &Ask<'_>) -> Result<(Arc<View>, Served), ApiError> {
    let uuid = &ask.resource;
    let look = || {
        let view = api.0.control.view();
        let served = view.mappings.iter().find(|served| served.mapping.uuid == *uuid).cloned();
        served.map(|served| (Arc::clone(&view), served))
    };
    let mut found = look();
    if found.is_none() && created::find(&api.0.queues, uuid).await?.is_some() {
        api.changed().await;
        found = look();
    }
    let queue = found.as_ref().map(|(_, served)| &served.mapping.queue);
    api.permit(ask, queue)?;
    found.ok_or_else(ApiError::no_mapping)
}

/// ListEventSourceMappings. Who may reach some queues only sees their mappings.
pub(super) fn list(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let page = Page::read(&ask.query, MAPPINGS_MAX)?;
    let function = ask.query.text("FunctionName").map(FunctionName::parse).transpose();
    let function = function.map_err(|broken| ApiError::constraints(&[broken]))?;
    let source = ask.query.text("EventSourceArn");
    let source_queue = source.and_then(QueueName::of_arn);
    if source.is_some() {
        api.permit(ask, source_queue.as_ref())?;
    }
    let view = api.0.control.view();
    let is_listed = |served: &&Served| {
        let mapping = &served.mapping;
        source.is_none_or(|arn| is_source(api, mapping, arn))
            && function.as_ref().is_none_or(|function| is_function(mapping, function))
            && api.permit(ask, Some(&mapping.queue)).is_ok()
    };
    let mappings: Vec<&Served> = view.mappings.iter().filter(is_listed).collect();
    let (mappings, marker) = page.of(mappings, |served| served.mapping.uuid.clone());
    let shown: Vec<_> = mappings.iter().map(|served| api.shown(served, &view)).collect();
    let mut body = json!({"EventSourceMappings": shown});
    if let (Some(marker), Some(body)) = (marker, body.as_object_mut()) {
        body.insert("NextMarker".to_owned(), marker.into());
    }
    Ok(json_answer(200, &body))
}

/// Accounts and regions count where they do for queues, too.
fn is_source(api: &Api, mapping: &Mapping, arn: &str) -> bool {
    let same = |arn: QueueArn| arn.queue == mapping.queue && api.0.identity.owns(&arn);
    api.source_arn(mapping) == arn || QueueArn::parse(arn).is_ok_and(same)
}

/// A bare name means all of a function's mappings, a qualified one those of that qualifier.
fn is_function(mapping: &Mapping, function: &FunctionName) -> bool {
    let qualifier = mapping.function.rsplit_once(':').map(|(_, qualifier)| qualifier);
    mapping.function_name() == function_name(&function.name)
        && (function.qualifier.is_none() || qualifier == function.qualifier.as_deref())
}
