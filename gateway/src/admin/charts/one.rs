//! Pages with nothing but the charts of one queue or mapping.

use askama::Template;
use axum::Router;
use axum::extract::{self, Path};
use axum::response::Response;
use axum::routing::get;

use crate::admin::State;
use crate::admin::charts::{Charts, mapping_charts, queue_charts};
use crate::admin::failure::Failure;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::queues::QueueName;

#[derive(Debug, Template)]
#[template(path = "charts_one.html")]
struct Page {
    frame: Frame,
    /// The page of the queue or mapping itself.
    owner: String,
    charts: Charts,
}

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/admin/queues/{name}/charts", get(queue))
        .route("/admin/mappings/{uuid}/charts", get(mapping))
}

async fn queue(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let queue = QueueName::parse(&name).ok_or(Failure::NoQueue)?;
    let frame = visitor.frame(Section::Charts, name);
    let charts = queue_charts(&state, &queue, &frame).await?;
    Ok(html(&Page { owner: format!("/admin/queues/{queue}"), frame, charts }))
}

async fn mapping(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(uuid): Path<String>,
) -> Result<Response, Failure> {
    let status = state.0.control.status();
    let mapping = status.mappings.into_iter().find(|mapping| mapping.uuid == uuid);
    let mapping = mapping.ok_or(Failure::NoMapping)?;
    let title = format!("{} → {}", mapping.queue, mapping.function_name);
    let frame = visitor.frame(Section::Charts, title);
    let charts = mapping_charts(&state, &mapping.uuid, &frame).await?;
    Ok(html(&Page { owner: format!("/admin/mappings/{}", mapping.uuid), frame, charts }))
}
