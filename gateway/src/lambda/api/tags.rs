//! ListTags, TagResource and UntagResource: tags of mappings that were made here, some of which
//! set karin's own options. Local functions have none.

use serde_json::json;

use hyper::Response;

use crate::config::Filtered;
use crate::lambda::api::changes::{current, keep, made_elsewhere};
use crate::lambda::api::error::ApiError;
use crate::lambda::api::list::find;
use crate::lambda::api::names::FunctionName;
use crate::lambda::api::settings::{check_tags, read_tags};
use crate::lambda::api::{Answer, Api, Ask, json_answer};
use crate::lambda::document::MappingDocument;

/// What stands before the UUID in a mapping's ARN.
const MAPPING: &str = ":event-source-mapping:";

pub(super) async fn list(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let Some(ask) = of_mapping(ask) else {
        api.permit(ask, None)?;
        let name = FunctionName::parse(&ask.resource).map_err(|b| ApiError::constraints(&[b]))?;
        let function = api.0.functions.get(&name.name);
        let function = function.ok_or_else(|| ApiError::no_function(&ask.resource))?;
        tracing::debug!(function = function.name(), "has no tags");
        return Ok(json_answer(200, &json!({"Tags": {}})));
    };
    let (view, served) = find(api, &ask).await?;
    let tags = view.documents.get(&served.mapping.uuid).map(|document| &document.tags);
    Ok(json_answer(200, &json!({"Tags": tags.cloned().unwrap_or_default()})))
}

pub(super) async fn tag(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let tags = read_tags(&ask.body)?;
    change(api, ask, |document| document.tags.extend(tags.clone())).await
}

pub(super) async fn untag(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let gone: Vec<&str> = ask.query.all("tagKeys").collect();
    change(api, ask, |document| document.tags.retain(|name, _| !gone.contains(&name.as_str())))
        .await
}

async fn change(
    api: &Api,
    ask: &Ask<'_>,
    change: impl Fn(&mut MappingDocument),
) -> Result<Answer, ApiError> {
    let Some(ask) = of_mapping(ask) else {
        api.permit(ask, None)?;
        return Err(ApiError::invalid("Only mappings have tags here, and no functions."));
    };
    let (view, served) = find(api, &ask).await?;
    if let Some(refused) = made_elsewhere(&served) {
        return Err(refused);
    }
    let _writing = api.0.writing.lock().await;
    let before = current(api, &view, &served).await?;
    let mut after = before.clone();
    change(&mut after);
    if let Filtered::Move(target) = check_tags(&after, &served.mapping.queue)?.filtered {
        api.permit(&ask, Some(&target))?;
    }
    keep(api, &before, after).await?;
    let mut answer: Answer = Response::default();
    *answer.status_mut() = hyper::StatusCode::NO_CONTENT;
    Ok(answer)
}

/// The same request about the mapping its ARN names. `None`: the ARN is no mapping's.
fn of_mapping<'a>(ask: &'a Ask<'_>) -> Option<Ask<'a>> {
    let (_, uuid) = ask.resource.split_once(MAPPING)?;
    Some(Ask { resource: uuid.to_owned(), ..ask.clone() })
}
