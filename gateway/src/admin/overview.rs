//! The first page: how everything is.

use askama::Template;
use axum::Router;
use axum::extract;
use axum::response::Response;
use axum::routing::get;

use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::lambda::TriggerStatus;

#[derive(Debug, Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    trigger: TriggerStatus,
}

pub(super) fn routes() -> Router<State> {
    Router::new().route("/admin", get(show))
}

async fn show(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
) -> Result<Response, Failure> {
    let frame = visitor.frame(Section::Overview, visitor.lang.texts().overview.title);
    Ok(html(&Page { frame, trigger: state.0.control.status() }))
}
