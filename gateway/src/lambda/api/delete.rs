//! DeleteEventSourceMapping.

use crate::lambda::api::changes::{current, made_elsewhere};
use crate::lambda::api::error::ApiError;
use crate::lambda::api::list::find;
use crate::lambda::api::show::render;
use crate::lambda::api::{Answer, Api, Ask, json_answer};
use crate::lambda::created;
use crate::lambda::store;

/// What a mapping's state is called when it is deleted. Source: esm-contract §7.3.
const DELETING: &str = "Deleting";

/// What runs may finish; nothing more is taken.
pub(super) async fn handle(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let (view, served) = find(api, ask).await?;
    if let Some(refused) = made_elsewhere(&served) {
        return Err(refused);
    }
    let _writing = api.0.writing.lock().await;
    let document = current(api, &view, &served).await?;
    let was_there = created::remove(&api.0.queues, &document).await?;
    store::forget_drain(&api.0.queues, &document.uuid).await?;
    api.changed().await;
    if !was_there {
        return Err(ApiError::no_mapping());
    }
    Ok(json_answer(202, &render(&document, Some(DELETING))))
}
