//! What filter patterns would do with a queue's messages, which are looked at and not received.

use askama::Template;
use axum::Router;
use axum::extract::{self, Path};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use hyper::{StatusCode, Uri};
use serde_json::Value;

use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::mapping_state::plain;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::admin::shown;
use crate::filter::{Filters, InvalidFilter};
use crate::queues::QueueName;
use crate::try_filter::try_on;

/// Messages that are looked at.
const MESSAGES_MAX: u32 = 100;
/// Characters of a body that are shown.
const BODY_CHARACTERS: usize = 120;
/// What a form may bring, in characters: five patterns, prettily written.
const WRITTEN_MAX: usize = 64 * 1_024;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/admin/queues/{queue}/try-filter", get(show).post(tried))
}

#[derive(Debug, Template)]
#[template(path = "try_filter.html")]
struct Page {
    frame: Frame,
    queue: QueueName,
    written: String,
    error: Option<(String, String)>,
    result: Option<Tried>,
}

/// What came of it.
#[derive(Debug, Default)]
struct Tried {
    remarks: Vec<String>,
    rows: Vec<(String, String, bool)>,
    passed: usize,
    has_more: bool,
}

/// The form; with `?mapping=<uuid>` it holds that mapping's filters.
async fn show(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(queue): Path<String>,
    uri: Uri,
) -> Result<Response, Failure> {
    let queue = QueueName::parse(&queue).ok_or(Failure::NoQueue)?;
    state.0.queues.info(&queue).await?;
    let query = uri.query().unwrap_or_default();
    let uuid = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "mapping");
    let mut written = String::new();
    if let Some((_, uuid)) = uuid {
        let mappings = state.0.control.fleet_status().await.trigger.mappings;
        let mapping = mappings.into_iter().find(|mapping| mapping.uuid == uuid);
        written = mapping.map(|mapping| mapping.filters.join("\n")).unwrap_or_default();
    }
    Ok(page(&visitor, queue, written, None, None))
}

/// Nothing is changed by this, so its answer is the page itself.
async fn tried(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    Path(queue): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    let queue = QueueName::parse(&queue).ok_or(Failure::NoQueue)?;
    let written = form_urlencoded::parse(&body).find(|(name, _)| name == "patterns");
    let written = written.map(|(_, text)| text.into_owned()).unwrap_or_default();
    let written: String = written.chars().take(WRITTEN_MAX).collect();
    let filters = match Filters::parse(&patterns(&written)) {
        Ok(filters) => filters,
        Err(error) => {
            let mut refused = page(&visitor, queue, written, Some(&error), None);
            *refused.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(refused);
        }
    };
    let remarks = filters.remarks().iter().map(|remark| plain(remark)).collect();
    let mut result = Tried { remarks, ..Tried::default() };
    let (rows, passed) = (&mut result.rows, &mut result.passed);
    let tried = try_on(&state.0.queues, &queue, &filters, MESSAGES_MAX, |id, body, passes| {
        let (mut beginning, is_all) = shown::text(body, BODY_CHARACTERS);
        if !is_all {
            beginning.push('…');
        }
        rows.push((id.to_owned(), beginning, passes));
        *passed += usize::from(passes);
        true
    });
    result.has_more = tried.await?;
    Ok(page(&visitor, queue, written, None, Some(result)))
}

fn page(
    visitor: &Visitor,
    queue: QueueName,
    written: String,
    error: Option<&InvalidFilter>,
    result: Option<Tried>,
) -> Response {
    let title = (visitor.lang.texts().try_filter.title)(queue.as_str());
    let frame = visitor.frame(Section::Queues, title);
    let error = error.map(|error| (error.to_string(), plain(error.detail())));
    html(&Page { frame, queue, written, error, result })
}

/// The patterns in a text that has one JSON value after the other; of a FilterCriteria its
/// filters'. What is no JSON is left for who reads patterns to refuse.
fn patterns(written: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut values = serde_json::Deserializer::from_str(written).into_iter::<Value>();
    let mut start = 0;
    while let Some(value) = values.next() {
        let Ok(value) = value else {
            found.push(written.get(start..).unwrap_or_default().trim().to_owned());
            break;
        };
        let end = values.byte_offset();
        let text = written.get(start..end).unwrap_or_default().trim();
        match value.get("Filters").and_then(Value::as_array) {
            Some(filters) => found.extend(filters.iter().filter_map(|filter| {
                filter.get("Pattern").and_then(Value::as_str).map(str::to_owned)
            })),
            None => found.push(text.to_owned()),
        }
        start = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_one_after_the_other_or_from_filter_criteria() {
        let one = r#"{"body": {"kind": ["a"]}}"#;
        assert_eq!(patterns(one), [one]);
        assert_eq!(patterns(&format!("\n{one}\n\n{one} {one}")), [one, one, one]);
        let pretty = "{\n  \"body\": [\"x\"]\n}";
        assert_eq!(patterns(&format!("{pretty}{one}")), [pretty, one]);
        let criteria = serde_json::json!({"Filters": [{"Pattern": one}, {"Pattern": pretty}]});
        assert_eq!(patterns(&criteria.to_string()), [one, pretty]);
        assert_eq!(patterns(""), Vec::<String>::new());
        assert_eq!(patterns(&format!("{one} oops {one}")), [one.to_owned(), format!("oops {one}")]);
        assert_eq!(patterns(&"[".repeat(100_000)).len(), 1);
    }
}
