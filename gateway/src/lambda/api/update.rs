//! UpdateEventSourceMapping.

use crate::arn::QueueArn;
use crate::lambda::api::changes::{current, ensure_visibility, keep, made_elsewhere};
use crate::lambda::api::create::{no_such_function, refuse_a_second_one};
use crate::lambda::api::error::ApiError;
use crate::lambda::api::list::find;
use crate::lambda::api::settings::Given;
use crate::lambda::api::show::render;
use crate::lambda::api::{Answer, Api, Ask, json_answer};
use crate::lambda::control::{Served, View};
use crate::lambda::created;
use crate::lambda::document::{DISABLED, ENABLED, MappingDocument};
use crate::lambda::mapping::{Origin, function_name};
use crate::lambda::store;

pub(super) async fn handle(api: &Api, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let given = Given::read(&ask.body, false)?;
    let (view, served) = find(api, ask).await?;
    given.check_kinds()?;
    let _writing = api.0.writing.lock().await;
    if given.enabled.is_some() {
        // A drain was somebody's other wish.
        store::forget_drain(&api.0.queues, &served.mapping.uuid).await?;
    }
    let document = if served.mapping.origin == Origin::Created {
        change(api, &view, &served, &given).await?
    } else {
        switch(api, &view, &served, &given).await?
    };
    // Source: esm-contract §7.3.
    let state = match given.enabled {
        Some(true) => "Enabling",
        Some(false) => "Disabling",
        None => "Updating",
    };
    Ok(json_answer(202, &render(&document, Some(state))))
}

async fn change(
    api: &Api,
    view: &View,
    served: &Served,
    given: &Given,
) -> Result<MappingDocument, ApiError> {
    let before = current(api, view, served).await?;
    let source = before.event_source_arn.as_deref().unwrap_or_default();
    let arn = QueueArn::parse(source);
    let arn = arn.map_err(|_| ApiError::invalid("Unrecognized event source."))?;
    let mut after = before.clone();
    given.apply(&mut after);
    given.check(&after, &arn.queue)?;
    let timeout = match &given.function {
        Some(name) => {
            let function = api.resolve(name).ok_or_else(no_such_function)?;
            after.function_arn = Some(function.arn);
            function.timeout
        }
        None => api.timeout_of(served.mapping.function_name()),
    };
    ensure_visibility(api, &arn, timeout).await?;
    if let Some(is_enabled) = given.enabled {
        after.state = Some(if is_enabled { ENABLED } else { DISABLED }.to_owned());
    }
    refuse_a_second_one(api, &after)?;
    keep(api, &before, after).await
}

/// One that was made elsewhere can be switched off and on; saying again what it is does no harm.
async fn switch(
    api: &Api,
    view: &View,
    served: &Served,
    given: &Given,
) -> Result<MappingDocument, ApiError> {
    let document = api.document(served, view);
    let mut wanted = document.clone();
    given.apply(&mut wanted);
    let function = given.function.as_ref().map(|function| function.name.as_str());
    let has_it = |name| document.function_arn.as_deref().map(function_name) == Some(name);
    if wanted != document || !function.is_none_or(has_it) {
        let refused = made_elsewhere(served);
        return Err(refused.unwrap_or_else(ApiError::no_mapping));
    }
    if let Some(is_enabled) = given.enabled {
        created::switch(&api.0.queues, &document.uuid, is_enabled).await?;
        api.changed().await;
    }
    Ok(document)
}
