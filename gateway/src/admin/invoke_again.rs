//! Running a function again with the event of an earlier invocation, or a changed one.

use askama::Template;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{self, DefaultBodyLimit, Path};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::invocation::{find, why_not_again};
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::admin::pretty::{pretty, without_tricks};
use crate::admin::shown;
use crate::lambda::{AgainRefused, RunId};

/// The largest event Invoke takes, bytes. Source: esm-contract §1.
const EVENT_BYTES_MAX: usize = 6_291_456;
/// Characters of a function's name.
const NAME_CHARACTERS: usize = 300;

#[derive(Debug, Template)]
#[template(path = "invoke_again.html")]
struct Page {
    frame: Frame,
    id: String,
    /// The id of what is to run, so that a form that is sent twice runs it once.
    run: String,
    text: String,
    event: String,
}

pub(super) fn routes() -> Router<State> {
    // How large a form may be is decided before it is read.
    Router::new()
        .route("/admin/invocations/{id}/again", get(ask).post(run))
        .layer(DefaultBodyLimit::disable())
}

/// Says what will happen.
async fn ask(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let Path(id) = id.map_err(|_| Failure::NoInvocation)?;
    let earlier = find(&state, &id).await?;
    if let Some(why) = why_not_again(&earlier, visitor.lang) {
        return Err(Failure::Refused(why.to_owned()));
    }
    let t = &visitor.lang.texts().invocations;
    let event = String::from_utf8_lossy(&earlier.event.content);
    let event = pretty(&event).unwrap_or_else(|| event.into_owned());
    Ok(html(&Page {
        frame: visitor.frame(Section::Invocations, t.again),
        id: earlier.id.to_string(),
        run: state.0.control.records().new_id().to_string(),
        text: (t.again_text)(&shown::text(&earlier.source.function, NAME_CHARACTERS).0),
        event: without_tricks(&event),
    }))
}

/// Runs it, and leads to its record.
async fn run(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    id: Result<Path<String>, PathRejection>,
    body: Bytes,
) -> Result<Response, Failure> {
    let t = &visitor.lang.texts().invocations;
    let Path(id) = id.map_err(|_| Failure::NoInvocation)?;
    let earlier = find(&state, &id).await?;
    let field = |wanted: &str| {
        form_urlencoded::parse(&body).find(|(name, _)| name == wanted).map(|(_, value)| value)
    };
    let run: RunId = field("run").and_then(|run| run.parse().ok()).ok_or(Failure::Forged)?;
    let event = match field("event") {
        Some(written) => {
            if written.len() > EVENT_BYTES_MAX {
                return Err(Failure::Refused(t.too_large.to_owned()));
            }
            serde_json::from_str::<IgnoredAny>(&written)
                .map_err(|error| Failure::Refused(format!("{}: {error}", t.no_json)))?;
            Bytes::from(written.into_owned())
        }
        None => match why_not_again(&earlier, visitor.lang) {
            Some(why) => return Err(Failure::Refused(why.to_owned())),
            None => earlier.event.content.clone(),
        },
    };
    match state.0.control.invoke_again(earlier, event, run).await {
        Ok(()) => Ok(Redirect::to(&format!("/admin/invocations/{run}")).into_response()),
        Err(AgainRefused::Crowded) => Err(Failure::Refused(t.crowded.to_owned())),
        Err(AgainRefused::Stopping) => Err(Failure::Refused(t.stopping.to_owned())),
    }
}
